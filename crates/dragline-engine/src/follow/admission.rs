//! Waits for a slot of a host, in the order of asking, for as long as the asker's deadline allows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::Time;
use dragline_core::decision::Decision;
use dragline_core::disposition::SkipReason;
use dragline_core::frontier::{Admission, Fetched, HostId, HostTable};
use dragline_core::rules::PolitenessRules;
use dragline_core::url::HostKey;
use dragline_telemetry::Telemetry;
use dragline_telemetry::events::BackoffStarted;
use tokio::sync::{Notify, Semaphore};

use super::gate::Refusal;
use crate::clock::Clock;

/// Hosts that are remembered, unless more are in use: so many clocks take about 5 MB.
const HOSTS_MAX: usize = 16_384;
/// Hosts that are remembered for their crawl delay; more than ever ask for one.
const DELAYED_MAX: usize = 65_536;
/// With fewer lines it is not worth looking for deserted ones.
const LINES_MIN: usize = 1_024;

/// The hosts of one follower, each with who waits for it.
#[derive(Debug)]
pub(super) struct Hosts {
    clock: Clock,
    table: RefCell<HostTable>,
    lines: RefCell<Lines>,
    /// Hosts with a crawl delay, which no fetch would teach again: they are not forgotten.
    delayed: RefCell<BTreeSet<HostKey>>,
    telemetry: Option<Arc<Telemetry>>,
}

/// The lines of hosts that somebody waits for, with some that nobody does any more.
#[derive(Debug)]
struct Lines {
    /// At most twice as many as somebody stands in, or [`LINES_MIN`].
    by_host: BTreeMap<HostId, Rc<Line>>,
    /// With so many the deserted ones go.
    most: usize,
}

/// Where those who want one host stand in line: only the first asks the host table.
#[derive(Debug)]
struct Line {
    turn: Semaphore,
    /// Tells the first in line that a slot became free.
    freed: Notify,
}

/// A slot of a host, given back when the fetch that holds it has ended or is dropped.
#[derive(Debug)]
pub(super) struct OwnSlot {
    hosts: Rc<Hosts>,
    id: HostId,
    /// When it was taken.
    since: Time,
    released: bool,
}

impl Hosts {
    pub(super) fn new(
        clock: Clock,
        rules: PolitenessRules,
        seed: u64,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Self {
        let table = RefCell::new(HostTable::new(rules, seed));
        let lines = RefCell::new(Lines { by_host: BTreeMap::new(), most: LINES_MIN });
        Self { clock, table, lines, delayed: RefCell::default(), telemetry }
    }

    /// Waits until the host may be asked, at most until `deadline`.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line.
    pub(super) async fn admit(self: &Rc<Self>, host: &HostKey, deadline: Time) -> Result<OwnSlot, Refusal> {
        let id = self.enter(host);
        let line = self.line(id);
        let too_late = || Refusal::too_late(host);
        let turn = match line.turn.try_acquire() {
            Ok(turn) => Ok(turn),
            Err(_) => self.until(deadline, line.turn.acquire()).await.ok_or_else(too_late)?,
        };
        loop {
            let now = self.clock.now();
            if now >= deadline {
                return Err(too_late());
            }
            let admission = self.table.borrow_mut().admit(now, id, false);
            match admission {
                Admission::Now => {
                    drop(turn);
                    return Ok(OwnSlot { hosts: Rc::clone(self), id, since: now, released: false });
                }
                Admission::Refused(reason) => return Err(Refusal::parked(host, reason)),
                Admission::BackingOff(at) if at > deadline => {
                    return Err(Refusal::backing_off(host, at - now));
                }
                Admission::NotBefore(at) | Admission::BackingOff(at) => {
                    // Whichever comes first: the host's time, a free slot, or the end of patience.
                    let woken = self.until(at.min(deadline), line.freed.notified()).await;
                    tracing::trace!(target: "dragline::fetch", %host, early = woken.is_some(), "asks again");
                }
            }
        }
    }

    /// Waits for `future`, at most until a time.
    pub(super) async fn until<F: Future>(&self, time: Time, future: F) -> Option<F::Output> {
        tokio::time::timeout(time - self.clock.now(), future).await.ok()
    }

    /// Sets the crawl delay that robots.txt asks for, already capped.
    pub(super) fn set_crawl_delay(&self, host: &HostKey, delay: Option<Duration>) {
        let id = self.enter(host);
        self.table.borrow_mut().clock_mut(id).set_crawl_delay(delay);
        let mut delayed = self.delayed.borrow_mut();
        match delay {
            None => drop(delayed.remove(host)),
            Some(_) => {
                delayed.insert(host.clone());
                if delayed.len() > DELAYED_MAX {
                    delayed.pop_first();
                }
            }
        }
    }

    /// Gives a host up: nobody is admitted any more.
    pub(super) fn park(&self, host: &HostKey, decision: Decision<SkipReason>) {
        let id = self.enter(host);
        self.table.borrow_mut().clock_mut(id).park(decision);
    }

    /// Returns a host's number; makes room for a new one by forgetting hosts that are idle and not waited for.
    fn enter(&self, host: &HostKey) -> HostId {
        let mut table = self.table.borrow_mut();
        let (lines, delayed) = (self.lines.borrow(), self.delayed.borrow());
        let is_wanted = |id, host: &HostKey| lines.by_host.contains_key(&id) || delayed.contains(host);
        let folded = table.fold(self.clock.now(), HOSTS_MAX, is_wanted);
        if !folded.is_empty() {
            tracing::debug!(target: "dragline::fetch", hosts = folded.len(), "forgot idle hosts");
        }
        table.enter(host)
    }

    fn line(&self, id: HostId) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        if let Some(line) = lines.by_host.get(&id) {
            return Rc::clone(line);
        }
        if lines.by_host.len() >= lines.most {
            lines.forget_the_deserted();
        }
        let line = Rc::new(Line { turn: Semaphore::new(1), freed: Notify::new() });
        lines.by_host.insert(id, Rc::clone(&line));
        line
    }

