//! Sets every gauge at once from what the owners of the numbers say.

use dragline_core::frontier::FrontierStats;

use crate::handles::{saturated, set};
use crate::labels::{ConnectionKind, DnsResult, Edge};
use crate::telemetry::Telemetry;

/// What the gauges show until the next sample; taken once a second.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// The frontier's counts and gauges.
    pub frontier: &'a FrontierStats,
    /// Fetched URLs that are settled and in no commit.
    pub uncommitted_urls: u64,
    /// Credits of each edge, indexed as [`Edge::ALL`].
    pub credits: [CreditUse; Edge::ALL.len()],
    /// Fetches under way.
    pub fetches_in_flight: u64,
    /// The most fetches that may be under way.
    pub fetch_concurrency_limit: u64,
    /// Open connections that serve a request.
    pub connections_busy: u64,
    /// Open connections that wait for the next request.
    pub connections_idle: u64,
    /// Counts that others keep.
    pub totals: Totals,
}

/// Credits of one edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreditUse {
    /// How many are taken; may be above `max` while one fetch overdraws.
    pub in_use: u64,
    /// How many there are.
    pub max: u64,
}

/// Totals since the process began that are kept elsewhere; counters follow them. A total that falls is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests by how they came to their connection, indexed as [`ConnectionKind::ALL`].
    pub connections: [u64; ConnectionKind::ALL.len()],
    /// Name look-ups by result, indexed as [`DnsResult::ALL`].
    pub dns: [u64; DnsResult::ALL.len()],
}

impl Telemetry {
    /// Sets every gauge, and raises the counters that follow totals.
    pub fn sample(&self, sample: &Sample<'_>) {
        self.sample_frontier(sample.frontier);
        self.commit.uncommitted.set(saturated(sample.uncommitted_urls));
        for (index, credits) in sample.credits.iter().enumerate() {
            set(&self.credits_in_use, index, credits.in_use);
            set(&self.credits_max, index, credits.max);
        }
        self.fetch.in_flight.set(saturated(sample.fetches_in_flight));
        self.fetch.concurrency_limit.set(saturated(sample.fetch_concurrency_limit));
        set(&self.fetch.connections, 0, sample.connections_busy);
        set(&self.fetch.connections, 1, sample.connections_idle);
        self.fetch.connections_made.follow(sample.totals.connections);
        self.fetch.dns_lookups.follow(sample.totals.dns);
        self.mailboxes.sample(&self.actors);
    }

    fn sample_frontier(&self, stats: &FrontierStats) {
        let frontier = &self.frontier;
        let urls = [stats.urls.ready, stats.urls.delayed, stats.urls.retry_wait, stats.urls.in_flight];
        let hosts = [
            stats.hosts.ready,
            stats.hosts.waiting,
            stats.hosts.backing_off,
            stats.hosts.robots_pending,
            stats.hosts.busy,
            stats.hosts.parked,
        ];
        let identity = [
            stats.done,
            stats.redirected,
            stats.failed.values().sum(),
            stats.skipped.values().sum(),
            stats.pending,
        ];
        let sets = [
            (&frontier.urls, urls.as_slice()),
            (&frontier.hosts, hosts.as_slice()),
            (&frontier.identity, identity.as_slice()),
        ];
        for (gauges, values) in sets {
            for (gauge, value) in gauges.iter().zip(values) {
                gauge.set(saturated(*value));
            }
        }
        frontier.memory.set(saturated(stats.memory_bytes));
        frontier.oldest_ready.set(stats.oldest_ready.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use dragline_core::frontier::{HostGauge, UrlGauge};
    use dragline_core::{FailKind, Outcome, SkipReason};

    use super::*;
    use crate::telemetry::tests::{telemetry, value};

    fn stats() -> FrontierStats {
        FrontierStats {
            discovered: 30,
            done: 4,
            redirected: 5,
            failed: BTreeMap::from([(FailKind::Fetch(Outcome::Timeout), 2), (FailKind::HandlerPanic, 1)]),
            skipped: BTreeMap::from([(SkipReason::Scope, 6), (SkipReason::Trap, 2)]),
            pending: 10,
            urls: UrlGauge { ready: 1, delayed: 2, retry_wait: 3, in_flight: 4 },
            hosts: HostGauge { ready: 1, waiting: 2, backing_off: 3, robots_pending: 4, busy: 5, parked: 6 },
            oldest_ready: Duration::from_millis(1_500),
            memory_bytes: 4_096,
            ..FrontierStats::default()
        }
    }

    fn sample(stats: &FrontierStats, totals: Totals) -> Sample<'_> {
        let mut credits = [CreditUse::default(); Edge::ALL.len()];
        credits[Edge::Handler as usize] = CreditUse { in_use: 7, max: 8 };
        Sample {
            frontier: stats,
            uncommitted_urls: 17,
            credits,
            fetches_in_flight: 3,
            fetch_concurrency_limit: 64,
            connections_busy: 2,
            connections_idle: 9,
            totals,
        }
    }

    #[test]
    fn every_gauge_shows_what_the_sample_said() {
        let telemetry = telemetry();
        telemetry.sample(&sample(&stats(), Totals::default()));
        let text = telemetry.gather_text().unwrap();
        let check =
            |series: &str, expected: &str| assert_eq!(value(&text, series), Some(expected), "{series}");
        check("dragline_frontier_urls{state=\"retry_wait\"}", "3");
        check("dragline_frontier_hosts{state=\"backing_off\"}", "3");
        check("dragline_frontier_hosts{state=\"parked\"}", "6");
        check("dragline_urls{disposition=\"failed\"}", "3");
        check("dragline_urls{disposition=\"skipped\"}", "8");
        check("dragline_urls{disposition=\"pending\"}", "10");
        check("dragline_frontier_oldest_ready_seconds", "1.5");
        check("dragline_frontier_memory_bytes", "4096");
        check("dragline_uncommitted_urls", "17");
        check("dragline_credits_in_use{edge=\"handler\"}", "7");
        check("dragline_credits_max{edge=\"handler\"}", "8");
        check("dragline_connections{state=\"idle\"}", "9");
        check("dragline_fetch_concurrency_limit", "64");
    }

    #[test]
    fn counters_follow_totals_and_never_fall() {
        let telemetry = telemetry();
        let stats = stats();
        for (dns, expected) in [(3, "3"), (5, "5"), (2, "5"), (6, "6")] {
            let totals = Totals { connections: [dns, 1], dns: [dns, 0, 0] };
            telemetry.sample(&sample(&stats, totals));
            let text = telemetry.gather_text().unwrap();
            assert_eq!(value(&text, "dragline_dns_lookups_total{result=\"cached\"}"), Some(expected));
            assert_eq!(value(&text, "dragline_connections_total{kind=\"reused\"}"), Some("1"));
        }
    }
}
