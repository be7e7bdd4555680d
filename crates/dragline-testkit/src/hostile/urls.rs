//! Writes down URLs as operators and pages spell them: odd but fine, and none at all.

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::Book;
use super::row::{INVALID, OK, OK_OR_INVALID, body_of, expand};
use super::zone::Say;

const INVALID_OR_NO_NAME: &[Outcome] = &[Outcome::InvalidUrl, Outcome::DnsError];
const LONG: &[Outcome] = &[Outcome::Ok, Outcome::InvalidUrl, Outcome::TooLarge];

/// Spellings that lead to the path behind them.
const FINE: &[(&str, &str, &str, &[Outcome])] = &[
    ("plain", "{origin}/url/plain", "/url/plain", OK),
    ("fragment", "{origin}/url/fragment#section", "/url/fragment", OK),
    ("userinfo", "http://user:password@127.0.0.1:{port}/url/userinfo", "/url/userinfo", OK_OR_INVALID),
    (
        "user-at-sign",
        "http://user%40a:b%3Ac@127.0.0.1:{port}/url/user-at-sign",
        "/url/user-at-sign",
        OK_OR_INVALID,
    ),
    ("upper-case", "HTTP://127.0.0.1:{port}/url/UPPER", "/url/UPPER", OK),
    ("backslashes", "http:\\\\127.0.0.1:{port}\\url\\backslashes", "/url/backslashes", OK_OR_INVALID),
    ("one-slash", "http:/127.0.0.1:{port}/url/one-slash", "/url/one-slash", OK_OR_INVALID),
    ("five-slashes", "http://///127.0.0.1:{port}/url/five-slashes", "/url/five-slashes", OK_OR_INVALID),
    ("dot-segments", "{origin}/url/./x/../dot-segments", "/url/dot-segments", OK),
    ("encoded-dot-segments", "{origin}/url/%2e/x/%2E%2e/encoded", "/url/encoded", OK),
    ("double-slash", "{origin}//url//double", "//url//double", OK),
    ("utf-8", "{origin}/url/\u{fc}\u{1f980}", "/url/%C3%BC%F0%9F%A6%80", OK),
    ("utf-8-query", "{origin}/url/query?q=\u{fc}", "/url/query?q=%C3%BC", OK),
    ("spaces", "{origin}/url/with some spaces", "/url/with%20some%20spaces", OK_OR_INVALID),
    ("quotes", "{origin}/url/\"quotes\"", "/url/%22quotes%22", OK_OR_INVALID),
    ("half-an-escape", "{origin}/url/100%", "/url/100%", OK_OR_INVALID),
    ("escaped-nul", "{origin}/url/a%00b", "/url/a%00b", OK_OR_INVALID),
    ("escaped-line-ends", "{origin}/url/a%0d%0aX:%20y", "/url/a%0d%0aX:%20y", OK),
    ("tab", "{origin}/url/t\tab", "/url/tab", OK_OR_INVALID),
    ("empty-path", "{origin}?url=empty-path", "/?url=empty-path", OK),
    ("empty-query", "{origin}/url/empty-query?", "/url/empty-query", OK),
    ("question-marks", "{origin}/url/q?a?b??", "/url/q?a?b??", OK),
    ("semicolons", "{origin}/url/s;a=b;c", "/url/s;a=b;c", OK),
    ("decimal-host", "http://2130706433:{port}/url/decimal", "/url/decimal", OK_OR_INVALID),
    ("hexadecimal-host", "http://0x7f.1:{port}/url/hexadecimal", "/url/hexadecimal", OK_OR_INVALID),
    ("host-dot", "http://127.0.0.1.:{port}/url/host-dot", "/url/host-dot", OK_OR_INVALID),
    ("port-zeros", "http://127.0.0.1:00{port}/url/port-zeros", "/url/port-zeros", OK_OR_INVALID),
    ("idn", "http://b\u{fc}cher.hostile.test:{port}/url/idn", "/url/idn", OK),
    ("idn-upper-case", "http://B\u{dc}CHER.hostile.test:{port}/url/idn-upper", "/url/idn-upper", OK),
    (
        "idn-full-stop",
        "http://b\u{fc}cher\u{3002}hostile\u{3002}test:{port}/url/idn-stop",
        "/url/idn-stop",
        OK_OR_INVALID,
    ),
    ("underscore-host", "http://a_b.hostile.test:{port}/url/underscore", "/url/underscore", OK),
    ("name-dot", "http://target.hostile.test.:{port}/url/name-dot", "/url/name-dot", OK),
    ("8-kib", "{origin}/url/8-kib/{l:8000}", "/url/8-kib/{l:8000}", LONG),
    ("60-kib", "{origin}/url/60-kib/{l:60000}", "/url/60-kib/{l:60000}", LONG),
];

