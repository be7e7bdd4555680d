//! Looks how much room there is where a crawl writes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_disk::Disk;

/// How much is free where a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    pub(crate) folder: Box<Path>,
    /// Bytes that may still be written.
    pub(crate) free: u64,
}

/// The folders that are watched, and their disk.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folders: Arc<[PathBuf]>,
}

impl Room {
    /// Looks at every folder, in order; one that the disk tells nothing of is taken to have room. Blocks on the disk.
    pub(crate) fn look(&self) -> Vec<Free> {
        let free = |folder: &PathBuf| Free {
            folder: folder.as_path().into(),
            free: self.disk.space(folder).map_or(u64::MAX, |space| space.free),
        };
        self.folders.iter().map(free).collect()
    }

    /// Says which folders cannot be watched, and why.
    pub(crate) fn blind(&self) -> Vec<(&Path, io::Error)> {
        let blind = |folder: &'_ PathBuf| self.disk.space(folder).err();
        self.folders.iter().filter_map(|folder| Some((folder.as_path(), blind(folder)?))).collect()
    }
}
