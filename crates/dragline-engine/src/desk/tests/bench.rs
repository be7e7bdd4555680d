//! Makes a desk with a few hosts of waiting URLs, and the messages that fetchers, workers and sinks would send it.

use std::sync::atomic::{AtomicU64, Ordering};

use dragline_core::digest::{FetchDone, digest};
use dragline_core::fetch::{FetchResponse, Phase};
use dragline_core::frontier::{
    Admission, CommitError, CommitId, Drain, Fetched, FetchedReport, FrontierStats, Lease, LeaseReport,
    MemFrontier, OfferFrom, OfferReport, RobotsView, Settle, SettleReport, Want,
};
use dragline_core::ledger::Answer;
use dragline_core::roster::{PoolRules, WorkerId};
use dragline_core::url::Fingerprinter;
use dragline_core::{CanonicalUrl, HostKey, Outcome, Outlinks, Verdict, Wall};
use dragline_sink::RecordKind;
use dragline_telemetry::TelemetryOptions;
use dragline_telemetry::escape::LoggedUrls;

use super::super::orders::{Hand, Later};
use super::super::*;

pub(super) const ALL_KINDS: [RecordKind; 3] = [RecordKind::Page, RecordKind::Item, RecordKind::Skipped];

/// What a desk under test is made of.
pub(super) struct Setup {
    pub(super) hosts: u32,
    pub(super) pages: u32,
    pub(super) lanes: Vec<usize>,
    pub(super) pages_max: usize,
    pub(super) sink_credits: Vec<usize>,
    pub(super) delay: Duration,
    pub(super) pool: PoolRules,
    pub(super) restarts: RestartRules,
    pub(super) lazy: bool,
    pub(super) obey_robots: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            hosts: 1,
            pages: 10,
            lanes: vec![8],
            pages_max: 100,
            sink_credits: vec![100],
            delay: Duration::ZERO,
            pool: PoolRules::default(),
            restarts: RestartRules::default(),
            lazy: false,
            obey_robots: false,
        }
    }
}

/// A desk with what a supervisor would know.
pub(super) struct Bench {
    pub(super) desk: Desk,
    pub(super) rules: Arc<CrawlRules>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) bytes: Arc<AtomicU64>,
    pub(super) now: Time,
    /// Answers of the frontier that were on their way when the bench was made.
    pub(super) unread: Vec<Later>,
}

/// A frontier whose answers all come later.
pub(super) struct Lazy(MemFrontier);

pub(super) fn later<T: Send + 'static>(ticket: Ticket<T>) -> Ticket<T> {
    match ticket {
        Ticket::Ready(answer) => Ticket::Later(Box::pin(async move { answer })),
        Ticket::Later(_) => ticket,
    }
}

impl Frontier for Lazy {
    fn offer(&mut self, now: Time, batch: OfferBatch) -> Ticket<OfferReport> {
        later(self.0.offer(now, batch))
    }
    fn lease(&mut self, now: Time, want: Want) -> Ticket<LeaseReport> {
        later(self.0.lease(now, want))
    }
    fn fetched(&mut self, now: Time, batch: Vec<Fetched>) -> Ticket<FetchedReport> {
        later(self.0.fetched(now, batch))
    }
    fn settle(&mut self, now: Time, batch: Vec<Settle>) -> Ticket<SettleReport> {
        later(self.0.settle(now, batch))
    }
    fn admit(&mut self, now: Time, url: &CanonicalUrl) -> Admission {
        self.0.admit(now, url)
    }
    fn release(&mut self, now: Time, host: &HostKey, fetched: &Fetched) -> FetchedReport {
        self.0.release(now, host, fetched)
    }
    fn robots(&mut self, now: Time, url: &CanonicalUrl) -> RobotsView {
        self.0.robots(now, url)
    }
    fn lease_wanted(&mut self, now: Time, fetcher: usize) -> Option<Lease> {
        self.0.lease_wanted(now, fetcher)
    }
    fn extend(&mut self, now: Time, tokens: &[Token], until: Time) -> Ticket<u32> {
        later(self.0.extend(now, tokens, until))
    }
    fn drain(&mut self, now: Time, drain: Drain) -> Ticket<LeaseReport> {
        later(self.0.drain(now, drain))
    }
    fn next_wakeup(&self) -> Option<Time> {
        self.0.next_wakeup()
    }
    fn pending(&self) -> u64 {
        self.0.pending()
    }
    fn begin_commit(&mut self) -> Epoch {
        self.0.begin_commit()
    }
    fn commit(&mut self, epoch: Epoch, marks: Vec<Mark>) -> Ticket<Result<CommitId, CommitError>> {
        later(self.0.commit(epoch, marks))
    }
    fn stats(&self) -> FrontierStats {
        self.0.stats()
    }
}

