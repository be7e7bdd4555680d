//! Lets URLs wait again whose next visit is due.

use dragline_core::frontier::{Past, RestoreError};
use dragline_core::recrawl::RecrawlRules;
use dragline_core::{CanonicalUrl, Time, Wall, map};

use super::frontier::LogFrontier;
use super::open::OpenError;
use super::storage::lock;

impl LogFrontier {
    /// Lets every URL wait again, in a new generation, whose last visit is so long ago as the rules say; returns how
    /// many. They come in the order of those visits, and are durable with the next commit. The scope is that of `seeds`,
    /// and of the hosts that their redirects brought in.
    ///
    /// Reads the history twice, and keeps about 24 bytes for each URL in it meanwhile.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn recrawl(
        &mut self,
        rules: &RecrawlRules,
        seeds: impl IntoIterator<Item = CanonicalUrl>,
        now: Wall,
    ) -> Result<u64, OpenError> {
        if *rules == RecrawlRules::Off {
            return Ok(0);
        }
        seeds.into_iter().for_each(|seed| self.machine.name_seed(&seed));
        let view = lock(&self.storage).history.view();
        let mut last = map::map(0);
        for entry in view.scan(1)? {
            let entry = entry?;
            last.insert(entry.fingerprint, entry.number);
        }
        let mut renewed = 0;
        for entry in view.scan(1)? {
            let entry = entry?;
            if last.get(&entry.fingerprint) != Some(&entry.number) {
                continue;
            }
            let past = Past::read(&entry.payload);
            let past = past.map_err(|_| RestoreError::History { number: entry.number })?;
            if let Some(revisit) = rules.due(now, &past) {
                renewed += u64::from(self.renew(Time::ZERO, &past, revisit));
            }
        }
        Ok(renewed)
    }
}
