//! Lets a hop pass when robots.txt allows it and its host has a slot, whoever keeps both.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::auth::Keyring;
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchLimits, FetchResponse, Phase};
use dragline_core::frontier::{Fetched, Token};
use dragline_core::rules::CrawlRules;
use dragline_core::url::HostKey;
use dragline_core::{CanonicalUrl, Outcome, SkipReason, Time, http_fields};

use super::admission::{Hosts, OwnSlot};
use super::crawl_gate::{CrawlGate, CrawlSlot};
use super::robots::{self, Answer, RobotsMemory, RobotsWord};
use super::wire::Wire;
use crate::clock::Clock;
use crate::spawn::Tasks;

/// Who is asked before each hop.
#[derive(Debug)]
pub(super) enum Gate {
    /// The follower itself: it keeps a host table and the robots.txt it has read.
    Own(Rc<OwnGate>),
    /// A running crawl.
    Crawl(Rc<CrawlGate>),
}

/// What the follower's own gate is made of.
#[derive(Debug)]
pub(super) struct OwnGate {
    pub(super) wire: Wire,
    pub(super) rules: Arc<CrawlRules>,
    pub(super) hosts: Rc<Hosts>,
    pub(super) robots: RobotsMemory,
    /// Of fetches of robots.txt.
    pub(super) limits: Arc<FetchLimits>,
    pub(super) cookies: Option<Arc<CookieJar>>,
    pub(super) keyring: Option<Arc<Keyring>>,
}

/// A slot of a host, given back when the fetch that holds it has ended or is dropped.
#[derive(Debug)]
pub(super) enum Slot {
    /// Of the follower's own host table.
    Own(OwnSlot),
    /// Of the host table of a running crawl.
    Crawl(CrawlSlot),
}

/// What came of asking at the gate.
#[derive(Debug)]
pub(super) struct Passage {
    /// What robots.txt said.
    pub(super) robots: RobotsWord,
    /// The line of the rule that decided.
    pub(super) robots_line: Option<u32>,
    pub(super) slot: Result<Slot, Refusal>,
}

/// Why a hop is not fetched.
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

    /// Refuses what could not wait any longer for a host.
    pub(super) fn too_late(host: &HostKey) -> Self {
        let message = format!("the deadline passed while waiting for a turn at {host}");
        Self::new(Outcome::Timeout, Phase::Queue, message)
    }

    /// Refuses what would wait too long: a host backs off.
    pub(super) fn backing_off(host: &HostKey, wait: Duration) -> Self {
        let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let message = format!("{host} asks to be left alone for {wait:?}, longer than the deadline");
        Self::new(Outcome::Deferred, Phase::Queue, message)
    }

    /// Refuses what is at a host that was given up.
    pub(super) fn parked(host: &HostKey, reason: SkipReason) -> Self {
        Self::new(Outcome::Deferred, Phase::Queue, format!("{host} is left alone: {reason}"))
    }
}

impl Gate {
    /// Waits until robots.txt allows the URL, if it is to be asked, and its host has a slot; at most until `deadline`.
    /// `tasks` are the follower's, for what is fetched on the way.
    ///
    /// # Cancel safety
    /// Dropping it leaves the line and takes no slot.
    pub(super) async fn pass(
        &self,
        tasks: &RefCell<Tasks>,
        url: &CanonicalUrl,
        ask_robots: bool,
        deadline: Time,
    ) -> Passage {
        match self {
            Self::Own(own) => {
                let answer = match ask_robots {
                    true => robots::may_fetch(own, tasks, url, deadline).await,
                    false => Answer::new(RobotsWord::NotAsked, Ok(())),
                };
                let slot = match answer.allowed {
                    Ok(()) => own.hosts.admit(&url.host_key(), deadline).await.map(Slot::Own),
                    Err(refusal) => Err(refusal),
                };
                Passage { robots: answer.word, robots_line: answer.line, slot }
            }
            Self::Crawl(crawl) => crawl.pass(url, ask_robots, deadline).await,
        }
    }
}

impl Slot {
    /// Returns the gap that the host keeps at this moment; `None` when only the crawl knows.
    pub(super) fn gap(&self) -> Option<Duration> {
        match self {
            Self::Own(slot) => Some(slot.gap()),
            Self::Crawl(_) => None,
        }
    }

    /// Returns when it was taken, if that is known here.
    pub(super) const fn since(&self) -> Option<Time> {
        match self {
            Self::Own(slot) => Some(slot.since()),
            Self::Crawl(_) => None,
        }
    }

    /// Gives the slot back and lets the host's clock learn how the fetch ended; `now` is when.
    pub(super) fn release(self, response: &FetchResponse, clock: &Clock, now: Time) {
        let fetched = Fetched {
            token: Token(0),
            outcome: response.outcome,
            status: response.status,
            ttfb: response.phases.ttfb,
            retry_after: http_fields::retry_after(&response.headers, clock.wall_at(now)),
            to_handlers: false,
        };
        match self {
            Self::Own(slot) => slot.release(now, &fetched),
            Self::Crawl(slot) => slot.release(fetched),
        }
    }
}
