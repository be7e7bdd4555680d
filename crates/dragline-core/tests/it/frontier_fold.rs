//! Folds the host table of a process that lives long, at random: nobody is asked sooner for it, and the table stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_core::chance::Chance;
use dragline_core::decision::Decision;
use dragline_core::frontier::{Admission, Fetched, HostClock, HostId, HostTable, Restraint, Token};
use dragline_core::rules::PolitenessRules;
use dragline_core::url::HostKey;
use dragline_core::{Outcome, SkipReason, Time};

use crate::frontier_kit::{fetched_ok, fetched_status, millis, secs};

/// Hosts that are asked, of which the table is to keep a fraction.
const HOSTS: u64 = 300;
const KEEP: usize = 40;

/// What can be seen of a clock.
#[derive(Debug, PartialEq)]
struct Seen {
    id: HostId,
    in_use: u32,
    due: Time,
    last_dispatch: Option<Time>,
    parked: bool,
    restraints: Vec<Restraint>,
}

impl Seen {
    fn of(id: HostId, clock: &HostClock) -> Self {
        Self {
            id,
            in_use: clock.in_use(),
            due: clock.due(),
            last_dispatch: clock.last_dispatch(),
            parked: clock.parked().is_some(),
            restraints: clock.restraints(),
        }
    }

    /// Whether forgetting it can make nobody impolite, as far as can be seen.
    fn may_go(&self, now: Time) -> bool {
        self.in_use == 0 && !self.parked && self.due <= now
    }
}

/// A table, and what a caller knows of its hosts.
struct Rig {
    table: HostTable,
    chance: Chance,
    now: Time,
    /// Hosts of which a slot is held, once for each.
    held: Vec<HostKey>,
    /// Hosts that somebody waits for.
    waiting: BTreeSet<HostKey>,
    /// Before which no host may be asked again, whether it was forgotten meanwhile or not.
    not_before: BTreeMap<HostKey, Time>,
    folded: usize,
}

fn host(number: u64) -> HostKey {
    HostKey { host: format!("h{number}.test").into(), port: 80 }
}

impl Rig {
    fn new(seed: u64) -> Self {
        let rules = PolitenessRules { delay: millis(500), concurrency: 2, ..PolitenessRules::default() };
        Self {
            table: HostTable::new(rules, seed),
            chance: Chance::new(seed),
            now: Time::ZERO,
            held: Vec::new(),
            waiting: BTreeSet::new(),
            not_before: BTreeMap::new(),
            folded: 0,
        }
    }

    fn snapshot(&self) -> BTreeMap<HostKey, Seen> {
        let keys = self.table.iter().map(|(key, _)| key.clone());
        let seen = keys.map(|key| {
            let id = self.table.find(&key).expect("it has a number");
            assert_eq!(self.table.key(id), &key);
            let seen = Seen::of(id, self.table.clock(id));
            (key, seen)
        });
        seen.collect()
    }

    fn admit(&mut self, key: &HostKey) {
        let id = self.table.enter(key);
        if self.table.admit(self.now, id, false) == Admission::Now {
            let earliest = self.not_before.get(key).copied().unwrap_or_default();
            assert!(self.now >= earliest, "{key} is asked at {:?}, before {earliest:?}", self.now);
            self.held.push(key.clone());
            self.waiting.remove(key);
            self.note_due(key);
        } else {
            self.waiting.insert(key.clone());
        }
    }

    fn release(&mut self) {
        let Some(at) = usize::try_from(self.chance.below(self.held.len() as u64 + 1)).ok() else { return };
        if at >= self.held.len() {
            return;
        }
        let key = self.held.swap_remove(at);
        let id = self.table.find(&key).expect("a host with a slot is not forgotten");
        let fetched = self.some_end();
        assert!(self.table.release(self.now, id, &fetched).is_ok(), "{key} had a slot");
        self.note_due(&key);
    }

    fn some_end(&mut self) -> Fetched {
        let ok = fetched_ok(Token(0), false);
        match self.chance.below(12) {
            0 => fetched_status(Token(0), 503),
            1 => Fetched { retry_after: Some(secs(30)), ..fetched_status(Token(0), 429) },
            2 => Fetched { outcome: Outcome::Timeout, status: None, ..ok },
            3 => Fetched { outcome: Outcome::ConnectError, status: None, ..ok },
            _ => Fetched { ttfb: Some(millis(300)), ..ok },
        }
    }

    fn note_due(&mut self, key: &HostKey) {
        let id = self.table.find(key).expect("it is known");
        self.not_before.insert(key.clone(), self.table.clock(id).due());
    }

