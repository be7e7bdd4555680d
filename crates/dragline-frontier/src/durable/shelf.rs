//! Takes chunks of waiting URLs from where they stand, or from the epoch on its way to the log.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dragline_core::frontier::{BlockKind, JournalBlock, Shelf};

use super::background::Background;
use crate::LogError;
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
    /// Chunks in the log and in shelf files, by number.
    places: BTreeMap<u64, Place>,
    /// Chunks of an epoch that is being committed.
    unwritten: BTreeMap<u64, Arc<Vec<u8>>>,
    /// Chunks that were asked for; `None` until they are read.
    fetched: BTreeMap<u64, Option<Vec<u8>>>,
    /// How many are not read yet.
    fetching: usize,
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

    /// Returns where every chunk stands that an epoch which is committed brought, by number.
    pub(super) fn places(&self) -> Vec<(u64, Place)> {
        self.lock().places.iter().map(|(number, place)| (*number, *place)).collect()
    }

    /// Forgets chunks that nobody names any more, and notes where others stand now.
    pub(super) fn change(&self, gone: &[u64], moved: &BTreeMap<u64, Place>) {
        let mut inner = self.lock();
        for chunk in gone {
            inner.places.remove(chunk);
            inner.fetched.remove(chunk);
        }
        for (chunk, place) in moved {
            inner.places.insert(*chunk, *place);
        }
    }

    fn place(&self, chunk: u64) -> Option<Place> {
        self.lock().places.get(&chunk).copied()
    }

    /// Reads a chunk where it stands.
    ///
    /// A commit may move it meanwhile and remove the file it stood in, but only after the new place was noted here. So when
    /// it cannot be read where it stood and stands elsewhere by now, it is read there. That happens once at most while a
    /// chunk is taken: chunks are moved by commits, and no other commit is begun before the taking has come to an end.
    fn read(&self, chunk: u64) -> Result<Vec<u8>, Arc<str>> {
        let place = self.place(chunk);
        let mut place = place.ok_or_else(|| Arc::from(format!("chunk {chunk} stands nowhere in the log")))?;
        loop {
            let error = match self.reader.read(place) {
                Ok(block) if block.first == chunk && block.kind == BlockKind::Chunk.code() => {
                    return Ok(block.payload);
                }
                Ok(_) => LogError::damaged(&self.reader.path(place), place.offset, "another block"),
                Err(LogError::Io { path, source, .. }) if source.kind() == ErrorKind::NotFound => {
                    LogError::Missing { path }
                }
                Err(error) => error,
            };
            match self.place(chunk) {
                Some(now) if now != place => place = now,
                _ => return Err(told(&error)),
            }
        }
    }
}

/// Returns an error with its cause.
fn told(error: &LogError) -> Arc<str> {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Arc::from(format!("{error}{}", cause.unwrap_or_default()))
}

impl Shelf for Chunks {
    fn fetch(&mut self, chunk: u64) {
        let mut inner = self.lock();
        let is_full = inner.fetched.len() >= FETCHED_MAX || inner.fetching >= FETCHING_MAX;
        if is_full || inner.fetched.contains_key(&chunk) {
            return;
        }
        if !inner.places.contains_key(&chunk) {
            return;
        }
        inner.fetched.insert(chunk, None);
        inner.fetching += 1;
        drop(inner);
        let chunks = self.clone();
        self.background.run(Box::new(move || {
            // What cannot be read is read again when it is taken, and the error told then.
            let read = chunks.read(chunk).ok();
            let mut inner = chunks.lock();
            inner.fetching -= 1;
            if let Some(slot) = inner.fetched.get_mut(&chunk) {
                *slot = read;
            }
        }));
    }

    fn take(&mut self, chunk: u64) -> Result<Vec<u8>, Arc<str>> {
        let mut inner = self.lock();
        if let Some(payload) = inner.unwritten.get(&chunk) {
            return Ok(payload.to_vec());
        }
        if let Some(payload) = inner.fetched.remove(&chunk).flatten() {
            return Ok(payload);
        }
        drop(inner);
        self.read(chunk)
    }
}
