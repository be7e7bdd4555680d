//! Orders hosts by when they may be leased from, with the gauges of what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::hosts::HostId;
use super::types::{HostGauge, UrlGauge};
use crate::time::Time;

/// Where a host stands in the schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing to do that time alone brings about.
    #[default]
    Idle,
    /// Something can be leased, or ended, since `since`.
    Ready { since: Time, last_lease: u64, fetcher: Option<usize> },
    /// Something can be leased at a later time.
    Delayed(Time),
}

/// What a host does, as its gauge names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HostClass {
    /// No URL of it waits, and not all of its slots are taken.
    #[default]
    Quiet,
    Ready,
    Waiting,
    BackingOff,
    RobotsPending,
    Busy,
    Parked,
}

/// A host's entry in the schedule, and what it counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) place: Place,
    pub(super) class: HostClass,
    /// URLs that could be leased now.
    pub(super) ready: u64,
    /// URLs that wait for their host or for robots.txt.
    pub(super) delayed: u64,
    /// URLs that wait for another attempt.
    pub(super) retry_wait: u64,
}

/// Every host with something to do, in order. Entries are taken out exactly when they no longer hold, so that the
/// first is always true: the next time and the oldest ready URL are read off.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// By the fetcher that holds a connection; a host that nobody was given stands under `None`.
    ready: BTreeMap<Option<usize>, BTreeSet<(Time, u64, HostId)>>,
    delayed: BTreeSet<(Time, HostId)>,
    pub(super) urls: UrlGauge,
    pub(super) hosts: HostGauge,
}

impl Schedule {
    /// Replaces a host's entry.
    pub(super) fn replace(&mut self, id: HostId, old: &Plan, new: &Plan) {
        if old.place != new.place {
            self.take(id, old.place);
            self.put(id, new.place);
        }
        if old.class != new.class {
            self.count(old.class, |count| *count -= 1);
            self.count(new.class, |count| *count += 1);
        }
        let swap = |sum: &mut u64, old: u64, new: u64| *sum = *sum - old + new;
        swap(&mut self.urls.ready, old.ready, new.ready);
        swap(&mut self.urls.delayed, old.delayed, new.delayed);
        swap(&mut self.urls.retry_wait, old.retry_wait, new.retry_wait);
    }

    fn take(&mut self, id: HostId, place: Place) {
        let was_there = match place {
            Place::Idle => true,
            Place::Ready { since, last_lease, fetcher } => {
                self.ready.get_mut(&fetcher).is_some_and(|hosts| hosts.remove(&(since, last_lease, id)))
            }
            Place::Delayed(at) => self.delayed.remove(&(at, id)),
        };
        assert!(was_there, "a host's entry in the schedule is lost");
    }

    fn put(&mut self, id: HostId, place: Place) {
        let is_new = match place {
            Place::Idle => true,
            Place::Ready { since, last_lease, fetcher } => {
                self.ready.entry(fetcher).or_default().insert((since, last_lease, id))
            }
            Place::Delayed(at) => self.delayed.insert((at, id)),
        };
        assert!(is_new, "a host stands twice in the schedule");
    }

    fn count(&mut self, class: HostClass, change: impl FnOnce(&mut u64)) {
        change(match class {
            HostClass::Quiet => return,
            HostClass::Ready => &mut self.hosts.ready,
            HostClass::Waiting => &mut self.hosts.waiting,
            HostClass::BackingOff => &mut self.hosts.backing_off,
            HostClass::RobotsPending => &mut self.hosts.robots_pending,
            HostClass::Busy => &mut self.hosts.busy,
            HostClass::Parked => &mut self.hosts.parked,
        });
    }

    /// Returns the host to lease from: the one longest ready among those whose connections the fetcher holds and those
    /// nobody holds; only when there is none, one that another fetcher holds.
    ///
    /// The first two are not preferred one over the other, so that new hosts cannot starve. Costs as many look-ups as
    /// there are fetchers.
    pub(super) fn next_for(&self, fetcher: usize) -> Option<HostId> {
        let first = |key: &Option<usize>| self.ready.get(key).and_then(BTreeSet::first);
        let own = first(&Some(fetcher)).into_iter().chain(first(&None)).min();
        own.or_else(|| self.oldest()).map(|&(_, _, id)| id)
    }

    /// Returns a host that is due by now but not entered as ready.
    pub(super) fn overdue(&self, now: Time) -> Option<HostId> {
        self.delayed.first().filter(|(at, _)| *at <= now).map(|&(_, id)| id)
    }

    /// Returns when a host is ready next.
    pub(super) fn next_wakeup(&self) -> Option<Time> {
        let ready = self.oldest().map(|&(since, _, _)| since);
        ready.or_else(|| self.delayed.first().map(|&(at, _)| at))
    }

    /// Returns how long the host that has been ready longest has been.
    pub(super) fn oldest_ready(&self, now: Time) -> Duration {
        self.oldest().map_or(Duration::ZERO, |&(since, _, _)| now.since(since))
    }

    fn oldest(&self) -> Option<&(Time, u64, HostId)> {
        self.ready.values().filter_map(BTreeSet::first).min()
    }

    /// Returns how many hosts are entered.
    pub(super) fn len(&self) -> usize {
        self.delayed.len() + self.ready.values().map(BTreeSet::len).sum::<usize>()
    }
}
