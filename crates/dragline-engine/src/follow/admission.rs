//! Waits for a slot of a host, in the order of asking, for as long as the asker's deadline allows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use dragline_core::decision::Decision;
use dragline_core::disposition::SkipReason;
use dragline_core::fetch::{FetchResponse, Phase};
use dragline_core::frontier::{Admission, Fetched, HostId, HostTable, Token};
use dragline_core::rules::PolitenessRules;
use dragline_core::url::HostKey;
use dragline_core::{Outcome, Time, http_fields};
use tokio::sync::{Notify, Semaphore};

use crate::clock::Clock;

/// The hosts of one follower, each with who waits for it.
#[derive(Debug)]
pub(super) struct Hosts {
    clock: Clock,
    table: RefCell<HostTable>,
    gates: RefCell<BTreeMap<HostId, Rc<Gate>>>,
}

/// Where those who want one host stand in line: only the first asks the host table.
#[derive(Debug)]
struct Gate {
    turn: Semaphore,
    /// Tells the first in line that a slot became free.
    freed: Notify,
}

/// A slot of a host, given back when the fetch that holds it has ended or is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    hosts: Rc<Hosts>,
    id: HostId,
    released: bool,
}

/// Why a fetch did not get its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) outcome: Outcome,
    pub(super) phase: Phase,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(outcome: Outcome, phase: Phase, message: impl Into<String>) -> Self {
        Self { outcome, phase, message: message.into() }
    }
}

impl Hosts {
    pub(super) fn new(clock: Clock, rules: PolitenessRules, seed: u64) -> Self {
        Self { clock, table: RefCell::new(HostTable::new(rules, seed)), gates: RefCell::default() }
    }

    /// Waits until the host may be asked, at most until `deadline`.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line.
    pub(super) async fn admit(self: &Rc<Self>, host: &HostKey, deadline: Time) -> Result<Slot, Refusal> {
        let id = self.table.borrow_mut().enter(host);
        let gate = self.gate(id);
        let too_late = || {
            let message = format!("the deadline passed while waiting for a turn at {host}");
            Refusal::new(Outcome::Timeout, Phase::Queue, message)
        };
        let turn = self.until(deadline, gate.turn.acquire()).await.ok_or_else(too_late)?;
        loop {
            let now = self.clock.now();
            if now >= deadline {
                return Err(too_late());
            }
            let admission = self.table.borrow_mut().admit(now, id, false);
            match admission {
                Admission::Now => {
                    drop(turn);
                    return Ok(Slot { hosts: Rc::clone(self), id, released: false });
                }
                Admission::Refused(reason) => {
                    let message = format!("{host} is left alone: {reason}");
                    return Err(Refusal::new(Outcome::Deferred, Phase::Queue, message));
                }
                Admission::NotBefore(at) => {
                    if at > deadline && self.is_backing_off(id) {
                        let wait =
                            Duration::from_millis(u64::try_from((at - now).as_millis()).unwrap_or(u64::MAX));
                        let message =
                            format!("{host} asks to be left alone for {wait:?}, longer than the deadline");
                        return Err(Refusal::new(Outcome::Deferred, Phase::Queue, message));
                    }
                    // Whichever comes first: the host's time, a free slot, or the end of patience.
                    let woken = self.until(at.min(deadline), gate.freed.notified()).await;
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
        let mut table = self.table.borrow_mut();
        let id = table.enter(host);
        table.clock_mut(id).set_crawl_delay(delay);
    }

    /// Gives a host up: nobody is admitted any more.
    pub(super) fn park(&self, host: &HostKey, decision: Decision<SkipReason>) {
        let mut table = self.table.borrow_mut();
        let id = table.enter(host);
        table.clock_mut(id).park(decision);
    }

    fn is_backing_off(&self, id: HostId) -> bool {
        self.table.borrow().clock(id).is_backing_off()
    }

    fn gate(&self, id: HostId) -> Rc<Gate> {
        let make = || Rc::new(Gate { turn: Semaphore::new(1), freed: Notify::new() });
        Rc::clone(self.gates.borrow_mut().entry(id).or_insert_with(make))
    }

    fn release(&self, id: HostId, fetched: &Fetched) {
        let released = self.table.borrow_mut().release(self.clock.now(), id, fetched);
        debug_assert!(released.is_some(), "a slot is given back once");
        self.gate(id).freed.notify_one();
    }
}

impl Slot {
    /// Gives the slot back and lets the host's clock learn how the fetch ended.
    pub(super) fn release(mut self, response: &FetchResponse) {
        let wall = self.hosts.clock.wall();
        self.give_back(&Fetched {
            token: Token(0),
            outcome: response.outcome,
            status: response.status,
            ttfb: response.phases.ttfb,
            retry_after: http_fields::retry_after(&response.headers, wall),
            to_handlers: false,
        });
    }

    fn give_back(&mut self, fetched: &Fetched) {
        self.released = true;
        self.hosts.release(self.id, fetched);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.released {
            let outcome = Outcome::Cancelled;
            let fetched = Fetched {
                token: Token(0),
                outcome,
                status: None,
                ttfb: None,
                retry_after: None,
                to_handlers: false,
            };
            self.give_back(&fetched);
        }
    }
}
