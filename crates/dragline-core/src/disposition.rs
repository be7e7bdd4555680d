//! Lists every way a URL can end in a crawl: the words of the accounting identity.

use std::fmt;

use crate::outcome::Outcome;

/// How a URL ended: `discovered = done + redirected + failed(kind) + skipped(reason) + pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// Fetched, and every handler of its page answered.
    Done,
    /// Answered with a redirect; its target was offered in the same step.
    Redirected,
    /// Given up, for this kind of failure.
    Failed(FailKind),
    /// Never fetched, for this reason.
    Skipped(SkipReason),
}

impl Disposition {
    /// Returns `done`, `redirected`, `failed` or `skipped`: the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Redirected => "redirected",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Returns the kind of a failure or the reason of a skip.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Done | Self::Redirected => None,
            Self::Failed(kind) => Some(kind.name()),
            Self::Skipped(reason) => Some(reason.name()),
        }
    }
}

/// Prints `done` or `failed(timeout)`.
impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            None => f.write_str(self.name()),
            Some(detail) => write!(f, "{}({detail})", self.name()),
        }
    }
}

/// Why a URL was given up: an error outcome of its last fetch, or what its handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailKind {
    /// The fetch ended with this outcome (never `ok`, `ok_truncated` or `redirect`).
    Fetch(Outcome),
    /// A handler answered with an error.
    HandlerError,
    /// A handler panicked on this page alone.
    HandlerPanic,
    /// A handler did not answer in time.
    HandlerTimeout,
}

impl FailKind {
    /// Returns the flat `snake_case` name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetch(outcome) => outcome.name(),
            Self::HandlerError => "handler_error",
            Self::HandlerPanic => "handler_panic",
            Self::HandlerTimeout => "handler_timeout",
        }
    }

    /// Returns every kind: the error outcomes, then the three of handlers.
    pub fn all() -> impl Iterator<Item = Self> {
        let handlers = [Self::HandlerError, Self::HandlerPanic, Self::HandlerTimeout];
        Outcome::ALL.into_iter().filter_map(Outcome::fail_kind).chain(handlers)
    }
}

impl fmt::Display for FailKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a URL was not fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// Outside the hosts of the crawl.
    Scope,
    /// Refused by an include or exclude pattern.
    Filter,
    /// Disallowed by robots.txt.
    Robots,
    /// robots.txt could not be had, which means complete disallow (RFC 9309 2.3.1.4).
    RobotsUnreachable,
    /// `[scope] urls_max` was used up.
    Budget,
    /// `[scope] urls_per_host_max` or a limit on pending URLs of the host was used up.
    HostLimit,
    /// Looks like a crawl trap: too many or repeating path segments, or an overlong query.
    Trap,
    /// Its host only refused for too long and was parked.
    Parked,
    /// Dropped by a drain that was told to drop what waits.
    Drained,
}

impl SkipReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Scope,
        Self::Filter,
        Self::Robots,
        Self::RobotsUnreachable,
        Self::Budget,
        Self::HostLimit,
        Self::Trap,
        Self::Parked,
        Self::Drained,
    ];

    /// Returns the flat `snake_case` name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Filter => "filter",
            Self::Robots => "robots",
            Self::RobotsUnreachable => "robots_unreachable",
            Self::Budget => "budget",
            Self::HostLimit => "host_limit",
            Self::Trap => "trap",
            Self::Parked => "parked",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a link was refused for a reason of the link and not of the URL: a later, better link still creates the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkRefusal {
    /// Deeper than `[scope] depth_max`.
    Depth,
    /// The page or the link said nofollow.
    Nofollow,
    /// Not a URL that can be fetched.
    InvalidUrl,
    /// Longer than `[scope] url_bytes_max`.
    TooLong,
    /// The frontier takes as much memory as `[state] memory_max` allows.
    Memory,
}

impl LinkRefusal {
    /// Every refusal, in the order of declaration.
    pub const ALL: [Self; 5] = [Self::Depth, Self::Nofollow, Self::InvalidUrl, Self::TooLong, Self::Memory];

    /// Returns the flat `snake_case` name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Nofollow => "nofollow",
            Self::InvalidUrl => "invalid_url",
            Self::TooLong => "too_long",
            Self::Memory => "memory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions_print_with_their_detail() {
        assert_eq!(Disposition::Done.to_string(), "done");
        assert_eq!(Disposition::Failed(FailKind::Fetch(Outcome::Timeout)).to_string(), "failed(timeout)");
        assert_eq!(Disposition::Skipped(SkipReason::Robots).to_string(), "skipped(robots)");
    }

    #[test]
    fn kinds_are_the_error_outcomes_and_three_of_handlers() {
        let names: Vec<_> = FailKind::all().map(FailKind::name).collect();
        assert_eq!(names.len(), 17 + 3);
        assert!(!names.contains(&"ok") && !names.contains(&"redirect"));
    }
}
