//! Fetches from real servers on loopback that misbehave in every way we know of.

mod support;

mod connections;
mod framing;
mod heads;
