//! Reads a snapshot back, whole or not at all.

use std::path::Path;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::names::snapshot_path;
use crate::error::LogError;
use crate::file::{BLOCK_HEADER_BYTES, BlockAt, BlockHeader, Fields, FileKind, HEADER_BYTES, Pieces};

/// The kind of a block that holds a shard: its count is the shard, its first number the one it was taken at.
pub(super) const SHARD: u8 = 1;
/// The kind of the last block.
pub(super) const TRAILER: u8 = 2;
const TRAILER_BYTES: usize = 20;

/// A shard, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one.
    pub shard: u32,
    /// The number of the last record that is in it.
    pub number: u64,
    /// Its content, opaque here.
    pub payload: Vec<u8>,
}

/// The shards of a snapshot in the order in which they were put, one at a time in memory. After an error comes nothing
/// more, and what came before must not be used.
#[derive(Debug)]
pub struct Snapshot {
    pieces: Pieces,
    run: RunId,
    at: u64,
    /// Where the trailer begins.
    end: u64,
    expected: Trailer,
    seen: Trailer,
}

/// How much there must be before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trailer {
    count: u64,
    /// The least number; of no meaning without shards.
    lowest: u64,
    /// What the checksums of the blocks come to, in order.
    chain: u32,
}

impl Trailer {
    pub(super) fn add(&mut self, header: BlockHeader) {
        self.lowest = if self.count == 0 { header.first } else { self.lowest.min(header.first) };
        self.count += 1;
        self.chain = crc32c::crc32c_append(self.chain, &header.crc.to_le_bytes());
    }

    pub(super) fn lowest(&self) -> Option<u64> {
        (self.count > 0).then_some(self.lowest)
    }

    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.lowest.to_le_bytes());
        bytes[16..].copy_from_slice(&self.chain.to_le_bytes());
        bytes
    }

    fn decode(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        Some(Self { count: fields.u64()?, lowest: fields.u64()?, chain: fields.u32()? })
    }
}

impl Snapshot {
    /// Opens a snapshot that was finished.
    ///
    /// # Errors
    /// When there is none, it is not complete, or belongs to another run.
    pub fn open(disk: &dyn Disk, dir: &Path, run: RunId, id: u64) -> Result<Self, LogError> {
        let path = snapshot_path(dir, id);
        let mut pieces = match Pieces::open(disk, path.clone()) {
            Err(LogError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(LogError::Missing { path });
            }
            pieces => pieces?,
        };
        if let Err(what) = pieces.header(FileKind::Snapshot, run, id)? {
            return Err(LogError::damaged(&path, 0, what));
        }
        let end = pieces.len().saturating_sub((BLOCK_HEADER_BYTES + TRAILER_BYTES) as u64);
        let trailer = match pieces.block(run, end)? {
            BlockAt::Whole(header, payload) if header.kind == TRAILER => Trailer::decode(payload),
            _ => None,
        };
        let expected =
            trailer.ok_or_else(|| LogError::damaged(&path, end, "the snapshot is not complete"))?;
        Ok(Self { pieces, run, at: HEADER_BYTES as u64, end, expected, seen: Trailer::default() })
    }

    fn advance(&mut self) -> Result<Option<Shard>, LogError> {
        if self.at >= self.end {
            let whole = self.at == self.end && self.seen == self.expected;
            let what = "shards are missing";
            return if whole { Ok(None) } else { Err(LogError::damaged(self.pieces.path(), self.end, what)) };
        }
        let (header, payload) = match self.pieces.block(self.run, self.at)? {
            BlockAt::Whole(header, payload) => (header, payload.to_vec()),
            BlockAt::Bad(what) => return Err(LogError::damaged(self.pieces.path(), self.at, what)),
            BlockAt::Absent => {
                return Err(LogError::damaged(self.pieces.path(), self.at, "no shard begins here"));
            }
        };
        let shard = Shard { shard: header.count, number: header.first, payload };
        self.at += header.whole_bytes();
        self.seen.add(header);
        Ok(Some(shard))
    }
}

impl Iterator for Snapshot {
    type Item = Result<Shard, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.at = self.end;
            self.seen = self.expected;
        }
        next.transpose()
    }
}
