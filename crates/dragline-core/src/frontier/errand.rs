//! Runs errands for robots.txt: one for each origin that somebody wants, until rules are known or given up.

use std::sync::Arc;
use std::time::Duration;

use super::admission::RobotsView;
use super::hosts::HostId;
use super::mem::MemFrontier;
use super::queue::RobotsState;
use super::types::{RobotsAnswer, Settlement};
use crate::decision::Decision;
use crate::disposition::SkipReason;
use crate::outcome::Outcome;
use crate::retry::{self, Attempt, Retry};
use crate::robots::RobotsTxt;
use crate::rules::CrawlDelayOver;
use crate::time::Time;
use crate::url::{CanonicalUrl, Scheme};

const ONLY_REFUSES: &str = "the host that has it only refuses";

/// A robots.txt on its way: due, under way, or waiting for another attempt.
#[derive(Debug)]
pub(super) struct Errand {
    /// The host and scheme of the origin that the result is for.
    pub(super) home: HostId,
    pub(super) scheme: Scheme,
    /// What is fetched next.
    pub(super) target: CanonicalUrl,
    /// The redirects that led there, oldest first.
    pub(super) hops: Vec<CanonicalUrl>,
    /// Attempts that failed.
    pub(super) attempts: u32,
    /// The rules that expired: kept when new ones cannot be had.
    expired: Option<Arc<RobotsTxt>>,
}

impl MemFrontier {
    /// Starts an errand for each origin of a host that has waiting URLs and no rules in force.
    pub(super) fn ask_robots(&mut self, id: HostId) {
        for at in 0..self.work[id.index()].origins.len() {
            let origin = &self.work[id.index()].origins[at];
            if !origin.robots.wants_errand(self.now) || origin.len() == 0 {
                continue;
            }
            let doom = self.doom(id, origin.scheme);
            if doom.is_some_and(|doom| doom.all || origin.fresh_len() == origin.len()) {
                continue;
            }
            self.start_errand(id, origin.scheme);
        }
    }

    /// Starts an errand for an origin without rules in force.
    fn start_errand(&mut self, id: HostId, scheme: Scheme) {
        if !self.rules.robots.obey {
            self.work[id.index()].origin_mut(scheme).robots = RobotsState::Ignored;
            return;
        }
        let Ok(target) = self.origin_of(id, scheme).at("/robots.txt") else {
            // The name is so long that no URL of the host but its root can be held.
            self.work[id.index()].origin_mut(scheme).robots = RobotsState::Unavailable(Time::MAX);
            return;
        };
        let origin = self.work[id.index()].origin_mut(scheme);
        let expired = match &origin.robots {
            RobotsState::Known(rules, _) => Some(Arc::clone(rules)),
            _ => None,
        };
        let errand = Errand { home: id, scheme, target, hops: Vec::new(), attempts: 0, expired };
        let number = self.errands.insert(errand);
        origin.robots = RobotsState::Asked(number);
        self.work[id.index()].errands.insert((self.now, number));
    }

    /// Says what robots.txt says of a URL, and sees to it that somebody finds out what is not known.
    pub(super) fn view_robots(&mut self, url: &CanonicalUrl) -> RobotsView {
        if !self.rules.robots.obey {
            return RobotsView::NotObeyed;
        }
        let (id, scheme) = (self.enter_host(&url.host_key()), url.scheme());
        if self.work[id.index()].origin_mut(scheme).robots.wants_errand(self.now) {
            if let Some(decision) = self.table.clock(id).parked() {
                return RobotsView::Parked(decision.verdict);
            }
            if self.drain.is_some() {
                return RobotsView::Unknown;
            }
            self.start_errand(id, scheme);
            self.refresh(id);
        }
        match &self.work[id.index()].origin_mut(scheme).robots {
            RobotsState::Known(rules, _) => {
                let found = rules.check(url.path_and_query());
                let line = found.line;
                if found.allowed { RobotsView::Allowed { line } } else { RobotsView::Disallowed { line } }
            }
            RobotsState::Unavailable(_) => RobotsView::AssumedAllowed,
            RobotsState::Ignored => RobotsView::NotObeyed,
            RobotsState::Unreachable(outcome, message) => {
                RobotsView::Unreachable { outcome: *outcome, message: Arc::clone(message) }
            }
            RobotsState::Asked(number) => {
                self.wanted.insert(*number);
                RobotsView::Unknown
            }
            RobotsState::Unknown => RobotsView::Unknown,
        }
    }

    fn remove_errand(&mut self, number: u32) -> Errand {
        self.wanted.remove(&number);
        self.errands.remove(number)
    }

    /// Drops an errand that nobody waits for; it begins anew when somebody does.
    pub(super) fn cancel_errand(&mut self, number: u32) {
        let errand = self.remove_errand(number);
        let until = self.now;
        let state = errand.expired.map_or(RobotsState::Unknown, |rules| RobotsState::Known(rules, until));
        self.work[errand.home.index()].origin_mut(errand.scheme).robots = state;
    }

