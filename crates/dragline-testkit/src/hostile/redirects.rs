//! Writes down redirects that lead somewhere: every spelling of a target, every body, chains up to the limit.

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::{Ask, Sent};
use super::book::{Book, Script};
use super::row::{CUT_OR_REFUSED, OK, OK_OR_INVALID, REFUSED, body_of, expand};
use super::server::SECRET;

const OK_OR_NOWHERE: &[Outcome] = &[Outcome::Ok, Outcome::RedirectError];

/// Spellings of the path `/redirect/target`, by name.
const SPELLINGS: &[(&str, &str)] = &[
    ("absolute", "{origin}/redirect/target"),
    ("path", "/redirect/target"),
    ("relative", "target"),
    ("dot", "./target"),
    ("dot-dot", "../redirect/target"),
    ("many-dot-dots", "../../../../../redirect/target"),
    ("dot-dot-in-the-middle", "/redirect/x/../target"),
    ("encoded-dots", "/redirect/x/%2e%2e/target"),
    ("scheme-relative", "//127.0.0.1:{port}/redirect/target"),
    ("fragment", "target#section"),
    ("spaces-around", "  \t/redirect/target  "),
    ("upper-case-scheme", "HTTP://127.0.0.1:{port}/redirect/target"),
    ("backslashes", "\\redirect\\target"),
    ("backslashes-absolute", "http:\\\\127.0.0.1:{port}\\redirect\\target"),
    ("one-slash", "http:/redirect/target"),
    ("no-slash", "http:target"),
    ("userinfo", "http://user:password@127.0.0.1:{port}/redirect/target"),
    ("other-origin", "{other}/redirect/target"),
    ("https", "{secure}/redirect/target"),
    ("decimal-host", "http://2130706433:{port}/redirect/target"),
    ("tab-inside", "/redirect/tar\tget"),
];

/// What follows the head of a redirect; the target is fine all the same.
const BODIES: &[(&str, &str, Option<Act>)] = &[
    ("no-length-kept-open", "\r\n", Some(Act::Hang)),
    ("no-length-closed", "\r\n<a href=x>moved</a>", Some(Act::Close)),
    ("length-too-short", "Content-Length: 100\r\n\r\nmoved", Some(Act::Close)),
    ("length-stalled", "Content-Length: 100\r\n\r\nmoved", Some(Act::Hang)),
    ("length-reset", "Content-Length: 100\r\n\r\nmoved", Some(Act::Reset)),
    ("chunks-cut", "Transfer-Encoding: chunked\r\n\r\n5\r\nmov", Some(Act::Close)),
    ("chunks-stalled", "Transfer-Encoding: chunked\r\n\r\n5\r\nmov", Some(Act::Hang)),
    ("coding-damaged", "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nmoved", None),
    ("coding-unknown", "Content-Encoding: banana\r\nContent-Length: 5\r\n\r\nmoved", None),
    ("huge-length", "Content-Length: 1099511627776\r\n\r\nmoved", Some(Act::Hang)),
];

