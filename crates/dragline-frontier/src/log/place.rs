//! Names what is written to a segment, and where it then stands.

use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;

use crate::error::LogError;
use crate::file::{BLOCK_HEADER_BYTES, BlockHeader, Fields, name_of};

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

/// Where a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment.
    pub segment: u32,
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

    pub(super) fn header(&self, run: RunId) -> Result<BlockHeader, LogError> {
        BlockHeader::of(run, self.kind, self.first, self.count, &self.payload)
    }

    pub(super) fn of(header: BlockHeader, payload: &[u8]) -> Self {
        Self { kind: header.kind, first: header.first, count: header.count, payload: payload.to_vec() }
    }
}

impl Place {
    /// Bytes of an encoded place.
    pub(crate) const BYTES: usize = 16;

    /// Spells the place, for what must find the block again.
    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.segment.to_le_bytes());
        bytes[4..12].copy_from_slice(&self.offset.to_le_bytes());
        bytes[12..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    /// Reads what [`Place::encode`] wrote.
    pub(crate) fn decode(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let mut fields = Fields(&bytes);
        Some(Self { segment: fields.u32()?, offset: fields.u64()?, len: fields.u32()? })
    }

    pub(super) fn of(segment: u32, offset: u64, header: BlockHeader) -> Self {
        let before = u32::try_from(BLOCK_HEADER_BYTES).expect("a small constant");
        Self { segment, offset, len: before.saturating_add(header.bytes) }
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
