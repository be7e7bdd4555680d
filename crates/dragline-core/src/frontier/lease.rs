//! Grants leases: robots.txt first, then URLs whose host is due, has a slot, and allows them.

use super::hosts::HostId;
use super::mem::MemFrontier;
use super::queue::RobotsState;
use super::schedule::Place;
use super::seen::{DEPTH_MAX, Standing};
use super::state::{Cargo, Flight, UrlMove};
use super::types::{Drain, Lease, LeaseReport, Purpose, RobotsTally, Skipped, Token, Want};
use crate::decision::{Decision, Source};
use crate::disposition::{Disposition, SkipReason};
use crate::time::Time;
use crate::url::{CanonicalUrl, Scheme};

/// URLs skipped and hosts looked at in vain in one call: what is left waits for the next, which is due at once.
const VAIN_MAX: u32 = 4_096;

impl MemFrontier {
    /// Grants at most `want.most` leases.
    pub(super) fn lease_some(&mut self, want: Want) -> LeaseReport {
        let mut report = LeaseReport::default();
        if self.drain.is_some() || self.fault.is_some() {
            return report;
        }
        let mut vain = VAIN_MAX;
        self.sweep_some(&mut vain, &mut report);
        while report.leases.len() < want.most && vain > 0 && self.fault.is_none() {
            let Some(id) = self.schedule.next_for(want.fetcher) else { break };
            // Rules may have expired since the host became ready.
            self.refresh(id);
            if !matches!(self.work[id.index()].plan.place, Place::Ready { .. }) {
                continue;
            }
            if !self.serve(id, want.fetcher, &mut vain, &mut report) {
                vain = vain.saturating_sub(1);
            }
            self.refresh(id);
        }
        self.sweep_some(&mut vain, &mut report);
        report
    }

    /// Grants a lease of an errand that sessions wait for, if one is due.
    pub(super) fn lease_one_wanted(&mut self, fetcher: usize) -> Option<Lease> {
        let mut report = LeaseReport::default();
        if self.drain.is_some() {
            return None;
        }
        for number in self.wanted.clone() {
            let at = self.enter_host(&self.errands.at(number).target.host_key());
            let (work, clock) = (&mut self.work[at.index()], self.table.clock(at));
            let is_free = clock.parked().is_none() && clock.free_slots() > 0 && clock.crawl_due() <= self.now;
            let due =
                work.errands.iter().find(|(due, queued)| *queued == number && *due <= self.now).copied();
            if let Some(entry) = due.filter(|_| is_free) {
                work.errands.remove(&entry);
                self.lease_errand(at, number, entry.0, fetcher, &mut report);
                self.refresh(at);
                break;
            }
        }
        report.leases.pop()
    }

    /// Does the next thing a ready host has to do; returns whether it was a lease.
    fn serve(&mut self, id: HostId, fetcher: usize, vain: &mut u32, report: &mut LeaseReport) -> bool {
        if self.doomed_origin(id).is_some() {
            self.end_doomed(id, vain, report);
            return false;
        }
        if let Some((due, errand)) = self.work[id.index()].errands.first().copied()
            && due <= self.now
        {
            self.work[id.index()].errands.pop_first();
            return self.lease_errand(id, errand, due, fetcher, report);
        }
        let origin = self.work[id.index()].next_origin().expect("a ready host has something to do");
        self.lease_page(id, origin, fetcher, report)
    }

    fn lease_page(&mut self, id: HostId, at: usize, fetcher: usize, report: &mut LeaseReport) -> bool {
        let clock = self.table.clock(id);
        let host_ready = clock.crawl_due().max(clock.free_since());
        let origin = &mut self.work[id.index()].origins[at];
        let is_first = origin.again.is_empty();
        let entry = origin.pop().expect("an origin that is next has a URL");
        let robots = judge(&origin.robots, &self.urls.at(entry.url).url, &mut report.robots);
        let scheme = origin.scheme;
        self.refill(id, at);
        if let Err(line) = robots {
            let source = Source::Robots { origin: self.origin_of(id, scheme), line };
            let decision = Decision { verdict: SkipReason::Robots, rule: "robots.disallow", source };
            report.skipped.push(self.end_waiting(entry.url, decision));
            return false;
        }
        if is_first {
            self.counts.urls_leased += 1;
            self.work[id.index()].urls_leased += 1;
            if self.budget_is_spent() {
                self.sweep.get_or_insert(0);
            }
        }
        let token = self.dispatch(id, fetcher, Cargo::Page(entry.url), is_first);
        self.counts.first_in_flight += u64::from(is_first);
        self.counts.in_flight += 1;
        self.bring_up_to_date(entry.url);
        let record = self.urls.at_mut(entry.url);
        record.state = record.state.advance(UrlMove::Lease);
        record.attempts += 1;
        record.was_leased = true;
        report.leases.push(Lease {
            token,
            url: record.url.clone(),
            purpose: Purpose::Page,
            depth: record.depth,
            attempt: record.attempts,
            generation: record.revisit.as_ref().map_or(0, |revisit| revisit.generation),
            revisit: record.revisit.clone(),
            label: record.label.clone(),
            data: record.data.clone(),
            referrer: record.referrer.clone(),
            chain: record.chain.clone(),
            queue_wait: self.now.since(entry.since.max(host_ready)),
            gap: self.table.clock(id).gap(),
        });
        true
    }

    /// Applies what was learned of a URL while it waited: a lesser depth, the standing of a seed.
    fn bring_up_to_date(&mut self, number: u32) {
        let record = self.urls.at_mut(number);
        if let Some(Standing::Live { depth }) = self.seen.get(record.fingerprint)
            && depth < DEPTH_MAX
        {
            record.depth = record.depth.min(depth.into());
        }
        self.adopt(number);
    }

