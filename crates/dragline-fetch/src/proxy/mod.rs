//! Speaks with proxies: what is said before a stream leads to the target, and what is said differently behind one.
//!
//! Everything here is pure over any stream; dialling, names and the address guard are the dialler's.

mod absolute;
#[cfg(test)]
mod arbitrary;
mod connect;
mod destination;
mod socks5;

pub(crate) use absolute::{Absolute, rewrite};
pub(crate) use connect::http_connect;
pub(crate) use destination::{Destination, Host};
pub(crate) use socks5::socks5;
