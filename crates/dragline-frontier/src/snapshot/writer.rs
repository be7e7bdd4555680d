//! Writes a snapshot, a shard at a time.

use std::path::Path;
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::names::snapshot_path;
use super::reader::{SHARD, TRAILER, Trailer};
use crate::error::LogError;
use crate::file::{BlockHeader, BlockWriter, FileKind, Header};
use crate::log::SnapshotRef;

/// A snapshot that is being written. It is nothing until it is finished and a Commit names it: one that is dropped
/// before leaves a file that [`Log::retire_snapshots`](crate::log::Log::retire_snapshots) and every start remove.
#[derive(Debug)]
pub struct SnapshotWriter {
    run: RunId,
    id: u64,
    file: BlockWriter,
    trailer: Trailer,
}

impl SnapshotWriter {
    /// Begins a snapshot under a number that no earlier one of the run had.
    ///
    /// # Errors
    /// When there is such a snapshot, or it cannot be written.
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, run: RunId, id: u64) -> Result<Self, LogError> {
        let header = Header { kind: FileKind::Snapshot, run, number: id, first: 0, epoch: 0 };
        let file = BlockWriter::create(disk, dir.to_owned(), snapshot_path(dir, id), header)?;
        Ok(Self { run, id, file, trailer: Trailer::default() })
    }

    /// Writes a shard, or a part of one, as it was after the record of this number. At most 64 MiB at once.
    ///
    /// # Errors
    /// When it cannot be written, now or in an earlier call: [`SnapshotWriter::abandon`] the snapshot and begin another one
    /// later. When the payload is too large: then nothing was written.
    pub fn put(&mut self, shard: u32, number: u64, payload: &[u8]) -> Result<(), LogError> {
        let header = BlockHeader::of(self.run, SHARD, number, shard, payload)?;
        self.trailer.add(header);
        self.file.put(header, payload)
    }

    /// Ends the snapshot and makes it durable. Now a Commit of a later epoch than that of its numbers may name it.
    ///
    /// # Errors
    /// When it cannot be written or synced, or could not in an earlier call: it is nothing then.
    ///
    /// # Panics
    /// When nothing was put into it.
    pub fn finish(&mut self) -> Result<SnapshotRef, LogError> {
        let lowest = self.trailer.lowest().expect("a snapshot has a shard");
        let payload = self.trailer.encode();
        self.file.put(BlockHeader::of(self.run, TRAILER, 0, 0, &payload)?, &payload)?;
        self.file.finish()?;
        Ok(SnapshotRef { id: self.id, lowest })
    }

    /// Gives the snapshot up and removes its file, finished or not: no Commit may name it any more.
    ///
    /// # Errors
    /// When it cannot be removed; then the next start does it.
    pub fn abandon(self) -> Result<(), LogError> {
        self.file.abandon()
    }
}
