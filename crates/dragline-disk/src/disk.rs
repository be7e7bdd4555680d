//! Says what a disk and its files can do, and what of it survives.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Files by path. Nothing is durable before its sync: contents by [`DiskFile::sync`], names by [`Disk::sync_dir`].
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened as asked, or is no file.
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>>;

    /// Returns the paths of the files in a folder, sorted; folders in it are passed over.
    ///
    /// # Errors
    /// When there is no such folder, or it cannot be read.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Creates a folder and those above it, each synced into the one above. One that is there already is fine.
    ///
    /// # Errors
    /// When it cannot be created.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives a file another name; a file of that name is replaced, whole, at once.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When the system could not; what is durable is then unknown.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Returns how much room there is where this folder is.
    ///
    /// # Errors
    /// When the system does not tell.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// An open file. One writer at a time.
pub trait DiskFile: fmt::Debug + Send {
    /// Writes at the end. After an error any part of the bytes may be there.
    ///
    /// # Errors
    /// When not all could be written: `StorageFull` and `QuotaExceeded` for want of space, `FileTooLarge` at a limit of
    /// file sizes.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Reads at an offset and returns how many bytes there were: fewer than asked for only at the end.
    ///
    /// # Errors
    /// When the system could not read.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// When the system does not tell.
    fn len(&self) -> io::Result<u64>;

    /// Whether nothing was written.
    ///
    /// # Errors
    /// When the system does not tell.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file to a length that is not beyond its end.
    ///
    /// # Errors
    /// When the system could not.
    fn cut(&mut self, len: u64) -> io::Result<()>;

    /// Makes what was written, and the length, durable.
    ///
    /// # Errors
    /// When the system could not: what is durable is then unknown, and a later sync that succeeds proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It is there, and is read only.
    Read,
    /// It is there, and is read and appended to.
    Append,
    /// It is not there and is created.
    New,
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}
