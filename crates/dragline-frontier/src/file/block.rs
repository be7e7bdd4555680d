//! Encodes what stands before the payload of a block, so that the block proves itself.

use dragline_core::frontier::RunId;

use super::fields::Fields;
use crate::error::LogError;

/// Bytes before a block's payload.
pub(crate) const BLOCK_HEADER_BYTES: usize = 24;
/// The most bytes of a payload: a length beyond it is damage and never allocated.
pub(crate) const PAYLOAD_BYTES_MAX: u32 = 64 << 20;

/// Begins a block; no zero, so that padding is no block.
const MAGIC: [u8; 3] = [0xd6, b'd', b'b'];
/// Bytes of the header that the checksum covers.
const COVERED_BYTES: usize = BLOCK_HEADER_BYTES - 4;

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    /// The writer's word for what the payload is.
    pub(crate) kind: u8,
    /// Bytes of the payload.
    pub(crate) bytes: u32,
    /// How many records the payload holds.
    pub(crate) count: u32,
    /// The number of the first of them.
    pub(crate) first: u64,
    /// The checksum of run, header and payload.
    pub(crate) crc: u32,
}

/// Returns the checksum that everything of a run begins with.
pub(crate) fn salt(run: RunId) -> u32 {
    crc32c::crc32c(&run.0.to_le_bytes())
}

impl BlockHeader {
    /// Makes the header of a payload.
    ///
    /// # Errors
    /// When the payload is larger than can be read back.
    pub(crate) fn of(run: RunId, kind: u8, first: u64, count: u32, payload: &[u8]) -> Result<Self, LogError> {
        let bytes = u32::try_from(payload.len()).ok().filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX);
        let bytes = bytes.ok_or(LogError::TooLarge {
            what: "block",
            bytes: payload.len() as u64,
            bytes_max: PAYLOAD_BYTES_MAX.into(),
        })?;
        let mut header = Self { kind, bytes, count, first, crc: 0 };
        header.crc = header.checksum(run, payload);
        Ok(header)
    }

    /// Returns how many bytes the block has in a file.
    pub(crate) fn whole_bytes(self) -> u64 {
        BLOCK_HEADER_BYTES as u64 + u64::from(self.bytes)
    }

    pub(crate) fn encode(self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut header = [0; BLOCK_HEADER_BYTES];
        header[..3].copy_from_slice(&MAGIC);
        header[3] = self.kind;
        header[4..8].copy_from_slice(&self.bytes.to_le_bytes());
        header[8..12].copy_from_slice(&self.count.to_le_bytes());
        header[12..20].copy_from_slice(&self.first.to_le_bytes());
        header[20..].copy_from_slice(&self.crc.to_le_bytes());
        header
    }

    /// Reads a header; `None` when it is none. Only [`BlockHeader::holds`] says whether it can be believed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.array() != Some(MAGIC) {
            return None;
        }
        Some(Self {
            kind: fields.u8()?,
            bytes: fields.u32()?,
            count: fields.u32()?,
            first: fields.u64()?,
            crc: fields.u32()?,
        })
    }

    /// Whether this is the header of this payload, written by this run.
    pub(crate) fn holds(self, run: RunId, payload: &[u8]) -> bool {
        self.crc == self.checksum(run, payload)
    }

    fn checksum(self, run: RunId, payload: &[u8]) -> u32 {
        let header = crc32c::crc32c_append(salt(run), &self.encode()[..COVERED_BYTES]);
        crc32c::crc32c_append(header, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_proves_itself_and_its_run() {
        let header = BlockHeader::of(RunId(7), 2, 41, 3, b"payload").unwrap();
        assert_eq!(BlockHeader::decode(&header.encode()), Some(header));
        assert!(header.holds(RunId(7), b"payload"));
        assert!(!header.holds(RunId(8), b"payload"));
        assert!(!header.holds(RunId(7), b"payloae"));
        for bit in 0..BLOCK_HEADER_BYTES * 8 {
            let mut flipped = header.encode();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = BlockHeader::decode(&flipped);
            assert!(found.is_none_or(|found| !found.holds(RunId(7), b"payload")), "bit {bit} is not noticed");
        }
        assert_eq!(BlockHeader::decode(&[0; BLOCK_HEADER_BYTES]), None, "padding is no block");
    }

    #[test]
    fn a_payload_that_could_not_be_read_back_is_refused() {
        let payload = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
        let error = BlockHeader::of(RunId(7), 0, 1, 1, &payload).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a block of 67108865 bytes is larger than 67108864; nothing was written"
        );
    }
}
