//! Decides which addresses may be dialled, so that no page can lead the crawler into a private network.

mod own;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::decision::{Decision, Source};
use crate::rules::{GuardRules, METADATA_ADDRESSES};

/// The address guard: asked about the very address that is about to be dialled, for every address and every hop.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow_networks: Vec<IpNet>,
    allow_hosts: Vec<Box<str>>,
    own_addresses: Vec<SocketAddr>,
}

impl Guard {
    /// Makes a guard.
    pub fn new(rules: &GuardRules) -> Self {
        let allow_hosts = rules.allow_hosts.iter().map(|host| plain_host(host).into()).collect();
        let own_addresses = rules.own_addresses.clone();
        Self { allow_networks: rules.allow_networks.clone(), allow_hosts, own_addresses }
    }

    /// Decides whether `target`, to whose address `host` resolved or which it is, may be dialled.
    ///
    /// `host` is as in a URL. Where this program itself serves is closed, and nothing opens it. Public addresses may; others only by an entry of `allow_networks` or `allow_hosts`.
    /// Entries for IPv4 open the mapped form too, no other form. A metadata address, in whatever form, is opened only
    /// by an entry for that one address.
    pub fn check(&self, host: &str, target: SocketAddr) -> Decision<Result<(), Refusal>> {
        if self.own_addresses.iter().any(|own| own::leads_to(target, *own)) {
            return Decision::built_in(Err(Refusal { target, why: Why::Own }), "guard.own_address");
        }
        let address = target.ip();
        let Some((kind, network)) = classify(address) else {
            return Decision::built_in(Ok(()), "guard.public");
        };
        let by_entry = |key, index| {
            let source = Source::Config { key, index: Some(index) };
            Decision { verdict: Ok(()), rule: key, source }
        };
        let opens = |network: &IpNet| {
            let is_own_entry = network.prefix_len() == network.max_prefix_len();
            let covers = network.contains(&address) || network.contains(&address.to_canonical());
            covers && (is_own_entry || kind != Kind::Metadata)
        };
        if let Some(index) = self.allow_networks.iter().position(opens) {
            return by_entry("security.allow_networks", index);
        }
        let host = plain_host(host);
        let named = self.allow_hosts.iter().position(|allowed| allowed.eq_ignore_ascii_case(host));
        match named.filter(|_| kind != Kind::Metadata) {
            Some(index) => by_entry("security.allow_hosts", index),
            None => {
                let why = Why::Closed { kind, network };
                Decision::built_in(Err(Refusal { target, why }), kind.rule())
            }
        }
    }
}

/// Whether a host, by its spelling, is on this machine or a private network: nobody there needs our address.
pub fn is_own_host(host: &str) -> bool {
    let name = plain_host(host);
    match name.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Drops the brackets of an IPv6 host and the dot that may end a name.
fn plain_host(host: &str) -> &str {
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    name.strip_suffix('.').unwrap_or(name)
}

/// Why an address is not dialled; its text names the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    target: SocketAddr,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// This program itself serves there.
    Own,
    /// The network is not public, and no entry opens it.
    Closed { kind: Kind, network: IpNet },
}

impl Refusal {
    /// Returns the address that was refused.
    pub const fn address(&self) -> IpAddr {
        self.target.ip()
    }

    /// Returns the network whose entry in `[security] allow_networks` would allow it; `None` where this program itself
    /// serves, which no entry allows.
    pub const fn network(&self) -> Option<IpNet> {
        match self.why {
            Why::Own => None,
            Why::Closed { network, .. } => Some(network),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Why::Closed { kind, network } = self.why else {
            let target = self.target;
            let way_out = "exclude the URL or let it serve elsewhere";
            return write!(f, "{target} is where this program itself serves, which nothing opens; {way_out}");
        };
        write!(f, "{}", self.address())?;
        if let Some(inner) = refused_inner(self.address()) {
            write!(f, " ({} of {})", inner.form.name(), inner.address)?;
        }
        let what = kind.what();
        write!(f, " is {what}; allow it with --allow-net {network} or [security] allow_networks")
    }
}

impl std::error::Error for Refusal {}

/// What a refused address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Metadata,
    Unspecified,
    Private,
    SharedCarrier,
    Loopback,
    LinkLocal,
    Protocol,
    Benchmark,
    Multicast,
    Reserved,
    SiteLocal,
    LocalTranslation,
}

