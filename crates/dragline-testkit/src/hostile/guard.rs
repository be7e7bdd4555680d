//! Writes down ways into private networks by the spelling of a URL; a canary sits where the loopback ones lead.
//!
//! 127.0.0.1 is open to the tests. What leads to 127.0.0.2, `::1` or the unspecified address must be refused though
//! somebody listens there, and what leads to other ranges must be refused without a connection.

use dragline_core::Outcome;

use super::behaviour::Sent;
use super::book::Book;
use super::redirects::to;
use super::row::{BLOCKED, BLOCKED_OR_INVALID, expand};
use super::server::UNKNOWN;

/// What a redirect into a private network may end as; with one slash, and perhaps none, it is a path of the site.
const REFUSED: &[Outcome] =
    &[Outcome::Blocked, Outcome::InvalidUrl, Outcome::RedirectError, Outcome::HttpError];

/// URLs that lead to 127.0.0.2, to `::1`, or to 127.0.0.1 by way of the unspecified address.
const LOOPBACK: &[(&str, &str, &[Outcome])] = &[
    ("plain", "http://127.0.0.2:{canaryport}/", BLOCKED),
    ("https", "https://127.0.0.2:{canaryport}/", BLOCKED),
    ("decimal", "http://2130706434:{canaryport}/", BLOCKED_OR_INVALID),
    ("hexadecimal", "http://0x7f000002:{canaryport}/", BLOCKED_OR_INVALID),
    ("octal", "http://017700000002:{canaryport}/", BLOCKED_OR_INVALID),
    ("octal-parts", "http://0177.0.0.02:{canaryport}/", BLOCKED_OR_INVALID),
    ("hexadecimal-parts", "http://0x7f.0x0.0x0.0x2:{canaryport}/", BLOCKED_OR_INVALID),
    ("two-parts", "http://127.2:{canaryport}/", BLOCKED_OR_INVALID),
    ("three-parts", "http://127.0.2:{canaryport}/", BLOCKED_OR_INVALID),
    ("two-parts-large", "http://127.0x000002:{canaryport}/", BLOCKED_OR_INVALID),
    ("mixed-bases", "http://0x7f.0.0.002:{canaryport}/", BLOCKED_OR_INVALID),
    ("trailing-dot", "http://127.0.0.2.:{canaryport}/", BLOCKED_OR_INVALID),
    ("full-width", "http://\u{ff11}\u{ff12}\u{ff17}.0.0.\u{ff12}:{canaryport}/", BLOCKED_OR_INVALID),
    ("circled-digits", "http://\u{2460}\u{2461}\u{2466}.0.0.\u{2461}:{canaryport}/", BLOCKED_OR_INVALID),
    ("ideographic-dots", "http://127\u{3002}0\u{3002}0\u{3002}2:{canaryport}/", BLOCKED_OR_INVALID),
    ("half-width-dots", "http://127\u{ff61}0\u{ff61}0\u{ff61}2:{canaryport}/", BLOCKED_OR_INVALID),
    ("escaped-host", "http://%31%32%37.0.0.%32:{canaryport}/", BLOCKED_OR_INVALID),
    ("soft-hyphen", "http://127.0.0.\u{ad}2:{canaryport}/", BLOCKED_OR_INVALID),
    ("tab-in-host", "http://127.0.0.\t2:{canaryport}/", BLOCKED_OR_INVALID),
    ("userinfo", "http://127.0.0.1:80@127.0.0.2:{canaryport}/", BLOCKED_OR_INVALID),
    ("userinfo-public", "http://example.org@127.0.0.2:{canaryport}/", BLOCKED_OR_INVALID),
    ("two-at-signs", "http://a@b@127.0.0.2:{canaryport}/", BLOCKED_OR_INVALID),
    ("backslash-at", "http://127.0.0.2:{canaryport}\\@127.0.0.1/", BLOCKED_OR_INVALID),
    ("backslashes", "http:\\\\127.0.0.2:{canaryport}\\", BLOCKED_OR_INVALID),
    ("one-slash", "http:/127.0.0.2:{canaryport}/", BLOCKED_OR_INVALID),
    ("fragment-at", "http://127.0.0.2:{canaryport}#@127.0.0.1/", BLOCKED_OR_INVALID),
    ("question-at", "http://127.0.0.2:{canaryport}?@127.0.0.1/", BLOCKED_OR_INVALID),
    ("v4-mapped", "http://[::ffff:127.0.0.2]:{canaryport}/", BLOCKED),
    ("v4-mapped-hexadecimal", "http://[::ffff:7f00:2]:{canaryport}/", BLOCKED),
    ("v4-mapped-long", "http://[0:0:0:0:0:ffff:7f00:0002]:{canaryport}/", BLOCKED),
    ("v4-compatible", "http://[::127.0.0.2]:{canaryport}/", BLOCKED),
    ("v4-translated", "http://[::ffff:0:127.0.0.2]:{canaryport}/", BLOCKED),
    ("nat64", "http://[64:ff9b::127.0.0.2]:{canaryport}/", BLOCKED),
    ("nat64-local", "http://[64:ff9b:1::127.0.0.2]:{canaryport}/", BLOCKED),
    ("6to4", "http://[2002:7f00:2::]:{canaryport}/", BLOCKED),
    ("teredo", "http://[2001:0:7f00:2::]:{canaryport}/", BLOCKED),
    ("v6-loopback", "http://[::1]:{v6port}/", BLOCKED),
    ("v6-loopback-long", "http://[0:0:0:0:0:0:0:1]:{v6port}/", BLOCKED),
    ("v6-loopback-as-v4", "http://[::0.0.0.1]:{v6port}/", BLOCKED),
    ("v6-unspecified", "http://[::]:{ownport}/", BLOCKED),
    ("v6-unspecified-mapped", "http://[::ffff:0.0.0.0]:{ownport}/", BLOCKED),
    ("unspecified", "http://0.0.0.0:{ownport}/", BLOCKED),
    ("unspecified-short", "http://0:{ownport}/", BLOCKED_OR_INVALID),
    ("unspecified-net", "http://0.0.0.1:{ownport}/", BLOCKED),
];

