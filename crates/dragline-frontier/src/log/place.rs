//! Names what is written to a file of blocks, and where it then stands.

use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;

use crate::error::LogError;
use crate::file::{BLOCK_HEADER_BYTES, BlockHeader, Fields, FileKind, name_of};
use crate::shelf::shelf_path;

/// How the names of segments begin.
pub(crate) const SEGMENT_PREFIX: &str = "log";

/// Records that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The caller's word for what they are.
    pub kind: u8,
    /// The number of the first record. The records of a run are numbered 1, 2, 3, without gaps.
    pub first: u64,
    /// How many they are, at least one.
    pub count: u32,
    /// The records, opaque here. About 64 KiB are read and written well; at most 64 MiB.
    pub payload: Vec<u8>,
}

/// A file in which blocks stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockFile {
    /// The segment of the log with this number.
    Segment(u32),
    /// The shelf file with this number.
    Shelf(u32),
}

/// Where a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: BlockFile,
    /// The first byte of the block in it.
    pub offset: u64,
    /// The block's bytes, with what stands before its payload.
    pub len: u32,
}

impl Block {
    /// Returns the number of the last record.
    pub fn last(&self) -> u64 {
        last_of(self.first, self.count)
    }

    pub(crate) fn header(&self, run: RunId) -> Result<BlockHeader, LogError> {
        BlockHeader::of(run, self.kind, self.first, self.count, &self.payload)
    }

    pub(super) fn of(header: BlockHeader, payload: &[u8]) -> Self {
        Self { kind: header.kind, first: header.first, count: header.count, payload: payload.to_vec() }
    }
}

impl BlockFile {
    /// Returns the number that stands in the file's name.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Segment(number) | Self::Shelf(number) => number,
        }
    }

    pub(crate) const fn kind(self) -> FileKind {
        match self {
            Self::Segment(_) => FileKind::Log,
            Self::Shelf(_) => FileKind::Shelf,
        }
    }

    /// Returns the path of the file.
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        match self {
            Self::Segment(number) => segment_path(dir, number),
            Self::Shelf(number) => shelf_path(dir, number),
        }
    }
}

impl Place {
    /// Bytes of an encoded place.
    pub(crate) const BYTES: usize = 16;

    /// Spells the place, for what must find the block again. Of which kind the file is must be known otherwise.
    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.file.number().to_le_bytes());
        bytes[4..12].copy_from_slice(&self.offset.to_le_bytes());
        bytes[12..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    /// Reads what [`Place::encode`] wrote; `file` makes the file of its number.
    pub(crate) fn decode(bytes: [u8; Self::BYTES], file: fn(u32) -> BlockFile) -> Option<Self> {
        let mut fields = Fields(&bytes);
        Some(Self { file: file(fields.u32()?), offset: fields.u64()?, len: fields.u32()? })
    }

    pub(crate) fn of(file: BlockFile, offset: u64, header: BlockHeader) -> Self {
        let before = u32::try_from(BLOCK_HEADER_BYTES).expect("a small constant");
        Self { file, offset, len: before.saturating_add(header.bytes) }
    }

    /// Returns the first byte behind the block.
    pub(crate) fn end(self) -> u64 {
        self.offset.saturating_add(self.len.into())
    }
}

/// Returns the number of the last of `count` records; numbers read from a disk may be anything.
pub(super) fn last_of(first: u64, count: u32) -> u64 {
    first.saturating_add(count.into()).saturating_sub(1)
}

/// Returns the path of a segment.
pub(super) fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(name_of(SEGMENT_PREFIX, segment.into()))
}
