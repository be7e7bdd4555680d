//! Makes a desk with a few hosts of waiting URLs, and the messages that fetchers, workers and sinks would send it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dragline_core::digest::{FetchDone, digest};
use dragline_core::fetch::{FetchResponse, Phase};
use dragline_core::frontier::{
    Admission, CommitError, CommitId, Drain, Epoch, Fetched, FetchedReport, FrontierStats, Lease,
    LeaseReport, Mark, MemFrontier, OfferFrom, OfferReport, RobotsView, Settle, SettleReport, Visit, Want,
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
    pub(super) uncommitted_max: usize,
    pub(super) free_min: u64,
    pub(super) tally: Tally,
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
            uncommitted_max: 100,
            free_min: 0,
            tally: Tally::begin(Wall::default(), 0),
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
    pub(super) probe: Arc<Mutex<Probe>>,
    pub(super) now: Time,
    /// Answers of the frontier that were on their way when the bench was made.
    pub(super) unread: Vec<Later>,
}

/// What a frontier under test was asked, and what it is to answer.
#[derive(Default)]
pub(super) struct Probe {
    /// Every commit that was tried.
    pub(super) tried: Vec<(Epoch, Vec<Mark>)>,
    /// What the next commits come to; all further ones are durable.
    pub(super) errors: VecDeque<CommitError>,
    /// Bytes of records that it says wait for a commit.
    pub(super) bytes: u64,
    /// Why it can do nothing more.
    pub(super) fault: Option<Arc<str>>,
    /// Epoch in which each URL was settled.
    pub(super) settled: BTreeMap<Token, Epoch>,
    pub(super) visits: Vec<Option<Box<Visit>>>,
    open: Epoch,
}

/// A frontier whose answers come later, if it is lazy, and that tells what it was asked.
pub(super) struct Probed {
    frontier: MemFrontier,
    lazy: bool,
    probe: Arc<Mutex<Probe>>,
}

impl Probed {
    fn probe(&self) -> MutexGuard<'_, Probe> {
        self.probe.lock().expect("no test panics while it holds the lock")
    }

    fn answer<T: Send + 'static>(&self, ticket: Ticket<T>) -> Ticket<T> {
        match ticket {
            Ticket::Ready(answer) if self.lazy => Ticket::Later(Box::pin(async move { answer })),
            ticket => ticket,
        }
    }
}

impl Frontier for Probed {
    fn offer(&mut self, now: Time, batch: OfferBatch) -> Ticket<OfferReport> {
        let ticket = self.frontier.offer(now, batch);
        self.answer(ticket)
    }
    fn lease(&mut self, now: Time, want: Want) -> Ticket<LeaseReport> {
        let ticket = self.frontier.lease(now, want);
        self.answer(ticket)
    }
    fn fetched(&mut self, now: Time, batch: Vec<Fetched>) -> Ticket<FetchedReport> {
        let ticket = self.frontier.fetched(now, batch);
        self.answer(ticket)
    }
    fn settle(&mut self, now: Time, mut batch: Vec<Settle>) -> Ticket<SettleReport> {
        let mut probe = self.probe();
        for settle in &mut batch {
            let open = probe.open;
            probe.settled.insert(settle.token, open);
            probe.visits.push(settle.visit.take());
        }
        drop(probe);
        let ticket = self.frontier.settle(now, batch);
        self.answer(ticket)
    }
    fn admit(&mut self, now: Time, url: &CanonicalUrl) -> Admission {
        self.frontier.admit(now, url)
    }
    fn release(&mut self, now: Time, host: &HostKey, fetched: &Fetched) -> FetchedReport {
        self.frontier.release(now, host, fetched)
    }
    fn robots(&mut self, now: Time, url: &CanonicalUrl) -> RobotsView {
        self.frontier.robots(now, url)
    }
    fn lease_wanted(&mut self, now: Time, fetcher: usize) -> Option<Lease> {
        self.frontier.lease_wanted(now, fetcher)
    }
    fn extend(&mut self, now: Time, tokens: &[Token], until: Time) -> Ticket<u32> {
        let ticket = self.frontier.extend(now, tokens, until);
        self.answer(ticket)
    }
    fn drain(&mut self, now: Time, drain: Drain) -> Ticket<LeaseReport> {
        let ticket = self.frontier.drain(now, drain);
        self.answer(ticket)
    }
    fn next_wakeup(&self) -> Option<Time> {
        self.frontier.next_wakeup()
    }
    fn pending(&self) -> u64 {
        self.frontier.pending()
    }
    fn begin_commit(&mut self) -> Epoch {
        let closed = self.frontier.begin_commit();
        self.probe().open = Epoch(closed.0 + 1);
        closed
    }
    fn commit(&mut self, epoch: Epoch, marks: Vec<Mark>) -> Ticket<Result<CommitId, CommitError>> {
        let mut probe = self.probe();
        probe.tried.push((epoch, marks.clone()));
        let error = probe.errors.pop_front();
        drop(probe);
        match error {
            Some(error) => self.answer(Ticket::Ready(Err(error))),
            None => {
                let ticket = self.frontier.commit(epoch, marks);
                self.answer(ticket)
            }
        }
    }
    fn uncommitted_bytes(&self) -> u64 {
        self.probe().bytes
    }
    fn fault(&self) -> Option<Arc<str>> {
        self.probe().fault.clone()
    }
    fn stats(&self) -> FrontierStats {
        self.frontier.stats()
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
        let probe = Arc::new(Mutex::new(Probe::default()));
        let frontier = Box::new(Probed {
            frontier: MemFrontier::new((*rules).clone(), fingerprinter, 1),
            lazy: setup.lazy,
            probe: Arc::clone(&probe),
        });
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
            uncommitted_max: setup.uncommitted_max,
            free_min: setup.free_min,
            tally: setup.tally,
            restarts: setup.restarts,
            hints: Arc::default(),
            telemetry: Arc::clone(&telemetry),
            bytes: Arc::new(move || CreditUse { in_use: in_use.load(Ordering::Relaxed), max: 100 }),
            seed: 1,
        });
        let mut bench = Self { desk, rules, telemetry, bytes, probe, now: Time::ZERO, unread: Vec::new() };
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

    /// Answers a flush at every sink, and that what is durable by then was published.
    pub(super) fn flushed(&mut self, epoch: Epoch) {
        for sink in 0..self.desk.sinks.len() {
            self.desk.flushed(self.now, sink, epoch, mark());
        }
        for _ in 0..self.desk.unpublished {
            self.desk.published();
        }
    }

    /// Gives back the credits of what was written.
    pub(super) fn written(&mut self, orders: &Orders) {
        for (sink, _, groups) in &orders.write {
            self.desk.written(*sink, *groups, 0);
        }
    }

    pub(super) fn probe(&self) -> MutexGuard<'_, Probe> {
        self.probe.lock().expect("no test panics while it holds the lock")
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