    /// Applies what an errand brought.
    pub(super) fn settle_errand(&mut self, number: u32, settlement: Settlement) {
        let answer = match settlement {
            Settlement::Robots(answer) => answer,
            Settlement::Redirected(target) => RobotsAnswer::Redirect(target),
            Settlement::Done | Settlement::RedirectUnusable => {
                RobotsAnswer::Unavailable { too_many_redirects: false }
            }
            Settlement::FetchFailed { outcome, status, .. } => {
                RobotsAnswer::Unreachable { outcome, status, message: outcome.name().into() }
            }
            Settlement::Failed(kind) => {
                let message = kind.name().into();
                RobotsAnswer::Unreachable { outcome: Outcome::Crashed, status: None, message }
            }
            Settlement::RetryLater(_) => {
                let message = "put off".into();
                RobotsAnswer::Unreachable { outcome: Outcome::Deferred, status: None, message }
            }
        };
        let expires = self.now + self.rules.robots.cache;
        match answer {
            RobotsAnswer::Rules(rules) => self.end_errand(number, RobotsState::Known(rules, expires)),
            RobotsAnswer::Unavailable { .. } => self.end_errand(number, RobotsState::Unavailable(expires)),
            RobotsAnswer::Redirect(target) => self.redirect_errand(number, target),
            RobotsAnswer::Unreachable { outcome, message, .. } => {
                self.retry_errand(number, outcome, &message);
            }
        }
    }

    fn redirect_errand(&mut self, number: u32, target: CanonicalUrl) {
        let hops_max = usize::try_from(self.rules.robots.redirects_max).unwrap_or(usize::MAX);
        let errand = self.errands.at_mut(number);
        if errand.hops.len() >= hops_max {
            let expires = self.now + self.rules.robots.cache;
            return self.end_errand(number, RobotsState::Unavailable(expires));
        }
        let from = std::mem::replace(&mut errand.target, target);
        errand.hops.push(from);
        let host = errand.target.host_key();
        let at = self.enter_host(&host);
        self.queue_errand(number, at, self.now);
    }

    /// Begins again while there are attempts, unless another cannot end better: a refused address stays refused.
    /// Every status is worth another attempt here, whatever `[retry] statuses` says of pages.
    fn retry_errand(&mut self, number: u32, ended: Outcome, message: &Arc<str>) {
        let outcome = if ended == Outcome::HttpError { Outcome::Timeout } else { ended };
        let errand = self.errands.at_mut(number);
        errand.attempts += 1;
        let attempt = Attempt { made: errand.attempts, outcome, status: None, retry_after: None };
        let (home, scheme) = (errand.home, errand.scheme);
        let wait =
            retry::decide(&self.rules.retry, &attempt, self.rules.politeness.backoff_max, &mut self.chance);
        let first = self.origin_of(home, scheme).at("/robots.txt");
        match (wait.verdict, first) {
            (Retry::Again { after, .. }, Ok(target)) => {
                let errand = self.errands.at_mut(number);
                errand.hops.clear();
                errand.target = target;
                self.queue_errand(number, home, self.now + after);
            }
            _ => self.give_up_errand(number, ended, message),
        }
    }

    fn queue_errand(&mut self, number: u32, at: HostId, due: Time) {
        if self.table.clock(at).parked().is_some() {
            return self.give_up_errand(number, Outcome::Deferred, &ONLY_REFUSES.into());
        }
        self.work[at.index()].errands.insert((due, number));
        self.refresh(at);
    }

    /// Gives up: rules that expired stay in force, else nothing may be fetched.
    fn give_up_errand(&mut self, number: u32, outcome: Outcome, message: &Arc<str>) {
        let errand = self.errands.at_mut(number);
        let expires = self.now + self.rules.robots.cache.max(Duration::from_secs(1));
        if let Some(rules) = errand.expired.take() {
            return self.end_errand(number, RobotsState::Known(rules, expires));
        }
        let (home, scheme) = (errand.home, errand.scheme);
        let origin = self.origin_of(home, scheme);
        self.counts.note_unreachable(&origin, Arc::clone(message));
        // An answer that means disallow puts a URL off; an address that does not answer is what it is.
        let outcome = if outcome == Outcome::HttpError { Outcome::Deferred } else { outcome };
        self.end_errand(number, RobotsState::Unreachable(outcome, Arc::clone(message)));
    }

    fn end_errand(&mut self, number: u32, state: RobotsState) {
        let errand = self.remove_errand(number);
        let origin = self.work[errand.home.index()].origin_mut(errand.scheme);
        origin.crawl_delay = match &state {
            RobotsState::Known(rules, _) => rules.crawl_delay(),
            _ => None,
        };
        origin.robots = state;
        self.note_robots(errand.home, errand.scheme);
        self.apply_crawl_delay(errand.home);
        self.note_clock(errand.home);
        self.refresh(errand.home);
    }

    /// Sets the longest crawl delay that an origin of the host asks for.
    fn apply_crawl_delay(&mut self, id: HostId) {
        let asked = self.work[id.index()].origins.iter().filter_map(|origin| origin.crawl_delay).max();
        let longest = self.rules.robots.crawl_delay_max;
        let clock = self.table.clock_mut(id);
        clock.set_crawl_delay(asked.map(|asked| asked.min(longest)));
        let over = asked.is_some_and(|asked| asked > longest);
        if over && self.rules.robots.crawl_delay_over == CrawlDelayOver::SkipHost {
            clock.park(Decision::by_key(SkipReason::Parked, "robots.crawl_delay_over"));
            self.end_errands_at(id);
        }
    }

    /// Ends the errands that were to be sent to a host that has been parked.
    pub(super) fn end_errands_at(&mut self, id: HostId) {
        for (_, number) in std::mem::take(&mut self.work[id.index()].errands) {
            if self.errands.at(number).home == id {
                self.cancel_errand(number);
            } else {
                self.give_up_errand(number, Outcome::Deferred, &ONLY_REFUSES.into());
            }
        }
    }
}
