//! Compresses what the entries of one block hold: a zstd frame (RFC 8878) that says how long it was.

use std::fmt;

use zstd_safe::{CCtx, CParameter, DCtx, get_frame_content_size};

use crate::file::PAYLOAD_BYTES_MAX;

/// The fastest of the usual levels: the next two cost up to a third more, for four bytes in a hundred.
const LEVEL: i32 = 1;

/// Compresses one after another: a context for each would cost more than the compressing of a small one.
pub(super) struct Packer {
    /// None when there was no memory for it: then nothing is compressed.
    context: Option<CCtx<'static>>,
    packed: Vec<u8>,
}

/// Decompresses one after another.
#[derive(Default)]
pub(super) struct Unpacker {
    /// Made when it is needed: most readers of a segment look at fingerprints alone.
    context: Option<DCtx<'static>>,
    /// What was decompressed last; bounded by what a block may have.
    plain: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        let context = CCtx::try_create().and_then(|mut context| {
            context.set_parameter(CParameter::CompressionLevel(LEVEL)).ok()?;
            Some(context)
        });
        Self { context, packed: Vec::new() }
    }

    /// Compresses bytes; `None` when that would make them no shorter.
    pub(super) fn pack(&mut self, plain: &[u8]) -> Option<&[u8]> {
        // With less room than the bytes themselves have, what would be no shorter ends as an error.
        self.packed.resize(plain.len().saturating_sub(1), 0);
        let count = self.context.as_mut()?.compress2(self.packed.as_mut_slice(), plain).ok()?;
        self.packed.get(..count)
    }
}

impl Unpacker {
    /// Undoes [`Packer::pack`]; `None` when the bytes are not what it made, or say that they were longer than a block may
    /// be. No more memory is taken than they say, and none before that was judged.
    pub(super) fn unpack(&mut self, packed: &[u8]) -> Option<&[u8]> {
        let bytes = get_frame_content_size(packed).ok()??;
        let bytes = u32::try_from(bytes).ok().filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX)?;
        let bytes = usize::try_from(bytes).ok()?;
        if self.context.is_none() {
            self.context = DCtx::try_create();
        }
        self.plain.resize(bytes, 0);
        let count = self.context.as_mut()?.decompress(self.plain.as_mut_slice(), packed).ok()?;
        (count == bytes).then_some(self.plain.as_slice())
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(plain: &[u8]) -> Option<Vec<u8>> {
        Packer::new().pack(plain).map(<[u8]>::to_vec)
    }

    /// Returns text as long as a block, in which every line is much like the one before.
    fn lines() -> Vec<u8> {
        (0..300).flat_map(|line| format!("https://www.example.org/page-{line}\n").into_bytes()).collect()
    }

    /// Returns a frame that says it holds so many bytes, and holds 65,536 zeros.
    fn claiming(bytes: u64) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
        frame.extend_from_slice(&bytes.to_le_bytes());
        frame.extend_from_slice(&[0x03, 0x00, 0x08, 0]);
        frame
    }

    #[test]
    fn what_was_packed_is_unpacked_and_shorter() {
        let (mut packer, mut unpacker) = (Packer::new(), Unpacker::default());
        for plain in [lines(), vec![0; 1 << 20], lines()[..400].to_vec(), b"ab".repeat(40)] {
            let packed = packer.pack(&plain).unwrap().to_vec();
            assert!(packed.len() < plain.len());
            assert_eq!(unpacker.unpack(&packed), Some(plain.as_slice()));
        }
    }

    #[test]
    fn what_would_be_no_shorter_is_left_alone_and_harms_nothing_after_it() {
        let mut packer = Packer::new();
        let mut random = fastrand::Rng::with_seed(1);
        for bytes in [0, 1, 2, 20, 300, 16 << 10] {
            let noise: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
            assert_eq!(packer.pack(&noise), None, "{bytes}");
            assert!(packer.pack(&lines()).is_some());
        }
    }

    #[test]
    fn no_flipped_bit_takes_more_memory_than_a_block_may() {
        let plain = lines();
        let whole = packed(&plain).unwrap();
        let mut unpacker = Unpacker::default();
        let mut refused = 0;
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused += u32::from(unpacker.unpack(&flipped).is_none());
            assert!(unpacker.plain.capacity() <= PAYLOAD_BYTES_MAX as usize, "bit {bit}");
        }
        assert!(refused > 0);
        for end in 0..whole.len() {
            assert_eq!(unpacker.unpack(&whole[..end]), None, "cut to {end}");
        }
        assert_eq!(unpacker.unpack(&whole), Some(plain.as_slice()), "it is as good as before");
    }

    #[test]
    fn a_length_beyond_every_limit_is_refused_before_memory_is_taken() {
        let check = |bytes: u64| {
            let mut unpacker = Unpacker::default();
            assert_eq!(get_frame_content_size(&claiming(bytes)).unwrap(), Some(bytes));
            assert_eq!(unpacker.unpack(&claiming(bytes)), None, "{bytes}");
            (unpacker.plain.capacity(), unpacker.context.is_some())
        };
        for bytes in [u64::from(PAYLOAD_BYTES_MAX) + 1, u64::from(u32::MAX), 1 << 40, u64::MAX - 2] {
            assert_eq!(check(bytes), (0, false));
        }
        // Within the limit it is tried, and found to be another length.
        assert_eq!(check(1 << 20), (1 << 20, true));
        assert_eq!(Unpacker::default().unpack(b"no frame at all"), None);
    }

    #[test]
    fn a_frame_that_does_not_say_how_long_it_was_is_refused() {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::ContentSizeFlag(false)).unwrap();
        let mut frame = vec![0; 1 << 16];
        let count = context.compress2(frame.as_mut_slice(), &lines()).unwrap();
        assert_eq!(Unpacker::default().unpack(&frame[..count]), None);
    }
}
