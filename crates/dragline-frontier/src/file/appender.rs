//! Makes what is appended to a file durable, all of it or nothing.

use std::path::PathBuf;
use std::sync::Arc;

use dragline_disk::Disk;

use super::tail::Tail;
use crate::error::LogError;

/// Appends to the last of several files, or begins another one.
///
/// Each call writes something, syncs it and returns; or takes back what it wrote. After a failed sync, or when something
/// cannot be taken back, nothing is written any more: what is on the disk is then unknown, and even a later sync that
/// succeeds proves nothing.
#[derive(Debug)]
pub(crate) struct Appender {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tail: Option<Tail>,
    /// What failed in a way after which nothing is written any more.
    poisoned: Option<PathBuf>,
}

impl Appender {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, tail: Option<Tail>) -> Self {
        Self { disk, dir, tail, poisoned: None }
    }

    /// Returns the length of the current file, 0 without one.
    pub(crate) fn len(&self) -> u64 {
        self.tail.as_ref().map_or(0, Tail::len)
    }

    /// # Errors
    /// When nothing is written any more.
    pub(crate) fn is_trusted(&self) -> Result<(), LogError> {
        match &self.poisoned {
            Some(path) => Err(LogError::Poisoned { path: path.clone() }),
            None => Ok(()),
        }
    }

    /// Appends to the current file.
    ///
    /// # Errors
    /// When something could not be written, and the file is as it was; or when nothing is written any more.
    ///
    /// # Panics
    /// When there is no current file.
    pub(crate) fn append_to_current<T>(
        &mut self,
        write: impl FnOnce(&mut Tail) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        self.is_trusted()?;
        let tail = self.tail.as_mut().expect("there is a file to append to");
        let written = write(tail);
        let synced = if written.is_ok() { tail.sync() } else { Ok(()) };
        if written.is_ok() && synced.is_ok() {
            return written;
        }
        // After a failed sync too, as far as that goes: the next start must not believe what only the cache holds.
        let taken_back = tail.cut_back();
        let path = tail.path().to_owned();
        self.poison_unless(synced.and(taken_back), path)?;
        written
    }

    /// Begins another file, which is the current one from then on.
    ///
    /// # Errors
    /// When something could not be written, and there is no other file; or when nothing is written any more.
    pub(crate) fn append_to_new<T>(
        &mut self,
        path: PathBuf,
        write: impl FnOnce(&mut Tail) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        self.is_trusted()?;
        let mut tail = Tail::create(&*self.disk, path.clone())?;
        let written = write(&mut tail);
        // The file's name is durable before anybody relies on it: what is appended next would else stand behind a gap.
        let sync_dir = || self.disk.sync_dir(&self.dir).map_err(|source| LogError::sync(&self.dir, source));
        let synced = if written.is_ok() { tail.sync().and_then(|()| sync_dir()) } else { Ok(()) };
        if written.is_ok() && synced.is_ok() {
            self.tail = Some(tail);
            return written;
        }
        drop(tail);
        // The removal needs no sync: should the name come again, what stands under it was never relied on.
        let removed = self.disk.remove(&path).map_err(|source| LogError::sync(&path, source));
        self.poison_unless(synced.and(removed), path)?;
        written
    }

    fn poison_unless(&mut self, fine: Result<(), LogError>, path: PathBuf) -> Result<(), LogError> {
        if fine.is_err() {
            self.poisoned = Some(path);
        }
        fine
    }
}
