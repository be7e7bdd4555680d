//! Writes a snapshot over several commits, and carries out what follows when one of them names it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compaction::Compaction;
use super::snapshots::{Errand, Kept, PLACES, SHELF_PLACES};
use super::storage::Storage;
use crate::LogError;
use crate::log::{BlockFile, Place, SnapshotRef};
use crate::shelf::{choose, files_of};
use crate::snapshot::SnapshotWriter;

/// Places that are written as one part of a snapshot: about 1 MiB.
const PLACES_PER_PART: usize = 1 << 15;
/// What is copied for one snapshot is at most this part of what is free: others write to the disk too.
const FREE_PER_COPIED_MIN: u64 = 4;

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    id: u64,
    writer: SnapshotWriter,
    /// Chunks that it may name.
    kept: Kept,
    compaction: Compaction,
    /// What changes when it is named, once it is complete.
    change: Option<Change>,
}

/// What a snapshot that is named makes of the chunks.
#[derive(Debug)]
struct Change {
    reference: SnapshotRef,
    /// Chunks that nobody names any more.
    gone: Vec<u64>,
    /// Files in which the others stand.
    files: BTreeSet<BlockFile>,
}

impl Storage {
    /// Writes parts of a snapshot, or completes the one that is to be named. A snapshot is worth no failed commit: for
    /// want of space it is abandoned, and begun anew when the log has grown again.
    pub(super) fn write_snapshot(&mut self, errand: Errand) -> Result<Option<SnapshotRef>, LogError> {
        match self.try_snapshot(errand) {
            Err(error) if is_for_want_of_room(&error) => {
                self.give_up()?;
                Ok(None)
            }
            other => other,
        }
    }

    /// Abandons the snapshot that is being written, and what was copied for it; says whether there was one.
    pub(super) fn give_up(&mut self) -> Result<bool, LogError> {
        let Some(Writing { writer, compaction, .. }) = self.writing.take() else { return Ok(false) };
        self.is_short = true;
        compaction.abandon(&self.shelves)?;
        writer.abandon()?;
        Ok(true)
    }

    /// Follows a Commit that is durable and names the snapshot: first chunks are looked for in their new places, then
    /// the files go in which nothing lives.
    pub(super) fn was_named(&mut self) -> Result<(), LogError> {
        let Some(Writing { compaction, change: Some(change), .. }) = self.writing.take() else {
            return Ok(());
        };
        self.is_short = false;
        self.chunks.change(&change.gone, &compaction.moved);
        self.shelves.add(compaction.written());
        let segments = change.files.iter().filter_map(|file| match file {
            BlockFile::Segment(number) => Some(*number),
            BlockFile::Shelf(_) => None,
        });
        self.log.retire(change.reference.lowest, &segments.collect())?;
        self.shelves.retire(&change.files, &self.log.reader())?;
        self.log.retire_snapshots(None)
    }

    fn try_snapshot(&mut self, errand: Errand) -> Result<Option<SnapshotRef>, LogError> {
        let Errand { kept, parts, name } = errand;
        let mut bytes = 0;
        if let Some((id, parts)) = parts {
            if let Some(kept) = kept {
                self.begin_snapshot(id, kept)?;
            }
            if let Some(writing) = self.writing.as_mut().filter(|writing| writing.id == id) {
                for part in parts {
                    bytes += part.payload.len() as u64;
                    writing.writer.put(part.shard, part.number, &part.payload)?;
                }
            }
        } else if name.is_none() {
            return Ok(None);
        }
        self.copy_chunks(self.copied_bytes_max.max(bytes), name.is_some())?;
        match name {
            Some(highest) => self.complete_snapshot(highest),
            None => Ok(None),
        }
    }

    fn begin_snapshot(&mut self, id: u64, mut kept: Kept) -> Result<(), LogError> {
        self.give_up()?;
        kept.sort();
        let writer = SnapshotWriter::create(Arc::clone(&self.disk), &self.dir, self.run, id)?;
        let (live, _) = kept.split(self.chunks.places());
        let files: Vec<_> = self.log.old(kept.begun()).into_iter().chain(self.shelves.files()).collect();
        let todo = choose(&files, &live, self.shelf_bytes, self.room_for_copies());
        let compaction = Compaction::new(todo);
        self.writing = Some(Writing { id, writer, kept, compaction, change: None });
        Ok(())
    }

    /// Returns how many bytes may be copied for a snapshot.
    fn room_for_copies(&self) -> u64 {
        if self.is_short {
            return 0;
        }
        // A system that does not tell says so later, by an error that undoes the copies.
        self.disk.space(&self.dir).map_or(u64::MAX, |space| space.free / FREE_PER_COPIED_MIN)
    }

    /// Copies chunks for the snapshot that is being written. For want of space that ends, and the snapshot goes on with
    /// every chunk in its old place.
    fn copy_chunks(&mut self, bytes_max: u64, is_last: bool) -> Result<(), LogError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let compaction = &mut writing.compaction;
        let copied = compaction.copy(&self.log.reader(), &mut self.shelves, self.shelf_bytes, bytes_max);
        match copied.and_then(|()| if is_last { compaction.finish() } else { Ok(()) }) {
            Err(error) if is_for_want_of_room(&error) => std::mem::take(compaction).abandon(&self.shelves),
            copied => copied,
        }
    }

    fn complete_snapshot(&mut self, highest: u64) -> Result<Option<SnapshotRef>, LogError> {
        let Some(writing) = &mut self.writing else { return Ok(None) };
        let (mut live, gone) = writing.kept.split(self.chunks.places());
        for (chunk, place) in &mut live {
            *place = writing.compaction.moved.get(chunk).copied().unwrap_or(*place);
        }
        for (part, wanted) in [(PLACES, false), (SHELF_PLACES, true)] {
            let is_wanted = |(_, place): &&(u64, Place)| matches!(place.file, BlockFile::Shelf(_)) == wanted;
            let places: Vec<_> = live.iter().filter(is_wanted).collect();
            for places in places.chunks(PLACES_PER_PART) {
                let entries = places.iter().flat_map(|(chunk, place)| entry(*chunk, *place));
                writing.writer.put(part, highest, &entries.collect::<Vec<_>>())?;
            }
        }
        let reference = writing.writer.finish()?;
        writing.change = Some(Change { reference, gone, files: files_of(&live) });
        Ok(Some(reference))
    }
}

/// Spells where a chunk stands; of which kind the file is says the part.
fn entry(chunk: u64, place: Place) -> impl Iterator<Item = u8> {
    chunk.to_le_bytes().into_iter().chain(place.encode())
}

/// Whether there is no room for more, so that what can wait should.
const fn is_for_want_of_room(error: &LogError) -> bool {
    matches!(error, LogError::NoSpace { .. } | LogError::FileTooLarge { .. })
}