impl Kind {
    const fn what(self) -> &'static str {
        match self {
            Self::Metadata => "a cloud metadata address",
            Self::Unspecified => "an unspecified address",
            Self::Private => "a private address",
            Self::SharedCarrier => "a shared carrier-grade NAT address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Protocol => "an address for protocol assignments",
            Self::Benchmark => "an address for benchmarks",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
            Self::SiteLocal => "a site-local address",
            Self::LocalTranslation => "a local NAT64 address",
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Metadata => "guard.metadata",
            Self::Unspecified => "guard.unspecified",
            Self::Private => "guard.private",
            Self::SharedCarrier => "guard.shared",
            Self::Loopback => "guard.loopback",
            Self::LinkLocal => "guard.link_local",
            Self::Protocol => "guard.protocol",
            Self::Benchmark => "guard.benchmark",
            Self::Multicast => "guard.multicast",
            Self::Reserved => "guard.reserved",
            Self::SiteLocal => "guard.site_local",
            Self::LocalTranslation => "guard.local_translation",
        }
    }
}

/// Ranges of IPv4 that are not the public Internet (RFC 6890 and its registry), with their prefix lengths.
const REFUSED_V4: [(Ipv4Addr, u8, Kind); 11] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Kind::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Kind::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Kind::SharedCarrier),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Kind::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Kind::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Kind::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Kind::Protocol),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Kind::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Kind::Benchmark),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Kind::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Kind::Reserved),
];

/// Ranges of IPv6 that are not the public Internet, with their prefix lengths.
///
/// Where an address in `64:ff9b:1::/48` leads is up to the local network (RFC 8215), so none of them is public.
const REFUSED_V6: [(Ipv6Addr, u8, Kind); 7] = [
    (Ipv6Addr::UNSPECIFIED, 128, Kind::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Kind::Loopback),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Kind::LocalTranslation),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Kind::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Kind::LinkLocal),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Kind::SiteLocal),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Kind::Multicast),
];

/// Returns what an address is and the network that would have to be allowed; `None` for a public address.
fn classify(address: IpAddr) -> Option<(Kind, IpNet)> {
    let own = IpNet::from(address);
    if METADATA_ADDRESSES.contains(&address) {
        return Some((Kind::Metadata, own));
    }
    let inner = refused_inner(address);
    // The mapped form is opened by the entry of its IPv4 network, every other form by an entry of its own.
    let within =
        inner.map(|inner| (inner.kind, if inner.form == Form::Mapped { inner.network } else { own }));
    match within {
        Some((Kind::Metadata, network)) => Some((Kind::Metadata, network)),
        _ => listed(address).or(within),
    }
}

/// Finds the range an address itself lies in.
fn listed(address: IpAddr) -> Option<(Kind, IpNet)> {
    let holds =
        |base: IpAddr, len: u8| IpNet::new(base, len).ok().filter(|network| network.contains(&address));
    match address {
        IpAddr::V4(_) => {
            REFUSED_V4.iter().find_map(|(base, len, kind)| Some((*kind, holds((*base).into(), *len)?)))
        }
        IpAddr::V6(_) => {
            REFUSED_V6.iter().find_map(|(base, len, kind)| Some((*kind, holds((*base).into(), *len)?)))
        }
    }
}

/// An IPv4 address written in one of IPv6, of a kind that is refused.
#[derive(Clone, Copy, Debug)]
struct Inner {
    form: Form,
    address: Ipv4Addr,
    kind: Kind,
    network: IpNet,
}

/// A way to write an IPv4 address in one of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Mapped,
    Compatible,
    Translated,
    Nat64,
    SixToFour,
    Teredo,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped form",
            Self::Compatible => "compatible form",
            Self::Translated => "translated form",
            Self::Nat64 => "NAT64 form",
            Self::SixToFour => "6to4 form",
            Self::Teredo => "Teredo form",
        }
    }
}

/// Finds the refused IPv4 address that an IPv6 address leads to, a metadata address before others.
fn refused_inner(address: IpAddr) -> Option<Inner> {
    let IpAddr::V6(address) = address else { return None };
    let refused = |(form, address): (Form, Ipv4Addr)| {
        let (kind, network) = classify(address.into())?;
        Some(Inner { form, address, kind, network })
    };
    let mut found = embedded(address).into_iter().flatten().filter_map(refused);
    let first = found.next()?;
    if first.kind == Kind::Metadata {
        return Some(first);
    }
    Some(found.find(|inner| inner.kind == Kind::Metadata).unwrap_or(first))
}

