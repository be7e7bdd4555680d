//! Keeps the waiting URLs of one host in order, apart for each origin, since robots.txt is an origin's.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::durable::ClockImage;
use super::schedule::Plan;
use crate::outcome::Outcome;
use crate::robots::RobotsTxt;
use crate::time::Time;
use crate::url::Scheme;

/// A URL that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Since when nothing but its host keeps it; for a retry, when that is over.
    pub(super) since: Time,
    /// Orders the URLs of a host: the order in which they came.
    pub(super) order: u64,
    /// The number of its record.
    pub(super) url: u32,
}

/// URLs of one origin that lie on the shelf, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shelved {
    /// The number of the chunk.
    pub(super) number: u64,
    /// How many URLs.
    pub(super) count: u32,
    /// The order of the first; the others follow, and no other URL of the origin stands between.
    pub(super) order: u64,
    /// Since when the first waits.
    pub(super) since: Time,
}

/// What is known of an origin's robots.txt.
#[derive(Clone, Debug)]
pub(super) enum RobotsState {
    /// Nobody asked.
    Unknown,
    /// This errand is due or under way.
    Asked(u32),
    /// It has rules.
    Known(Arc<RobotsTxt>, Time),
    /// There is none that could be read, so that everything may be fetched (RFC 9309 2.3.1.3).
    Unavailable(Time),
    /// It is not obeyed.
    Ignored,
    /// It could not be had, so that nothing may be fetched (RFC 9309 2.3.1.4).
    Unreachable(Outcome, Arc<str>),
}

impl RobotsState {
    /// Whether URLs may be judged by it.
    pub(super) const fn is_answered(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Asked(_))
    }

    /// Whether it must be asked before the next lease.
    pub(super) fn wants_errand(&self, now: Time) -> bool {
        match self {
            Self::Unknown => true,
            Self::Known(_, expires) | Self::Unavailable(expires) => *expires <= now,
            Self::Asked(_) | Self::Ignored | Self::Unreachable(..) => false,
        }
    }
}

/// The waiting URLs of one origin.
#[derive(Debug)]
pub(super) struct OriginQueue {
    pub(super) scheme: Scheme,
    pub(super) robots: RobotsState,
    /// What the last rules asked for; it holds while new ones are on their way.
    pub(super) crawl_delay: Option<Duration>,
    /// Never leased, in the order offered; empty only when none is.
    pub(super) fresh: VecDeque<Entry>,
    /// Behind those, on the shelf.
    pub(super) shelved: VecDeque<Shelved>,
    /// Behind those, in memory.
    pub(super) tail: VecDeque<Entry>,
    /// URLs on the shelf.
    shelved_len: usize,
    /// Leased before, and due again; they go first.
    pub(super) again: VecDeque<Entry>,
    /// Leased before, not due again until their time.
    pub(super) later: BTreeSet<Entry>,
}