    fn release(&self, now: Time, id: HostId, fetched: &Fetched) {
        let learned = self.table.borrow_mut().release(now, id, fetched);
        debug_assert!(learned.is_ok(), "a slot is given back once");
        if let (Ok(Some(trigger)), Some(telemetry)) = (learned, &self.telemetry) {
            let host = self.table.borrow().key(id).to_string();
            BackoffStarted { trigger, host: &host }.record(telemetry);
        }
        if let Some(line) = self.lines.borrow().by_host.get(&id) {
            line.freed.notify_one();
        }
    }
}

impl Lines {
    /// Forgets the lines in which nobody stands. It costs as much as there are lines, but comes only when their number
    /// has doubled.
    fn forget_the_deserted(&mut self) {
        self.by_host.retain(|_, line| Rc::strong_count(line) > 1);
        self.most = LINES_MIN.max(2 * self.by_host.len());
    }
}

impl OwnSlot {
    /// Returns the gap that the host keeps at this moment.
    pub(super) fn gap(&self) -> Duration {
        self.hosts.table.borrow().clock(self.id).gap()
    }

    /// Returns when it was taken.
    pub(super) const fn since(&self) -> Time {
        self.since
    }

    /// Gives the slot back and lets the host's clock learn how the fetch ended.
    pub(super) fn release(mut self, now: Time, fetched: &Fetched) {
        self.give_back(now, fetched);
    }

    fn give_back(&mut self, now: Time, fetched: &Fetched) {
        self.released = true;
        self.hosts.release(now, self.id, fetched);
    }
}

impl Drop for OwnSlot {
    fn drop(&mut self) {
        if !self.released {
            let now = self.hosts.clock.now();
            self.give_back(now, &Fetched::cancelled());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn lines_in_which_nobody_stands_are_forgotten() {
        let hosts = Rc::new(Hosts::new(Clock::start(), PolitenessRules::default(), 1, None));
        let held: Vec<_> = (0..3).map(|number| hosts.line(hosts.numbered(number))).collect();
        for number in 0..10 * u32::try_from(LINES_MIN).unwrap() {
            drop(hosts.line(hosts.numbered(number)));
            assert!(hosts.lines.borrow().by_host.len() <= LINES_MIN, "{number}");
        }
        for (number, line) in (0..).zip(&held) {
            assert!(Rc::ptr_eq(line, &hosts.line(hosts.numbered(number))), "{number} is stood in");
        }
    }

    impl Hosts {
        fn numbered(&self, number: u32) -> HostId {
            let host = HostKey { host: format!("h{number}").into(), port: 80 };
            self.table.borrow_mut().enter(&host)
        }
    }
}