    /// Gives a URL the standing of a seed that it got while it waited or was in flight.
    pub(super) fn adopt(&mut self, number: u32) {
        let record = self.urls.at_mut(number);
        if let Some(seed) = self.adopted.remove(&record.fingerprint) {
            record.seed.get_or_insert(seed);
        }
    }

    fn lease_errand(
        &mut self,
        id: HostId,
        number: u32,
        due: Time,
        fetcher: usize,
        report: &mut LeaseReport,
    ) -> bool {
        let errand = self.errands.at(number);
        let (home, scheme) = (errand.home, errand.scheme);
        let crawl_waits = self.work[home.index()].origin(scheme).is_some_and(|origin| origin.len() > 0);
        if !crawl_waits && !self.wanted.contains(&number) {
            self.cancel_errand(number);
            return false;
        }
        let clock = self.table.clock(id);
        let host_ready = clock.crawl_due().max(clock.free_since());
        let token = self.dispatch(id, fetcher, Cargo::Errand(number), false);
        let errand = self.errands.at(number);
        report.leases.push(Lease {
            token,
            url: errand.target.clone(),
            purpose: Purpose::Robots,
            depth: 0,
            attempt: errand.attempts + 1,
            generation: 0,
            revisit: None,
            label: None,
            data: None,
            referrer: None,
            chain: errand.hops.as_slice().into(),
            queue_wait: self.now.since(due.max(host_ready)),
            gap: self.table.clock(id).gap(),
        });
        true
    }

    /// Takes a slot of the host and gives out a token.
    fn dispatch(&mut self, id: HostId, fetcher: usize, cargo: Cargo, is_first: bool) -> Token {
        self.table.clock_mut(id).dispatch(self.now);
        let work = &mut self.work[id.index()];
        work.fetcher = Some(fetcher);
        work.last_lease = self.next_lease;
        self.next_lease += 1;
        let token = Token(self.next_token);
        self.next_token += 1;
        let flight = Flight { token, cargo, host: id, leased_at: self.now, holds_slot: true, is_first };
        let earlier = self.flights.insert(token, flight);
        assert!(earlier.is_none(), "a token is granted once");
        token
    }

    /// Ends a URL that was waiting and has been taken out of its queue.
    pub(super) fn end_waiting(&mut self, number: u32, decision: Decision<SkipReason>) -> Skipped {
        let record = self.urls.remove(number);
        let end = Disposition::Skipped(decision.verdict);
        record.state.end(end);
        self.seen.set(record.fingerprint, Standing::Ended(end));
        self.counts.end(end);
        self.note_end(&record, end, None);
        Skipped { url: record.url, decision, referrer: record.referrer }
    }

    /// Ends URLs of a host that can only end, as many as `vain` allows.
    fn end_doomed(&mut self, id: HostId, vain: &mut u32, report: &mut LeaseReport) {
        while let Some((at, doom)) = self.doomed_origin(id) {
            while *vain > 0 {
                let origin = &mut self.work[id.index()].origins[at];
                let entry = if doom.all { origin.pop_any() } else { origin.fresh.pop_front() };
                let Some(entry) = entry else { break };
                self.refill(id, at);
                *vain -= 1;
                if doom.decision.verdict == SkipReason::RobotsUnreachable {
                    report.robots.assumed_disallowed += 1;
                }
                report.skipped.push(self.end_waiting(entry.url, doom.decision.clone()));
            }
            if *vain == 0 || self.fault.is_some() {
                return;
            }
        }
    }

    /// Goes on ending what waits after the budget was used up.
    fn sweep_some(&mut self, vain: &mut u32, report: &mut LeaseReport) {
        while let Some(at) = self.sweep.filter(|_| *vain > 0) {
            let Some(id) = u32::try_from(at).ok().map(HostId).filter(|_| at < self.work.len()) else {
                self.sweep = None;
                return;
            };
            *vain -= 1;
            self.end_doomed(id, vain, report);
            self.refresh(id);
            if self.doomed_origin(id).is_none() {
                self.sweep = Some(at + 1);
            }
        }
    }

    /// Ends or keeps what waits; nothing is leased from now on. Ending costs as much as there are waiting URLs.
    pub(super) fn drain_all(&mut self, drain: Drain) -> LeaseReport {
        let mut report = LeaseReport::default();
        self.drain = Some(drain);
        self.sweep = None;
        if drain == Drain::Drop {
            for at in 0..u32::try_from(self.work.len()).unwrap_or(u32::MAX) {
                self.end_doomed(HostId(at), &mut u32::MAX.clone(), &mut report);
                self.refresh(HostId(at));
            }
        }
        report
    }

    /// Returns the scheme of a URL's record and the host where it waits.
    pub(super) fn place_of(&self, number: u32) -> (HostId, Scheme) {
        let record = self.urls.at(number);
        (record.host, record.url.scheme())
    }
}

/// Asks an origin's robots.txt about a URL; refused with the line that disallows it.
fn judge(robots: &RobotsState, url: &CanonicalUrl, tally: &mut RobotsTally) -> Result<(), Option<u32>> {
    match robots {
        RobotsState::Known(rules, _) => {
            let found = rules.check(url.path_and_query());
            let counter = if found.allowed { &mut tally.allowed } else { &mut tally.disallowed };
            *counter += 1;
            if found.allowed { Ok(()) } else { Err(found.line) }
        }
        RobotsState::Unavailable(_) => {
            tally.assumed_allowed += 1;
            Ok(())
        }
        RobotsState::Ignored => Ok(()),
        RobotsState::Unknown | RobotsState::Asked(_) | RobotsState::Unreachable(..) => {
            unreachable!("a URL is next only where robots.txt is known")
        }
    }
}
