//! Says in the first bytes of a file what it is and whose.

use dragline_core::frontier::RunId;

use super::fields::Fields;

/// Bytes of a header, in every version.
pub(crate) const HEADER_BYTES: usize = 64;
/// The version of every format in the state folder. It goes up when an older program could not read what is written.
pub(crate) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"dragline";
/// Where the checksum stands, in every version.
const CRC_AT: usize = HEADER_BYTES - 4;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Records and Commits.
    Log,
    /// Shards of one snapshot.
    Snapshot,
    /// Chunks that were copied out of segments and other such files.
    Shelf,
    /// Entries of the history.
    History,
    /// The fingerprints of one segment of the history, sorted.
    Index,
}

/// The first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the file holds.
    pub(crate) kind: FileKind,
    /// The run it belongs to.
    pub(crate) run: RunId,
    /// Its number among its kind, as in its name: a file under another's name is found out.
    pub(crate) number: u64,
    /// The number of the first record, or entry, that it may hold; 0 where there are none.
    pub(crate) first: u64,
    /// The epoch it begins with; 0 where there are none.
    pub(crate) epoch: u64,
}

/// Why a file cannot be read by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// It is no header, or not that of this file.
    Damaged(&'static str),
    /// It was written by a newer version.
    Newer(u32),
    /// It belongs to another run.
    Foreign(RunId),
}

impl FileKind {
    const fn tag(self) -> [u8; 4] {
        match self {
            Self::Log => *b"log ",
            Self::Snapshot => *b"snap",
            Self::Shelf => *b"shlf",
            Self::History => *b"hist",
            Self::Index => *b"indx",
        }
    }
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.run.0.to_le_bytes());
        bytes.extend_from_slice(&self.kind.tag());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header[..bytes.len()].copy_from_slice(&bytes);
        let crc = crc32c::crc32c(&header[..CRC_AT]);
        header[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Reads the header of the file of this kind, run and number.
    ///
    /// The checksum stands at the same place in every version and knows no run, so that a file of a newer version, or of
    /// another run, can be told from a damaged one.
    pub(crate) fn decode(bytes: &[u8], kind: FileKind, run: RunId, number: u64) -> Result<Self, HeaderFault> {
        let damaged = HeaderFault::Damaged("a damaged header");
        let (content, mut crc) =
            bytes.split_at_checked(CRC_AT).map(|(a, b)| (a, Fields(b))).ok_or(damaged)?;
        if crc.u32() != Some(crc32c::crc32c(content)) {
            return Err(damaged);
        }
        let mut fields = Fields(content);
        if fields.array() != Some(MAGIC) {
            return Err(damaged);
        }
        let found = RunId(fields.u64().ok_or(damaged)?);
        let tag = fields.array::<4>().ok_or(damaged)?;
        let version = fields.u32().ok_or(damaged)?;
        if version > VERSION {
            return Err(HeaderFault::Newer(version));
        }
        if found != run {
            return Err(HeaderFault::Foreign(found));
        }
        let mut next = || fields.u64().ok_or(damaged);
        let header = Self { kind, run, number: next()?, first: next()?, epoch: next()? };
        if tag != kind.tag() || header.number != number {
            return Err(HeaderFault::Damaged("the header of another file"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { kind: FileKind::Log, run: RunId(7), number: 3, first: 41, epoch: 5 };

    fn check(bytes: &[u8], run: u64, number: u64, expected: Result<Header, HeaderFault>) {
        assert_eq!(Header::decode(bytes, FileKind::Log, RunId(run), number), expected);
    }

    #[test]
    fn a_header_is_read_back_and_no_flipped_bit_is_believed() {
        let bytes = HEADER.encode();
        check(&bytes, 7, 3, Ok(HEADER));
        for bit in 0..HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&flipped, 7, 3, Err(HeaderFault::Damaged("a damaged header")));
        }
        check(&bytes[..HEADER_BYTES - 1], 7, 3, Err(HeaderFault::Damaged("a damaged header")));
    }

    #[test]
    fn files_of_others_are_told_apart_from_damaged_ones() {
        let bytes = HEADER.encode();
        check(&bytes, 8, 3, Err(HeaderFault::Foreign(RunId(7))));
        check(&bytes, 7, 4, Err(HeaderFault::Damaged("the header of another file")));
        let snapshot = Header { kind: FileKind::Snapshot, ..HEADER };
        check(&snapshot.encode(), 7, 3, Err(HeaderFault::Damaged("the header of another file")));
        let mut newer = bytes;
        newer[20] = 2;
        let crc = crc32c::crc32c(&newer[..CRC_AT]);
        newer[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        check(&newer, 7, 3, Err(HeaderFault::Newer(2)));
    }
}
