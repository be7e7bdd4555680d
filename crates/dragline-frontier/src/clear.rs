//! Removes a run from its state folder, and nothing else.

use std::io;
use std::path::Path;

use dragline_disk::Disk;

use crate::error::LogError;
use crate::file::{numbered, numbered_with};
use crate::history::{HISTORY_PREFIX, INDEX_PART_SUFFIX, INDEX_SUFFIX};
use crate::log::SEGMENT_PREFIX;
use crate::meta::{META_FILE, META_PART_FILE};
use crate::shelf::SHELF_PREFIX;
use crate::snapshot::SNAPSHOT_PREFIX;

/// Removes everything of a run from its folder, which must exist and be owned by this process. Files that are not ours
/// stay, and so does the lock.
///
/// What says that there is a run goes last: one that is removed in part is refused as damaged, and removed by the next
/// call.
///
/// # Errors
/// When a file cannot be removed.
pub fn clear(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
    let mut files = numbered(disk, dir, SNAPSHOT_PREFIX)?;
    for suffix in [INDEX_PART_SUFFIX, INDEX_SUFFIX] {
        files.extend(numbered_with(disk, dir, HISTORY_PREFIX, suffix)?);
    }
    files.extend(numbered(disk, dir, HISTORY_PREFIX)?);
    for prefix in [SHELF_PREFIX, SEGMENT_PREFIX] {
        files.extend(numbered(disk, dir, prefix)?);
    }
    let meta = [META_PART_FILE, META_FILE].map(|name| dir.join(name));
    for path in files.into_iter().map(|(_, path)| path).chain(meta) {
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LogError::from_io(&path, "remove", error));
            }
            _ => {}
        }
    }
    disk.sync_dir(dir).map_err(|source| LogError::sync(dir, source))
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;
    use crate::meta::Meta;

    #[test]
    fn our_files_go_and_those_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let ours = [
            "log-0000000001",
            "log-0000000012",
            "history-0000000001",
            "history-0000000001.index",
            "history-0000000002.index.tmp",
            "snapshot-0000000003",
            "shelf-0000000007",
            "state.toml",
            "state.toml.tmp",
        ];
        let theirs = ["lock", "log-1", "notes.txt", "history-0000000001.bak", "shelf-7", "state.toml~"];
        for name in ours.iter().chain(&theirs) {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("log-0000000002")).unwrap();
        clear(&FileDisk, folder.path()).unwrap();
        let there = |name: &&str| folder.path().join(name).exists();
        assert!(!ours.iter().any(there));
        assert!(theirs.iter().all(there) && there(&"log-0000000002"));
        assert_eq!(Meta::read(&FileDisk, folder.path()).unwrap(), None);
        clear(&FileDisk, folder.path()).expect("there is nothing to remove");
    }
}
