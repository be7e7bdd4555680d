//! Writes down redirects that lead nowhere: loops, long chains, other schemes, nonsense.

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::Book;
use super::redirects::to;
use super::row::{BAD_REDIRECT, TOO_LARGE, expand};
use super::server::UNKNOWN;

const BAD_OR_INVALID: &[Outcome] = &[Outcome::RedirectError, Outcome::InvalidUrl];
const BAD_OR_UNREACHABLE: &[Outcome] = &[
    Outcome::RedirectError,
    Outcome::InvalidUrl,
    Outcome::ConnectError,
    Outcome::DnsError,
    Outcome::Blocked,
];
const LONG: &[Outcome] =
    &[Outcome::RedirectError, Outcome::InvalidUrl, Outcome::TooLarge, Outcome::HttpError];

/// Locations that are no URL which is fetched. The ports are those of the site: whoever dials them is seen.
const NOWHERE: &[(&str, &str, &[Outcome])] = &[
    ("empty", "", BAD_REDIRECT),
    ("white-space", "   ", BAD_REDIRECT),
    ("fragment-only", "#here", BAD_REDIRECT),
    ("ftp", "ftp://127.0.0.1:{port}/redirect/target", BAD_OR_INVALID),
    ("file", "file:///etc/passwd", BAD_OR_INVALID),
    ("file-with-host", "file://127.0.0.1:{port}/etc/passwd", BAD_OR_INVALID),
    ("javascript", "javascript:alert(1)", BAD_OR_INVALID),
    ("data", "data:text/html,hello", BAD_OR_INVALID),
    ("gopher", "gopher://127.0.0.1:{port}/_GET", BAD_OR_INVALID),
    ("mailto", "mailto:a@example.org", BAD_OR_INVALID),
    ("ws", "ws://127.0.0.1:{port}/redirect/target", BAD_OR_INVALID),
    ("about", "about:blank", BAD_OR_INVALID),
    ("view-source", "view-source:http://127.0.0.1:{port}/redirect/target", BAD_OR_INVALID),
    ("dict", "dict://127.0.0.1:{port}/x", BAD_OR_INVALID),
    ("unix", "http+unix://%2Fvar%2Frun%2Fdocker.sock/info", BAD_OR_INVALID),
    ("port-0", "http://127.0.0.1:0/", BAD_OR_UNREACHABLE),
    ("port-99999", "http://127.0.0.1:99999/", BAD_OR_INVALID),
    ("port-negative", "http://127.0.0.1:-1/", BAD_OR_INVALID),
    ("port-word", "http://127.0.0.1:http/", BAD_OR_INVALID),
    ("no-host", "http://", BAD_OR_INVALID),
    ("no-host-port", "http://:{port}/redirect/target", BAD_OR_INVALID),
    ("space-in-host", "http://127.0.0.1 .test/", BAD_OR_INVALID),
    ("nul-in-host", "http://127.0.0.1%00.test/", BAD_OR_INVALID),
    ("open-bracket", "http://[::1/", BAD_OR_INVALID),
    ("bad-ipv4", "http://127.0.0.256/", BAD_OR_INVALID),
    ("nowhere", "http://no-such-name.hostile.test:{port}/", BAD_OR_UNREACHABLE),
    ("refused", "http://127.0.0.1:{refused}/", BAD_OR_UNREACHABLE),
    (
        "line-folded-in",
        "/redirect/tar\r\n get\r\n\r\n",
        &[Outcome::HttpError, Outcome::RedirectError, Outcome::ProtocolError],
    ),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> std::io::Result<()> {
    let refused = book.refusing()?;
    let mut words = book.words();
    words.push(("refused", refused.port().to_string()));
    for (name, location, accepted) in NOWHERE {
        let acts = vec![to("302 Found", &expand(location, "", &words))];
        book.play(&format!("nowhere/{name}"), acts, accepted, unknown()).statuses = Vec::new();
    }
    let missing = "HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nmoved";
    book.play("nowhere/missing", vec![Act::send(missing)], BAD_REDIRECT, Sent::Never);
    for (name, length, accepted) in [("9-kib", 9_000, LONG), ("70-kib", 70_000, TOO_LARGE)] {
        let location = format!("/{}", "l".repeat(length));
        let acts = vec![to("302 Found", location.as_bytes())];
        book.play(&format!("nowhere/location-{name}"), acts, accepted, unknown()).statuses = Vec::new();
    }
    loops(book);
    Ok(())
}

/// A location that is a path after all leads to a page that the site does not know.
fn unknown() -> Sent {
    Sent::Whole(UNKNOWN.into())
}

fn loops(book: &mut Book) {
    for length in [1, 2, 5] {
        let name = format!("nowhere/loop-of-{length}");
        for at in 0..length {
            let path = if at == 0 { format!("/{name}") } else { format!("/{name}/{at}") };
            let next = if at + 1 == length { format!("/{name}") } else { format!("/{name}/{}", at + 1) };
            book.script(path, vec![to("302 Found", next.as_bytes())]);
        }
        let url = format!("http://{}/{name}", book.main);
        book.expect(&name, url, BAD_REDIRECT, Sent::Never);
    }
    let name = "nowhere/loop-over-two-origins";
    for (path, origin) in [("", book.other), ("/back", book.main)] {
        let next = if path.is_empty() { "/back" } else { "" };
        let location = format!("http://{origin}/{name}{next}");
        book.script(format!("/{name}{path}"), vec![to("302 Found", location.as_bytes())]);
    }
    let url = format!("http://{}/{name}", book.main);
    book.expect(name, url, BAD_REDIRECT, Sent::Never);
    // The same place in two spellings, one after the other.
    let name = "nowhere/loop-in-two-spellings";
    book.script(format!("/{name}"), vec![to("302 Found", format!("/{name}/%7Ex").as_bytes())]);
    book.script(format!("/{name}/%7Ex"), vec![to("302 Found", format!("/{name}/~x").as_bytes())]);
    book.script(format!("/{name}/~x"), vec![to("302 Found", format!("/{name}/%7ex").as_bytes())]);
    book.script(format!("/{name}/%7ex"), vec![to("302 Found", format!("/{name}/%7Ex").as_bytes())]);
    let url = format!("http://{}/{name}", book.main);
    book.expect(name, url, BAD_REDIRECT, Sent::Never);
    // One of them leads to the next, for longer than anybody follows.
    for (name, location) in
        [("nowhere/growing-query", "?x"), ("nowhere/eleven-hops", ""), ("nowhere/growing-path", "path/")]
    {
        for hop in 0..30 {
            let (path, next) = match location {
                "path/" => (format!("/{name}/{}", "path/".repeat(hop)), "path/".to_owned()),
                "?x" => (format!("/{name}?{}", "x".repeat(hop)), format!("?{}", "x".repeat(hop + 1))),
                _ => (format!("/{name}/{hop}"), format!("{}", hop + 1)),
            };
            book.script(path, vec![to("302 Found", next.as_bytes())]);
        }
        let start = if location == "?x" {
            "?"
        } else if location.is_empty() {
            "/0"
        } else {
            "/"
        };
        let url = format!("http://{}/{name}{start}", book.main);
        book.expect(name, url, BAD_REDIRECT, Sent::Never);
    }
    // The eleventh hop leads to a page: one hop more than is followed.
    book.script(
        "/nowhere/eleven-hops/11",
        vec![Act::send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntoo\n")],
    );
}
