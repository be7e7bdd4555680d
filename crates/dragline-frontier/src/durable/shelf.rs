//! Takes chunks of waiting URLs from the log, or from the epoch on its way there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dragline_core::frontier::{BlockKind, JournalBlock, Shelf};

use super::background::Background;
use crate::log::{LogReader, Place};

/// Chunks that are read before they are taken; beyond, they are read when they are.
const FETCHED_MAX: usize = 4_096;
/// Of those, chunks that wait to be read: fewer than the jobs that the I/O thread takes without making anybody wait.
const FETCHING_MAX: usize = 32;

/// Where every chunk stands, shared between the frontier and the I/O thread.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    inner: Arc<Mutex<Inner>>,
    reader: LogReader,
    background: Arc<dyn Background>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Chunks in the log, by number.
    places: BTreeMap<u64, Place>,
    /// Chunks of an epoch that is being committed.
    unwritten: BTreeMap<u64, Arc<Vec<u8>>>,
    /// Chunks that were asked for; `None` until they are read.
    fetched: BTreeMap<u64, Option<Vec<u8>>>,
    /// How many are not read yet.
    fetching: usize,
    /// Chunks that were taken, which a snapshot may still name.
    taken: BTreeSet<u64>,
}

impl Chunks {
    pub(super) fn new(reader: LogReader, background: Arc<dyn Background>) -> Self {
        Self { inner: Arc::default(), reader, background }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an epoch is on its way to the log.
    pub(super) fn departs(&self, blocks: &[JournalBlock]) {
        let mut inner = self.lock();
        for block in blocks.iter().filter(|block| block.kind == BlockKind::Chunk) {
            inner.unwritten.insert(block.first, Arc::new(block.payload.clone()));
        }
    }

    /// Notes where chunks of an epoch stand in the log.
    pub(super) fn arrived(&self, chunks: impl Iterator<Item = (u64, Place)>) {
        let mut inner = self.lock();
        for (number, place) in chunks {
            inner.places.insert(number, place);
            inner.unwritten.remove(&number);
        }
    }

    /// Returns where every chunk in the log stands, by number.
    pub(super) fn places(&self) -> Vec<(u64, Place)> {
        self.lock().places.iter().map(|(number, place)| (*number, *place)).collect()
    }

    /// Returns the chunks that were taken: no snapshot that is begun now names them.
    pub(super) fn taken(&self) -> BTreeSet<u64> {
        self.lock().taken.clone()
    }

    /// Forgets chunks that nobody names any more; returns the segments that the others stand in.
    pub(super) fn forget(&self, chunks: &BTreeSet<u64>) -> BTreeSet<u32> {
        let mut inner = self.lock();
        for chunk in chunks {
            inner.places.remove(chunk);
            inner.taken.remove(chunk);
        }
        inner.places.values().map(|place| place.segment).collect()
    }
}

impl Shelf for Chunks {
    fn fetch(&mut self, chunk: u64) {
        let mut inner = self.lock();
        let is_full = inner.fetched.len() >= FETCHED_MAX || inner.fetching >= FETCHING_MAX;
        if is_full || inner.fetched.contains_key(&chunk) {
            return;
        }
        let Some(place) = inner.places.get(&chunk).copied() else { return };
        inner.fetched.insert(chunk, None);
        inner.fetching += 1;
        drop(inner);
        let chunks = self.clone();
        self.background.run(Box::new(move || {
            // What cannot be read is read again when it is taken, and the error told then.
            let read = chunks.reader.read(place).ok().map(|block| block.payload);
            let mut inner = chunks.lock();
            inner.fetching -= 1;
            if let Some(slot) = inner.fetched.get_mut(&chunk) {
                *slot = read;
            }
        }));
    }

    fn take(&mut self, chunk: u64) -> Result<Vec<u8>, Arc<str>> {
        let mut inner = self.lock();
        let place = inner.places.get(&chunk).copied();
        inner.taken.insert(chunk);
        if let Some(payload) = inner.unwritten.get(&chunk) {
            return Ok(payload.to_vec());
        }
        if let Some(payload) = inner.fetched.remove(&chunk).flatten() {
            return Ok(payload);
        }
        drop(inner);
        let place = place.ok_or_else(|| Arc::from(format!("chunk {chunk} stands nowhere in the log")))?;
        let told = |error: crate::LogError| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            Arc::from(format!("{error}{}", cause.unwrap_or_default()))
        };
        self.reader.read(place).map(|block| block.payload).map_err(told)
    }
}
