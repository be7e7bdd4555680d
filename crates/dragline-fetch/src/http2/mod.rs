//! Speaks HTTP/2 (RFC 9113) over connections of our own, one for each origin and route.
//!
//! ```text
//! Pool::send -> slot of the origin -> dial once -> Connection (one task) <- Wire (bytes, frames seen) <- dial::Io
//!      |              |                                  |
//!      |              +-- http/1.1 by ALPN: Stash        +-- exchange: request, content, head -> Body
//!      +-- repeats what was not served, and says why the rest failed
//! ```

mod body;
mod connection;
mod exchange;
mod failure;
mod frames;
mod head;
mod known;
mod pool;
mod request;
mod stash;
mod task;
mod upload;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use body::Body;
pub(crate) use failure::SendError;
pub(crate) use pool::{Pool, Sent};
pub(crate) use request::Request;
pub(crate) use stash::Stash;
