//! Reads a file from the front in large pieces.

use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;
use dragline_disk::{Disk, DiskFile, Open};

use super::block::{BLOCK_HEADER_BYTES, BlockHeader, PAYLOAD_BYTES_MAX};
use super::header::{FileKind, HEADER_BYTES, Header, HeaderFault};
use crate::error::LogError;

/// Bytes that are read, or written, at once.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// A file as it was when it was opened: what is appended later is not seen.
#[derive(Debug)]
pub(crate) struct Pieces {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
    /// Bytes that are read at once.
    piece_bytes: usize,
    /// Where in the file the buffer begins.
    start: u64,
    /// At most a piece, or the largest run of bytes asked for, which callers bound by what a block may have.
    buffer: Vec<u8>,
}

/// What stands where a block may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockAt<'a> {
    /// A whole block.
    Whole(BlockHeader, &'a [u8]),
    /// A block that is not as it was written.
    Bad(&'static str),
    /// No block begins here.
    Absent,
}

impl Pieces {
    /// Opens a file to be read from the front.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(disk: &dyn Disk, path: PathBuf) -> Result<Self, LogError> {
        Self::open_for(disk, path, PIECE_BYTES)
    }

    /// Opens a file to be read here and there, this many bytes at once.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open_for(disk: &dyn Disk, path: PathBuf, piece_bytes: usize) -> Result<Self, LogError> {
        let failed = |source| LogError::from_io(&path, "read", source);
        let file = disk.open(&path, Open::Read).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        Ok(Self { path, file, len, piece_bytes, start: 0, buffer: Vec::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Ends the file earlier than it does.
    pub(crate) fn end_at(&mut self, len: u64) {
        self.len = self.len.min(len);
    }

    /// Returns bytes of the file; `None` when it ends before the last of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn get(&mut self, offset: u64, count: usize) -> Result<Option<&[u8]>, LogError> {
        let Some(left) = self.len.checked_sub(offset).filter(|left| *left >= count as u64) else {
            return Ok(None);
        };
        if !self.has(offset, count) {
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.buffer.resize(count.max(self.piece_bytes).min(left), 0);
            let read = self.file.read_at(offset, &mut self.buffer);
            let read = read.map_err(|source| LogError::from_io(&self.path, "read", source))?;
            self.buffer.truncate(read);
            self.start = offset;
            if read < count {
                // Somebody cut the file meanwhile: it ends here now.
                self.len = offset + read as u64;
                return Ok(None);
            }
        }
        let at = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.buffer.get(at..).and_then(|bytes| bytes.get(..count)))
    }

    /// Reads the header of the file.
    ///
    /// # Errors
    /// When the file cannot be read, was written by a newer version or belongs to another run. Damage is an answer, for
    /// the caller to judge.
    pub(crate) fn header(
        &mut self,
        kind: FileKind,
        run: RunId,
        number: u64,
    ) -> Result<Result<Header, &'static str>, LogError> {
        let count = usize::try_from(self.len).unwrap_or(usize::MAX).min(HEADER_BYTES);
        let header = Header::decode(self.get(0, count)?.unwrap_or_default(), kind, run, number);
        match header {
            Ok(header) => Ok(Ok(header)),
            Err(HeaderFault::Damaged(what)) => Ok(Err(what)),
            Err(HeaderFault::Newer(found)) => Err(LogError::NewerVersion { path: self.path.clone(), found }),
            Err(HeaderFault::Foreign(found)) => Err(LogError::ForeignRun { path: self.path.clone(), found }),
        }
    }

    /// Reads the block at an offset.
    ///
    /// # Errors
    /// When the file cannot be read. Damage is an answer, for the caller to judge.
    pub(crate) fn block(&mut self, run: RunId, offset: u64) -> Result<BlockAt<'_>, LogError> {
        let header = self.get(offset, BLOCK_HEADER_BYTES)?.and_then(BlockHeader::decode);
        let Some(header) = header else { return Ok(BlockAt::Absent) };
        if header.bytes > PAYLOAD_BYTES_MAX {
            return Ok(BlockAt::Bad("a length beyond every limit"));
        }
        let whole = BLOCK_HEADER_BYTES.saturating_add(usize::try_from(header.bytes).unwrap_or(usize::MAX));
        match self.get(offset, whole)?.and_then(|whole| whole.get(BLOCK_HEADER_BYTES..)) {
            None => Ok(BlockAt::Bad("the file ends inside a block")),
            Some(payload) if header.holds(run, payload) => Ok(BlockAt::Whole(header, payload)),
            Some(_) => Ok(BlockAt::Bad("a block with a bad checksum")),
        }
    }

    fn has(&self, offset: u64, count: usize) -> bool {
        let end = self.start + self.buffer.len() as u64;
        offset >= self.start && offset.saturating_add(count as u64) <= end
    }
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;

    #[test]
    fn bytes_are_found_wherever_pieces_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let contents: Vec<u8> = (0..PIECE_BYTES + 1000).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::fs::write(&path, &contents).unwrap();
        let mut pieces = Pieces::open(&FileDisk, path).unwrap();
        let mut check = |offset: usize, count: usize| {
            let expected = contents.get(offset..).and_then(|bytes| bytes.get(..count));
            assert_eq!(pieces.get(offset as u64, count).unwrap(), expected, "{count} bytes at {offset}");
        };
        check(0, 64);
        check(PIECE_BYTES - 10, 30);
        check(0, PIECE_BYTES + 1000);
        check(0, PIECE_BYTES + 1001);
        check(PIECE_BYTES + 990, 10);
        check(PIECE_BYTES + 990, 11);
        check(PIECE_BYTES + 1000, 0);
        check(PIECE_BYTES + 1001, 0);
        check(5, 100);
    }

    #[test]
    fn a_file_that_is_cut_meanwhile_ends_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let mut pieces = Pieces::open(&FileDisk, path.clone()).unwrap();
        std::fs::write(&path, b"0123").unwrap();
        assert_eq!(pieces.get(2, 4).unwrap(), None);
        assert_eq!(pieces.get(2, 2).unwrap(), Some(b"23".as_slice()));
        pieces.end_at(3);
        assert_eq!(pieces.get(2, 2).unwrap(), None);
        assert_eq!(pieces.len(), 3);
    }
}
