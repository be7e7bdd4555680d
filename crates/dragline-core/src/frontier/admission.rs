//! Names what a session is told when it wants to fetch: what robots.txt says, and when its host has a slot.

use std::sync::Arc;

use crate::disposition::SkipReason;
use crate::outcome::Outcome;
use crate::time::Time;

/// What robots.txt says of a URL, to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RobotsView {
    /// Allowed, by this line unless no rule matched.
    Allowed {
        /// The line of the rule, from 1.
        line: Option<u32>,
    },
    /// Allowed because there is none (RFC 9309 2.3.1.3).
    AssumedAllowed,
    /// Disallowed, by this line unless the check cost too much.
    Disallowed {
        /// The line of the rule, from 1.
        line: Option<u32>,
    },
    /// Disallowed because it could not be had (RFC 9309 2.3.1.4).
    Unreachable {
        /// How its last fetch ended; `deferred` when the server answered.
        outcome: Outcome,
        /// What went wrong, for people.
        message: Arc<str>,
    },
    /// Allowed because robots.txt is not obeyed.
    NotObeyed,
    /// Not known, and the host that would have to be asked was given up.
    Parked(SkipReason),
    /// Not known yet; after a drain, for good.
    Unknown,
}

/// Whether a fetch of a session may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Now; a slot is taken until [`Frontier::release`](super::Frontier::release).
    Now,
    /// Not before this time.
    NotBefore(Time),
    /// Not before this time, because of a penalty or a `Retry-After`.
    BackingOff(Time),
    /// Never: the rule says why.
    Refused(SkipReason),
}
