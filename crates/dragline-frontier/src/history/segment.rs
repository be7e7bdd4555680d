//! Reads the blocks of one segment of the history.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::block::Entries;
use super::entry::HistoryEntry;
use super::index::{Row, row_of};
use super::pack::Unpacker;
use crate::error::LogError;
use crate::file::{
    BLOCK_HEADER_BYTES, BlockAt, BlockHeader, FileKind, HEADER_BYTES, PIECE_BYTES, Pieces, name_of,
};

/// How the names of segments begin.
pub(crate) const HISTORY_PREFIX: &str = "history";
/// Bytes that are read at once where a single block is wanted: most of the compressed ones with their header.
const SINGLE_BLOCK_BYTES: usize = 12 << 10;

const OTHER_ENTRIES: &str = "a block of other entries";

/// A segment that is read.
#[derive(Debug)]
pub(super) struct SegmentReader {
    pieces: Pieces,
    unpacker: Unpacker,
    run: RunId,
    at: u64,
    /// The number of the first entry.
    pub(super) first: u64,
}

/// A block and where it stands.
pub(super) struct BlockOf<'a> {
    pub(super) offset: u64,
    pub(super) header: BlockHeader,
    entries: Entries<'a>,
    unpacker: &'a mut Unpacker,
    path: PathBuf,
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
            Ok(header) => {
                let (unpacker, at) = (Unpacker::default(), HEADER_BYTES as u64);
                Ok(Self { pieces, unpacker, run, at, first: header.first })
            }
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

    /// Takes a block apart that was proved already.
    fn lend(&mut self, offset: u64, header: BlockHeader) -> Result<BlockOf<'_>, LogError> {
        let path = self.pieces.path().to_owned();
        let payload = self.pieces.get(offset + BLOCK_HEADER_BYTES as u64, header.bytes as usize)?;
        match payload.and_then(|payload| Entries::of(header, payload)) {
            Some(entries) => Ok(BlockOf { offset, header, entries, unpacker: &mut self.unpacker, path }),
            None => Err(LogError::damaged(&path, offset, OTHER_ENTRIES)),
        }
    }

    /// Returns the row of each entry in an index, and the number of the entry that comes next.
    ///
    /// # Errors
    /// When a block is damaged, or does not follow on the one before.
    pub(super) fn rows(mut self) -> Result<(Vec<Row>, u64), LogError> {
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
            found.extend(block.entries.fingerprints().map(|fingerprint| row_of(fingerprint, offset)));
        }
        Ok((found, expected))
    }
}

impl BlockOf<'_> {
    /// Returns the entries.
    ///
    /// # Errors
    /// When there are not as many as the block says, or they cannot be decompressed.
    pub(super) fn entries(self) -> Result<Vec<HistoryEntry>, LogError> {
        self.read(|_| true)
    }

    /// Returns the entries with a fingerprint.
    ///
    /// # Errors
    /// As [`BlockOf::entries`], where there is one.
    pub(super) fn entries_with(self, wanted: u64) -> Result<Vec<HistoryEntry>, LogError> {
        if self.entries.fingerprints().all(|fingerprint| fingerprint != wanted) {
            return Ok(Vec::new());
        }
        self.read(|fingerprint| fingerprint == wanted)
    }

    fn read(self, wanted: impl Fn(u64) -> bool) -> Result<Vec<HistoryEntry>, LogError> {
        let entries = self.entries.read(self.unpacker, wanted);
        entries.ok_or_else(|| LogError::damaged(&self.path, self.offset, OTHER_ENTRIES))
    }
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;
    use crate::file::{Header, PAYLOAD_BYTES_MAX};

    const RUN: RunId = RunId(7);

    /// Writes a segment of one block with this kind and payload, whose checksum is right, and reads its one entry.
    fn read(kind: u8, payload: &[u8]) -> Result<Vec<HistoryEntry>, LogError> {
        let folder = tempfile::tempdir().expect("there is space");
        let header = Header { kind: FileKind::History, run: RUN, number: 1, first: 1, epoch: 0 };
        let block = BlockHeader::of(RUN, kind, 1, 1, payload)?;
        let bytes = [&header.encode()[..], &block.encode(), payload].concat();
        std::fs::write(history_path(folder.path(), 1), bytes).expect("there is space");
        let mut reader = SegmentReader::open(&FileDisk, folder.path(), RUN, 1, None)?;
        let block = reader.next()?.expect("there is one");
        let found = block.entries_with(5)?;
        let rows = SegmentReader::open(&FileDisk, folder.path(), RUN, 1, None)?.rows()?;
        assert_eq!(rows, (vec![(5, 64)], 2));
        Ok(found)
    }

    #[test]
    fn a_block_that_lies_is_damage_although_its_checksum_is_right() {
        let frame = |says: u64| {
            let fingerprint = 5_u64.to_le_bytes();
            let magic_and_flags = [0x28, 0xb5, 0x2f, 0xfd, 0xe0];
            // One stored block: an entry of four bytes.
            let stored = [5 << 3 | 1, 0, 0, 4, b'f', b'o', b'u', b'r'];
            [&fingerprint[..], &magic_and_flags, &says.to_le_bytes(), &stored].concat()
        };
        let entry = [HistoryEntry { number: 1, fingerprint: 5, payload: b"four".to_vec() }];
        assert_eq!(read(2, &frame(5)).unwrap(), entry);
        assert_eq!(read(1, b"\x05\0\0\0\0\0\0\0\x04four").unwrap(), entry);
        let check = |kind: u8, payload: &[u8]| {
            let error = read(kind, payload).unwrap_err().to_string();
            assert!(error.contains("is damaged at byte 64 (a block of other entries)"), "{error}");
            assert!(error.contains("history-0000000001"), "{error}");
        };
        for says in [0, 4, 6, u64::from(PAYLOAD_BYTES_MAX) + 1, 1 << 40, u64::MAX - 2] {
            check(2, &frame(says));
        }
        check(1, &frame(5));
        check(0, &frame(5));
        check(3, &frame(5));
        check(1, &5_u64.to_le_bytes());
        check(2, &5_u64.to_le_bytes());
        check(1, &[1, 2, 3]);
    }
}
