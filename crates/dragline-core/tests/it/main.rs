//! Runs the core against cases from outside and against models of itself.

mod auth;
mod cookies;
mod frontier_fold;
mod frontier_hosts;
mod frontier_kit;
mod frontier_life;
mod frontier_limits;
mod frontier_robots;
mod hops;
mod robots;
