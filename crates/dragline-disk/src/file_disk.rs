//! Is the disk of the system.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile, Open, Space};

/// The disk of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileDisk;

#[derive(Debug)]
struct SystemFile(File);

impl Disk for FileDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match open {
            Open::Read => {}
            Open::Append => _ = options.append(true),
            Open::New => _ = options.append(true).create_new(true),
        }
        let file = options.open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Box::new(SystemFile(file)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in dir.read_dir()? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                paths.push(entry.path());
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !is_there(dir)).collect();
        std::fs::create_dir_all(dir)?;
        missing.iter().try_for_each(|dir| self.sync_dir(parent(dir)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
    }
}

impl DiskFile for SystemFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.0.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn is_there(dir: &Path) -> bool {
    dir.as_os_str().is_empty() || dir.exists()
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_appended_to_read_cut_and_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a/b");
        FileDisk.create_dir(&dir).unwrap();
        FileDisk.create_dir(&dir).unwrap();
        let path = dir.join("one");
        let mut file = FileDisk.open(&path, Open::New).unwrap();
        file.append(b"0123456789").unwrap();
        file.cut(6).unwrap();
        file.append(b"x").unwrap();
        file.sync().unwrap();
        let mut bytes = [0; 8];
        assert_eq!(file.read_at(2, &mut bytes).unwrap(), 5);
        assert_eq!(&bytes[..5], b"2345x");
        assert_eq!((file.len().unwrap(), file.is_empty().unwrap()), (7, false));
        assert_eq!(FileDisk.open(&path, Open::New).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        FileDisk.rename(&path, &dir.join("two")).unwrap();
        FileDisk.sync_dir(&dir).unwrap();
        FileDisk.create_dir(&dir.join("folder")).unwrap();
        assert_eq!(FileDisk.list(&dir).unwrap(), [dir.join("two")]);
        let mut again = FileDisk.open(&dir.join("two"), Open::Append).unwrap();
        again.append(b"y").unwrap();
        assert_eq!(FileDisk.open(&dir.join("two"), Open::Read).unwrap().len().unwrap(), 8);
        FileDisk.remove(&dir.join("two")).unwrap();
        assert_eq!(FileDisk.open(&path, Open::Append).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(FileDisk.open(&dir, Open::Read).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let space = FileDisk.space(&dir).unwrap();
        assert!(space.free > 0 && space.free <= space.total);
    }
}
