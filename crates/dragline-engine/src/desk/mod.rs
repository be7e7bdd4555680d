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
mod ending;
mod fetches;
mod leasing;
mod orders;
mod sessions;
mod settling;
mod sink_edge;
#[cfg(test)]
mod tests;

pub use orders::{End, Problem};

pub(crate) use orders::{Completion, Hand, Orders};
pub(crate) use sessions::{Ask, AskId, Hindrance, Reply};
pub(crate) use sink_edge::SinkEdge;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dragline_config::Origins;
use dragline_core::frontier::{Epoch, Frontier, Mark, OfferBatch, Settlement, Token};
use dragline_core::hints::SeenHints;
use dragline_core::ledger::Ledger;
use dragline_core::report::Totals;
use dragline_core::restart::{RestartBudget, RestartRules};
use dragline_core::roster::Roster;
use dragline_core::rules::CrawlRules;
use dragline_core::{Item, Ticket, Time};
use dragline_telemetry::{CreditUse, LabelId, Telemetry};

use crate::handler::Route;
use crate::messages::Status;
use sessions::Sessions;
use settling::Awaited;

/// How long records may wait for a commit.
const COMMIT_AFTER: Duration = Duration::from_secs(1);

/// Seeds whose fault is told in words; the records name all.
const SEED_FAULTS_MAX: usize = 10;

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

/// A commit under way: the sinks that have not answered, and the marks of those that have.
#[derive(Debug)]
struct Commit {
    epoch: Epoch,
    missing: Vec<usize>,
    marks: Vec<Mark>,
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
    /// Records that each sink only counted.
    dropped: Vec<u64>,
    ready: VecDeque<ReadySettle>,
    awaited: VecDeque<Awaited>,
    /// A lease was asked for and not answered; one at a time.
    leasing: bool,
    /// Answers of the frontier that have not come.
    later: usize,
    /// The last lease granted or skipped something, so that the next may too.
    lease_bore_fruit: bool,
    paused: bool,
    course: Course,
    uncommitted_since: Option<Time>,
    commit: Option<Commit>,
    totals: Totals,
    joined: Vec<Arc<str>>,
    seed_faults: Vec<String>,
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
            dropped: vec![0; parts.sinks.len()],
            sinks: parts.sinks,
            ready: VecDeque::new(),
            awaited: VecDeque::new(),
            leasing: false,
            later: 0,
            lease_bore_fruit: false,
            paused: false,
            course: Course::Running,
            uncommitted_since: None,
            commit: None,
            totals: Totals::default(),
            joined: Vec::new(),
            seed_faults: Vec::new(),
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
        self.settle(now);
        self.hand(now);
        self.admit_sessions(now);
        self.lease(now);
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
        std::mem::take(&mut self.orders)
    }

    /// Takes a frontier's answer that came later.
    pub(crate) fn complete(&mut self, now: Time, completion: Completion) {
        self.later = self.later.saturating_sub(1);
        self.apply(now, completion);
    }

    fn apply(&mut self, now: Time, completion: Completion) {
        match completion {
            Completion::Offered { source, report } => {
                self.uncommitted_since.get_or_insert(now);
                self.tell_offered(now, source, report);
            }
            Completion::Leased { fetcher, report } => self.leased(now, fetcher, report),
            Completion::Fetched(report) => self.fetched_applied(&report),
            Completion::Settled(report) => self.settled(now, report),
            Completion::Drained(report) => self.tell_skipped(now, report.skipped),
            Completion::Committed(result) => self.committed(result),
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

    /// Stops leasing, or goes on.
    pub(crate) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Takes back the credits of records that a sink has taken.
    pub(crate) fn written(&mut self, sink: usize, groups: usize, dropped: u64) {
        if let (Some(edge), Some(counted)) = (self.sinks.get_mut(sink), self.dropped.get_mut(sink)) {
            edge.written(groups);
            *counted = dropped;
        }
    }

    /// Returns how the crawl stands.
    pub(crate) fn status(&self, now: Time) -> Status {
        let mut totals = self.totals.clone();
        totals.skipped_not_listed = self.dropped.iter().sum();
        Status {
            now,
            stats: self.frontier.stats(),
            totals,
            credits: self.credits(),
            joined: self.joined.clone(),
            seed_faults: self.seed_faults.clone(),
            in_flight: self.ledger.len(),
            paused: self.paused,
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