impl OriginQueue {
    pub(super) const fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            robots: RobotsState::Unknown,
            crawl_delay: None,
            fresh: VecDeque::new(),
            shelved: VecDeque::new(),
            tail: VecDeque::new(),
            shelved_len: 0,
            again: VecDeque::new(),
            later: BTreeSet::new(),
        }
    }

    /// Returns how many URLs wait.
    pub(super) fn len(&self) -> usize {
        self.fresh_len() + self.again.len() + self.later.len()
    }

    /// Returns how many URLs wait that were never leased.
    pub(super) fn fresh_len(&self) -> usize {
        self.fresh.len() + self.shelved_len + self.tail.len()
    }

    /// Adds a URL that was never leased, behind all others.
    pub(super) fn push_fresh(&mut self, entry: Entry) {
        let behind_shelf = !self.shelved.is_empty();
        (if behind_shelf { &mut self.tail } else { &mut self.fresh }).push_back(entry);
    }

    /// Takes URLs that may go to the shelf: the last, when there are more in memory than twice `len`.
    pub(super) fn take_for_shelf(&mut self, len: usize) -> Option<VecDeque<Entry>> {
        if !self.shelved.is_empty() {
            return (self.tail.len() >= len).then(|| std::mem::take(&mut self.tail));
        }
        (self.fresh.len() >= 2 * len).then(|| self.fresh.split_off(self.fresh.len() - len))
    }

    /// Notes that URLs were put on the shelf, behind those that are there.
    pub(super) fn shelve(&mut self, shelved: Shelved) {
        debug_assert!(!self.fresh.is_empty(), "the first URLs stay in memory");
        self.shelved_len += shelved.count as usize;
        self.shelved.push_back(shelved);
    }

    /// Takes the next URLs from the shelf, to be put behind those in memory.
    pub(super) fn unshelve(&mut self) -> Option<Shelved> {
        debug_assert!(self.fresh.is_empty(), "those in front are taken first");
        let next = self.shelved.pop_front()?;
        self.shelved_len -= next.count as usize;
        Some(next)
    }

    /// Lets those behind the shelf follow those in front of it, when nothing is left between.
    pub(super) fn close_up(&mut self) {
        if self.shelved.is_empty() {
            self.fresh.append(&mut self.tail);
        }
    }

    /// Puts back what could not be read.
    pub(super) fn shelve_again(&mut self, shelved: Shelved) {
        self.shelved_len += shelved.count as usize;
        self.shelved.push_front(shelved);
    }

    /// Moves URLs whose time has come to the others that are due.
    fn promote(&mut self, now: Time) {
        while let Some(entry) = self.later.first().copied().filter(|entry| entry.since <= now) {
            self.later.pop_first();
            self.again.push_back(entry);
        }
    }

    /// Returns the URL that is next: one that was leased before, else the oldest.
    pub(super) fn head(&self) -> Option<Entry> {
        self.again.front().or_else(|| self.fresh.front()).copied()
    }

    /// Takes the URL that [`OriginQueue::head`] returned.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.again.pop_front().or_else(|| self.fresh.pop_front())
    }

    /// Takes any URL that waits, the next first.
    pub(super) fn pop_any(&mut self) -> Option<Entry> {
        self.pop().or_else(|| self.later.pop_first())
    }
}

/// Everything a host has to do.
#[derive(Debug, Default)]
pub(super) struct HostWork {
    pub(super) origins: Vec<OriginQueue>,
    /// Errands to be sent to this host, for whatever origin, by the time they are due.
    pub(super) errands: BTreeSet<(Time, u32)>,
    /// URLs leased at least once.
    pub(super) urls_leased: u64,
    /// The fetcher that was given the last lease, and holds a connection.
    pub(super) fetcher: Option<usize>,
    /// Numbers the last lease, so that hosts take turns.
    pub(super) last_lease: u64,
    /// What is entered in the schedule.
    pub(super) plan: Plan,
    /// The part of a snapshot that the host belongs to.
    pub(super) shard: u8,
    /// What was noted of its clock last; `None` when nothing was.
    pub(super) noted: Option<Box<ClockImage>>,
}

impl HostWork {
    /// Returns the queue of an origin, a new one if need be.
    pub(super) fn origin_mut(&mut self, scheme: Scheme) -> &mut OriginQueue {
        let at = self.origins.iter().position(|origin| origin.scheme == scheme);
        let at = at.unwrap_or_else(|| {
            self.origins.push(OriginQueue::new(scheme));
            self.origins.len() - 1
        });
        &mut self.origins[at]
    }

    /// Returns the queue of an origin.
    pub(super) fn origin(&self, scheme: Scheme) -> Option<&OriginQueue> {
        self.origins.iter().find(|origin| origin.scheme == scheme)
    }

    /// Returns how many URLs wait.
    pub(super) fn waiting(&self) -> usize {
        self.origins.iter().map(OriginQueue::len).sum()
    }

    /// Moves URLs whose time has come to the others that are due.
    pub(super) fn promote(&mut self, now: Time) {
        for origin in &mut self.origins {
            origin.promote(now);
        }
    }

    /// Returns the origin whose URL is next, among those whose robots.txt is known: URLs that were leased before go
    /// first, then the oldest.
    pub(super) fn next_origin(&self) -> Option<usize> {
        let answered = self.origins.iter().enumerate().filter(|(_, origin)| origin.robots.is_answered());
        let rank = |origin: &OriginQueue| origin.head().map(|head| (origin.again.is_empty(), head.order));
        answered.filter_map(|(at, origin)| rank(origin).map(|rank| (rank, at))).min().map(|(_, at)| at)
    }
}
