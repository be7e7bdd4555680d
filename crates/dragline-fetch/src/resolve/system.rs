//! Asks the system for the addresses of a name.

use std::net::ToSocketAddrs;
use std::time::Duration;

use super::memory::Found;

/// How long its answers are good; getaddrinfo does not tell the records' own time to live.
const TTL: Duration = Duration::from_secs(60);

/// Asks the system; blocks for as long as that takes.
pub(super) fn look_up(name: &str) -> Found {
    match (name, 0).to_socket_addrs() {
        Ok(found) => Found::addresses(found.map(|address| address.ip()), TTL),
        Err(error) => Found::failed(&error.to_string()),
    }
}
