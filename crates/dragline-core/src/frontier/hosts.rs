//! Keeps the clock of every host, for the crawl and for sessions alike.

use std::fmt;
use std::time::Duration;

use super::admission::Admission;
use super::politeness::{HostClock, Restraint};
use super::slab::Slab;
use super::types::{Fetched, Trigger};
use crate::chance::Chance;
use crate::map::{self, Map};
use crate::rules::PolitenessRules;
use crate::time::Time;
use crate::url::HostKey;

/// When a session asks again that found every slot taken: nobody knows when one becomes free.
const SLOT_POLL: Duration = Duration::from_millis(50);
/// How long the crawl leaves a host alone for a session after the time the session was told.
const CLAIM: Duration = Duration::from_millis(250);

/// Numbers a host of one table, from 0. The number of a host that was folded is another's later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(super) u32);

impl HostId {
    /// Returns the number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A slot was given back that no session had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotNotTaken;

impl fmt::Display for SlotNotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slot is given back that no session had")
    }
}

impl std::error::Error for SlotNotTaken {}

/// Every known host with its clock. Politeness is decided here and nowhere else.
///
/// A crawl knows as many hosts as it has URLs for; who lives longer bounds the table by [`HostTable::fold`].
///
/// # Panics
/// Every call with the number of a host that was folded, until the number is another's.
#[derive(Debug)]
pub struct HostTable {
    rules: PolitenessRules,
    pub(super) ids: Map<HostKey, HostId>,
    pub(super) hosts: Slab<(HostKey, HostClock)>,
    chance: Chance,
    /// New hosts and admitted fetches that pass before all hosts are looked at again by [`HostTable::fold`].
    pub(super) rest: usize,
    /// When hosts that are not known may have been asked last, by a process that died.
    asked_before: Option<Time>,
}

impl HostTable {
    /// Makes an empty table; `seed` is for the jitter of penalties and the order of maps.
    pub fn new(rules: PolitenessRules, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        Self { rules, ids: map::map(chance.fork()), hosts: Slab::new(), chance, rest: 0, asked_before: None }
    }

    /// Returns the number of hosts.
    pub const fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether no host is known.
    pub const fn is_empty(&self) -> bool {
        self.hosts.len() == 0
    }

    /// Returns a host's number; a new host gets one that is free, or the next.
    ///
    /// # Panics
    /// At the 2³²nd host.
    pub fn enter(&mut self, key: &HostKey) -> HostId {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let mut clock = HostClock::new(&self.rules, &key.host);
        if let Some(at) = self.asked_before {
            clock.asked(at);
        }
        let id = HostId(self.hosts.insert((key.clone(), clock)));
        self.ids.insert(key.clone(), id);
        self.rest = self.rest.saturating_sub(1);
        id
    }

    /// Takes every host that is entered from now on to have been asked at `at`: a process that died may have asked it
    /// and left no record of that.
    pub(super) const fn take_all_as_asked(&mut self, at: Time) {
        self.asked_before = Some(at);
    }

    /// Returns the number of a known host.
    pub fn find(&self, key: &HostKey) -> Option<HostId> {
        self.ids.get(key).copied()
    }

    /// Returns the name of a host.
    pub fn key(&self, id: HostId) -> &HostKey {
        &self.hosts.at(id.0).0
    }

    /// Returns the clock of a host.
    pub fn clock(&self, id: HostId) -> &HostClock {
        &self.hosts.at(id.0).1
    }

    /// Returns the clock of a host, to change it.
    pub fn clock_mut(&mut self, id: HostId) -> &mut HostClock {
        &mut self.hosts.at_mut(id.0).1
    }

    /// Returns every host with its clock, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&HostKey, &HostClock)> {
        self.hosts.iter().map(|(_, (key, clock))| (key, clock))
    }

    /// Returns every reason to leave a host alone; empty for a host that is not known.
    pub fn explain(&self, key: &HostKey) -> Vec<Restraint> {
        self.find(key).map(|id| self.clock(id).restraints()).unwrap_or_default()
    }

    /// Lets a host's clock learn from a fetch; returns the trigger if a backoff began.
    pub fn observe(&mut self, now: Time, id: HostId, leased_at: Time, fetched: &Fetched) -> Option<Trigger> {
        let clock = &mut self.hosts.at_mut(id.0).1;
        clock.observe(now, leased_at, fetched, &self.rules, &mut self.chance)
    }

    /// Asks for a slot for a fetch of a session.
    ///
    /// A session goes before the crawl, but when the crawl wants the host (`crawled`) it has at most every second
    /// dispatch: a session that had the last one waits for one gap more. Robots.txt is not asked here.
    pub fn admit(&mut self, now: Time, id: HostId, crawled: bool) -> Admission {
        let clock = self.clock_mut(id);
        if let Some(decision) = clock.parked() {
            return Admission::Refused(decision.verdict);
        }
        if crawled && clock.owes_the_crawl() && now < clock.second_turn() {
            return Admission::NotBefore(clock.second_turn());
        }
        let at = if clock.free_slots() == 0 { clock.due().max(now + SLOT_POLL) } else { clock.due() };
        if at > now {
            clock.claim(at + CLAIM);
            return if clock.is_backing_off() { Admission::BackingOff(at) } else { Admission::NotBefore(at) };
        }
        clock.dispatch_session(now);
        self.rest = self.rest.saturating_sub(1);
        Admission::Now
    }

    /// Gives back a slot of a session and lets the clock learn; returns the trigger if a backoff began.
    ///
    /// # Errors
    /// When no session had one.
    pub fn release(
        &mut self,
        now: Time,
        id: HostId,
        fetched: &Fetched,
    ) -> Result<Option<Trigger>, SlotNotTaken> {
        let clock = self.clock_mut(id);
        let dispatched = clock.last_dispatch().unwrap_or_default();
        if !clock.free_session(now) {
            return Err(SlotNotTaken);
        }
        Ok(self.observe(now, id, dispatched, fetched))
    }
}
