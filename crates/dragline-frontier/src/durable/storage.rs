//! Carries out a commit on the I/O thread: history first, then the snapshot, then the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dragline_core::Wall;
use dragline_core::frontier::{BlockKind, CommitError, CommitId, Epoch, HistoryEntry, JournalBlock, Mark};
use dragline_disk::Disk;

use super::body::CommitBody;
use super::shelf::Chunks;
use super::snapshots::{Errand, weight};
use super::writing::Writing;
use crate::LogError;
use crate::history::History;
use crate::log::{Block, Commit, Log, Place, SnapshotRef};
use crate::shelf::Shelves;

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
    /// Returns what its records weigh at a restart.
    pub(super) fn weight(&self) -> u64 {
        self.blocks.iter().map(|block| weight(block.payload.len() as u64, block.count.into())).sum()
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
    pub(super) shelves: Shelves,
    /// The length at which a shelf file takes no further chunk.
    pub(super) shelf_bytes: u64,
    /// Bytes of chunks that are copied with one commit.
    pub(super) copied_bytes_max: u64,
    pub(super) named: Option<SnapshotRef>,
    pub(super) writing: Option<Writing>,
    /// Whether the last snapshot was given up: the next one does without copies, lest they be what it lacks.
    pub(super) is_short: bool,
}

impl Storage {
    pub(super) fn commit(&mut self, closed: &Closed, marks: &[Mark]) -> Result<CommitId, CommitError> {
        let mut result = self.try_commit(closed, marks);
        // A snapshot is worth no failed commit, nor is what was copied for it: they make room.
        while matches!(&result, Err(error) if error.may_retry()) {
            result = match self.give_up() {
                Ok(true) => self.try_commit(closed, marks),
                Ok(false) => break,
                Err(error) => Err(error),
            };
        }
        result.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let what = Arc::from(format!("{error}{}", cause.unwrap_or_default()));
            if error.may_retry() { CommitError::NoSpace(what) } else { CommitError::Failed(what) }
        })
    }

    fn try_commit(&mut self, closed: &Closed, marks: &[Mark]) -> Result<CommitId, LogError> {
        // Only what comes after a commit found no space: that is for the next one to do.
        if closed.is_durable.load(Ordering::Acquire) {
            return Ok(CommitId(closed.epoch));
        }
        let entries = std::mem::take(&mut *lock(&closed.history));
        self.history.append(entries.into_iter().map(|entry| (entry.fingerprint, entry.bytes)).collect())?;
        let history = self.history.flush()?;
        let errand = std::mem::take(&mut *lock(&closed.errand));
        let complete = self.write_snapshot(errand)?;
        let snapshot = complete.or(self.named);
        let body =
            CommitBody { at: closed.at, marks: marks.to_vec(), history, counts: closed.counts.clone() }
                .encode();
        let commit = Commit { epoch: closed.epoch, last: closed.last, snapshot, body };
        let places = self.log.append(&closed.blocks, &commit)?;
        self.chunks.arrived(chunk_places(&closed.blocks, &places));
        self.named = snapshot;
        closed.is_durable.store(true, Ordering::Release);
        if complete.is_some() {
            self.was_named()?;
        }
        Ok(CommitId(closed.epoch))
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
