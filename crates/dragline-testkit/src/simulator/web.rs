//! Is the transport of a simulation: answers from the world, and writes down every fetch.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dragline_core::fetch::FetchRequest;
use dragline_core::{CanonicalUrl, Outcome, http_fields};
use dragline_fetch::transport::{Fetching, Transport, TransportFactory};
use tokio::time::Instant;

use super::faults::FetcherFaults;
use super::mutant::Mutant;
use super::world::{HostState, World};
use crate::sim;

/// The fetch that never ends when a mutant wants one.
const UNENDING: usize = 5;

/// One fetch as the web saw it; times are counted from the first life's start.
#[derive(Clone, Debug)]
pub(super) struct LoggedFetch {
    pub(super) url: CanonicalUrl,
    /// The life of the crawl, from 0.
    pub(super) life: usize,
    pub(super) began: Duration,
    /// When it ended, answered or dropped; `None`: it went on when its life did not.
    pub(super) ended: Option<Duration>,
    /// `None`: it was dropped.
    pub(super) answer: Option<LoggedAnswer>,
}

/// What a fetch brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoggedAnswer {
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<Duration>,
}

/// A world behind a transport; clones share it.
#[derive(Clone)]
pub(super) struct WorldWeb(Arc<Mutex<State>>);

struct State {
    world: Arc<World>,
    asked: BTreeMap<String, u32>,
    hosts: Vec<HostState>,
    fetches: Vec<LoggedFetch>,
    /// When transports were opened, by life.
    opened: Vec<(usize, Duration)>,
    faults: FetcherFaults,
    mutant: Option<Mutant>,
    life: usize,
    /// When the current life began, by its own clock, and how much time had passed before.
    epoch: Option<(Instant, Duration)>,
    /// The last time that was told while a life ran.
    last: Duration,
}

#[derive(Debug)]
struct WorldTransport {
    web: WorldWeb,
}

/// Writes down when a fetch ended, also when it is dropped.
struct EndOfFetch {
    web: WorldWeb,
    index: usize,
    answer: Option<LoggedAnswer>,
}

impl WorldWeb {
    /// Makes the web of a world whose fetchers have these faults.
    pub(super) fn new(world: Arc<World>, faults: FetcherFaults, mutant: Option<Mutant>) -> Self {
        let hosts = vec![HostState::default(); world.hosts.len()];
        Self(Arc::new(Mutex::new(State {
            world,
            asked: BTreeMap::new(),
            hosts,
            fetches: Vec::new(),
            opened: Vec::new(),
            faults,
            mutant,
            life: 0,
            epoch: None,
            last: Duration::ZERO,
        })))
    }

    /// Begins a life of the crawl, so much time after the first began; called inside its runtime.
    pub(super) fn begin_life(&self, life: usize, at: Duration) {
        #[expect(clippy::disallowed_methods, reason = "the paused clock of this life")]
        let start = Instant::now();
        self.with(|state| {
            state.life = life;
            state.epoch = Some((start, at));
            state.last = at;
        });
    }

    /// Ends a life, with what was under way, and returns when; called inside its runtime.
    pub(super) fn end_life(&self) -> Duration {
        self.with(|state| {
            let now = state.now();
            state.epoch = None;
            now
        })
    }

    /// Returns the time since the first life began.
    pub(super) fn now(&self) -> Duration {
        self.with(State::now)
    }

    /// Returns every fetch in the order begun.
    pub(super) fn fetches(&self) -> Vec<LoggedFetch> {
        self.with(|state| state.fetches.clone())
    }

    /// Returns how many fetches have begun.
    pub(super) fn fetch_count(&self) -> usize {
        self.with(|state| state.fetches.len())
    }

    /// Returns when transports were opened, with the life.
    pub(super) fn opened(&self) -> Vec<(usize, Duration)> {
        self.with(|state| state.opened.clone())
    }

    fn begin(&self, url: &CanonicalUrl) -> (sim::SimReply, EndOfFetch) {
        let (reply, index) = self.with(|state| {
            let began = state.now();
            let asked = state.asked.entry(url.as_str().into()).or_default();
            let before = *asked;
            *asked += 1;
            let world = Arc::clone(&state.world);
            let mut elsewhere = HostState::default();
            let number = world.host_of(url);
            let host = number.and_then(|number| state.hosts.get_mut(number)).unwrap_or(&mut elsewhere);
            let reply = world.answer(url, before, host, began);
            let life = state.life;
            state.fetches.push(LoggedFetch { url: url.clone(), life, began, ended: None, answer: None });
            (reply, state.fetches.len() - 1)
        });
        (reply, EndOfFetch { web: self.clone(), index, answer: None })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn now(&mut self) -> Duration {
        if let Some((start, at)) = self.epoch {
            self.last = at + start.elapsed();
        }
        self.last
    }
}

impl fmt::Debug for WorldWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldWeb").field("fetches", &self.fetch_count()).finish()
    }
}

impl TransportFactory for WorldWeb {
    fn open(&self) -> Rc<dyn Transport> {
        let fails = self.with(|state| {
            let opened = (state.life, state.now());
            state.opened.push(opened);
            state.faults.next_open_fails()
        });
        if fails {
            std::panic::resume_unwind(Box::new("a transport does not open, as the simulation wants"));
        }
        Rc::new(WorldTransport { web: self.clone() })
    }
}

impl Transport for WorldTransport {
    fn fetch(&self, request: FetchRequest) -> Fetching {
        let web = self.web.clone();
        Box::pin(async move {
            let (reply, mut end) = web.begin(&request.url);
            if web
                .with(|state| state.mutant == Some(Mutant::FetchUnending) && state.fetches.len() == UNENDING)
            {
                std::future::pending::<()>().await;
            }
            let response = sim::answer(reply, &request).await;
            let retry_after = http_fields::retry_after(&response.headers, dragline_core::Wall::default());
            end.answer =
                Some(LoggedAnswer { outcome: response.outcome, status: response.status, retry_after });
            response
        })
    }

    fn tick(&self) {
        if self.web.with(|state| state.faults.next_tick_kills()) {
            std::panic::resume_unwind(Box::new("a fetcher dies, as the simulation wants"));
        }
    }
}

impl Drop for EndOfFetch {
    fn drop(&mut self) {
        let (index, answer) = (self.index, self.answer);
        self.web.with(|state| {
            // Of a life that has ended nothing more is written down.
            let now = state.epoch.is_some().then(|| state.now());
            if let (Some(fetch), Some(now)) = (state.fetches.get_mut(index), now) {
                fetch.ended = Some(now);
                fetch.answer = answer;
            }
        });
    }
}
