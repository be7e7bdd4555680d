//! Encodes entries one behind the other into the payload of a block.

use crate::error::LogError;
use crate::file::{BlockHeader, Fields, PAYLOAD_BYTES_MAX};

/// Bytes before an entry: its fingerprint and its length.
const BEFORE_BYTES: usize = 12;

/// An entry of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place: entries of a run are numbered 1, 2, 3, in the order in which they were appended.
    pub number: u64,
    /// What it is found by.
    pub fingerprint: u64,
    /// Its content, opaque here.
    pub payload: Vec<u8>,
}

/// Makes sure that an entry fits into a block.
pub(super) fn fits(payload: &[u8]) -> Result<(), LogError> {
    let bytes_max = u64::from(PAYLOAD_BYTES_MAX) - BEFORE_BYTES as u64;
    let bytes = payload.len() as u64;
    if bytes > bytes_max {
        return Err(LogError::TooLarge { what: "history entry", bytes, bytes_max });
    }
    Ok(())
}

/// Returns how many bytes an entry has in a block.
pub(super) const fn encoded_bytes(payload: &[u8]) -> usize {
    BEFORE_BYTES + payload.len()
}

/// Adds an entry that fits.
pub(super) fn put(block: &mut Vec<u8>, fingerprint: u64, payload: &[u8]) {
    let bytes =
        u32::try_from(payload.len()).expect("the length of an entry was checked when it was appended");
    block.extend_from_slice(&fingerprint.to_le_bytes());
    block.extend_from_slice(&bytes.to_le_bytes());
    block.extend_from_slice(payload);
}

/// Splits a block into fingerprints and contents; `None` when it is not made of as many entries as it says.
pub(super) fn split(header: BlockHeader, payload: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut fields = Fields(payload);
    let mut entries = Vec::new();
    while !fields.0.is_empty() {
        let fingerprint = fields.u64()?;
        let bytes = usize::try_from(fields.u32()?).ok()?;
        entries.push((fingerprint, fields.slice(bytes)?));
    }
    (u32::try_from(entries.len()) == Ok(header.count)).then_some(entries)
}

#[cfg(test)]
mod tests {
    use dragline_core::frontier::RunId;

    use super::*;

    #[test]
    fn a_block_is_split_into_what_was_put() {
        let mut block = Vec::new();
        let entries = [(7, b"seven".as_slice()), (u64::MAX, b""), (7, b"again")];
        for (fingerprint, payload) in entries {
            fits(payload).unwrap();
            let before = block.len();
            put(&mut block, fingerprint, payload);
            assert_eq!(block.len() - before, encoded_bytes(payload));
        }
        let header = |count| BlockHeader::of(RunId(1), 0, 1, count, &[]).expect("it is small");
        assert_eq!(split(header(3), &block), Some(entries.to_vec()));
        assert_eq!(split(header(2), &block), None);
        assert_eq!(split(header(3), &block[..block.len() - 1]), None);
        assert_eq!(split(header(0), &[]), Some(Vec::new()));
    }
}