/// What stands behind a whole redirect on the same connection: whoever takes it for the next answer is deceived.
const POISONED: &[(&str, &str)] = &[
    ("desync-length-0", "Content-Length: 0\r\n\r\n"),
    ("desync-length", "Content-Length: 5\r\n\r\nmoved"),
    ("desync-chunked", "Transfer-Encoding: chunked\r\n\r\n5\r\nmoved\r\n0\r\n\r\n"),
    ("desync-coded", "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nmoved"),
];
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    let body = body_of("redirect/target");
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
    book.script("/redirect/target", vec![Act::send(page.clone())]);
    let sent = || Sent::Whole(body.clone().into());
    let words = book.words();
    for (name, location) in SPELLINGS {
        let acts = vec![to("302 Found", &expand(location, "", &words))];
        book.play(&format!("redirect/{name}"), acts, OK, sent());
    }
    for status in ["301 x", "303 x", "307 x", "308 x"] {
        let name = format!("redirect/status-{}", status.trim_end_matches(" x"));
        book.play(&name, vec![to(status, b"target")], OK, sent());
    }
    for (name, rest, last) in BODIES {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: /redirect/target\r\n{rest}");
        let acts = [Act::send(head)].into_iter().chain(last.clone()).collect();
        book.play(&format!("redirect/{name}"), acts, OK, sent());
    }
    for (name, framing) in [("endless-body", ""), ("endless-announced", "Content-Length: 1099511627776\r\n")]
    {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: /redirect/target\r\n{framing}\r\n");
        let acts = vec![Act::send(head), Act::Endless("moved ".repeat(1_000).into())];
        book.play(&format!("redirect/{name}"), acts, OK, sent());
    }
    for (name, rest) in POISONED {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: /redirect/target\r\n{rest}{POISON}");
        book.play(&format!("redirect/{name}"), vec![Act::send(head)], OK, sent());
    }
    spelled_targets(book);
    chains(book, &page);
    stale_connections(book);
    with_secrets(book);
}

/// Returns a redirect without a body.
pub(super) fn to(status: &str, location: &[u8]) -> Act {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: ");
    Act::send([head.as_bytes(), location, b"\r\n\r\n"].concat())
}

