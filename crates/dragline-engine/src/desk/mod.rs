//! Decides what the supervisor does next: a plain value, messages in and orders out.
//!
//! ```text
//!   fetches_done --> frontier.fetched --> ledger --+--> rosters --> Orders.hand     (pages to workers)
//!   pages_handled -> ledger ------------> settle queue --> frontier.settle --> Orders.write (records to sinks)
//!                                                     \-> frontier.lease  --> Orders.assign (leases to fetchers)
//! ```
//!
//! The supervisor actor owns one `Desk`, calls it once for each message and carries out the [`Orders`] it returns.
//! Credits are counted here and taken in one order only: page (ledger), lane (fetcher), handler (roster), sink (edge).
//! Sessions take no part in this: they ask for slots of hosts ([`sessions`]) and fetch for themselves.

mod admitting;
mod answers;
mod commits;
mod committing;
mod ending;
mod fetches;
mod leasing;
mod orders;
mod sessions;
mod settling;
mod sink_edge;
mod space;
mod tally;
#[cfg(test)]
mod tests;

pub use orders::{End, Problem};

pub(crate) use orders::{Completion, Hand, Orders};
pub(crate) use sessions::{Ask, AskId, Hindrance, Reply};
pub(crate) use sink_edge::SinkEdge;
pub(crate) use tally::Tally;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use dragline_config::Origins;
use dragline_core::frontier::{Frontier, OfferBatch, Settlement, Token};
use dragline_core::hints::SeenHints;
use dragline_core::ledger::Ledger;
use dragline_core::restart::{RestartBudget, RestartRules};
use dragline_core::roster::Roster;
use dragline_core::rules::CrawlRules;
use dragline_core::{Item, Ticket, Time};
use dragline_telemetry::labels::RunState;
use dragline_telemetry::{CreditUse, LabelId, Telemetry};

use crate::handler::Route;
use crate::messages::Status;
use commits::Commits;
use sessions::Sessions;
use settling::Awaited;
use space::Space;

/// Leases granted to one fetcher in one order; more are granted with its next answer.
const LEASES_MAX: usize = 64;

/// Errands leased beyond the page credits, because a session waits for them.
const SESSION_ERRANDS_MAX: usize = 1;

/// Tells how many bytes credits are in use.
pub(crate) type BytesCredits = Arc<dyn Fn() -> CreditUse + Send + Sync>;

/// One fetcher as the desk sees it.
#[derive(Clone, Copy, Debug)]
struct FetcherDesk {
    /// Its lanes: the lane credits.
    lanes: usize,
    /// Leases it has not answered.
    assigned: usize,
    life: Life,
}

/// Where a fetcher stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It was made and has not said that it works; it gets no lease, which would crash if it never does.
    Starting,
    /// It takes leases.
    Working,
    /// It waits to be started again.
    Dead,
}

impl FetcherDesk {
    const fn has_lane(&self) -> bool {
        matches!(self.life, Life::Working) && self.assigned < self.lanes
    }
}

/// One route with the workers that serve it.
#[derive(Debug)]
struct RouteDesk {
    route: Route,
    roster: Roster,
    label: Option<LabelId>,
}

/// A lease whose handlers have answered, waiting for its turn to be settled.
#[derive(Debug)]
struct ReadySettle {
    token: Token,
    settlement: Settlement,
    offers: Vec<OfferBatch>,
    told: Told,
}

/// What is told about a URL when its settle is final.
#[derive(Debug, Default)]
struct Told {
    items: Vec<(usize, Vec<Item>)>,
    title: Option<Box<str>>,
    message: Option<Box<str>>,
}

/// How far the crawl's end has come.
#[derive(Debug)]
enum Course {
    /// Leases are granted.
    Running,
    /// Nothing is leased any more; what is in flight is finished.
    Draining,
    /// Nothing more will be settled that counts; the last commit is under way.
    Closing(End),
    /// The end was reported.
    Ended,
}

/// What a desk is made from.
pub(crate) struct DeskParts {
    pub(crate) frontier: Box<dyn Frontier + Send>,
    pub(crate) rules: Arc<CrawlRules>,
    /// Where each key was written, when there was a configuration.
    pub(crate) origins: Option<Origins>,
    pub(crate) routes: Vec<Route>,
    pub(crate) sinks: Vec<SinkEdge>,
    /// Lanes of each fetcher.
    pub(crate) lanes: Vec<usize>,
    pub(crate) pages_max: usize,
    /// Settled pages that may be in no commit.
    pub(crate) uncommitted_max: usize,
    /// Bytes that must be free in each folder that is watched.
    pub(crate) free_min: u64,
    /// What earlier lives counted.
    pub(crate) tally: Tally,
    pub(crate) restarts: RestartRules,
    pub(crate) hints: Arc<SeenHints>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) bytes: BytesCredits,
    pub(crate) seed: u64,
}

