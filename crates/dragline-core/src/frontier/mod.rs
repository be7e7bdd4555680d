//! Knows every URL of the crawl: offers, leases, settlements, and the hosts they belong to.
//!
//! ```text
//!             offer                 lease                fetched              settle
//!  unknown ----------> waiting ----------> leased(token) --------> fetched ----------> done | failed(kind)
//!     |                  |  ^                 |   |                   |
//!     +-> skipped        |  +---- retry ------+   +-> redirected      +-> waiting (a handler asked for retry)
//!                        +-> skipped (robots, budget, parked, drain)
//! ```
//!
//! Every other move is an assertion.

mod admission;
mod census;
mod commit;
mod counts;
mod durable;
mod errand;
mod fold;
mod hosts;
mod lease;
mod mem;
#[cfg(feature = "mutants")]
mod mutant;
mod offer;
mod plan;
mod politeness;
mod queue;
mod schedule;
mod seen;
mod settle;
mod slab;
mod state;
mod types;

pub use admission::{Admission, RobotsView};
pub use commit::{CommitError, CommitId, Epoch, Mark, RunId};
pub use durable::{
    BlockKind, HistoryEntry, JournalBlock, JournalCut, Malformed, Past, Rebirth, RestoreError, Restorer,
    Revisit, Shelf, SnapshotPart,
};
pub use hosts::{HostId, HostTable, SlotNotTaken};
pub use mem::MemFrontier;
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use politeness::{HostClock, Restraint};
pub use seen::{DEPTH_MAX, SeenSet, Standing};
pub use state::{UrlMove, UrlState};
pub use types::{
    Drain, Fetched, FetchedReport, FrontierStats, HostGauge, Lease, LeaseReport, OfferBatch, OfferFrom,
    OfferReport, OfferSource, Purpose, RobotsAnswer, RobotsTally, Settle, SettleReport, SettleResult,
    Settled, Settlement, Skipped, Token, Trigger, UrlGauge, Visit, Want,
};

use std::sync::Arc;

use crate::ticket::Ticket;
use crate::time::Time;
use crate::url::{CanonicalUrl, HostKey};

/// One shard of the frontier: a single-threaded state machine.
///
/// Tickets complete in call order; dropping one cancels nothing; at most one lease and one commit are outstanding.
/// A stale token is counted, never an error.
pub trait Frontier {
    /// Offers URLs, in order: each is new, a duplicate, skipped for a rule about the URL, or refused as a link.
    fn offer(&mut self, now: Time, batch: OfferBatch) -> Ticket<OfferReport>;

    /// Leases URLs of hosts that are due and have a free slot, at most `want.most`.
    fn lease(&mut self, now: Time, want: Want) -> Ticket<LeaseReport>;

    /// Takes the end of fetches: frees their slots and sets their hosts' next times. The URLs stay leased or, when
    /// a page came of it, become fetched, until settled.
    fn fetched(&mut self, now: Time, batch: Vec<Fetched>) -> Ticket<FetchedReport>;

    /// Settles URLs: disposition, links and host feedback of each in one step, in order.
    fn settle(&mut self, now: Time, batch: Vec<Settle>) -> Ticket<SettleReport>;

    /// Asks for a slot of a host for a fetch of a session; such a fetch never enters the frontier's accounts.
    fn admit(&mut self, now: Time, url: &CanonicalUrl) -> Admission;

    /// Says what robots.txt says of a URL that a session wants to fetch. Where that is not known, or not any more, an
    /// errand finds it out, once for the crawl and for sessions: ask again when one was settled, or when a report says
    /// that errands ended. After a drain nothing is found out any more.
    fn robots(&mut self, now: Time, url: &CanonicalUrl) -> RobotsView;

    /// Leases one errand that a session waits for, if one is due: for when nothing else may be leased, because what
    /// holds every credit may itself wait for that session.
    fn lease_wanted(&mut self, now: Time, fetcher: usize) -> Option<Lease>;

    /// Gives back a slot taken by [`Frontier::admit`], and lets its host's clock learn as from a lease. One that nobody
    /// had is stale.
    fn release(&mut self, now: Time, host: &HostKey, fetched: &Fetched) -> FetchedReport;

    /// Prolongs leases; returns how many of the tokens were current. One process alone never needs it.
    fn extend(&mut self, now: Time, tokens: &[Token], until: Time) -> Ticket<u32>;

    /// Ends what waits: it is skipped(drained), or kept for a later resume.
    fn drain(&mut self, now: Time, drain: Drain) -> Ticket<LeaseReport>;

    /// Returns when `lease` can grant or end something: a time at or before now when it can at once, a later one when
    /// a gap or a wait must pass first, `None` when only an answer can change that.
    fn next_wakeup(&self) -> Option<Time>;

    /// Returns how many URLs are not settled. Costs nothing, unlike [`Frontier::stats`].
    fn pending(&self) -> u64;

    /// Opens the buffer of the next epoch and returns the one that is now closed.
    fn begin_commit(&mut self) -> Epoch;

    /// Makes an epoch durable together with the sinks' marks.
    ///
    /// # Errors
    /// [`CommitError::NoSpace`]: call again, with the same epoch and marks, when there is space.
    fn commit(&mut self, epoch: Epoch, marks: Vec<Mark>) -> Ticket<Result<CommitId, CommitError>>;

    /// Returns the bytes of records that wait for a commit: the next one is due early when they become many.
    fn uncommitted_bytes(&self) -> u64 {
        0
    }

    /// Says why nothing more can be done: something that was kept on the disk cannot be read. End the process.
    fn fault(&self) -> Option<Arc<str>> {
        None
    }

    /// Returns every count of the accounting identity and the gauges.
    fn stats(&self) -> FrontierStats;
}
