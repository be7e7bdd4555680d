//! Follows arbitrary `Location` fields: hops stay on http(s), and credentials stay with their origin.

use bytes::Bytes;
use dragline_core::chance::Chance;
use dragline_core::fetch::{Certificates, Method};
use dragline_core::hop::{hop, keeps_field};
use dragline_core::{CanonicalUrl, FetchResponse, Headers, Outcome, Phase, redirect};

/// Pieces of which locations are made, good and bad.
const PIECES: [&str; 24] = [
    "http:",
    "https:",
    "HTTP:",
    "ftp://",
    "file:///etc/passwd",
    "javascript:",
    "data:text/html,",
    "//",
    "/",
    "\\",
    "a.org",
    "b.org",
    ":80",
    ":443",
    ":99999",
    "user:password@",
    "[::1]",
    "2130706433",
    "..",
    "?q=",
    "#top",
    "%2f%00",
    "\u{ff41}.org",
    " \t",
];

fn index(chance: &mut Chance, len: usize) -> usize {
    usize::try_from(chance.below(len as u64)).expect("an index")
}

fn some_location(chance: &mut Chance) -> Vec<u8> {
    let mut location = Vec::new();
    for _ in 0..chance.below(7) {
        if chance.below(10) == 0 {
            let octets = (0..chance.below(12)).map(|_| u8::try_from(chance.below(256)).expect("an octet"));
            location.extend(octets.filter(|octet| !matches!(octet, b'\r' | b'\n')));
        } else {
            location.extend(PIECES[index(chance, PIECES.len())].as_bytes());
        }
    }
    location
}

/// Follows one response after the other; returns how many hops stayed within their origin and how many left it.
fn check(seed: u64) -> (u32, u32) {
    let mut chance = Chance::new(seed);
    let mut from = CanonicalUrl::parse("http://a.org/x").expect("a URL");
    let (mut stayed, mut left) = (0, 0);
    for _ in 0..1_000 {
        let status = [301, 302, 303, 307, 308][index(&mut chance, 5)];
        let head =
            [b"HTTP/1.1 302 Found\r\nLocation: ", some_location(&mut chance).as_slice(), b"\r\n"].concat();
        let headers = Headers::parse(Bytes::from(head));
        let response = FetchResponse {
            status: Some(status),
            headers,
            ..FetchResponse::failed(Outcome::Redirect, Phase::Body, "")
        };
        let Some(Ok(to)) = redirect::location(&response, &from) else { continue };
        assert!(
            to.as_str().starts_with("http://") || to.as_str().starts_with("https://"),
            "seed {seed}: {to}"
        );
        assert!(to.as_str().is_ascii() && !to.as_str().contains(['#', ' ']), "seed {seed}: {to}");
        assert!(!to.authority().contains('@'), "seed {seed}: {to}");
        let method = Method::ALL[index(&mut chance, Method::ALL.len())];
        let hop = hop(method, status, Certificates::Verified, &from, &to);
        let same = from.origin() == to.origin();
        for credential in ["Authorization", "Cookie", "Proxy-Authorization"] {
            assert_eq!(keeps_field(credential, &hop), same, "seed {seed}: {credential} from {from} to {to}");
        }
        assert!(!keeps_field("Host", &hop), "seed {seed}");
        assert!(hop.keep_body || hop.method == Method::Get, "seed {seed}: {method} {status}");
        (stayed, left) = if same { (stayed + 1, left) } else { (stayed, left + 1) };
        from = to;
    }
    (stayed, left)
}

#[test]
fn arbitrary_locations_never_carry_credentials_away() {
    for seed in 0..40 {
        let (stayed, left) = check(seed);
        assert!(stayed > 0 && left > 0, "seed {seed}: {stayed} {left}");
    }
}
