//! Writes down cookies that are set for others than the one who sets them (RFC 6265 section 5.3).
//!
//! Each cookie holds the secret, and each page redirects to where the cookie must not go.

use super::act::Act;
use super::behaviour::{Ask, Sent};
use super::book::Book;
use super::row::{OK, body_of};
use super::server::SECRET;
use super::zone::Say;

/// Every name below it leads to the site.
const PARENT: &str = ".jar.hostile.test";

/// What is set behind the secret by the host `a`, and the host and path that must not be sent it.
const COOKIES: &[(&str, &str, &str, &str)] = &[
    ("host-only-to-sibling", "", "b", "/open/cookie"),
    ("host-only-to-child", "", "b.a", "/open/cookie"),
    ("domain-of-itself-to-sibling", "; Domain=a.jar.hostile.test", "b", "/open/cookie"),
    ("domain-of-sibling", "; Domain=b.jar.hostile.test", "b", "/open/cookie"),
    ("domain-of-child", "; Domain=b.a.jar.hostile.test", "b.a", "/open/cookie"),
    ("domain-of-top-level", "; Domain=test", "b", "/open/cookie"),
    ("domain-of-top-level-dot", "; Domain=.test", "b", "/open/cookie"),
    ("domain-twice", "; Domain=a.jar.hostile.test; Domain=b.jar.hostile.test", "b", "/open/cookie"),
    ("domain-half-a-label", "; Domain=.jar.hostile.test.evil.test", "b", "/open/cookie"),
    ("other-path", "; Path=/closed", "a", "/open/cookie"),
    ("path-half-a-segment", "; Path=/open/coo", "a", "/open/cookie"),
    ("secure", "; Secure", "a", "/open/cookie"),
    ("expired", "; Max-Age=0", "a", "/open/cookie"),
    ("expired-long-ago", "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Path=/", "a", "/open/cookie"),
    ("expired-negative", "; Max-Age=-99999999999999999999; Path=/", "a", "/open/cookie"),
    ("host-prefix-with-domain", "; Secure; Path=/; Domain=jar.hostile.test", "b", "/open/cookie"),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    book.zone.say_below(PARENT, Say::Addresses(vec![[127, 0, 0, 1].into()]));
    let port = book.main.port();
    let body = body_of("open/cookie");
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
    book.script("/open/cookie", vec![Act::send(page)]);
    for (name, attributes, host, path) in COOKIES {
        let prefix = if name.starts_with("host-prefix") { "__Host-" } else { "" };
        let head = format!(
            "HTTP/1.1 302 Found\r\nSet-Cookie: {prefix}session={SECRET}{attributes}\r\n\
             Location: http://{host}{PARENT}:{port}{path}\r\nContent-Length: 0\r\n\r\n"
        );
        set(book, name, head, &body);
    }
    // Some thousand cookies, or one that is too large, are no reason to fail, nor to be sent along.
    let huge = format!(
        "HTTP/1.1 302 Found\r\nSet-Cookie: large={}{SECRET}\r\nLocation: /open/cookie\r\nContent-Length: 0\r\n\r\n",
        "x".repeat(9_000)
    );
    set(book, "9-kib", huge, &body);
    for (name, field) in [
        ("nonsense", "Set-Cookie: ;;;=;=\r\nSet-Cookie:\r\nSet-Cookie: =\r\n"),
        ("control-characters", "Set-Cookie: a=b\u{1}c; Path=/\r\n"),
        ("non-ascii", "Set-Cookie: \u{fc}=\u{fc}; Path=/\u{fc}; Domain=\u{fc}\r\n"),
    ] {
        let head =
            format!("HTTP/1.1 302 Found\r\n{field}Location: /open/cookie\r\nContent-Length: 0\r\n\r\n");
        set(book, name, head, &body);
    }
    let many = "Set-Cookie: a=b; Path=/\r\n".repeat(100);
    let head = format!("HTTP/1.1 302 Found\r\n{many}Location: /open/cookie\r\nContent-Length: 0\r\n\r\n");
    set(book, "hundred", head, &body);
}

fn set(book: &mut Book, name: &str, head: String, body: &str) {
    let name = format!("cookie/{name}");
    book.script(format!("/{name}"), vec![Act::send(head)]);
    let url = format!("http://a{PARENT}:{}/{name}", book.main.port());
    book.expect(&name, url, OK, Sent::Whole(body.to_owned().into())).ask = Ask::WithCookies;
}
