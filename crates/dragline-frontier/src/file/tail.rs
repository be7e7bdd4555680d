//! Appends to a file that can be taken back to what is durable of it.

use std::path::{Path, PathBuf};

use dragline_disk::{Disk, DiskFile, Open};

use crate::error::LogError;

/// The end of a file.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Bytes written.
    len: u64,
    /// Bytes that are durable: where [`Tail::cut_back`] goes.
    durable: u64,
}

impl Tail {
    /// Creates a file. Its name is durable when its folder is synced.
    ///
    /// # Errors
    /// When there is such a file, or it cannot be created.
    pub(crate) fn create(disk: &dyn Disk, path: PathBuf) -> Result<Self, LogError> {
        match disk.open(&path, Open::New) {
            Ok(file) => Ok(Self { path, file, len: 0, durable: 0 }),
            Err(source) => Err(LogError::from_io(&path, "create", source)),
        }
    }

    /// Opens a file, cuts it to `len` bytes and makes that durable, also when nothing was cut: what stands in it may
    /// have been written by a process that died before it could sync.
    ///
    /// # Errors
    /// When it cannot be opened or cut, is shorter, or the sync failed.
    pub(crate) fn open(disk: &dyn Disk, path: PathBuf, len: u64) -> Result<Self, LogError> {
        let failed = |source| LogError::from_io(&path, "open", source);
        let mut file = disk.open(&path, Open::Append).map_err(failed)?;
        let found = file.len().map_err(failed)?;
        if found < len {
            return Err(LogError::Shorter { path, expected: len, found });
        }
        if found > len {
            file.cut(len).map_err(|source| LogError::from_io(&path, "cut", source))?;
        }
        file.sync().map_err(|source| LogError::sync(&path, source))?;
        Ok(Self { path, file, len, durable: len })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many bytes were written.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Writes at the end.
    ///
    /// # Errors
    /// When not all could be written. Any part may be there: cut back.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.file.append(bytes).map_err(|source| LogError::from_io(&self.path, "write", source))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// When the system could not: nothing more may be written.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync().map_err(|source| LogError::sync(&self.path, source))?;
        self.durable = self.len;
        Ok(())
    }

    /// Takes everything back that was written since the last sync, and makes that durable. Without the sync, what was
    /// taken back could come again with a power loss, below what other files hold by then.
    ///
    /// # Errors
    /// When the system could not: nothing more may be written.
    pub(crate) fn cut_back(&mut self) -> Result<(), LogError> {
        let cut = self.file.cut(self.durable).and_then(|()| self.file.sync());
        cut.map_err(|source| LogError::sync(&self.path, source))?;
        self.len = self.durable;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;

    #[test]
    fn what_was_not_synced_can_be_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut tail = Tail::create(&FileDisk, path.clone()).unwrap();
        tail.append(b"durable").unwrap();
        tail.sync().unwrap();
        tail.append(b" and not").unwrap();
        assert_eq!(tail.len(), 15);
        tail.cut_back().unwrap();
        tail.append(b"!").unwrap();
        assert_eq!((tail.len(), std::fs::read(&path).unwrap()), (8, b"durable!".to_vec()));
        let tail = Tail::open(&FileDisk, path.clone(), 4).unwrap();
        assert_eq!((tail.len(), std::fs::read(&path).unwrap()), (4, b"dura".to_vec()));
        assert!(Tail::create(&FileDisk, path.clone()).is_err());
        let error = Tail::open(&FileDisk, path, 5).unwrap_err();
        assert!(matches!(error, LogError::Shorter { expected: 5, found: 4, .. }), "{error}");
    }
}
