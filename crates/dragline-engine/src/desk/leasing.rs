//! Grants leases to fetchers that have lanes free, as far as every credit allows.

use dragline_core::frontier::{Lease, LeaseReport, OfferBatch, Skipped, Want};
use dragline_core::{Decision, Source, Time};
use dragline_sink::{Record, RecordKind, SkippedRecord};
use dragline_telemetry::events::{RobotsDecided, UrlSkipped, UrlsOffered};

use super::{Completion, Course, Desk, LEASES_MAX, SESSION_ERRANDS_MAX};

impl Desk {
    /// Offers URLs that no page named.
    pub(crate) fn offer(&mut self, now: Time, batch: OfferBatch) {
        let source = batch.from.source;
        let ticket = self.frontier.offer(now, batch);
        self.submit(now, ticket, move |report| Completion::Offered { source, report });
    }

    pub(super) fn lease(&mut self, now: Time) {
        let mut fruitless = 0;
        // A frontier that answers later is not asked in vain: it would never be at rest.
        let due =
            |desk: &Self| !desk.nothing_pends() && desk.frontier.next_wakeup().is_some_and(|at| at <= now);
        while fruitless < self.fetchers.len() && self.may_lease() && due(self) {
            let fetcher = self.next_fetcher;
            self.next_fetcher = (fetcher + 1) % self.fetchers.len();
            let room = self.pages_max.saturating_sub(self.ledger.len());
            let open = self.fetchers.get(fetcher).filter(|desk| desk.has_lane());
            let free = open.map_or(0, |desk| desk.lanes.saturating_sub(desk.assigned));
            let most = free.min(room).min(LEASES_MAX);
            self.lease_bore_fruit = false;
            if most > 0 {
                self.leasing = true;
                let ticket = self.frontier.lease(now, Want { most, fetcher });
                self.submit(now, ticket, move |report| Completion::Leased { fetcher, report });
            }
            fruitless = if self.lease_bore_fruit { 0 } else { fruitless + 1 };
        }
        if !self.may_lease() {
            self.lease_for_sessions(now);
        }
    }

    /// Leases an errand that a session waits for although pages or bytes are used up: the handlers that hold them may
    /// be those that wait for the session.
    fn lease_for_sessions(&mut self, now: Time) {
        let running = matches!(self.course, Course::Running) && !self.paused && !self.leasing;
        let room = self.ledger.len() < self.pages_max + SESSION_ERRANDS_MAX;
        if !(running && room && self.sessions.wants_robots()) || self.nothing_pends() {
            return;
        }
        // Its settle must not wait for what may never come.
        let settles = self.sinks.iter().all(super::SinkEdge::has_credit);
        let Some(fetcher) = self.fetchers.iter().position(super::FetcherDesk::has_lane).filter(|_| settles)
        else {
            return;
        };
        if let Some(lease) = self.frontier.lease_wanted(now, fetcher) {
            self.assign(fetcher, vec![lease]);
        }
    }

    /// Whether every credit but those of lanes allows another lease.
    pub(super) fn may_lease(&self) -> bool {
        let bytes_left = || {
            let bytes = (self.bytes)();
            self.ledger.is_empty() || bytes.in_use < bytes.max
        };
        matches!(self.course, Course::Running)
            && !self.paused
            && !self.leasing
            && self.ledger.len() < self.pages_max
            && !self.commits.is_full()
            && self.space.lacks().is_none()
            && self.sinks.iter().all(super::SinkEdge::has_credit)
            && bytes_left()
    }

    pub(super) fn leased(&mut self, now: Time, fetcher: usize, report: LeaseReport) {
        self.leasing = false;
        let LeaseReport { leases, skipped, robots } = report;
        // A frontier ends only so many URLs in one call: what was skipped may not be all.
        self.lease_bore_fruit = !leases.is_empty() || !skipped.is_empty();
        RobotsDecided { tally: robots }.record(&self.telemetry);
        self.tell_skipped(now, skipped);
        if !leases.is_empty() {
            self.assign(fetcher, leases);
        }
    }

    fn assign(&mut self, fetcher: usize, leases: Vec<Lease>) {
        for lease in &leases {
            self.ledger.open(lease.clone(), fetcher);
        }
        if let Some(desk) = self.fetchers.get_mut(fetcher) {
            desk.assigned += leases.len();
        }
        self.orders.assign.push((fetcher, leases));
    }

    pub(super) fn tell_offered(
        &mut self,
        now: Time,
        source: dragline_core::frontier::OfferSource,
        report: dragline_core::frontier::OfferReport,
    ) {
        UrlsOffered { source, report: &report }.record(&self.telemetry);
        // The event has counted the skips.
        self.write_skipped(now, report.skipped);
    }

    /// Counts URLs that were skipped while they waited, and writes a record for each.
    pub(super) fn tell_skipped(&mut self, now: Time, skipped: Vec<Skipped>) {
        for skip in &skipped {
            UrlSkipped { skipped: skip }.record(&self.telemetry);
        }
        self.write_skipped(now, skipped);
    }

    /// Writes a record for each skip; they hold no credit, but nothing is leased while a sink has none left.
    fn write_skipped(&mut self, now: Time, skipped: Vec<Skipped>) {
        if skipped.is_empty() {
            return;
        }
        self.commits.note(now);
        for skip in skipped {
            if skip.referrer.is_none() && self.tally.wants_seed_fault() {
                let Decision { verdict, rule, source } = &skip.decision;
                let source = self.place(source).map_or_else(|| source.to_string(), String::from);
                let rule = if source == *rule { source } else { format!("{rule}, {source}") };
                self.tally.seed_fault(&format!("{} skipped({verdict}) by {rule}", skip.url));
            }
            self.tell_skip(skip);
        }
    }

    /// Writes the record of one skip.
    pub(super) fn tell_skip(&mut self, skip: Skipped) {
        let place = self.place(&skip.decision.source);
        let Skipped { url, decision, referrer } = skip;
        let record = SkippedRecord { url, decision, place, referrer };
        self.tell(RecordKind::Skipped, || record.clone().into());
    }

    /// Returns where a rule was written, when it is a key of a configuration that is known.
    fn place(&self, source: &Source) -> Option<Box<str>> {
        match (source, &self.origins) {
            (Source::Config { .. }, Some(origins)) => Some(origins.describe(source).into()),
            _ => None,
        }
    }

    /// Gives a record to every sink that takes its kind.
    pub(super) fn tell(&mut self, kind: RecordKind, record: impl Fn() -> Record) {
        for sink in self.sinks.iter_mut().filter(|sink| sink.takes(kind)) {
            sink.push(record());
        }
    }
}
