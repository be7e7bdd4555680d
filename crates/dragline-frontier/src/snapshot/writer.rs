//! Writes a snapshot, a shard at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::names::snapshot_path;
use super::reader::{SHARD, TRAILER, Trailer};
use crate::error::LogError;
use crate::file::{BlockHeader, FileKind, Header, PIECE_BYTES, Tail};
use crate::log::SnapshotRef;

/// A snapshot that is being written. It is nothing until it is finished and a Commit names it: one that is dropped
/// before leaves a file that [`Log::retire_snapshots`](crate::log::Log::retire_snapshots) and every start remove.
#[derive(Debug)]
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: RunId,
    id: u64,
    tail: Tail,
    /// What is not yet written: at most a piece, but for a large payload.
    piece: Vec<u8>,
    trailer: Trailer,
    /// Set by a failed write: any part of it may be in the file.
    torn: bool,
}

impl SnapshotWriter {
    /// Begins a snapshot under a number that no earlier one of the run had.
    ///
    /// # Errors
    /// When there is such a snapshot, or it cannot be written.
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, run: RunId, id: u64) -> Result<Self, LogError> {
        let tail = Tail::create(&*disk, snapshot_path(dir, id))?;
        let header = Header { kind: FileKind::Snapshot, run, number: id, first: 0, epoch: 0 };
        let piece = header.encode().to_vec();
        let trailer = Trailer::default();
        Ok(Self { disk, dir: dir.to_owned(), run, id, tail, piece, trailer, torn: false })
    }

    /// Writes a shard, or a part of one, as it was after the record of this number. At most 64 MiB at once.
    ///
    /// # Errors
    /// When it cannot be written, now or in an earlier call: [`SnapshotWriter::abandon`] the snapshot and begin another one
    /// later. When the payload is too large: then nothing was written.
    pub fn put(&mut self, shard: u32, number: u64, payload: &[u8]) -> Result<(), LogError> {
        let header = BlockHeader::of(self.run, SHARD, number, shard, payload)?;
        self.trailer.add(header);
        self.write(header, payload)
    }

    /// Ends the snapshot and makes it durable. Now a Commit of a later epoch than that of its numbers may name it.
    ///
    /// # Errors
    /// When it cannot be written or synced, or could not in an earlier call: it is nothing then.
    ///
    /// # Panics
    /// When nothing was put into it.
    pub fn finish(mut self) -> Result<SnapshotRef, LogError> {
        let lowest = self.trailer.lowest().expect("a snapshot has a shard");
        let payload = self.trailer.encode();
        self.write(BlockHeader::of(self.run, TRAILER, 0, 0, &payload)?, &payload)?;
        self.write_out()?;
        self.tail.sync()?;
        self.disk.sync_dir(&self.dir).map_err(|source| LogError::sync(&self.dir, source))?;
        Ok(SnapshotRef { id: self.id, lowest })
    }

    /// Gives the snapshot up and removes its file.
    ///
    /// # Errors
    /// When it cannot be removed; then the next start does it.
    pub fn abandon(self) -> Result<(), LogError> {
        let path = self.tail.path();
        self.disk.remove(path).map_err(|source| LogError::from_io(path, "remove", source))
    }

    fn write(&mut self, header: BlockHeader, payload: &[u8]) -> Result<(), LogError> {
        if self.torn {
            return Err(LogError::Poisoned { path: self.tail.path().to_owned() });
        }
        self.piece.extend_from_slice(&header.encode());
        self.piece.extend_from_slice(payload);
        if self.piece.len() >= PIECE_BYTES { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<(), LogError> {
        let written = self.tail.append(&self.piece);
        self.torn = written.is_err();
        self.piece.clear();
        written
    }
}
