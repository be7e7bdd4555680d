//! Forgets hosts that are idle, so that the table of a process that lives long stays small.

use super::hosts::{HostId, HostTable};
use crate::time::Time;
use crate::url::HostKey;

impl HostTable {
    /// Forgets idle hosts ([`is_idle`](super::HostClock::is_idle)), those asked longest ago first, when there are more
    /// than `keep`; returns their numbers, in no order that means anything.
    ///
    /// Then a quarter of `keep` is made room for at once, and after that as many fetches as a quarter of the hosts pass
    /// before all hosts are looked at again: however often this is called, it costs a fetch the look at a few hosts.
    /// More than `keep` hosts stay for as long as they are not idle, or `wanted`.
    ///
    /// `wanted` keeps a host that somebody waits for by its number, or whose crawl delay somebody remembers only here:
    /// who keeps a robots.txt that was asked already keeps its host too, or lets the rules go with it.
    pub fn fold(&mut self, now: Time, keep: usize, wanted: impl Fn(HostId, &HostKey) -> bool) -> Vec<HostId> {
        if self.len() <= keep || self.rest > 0 {
            return Vec::new();
        }
        let idle = self.hosts.iter().filter_map(|(number, (key, clock))| {
            let id = HostId(number);
            (clock.is_idle(now) && !wanted(id, key)).then(|| (clock.last_dispatch(), id))
        });
        let mut idle: Vec<_> = idle.collect();
        let most = self.len() - (keep - keep / 4);
        if most < idle.len() {
            idle.select_nth_unstable(most);
            idle.truncate(most);
        }
        for (_, id) in &idle {
            let (key, _) = self.hosts.remove(id.0);
            self.ids.remove(&key);
        }
        self.rest = self.len() / 4;
        idle.into_iter().map(|(_, id)| id).collect()
    }
}
