//! Holds one file under way: whole rows, whatever fails.

use std::path::PathBuf;

use dragline_core::Wall;
use dragline_disk::DiskFile;

use super::position::OpenAt;
use crate::error::SinkError;

/// A file that is written to. It ends behind a whole row after every call that returns, but for a [`Fault::Torn`].
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// How much of it was written whole.
    at: OpenAt,
    /// Whether something was done to it since its last sync.
    unsynced: bool,
}

/// How an append failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file holds what it held before.
    Whole(SinkError),
    /// What the file holds is unknown.
    Torn(SinkError),
}

impl OpenFile {
    /// Takes up a file that holds this much.
    pub(super) const fn new(path: PathBuf, file: Box<dyn DiskFile>, at: OpenAt) -> Self {
        Self { path, file, at, unsynced: true }
    }

    /// Returns how much was written whole.
    pub(super) const fn at(&self) -> OpenAt {
        self.at
    }

    /// Writes whole rows, behind a header if one is due. They were taken from `since` on, which is the age of the file
    /// unless it has older ones.
    pub(super) fn append(
        &mut self,
        header: &[u8],
        rows: &[u8],
        row_count: u64,
        since: Option<Wall>,
    ) -> Result<(), Fault> {
        self.put(header)?;
        self.put(rows)?;
        self.at.rows += row_count;
        self.at.since_micros = self.at.since_micros.or(since.map(Wall::as_micros));
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.unsynced = true;
        if let Err(error) = self.file.append(bytes) {
            self.cut_back().map_err(Fault::Torn)?;
            return Err(Fault::Whole(SinkError::from_io(&self.path, "write", error)));
        }
        self.at.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Cuts away what was not written whole.
    pub(super) fn cut_back(&mut self) -> Result<(), SinkError> {
        let cut = self.file.len().and_then(|len| match len > self.at.bytes {
            true => self.file.cut(self.at.bytes),
            false => Ok(()),
        });
        cut.map_err(|error| SinkError::from_io(&self.path, "cut", error))
    }

    /// Makes what was written durable, if anything was.
    pub(super) fn sync(&mut self) -> Result<(), SinkError> {
        if self.unsynced {
            let path = &self.path;
            self.file.sync().map_err(|source| SinkError::Sync { path: path.clone(), source })?;
            self.unsynced = false;
        }
        Ok(())
    }
}
