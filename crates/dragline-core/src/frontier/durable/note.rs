//! Notes each change of a frontier in its journal and each end of a URL in its history.

use super::counts;
use super::history;
use super::host::{ClockImage, RobotsImage};
use super::journal::{HistoryEntry, JournalCut};
use crate::decision::Decision;
use crate::disposition::{Disposition, SkipReason};
use crate::frontier::hosts::HostId;
use crate::frontier::mem::MemFrontier;
use crate::frontier::offer::NewUrl;
use crate::frontier::queue::RobotsState;
use crate::frontier::state::UrlRecord;
use crate::frontier::types::Visit;
use crate::time::{Time, Wall};
use crate::url::{HostKey, Scheme};

/// Parts of a snapshot that hold hosts.
pub(in crate::frontier) const HOST_SHARDS: u8 = 64;

/// Skipped URLs that are kept in the history of one life of a process.
const SKIPS_MAX: u32 = 1_000_000;

/// Returns the part of a snapshot that a host belongs to: the same in every life of a run.
pub(in crate::frontier) fn host_shard(host: &HostKey) -> u8 {
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(host.host.as_bytes(), host.port.into());
    hash.to_le_bytes()[0] % HOST_SHARDS
}

impl MemFrontier {
    /// Returns a time as it is kept beyond this process.
    pub(super) fn wall(&self, at: Time) -> Wall {
        wall_of(self.base, at)
    }

    /// Returns a kept time as a time of this process; what has passed is its beginning.
    pub(super) fn time(&self, at: Wall) -> Time {
        if at == NEVER { Time::MAX } else { Time::ZERO + at.since(self.base) }
    }

    /// Closes the epoch's records: what follows belongs to the next.
    pub fn cut_journal(&mut self) -> JournalCut {
        JournalCut { counts: counts::write(&self.counts), ..self.journal.cut() }
    }

    /// Notes that a URL was skipped when it was discovered.
    pub(in crate::frontier) fn note_skip(&mut self, new: &NewUrl, decision: &Decision<SkipReason>) {
        if !self.journal.is_kept() {
            return;
        }
        self.journal.note_skip(new.fingerprint, decision.verdict, new.source);
        if self.rules.limits.keep_skips && self.counts.skips_kept < SKIPS_MAX {
            self.counts.skips_kept += 1;
            let at = self.wall(self.now);
            let bytes = history::of_skip(new, decision, at);
            self.journal.remember(HistoryEntry { fingerprint: new.fingerprint.0, bytes });
        }
    }

    /// Notes the end of a URL that waited or was leased.
    pub(in crate::frontier) fn note_end(
        &mut self,
        record: &UrlRecord,
        disposition: Disposition,
        visit: Option<&Visit>,
    ) {
        if !self.adopted.is_empty() {
            self.adopted.remove(&record.fingerprint);
        }
        if !self.journal.is_kept() {
            return;
        }
        self.journal.note_end(record, disposition, self.work[record.host.index()].shard);
        let bytes = history::of_end(record, disposition, visit, self.wall(self.now));
        self.journal.remember(HistoryEntry { fingerprint: record.fingerprint.0, bytes });
    }

    /// Notes that a URL that was leased from a host waits again, at the host it stands with now.
    pub(in crate::frontier) fn note_return(&mut self, number: u32, from: HostId, not_before: Time) {
        if self.journal.is_kept() {
            let not_before = self.wall(not_before);
            let record = self.urls.at_mut(number);
            self.journal.note_return(record, self.work[from.index()].shard, not_before);
            record.chunk = 0;
        }
    }

    /// Notes what a host's clock has learned, if it has.
    pub(in crate::frontier) fn note_clock(&mut self, id: HostId) {
        if !self.journal.is_kept() {
            return;
        }
        let clock = self.table.clock(id).image(self.base);
        let noted = &mut self.work[id.index()].noted;
        let is_news = match noted {
            Some(noted) => **noted != clock,
            None => clock != ClockImage::default(),
        };
        if is_news {
            self.journal.note_host(self.table.key(id), &clock);
            *noted = Some(Box::new(clock));
        }
    }

    /// Notes what is known of an origin's robots.txt.
    pub(in crate::frontier) fn note_robots(&mut self, id: HostId, scheme: Scheme) {
        if self.journal.is_kept() {
            let image = self.robots_image(id, scheme);
            self.journal.note_robots(self.table.key(id), scheme, &image);
        }
    }

    /// Returns what is known of an origin's robots.txt, as it is kept.
    pub(super) fn robots_image(&self, id: HostId, scheme: Scheme) -> RobotsImage {
        match self.work[id.index()].origin(scheme).map(|origin| &origin.robots) {
            Some(RobotsState::Known(rules, expires)) => {
                RobotsImage::Known(rules.clone(), self.wall(*expires))
            }
            Some(RobotsState::Unavailable(expires)) => RobotsImage::Unavailable(self.wall(*expires)),
            Some(RobotsState::Unreachable(outcome, message)) => {
                RobotsImage::Unreachable(*outcome, message.clone())
            }
            Some(RobotsState::Unknown | RobotsState::Asked(_) | RobotsState::Ignored) | None => {
                RobotsImage::Unknown
            }
        }
    }
}

/// The moment that never comes.
const NEVER: Wall = Wall::from_micros(i64::MAX);

fn wall_of(base: Wall, at: Time) -> Wall {
    if at == Time::MAX { NEVER } else { base + at.since(Time::ZERO) }
}
