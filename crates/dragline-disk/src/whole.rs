//! Replaces a file so that a reader, and a crash, see the old or the new one, whole.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Open};

/// Replaces a file, or creates it, by way of `<path>.tmp` in the same folder, durable when it returns.
///
/// # Errors
/// When a step failed; the old file is then still there, and perhaps the one that was to replace it.
pub fn write_whole(disk: &dyn Disk, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".tmp");
    let part = PathBuf::from(part);
    match disk.remove(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.open(&part, Open::New)?;
    file.append(contents)?;
    file.sync()?;
    drop(file);
    disk.rename(&part, path)?;
    disk.sync_dir(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_disk::FileDisk;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(folder.path().join("report.json.tmp"), "left by a crash").unwrap();
        write_whole(&FileDisk, &path, b"long old contents").unwrap();
        write_whole(&FileDisk, &path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
