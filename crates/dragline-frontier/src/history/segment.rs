//! Reads the blocks of one segment of the history.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::entry::{HistoryEntry, split};
use crate::error::LogError;
use crate::file::{
    BLOCK_HEADER_BYTES, BlockAt, BlockHeader, FileKind, HEADER_BYTES, PIECE_BYTES, Pieces, name_of,
};

/// How the names of segments begin.
pub(crate) const HISTORY_PREFIX: &str = "history";
/// Bytes that are read at once where a single block is wanted: most blocks with their header.
const SINGLE_BLOCK_BYTES: usize = 20 << 10;

/// A segment that is read.
#[derive(Debug)]
pub(super) struct SegmentReader {
    pieces: Pieces,
    run: RunId,
    at: u64,
    /// The number of the first entry.
    pub(super) first: u64,
}

/// A block and where it stands.
pub(super) struct BlockOf<'a> {
    pub(super) offset: u64,
    pub(super) header: BlockHeader,
    entries: Vec<(u64, &'a [u8])>,
}

/// Returns the path of a segment.
pub(super) fn history_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(name_of(HISTORY_PREFIX, segment.into()))
}

impl SegmentReader {
    /// Opens a segment to be read from the front, up to `end` if that is given.
    ///
    /// # Errors
    /// When it is gone, shorter than that, not this one, or cannot be read.
    pub(super) fn open(
        disk: &dyn Disk,
        dir: &Path,
        run: RunId,
        segment: u32,
        end: Option<u64>,
    ) -> Result<Self, LogError> {
        Self::open_for(disk, dir, run, segment, end, PIECE_BYTES)
    }

    /// Opens a segment of which single blocks are read.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub(super) fn open_for_blocks(
        disk: &dyn Disk,
        dir: &Path,
        run: RunId,
        segment: u32,
    ) -> Result<Self, LogError> {
        Self::open_for(disk, dir, run, segment, None, SINGLE_BLOCK_BYTES)
    }

    fn open_for(
        disk: &dyn Disk,
        dir: &Path,
        run: RunId,
        segment: u32,
        end: Option<u64>,
        piece_bytes: usize,
    ) -> Result<Self, LogError> {
        let path = history_path(dir, segment);
        let mut pieces = match Pieces::open_for(disk, path.clone(), piece_bytes) {
            Err(LogError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Err(LogError::Missing { path });
            }
            pieces => pieces?,
        };
        if let Some(expected) = end {
            let found = pieces.len();
            if found < expected {
                return Err(LogError::Shorter { path, expected, found });
            }
            pieces.end_at(expected);
        }
        match pieces.header(FileKind::History, run, segment.into())? {
            Ok(header) => Ok(Self { pieces, run, at: HEADER_BYTES as u64, first: header.first }),
            Err(what) => Err(LogError::damaged(&path, 0, what)),
        }
    }

    pub(super) const fn len(&self) -> u64 {
        self.pieces.len()
    }

    pub(super) fn path(&self) -> &Path {
        self.pieces.path()
    }

    /// Returns the next block; `None` at the end.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<BlockOf<'_>>, LogError> {
        if self.at >= self.pieces.len() {
            return Ok(None);
        }
        let offset = self.at;
        let header = self.proved(offset)?;
        self.at += header.whole_bytes();
        self.lend(offset, header).map(Some)
    }

    /// Returns the block at an offset.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub(super) fn block(&mut self, offset: u64) -> Result<BlockOf<'_>, LogError> {
        let header = self.proved(offset)?;
        self.lend(offset, header)
    }

    fn proved(&mut self, offset: u64) -> Result<BlockHeader, LogError> {
        let what = match self.pieces.block(self.run, offset)? {
            BlockAt::Whole(header, _) => return Ok(header),
            BlockAt::Bad(what) => what,
            BlockAt::Absent => "no block begins here",
        };
        Err(LogError::damaged(self.pieces.path(), offset, what))
    }

    /// Splits a block that was proved already.
    fn lend(&mut self, offset: u64, header: BlockHeader) -> Result<BlockOf<'_>, LogError> {
        let path = self.pieces.path().to_owned();
        let payload = self.pieces.get(offset + BLOCK_HEADER_BYTES as u64, header.bytes as usize)?;
        match payload.and_then(|payload| split(header, payload)) {
            Some(entries) => Ok(BlockOf { offset, header, entries }),
            None => Err(LogError::damaged(&path, offset, "a block of other entries")),
        }
    }

    /// Returns the fingerprint of each entry with the offset of its block, and the number of the entry that comes next.
    ///
    /// # Errors
    /// When a block is damaged, or does not follow on the one before.
    pub(super) fn fingerprints(mut self) -> Result<(Vec<(u64, u32)>, u64), LogError> {
        let mut found = Vec::new();
        let mut expected = self.first;
        let path = self.path().to_owned();
        while let Some(block) = self.next()? {
            let damaged = |what| LogError::damaged(&path, block.offset, what);
            if block.header.first != expected {
                return Err(damaged("entries before it are missing"));
            }
            let offset = u32::try_from(block.offset).map_err(|_| damaged("no segment is so long"))?;
            expected = expected.saturating_add(block.header.count.into());
            found.extend(block.entries.iter().map(|(fingerprint, _)| (*fingerprint, offset)));
        }
        Ok((found, expected))
    }
}

impl BlockOf<'_> {
    /// Returns the entries.
    pub(super) fn entries(&self) -> Vec<HistoryEntry> {
        self.numbered().map(|(number, entry)| entry_of(number, entry)).collect()
    }

    /// Returns the entries with a fingerprint.
    pub(super) fn entries_with(&self, wanted: u64) -> Vec<HistoryEntry> {
        let wanted = self.numbered().filter(|(_, (fingerprint, _))| *fingerprint == wanted);
        wanted.map(|(number, entry)| entry_of(number, entry)).collect()
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, (u64, &[u8]))> {
        (self.header.first..).zip(self.entries.iter().copied())
    }
}

fn entry_of(number: u64, (fingerprint, payload): (u64, &[u8])) -> HistoryEntry {
    HistoryEntry { number, fingerprint, payload: payload.to_vec() }
}
