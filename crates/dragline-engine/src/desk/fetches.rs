//! Takes the end of fetches: frees slots, and sends each lease to handlers or to its settle.

use std::sync::Arc;

use dragline_core::digest::{FetchDone, Next};
use dragline_core::fetch::{FetchResponse, Phase};
use dragline_core::frontier::{FetchedReport, Purpose, Settlement, Token};
use dragline_core::{Outcome, Page, Time, Wall};
use dragline_telemetry::events::{ActorRestarted, BackoffStarted, StaleAnswer};

use super::{Completion, Desk, Life, ReadySettle, Told};

impl Desk {
    /// Takes what a fetcher's lanes have ended.
    pub(crate) fn fetches_done(&mut self, now: Time, fetcher: usize, done: Vec<FetchDone>) {
        let mut fetched = Vec::with_capacity(done.len());
        let mut freed = Vec::new();
        for FetchDone { token, fetched: mut report, summary, next } in done {
            if !self.ledger.fetched(token, fetcher, summary) {
                StaleAnswer.record(&self.telemetry);
                continue;
            }
            // A stale answer is one of an earlier life, whose lane credits were given back at its death.
            if let Some(desk) = self.fetchers.get_mut(fetcher) {
                desk.assigned = desk.assigned.saturating_sub(1);
            }
            self.count_fetch(token);
            if self.sessions.wants_slots() {
                freed.extend(self.ledger.get(token).map(|entry| entry.lease.url.host_key()));
            }
            match next {
                Next::Handle(page) => report.to_handlers = self.hand_over(token, page),
                Next::Settle(settlement) => self.settle_at_once(token, settlement),
            }
            fetched.push(report);
        }
        if !fetched.is_empty() {
            let ticket = self.frontier.fetched(now, fetched);
            self.submit_without_records(now, ticket, Completion::Fetched);
        }
        freed.iter().for_each(|host| self.sessions.freed(now, host));
    }

    /// Takes the end of a fetcher: its fetches have crashed, and it is started again while the budget lasts.
    pub(crate) fn fetcher_died(&mut self, now: Time, wall: Wall, fetcher: usize) {
        let lost = self.ledger.unfinished_at(fetcher);
        let crashed: Vec<_> = lost.into_iter().filter_map(|token| self.crashed(token, wall)).collect();
        self.fetches_done(now, fetcher, crashed);
        if let Some(desk) = self.fetchers.get_mut(fetcher) {
            desk.life = Life::Dead;
        }
        match self.fetcher_budget.charge(now) {
            Some(at) => {
                if let Some(actor) = self.telemetry.actor_id("fetcher") {
                    ActorRestarted { actor, reason: "it panicked" }.record(&self.telemetry);
                }
                self.orders.respawn.push((fetcher, at));
            }
            None => self.give_up(format!("fetcher {fetcher} died too often")),
        }
    }

    /// Whether a fetcher's death is news.
    pub(crate) fn fetcher_lives(&self, fetcher: usize) -> bool {
        self.fetchers.get(fetcher).is_some_and(|desk| desk.life != Life::Dead)
    }

    /// Notes that a fetcher was made again.
    pub(crate) fn fetcher_respawned(&mut self, fetcher: usize) {
        if let Some(desk) = self.fetchers.get_mut(fetcher) {
            desk.life = Life::Starting;
        }
    }

    /// Notes that a fetcher takes leases from now on.
    pub(crate) fn fetcher_started(&mut self, fetcher: usize) {
        if let Some(desk) = self.fetchers.get_mut(fetcher).filter(|desk| desk.life == Life::Starting) {
            desk.life = Life::Working;
        }
    }

    fn crashed(&self, token: Token, wall: Wall) -> Option<FetchDone> {
        let lease = &self.ledger.get(token)?.lease;
        let response = FetchResponse::failed(Outcome::Crashed, Phase::Queue, "its fetcher died");
        Some(dragline_core::digest::digest(lease, response, &self.rules, wall))
    }

    /// Hands a page to every route that takes it; `false`: none does, and it is done.
    fn hand_over(&mut self, token: Token, page: Arc<Page>) -> bool {
        let takers: Vec<usize> = (0..self.routes.len())
            .filter(|&index| self.routes.get(index).is_some_and(|desk| desk.route.takes(&page)))
            .collect();
        if takers.is_empty() {
            self.settle_at_once(token, Settlement::Done);
            return false;
        }
        self.ledger.to_handlers(token, page, &takers);
        for index in takers {
            if let Some(desk) = self.routes.get_mut(index) {
                desk.roster.enqueue(token);
            }
        }
        true
    }

    fn settle_at_once(&mut self, token: Token, settlement: Settlement) {
        self.ready.push_back(ReadySettle { token, settlement, offers: Vec::new(), told: Told::default() });
    }

    fn count_fetch(&mut self, token: Token) {
        let Some(entry) = self.ledger.get(token) else { return };
        let totals = &mut self.tally.totals;
        match entry.lease.purpose {
            Purpose::Page => totals.fetches += 1,
            Purpose::Robots => totals.robots_fetches += 1,
            Purpose::Sitemap => totals.sitemap_fetches += 1,
        }
        if let Some(summary) = &entry.summary {
            totals.received_bytes += summary.received_bytes;
            totals.body_bytes += summary.body_bytes;
        }
    }

    pub(super) fn fetched_applied(&mut self, report: &FetchedReport) {
        if report.errands_ended {
            self.sessions.stir();
        }
        for _ in &report.stale {
            StaleAnswer.record(&self.telemetry);
        }
        for (host, trigger) in &report.backoffs {
            let (trigger, host) = (*trigger, host.to_string());
            BackoffStarted { trigger, host: &host }.record(&self.telemetry);
        }
    }
}