    /// Folds, and holds what went and what stayed against what was.
    fn fold(&mut self) {
        let before = self.snapshot();
        let waiting = &self.waiting;
        let folded = self.table.fold(self.now, KEEP, |_, key| waiting.contains(key));
        let mut after = self.snapshot();
        assert_eq!((after.len(), self.table.len()), (before.len() - folded.len(), after.len()));
        let mut gone_last = None;
        for (key, seen) in before {
            if let Some(kept) = after.remove(&key) {
                assert_eq!(kept, seen, "{key} keeps its clock");
                continue;
            }
            assert!(folded.contains(&seen.id) && seen.may_go(self.now), "{key} goes with {seen:?}");
            assert!(!self.held.contains(&key) && !self.waiting.contains(&key), "{key} is wanted");
            gone_last = gone_last.max(Some(seen.last_dispatch));
        }
        assert!(after.is_empty(), "nothing appears by folding");
        let of_the_idle =
            self.table.iter().filter(|(key, clock)| clock.is_idle(self.now) && !self.waiting.contains(*key));
        let stays_first = of_the_idle.map(|(_, clock)| clock.last_dispatch()).min();
        assert!(gone_last.zip(stays_first).is_none_or(|(gone, stays)| gone <= stays), "the oldest go first");
        self.folded += folded.len();
    }

    fn step(&mut self) {
        let key = host(self.chance.below(HOSTS));
        match self.chance.below(40) {
            0 => {
                let few = host(self.chance.below(8));
                let id = self.table.enter(&few);
                let parked = Decision::built_in(SkipReason::Parked, "test");
                self.table.clock_mut(id).park(parked);
            }
            1 => {
                let id = self.table.enter(&key);
                self.table.clock_mut(id).set_crawl_delay(Some(secs(2)));
                self.note_due(&key);
            }
            2 => self.waiting.clear(),
            3..20 => self.admit(&key),
            _ => self.release(),
        }
        self.now += self.chance.up_to(millis(400));
        self.fold();
    }

    /// Ends what is under way, waits, and asks for a few hosts more, until the table has been looked through.
    fn come_to_rest(&mut self) {
        while !self.held.is_empty() {
            self.release();
        }
        self.waiting.clear();
        self.now += Duration::from_secs(86_400);
        for number in 0..HOSTS {
            let key = HostKey { host: format!("late{number}.test").into(), port: 80 };
            self.admit(&key);
            while !self.held.is_empty() {
                self.release();
            }
            self.now += secs(3_600);
            self.fold();
        }
    }
}

#[test]
fn nobody_is_asked_sooner_for_having_been_forgotten() {
    for seed in 0..20 {
        let mut rig = Rig::new(seed);
        for _ in 0..3_000 {
            rig.step();
        }
        assert!(rig.folded > 100, "seed {seed}: only {} were folded", rig.folded);
        rig.come_to_rest();
        assert!(rig.table.len() <= KEEP, "seed {seed}: {} stay", rig.table.len());
        let parked = rig.table.iter().filter(|(_, clock)| clock.parked().is_some()).count();
        assert!(parked > 0, "seed {seed}: who was given up stays so");
    }
}

/// Enters and asks hosts, one a minute from a time on.
fn ask(table: &mut HostTable, from: Time, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let id = table.enter(&host(number));
        let now = from + secs(60 * number);
        assert_eq!(table.admit(now, id, false), Admission::Now);
        assert!(table.release(now, id, &fetched_ok(Token(0), false)).is_ok());
    }
}

#[test]
fn a_quarter_is_made_room_for_and_numbers_are_used_again() {
    let mut table = HostTable::new(PolitenessRules::default(), 1);
    let late = Time::ZERO + Duration::from_secs(86_400);
    ask(&mut table, Time::ZERO, 0..100);
    assert_eq!(table.fold(late, 100, |_, _| false), []);
    ask(&mut table, Time::ZERO, 100..101);
    assert_eq!(table.fold(late, 100, |_, _| true), [], "all are wanted");
    // In vain: all hosts are looked at again when a quarter as many fetches have passed.
    assert_eq!(table.fold(late, 100, |_, _| false), []);
    ask(&mut table, Time::from_secs(10_000), 76..101);
    let mut folded: Vec<usize> = table.fold(late, 100, |_, _| false).iter().map(|id| id.index()).collect();
    folded.sort_unstable();
    assert_eq!(folded, (0..26).collect::<Vec<_>>(), "those asked longest ago");
    assert_eq!((table.len(), table.find(&host(0)), table.iter().count()), (75, None, 75));
    let again = table.enter(&host(0));
    assert!(again.index() < 26 && table.clock(again).last_dispatch().is_none());
    assert_eq!(table.key(again), &host(0));
}
