//! Decides what a host can do, when, and which of its waiting URLs can only end.

use super::hosts::HostId;
use super::mem::MemFrontier;
use super::queue::{OriginQueue, RobotsState};
use super::schedule::{HostClass, Place, Plan};
use super::types::Drain;
use crate::decision::{Decision, Source};
use crate::disposition::SkipReason;
use crate::url::{Origin, Scheme};

/// Waiting URLs of an origin that can only end, and why.
#[derive(Debug)]
pub(super) struct Doom {
    pub(super) decision: Decision<SkipReason>,
    /// Whether URLs that were leased before end too.
    pub(super) all: bool,
}

impl MemFrontier {
    /// Returns scheme, host and port of an origin.
    pub(super) fn origin_of(&self, id: HostId, scheme: Scheme) -> Origin {
        let key = self.table.key(id);
        Origin { scheme, host: key.host.clone(), port: key.port }
    }

    /// Whether `[scope] urls_max` is used up.
    pub(super) const fn budget_is_spent(&self) -> bool {
        let most = self.rules.scope.urls_max;
        most > 0 && self.counts.urls_leased >= most
    }

    /// Returns why URLs of any host can only end.
    pub(super) fn crawl_doom(&self) -> Option<Doom> {
        if self.drain == Some(Drain::Drop) {
            return Some(Doom { decision: Decision::built_in(SkipReason::Drained, "drain"), all: true });
        }
        let spent = || Decision::by_key(SkipReason::Budget, "scope.urls_max");
        self.budget_is_spent().then(|| Doom { decision: spent(), all: false })
    }

    /// Returns why URLs of an origin can only end; `None` when they can be leased.
    pub(super) fn doom(&self, id: HostId, scheme: Scheme) -> Option<Doom> {
        let work = &self.work[id.index()];
        if self.drain == Some(Drain::Drop) {
            return self.crawl_doom();
        }
        if let Some(parked) = self.table.clock(id).parked() {
            return Some(Doom { decision: parked.clone(), all: true });
        }
        if matches!(work.origin(scheme), Some(origin) if matches!(origin.robots, RobotsState::Unreachable(..)))
        {
            let source = Source::Robots { origin: self.origin_of(id, scheme), line: None };
            let verdict = SkipReason::RobotsUnreachable;
            return Some(Doom {
                decision: Decision { verdict, rule: "robots.unreachable", source },
                all: true,
            });
        }
        let most = self.rules.scope.urls_per_host_max;
        if most > 0 && work.urls_leased >= most {
            let decision = Decision::by_key(SkipReason::HostLimit, "scope.urls_per_host_max");
            return Some(Doom { decision, all: false });
        }
        self.crawl_doom()
    }

    /// Returns the first origin of a host with URLs that can only end.
    pub(super) fn doomed_origin(&self, id: HostId) -> Option<(usize, Doom)> {
        let origins = self.work[id.index()].origins.iter().enumerate();
        let mut doomed = origins.filter(|(_, origin)| origin.len() > 0).filter_map(|(at, origin)| {
            let doom = self.doom(id, origin.scheme)?;
            (doom.all || !origin.fresh.is_empty()).then_some((at, doom))
        });
        doomed.next()
    }

    /// Returns what a host can do and when, and what it counts for in the gauges.
    pub(super) fn plan(&self, id: HostId) -> Plan {
        let work = &self.work[id.index()];
        let clock = self.table.clock(id);
        let retry_wait = work.origins.iter().map(|origin| origin.later.len() as u64).sum();
        let waiting = work.waiting() as u64;
        let mut plan = Plan { delayed: waiting - retry_wait, retry_wait, ..Plan::default() };
        let ready = |since| Place::Ready { since, last_lease: work.last_lease, fetcher: work.fetcher };
        if waiting > 0 && self.doomed_origin(id).is_some() {
            plan.place = ready(self.now);
            plan.class = if clock.parked().is_some() { HostClass::Parked } else { HostClass::Waiting };
            return plan;
        }
        let answered = || work.origins.iter().filter(|origin| origin.robots.is_answered());
        let first = |origin: &OriginQueue| {
            origin.head().or_else(|| origin.later.first().copied()).map(|entry| entry.since)
        };
        let page = answered().filter_map(first).min();
        let errand = work.errands.first().map(|(at, _)| *at);
        plan.class = match (clock.parked().is_some(), clock.free_slots(), waiting) {
            (true, ..) => HostClass::Parked,
            (_, 0, _) => HostClass::Busy,
            (.., 0) if errand.is_none() => HostClass::Quiet,
            _ if page.is_none() => HostClass::RobotsPending,
            _ => HostClass::Waiting,
        };
        let Some(first) = errand.into_iter().chain(page).min() else { return plan };
        if clock.free_slots() == 0 || clock.parked().is_some() {
            return plan;
        }
        let at = first.max(clock.crawl_due());
        if at > self.now {
            plan.place = Place::Delayed(at);
            if clock.due() > self.now && clock.is_backing_off() {
                plan.class = HostClass::BackingOff;
            }
            return plan;
        }
        plan.place = ready(at.max(clock.free_since()));
        if page.is_some_and(|page| page <= self.now) {
            plan.class = HostClass::Ready;
            let slots = if clock.gap().is_zero() { u64::from(clock.free_slots()) } else { 1 };
            // A due errand is dispatched first, and its host is not due a second time at once.
            let slots = if errand.is_some_and(|errand| errand <= self.now) { slots - 1 } else { slots };
            let due: u64 = answered().map(|origin| (origin.fresh_len() + origin.again.len()) as u64).sum();
            plan.ready = slots.min(due);
            plan.delayed -= plan.ready;
        }
        plan
    }
}
