//! Holds a whole frontier in memory: the model that every other frontier is compared with.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Frontier;
use super::admission::{Admission, RobotsView};
use super::commit::{CommitError, CommitId, Epoch, Mark};
use super::counts::Counts;
use super::durable::{self, Journal, Shelf};
use super::errand::Errand;
use super::hosts::{HostId, HostTable};
use super::queue::HostWork;
use super::schedule::Schedule;
use super::seen::SeenSet;
use super::slab::Slab;
use super::state::{Flight, UrlRecord};
use super::types::{
    Drain, Fetched, FetchedReport, FrontierStats, Lease, LeaseReport, OfferBatch, OfferReport, Settle,
    SettleReport, Token, UrlGauge, Want,
};
use crate::chance::Chance;
use crate::invariants;
use crate::map::{self, Map};
use crate::rules::CrawlRules;
use crate::scope::Scope;
use crate::ticket::Ticket;
use crate::time::{Time, Wall};
use crate::url::{CanonicalUrl, Fingerprint, Fingerprinter, HostKey};

/// A frontier without a disk. Its commits promise nothing; its tickets are always ready.
///
/// Cost: an offer of a known URL is one look-up; a new URL, a lease and a settle are a logarithm of the number of
/// hosts; nothing depends on the number of URLs. When the budget is used up or a host is parked, the URLs that
/// waited end over the next calls of [`Frontier::lease`], a few thousand a call, and until then they are pending.
#[derive(Debug)]
pub struct MemFrontier {
    pub(super) rules: CrawlRules,
    pub(super) fingerprinter: Fingerprinter,
    pub(super) chance: Chance,
    pub(super) scope: Scope,
    pub(super) seen: SeenSet,
    pub(super) urls: Slab<UrlRecord>,
    pub(super) table: HostTable,
    /// What each host of the table has to do, by its number.
    pub(super) work: Vec<HostWork>,
    pub(super) schedule: Schedule,
    pub(super) errands: Slab<Errand>,
    /// Errands that sessions wait for, whether or not URLs of the crawl do: each leaves when it ends.
    pub(super) wanted: BTreeSet<u32>,
    pub(super) flights: Map<Token, Flight>,
    pub(super) counts: Counts,
    /// The latest time any call was given.
    pub(super) now: Time,
    pub(super) next_token: u64,
    pub(super) next_order: u64,
    pub(super) next_lease: u64,
    pub(super) drain: Option<Drain>,
    /// The next host whose URLs end because the budget is used up.
    pub(super) sweep: Option<usize>,
    pub(super) epoch: Epoch,
    /// What changed since the last commit, when somebody keeps it.
    pub(super) journal: Journal,
    /// Where waiting URLs of long queues lie.
    pub(super) shelf: Option<Box<dyn Shelf>>,
    /// URLs of a chunk.
    pub(super) chunk_urls: usize,
    /// Why nothing more may be done: what lay on the shelf is lost.
    pub(super) fault: Option<Arc<str>>,
    /// URLs that got the standing of a seed while they waited.
    pub(super) adopted: Map<Fingerprint, CanonicalUrl>,
    /// Targets of redirects that brought their hosts into the scope, each with its seed.
    pub(super) joined: Vec<(CanonicalUrl, CanonicalUrl)>,
    /// The hosts of each part of a snapshot.
    pub(super) by_shard: Vec<Vec<HostId>>,
    #[cfg(feature = "mutants")]
    pub(super) mutant: Option<super::Mutant>,
    /// The host of the last URL that was discovered.
    pub(super) recent: Option<HostId>,
    /// A host whose plan is out of date until the end of the offer.
    pub(super) unplanned: Option<HostId>,
    /// When this process's time began, for what is kept beyond it.
    pub(super) base: Wall,
    /// The empty chain, shared by every URL that no redirect led to.
    pub(super) no_chain: Arc<[CanonicalUrl]>,
}