/// Everything the supervisor decides by.
pub(crate) struct Desk {
    frontier: Box<dyn Frontier + Send>,
    rules: Arc<CrawlRules>,
    origins: Option<Origins>,
    ledger: Ledger,
    hints: Arc<SeenHints>,
    telemetry: Arc<Telemetry>,
    bytes: BytesCredits,
    pages_max: usize,
    fetchers: Vec<FetcherDesk>,
    next_fetcher: usize,
    fetcher_budget: RestartBudget,
    routes: Vec<RouteDesk>,
    sinks: Vec<SinkEdge>,
    ready: VecDeque<ReadySettle>,
    awaited: VecDeque<Awaited>,
    /// A lease was asked for and not answered; one at a time.
    leasing: bool,
    /// Answers of the frontier that have not come.
    later: usize,
    /// Those of them that bring no record.
    later_without_records: usize,
    /// The last lease granted or skipped something, so that the next may too.
    lease_bore_fruit: bool,
    paused: bool,
    course: Course,
    commits: Commits,
    /// Nothing is settled or leased before a commit has begun.
    holds_for_commit: bool,
    /// Epochs that sinks were told are durable, and have not said that they published.
    unpublished: usize,
    space: Space,
    tally: Tally,
    /// The state that was told last.
    state: RunState,
    sessions: Sessions,
    orders: Orders,
}

impl Desk {
    /// Opens the desk and names the first workers, which its first orders start.
    pub(crate) fn new(parts: DeskParts) -> Self {
        let telemetry = Arc::clone(&parts.telemetry);
        let routes = parts.routes.into_iter().map(|route| {
            let roster = Roster::new(route.pool.clone());
            let label = telemetry.handler_id(route.name());
            RouteDesk { route, roster, label }
        });
        let mut desk = Self {
            frontier: parts.frontier,
            rules: parts.rules,
            origins: parts.origins,
            ledger: Ledger::new(parts.seed),
            hints: parts.hints,
            telemetry: parts.telemetry,
            bytes: parts.bytes,
            pages_max: parts.pages_max.max(1),
            fetchers: parts
                .lanes
                .iter()
                .map(|&lanes| FetcherDesk { lanes: lanes.max(1), assigned: 0, life: Life::Starting })
                .collect(),
            next_fetcher: 0,
            fetcher_budget: RestartBudget::new(parts.restarts),
            routes: routes.collect(),
            sinks: parts.sinks,
            ready: VecDeque::new(),
            awaited: VecDeque::new(),
            leasing: false,
            later: 0,
            later_without_records: 0,
            lease_bore_fruit: false,
            paused: false,
            course: Course::Running,
            commits: Commits::new(parts.uncommitted_max),
            holds_for_commit: false,
            unpublished: 0,
            space: Space::new(parts.free_min),
            tally: parts.tally,
            state: RunState::Starting,
            sessions: Sessions::default(),
            orders: Orders::default(),
        };
        for (index, route) in desk.routes.iter_mut().enumerate() {
            for _ in 0..route.roster.rules().workers.max(1) {
                desk.orders.start.push((index, route.roster.recruit(), Time::ZERO));
            }
        }
        desk
    }

    /// Does everything that can be done now and returns what the supervisor is to carry out.
    pub(crate) fn orders(&mut self, now: Time) -> Orders {
        self.abandon_overdue(now);
        self.hold_for_commit(now);
        if !self.holds_for_commit {
            self.settle(now);
        }
        self.hand(now);
        self.admit_sessions(now);
        if !self.holds_for_commit {
            self.lease(now);
        }
        if let Some(what) = self.frontier.fault() {
            self.fail(Problem::Storage(what.as_ref().into()));
        }
        self.end();
        self.commit(now);
        self.end();
        self.dismiss_sessions();
        debug_assert!(self.holds());
        let written = self.sinks.iter_mut().enumerate();
        self.orders.write = written
            .filter_map(|(sink, edge)| edge.take().map(|(records, groups)| (sink, records, groups)))
            .collect();
        self.orders.wake_at = self.wake_at(now);
        self.tell_state();
        std::mem::take(&mut self.orders)
    }

