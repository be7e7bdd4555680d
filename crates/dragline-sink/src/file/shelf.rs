//! Does to files what a sink needs, and names the file in every error.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_disk::{Disk, DiskFile, Open};

use crate::error::SinkError;

/// The disk, as the files of one sink use it.
#[derive(Clone, Debug)]
pub(super) struct Shelf(Arc<dyn Disk>);

impl Shelf {
    pub(super) const fn new(disk: Arc<dyn Disk>) -> Self {
        Self(disk)
    }

    /// Creates a file; `None` when there is something of that name.
    pub(super) fn create_if_absent(&self, path: &Path) -> Result<Option<Box<dyn DiskFile>>, SinkError> {
        match self.0.open(path, Open::New) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(SinkError::from_io(path, "create", error)),
        }
    }

    /// Creates a file whose name is this run's own.
    pub(super) fn create(&self, path: &Path) -> Result<Box<dyn DiskFile>, SinkError> {
        self.0.open(path, Open::New).map_err(|error| SinkError::from_io(path, "create", error))
    }

    /// Opens a file; `None` when there is none.
    pub(super) fn open_if_there(
        &self,
        path: &Path,
        open: Open,
    ) -> Result<Option<Box<dyn DiskFile>>, SinkError> {
        match self.0.open(path, open) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SinkError::from_io(path, "open", error)),
        }
    }

    /// Returns the length of a file; `None` when there is none.
    pub(super) fn len_if_there(&self, path: &Path) -> Result<Option<u64>, SinkError> {
        let file = self.open_if_there(path, Open::Read)?;
        file.map(|file| file.len().map_err(|error| SinkError::from_io(path, "read", error))).transpose()
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), SinkError> {
        self.0.rename(from, to).map_err(|error| SinkError::from_io(from, "rename", error))
    }

    /// Removes a file and says whether there was one.
    pub(super) fn remove_if_there(&self, path: &Path) -> Result<bool, SinkError> {
        match self.0.remove(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(SinkError::from_io(path, "remove", error)),
        }
    }

    pub(super) fn list(&self, dir: &Path) -> Result<Vec<PathBuf>, SinkError> {
        self.0.list(dir).map_err(|error| SinkError::from_io(dir, "list", error))
    }

    pub(super) fn create_dir(&self, dir: &Path) -> Result<(), SinkError> {
        self.0.create_dir(dir).map_err(|error| SinkError::from_io(dir, "create", error))
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync_dir(&self, dir: &Path) -> Result<(), SinkError> {
        self.0.sync_dir(dir).map_err(|source| SinkError::Sync { path: dir.to_owned(), source })
    }
}
