//! Judges redirects: where one leads, and whether it may be followed.

use std::borrow::Cow;

use crate::fetch::FetchResponse;
use crate::headers::Headers;
use crate::outcome::Outcome;
use crate::url::{CanonicalUrl, UrlError};

/// What becomes of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectVerdict {
    /// The target is offered as a URL of its own.
    Follow,
    /// The target is the source in another spelling: the source goes back to waiting with it, one hop longer.
    Respell,
    /// One hop more than is followed.
    TooMany,
    /// The target stands in its own chain.
    Loop,
}

/// Judges a redirect of `from` to `target`.
///
/// `chain` holds the hops that led to `from`, oldest first, respellings included, without `from` itself;
/// `redirects_max` is the number of hops after which none is followed. URLs are compared by their dedupe keys, so a
/// loop through another spelling is one. A redirect to itself is a loop only when a respelling came before it: the
/// first may have set a cookie.
pub fn judge(
    chain: &[CanonicalUrl],
    from: &CanonicalUrl,
    target: &CanonicalUrl,
    redirects_max: u32,
) -> RedirectVerdict {
    let key = target.dedupe_key();
    let hops_max = usize::try_from(redirects_max).unwrap_or(usize::MAX);
    if chain.iter().any(|hop| hop.dedupe_key() == key) {
        RedirectVerdict::Loop
    } else if chain.len() >= hops_max {
        RedirectVerdict::TooMany
    } else if from.dedupe_key() == key {
        RedirectVerdict::Respell
    } else {
        RedirectVerdict::Follow
    }
}

/// Returns where a response redirects `from` to: `None` when its status is no redirect or it names no `Location`.
///
/// A value that is not UTF-8 is read as octets, and those beyond ASCII are percent-encoded.
///
/// # Errors
/// When the `Location` is no URL that can be fetched.
///
/// # Source
/// RFC 9110 sections 10.2.2 and 15.4; resolution by the WHATWG URL standard.
pub fn location(response: &FetchResponse, from: &CanonicalUrl) -> Option<Result<CanonicalUrl, UrlError>> {
    location_of(response.status?, &response.headers, from)
}

/// As [`location`], from status and fields alone.
///
/// # Errors
/// As [`location`].
pub fn location_of(
    status: u16,
    headers: &Headers,
    from: &CanonicalUrl,
) -> Option<Result<CanonicalUrl, UrlError>> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let value = headers.get("location").filter(|value| !value.is_empty())?;
    let reference = match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(percent_encoded(value)),
    };
    Some(from.join(&reference))
}

fn percent_encoded(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len() + 16);
    for octet in value {
        if octet.is_ascii() {
            out.push(char::from(*octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

/// Returns how a whole response to a request for `url` ends its fetch.
pub fn outcome(status: u16, headers: &Headers, url: &CanonicalUrl) -> Outcome {
    match status {
        301 | 302 | 303 | 307 | 308 => {
            let target = headers.get_str("location").map(|location| url.join(location));
            if matches!(target, Some(Ok(_))) { Outcome::Redirect } else { Outcome::RedirectError }
        }
        400.. => Outcome::HttpError,
        _ => Outcome::Ok,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::fetch::Phase;
    use crate::outcome::Outcome;

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    #[test]
    fn a_redirect_is_judged_by_keys() {
        let check = |chain: &[&str], from: &str, target: &str, expected| {
            let chain: Vec<_> = chain.iter().map(|hop| url(hop)).collect();
            assert_eq!(judge(&chain, &url(from), &url(target), 3), expected, "{chain:?} {from} {target}");
        };
        check(&[], "http://a/", "http://b/", RedirectVerdict::Follow);
        check(&[], "http://a/", "https://a/", RedirectVerdict::Follow);
        check(&["http://1/", "http://2/"], "http://a/", "http://b/", RedirectVerdict::Follow);
        check(&["http://1/", "http://2/", "http://3/"], "http://a/", "http://b/", RedirectVerdict::TooMany);
        check(&["http://1/", "http://2/", "http://3/"], "http://a/", "http://1/", RedirectVerdict::Loop);
        check(&["http://b/~x"], "http://a/", "http://b/%7Ex", RedirectVerdict::Loop);
        check(&[], "http://a/%7ex", "http://a/~x", RedirectVerdict::Respell);
        check(&[], "http://a/x", "http://a/x", RedirectVerdict::Respell);
        check(&["http://a/x"], "http://a/x", "http://a/x", RedirectVerdict::Loop);
        check(&["http://a/%7ex"], "http://a/~x", "http://a/%7ex", RedirectVerdict::Loop);
        check(&["http://a/%7ex"], "http://a/~x", "http://a/~y", RedirectVerdict::Follow);
        check(&["http://1/", "http://2/", "http://3/"], "http://a/?", "http://a/", RedirectVerdict::TooMany);
    }

    #[test]
    fn no_hop_is_followed_when_none_is_allowed() {
        assert_eq!(judge(&[], &url("http://a/"), &url("http://b/"), 0), RedirectVerdict::TooMany);
    }

    #[test]
    fn a_location_is_resolved_against_its_source() {
        let check = |status: u16, location: &[u8], expected: Option<Result<&str, &str>>| {
            let mut head = b"HTTP/1.1 302 Found\r\nLocation: ".to_vec();
            head.extend(location);
            head.extend(b"\r\n\r\n");
            let response = FetchResponse {
                status: Some(status),
                headers: Headers::parse(Bytes::from(head)),
                ..FetchResponse::failed(Outcome::Redirect, Phase::Body, "")
            };
            let found = super::location(&response, &url("http://a.org/x/y?z"));
            let found =
                found.map(|target| target.map(|url| url.to_string()).map_err(|error| error.to_string()));
            let expected = expected.map(|target| target.map(str::to_owned).map_err(str::to_owned));
            assert_eq!(found, expected, "{status} {:?}", String::from_utf8_lossy(location));
        };
        for status in [301, 302, 303, 307, 308] {
            check(status, b"w", Some(Ok("http://a.org/x/w")));
        }
        for status in [200, 300, 304, 305, 404] {
            check(status, b"w", None);
        }
        check(302, b"", None);
        check(302, b"//b.org", Some(Ok("http://b.org/")));
        check(302, b"https://b.org/#top", Some(Ok("https://b.org/")));
        check(302, "/\u{fc}".as_bytes(), Some(Ok("http://a.org/%C3%BC")));
        check(302, b"/\xFC?\xE9", Some(Ok("http://a.org/%FC?%E9")));
        check(
            302,
            b"javascript:1",
            Some(Err("scheme \"javascript\" is not fetched (only http and https are)")),
        );
        check(302, b"http://a:99999/", Some(Err("not a URL: invalid port number")));
    }
}