impl MemFrontier {
    /// Makes an empty frontier; `seed` is for chance and the order of maps, `fingerprinter` the one whose
    /// fingerprints come with the offers.
    pub fn new(rules: CrawlRules, fingerprinter: Fingerprinter, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let table = HostTable::new(rules.politeness.clone(), chance.fork());
        let scope = Scope::new(rules.scope.clone());
        Self {
            rules,
            fingerprinter,
            scope,
            seen: SeenSet::default(),
            urls: Slab::new(),
            table,
            work: Vec::new(),
            schedule: Schedule::default(),
            errands: Slab::new(),
            wanted: BTreeSet::new(),
            flights: map::map(chance.fork()),
            adopted: map::map(chance.fork()),
            chance,
            counts: Counts::default(),
            now: Time::ZERO,
            next_token: 1,
            next_order: 0,
            next_lease: 1,
            drain: None,
            sweep: None,
            epoch: Epoch(0),
            journal: Journal::default(),
            shelf: None,
            chunk_urls: durable::Rebirth::CHUNK_URLS,
            fault: None,
            joined: Vec::new(),
            by_shard: vec![Vec::new(); durable::HOST_SHARDS.into()],
            #[cfg(feature = "mutants")]
            mutant: None,
            recent: None,
            unplanned: None,
            base: Wall::default(),
            no_chain: Arc::new([]),
        }
    }

    /// Returns every host with its clock.
    pub const fn host_table(&self) -> &HostTable {
        &self.table
    }

    /// Returns the scope, with the hosts that seeds and their redirects brought in.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the set of URLs that were ever offered.
    pub const fn seen(&self) -> &SeenSet {
        &self.seen
    }

    /// Returns a host's number and makes sure that it has its place.
    pub(super) fn enter_host(&mut self, key: &HostKey) -> HostId {
        let id = self.table.enter(key);
        if id.index() == self.work.len() {
            let shard = durable::host_shard(key);
            self.by_shard[usize::from(shard)].push(id);
            self.work.push(HostWork { shard, ..HostWork::default() });
        }
        id
    }

    /// Notes the time, and enters as ready what has become due. Time never runs backwards.
    pub(super) fn tick(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(id) = self.schedule.overdue(self.now) {
            self.refresh(id);
        }
    }

    /// Brings a host's entry in the schedule up to date; called after every change of the host.
    pub(super) fn refresh(&mut self, id: HostId) {
        self.work[id.index()].promote(self.now);
        self.ask_robots(id);
        let plan = self.plan(id);
        let work = &mut self.work[id.index()];
        let old = std::mem::replace(&mut work.plan, plan);
        self.schedule.replace(id, &old, &plan);
    }

    fn debug_check(&self) {
        debug_assert!(invariants::identity_holds(&self.stats()), "{:?}", self.stats());
        debug_assert!(invariants::gauges_sum_to_pending(&self.stats()), "{:?}", self.stats());
    }
}

impl Frontier for MemFrontier {
    fn offer(&mut self, now: Time, batch: OfferBatch) -> Ticket<OfferReport> {
        self.tick(now);
        let mut report = OfferReport::default();
        self.offer_batch(&batch, &mut report);
        self.debug_check();
        Ticket::Ready(report)
    }

    fn lease(&mut self, now: Time, want: Want) -> Ticket<LeaseReport> {
        self.tick(now);
        let report = self.lease_some(want);
        self.debug_check();
        Ticket::Ready(report)
    }

    fn fetched(&mut self, now: Time, batch: Vec<Fetched>) -> Ticket<FetchedReport> {
        self.tick(now);
        let mut report = FetchedReport::default();
        for fetched in &batch {
            self.end_fetch(fetched, &mut report);
        }
        self.debug_check();
        Ticket::Ready(report)
    }

