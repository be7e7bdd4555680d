//! Settles leases: ends them, or sends their URLs back to waiting.

use std::time::Duration;

use super::hosts::HostId;
use super::mem::MemFrontier;
use super::offer::NewUrl;
use super::seen::Standing;
use super::state::{Cargo, UrlMove};
use super::types::{
    Fetched, FetchedReport, OfferBatch, OfferSource, Settle, SettleReport, SettleResult, Settled, Settlement,
    Visit,
};
use crate::decision::{Decision, Source};
use crate::disposition::{Disposition, FailKind, LinkRefusal};
use crate::outcome::Outcome;
use crate::redirect::{self, RedirectVerdict};
use crate::retry::{self, Attempt, Retry};
use crate::time::Time;
use crate::url::CanonicalUrl;

const REDIRECT_ERROR: Disposition = Disposition::Failed(FailKind::Fetch(Outcome::RedirectError));

impl MemFrontier {
    /// Takes the end of one fetch: its slot is free, its host's clock has learned.
    pub(super) fn end_fetch(&mut self, fetched: &Fetched, report: &mut FetchedReport) {
        let flight = self.flights.get_mut(&fetched.token).filter(|flight| flight.holds_slot);
        let Some(flight) = flight else {
            self.counts.stale += 1;
            report.stale.push(fetched.token);
            return;
        };
        flight.holds_slot = false;
        let (id, cargo, leased_at) = (flight.host, flight.cargo, flight.leased_at);
        self.table.clock_mut(id).free(self.now);
        if let Some(trigger) = self.table.observe(self.now, id, leased_at, fetched) {
            report.backoffs.push((self.table.key(id).clone(), trigger));
        }
        self.note_clock(id);
        if let (Cargo::Page(number), true) = (cargo, fetched.to_handlers) {
            let record = self.urls.at_mut(number);
            record.state = record.state.advance(UrlMove::Fetch);
        }
        self.after_fetch(id, report);
    }

    /// Follows up on what a host's clock learned.
    pub(super) fn after_fetch(&mut self, id: HostId, report: &mut FetchedReport) {
        if self.table.clock(id).parked().is_some() {
            report.errands_ended |= !self.work[id.index()].errands.is_empty();
            self.end_errands_at(id);
        }
        self.refresh(id);
    }

    /// Settles one lease.
    pub(super) fn settle_one(&mut self, settle: Settle, report: &mut SettleReport) {
        let Settle { token, settlement, offers, visit } = settle;
        #[cfg(feature = "mutants")]
        let token = self.mutated(token);
        let Some(flight) = self.flights.remove(&token) else {
            self.counts.stale += 1;
            report.settled.push(Settled { token, result: SettleResult::Stale });
            return;
        };
        debug_assert_eq!(flight.token, token);
        if flight.holds_slot {
            self.table.clock_mut(flight.host).free(self.now);
        }
        let result = match flight.cargo {
            Cargo::Errand(number) => {
                self.settle_errand(number, settlement);
                SettleResult::Errand
            }
            Cargo::Page(number) => {
                self.counts.in_flight -= 1;
                self.counts.first_in_flight -= u64::from(flight.is_first);
                let visit = visit.as_deref();
                self.settle_page(number, settlement, &offers, visit, report)
            }
        };
        self.refresh(flight.host);
        report.settled.push(Settled { token, result });
    }

    #[cfg(feature = "mutants")]
    fn mutated(&self, token: super::Token) -> super::Token {
        let is_stale = !self.flights.contains_key(&token);
        if is_stale && self.mutant == Some(super::Mutant::StaleTokenAccepted) {
            let pages = self.flights.values().filter(|flight| matches!(flight.cargo, Cargo::Page(_)));
            return pages.map(|flight| flight.token).min().unwrap_or(token);
        }
        token
    }

    fn settle_page(
        &mut self,
        number: u32,
        settlement: Settlement,
        offers: &[OfferBatch],
        visit: Option<&Visit>,
        report: &mut SettleReport,
    ) -> SettleResult {
        let failed = |kind| Disposition::Failed(kind);
        match settlement {
            Settlement::Done => {
                let result = self.end(number, Disposition::Done, None, visit);
                for batch in offers {
                    self.offer_batch(batch, &mut report.offers);
                }
                result
            }
            Settlement::Failed(kind) => self.end(number, failed(kind), None, visit),
            Settlement::FetchFailed { outcome, status, retry_after } => {
                self.settle_failed_fetch(number, (outcome, status, retry_after), visit)
            }
            Settlement::RetryLater(after) => {
                if self.urls.at(number).attempts >= self.rules.retry.attempts {
                    let rule = Decision::by_key((), "retry.attempts");
                    return self.end(number, failed(FailKind::HandlerError), Some(rule), visit);
                }
                self.put_back(number, self.now + after, Again::Retry)
            }
            Settlement::Redirected(target) => self.settle_redirect(number, target, visit, report),
            Settlement::RedirectUnusable => {
                let rule = Some(Decision::built_in((), "redirect.target"));
                self.end(number, REDIRECT_ERROR, rule, visit)
            }
            Settlement::Robots(_) => panic!("a URL of the crawl is settled as an errand"),
        }
    }

