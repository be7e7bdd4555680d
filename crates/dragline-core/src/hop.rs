//! Decides what a redirect makes of a request, when the hops follow under one handle.

use crate::fetch::{Certificates, Method};
use crate::url::CanonicalUrl;

/// What becomes of a request at a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The method of the next request.
    pub method: Method,
    /// Whether the next request sends what this one sent.
    pub keep_body: bool,
    /// Whether scheme, host and port stay: only then credentials go along.
    pub same_origin: bool,
    /// Whether cookies and credentials of one's own are still sent and kept. Not when an unverified request leaves its
    /// host: whoever stands between us and a server that nobody verified could else send us anywhere, stand there
    /// too, and collect what other hosts were to be told. Within the rest of the call they do not come back.
    pub keeps_identity: bool,
}

/// Fields that say who asks; they were meant for one origin.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "cookie2"];

/// Fields about what is sent, beside those that begin with `content-`.
const ABOUT_CONTENT: [&str; 6] =
    ["digest", "repr-digest", "last-modified", "transfer-encoding", "trailer", "expect"];

/// Decides the request that follows a redirect with `status` of a request of `from` to `to`.
///
/// 301 and 302 make a `GET` of a `POST`, 303 of everything but `GET` and `HEAD`; 307 and 308 change nothing. A `GET` that
/// was made so has no body.
///
/// # Source
/// RFC 9110 section 15.4; Fetch standard, "HTTP-redirect fetch".
pub fn hop(
    method: Method,
    status: u16,
    certificates: Certificates,
    from: &CanonicalUrl,
    to: &CanonicalUrl,
) -> Hop {
    let becomes_get = match status {
        301 | 302 => method == Method::Post,
        303 => !matches!(method, Method::Get | Method::Head),
        _ => false,
    };
    let method = if becomes_get { Method::Get } else { method };
    let same_origin = (from.scheme(), from.host(), from.port()) == (to.scheme(), to.host(), to.port());
    let keeps_identity = certificates == Certificates::Verified || from.host() == to.host();
    Hop { method, keep_body: !becomes_get, same_origin, keeps_identity }
}

/// Whether a field of the request goes along to the next; case of its name does not matter.
///
/// `Host` never does: it is made anew. Credentials (`Authorization`, `Cookie`, `Proxy-*`) go along within their origin
/// only, fields about the body only with it. Fields of one's own making, such as `X-Api-Key`, cannot be told from
/// harmless ones and go along: put a secret where it has an origin.
///
/// # Source
/// RFC 9110 section 15.4, items 2 to 5; Fetch standard, "HTTP-redirect fetch".
pub fn keeps_field(name: &str, hop: &Hop) -> bool {
    let name = name.to_ascii_lowercase();
    let is_credential = CREDENTIALS.contains(&name.as_str()) || name.starts_with("proxy-");
    let is_about_content = ABOUT_CONTENT.contains(&name.as_str()) || name.starts_with("content-");
    name != "host" && (hop.same_origin || !is_credential) && (hop.keep_body || !is_about_content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    fn check(method: Method, status: u16, expected: Method) {
        let hop = hop(method, status, Certificates::Verified, &url("http://a/x"), &url("http://a/y"));
        let keep_body = method == expected;
        let expected = Hop { method: expected, keep_body, same_origin: true, keeps_identity: true };
        assert_eq!(hop, expected, "{method} {status}");
    }

    #[test]
    fn the_status_decides_the_method_and_the_body() {
        for status in [301, 302] {
            check(Method::Post, status, Method::Get);
            for method in Method::ALL.into_iter().filter(|method| *method != Method::Post) {
                check(method, status, method);
            }
        }
        for method in Method::ALL {
            check(method, 303, if method == Method::Head { Method::Head } else { Method::Get });
            check(method, 307, method);
            check(method, 308, method);
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let check = |from: &str, to: &str, expected| {
            let hop = hop(Method::Get, 302, Certificates::Verified, &url(from), &url(to));
            assert_eq!((hop.same_origin, hop.keeps_identity), (expected, true), "{from} {to}");
        };
        check("http://a.org/x", "http://a.org/y", true);
        check("https://a.org/", "https://a.org:443/", true);
        check("http://a.org/", "https://a.org/", false);
        check("https://a.org/", "http://a.org/", false);
        check("http://a.org/", "http://a.org:8080/", false);
        check("http://a.org:443/", "https://a.org/", false);
        check("http://a.org/", "http://www.a.org/", false);
        check("http://a.org/", "http://a.org./", false);
        check("http://a.org/", "http://b.org/", false);
    }

    #[test]
    fn an_unverified_request_that_leaves_its_host_leaves_cookies_and_keys_behind() {
        let check = |from: &str, to: &str, expected| {
            let hop = hop(Method::Get, 302, Certificates::Unverified, &url(from), &url(to));
            assert_eq!(hop.keeps_identity, expected, "{from} {to}");
        };
        check("https://a.org/x", "https://a.org/y", true);
        check("http://a.org/", "https://a.org/", true);
        check("https://a.org/", "https://a.org:8443/", true);
        check("https://a.org/", "https://www.a.org/", false);
        check("https://a.org/", "https://b.org/", false);
        check("https://a.org/", "http://b.org/", false);
    }

    #[test]
    fn fields_go_along_where_they_belong() {
        let check = |name: &str, same_origin, keep_body, expected| {
            let hop = Hop { method: Method::Get, keep_body, same_origin, keeps_identity: true };
            assert_eq!(keeps_field(name, &hop), expected, "{name} {hop:?}");
        };
        for (same_origin, keep_body) in [(true, true), (true, false), (false, true), (false, false)] {
            check("HOST", same_origin, keep_body, false);
            for field in ["Accept", "Range", "If-None-Match", "X-Proxy-Hint", "Not-Content-Type"] {
                check(field, same_origin, keep_body, true);
            }
            for field in ["Authorization", "COOKIE", "Proxy-Authorization", "proxy-connection", "Cookie2"] {
                check(field, same_origin, keep_body, same_origin);
            }
            for field in ["Content-Type", "CONTENT-LENGTH", "content-digest", "Transfer-Encoding", "Digest"] {
                check(field, same_origin, keep_body, keep_body);
            }
        }
    }
}
