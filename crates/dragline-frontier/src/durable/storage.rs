//! Carries out a commit on the I/O thread: history first, then the snapshot, then the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dragline_core::Wall;
use dragline_core::frontier::{BlockKind, CommitError, CommitId, Epoch, HistoryEntry, JournalBlock, Mark};
use dragline_disk::Disk;

use super::body::CommitBody;
use super::shelf::Chunks;
use super::snapshots::{Errand, Naming, PLACES};
use crate::LogError;
use crate::history::History;
use crate::log::{Block, Commit, Log, Place, SnapshotRef};
use crate::snapshot::SnapshotWriter;

/// Everything of an epoch that a commit makes durable. It is kept until it is: a commit may be tried again.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) epoch: Epoch,
    pub(super) blocks: Vec<Block>,
    pub(super) last: u64,
    pub(super) counts: Vec<u8>,
    pub(super) at: Wall,
    /// Taken when it went into the history.
    pub(super) history: Mutex<Vec<HistoryEntry>>,
    pub(super) errand: Mutex<Errand>,
    pub(super) is_durable: AtomicBool,
}

impl Closed {
    /// Returns the bytes of its records.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.payload.len() as u64).sum()
    }
}

/// The files of the state folder, used by one commit at a time.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: std::path::PathBuf,
    pub(super) run: dragline_core::frontier::RunId,
    pub(super) log: Log,
    pub(super) history: History,
    pub(super) chunks: Chunks,
    pub(super) named: Option<SnapshotRef>,
    pub(super) writer: Option<(u64, SnapshotWriter)>,
}

impl Storage {
    pub(super) fn commit(&mut self, closed: &Closed, marks: Vec<Mark>) -> Result<CommitId, CommitError> {
        self.try_commit(closed, marks).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let what = Arc::from(format!("{error}{}", cause.unwrap_or_default()));
            if error.may_retry() { CommitError::NoSpace(what) } else { CommitError::Failed(what) }
        })
    }

    fn try_commit(&mut self, closed: &Closed, marks: Vec<Mark>) -> Result<CommitId, LogError> {
        // Only what comes after a commit found no space: that is for the next one to do.
        if closed.is_durable.load(Ordering::Acquire) {
            return Ok(CommitId(closed.epoch));
        }
        let entries = std::mem::take(&mut *lock(&closed.history));
        self.history.append(entries.into_iter().map(|entry| (entry.fingerprint, entry.bytes)).collect())?;
        let history = self.history.flush()?;
        let errand = std::mem::take(&mut *lock(&closed.errand));
        let naming = self.write_snapshot(errand, closed)?;
        let snapshot = match &naming {
            Some((reference, _)) => Some(*reference),
            None => self.named,
        };
        let body = CommitBody { at: closed.at, marks, history, counts: closed.counts.clone() }.encode();
        let commit = Commit { epoch: closed.epoch, last: closed.last, snapshot, body };
        let places = self.log.append(&closed.blocks, &commit)?;
        self.chunks.arrived(chunk_places(&closed.blocks, &places));
        self.named = snapshot;
        closed.is_durable.store(true, Ordering::Release);
        if let Some((reference, Naming { taken, .. })) = naming {
            let keep = self.chunks.forget(&taken);
            self.log.retire(reference.lowest, &keep)?;
            self.log.retire_snapshots(None)?;
        }
        Ok(CommitId(closed.epoch))
    }

    /// Writes parts of a snapshot, or completes the one that is to be named. A snapshot is worth no failed commit: for
    /// want of space it is abandoned, and begun anew when the log has grown again.
    fn write_snapshot(
        &mut self,
        errand: Errand,
        closed: &Closed,
    ) -> Result<Option<(SnapshotRef, Naming)>, LogError> {
        match self.try_snapshot(errand, closed) {
            Err(LogError::NoSpace { .. } | LogError::FileTooLarge { .. }) => {
                if let Some((_, writer)) = self.writer.take() {
                    writer.abandon()?;
                }
                Ok(None)
            }
            other => other,
        }
    }

    fn try_snapshot(
        &mut self,
        errand: Errand,
        closed: &Closed,
    ) -> Result<Option<(SnapshotRef, Naming)>, LogError> {
        if let Some((id, parts)) = errand.parts {
            if parts.first().is_some_and(|part| part.shard == 0) {
                let writer = SnapshotWriter::create(Arc::clone(&self.disk), &self.dir, self.run, id)?;
                self.writer = Some((id, writer));
            }
            if let Some((_, writer)) = self.writer.as_mut().filter(|(writing, _)| *writing == id) {
                for part in parts {
                    writer.put(part.shard, part.number, &part.payload)?;
                }
            }
        }
        let Some(naming) = errand.name else { return Ok(None) };
        let Some((_, mut writer)) = self.writer.take() else { return Ok(None) };
        debug_assert!(naming.highest <= closed.last, "a snapshot is never ahead of the log");
        let mut places = Vec::new();
        for (number, place) in self.chunks.places() {
            places.extend_from_slice(&number.to_le_bytes());
            places.extend_from_slice(&place.encode());
        }
        writer.put(PLACES, naming.highest, &places)?;
        Ok(Some((writer.finish()?, naming)))
    }
}

/// Returns where the chunks among these blocks stand.
pub(super) fn chunk_places<'a>(
    blocks: &'a [Block],
    places: &'a [Place],
) -> impl Iterator<Item = (u64, Place)> + 'a {
    let chunk = BlockKind::Chunk.code();
    blocks
        .iter()
        .zip(places)
        .filter(move |(block, _)| block.kind == chunk)
        .map(|(block, place)| (block.first, *place))
}

/// Returns a block as the log takes it.
pub(super) fn block_of(block: JournalBlock) -> Block {
    Block { kind: block.kind.code(), first: block.first, count: block.count, payload: block.payload }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