    fn settle_failed_fetch(
        &mut self,
        number: u32,
        (outcome, status, retry_after): (Outcome, Option<u16>, Option<Duration>),
        visit: Option<&Visit>,
    ) -> SettleResult {
        let attempt = Attempt { made: self.urls.at(number).attempts, outcome, status, retry_after };
        let backoff_max = self.rules.politeness.backoff_max;
        let decision = retry::decide(&self.rules.retry, &attempt, backoff_max, &mut self.chance);
        match decision.verdict {
            Retry::Again { after, free } => {
                if free {
                    self.urls.at_mut(number).attempts -= 1;
                }
                self.put_back(number, self.now + after, Again::Retry)
            }
            Retry::GiveUp => {
                let kind = outcome.fail_kind().unwrap_or(FailKind::Fetch(Outcome::Crashed));
                self.end(number, Disposition::Failed(kind), Some(decision.map(|_| ())), visit)
            }
        }
    }

    fn settle_redirect(
        &mut self,
        number: u32,
        target: CanonicalUrl,
        visit: Option<&Visit>,
        report: &mut SettleReport,
    ) -> SettleResult {
        self.adopt(number);
        let record = self.urls.at(number);
        let verdict = redirect::judge(&record.chain, &record.url, &target, self.rules.redirects_max);
        let chain = || record.chain.iter().chain([&record.url]).cloned().collect();
        match verdict {
            RedirectVerdict::Follow => {
                let new = NewUrl {
                    fingerprint: self.fingerprinter.of(&target),
                    url: target.clone(),
                    source: OfferSource::Redirect,
                    depth: record.depth,
                    seed: record.seed.clone(),
                    label: record.label.clone(),
                    data: record.data.clone(),
                    referrer: record.referrer.clone(),
                    chain: chain(),
                };
                let result = self.end(number, Disposition::Redirected, None, visit);
                self.offer_target(new, report);
                match result {
                    SettleResult::Final { disposition, rule, .. } => {
                        SettleResult::Final { disposition, rule, target: Some(target) }
                    }
                    other => other,
                }
            }
            RedirectVerdict::Respell => {
                let chain = chain();
                let host = self.enter_host(&target.host_key());
                let record = self.urls.at_mut(number);
                let from = record.host;
                record.chain = chain;
                record.url = target;
                record.host = host;
                record.attempts = 0;
                self.put_back(number, self.now, Again::Respelled { from })
            }
            RedirectVerdict::TooMany => {
                let rule = Decision::by_key((), "fetch.redirects_max");
                self.end(number, REDIRECT_ERROR, Some(rule), visit)
            }
            RedirectVerdict::Loop => {
                let rule = Some(Decision::built_in((), "redirect.loop"));
                self.end(number, REDIRECT_ERROR, rule, visit)
            }
        }
    }

    /// Offers the target of a redirect; the host joins the scope when a seed led there.
    fn offer_target(&mut self, new: NewUrl, report: &mut SettleReport) {
        if let Some(seed) = &new.seed
            && self.scope.join_by_redirect(seed, &new.url).is_some()
        {
            self.journal.note_joined(seed, &new.url);
            self.joined.push((seed.clone(), new.url.clone()));
            report.joined.push((new.url.host().into(), seed.clone()));
        }
        match self.seen.get(new.fingerprint) {
            None if new.url.as_str().len() > self.rules.scope.url_bytes_max => {
                self.refuse(LinkRefusal::TooLong, 1, &mut report.targets);
            }
            None => {
                self.discover(new, &mut report.targets);
                self.plan_discovered();
            }
            Some(standing) => {
                self.count_duplicates(1, &mut report.targets);
                self.lower_depth(new.fingerprint, standing, new.depth);
                if let (Standing::Live { .. }, Some(seed)) = (standing, new.seed)
                    && !self.adopted.contains_key(&new.fingerprint)
                {
                    self.journal.note_adopted(new.fingerprint, &seed);
                    self.adopted.insert(new.fingerprint, seed);
                }
            }
        }
    }

    /// Ends a URL that was leased; its text is freed.
    fn end(
        &mut self,
        number: u32,
        disposition: Disposition,
        rule: Option<Decision<()>>,
        visit: Option<&Visit>,
    ) -> SettleResult {
        let record = self.urls.remove(number);
        record.state.end(disposition);
        self.seen.set(record.fingerprint, Standing::Ended(disposition));
        self.counts.end(disposition);
        self.note_end(&record, disposition, visit);
        let rule: Option<(&'static str, Source)> = rule.map(|rule| (rule.rule, rule.source));
        SettleResult::Final { disposition, rule, target: None }
    }

    /// Sends a URL back to waiting; it ends at once where nothing can be leased any more.
    fn put_back(&mut self, number: u32, not_before: Time, why: Again) -> SettleResult {
        let record = self.urls.at_mut(number);
        record.state = record.state.advance(UrlMove::Return);
        let (host, scheme) = self.place_of(number);
        if let Some(doom) = self.doom(host, scheme).filter(|doom| doom.all) {
            let rule = Some((doom.decision.rule, doom.decision.source.clone()));
            let disposition = Disposition::Skipped(doom.decision.verdict);
            self.end_waiting(number, doom.decision);
            return SettleResult::Final { disposition, rule, target: None };
        }
        let from = if let Again::Respelled { from } = why { from } else { host };
        self.note_return(number, from, not_before);
        let entry = self.entry(number, not_before);
        self.work[host.index()].origin_mut(scheme).later.insert(entry);
        self.refresh(host);
        SettleResult::Waiting { not_before, retry: matches!(why, Again::Retry) }
    }
}

/// Why a URL goes back to waiting.
#[derive(Clone, Copy, Debug)]
enum Again {
    Retry,
    /// It stood with this host before.
    Respelled {
        from: HostId,
    },
}
