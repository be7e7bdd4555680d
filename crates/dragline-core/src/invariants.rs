//! Names what must always hold of a frontier; asserts, tests and the simulator call the same functions.

use crate::frontier::{FrontierStats, HostClock, MemFrontier};

/// discovered = done + redirected + failed + skipped + pending, and every discovered URL has one source.
pub fn identity_holds(stats: &FrontierStats) -> bool {
    stats.adds_up() && stats.added.iter().sum::<u64>() == stats.discovered
}

/// Every URL that is not settled waits for exactly one thing, or is in flight.
pub const fn gauges_sum_to_pending(stats: &FrontierStats) -> bool {
    let urls = &stats.urls;
    urls.ready + urls.delayed + urls.retry_wait + urls.in_flight == stats.pending
}

/// A host has no more fetches under way than slots.
pub const fn slots_hold(clock: &HostClock) -> bool {
    clock.in_use() <= clock.slots_max()
}

/// Returns the name of the first invariant that does not hold. Counts everything anew: for tests.
pub fn first_broken(frontier: &MemFrontier) -> Option<&'static str> {
    use crate::frontier::Frontier;
    let stats = frontier.stats();
    let checks = [
        (identity_holds(&stats), "identity_holds"),
        (gauges_sum_to_pending(&stats), "gauges_sum_to_pending"),
        (frontier.host_table().iter().all(|(_, clock)| slots_hold(clock)), "slots_hold"),
    ];
    let broken = checks.into_iter().find(|(holds, _)| !holds).map(|(_, name)| name);
    broken.or_else(|| frontier.census().first_broken())
}
