//! Settles leases in one order, and tells the sinks about each in that order.

use std::sync::Arc;

use dragline_core::frontier::{
    Lease, OfferBatch, OfferSource, Purpose, RobotsAnswer, Settle, SettleReport, SettleResult, Settled,
    Settlement, Skipped, Token,
};
use dragline_core::ledger::Entry;
use dragline_core::url::Fingerprint;
use dragline_core::{CanonicalUrl, Decision, Disposition, SkipReason, Source, Time};
use dragline_sink::{ItemRecord, PageRecord, RecordError, RecordKind};
use dragline_telemetry::events::{RetryScheduled, RobotsFetched, StaleAnswer, UrlSettled};
use dragline_telemetry::labels::{RetryReason, RobotsResult};

use super::{Completion, Desk, ReadySettle, Told};

/// What is remembered of a settlement until the frontier has answered.
#[derive(Debug)]
pub(super) struct Awaited {
    token: Token,
    told: Told,
    /// URLs offered with it, for the hints.
    offered: Vec<(Fingerprint, u32)>,
    robots: Option<RobotsAnswer>,
}

impl Desk {
    /// Settles what is ready, as far as the sinks have credits; nothing more once the last commit has begun.
    pub(super) fn settle(&mut self, now: Time) {
        if self.commits.is_closed() || self.is_over() {
            return;
        }
        let mut batch = Vec::new();
        while !self.ready.is_empty() && self.sinks.iter().all(super::SinkEdge::has_credit) {
            let Some(ReadySettle { token, settlement, offers, told }) = self.ready.pop_front() else { break };
            for sink in &mut self.sinks {
                sink.open_group();
            }
            let robots = match &settlement {
                Settlement::Robots(answer) => Some(answer.clone()),
                _ => None,
            };
            self.awaited.push_back(Awaited { token, told, offered: self.noted(&offers), robots });
            let visit = self.ledger.take_visit(token);
            batch.push(Settle { token, settlement, offers, visit });
        }
        if batch.is_empty() {
            return;
        }
        self.commits.note(now);
        let ticket = self.frontier.settle(now, batch);
        self.submit(now, ticket, Completion::Settled);
    }

    /// Returns what the hints may know once these offers are applied; links too deep to become URLs stay unknown.
    fn noted(&self, offers: &[OfferBatch]) -> Vec<(Fingerprint, u32)> {
        let fits = |offer: &&OfferBatch| offer.from.depth <= self.rules.scope.depth_max;
        let of_offer = |offer: &'_ OfferBatch| {
            offer.fingerprints.iter().map(|&print| (print, offer.from.depth)).collect::<Vec<_>>()
        };
        offers.iter().filter(fits).flat_map(of_offer).collect()
    }

    pub(super) fn settled(&mut self, now: Time, report: SettleReport) {
        let SettleReport { settled, offers, targets, joined } = report;
        for Settled { token, result } in settled {
            let awaited = self.awaited.pop_front();
            debug_assert!(
                awaited.as_ref().is_some_and(|awaited| awaited.token == token),
                "answers come in order"
            );
            let Some(awaited) = awaited else { continue };
            self.tell_settled(now, awaited, result);
        }
        self.tell_offered(now, OfferSource::Link, offers);
        self.tell_offered(now, OfferSource::Redirect, targets);
        for (host, seed) in joined {
            tracing::info!(target: "dragline::frontier", %host, %seed, "host joined the scope: a seed redirects to it");
            self.tally.join(host);
        }
    }

    fn tell_settled(&mut self, now: Time, awaited: Awaited, result: SettleResult) {
        let Awaited { token, told, offered, robots } = awaited;
        if let SettleResult::Stale = result {
            StaleAnswer.record(&self.telemetry);
            return;
        }
        let Some(entry) = self.ledger.close(token) else {
            debug_assert!(false, "a current token stands in the ledger");
            return;
        };
        if entry.lease.purpose == Purpose::Page {
            self.commits.settled(now);
        }
        for (fingerprint, depth) in offered {
            self.hints.note(fingerprint, depth);
        }
        match result {
            SettleResult::Final { disposition: Disposition::Skipped(reason), rule, .. } => {
                let disposition = Disposition::Skipped(reason);
                UrlSettled { url: entry.lease.url.as_str(), disposition }.record(&self.telemetry);
                self.tell_given_back(entry.lease, reason, rule);
            }
            SettleResult::Final { disposition, target, .. } => {
                UrlSettled { url: entry.lease.url.as_str(), disposition }.record(&self.telemetry);
                self.note_fault(&entry, disposition, told.message.as_deref());
                self.tell_page(entry, disposition, target, told);
            }
            SettleResult::Waiting { not_before, retry } => {
                self.tally.totals.retries += u64::from(retry);
                if let (true, Some(summary)) = (retry, &entry.summary) {
                    let (reason, delay) = (RetryReason::of(summary.outcome), not_before - now);
                    RetryScheduled { url: entry.lease.url.as_str(), reason, delay }.record(&self.telemetry);
                }
            }
            SettleResult::Errand => {
                self.sessions.stir();
                if let (Purpose::Robots, Some(result)) =
                    (entry.lease.purpose, robots.as_ref().and_then(RobotsResult::of))
                {
                    RobotsFetched { host: entry.lease.url.authority(), result }.record(&self.telemetry);
                }
            }
            SettleResult::Stale => {}
        }
    }

    /// Writes the record of a URL that was to be fetched again, at a host where nothing is fetched any more.
    fn tell_given_back(&mut self, lease: Lease, reason: SkipReason, rule: Option<(&'static str, Source)>) {
        let (rule, source) = rule.unwrap_or((reason.name(), Source::BuiltIn));
        let decision = Decision { verdict: reason, rule, source };
        self.tell_skip(Skipped { url: lease.url, decision, referrer: lease.referrer });
    }

    /// Remembers why a seed led to no page, for a crawl that found none.
    fn note_fault(&mut self, entry: &Entry, disposition: Disposition, message: Option<&str>) {
        let failed = matches!(disposition, Disposition::Failed(_));
        if failed && entry.lease.depth == 0 && self.tally.wants_seed_fault() {
            let summary = entry.summary.as_ref();
            let cause = message.map(str::to_owned).or_else(|| {
                let error = summary.and_then(|summary| summary.error.as_ref()).map(ToString::to_string);
                error.or_else(|| {
                    summary.and_then(|summary| summary.status).map(|status| format!("status {status}"))
                })
            });
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            self.tally.seed_fault(&format!("{} {disposition}{cause}", entry.lease.url));
        }
    }

    fn tell_page(
        &mut self,
        entry: Entry,
        disposition: Disposition,
        target: Option<CanonicalUrl>,
        told: Told,
    ) {
        let Told { items, title, message } = told;
        let url = entry.lease.url.clone();
        if let Some(summary) = entry.summary
            && self.sinks.iter().any(|sink| sink.takes(RecordKind::Page))
        {
            let mut record = PageRecord::of_fetch(entry.lease, summary, disposition);
            record.redirect_target = target;
            record.title = title;
            record.error = message.map(RecordError::handler).or(record.error);
            self.tell(RecordKind::Page, || record.clone().into());
        }
        for (route, made) in items {
            let handler = self.routes.get(route).map(|desk| Arc::clone(&desk.route.name)).unwrap_or_default();
            for item in made {
                self.tally.totals.items += 1;
                let record = ItemRecord { handler: Arc::clone(&handler), url: url.clone(), item };
                self.tell(RecordKind::Item, || record.clone().into());
            }
        }
    }
}
