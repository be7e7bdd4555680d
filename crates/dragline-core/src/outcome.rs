//! Lists every way one fetch can end: at once the retry rule, the metric label and the glossary.

use std::fmt;

use crate::disposition::FailKind;

mod meaning;

pub use meaning::Meaning;

/// How one fetch ended. Closed: every fetch ends as exactly one of these.
///
/// The flat name (`Outcome::name`) is the same word in records, metrics, logs and documentation. The phase in which
/// it ended and the free-text detail stand in fields of their own ([`crate::FetchError`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A whole response with a status below 400 that is no redirect. Nobody's fault.
    Ok,
    /// As `Ok`, but cut at a cap because the caller asked for truncated results. Raise the cap for more.
    OkTruncated,
    /// A whole response with status 4xx or 5xx. The server's word; retried for the statuses of `[retry] statuses`.
    HttpError,
    /// A 3xx with a usable `Location` that was not followed under this fetch.
    Redirect,
    /// A 3xx without a usable target, too many hops, or a loop. The server's fault; not retried.
    RedirectError,
    /// A deadline or a phase limit passed. Retried.
    Timeout,
    /// A cap on wire or decoded bytes, ratio or layers was reached. Raise the cap or leave it; not retried.
    TooLarge,
    /// The peer did not speak HTTP, or contradicted itself. Not retried.
    ProtocolError,
    /// The connection ended before the response did. Retried.
    Incomplete,
    /// A content coding was unknown or damaged. Not retried.
    DecodeError,
    /// The name did not resolve. Retried.
    DnsError,
    /// No connection could be made. Retried.
    ConnectError,
    /// The TLS handshake or the certificate failed. Not retried.
    TlsError,
    /// The proxy, not the target, failed. Retried by another route.
    ProxyError,
    /// The address guard refused the address. The operator may allow it with `[security] allow_networks`.
    Blocked,
    /// Not a URL that can be fetched.
    InvalidUrl,
    /// The host's robots.txt disallows it.
    RobotsDenied,
    /// The host asked to be left alone for longer than the caller waits.
    Deferred,
    /// The caller, or the end of the crawl, cancelled it.
    Cancelled,
    /// The task that ran it panicked: a bug of ours. Retried once.
    Crashed,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub const ALL: [Self; 20] = [
        Self::Ok,
        Self::OkTruncated,
        Self::HttpError,
        Self::Redirect,
        Self::RedirectError,
        Self::Timeout,
        Self::TooLarge,
        Self::ProtocolError,
        Self::Incomplete,
        Self::DecodeError,
        Self::DnsError,
        Self::ConnectError,
        Self::TlsError,
        Self::ProxyError,
        Self::Blocked,
        Self::InvalidUrl,
        Self::RobotsDenied,
        Self::Deferred,
        Self::Cancelled,
        Self::Crashed,
    ];

    /// Returns the flat `snake_case` name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkTruncated => "ok_truncated",
            Self::HttpError => "http_error",
            Self::Redirect => "redirect",
            Self::RedirectError => "redirect_error",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::ProtocolError => "protocol_error",
            Self::Incomplete => "incomplete",
            Self::DecodeError => "decode_error",
            Self::DnsError => "dns_error",
            Self::ConnectError => "connect_error",
            Self::TlsError => "tls_error",
            Self::ProxyError => "proxy_error",
            Self::Blocked => "blocked",
            Self::InvalidUrl => "invalid_url",
            Self::RobotsDenied => "robots_denied",
            Self::Deferred => "deferred",
            Self::Cancelled => "cancelled",
            Self::Crashed => "crashed",
        }
    }

    /// Returns the kind of failure this outcome is, or `None` for `ok`, `ok_truncated` and `redirect`.
    pub const fn fail_kind(self) -> Option<FailKind> {
        match self {
            Self::Ok | Self::OkTruncated | Self::Redirect => None,
            failed => Some(FailKind::Fetch(failed)),
        }
    }

    /// Whether another attempt may end better. [`Outcome::HttpError`] depends on its status and is not decided here.
    pub const fn may_retry(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::Incomplete
                | Self::DnsError
                | Self::ConnectError
                | Self::ProxyError
                | Self::Crashed
        )
    }

    /// Whether a whole response with a status line arrived, good or bad.
    pub const fn has_response(self) -> bool {
        matches!(self, Self::Ok | Self::OkTruncated | Self::HttpError | Self::Redirect)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_flat_snake_case_and_stands_once() {
        let mut names: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Outcome::ALL.len());
    }

    #[test]
    fn only_failures_have_a_kind_or_a_retry() {
        for outcome in Outcome::ALL {
            let fine = matches!(outcome, Outcome::Ok | Outcome::OkTruncated | Outcome::Redirect);
            assert_eq!(outcome.fail_kind().is_none(), fine, "{outcome}");
            assert!(!(fine && outcome.may_retry()), "{outcome}");
        }
    }
}
