//! Encodes what entries hold one behind the other, each with its length.

use crate::error::LogError;
use crate::file::{Fields, PAYLOAD_BYTES_MAX};

/// The most bytes of an entry in a block beside its content: the fingerprint, and the length of the longest that fits.
const BESIDE_BYTES_MAX: usize = size_of::<u64>() + 4;
/// Bits of a length in one byte; its highest bit says that more follow.
const LENGTH_BITS: u32 = 7;
const MORE: u8 = 1 << LENGTH_BITS;

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
    let bytes_max = u64::from(PAYLOAD_BYTES_MAX) - BESIDE_BYTES_MAX as u64;
    let bytes = payload.len() as u64;
    if bytes > bytes_max {
        return Err(LogError::TooLarge { what: "history entry", bytes, bytes_max });
    }
    Ok(())
}

/// Returns how many bytes an entry has at most in a block that is not compressed.
pub(super) const fn bytes_max(payload: &[u8]) -> usize {
    BESIDE_BYTES_MAX + payload.len()
}

/// Adds a content.
pub(super) fn put(contents: &mut Vec<u8>, payload: &[u8]) {
    let mut length = payload.len();
    while length >= usize::from(MORE) {
        contents.push(length.to_le_bytes()[0] | MORE);
        length >>= LENGTH_BITS;
    }
    contents.push(length.to_le_bytes()[0]);
    contents.extend_from_slice(payload);
}

/// Takes the next content; `None` when the bytes end before it does.
pub(super) fn take<'a>(contents: &mut Fields<'a>) -> Option<&'a [u8]> {
    let mut length = 0;
    for shift in (0..u32::BITS).step_by(LENGTH_BITS as usize) {
        let byte = contents.u8()?;
        length |= u64::from(byte & !MORE) << shift;
        if byte < MORE {
            return contents.slice(usize::try_from(length).ok()?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_taken_as_they_were_put() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let payload = vec![7; length];
            let mut contents = Vec::new();
            put(&mut contents, &payload);
            put(&mut contents, b"next");
            assert!(size_of::<u64>() + contents.len() <= bytes_max(&payload) + 5);
            let mut fields = Fields(&contents);
            assert_eq!(take(&mut fields), Some(payload.as_slice()));
            assert_eq!(take(&mut fields), Some(b"next".as_slice()));
            assert_eq!(take(&mut fields), None);
            assert_eq!(take(&mut Fields(&contents[..length])), None, "cut short");
        }
    }

    #[test]
    fn a_length_that_is_none_or_leads_beyond_the_end_is_refused() {
        for contents in
            [&[MORE][..], &[MORE; 6], &[0xff; 9], &[0xff, 0xff, 0xff, 0xff, 0x7f], &[2, 0], &[4, 1, 2, 3]]
        {
            assert_eq!(take(&mut Fields(contents)), None, "{contents:?}");
        }
    }

    #[test]
    fn the_longest_entry_that_fits_fills_a_block() {
        let payload = vec![0; PAYLOAD_BYTES_MAX as usize - BESIDE_BYTES_MAX];
        fits(&payload).unwrap();
        let mut contents = Vec::new();
        put(&mut contents, &payload);
        assert_eq!(size_of::<u64>() + contents.len(), PAYLOAD_BYTES_MAX as usize);
        assert!(fits(&vec![0; payload.len() + 1]).is_err());
    }
}
