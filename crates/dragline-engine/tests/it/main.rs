//! Runs whole crawls against a simulated web under paused time, and a few against loopback with real threads.

mod credits;
mod ending;
mod fetchers;
mod follow;
mod handlers;
mod hung;
mod lives;
mod process;
mod routes;
mod session;
mod support;
mod whole;
