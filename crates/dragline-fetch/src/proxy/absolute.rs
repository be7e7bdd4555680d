//! Rewrites a request for a proxy that takes plain requests as they are: its request line names the whole URL.

use std::fmt;

use memchr::memchr;

/// What a request over a connection to such a proxy must carry.
#[derive(PartialEq, Eq)]
pub(crate) struct Absolute {
    /// Host and, unless it is 80, port of the target.
    pub(crate) authority: Box<str>,
    /// The `Proxy-Authorization` field.
    pub(crate) authorization: Option<Box<str>>,
}

impl fmt::Debug for Absolute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Absolute").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Puts the first bytes of a request, its whole request line at least, in absolute form.
///
/// Bytes that do not begin with a request line in origin form stay as they are.
///
/// # Source
/// RFC 9112 section 3.2.2, RFC 9110 section 11.7.2.
pub(crate) fn rewrite(first: &[u8], authority: &str, authorization: Option<&str>) -> Vec<u8> {
    let line_end = memchr(b'\n', first).map_or(0, |end| end + 1);
    let target = memchr(b' ', first.get(..line_end).unwrap_or_default()).map(|space| space + 1);
    let Some((method, rest)) = target.and_then(|target| first.split_at_checked(target)) else {
        return first.to_vec();
    };
    let (line, rest) = rest.split_at_checked(line_end - method.len()).unwrap_or((rest, &[]));
    if line.first() != Some(&b'/') {
        return first.to_vec();
    }
    let mut out = Vec::with_capacity(first.len() + authority.len() + 128);
    for part in [method, b"http://", authority.as_bytes(), line] {
        out.extend_from_slice(part);
    }
    if let Some(authorization) = authorization {
        for part in [b"proxy-authorization: ".as_slice(), authorization.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(first: &str, authorization: Option<&str>, expected: &str) {
        let rewritten = rewrite(first.as_bytes(), "a.test:8080", authorization);
        assert_eq!(String::from_utf8(rewritten).unwrap(), expected);
    }

    #[test]
    fn the_request_line_names_the_whole_url() {
        let plain = "GET http://a.test:8080/x?y=/z HTTP/1.1\r\nhost: a.test:8080\r\n\r\nbody / here";
        check("GET /x?y=/z HTTP/1.1\r\nhost: a.test:8080\r\n\r\nbody / here", None, plain);
        let known = "GET http://a.test:8080/ HTTP/1.1\r\nproxy-authorization: Basic dTpw\r\nhost: x\r\n\r\n";
        check("GET / HTTP/1.1\r\nhost: x\r\n\r\n", Some("Basic dTpw"), known);
    }

    #[test]
    fn what_is_no_request_line_stays_as_it_is() {
        for first in ["", "GET / HTTP/1.1", "GET\r\n\r\n", "GET http://a/ HTTP/1.1\r\n", "\n\n", " \n"] {
            check(first, Some("Basic dTpw"), first);
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let absolute = Absolute { authority: "a.test".into(), authorization: Some("Basic dTpw".into()) };
        assert_eq!(format!("{absolute:?}"), "Absolute { authority: \"a.test\", .. }");
    }
}
