//! Writes a frontier down part by part, so that no part takes long and each says which records it already holds.

use super::body;
use super::note::HOST_SHARDS;
use super::record::write_host;
use super::wire::{Pen, Strand};
use crate::frontier::hosts::HostId;
use crate::frontier::mem::MemFrontier;
use crate::frontier::queue::Entry;
use crate::frontier::state::{Cargo, UrlRecord};
use crate::time::Time;

/// A URL that stands in memory.
pub(super) const PART_URL: u8 = 0;
/// URLs that lie on the shelf.
pub(super) const PART_CHUNK: u8 = 1;

/// One part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPart {
    /// Which part, from 0 to [`SnapshotPart::COUNT`].
    pub shard: u32,
    /// The number of the last record that it holds: those above must be applied to it.
    pub number: u64,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl SnapshotPart {
    /// The first part that holds hosts.
    pub(super) const FIRST_OF_HOSTS: u32 = 1 << crate::frontier::seen::SHARD_BITS;
    /// The part that holds what belongs to no host.
    pub(super) const GLOBAL: u32 = Self::FIRST_OF_HOSTS + HOST_SHARDS as u32;
    /// How many parts there are.
    pub const COUNT: u32 = Self::GLOBAL + 1;
}

impl MemFrontier {
    /// Writes one part down as it stands now; leased and fetched URLs are written as waiting.
    ///
    /// # Panics
    /// When there is no such part.
    pub fn snapshot_part(&self, shard: u32) -> SnapshotPart {
        assert!(shard < SnapshotPart::COUNT, "a snapshot has no part {shard}");
        let mut pen = Pen::default();
        match shard.checked_sub(SnapshotPart::FIRST_OF_HOSTS) {
            None => self.seen.words(shard as usize).for_each(|word| pen.word(word)),
            Some(_) if shard == SnapshotPart::GLOBAL => self.write_global(&mut pen),
            Some(at) => self.write_hosts(&mut pen, at as usize),
        }
        SnapshotPart { shard, number: self.journal.last(), payload: pen.take() }
    }

    fn write_global(&self, pen: &mut Pen) {
        pen.count(self.joined.len());
        for (seed, target) in &self.joined {
            pen.text(Strand::Other, seed.as_str());
            pen.text(Strand::Other, target.as_str());
        }
        let mut adopted: Vec<_> = self.adopted.iter().collect();
        adopted.sort_unstable_by_key(|(fingerprint, _)| **fingerprint);
        pen.count(adopted.len());
        for (fingerprint, seed) in adopted {
            pen.word(fingerprint.0);
            pen.text(Strand::Other, seed.as_str());
        }
    }

    fn write_hosts(&self, pen: &mut Pen, at: usize) {
        let hosts = &self.by_shard[at];
        let mut flights: Vec<_> = self.flights.values().collect();
        flights.sort_unstable_by_key(|flight| flight.token);
        let in_flight = flights.into_iter().filter_map(|flight| match flight.cargo {
            Cargo::Page(number) => Some((self.urls.at(number), flight.is_first)),
            Cargo::Errand(_) => None,
        });
        let mut in_flight: Vec<_> =
            in_flight.filter(|(record, _)| usize::from(self.work[record.host.index()].shard) == at).collect();
        in_flight.sort_by_key(|(record, _)| record.host);
        #[cfg(feature = "mutants")]
        if self.mutant == Some(crate::frontier::Mutant::SnapshotOmitsInFlight) {
            in_flight.clear();
        }
        pen.count(hosts.len());
        for id in hosts {
            let first = in_flight.partition_point(|(record, _)| record.host < *id);
            let end = in_flight.partition_point(|(record, _)| record.host <= *id);
            self.write_host(pen, *id, &in_flight[first..end]);
        }
    }

    fn write_host(&self, pen: &mut Pen, id: HostId, in_flight: &[(&UrlRecord, bool)]) {
        let work = &self.work[id.index()];
        write_host(pen, self.table.key(id));
        self.table.clock(id).image(self.base).write(pen);
        let first_in_flight = in_flight.iter().filter(|(_, is_first)| *is_first).count() as u64;
        pen.number(work.urls_leased.saturating_sub(first_in_flight));
        pen.count(work.origins.len());
        for origin in &work.origins {
            pen.byte(origin.scheme as u8);
            self.robots_image(id, origin.scheme).write(pen);
            let of_origin = || in_flight.iter().filter(|(record, _)| record.url.scheme() == origin.scheme);
            let again = of_origin().filter(|(record, _)| record.attempts > 1);
            let queued = origin.again.iter().chain(&origin.later);
            pen.count(again.clone().count() + queued.clone().count());
            for (record, _) in again {
                self.write_returned(pen, record, record.attempts - 1, self.now);
            }
            for entry in queued {
                let record = self.urls.at(entry.url);
                self.write_returned(pen, record, record.attempts, entry.since);
            }
            let never = of_origin().filter(|(record, _)| record.attempts <= 1);
            let resident = origin.fresh.len() + origin.tail.len();
            pen.count(never.clone().count() + resident + origin.shelved.len());
            never.for_each(|(record, _)| Self::write_fresh(pen, record));
            self.write_entries(pen, origin.fresh.iter());
            for chunk in &origin.shelved {
                pen.byte(PART_CHUNK);
                pen.number(chunk.number);
                pen.number(chunk.count.into());
            }
            self.write_entries(pen, origin.tail.iter());
        }
    }

    fn write_entries<'a>(&self, pen: &mut Pen, entries: impl Iterator<Item = &'a Entry>) {
        entries.for_each(|entry| Self::write_fresh(pen, self.urls.at(entry.url)));
    }

    fn write_fresh(pen: &mut Pen, record: &UrlRecord) {
        pen.byte(PART_URL);
        body::write(pen, record, 0);
    }

    fn write_returned(&self, pen: &mut Pen, record: &UrlRecord, attempts: u32, not_before: Time) {
        pen.wall(self.wall(not_before));
        body::write(pen, record, attempts);
    }
}