pub(super) fn telemetry() -> Arc<Telemetry> {
    Telemetry::new(TelemetryOptions {
        handlers: vec!["handler".into()],
        sinks: vec!["sink".into()],
        actors: vec!["fetcher".into(), "handler".into()],
        arbiters: 1,
        version: "0".into(),
        revision: "0".into(),
        log_events: None,
        log_urls: LoggedUrls::Full,
    })
    .expect("the registry takes its own families")
}

impl Bench {
    /// Opens a desk, starts its fetchers and workers, and offers the seeds.
    pub(super) fn new(setup: Setup) -> Self {
        let mut rules = CrawlRules::default();
        rules.robots.obey = setup.obey_robots;
        rules.politeness.adaptive = false;
        rules.politeness.delay = setup.delay;
        let rules = Arc::new(rules);
        let (telemetry, bytes) = (telemetry(), Arc::new(AtomicU64::new(0)));
        let fingerprinter = Fingerprinter::new(1);
        let frontier = MemFrontier::new((*rules).clone(), fingerprinter, 1);
        let frontier: Box<dyn Frontier + Send> =
            if setup.lazy { Box::new(Lazy(frontier)) } else { Box::new(frontier) };
        let in_use = Arc::clone(&bytes);
        let lanes = setup.lanes.len();
        let desk = Desk::new(DeskParts {
            frontier,
            origins: None,
            rules: Arc::clone(&rules),
            routes: vec![Route::closure("handler", |_| dragline_core::Handled::default()).pool(setup.pool)],
            sinks: setup
                .sink_credits
                .iter()
                .map(|&credits| SinkEdge::new(ALL_KINDS.into(), credits))
                .collect(),
            lanes: setup.lanes,
            pages_max: setup.pages_max,
            restarts: setup.restarts,
            hints: Arc::default(),
            telemetry: Arc::clone(&telemetry),
            bytes: Arc::new(move || CreditUse { in_use: in_use.load(Ordering::Relaxed), max: 100 }),
            seed: 1,
        });
        let mut bench = Self { desk, rules, telemetry, bytes, now: Time::ZERO, unread: Vec::new() };
        let mut links = Outlinks::default();
        for (host, page) in (0..setup.hosts).flat_map(|host| (0..setup.pages).map(move |page| (host, page))) {
            links.push_canonical(&format!("http://h{host}.test/{page}"));
        }
        let fingerprints = links.iter().map(|(text, _)| fingerprinter.of_canonical(text)).collect();
        let batch = OfferBatch { links, fingerprints, dropped_duplicates: 0, from: OfferFrom::seed() };
        bench.desk.offer(bench.now, batch);
        let started = bench.orders();
        for (route, worker, _) in started.start {
            bench.desk.worker_started(route, worker);
        }
        bench.unread = started.later;
        for fetcher in 0..lanes {
            bench.desk.fetcher_started(fetcher);
        }
        bench
    }

    pub(super) fn orders(&mut self) -> Orders {
        self.desk.orders(self.now)
    }

    pub(super) fn at(&mut self, now: Time) -> &mut Self {
        self.now = now;
        self
    }

    /// Reports a lease as fetched, with a page.
    pub(super) fn fetched(&mut self, fetcher: usize, lease: &Lease) {
        let done = self.done(lease, Outcome::Ok);
        self.desk.fetches_done(self.now, fetcher, vec![done]);
    }

    pub(super) fn done(&self, lease: &Lease, outcome: Outcome) -> FetchDone {
        let mut response = FetchResponse::failed(outcome, Phase::Body, "as the test wants");
        response.status = Some(200);
        digest(lease, response, &self.rules, Wall::default())
    }

    /// Answers a page with an item.
    pub(super) fn handled(&mut self, worker: WorkerId, token: Token) {
        let items = vec![Item::new(&token.0).expect("a number is JSON")];
        let answer = Answer::Handled { verdict: Verdict::Done, offer: None, items, title: None };
        self.desk.pages_handled(self.now, 0, worker, vec![(token, answer)]);
    }

    pub(super) fn stale(&self) -> String {
        let text = self.telemetry.gather_text().expect("the families can be written");
        let line = text.lines().find_map(|line| line.strip_prefix("dragline_stale_answers_total "));
        line.unwrap_or("absent").to_owned()
    }
}

pub(super) fn leases(orders: &Orders) -> Vec<(usize, Lease)> {
    let each = |(fetcher, leases): &(usize, Vec<Lease>)| {
        leases.iter().map(|lease| (*fetcher, lease.clone())).collect::<Vec<_>>()
    };
    orders.assign.iter().flat_map(each).collect()
}

pub(super) fn pages(orders: &Orders) -> Vec<(WorkerId, Token)> {
    let each = |hand: &Hand| hand.pages.iter().map(|(token, _)| (hand.worker, *token)).collect::<Vec<_>>();
    orders.hand.iter().flat_map(each).collect()
}

pub(super) fn mark() -> Mark {
    Mark { sink: "sink".into(), position: "1".into() }
}
