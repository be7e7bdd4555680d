//! Asks the system for the addresses of a name.

use std::net::{IpAddr, ToSocketAddrs};
use std::time::Duration;

use super::memory::Found;

/// How long its answers are good; getaddrinfo does not tell the records' own time to live.
const TTL: Duration = Duration::from_secs(60);

/// Asks the system; blocks for as long as that takes.
pub(super) fn look_up(name: &str) -> Found {
    let found = match (name, 0).to_socket_addrs() {
        Ok(found) => found,
        Err(error) => return Found::failed(&error.to_string()),
    };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.is_empty() {
        return Found::failed("the name has no address");
    }
    Found { answer: Ok(addresses.into()), ttl: TTL }
}