fn page(name: &str) -> (Act, Sent) {
    let body = body_of(name);
    (Act::send(format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}")), Sent::Whole(body.into()))
}

/// Targets whose own spelling is odd, by the path that is asked for then.
fn spelled_targets(book: &mut Book) {
    let targets: [(&str, &[u8], &str, &[Outcome]); 8] = [
        ("query-only", b"?to=1", "/redirect/query-only?to=1", OK),
        ("space-inside", b"/redirect/a b", "/redirect/a%20b", OK_OR_NOWHERE),
        ("utf-8", "/redirect/\u{fc}".as_bytes(), "/redirect/%C3%BC", OK),
        ("latin-1", b"/redirect/\xfc", "/redirect/%FC", OK_OR_NOWHERE),
        ("half-an-escape", b"/redirect/100%", "/redirect/100%", OK_OR_NOWHERE),
        ("quotes", b"/redirect/\"<>\"", "/redirect/%22%3C%3E%22", OK_OR_NOWHERE),
        ("braces", b"/redirect/{a|b}", "/redirect/{a|b}", OK_OR_NOWHERE),
        ("4000-bytes", &[b'l'; 4_000], "", OK),
    ];
    for (name, location, path, accepted) in targets {
        let name = format!("redirect/{name}");
        let (answer, sent) = page(&name);
        let path = if path.is_empty() { format!("/redirect/{}", "l".repeat(4_000)) } else { path.to_owned() };
        // A brace or bar may be sent as it is or escaped; both mean the same.
        if path.contains('{') {
            book.script(
                path.replace('{', "%7B").replace('|', "%7C").replace('}', "%7D"),
                vec![answer.clone()],
            );
            book.script(path.replace('{', "%7B").replace('}', "%7D"), vec![answer.clone()]);
        }
        book.script(path, vec![answer]);
        book.play(&name, vec![to("302 Found", location)], accepted, sent);
    }
    // Fields that are no redirect without the status for it.
    for (name, status) in [("location-in-200", "200 OK"), ("location-in-201", "201 Created")] {
        let name = format!("redirect/{name}");
        let body = body_of(&name);
        let head =
            format!("HTTP/1.1 {status}\r\nLocation: /redirect/target\r\nContent-Length: 64\r\n\r\n{body}");
        book.play(&name, vec![Act::send(head)], OK, Sent::Whole(body.into())).statuses = vec![200, 201];
    }
    let name = "redirect/two-locations";
    let twice =
        "HTTP/1.1 302 Found\r\nLocation: target\r\nLocation: /redirect/target\r\nContent-Length: 0\r\n\r\n";
    let sent = Sent::Whole(body_of("redirect/target").into());
    book.play(name, vec![Act::send(twice)], OK_OR_NOWHERE, sent);
}

/// As many hops as are followed, one by one and over two origins.
fn chains(book: &mut Book, page: &str) {
    for (name, hops, origins) in
        [("ten-hops", 10, ["", ""]), ("ten-hops-over-two-origins", 10, ["{origin}", "{other}"])]
    {
        let words = book.words();
        for hop in 1..hops {
            let origin = origins.get(hop % 2).copied().unwrap_or_default();
            let next = if hop + 1 == hops { "/end".to_owned() } else { format!("/{}", hop + 1) };
            let location = expand(&format!("{origin}/redirect/{name}{next}"), "", &words);
            book.script(format!("/redirect/{name}/{hop}"), vec![to("302 Found", &location)]);
        }
        book.script(format!("/redirect/{name}/end"), vec![Act::send(page)]);
        let location = format!("/redirect/{name}/1");
        let sent = Sent::Whole(body_of("redirect/target").into());
        book.play(&format!("redirect/{name}"), vec![to("302 Found", location.as_bytes())], OK, sent);
    }
}

/// Connections that are dead, or worse, when they are used again.
fn stale_connections(book: &mut Book) {
    for (name, later, accepted) in [
        ("closed-on-reuse", vec![Act::Cut], OK),
        ("reset-on-reuse", vec![Act::Reset], OK),
        ("garbage-on-reuse", vec![Act::send("garbage"), Act::Close], REFUSED),
        ("half-a-head-on-reuse", vec![Act::send("HTTP/1.1 200"), Act::Close], CUT_OR_REFUSED),
    ] {
        let name = format!("redirect/{name}");
        let (answer, sent) = page(&name);
        let script = Script { first: vec![answer], later: Some(later) };
        book.scripts.insert(format!("/{name}/next"), script);
        let location = format!("/{name}/next");
        // A client that does not use the connection again gets the page.
        let accepted: Vec<_> = accepted.iter().copied().chain([Outcome::Ok]).collect();
        book.play(&name, vec![to("302 Found", location.as_bytes())], &accepted, sent);
    }
    let name = "redirect/closed-while-idle";
    let (answer, sent) = page(name);
    book.script(format!("/{name}/next"), vec![answer]);
    let location = format!("/{name}/next");
    book.play(name, vec![to("302 Found", location.as_bytes()), Act::Close], OK, sent);
}

/// Redirects to another origin, asked with secrets that are for the first one only.
fn with_secrets(book: &mut Book) {
    let targets = [
        ("port", "{other}/open/port"),
        ("scheme", "{secure}/open/scheme"),
        ("name", "http://secure.hostile.test:{port}/open/name"),
        ("scheme-relative", "//localhost.hostile.test:{port}/open/scheme-relative"),
        ("userinfo", "http://x:y@secure.hostile.test:{port}/open/userinfo"),
    ];
    for (name, location) in targets {
        let (answer, sent) = page(&format!("open/{name}"));
        book.script(format!("/open/{name}"), vec![answer]);
        for status in ["302 Found", "307 x"] {
            let name = format!("secret/{name}-{}", status.split(' ').next().unwrap_or_default());
            let location = expand(location, "", &book.words());
            let acts = vec![to(status, &location)];
            book.play(&name, acts, OK, sent.clone()).ask = Ask::WithSecret;
        }
    }
    // An operator may write the secret into the URL: it is dropped, or sent to this origin only.
    let name = "secret/in-the-url";
    let (answer, sent) = page("open/in-the-url");
    book.script("/open/in-the-url", vec![answer]);
    let location = expand("{other}/open/in-the-url", "", &book.words());
    book.script(format!("/{name}"), vec![to("302 Found", &location)]);
    let url = format!("http://{SECRET}:{SECRET}@{}/{name}", book.main);
    book.expect(name, url, OK_OR_INVALID, sent);
}