    fn settle(&mut self, now: Time, batch: Vec<Settle>) -> Ticket<SettleReport> {
        self.tick(now);
        let mut report = SettleReport::default();
        for settle in batch {
            self.settle_one(settle, &mut report);
        }
        self.debug_check();
        Ticket::Ready(report)
    }

    fn admit(&mut self, now: Time, url: &CanonicalUrl) -> Admission {
        self.tick(now);
        let id = self.enter_host(&url.host_key());
        let crawled = self.work[id.index()].waiting() > 0;
        let admission = self.table.admit(self.now, id, crawled);
        self.refresh(id);
        admission
    }

    fn robots(&mut self, now: Time, url: &CanonicalUrl) -> RobotsView {
        self.tick(now);
        let view = self.view_robots(url);
        self.debug_check();
        view
    }

    fn lease_wanted(&mut self, now: Time, fetcher: usize) -> Option<Lease> {
        self.tick(now);
        let lease = self.lease_one_wanted(fetcher);
        self.debug_check();
        lease
    }

    fn release(&mut self, now: Time, host: &HostKey, fetched: &Fetched) -> FetchedReport {
        self.tick(now);
        let mut report = FetchedReport::default();
        let id = self.table.find(host);
        match id.and_then(|id| Some((id, self.table.release(self.now, id, fetched).ok()?))) {
            Some((id, trigger)) => {
                report.backoffs.extend(trigger.map(|trigger| (host.clone(), trigger)));
                self.note_clock(id);
                self.after_fetch(id, &mut report);
            }
            None => {
                self.counts.stale += 1;
                report.stale.push(fetched.token);
            }
        }
        report
    }

    fn extend(&mut self, now: Time, tokens: &[Token], _until: Time) -> Ticket<u32> {
        self.tick(now);
        let current = tokens.iter().filter(|token| self.flights.contains_key(token)).count();
        Ticket::Ready(u32::try_from(current).unwrap_or(u32::MAX))
    }

    fn drain(&mut self, now: Time, drain: Drain) -> Ticket<LeaseReport> {
        self.tick(now);
        let report = self.drain_all(drain);
        self.debug_check();
        Ticket::Ready(report)
    }

    fn next_wakeup(&self) -> Option<Time> {
        match (self.drain, self.sweep) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(self.now),
            (None, None) => self.schedule.next_wakeup(),
        }
    }

    fn pending(&self) -> u64 {
        self.counts.pending
    }

    fn begin_commit(&mut self) -> Epoch {
        let closed = self.epoch;
        self.epoch = Epoch(closed.0 + 1);
        closed
    }

    /// # Panics
    /// When the epoch was not closed.
    fn commit(&mut self, epoch: Epoch, _marks: Vec<Mark>) -> Ticket<Result<CommitId, CommitError>> {
        assert!(epoch < self.epoch, "an epoch is committed before it is closed");
        Ticket::Ready(Ok(CommitId(epoch)))
    }

    fn uncommitted_bytes(&self) -> u64 {
        self.journal.bytes() as u64
    }

    fn fault(&self) -> Option<Arc<str>> {
        self.fault.clone()
    }

    fn stats(&self) -> FrontierStats {
        let counts = &self.counts;
        FrontierStats {
            discovered: counts.discovered,
            added: counts.added,
            done: counts.done,
            redirected: counts.redirected,
            failed: counts.failed.clone(),
            skipped: counts.skipped.clone(),
            pending: counts.pending,
            duplicates: counts.duplicates,
            refused: counts.refused,
            stale: counts.stale,
            hosts_known: self.table.len() as u64,
            errands: self.errands.len() as u64,
            urls: UrlGauge { in_flight: counts.in_flight, ..self.schedule.urls },
            hosts: self.schedule.hosts,
            oldest_ready: self.schedule.oldest_ready(self.now),
            memory_bytes: self.memory_bytes(),
            robots_unreachable: counts.robots_unreachable.clone(),
        }
    }
}
