//! Counts what the accounting identity is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::types::OfferSource;
use crate::disposition::{Disposition, FailKind, LinkRefusal, SkipReason};
use crate::url::Origin;

/// Origins whose robots.txt could not be had that are kept by name; more are counted as skipped all the same.
const UNREACHABLE_NAMES_MAX: usize = 10_000;

/// The counters of one frontier.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) discovered: u64,
    pub(super) added: [u64; OfferSource::ALL.len()],
    pub(super) done: u64,
    pub(super) redirected: u64,
    pub(super) failed: BTreeMap<FailKind, u64>,
    pub(super) skipped: BTreeMap<SkipReason, u64>,
    pub(super) pending: u64,
    pub(super) in_flight: u64,
    pub(super) duplicates: u64,
    pub(super) refused: [u64; LinkRefusal::ALL.len()],
    pub(super) stale: u64,
    /// URLs leased at least once.
    pub(super) urls_leased: u64,
    /// Of those, URLs whose first lease is not settled.
    pub(super) first_in_flight: u64,
    /// URLs that were skipped when they were discovered and stand in the history.
    pub(super) skips_kept: u32,
    pub(super) robots_unreachable: Vec<(Arc<str>, Arc<str>)>,
}

impl Counts {
    /// Counts a URL that was never offered before, and waits until it is said to have ended.
    pub(super) fn discover(&mut self, source: OfferSource) {
        self.discovered += 1;
        self.added[source as usize] += 1;
        self.pending += 1;
    }

    /// Counts the end of a URL.
    pub(super) fn end(&mut self, disposition: Disposition) {
        self.pending -= 1;
        match disposition {
            Disposition::Done => self.done += 1,
            Disposition::Redirected => self.redirected += 1,
            Disposition::Failed(kind) => *self.failed.entry(kind).or_default() += 1,
            Disposition::Skipped(reason) => *self.skipped.entry(reason).or_default() += 1,
        }
    }

    /// Counts a URL that had ended as waiting again.
    pub(super) fn renew(&mut self, disposition: Disposition) {
        self.pending += 1;
        match disposition {
            Disposition::Done => self.done -= 1,
            Disposition::Redirected => self.redirected -= 1,
            Disposition::Failed(kind) => *self.failed.entry(kind).or_default() -= 1,
            Disposition::Skipped(reason) => *self.skipped.entry(reason).or_default() -= 1,
        }
    }

    /// Notes an origin whose robots.txt could not be had.
    pub(super) fn note_unreachable(&mut self, origin: &Origin, message: Arc<str>) {
        if self.robots_unreachable.len() < UNREACHABLE_NAMES_MAX {
            self.robots_unreachable.push((origin.to_string().into(), message));
        }
    }
}