/// Returns the IPv4 addresses that an IPv6 address may lead to.
///
/// # Source
/// RFC 4291 section 2.5.5, RFC 2765 section 2.1, RFC 6052 section 2.2, RFC 3056 section 2, RFC 4380 section 4.
fn embedded(address: Ipv6Addr) -> [Option<(Form, Ipv4Addr)>; 2] {
    let groups = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let last = of(groups[6], groups[7]);
    match groups {
        [0, 0, 0, 0, 0, 0xffff, ..] => [Some((Form::Mapped, last)), None],
        [0, 0, 0, 0, 0xffff, 0, ..] => [Some((Form::Translated, last)), None],
        // `::` and `::1` stand in the list of ranges.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        [0, 0, 0, 0, 0, 0, ..] => [Some((Form::Compatible, last)), None],
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some((Form::Nat64, last)), None],
        [0x64, 0xff9b, 1, high, low, rest, ..] => {
            // With a prefix of 48 bits the address stands around an octet that is left out.
            let split = of(high, (low & 0xff) << 8 | rest >> 8);
            [Some((Form::Nat64, last)), Some((Form::Nat64, split))]
        }
        [0x2002, high, low, ..] => [Some((Form::SixToFour, of(high, low))), None],
        [0x2001, 0, high, low, ..] => {
            let client = of(!groups[6], !groups[7]);
            [Some((Form::Teredo, client)), Some((Form::Teredo, of(high, low)))]
        }
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(networks: &[&str], hosts: &[&str]) -> Guard {
        Guard::new(&GuardRules {
            allow_networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            allow_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            own_addresses: Vec::new(),
        })
    }

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 80)
    }

    fn check(guard: &Guard, host: &str, address: &str, expected: &str) {
        let decision = guard.check(host, at(address));
        assert_eq!(decision.rule, expected, "{host} {address}");
        let open = expected == "guard.public" || expected.starts_with("security.");
        assert_eq!(decision.verdict.is_ok(), open, "{host} {address}");
    }

    #[test]
    fn own_hosts_are_known_by_their_spelling() {
        let check = |host: &str, expected| assert_eq!(is_own_host(host), expected, "{host}");
        check("127.0.0.1", true);
        check("[::1]", true);
        check("[::ffff:10.0.0.1]", true);
        check("192.168.1.1", true);
        check("localhost", true);
        check("site.localhost.", true);
        check("example.org", false);
        check("192.0.2.1", false);
        check("notlocalhost", false);
    }

    #[test]
    fn only_public_addresses_are_open() {
        let closed = Guard::default();
        let check = |address, expected| check(&closed, "a.org", address, expected);
        for public in
            ["1.1.1.1", "9.255.255.255", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"]
        {
            check(public, "guard.public");
        }
        for public in ["192.0.1.0", "192.167.0.1", "198.17.255.255", "198.20.0.0", "223.255.255.255"] {
            check(public, "guard.public");
        }
        for public in ["2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1", "2002:101:101::1", "fbff::1"]
        {
            check(public, "guard.public");
        }
        check("0.0.0.0", "guard.unspecified");
        check("0.255.0.1", "guard.unspecified");
        check("10.0.0.1", "guard.private");
        check("100.64.0.1", "guard.shared");
        check("127.255.255.254", "guard.loopback");
        check("169.254.1.1", "guard.link_local");
        check("169.254.169.254", "guard.metadata");
        check("172.31.255.255", "guard.private");
        check("192.0.0.8", "guard.protocol");
        check("192.168.1.1", "guard.private");
        check("198.19.255.255", "guard.benchmark");
        check("224.0.0.1", "guard.multicast");
        check("240.0.0.1", "guard.reserved");
        check("255.255.255.255", "guard.reserved");
        check("::", "guard.unspecified");
        check("::1", "guard.loopback");
        check("fc00::1", "guard.private");
        check("fdff::1", "guard.private");
        check("fd00:ec2::254", "guard.metadata");
        check("fe80::1", "guard.link_local");
        check("fec0::1", "guard.site_local");
        check("ff02::1", "guard.multicast");
    }

    #[test]
    fn an_address_cannot_hide_in_another_form() {
        let closed = Guard::default();
        let check = |address, expected| check(&closed, "a.org", address, expected);
        check("::ffff:127.0.0.1", "guard.loopback");
        check("::ffff:0:127.0.0.1", "guard.loopback");
        check("::127.0.0.1", "guard.loopback");
        check("64:ff9b::127.0.0.1", "guard.loopback");
        check("64:ff9b:1::8.8.8.8", "guard.local_translation");
        check("64:ff9b:1::127.0.0.1", "guard.local_translation");
        check("2002:7f00:1::1", "guard.loopback");
        check("2002:a00:1::", "guard.private");
        // Teredo: the server stands plain, the client inverted.
        check("2001:0:101:101::80ff:fffe", "guard.loopback");
        check("2001:0:7f00:1::fefe:fefe", "guard.loopback");
        check("2001:0:101:101::fefe:fefe", "guard.public");
        check("::ffff:169.254.169.254", "guard.metadata");
        check("64:ff9b::169.254.169.254", "guard.metadata");
        check("64:ff9b:1::169.254.169.254", "guard.metadata");
        check("64:ff9b:1:a9fe:a9:fe00::", "guard.metadata");
        check("2002:a9fe:a9fe::", "guard.metadata");
        check("2001:0:7f00:1::5601:5601", "guard.metadata");
    }

    #[test]
    fn a_network_opens_itself_and_for_ipv4_its_mapped_form() {
        let open = guard(&["10.0.0.0/8", "127.0.0.0/8", "fd00::/8"], &[]);
        let check = |address, expected| check(&open, "a.org", address, expected);
        check("127.0.0.1", "security.allow_networks");
        check("::ffff:127.0.0.1", "security.allow_networks");
        check("fd12::1", "security.allow_networks");
        check("64:ff9b::127.0.0.1", "guard.loopback");
        check("192.168.0.1", "guard.private");
        check("1.1.1.1", "guard.public");
        let index = open.check("a.org", at("127.0.0.1")).source;
        assert_eq!(index, Source::Config { key: "security.allow_networks", index: Some(1) });
    }

    #[test]
    fn a_metadata_address_is_opened_by_an_entry_of_its_own_only() {
        let metadata =
            ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254"];
        let broad = guard(&["0.0.0.0/0", "::/0", "169.254.169.254/31"], &["a.org"]);
        for address in metadata {
            check(&broad, "a.org", address, "guard.metadata");
        }
        let own = guard(&["169.254.169.254/32", "fd00:ec2::254/128", "64:ff9b::a9fe:a9fe/128"], &[]);
        for address in metadata {
            check(&own, "a.org", address, "security.allow_networks");
        }
    }

    #[test]
    fn a_host_opens_its_addresses_whatever_they_are() {
        let open = guard(&[], &["Intranet.example", "::1"]);
        check(&open, "intranet.example", "10.0.0.1", "security.allow_hosts");
        check(&open, "intranet.example.", "10.0.0.1", "security.allow_hosts");
        check(&open, "x.intranet.example", "10.0.0.1", "guard.private");
        check(&open, "[::1]", "::1", "security.allow_hosts");
        check(&open, "intranet.example", "169.254.169.254", "guard.metadata");
    }

    #[test]
    fn a_refusal_names_the_option_that_allows_it() {
        let check = |address: &str, expected: &str, network: &str| {
            let refusal = Guard::default().check("a.org", at(address)).verdict.unwrap_err();
            let options = format!("allow it with --allow-net {network} or [security] allow_networks");
            assert_eq!(refusal.to_string(), format!("{expected}; {options}"));
            assert_eq!(refusal.network(), Some(network.parse().unwrap()));
            let obeyed = guard(&[network], &[]).check("a.org", at(address));
            assert!(obeyed.verdict.is_ok(), "{network} does not open {address}");
        };
        check("127.0.0.1", "127.0.0.1 is a loopback address", "127.0.0.0/8");
        check("169.254.169.254", "169.254.169.254 is a cloud metadata address", "169.254.169.254/32");
        check("fd12::1", "fd12::1 is a private address", "fc00::/7");
        check(
            "::ffff:10.1.2.3",
            "::ffff:10.1.2.3 (mapped form of 10.1.2.3) is a private address",
            "10.0.0.0/8",
        );
        let nat64 = "64:ff9b::7f00:1 (NAT64 form of 127.0.0.1) is a loopback address";
        check("64:ff9b::127.0.0.1", nat64, "64:ff9b::7f00:1/128");
    }
}
