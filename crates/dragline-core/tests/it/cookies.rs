//! Throws arbitrary `Set-Cookie` fields at a jar: it stays within bounds, and no site learns what is another's.

use std::time::Duration;

use bytes::Bytes;
use dragline_core::chance::Chance;
use dragline_core::cookies::CookieJar;
use dragline_core::{CanonicalUrl, Headers, Wall};

const COOKIES_MAX: usize = 3_000;
const FIELD_BYTES_MAX: usize = 8_192;

/// Hosts with the number of the site they belong to, told by hand and not by the list the jar asks.
const HOSTS: [(&str, usize); 16] = [
    ("a.org", 0),
    ("www.a.org", 0),
    ("x.www.a.org", 0),
    ("a.org.", 0),
    ("ba.org", 1),
    ("a.co.uk", 2),
    ("b.co.uk", 3),
    ("me.github.io", 4),
    ("you.github.io", 5),
    ("github.io", 6),
    ("127.0.0.1", 7),
    ("127.0.0.2", 8),
    ("[::1]", 9),
    ("localhost", 10),
    ("a.localhost", 11),
    ("org", 12),
];

/// Pieces of which fields are made, good and bad.
const PIECES: [&str; 24] = [
    "; Domain=",
    "; Path=/",
    "; Path=/x/y",
    "; Secure",
    "; Max-Age=",
    "; Expires=",
    "0",
    "99999999999999999999",
    "-1",
    "Sun, 06 Nov 2094 08:49:37 GMT",
    "31 Feb 99 25:61:61",
    "__Host-",
    "__secure-",
    "org",
    "co.uk",
    "github.io",
    "0.0.1",
    ".",
    "..",
    "=",
    ";",
    " \t",
    "\u{fc}",
    "\"",
];

fn index(chance: &mut Chance, len: usize) -> usize {
    usize::try_from(chance.below(len as u64)).expect("an index")
}

fn some_url(chance: &mut Chance) -> (CanonicalUrl, usize) {
    let (host, site) = HOSTS[index(chance, HOSTS.len())];
    let scheme = ["http", "https"][index(chance, 2)];
    let path = ["", "x", "x/y", "x/y/", "xx"][index(chance, 5)];
    (CanonicalUrl::parse(&format!("{scheme}://{host}/{path}")).expect("a URL"), site)
}

/// Makes the rest of a field: pieces, hosts and, now and then, any octets but those that end a line.
fn junk(chance: &mut Chance, field: &mut Vec<u8>) {
    for _ in 0..chance.below(8) {
        match chance.below(8) {
            0 => field.extend(HOSTS[index(chance, HOSTS.len())].0.as_bytes()),
            1 if chance.below(4) == 0 => {
                let octets =
                    (0..chance.below(40)).map(|_| u8::try_from(chance.below(256)).expect("an octet"));
                field.extend(octets.filter(|octet| !matches!(octet, b'\r' | b'\n')));
            }
            2 if chance.below(20) == 0 => field.extend(std::iter::repeat_n(b'v', index(chance, 6_000))),
            _ => field.extend(PIECES[index(chance, PIECES.len())].as_bytes()),
        }
    }
}

/// Sends `fields` from random hosts; each begins with what `begin` makes of the sender's site, and goes on at random.
fn check(seed: u64, fields: usize, begin: impl Fn(&mut Chance, usize) -> String) {
    let mut chance = Chance::new(seed);
    let jar = CookieJar::new();
    let mut now = Wall::from_secs(1_000_000_000);
    for _ in 0..fields {
        let (from, site) = some_url(&mut chance);
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        let lines = 1 + chance.below(3);
        for _ in 0..lines {
            head.extend(b"Set-Cookie: ");
            head.extend(begin(&mut chance, site).bytes());
            junk(&mut chance, &mut head);
            head.extend(b"\r\n");
        }
        let stored = jar.store(&from, &Headers::parse(Bytes::from(head)), now);
        assert_eq!(u64::from(stored.kept + stored.removed + stored.refused), lines, "seed {seed}");
        now = now + chance.up_to(Duration::from_secs(100));
        let (to, site) = some_url(&mut chance);
        let field = jar.field(&to, now).unwrap_or_default();
        assert!(field.len() <= FIELD_BYTES_MAX, "seed {seed}: {}", field.len());
        assert!(
            !field.bytes().any(|octet| octet.is_ascii_control() && octet != b'\t'),
            "seed {seed}: {field:?}"
        );
        assert!(jar.len() <= COOKIES_MAX, "seed {seed}: {}", jar.len());
        for cookie in field.split("; ").filter(|cookie| cookie.contains("tag")) {
            assert!(cookie.contains(&format!("tag{site}.")), "seed {seed}: {cookie:?} went to {to}");
        }
    }
    jar.clear();
    assert!(jar.is_empty());
}

#[test]
fn a_cookie_never_leaves_the_site_that_set_it() {
    for seed in 0..40 {
        check(seed, 500, |chance, site| format!("n{}=tag{site}.", chance.below(20)));
    }
}

#[test]
fn arbitrary_octets_never_break_a_jar() {
    for seed in 100..140 {
        check(seed, 500, |_, _| String::new());
    }
}

#[test]
fn a_hostile_site_with_many_hosts_stays_within_bounds() {
    let jar = CookieJar::new();
    let now = Wall::from_secs(1_000_000_000);
    for host in 0..80 {
        let url = CanonicalUrl::parse(&format!("http://h{host}.a.org/")).expect("a URL");
        let fields: Vec<_> = (0..60).map(|name| format!("n{name}=v")).collect();
        let headers = Headers::from_pairs(fields.iter().map(|field| ("Set-Cookie", field.as_str())));
        assert_eq!(jar.store(&url, &headers, now).kept, 60);
        let sent = jar.field(&url, now).expect("cookies");
        assert_eq!(sent.split("; ").count(), 50, "host {host}");
        assert!(jar.len() <= COOKIES_MAX);
    }
    assert_eq!(jar.len(), COOKIES_MAX);
}
