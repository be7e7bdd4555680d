//! Judges redirects: where one leads, and whether it may be followed.

use std::borrow::Cow;

use crate::fetch::FetchResponse;
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
    if !matches!(response.status, Some(301 | 302 | 303 | 307 | 308)) {
        return None;
    }
    let value = response.headers.get("location").filter(|value| !value.is_empty())?;
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
