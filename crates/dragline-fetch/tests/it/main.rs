//! Fetches from real servers on loopback that misbehave in every way we know of.

mod support;

mod bodies;
mod connections;
mod framing;
mod heads;
mod http2;
mod limits;
mod names;
mod proxies;
mod requests;
mod secure;
