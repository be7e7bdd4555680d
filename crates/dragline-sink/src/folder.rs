//! Makes changes to a folder durable: files written whole, and names that survive a power loss.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::error::SinkError;

/// Syncs the folder that `path` stands in, so that a new or renamed name survives a power loss.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), SinkError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    sync_folder(folder).map_err(|source| SinkError::Sync { path: folder.to_owned(), source })
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Replaces a file by one with these contents: readers see the old or the new one, whole.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<(), SinkError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".tmp");
    let part = Path::new(&part);
    let failed = |action| move |source| SinkError::from_io(part, action, source);
    let mut file = File::create(part).map_err(failed("create"))?;
    file.write_all(contents).map_err(failed("write"))?;
    file.sync_all().map_err(|source| SinkError::Sync { path: part.to_owned(), source })?;
    drop(file);
    std::fs::rename(part, path).map_err(|source| SinkError::from_io(path, "replace", source))?;
    sync_folder_of(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_whole(&path, b"long old contents").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
