//! Takes the answers, deaths and delays of handlers, and gives pages to workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::frontier::Token;
use dragline_core::ledger::{Answer, Answered, Conclusion, conclude};
use dragline_core::roster::{Death, DiedWhile, WorkerId};
use dragline_core::{FailKind, Time};
use dragline_telemetry::events::{ActorRestarted, DeadLetter, HandlerFinished, StaleAnswer};
use dragline_telemetry::labels::HandlerOutcome;

use super::orders::Hand;
use super::{Desk, ReadySettle, Told};

impl Desk {
    /// Notes that a worker takes pages from now on.
    pub(crate) fn worker_started(&mut self, route: usize, worker: WorkerId) {
        if let Some(desk) = self.routes.get_mut(route) {
            desk.roster.ready(worker);
        }
    }

    /// Takes a worker's answers.
    pub(crate) fn pages_handled(
        &mut self,
        now: Time,
        route: usize,
        worker: WorkerId,
        answers: Vec<(Token, Answer)>,
    ) {
        for (token, answer) in answers {
            let desk = self.routes.get_mut(route);
            let current = desk.is_some_and(|desk| desk.roster.answered(worker, token, now));
            if current {
                self.answer(route, token, answer);
            } else {
                StaleAnswer.record(&self.telemetry);
            }
        }
    }

    /// Takes a worker's death: its pages are tried again alone, and a successor is started.
    pub(crate) fn worker_died(&mut self, now: Time, route: usize, worker: WorkerId, during: DiedWhile) {
        let Some(desk) = self.routes.get_mut(route) else { return };
        let Some(death) = desk.roster.died(worker, now, during) else { return };
        self.bury(route, &death, FailKind::HandlerPanic, "the handler died on this page, which it had alone");
    }

    /// Gives up workers that do not answer in time, with the thread they hang on.
    pub(crate) fn abandon_overdue(&mut self, now: Time) {
        for route in 0..self.routes.len() {
            while let Some(desk) = self.routes.get_mut(route)
                && let Some((worker, death)) = desk.roster.abandon_overdue(now)
            {
                self.orders.abandon.push((route, worker));
                self.bury(route, &death, FailKind::HandlerTimeout, "the handler did not answer in time");
            }
        }
    }

    fn bury(&mut self, route: usize, death: &Death, kind: FailKind, message: &str) {
        let Some(desk) = self.routes.get(route) else { return };
        let (name, label) = (Arc::clone(&desk.route.name), desk.label);
        let (outcome, duration) = match kind {
            FailKind::HandlerTimeout => (HandlerOutcome::Timeout, desk.roster.rules().timeout),
            _ => (HandlerOutcome::Panic, Duration::ZERO),
        };
        if let Some(token) = death.dead_letter {
            let url = self.ledger.get(token).map(|entry| entry.lease.url.clone());
            if let (Some(handler), Some(url)) = (label, &url) {
                let url = url.as_str();
                HandlerFinished { handler, url, outcome, duration }.record(&self.telemetry);
                DeadLetter { handler, url, reason: message }.record(&self.telemetry);
            }
            self.answer(route, token, Answer::Failed(kind, message.into()));
        }
        match death.successor {
            Some((worker, at)) => {
                if let Some(actor) = self.telemetry.actor_id("handler") {
                    ActorRestarted { actor, reason: outcome.name() }.record(&self.telemetry);
                }
                self.orders.start.push((route, worker, at));
            }
            None => self.give_up(format!("handler {name} died too often, on pages that do not explain it")),
        }
    }

    fn answer(&mut self, route: usize, token: Token, answer: Answer) {
        match self.ledger.answer(token, route, answer) {
            Answered::Waiting => {}
            Answered::Stale => StaleAnswer.record(&self.telemetry),
            Answered::Complete => {
                let answers = self.ledger.take_answers(token);
                let Conclusion { settlement, offers, items, title, message } = conclude(answers);
                let told = Told { items, title, message };
                self.ready.push_back(ReadySettle { token, settlement, offers, told });
            }
        }
    }

    /// Gives waiting pages to workers with free credits.
    pub(super) fn hand(&mut self, now: Time) {
        for (route, desk) in self.routes.iter_mut().enumerate() {
            let mut hands: BTreeMap<WorkerId, Hand> = BTreeMap::new();
            while let Some((worker, token)) = desk.roster.dispatch(now) {
                let page = self.ledger.get(token).and_then(|entry| entry.page.as_ref());
                let Some(page) = page else {
                    debug_assert!(false, "a page waits for a worker until it is settled");
                    desk.roster.answered(worker, token, now);
                    continue;
                };
                let hand = hands.entry(worker).or_insert_with(|| Hand { route, worker, pages: Vec::new() });
                hand.pages.push((token, Arc::clone(page)));
            }
            self.orders.hand.extend(hands.into_values());
        }
    }
}
