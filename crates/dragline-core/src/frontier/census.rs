//! Counts a frontier anew from its parts, to compare with what it counted as it went.

use super::hosts::HostId;
use super::mem::MemFrontier;
use super::queue::Entry;
use super::schedule::{Place, Plan};
use super::seen::Standing;
use super::state::{Cargo, UrlState};
use crate::frontier::Frontier;

/// What a count from scratch found.
#[derive(Debug, Default)]
pub(crate) struct Census {
    broken: Vec<&'static str>,
}

impl Census {
    /// Returns the name of the first count that differs.
    pub(crate) fn first_broken(&self) -> Option<&'static str> {
        self.broken.first().copied()
    }

    fn expect(&mut self, holds: bool, name: &'static str) {
        if !holds {
            self.broken.push(name);
        }
    }
}

impl MemFrontier {
    /// Counts everything anew: costs as much as there are hosts and unsettled URLs.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        self.count_urls(&mut census);
        self.count_slots(&mut census);
        self.count_schedule(&mut census);
        census
    }

    fn count_urls(&self, census: &mut Census) {
        let pending = self.counts.pending;
        let origins = || self.work.iter().flat_map(|work| &work.origins);
        let shelved: u64 =
            origins().flat_map(|origin| &origin.shelved).map(|chunk| u64::from(chunk.count)).sum();
        census.expect(
            self.urls.len() as u64 + shelved == pending,
            "a record, or a place on the shelf, for each pending URL",
        );
        census.expect(self.seen.len() as u64 == self.counts.discovered, "every discovered URL is seen once");
        let waiting: u64 = self.work.iter().map(|work| work.waiting() as u64).sum();
        census.expect(waiting + self.counts.in_flight == pending, "every pending URL waits or is in flight");
        let in_flight = self.flights.values().filter(|flight| matches!(flight.cargo, Cargo::Page(_)));
        census.expect(in_flight.count() as u64 == self.counts.in_flight, "one flight for each leased URL");
        let is_errand = |wanted: &u32| self.errands.iter().any(|(number, _)| number == *wanted);
        census.expect(self.wanted.iter().all(is_errand), "what sessions wait for is an errand");
        for (_, record) in self.urls.iter() {
            let standing = self.seen.get(record.fingerprint);
            census
                .expect(matches!(standing, Some(Standing::Live { .. })), "a pending URL is known to be live");
        }
        for (at, work) in (0..).zip(&self.work) {
            for origin in &work.origins {
                let place = (HostId(at), origin.scheme);
                let entries =
                    origin.fresh.iter().chain(&origin.tail).chain(&origin.again).chain(&origin.later);
                let is_waiting = |entry: &Entry| self.urls.at(entry.url).state == UrlState::Waiting;
                census.expect(entries.clone().all(is_waiting), "what stands in a queue waits");
                let is_home = |entry: &Entry| self.place_of(entry.url) == place;
                census.expect(entries.clone().all(is_home), "a URL waits with its own origin");
                let orders = origin.fresh.iter().map(|entry| entry.order);
                let orders = orders.chain(origin.shelved.iter().map(|chunk| chunk.order));
                let orders = orders.chain(origin.tail.iter().map(|entry| entry.order));
                census.expect(orders.is_sorted(), "fresh URLs in order");
                let empty = origin.fresh_len() == 0;
                census.expect(empty == origin.fresh.is_empty(), "the first of the fresh URLs are in memory");
            }
        }
    }

    fn count_slots(&self, census: &mut Census) {
        let mut held = vec![0; self.table.len()];
        for flight in self.flights.values().filter(|flight| flight.holds_slot) {
            held[flight.host.index()] += 1;
        }
        for ((_, clock), held) in self.table.iter().zip(held) {
            census.expect(clock.leased() == held, "one slot for each fetch under way");
        }
    }

    fn count_schedule(&self, census: &mut Census) {
        let (mut entered, mut ready, mut first) = (0, false, None);
        for work in &self.work {
            match work.plan.place {
                Place::Idle => {}
                Place::Ready { since, .. } => {
                    census.expect(since <= self.now, "ready hosts are due");
                    (entered, ready) = (entered + 1, true);
                    first = first.into_iter().chain([since]).min();
                }
                Place::Delayed(at) => {
                    entered += 1;
                    if !ready {
                        first = first.into_iter().chain([at]).min();
                    }
                }
            }
        }
        let since = |plan: &Plan| match plan.place {
            Place::Ready { since, .. } => Some(since),
            Place::Idle | Place::Delayed(_) => None,
        };
        if ready {
            first = self.work.iter().filter_map(|work| since(&work.plan)).min();
        }
        census
            .expect(entered == self.schedule.len(), "every host with something to do stands in the schedule");
        if self.drain.is_none() && self.sweep.is_none() {
            census.expect(self.next_wakeup() == first, "the next wakeup is that of the first host");
        }
        for (at, work) in (0..).zip(&self.work) {
            let id = HostId(at);
            // A plan holds until its time comes; only what does not depend on the time is compared.
            let fresh = self.plan(id);
            let sum = |plan: &Plan| plan.ready + plan.delayed + plan.retry_wait;
            census.expect(sum(&fresh) == sum(&work.plan), "a host's plan counts all its waiting URLs");
            census.expect(
                matches!(fresh.place, Place::Idle) == matches!(work.plan.place, Place::Idle),
                "a host with something to do is not idle",
            );
        }
    }
}