/// Addresses beyond loopback: one of each range, and its translated forms.
const ELSEWHERE: &[(&str, &str)] = &[
    ("private-10", "10.0.0.1"),
    ("private-172", "172.16.0.1"),
    ("private-172-last", "172.31.255.254"),
    ("private-192", "192.168.1.1"),
    ("private-mapped", "[::ffff:10.0.0.1]"),
    ("private-nat64", "[64:ff9b::a00:1]"),
    ("private-6to4", "[2002:c0a8:101::1]"),
    ("carrier", "100.64.0.1"),
    ("carrier-last", "100.127.255.254"),
    ("link-local", "169.254.1.1"),
    ("metadata", "169.254.169.254"),
    ("metadata-decimal", "2852039166"),
    ("metadata-hexadecimal", "0xa9fea9fe"),
    ("metadata-mapped", "[::ffff:169.254.169.254]"),
    ("metadata-nat64", "[64:ff9b::169.254.169.254]"),
    ("metadata-v6", "[fd00:ec2::254]"),
    ("protocol-assignments", "192.0.0.1"),
    ("benchmark", "198.18.0.1"),
    ("benchmark-last", "198.19.255.254"),
    ("multicast", "224.0.0.1"),
    ("multicast-last", "239.255.255.255"),
    ("reserved", "240.0.0.1"),
    ("broadcast", "255.255.255.255"),
    ("v6-unique-local", "[fc00::1]"),
    ("v6-unique-local-fd", "[fd12:3456:789a::1]"),
    ("v6-link-local", "[fe80::1]"),
    ("v6-site-local", "[fec0::1]"),
    ("v6-multicast", "[ff02::1]"),
];

/// Writes the family down, each vector by itself and as the target of a redirect.
pub(super) fn write(book: &mut Book) {
    let words = book.words();
    for (name, url, accepted) in LOOPBACK {
        let url = String::from_utf8_lossy(&expand(url, "", &words)).into_owned();
        vector(book, name, url, accepted);
    }
    for (name, host) in ELSEWHERE {
        let accepted = if host.parse::<u32>().is_ok() { BLOCKED_OR_INVALID } else { BLOCKED };
        vector(book, name, format!("http://{host}:8/"), accepted);
    }
}

fn vector(book: &mut Book, name: &str, url: String, accepted: &[Outcome]) {
    let by_redirect = format!("guard/redirect-to-{name}");
    let refused = REFUSED.get(..if name == "one-slash" { 4 } else { 3 }).unwrap_or_default();
    let unknown = Sent::Whole(UNKNOWN.into());
    let behaviour = book.play(&by_redirect, vec![to("302 Found", url.as_bytes())], refused, unknown);
    behaviour.statuses = vec![404];
    behaviour.guarded = true;
    book.expect(&format!("guard/{name}"), url, accepted, Sent::Never).guarded = true;
}
