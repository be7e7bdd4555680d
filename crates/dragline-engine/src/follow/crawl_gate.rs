//! Asks a running crawl for a slot: its supervisor keeps the hosts and robots.txt, for the crawl and for sessions alike.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dragline_core::fetch::Phase;
use dragline_core::frontier::{Fetched, RobotsView};
use dragline_core::{CanonicalUrl, Outcome, Time};
use tokio::sync::{Semaphore, oneshot};

use super::gate::{Passage, Refusal, Slot};
use super::robots::{self, RobotsWord};
use crate::clock::Clock;
use crate::desk::{Ask, AskId, Hindrance, Reply};
use crate::messages::{AskAdmission, ReleaseAdmission, WithdrawAdmission};
use crate::post::Post;
use crate::supervisor::Supervisor;

/// The gate of a running crawl; clones share its credits, on any thread.
#[derive(Clone, Debug)]
pub(crate) struct CrawlGate {
    clock: Clock,
    supervisor: Post<Supervisor>,
    credits: GateCredits,
}

/// What all gates of one crawl share: as many asks and slots at a time as there are credits.
#[derive(Clone, Debug)]
pub(crate) struct GateCredits {
    /// One for each ask, from before it is sent until the supervisor has handled its end.
    credits: Arc<Semaphore>,
    /// The next ask's number.
    next: Arc<AtomicU64>,
}

impl GateCredits {
    pub(crate) fn new(credits: usize) -> Self {
        Self { credits: Arc::new(Semaphore::new(credits)), next: Arc::default() }
    }
}

/// A slot of a host of the crawl.
#[derive(Debug)]
pub(super) struct CrawlSlot {
    gate: Rc<CrawlGate>,
    id: AskId,
    released: bool,
}

/// An ask that was not answered: dropping it takes it back.
struct Waiting {
    gate: Rc<CrawlGate>,
    id: AskId,
    answer: oneshot::Receiver<Reply>,
    answered: bool,
}

impl CrawlGate {
    /// Messages to the supervisor that may be outstanding for each credit: an ask and its withdrawal, or a release.
    pub(crate) const MESSAGES_PER_CREDIT: usize = 2;

    /// Opens the gate for as many asks and slots at a time as there are credits, all sessions together; the
    /// supervisor's mailbox has room for their messages.
    pub(crate) const fn new(clock: Clock, supervisor: Post<Supervisor>, credits: GateCredits) -> Self {
        Self { clock, supervisor, credits }
    }

    /// Returns the crawl's clock.
    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Waits until robots.txt allows the URL, if it is to be asked, and its host has a slot; at most until `deadline`.
    ///
    /// # Cancel safety
    /// Dropping it withdraws the ask, and gives back the slot that it may just have been given.
    pub(super) async fn pass(
        self: &Rc<Self>,
        url: &CanonicalUrl,
        ask_robots: bool,
        deadline: Time,
    ) -> Passage {
        let wait = deadline - self.clock.now();
        let ask = Ask { url: url.clone(), ask_robots, deadline };
        match tokio::time::timeout(wait, self.ask(ask)).await {
            Ok(Some((id, reply))) => self.passage(url, id, &reply),
            Ok(None) => nobody(Refusal::new(Outcome::Cancelled, Phase::Queue, "the crawl has ended")),
            Err(_) => nobody(Refusal::too_late(&url.host_key())),
        }
    }

    /// Asks the supervisor; `None` when it is gone.
    async fn ask(self: &Rc<Self>, ask: Ask) -> Option<(AskId, Reply)> {
        let credit = Arc::clone(&self.credits.credits).acquire_owned().await.ok()?;
        let id = AskId(self.credits.next.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let mut waiting = Waiting { gate: Rc::clone(self), id, answer, answered: false };
        self.supervisor.send(AskAdmission { id, ask, reply, credit });
        let reply = (&mut waiting.answer).await;
        waiting.answered = true;
        Some((id, reply.ok()?))
    }

    fn passage(self: &Rc<Self>, url: &CanonicalUrl, id: AskId, reply: &Reply) -> Passage {
        let (robots, robots_line) = word(&reply.robots);
        let slot = match reply.slot {
            Ok(()) => Ok(Slot::Crawl(CrawlSlot { gate: Rc::clone(self), id, released: false })),
            Err(hindrance) => Err(self.refusal(url, hindrance, &reply.robots)),
        };
        Passage { robots, robots_line, slot }
    }

    fn refusal(&self, url: &CanonicalUrl, hindrance: Hindrance, robots: &RobotsView) -> Refusal {
        let host = url.host_key();
        // A name so long that no URL of the host but its root can be held has no robots.txt to forbid anything.
        let place = || url.origin().at("/robots.txt").unwrap_or_else(|_| url.clone());
        match (hindrance, robots) {
            (Hindrance::Robots, RobotsView::Unreachable { outcome, message }) => {
                robots::unreachable(&place(), Refusal::new(*outcome, Phase::Queue, &**message))
            }
            (Hindrance::Robots, RobotsView::Disallowed { line }) => robots::denied(&place(), *line),
            (Hindrance::Robots, _) => robots::denied(&place(), None),
            (Hindrance::Parked(reason), _) => Refusal::parked(&host, reason),
            (Hindrance::BackingOff(at), _) => Refusal::backing_off(&host, at - self.clock.now()),
            (Hindrance::CrawlEnds, _) => Refusal::new(
                Outcome::Cancelled,
                Phase::Queue,
                "the crawl ends: no session is admitted any more",
            ),
        }
    }
}

/// Tells what robots.txt said in one word, with the line that decided.
const fn word(robots: &RobotsView) -> (RobotsWord, Option<u32>) {
    match robots {
        RobotsView::Allowed { line } => (RobotsWord::Allowed, *line),
        RobotsView::AssumedAllowed => (RobotsWord::AssumedAllowed, None),
        RobotsView::Disallowed { line } => (RobotsWord::Disallowed, *line),
        RobotsView::Unreachable { .. } => (RobotsWord::Unreachable, None),
        RobotsView::NotObeyed | RobotsView::Parked(_) | RobotsView::Unknown => (RobotsWord::NotAsked, None),
    }
}

/// Nobody was asked, or nobody answered.
const fn nobody(refusal: Refusal) -> Passage {
    Passage { robots: RobotsWord::NotAsked, robots_line: None, slot: Err(refusal) }
}

impl CrawlSlot {
    /// Gives the slot back and lets the host's clock learn how the fetch ended.
    pub(super) fn release(mut self, fetched: Fetched) {
        self.give_back(fetched);
    }

    fn give_back(&mut self, fetched: Fetched) {
        self.released = true;
        self.gate.supervisor.send(ReleaseAdmission { id: self.id, fetched });
    }
}

impl Drop for CrawlSlot {
    fn drop(&mut self) {
        if !self.released {
            self.give_back(Fetched::cancelled());
        }
    }
}

impl Drop for Waiting {
    /// Exactly one message ends an ask: a refusal that nobody reads has ended it already, a slot is given back, and an
    /// ask without an answer, which can have none any more, is withdrawn.
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        self.answer.close();
        let id = self.id;
        match self.answer.try_recv() {
            Ok(Reply { slot: Ok(()), .. }) => {
                self.gate.supervisor.send(ReleaseAdmission { id, fetched: Fetched::cancelled() });
            }
            Ok(Reply { slot: Err(_), .. }) => {}
            Err(_) => self.gate.supervisor.send(WithdrawAdmission { id }),
        }
    }
}
