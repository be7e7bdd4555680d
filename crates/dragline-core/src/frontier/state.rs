//! Holds the table of legal moves of a URL, and the record of one that is not settled.

use std::sync::Arc;

use super::durable::Revisit;
use super::hosts::HostId;
use super::types::Token;
use crate::disposition::Disposition;
use crate::time::Time;
use crate::url::{CanonicalUrl, Fingerprint};

/// Where a URL stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlState {
    /// Never offered.
    Unknown,
    /// Waits for its host.
    Waiting,
    /// Leased; no page has come of it.
    Leased,
    /// Leased; a page of it is with the handlers.
    Fetched,
    /// Settled.
    Ended(Disposition),
}

/// A move in a URL's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlMove {
    /// It was offered, and nothing speaks against it.
    Accept,
    /// It was leased.
    Lease,
    /// A page of it went to the handlers.
    Fetch,
    /// It goes back to waiting.
    Return,
    /// It ends.
    End(Disposition),
}

impl UrlState {
    /// Returns the state after a move; `None` when the move is illegal here.
    pub const fn after(self, step: UrlMove) -> Option<Self> {
        use Disposition::{Done, Failed, Redirected, Skipped};
        match (self, step) {
            (Self::Unknown, UrlMove::Accept) | (Self::Leased | Self::Fetched, UrlMove::Return) => {
                Some(Self::Waiting)
            }
            (Self::Waiting, UrlMove::Lease) => Some(Self::Leased),
            (Self::Leased, UrlMove::Fetch) => Some(Self::Fetched),
            (Self::Unknown | Self::Waiting, UrlMove::End(Skipped(_)))
            | (Self::Leased, UrlMove::End(Done | Failed(_) | Redirected))
            | (Self::Fetched, UrlMove::End(Done | Failed(_))) => match step {
                UrlMove::End(disposition) => Some(Self::Ended(disposition)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Makes a move.
    ///
    /// # Panics
    /// When the move is illegal here.
    #[must_use]
    pub fn advance(self, step: UrlMove) -> Self {
        match self.after(step) {
            Some(next) => next,
            None => panic!("a URL that is {self:?} cannot {step:?}"),
        }
    }

    /// Makes the last move: the record goes, only the disposition stays.
    pub(super) fn end(self, disposition: Disposition) {
        let ended = self.advance(UrlMove::End(disposition));
        debug_assert_eq!(ended, Self::Ended(disposition));
    }
}

/// A URL that is not settled. Its text is freed when it is.
#[derive(Debug)]
pub(super) struct UrlRecord {
    pub(super) fingerprint: Fingerprint,
    /// The spelling that is fetched.
    pub(super) url: CanonicalUrl,
    pub(super) host: HostId,
    pub(super) state: UrlState,
    pub(super) depth: u32,
    /// Attempts made, those that were free not counted.
    pub(super) attempts: u32,
    /// The seed, when the operator named this URL or one that was redirected here.
    pub(super) seed: Option<CanonicalUrl>,
    pub(super) label: Option<Arc<str>>,
    pub(super) data: Option<Arc<str>>,
    pub(super) referrer: Option<CanonicalUrl>,
    pub(super) chain: Arc<[CanonicalUrl]>,
    /// Whether it was ever leased.
    pub(super) was_leased: bool,
    /// The chunk it was taken from the shelf with; 0 when it never lay there, or was noted by itself since.
    pub(super) chunk: u64,
    /// What is known of it from an earlier generation.
    pub(super) revisit: Option<Arc<Revisit>>,
}

/// One lease that is not settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) token: Token,
    pub(super) cargo: Cargo,
    /// The host that was dispatched to.
    pub(super) host: HostId,
    pub(super) leased_at: Time,
    /// Whether the fetch has not ended, so that a slot of the host is taken.
    pub(super) holds_slot: bool,
    /// Whether it is the first lease of a URL.
    pub(super) is_first: bool,
}

/// What a lease carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cargo {
    /// The record of a URL.
    Page(u32),
    /// An errand for robots.txt.
    Errand(u32),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disposition::{FailKind, SkipReason};

    #[test]
    fn only_the_moves_of_the_table_are_legal() {
        let done = Disposition::Done;
        let failed = Disposition::Failed(FailKind::HandlerError);
        let skipped = Disposition::Skipped(SkipReason::Robots);
        let redirected = Disposition::Redirected;
        let steps = [UrlMove::Accept, UrlMove::Lease, UrlMove::Fetch, UrlMove::Return];
        let ends = [done, failed, skipped, redirected].map(UrlMove::End);
        let check = |from: UrlState, legal: &[UrlMove]| {
            for step in steps.into_iter().chain(ends) {
                assert_eq!(from.after(step).is_some(), legal.contains(&step), "{from:?} {step:?}");
            }
        };
        check(UrlState::Unknown, &[UrlMove::Accept, UrlMove::End(skipped)]);
        check(UrlState::Waiting, &[UrlMove::Lease, UrlMove::End(skipped)]);
        let end = UrlMove::End;
        check(UrlState::Leased, &[UrlMove::Fetch, UrlMove::Return, end(done), end(failed), end(redirected)]);
        check(UrlState::Fetched, &[UrlMove::Return, end(done), end(failed)]);
        check(UrlState::Ended(done), &[]);
    }
}