/// What is no URL that is fetched.
const NONE: &[(&str, &str, &[Outcome])] = &[
    ("word", "nonsense", INVALID),
    ("path", "/redirect/target", INVALID),
    ("no-scheme", "127.0.0.1:{port}/", INVALID),
    ("scheme-only", "http:", INVALID),
    ("no-host", "http://", INVALID),
    ("no-host-port", "http://:{port}/", INVALID),
    ("userinfo-only", "http://user@/", INVALID),
    ("ftp", "ftp://127.0.0.1:{port}/", INVALID),
    ("file", "file:///etc/passwd", INVALID),
    ("javascript", "javascript:alert(1)", INVALID),
    ("data", "data:text/plain,hello", INVALID),
    ("mailto", "mailto:a@example.org", INVALID),
    ("port-0", "http://127.0.0.1:0/", &[Outcome::InvalidUrl, Outcome::ConnectError]),
    ("port-65536", "http://127.0.0.1:65536/", INVALID),
    ("port-99999", "http://127.0.0.1:99999/", INVALID),
    ("port-word", "http://127.0.0.1:http/", INVALID),
    ("port-negative", "http://127.0.0.1:-80/", INVALID),
    ("open-bracket", "http://[::1/", INVALID),
    ("bad-ipv6", "http://[12345::]/", INVALID),
    ("zone-in-ipv6", "http://[fe80::1%25eth0]/", INVALID),
    ("ipv4-octet", "http://127.0.0.256/", INVALID),
    ("ipv4-parts", "http://127.0.0.0.1/", INVALID),
    ("ipv4-large", "http://4294967296/", INVALID),
    ("ipv4-octal", "http://0899.0.0.1/", INVALID),
    ("space-in-host", "http://a b.test/", INVALID),
    ("escaped-space-in-host", "http://a%20b.test/", INVALID),
    ("nul-in-host", "http://a%00b.test/", INVALID),
    ("angle-in-host", "http://a<b>.test/", INVALID),
    ("bad-escape-in-host", "http://a%zz.test/", INVALID),
    ("bad-punycode", "http://xn--a.test/", INVALID_OR_NO_NAME),
    ("soft-hyphen-only", "http://\u{ad}/", INVALID),
    ("empty-label", "http://a..hostile.test:{port}/", INVALID_OR_NO_NAME),
    ("long-label", "http://{l:64}.hostile.test:{port}/", INVALID_OR_NO_NAME),
    ("long-name", "http://{l.:200}hostile.test:{port}/", INVALID_OR_NO_NAME),
    ("dots-only", "http://.../", INVALID_OR_NO_NAME),
    ("100-kib", "{origin}/{l:100000}", &[Outcome::InvalidUrl, Outcome::TooLarge]),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    let own = || Say::Addresses(vec![[127, 0, 0, 1].into()]);
    book.zone.say("xn--bcher-kva.hostile.test", own());
    book.zone.say("a_b.hostile.test", own());
    let words = book.words();
    let text = |template: &str| String::from_utf8_lossy(&expand(template, "", &words)).into_owned();
    for (name, url, path, accepted) in FINE {
        let name = format!("url/{name}");
        let body = body_of(&name);
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
        book.script(text(path), vec![Act::send(page)]);
        book.expect(&name, text(url), accepted, Sent::Whole(body.into()));
    }
    for (name, url, accepted) in NONE {
        book.expect(&format!("no-url/{name}"), text(url), accepted, Sent::Never);
    }
}
