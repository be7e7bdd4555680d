//! Names snapshots, and removes those that nobody names.

use std::path::{Path, PathBuf};

use dragline_disk::Disk;

use crate::error::LogError;
use crate::file::{name_of, numbered};

pub(crate) const SNAPSHOT_PREFIX: &str = "snapshot";

/// Returns the path of a snapshot.
pub(super) fn snapshot_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(name_of(SNAPSHOT_PREFIX, id))
}

/// Removes all snapshots but these.
pub(crate) fn remove_others(disk: &dyn Disk, dir: &Path, keep: &[Option<u64>]) -> Result<(), LogError> {
    for (id, path) in numbered(disk, dir, SNAPSHOT_PREFIX)? {
        if !keep.contains(&Some(id)) {
            disk.remove(&path).map_err(|source| LogError::from_io(&path, "remove", source))?;
        }
    }
    Ok(())
}
