//! Names what a proxy is asked to connect to.

use std::fmt;
use std::net::IpAddr;

/// What a proxy is asked to connect to; shown as the authority of a request (RFC 9112 section 3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination<'a> {
    pub(crate) host: Host<'a>,
    pub(crate) port: u16,
}

/// A host as a proxy is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// An address, checked by our guard.
    Address(IpAddr),
    /// A name that the proxy resolves.
    Name(&'a str),
}

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_brackets_around_ipv6() {
        let check = |host, expected: &str| assert_eq!(Destination { host, port: 443 }.to_string(), expected);
        check(Host::Address("192.0.2.1".parse().unwrap()), "192.0.2.1:443");
        check(Host::Address("2001:db8::1".parse().unwrap()), "[2001:db8::1]:443");
        check(Host::Name("a.site.test"), "a.site.test:443");
    }
}