    /// Takes a frontier's answer that came later.
    pub(crate) fn complete(&mut self, now: Time, completion: Completion) {
        self.later = self.later.saturating_sub(1);
        if completion.brings_no_record() {
            self.later_without_records = self.later_without_records.saturating_sub(1);
        }
        self.apply(now, completion);
    }

    fn apply(&mut self, now: Time, completion: Completion) {
        match completion {
            Completion::Offered { source, report } => {
                self.commits.note(now);
                self.tell_offered(now, source, report);
            }
            Completion::Leased { fetcher, report } => self.leased(now, fetcher, report),
            Completion::Fetched(report) => self.fetched_applied(&report),
            Completion::Settled(report) => self.settled(now, report),
            Completion::Drained(report) => self.tell_skipped(now, report.skipped),
            Completion::Committed(result) => self.committed(now, result),
        }
    }

    /// Takes an answer at once when it is ready, else has the supervisor wait for it.
    fn submit<T: Send + 'static>(
        &mut self,
        now: Time,
        ticket: Ticket<T>,
        wrap: impl FnOnce(T) -> Completion + Send + 'static,
    ) {
        match ticket.now() {
            Ok(answer) => self.apply(now, wrap(answer)),
            Err(later) => {
                self.later += 1;
                self.orders.later.push(Box::pin(async move { wrap(later.await) }));
            }
        }
    }

    /// Takes an answer that brings no record, so that no commit waits for it.
    fn submit_without_records<T: Send + 'static>(
        &mut self,
        now: Time,
        ticket: Ticket<T>,
        wrap: impl FnOnce(T) -> Completion + Send + 'static,
    ) {
        let before = self.later;
        self.submit(now, ticket, wrap);
        self.later_without_records += self.later - before;
    }

    /// Stops leasing, or goes on.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Takes back the credits of records that a sink has taken.
    pub(crate) fn written(&mut self, sink: usize, groups: usize, dropped: u64) {
        if let Some(edge) = self.sinks.get_mut(sink) {
            edge.written(groups, dropped);
        }
    }

    /// Returns how the crawl stands.
    pub(crate) fn status(&self, now: Time) -> Status {
        let mut totals = self.tally.totals(now);
        totals.skipped_not_listed = self.sinks.iter().map(SinkEdge::dropped).sum();
        Status {
            now,
            stats: self.frontier.stats(),
            totals,
            credits: self.credits(),
            joined: self.tally.joined().to_vec(),
            seed_faults: self.tally.seed_faults().to_vec(),
            in_flight: self.ledger.len(),
            uncommitted: self.commits.uncommitted(),
            paused: self.paused,
            waits_for_space: self.space.lacks().cloned(),
            draining: !matches!(self.course, Course::Running),
        }
    }

    /// Returns the credits of each edge, in the order of `Edge::ALL`.
    fn credits(&self) -> [CreditUse; 5] {
        let sum = |counts: &mut dyn Iterator<Item = (usize, usize)>| {
            let (in_use, max) =
                counts.fold((0, 0), |(in_use, max), (used, most)| (in_use + used, max + most));
            let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            CreditUse { in_use: count(in_use), max: count(max) }
        };
        let of_roster = |desk: &RouteDesk| {
            let rules = desk.roster.rules();
            (desk.roster.in_flight(), rules.workers.max(1) * rules.credits.max(1))
        };
        [
            sum(&mut std::iter::once((self.ledger.len(), self.pages_max))),
            sum(&mut self.fetchers.iter().map(|fetcher| (fetcher.assigned, fetcher.lanes))),
            (self.bytes)(),
            sum(&mut self.routes.iter().map(of_roster)),
            sum(&mut self.sinks.iter().map(|sink| (sink.in_use(), sink.credits()))),
        ]
    }

    /// Whether what must always hold does.
    fn holds(&self) -> bool {
        let lanes = self.fetchers.iter().all(|fetcher| fetcher.assigned <= fetcher.lanes);
        lanes && self.ledger.len() <= self.pages_max + SESSION_ERRANDS_MAX && self.frontier.stats().adds_up()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("course", &self.course)
            .field("in_flight", &self.ledger.len())
            .finish_non_exhaustive()
    }
}
