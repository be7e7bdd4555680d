//! Tells whether a dial would end at an address where this program itself serves, in whatever form it is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::embedded;

/// Whether dialling `target` leads to what listens at `own`.
pub(super) fn leads_to(target: SocketAddr, own: SocketAddr) -> bool {
    let at_own = |reached: IpAddr| match own.ip().to_canonical() {
        unspecified if unspecified.is_unspecified() => reached.is_loopback(),
        address => reached == address,
    };
    target.port() == own.port() && reached(target.ip()).any(at_own)
}

/// Returns the addresses at which a dial of `address` may end: itself, and the IPv4 addresses it is a form of.
fn reached(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let inner = match address {
        IpAddr::V4(_) => [None, None],
        IpAddr::V6(address) => embedded(address),
    };
    let inner = inner.into_iter().flatten().map(|(_, address)| IpAddr::V4(address));
    std::iter::once(address).chain(inner).map(|address| match address {
        // Systems dial the unspecified address as loopback.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    })
}

#[cfg(test)]
mod tests {
    use crate::guard::Guard;
    use crate::rules::GuardRules;

    /// Asks a guard that opens every network which targets it refuses as its own.
    fn check(own: &str, targets: &[(&str, bool)]) {
        let guard = Guard::new(&GuardRules {
            allow_networks: ["0.0.0.0/0", "::/0"].map(|network| network.parse().unwrap()).into(),
            allow_hosts: vec!["a.org".into()],
            own_addresses: vec!["192.0.2.9:9".parse().unwrap(), own.parse().unwrap()],
        });
        for (target, expected) in targets {
            let decision = guard.check("a.org", target.parse().unwrap());
            assert_eq!(decision.verdict.is_err(), *expected, "{target} with {own}");
            assert_eq!(decision.rule == "guard.own_address", *expected, "{target} with {own}");
        }
    }

    #[test]
    fn an_address_with_its_port_is_refused_in_every_form() {
        let targets = [
            ("127.0.0.1:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("[::127.0.0.1]:80", true),
            ("[64:ff9b::127.0.0.1]:80", true),
            ("[2002:7f00:1::1]:80", true),
            ("0.0.0.0:80", true),
            ("[::ffff:0.0.0.0]:80", true),
            ("127.0.0.1:81", false),
            ("127.0.0.2:80", false),
            ("[::1]:80", false),
            ("[::]:80", false),
            ("10.0.0.1:80", false),
        ];
        check("127.0.0.1:80", &targets);
        check("[::ffff:127.0.0.1]:80", &targets);
        check("[::1]:80", &[("[::1]:80", true), ("[::]:80", true), ("127.0.0.1:80", false)]);
        check("1.1.1.1:80", &[("1.1.1.1:80", true), ("1.1.1.1:443", false), ("1.1.1.2:80", false)]);
    }

    #[test]
    fn an_unspecified_address_stands_for_its_port_on_every_loopback_address() {
        let targets = [
            ("127.0.0.1:80", true),
            ("127.9.9.9:80", true),
            ("0.0.0.0:80", true),
            ("[::]:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("127.0.0.1:81", false),
            // Which addresses the machine has otherwise is not known here.
            ("10.0.0.1:80", false),
            ("1.1.1.1:80", false),
        ];
        for own in ["0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:80"] {
            check(own, &targets);
        }
    }

    #[test]
    fn the_refusal_says_that_nothing_opens_it() {
        let own_addresses = vec!["127.0.0.1:80".parse().unwrap()];
        let guard = Guard::new(&GuardRules { own_addresses, ..GuardRules::default() });
        let refusal = guard.check("localhost", "127.0.0.1:80".parse().unwrap()).verdict.unwrap_err();
        let expected = "127.0.0.1:80 is where this program itself serves, which nothing opens; exclude the URL or \
                        let it serve elsewhere";
        assert_eq!((refusal.to_string().as_str(), refusal.network()), (expected, None));
        let other = guard.check("localhost", "127.0.0.1:81".parse().unwrap());
        assert_eq!(other.rule, "guard.loopback");
    }
}
