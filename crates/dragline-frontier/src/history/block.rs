//! Lays the entries of one block out: all fingerprints, then all contents, compressed where that makes them shorter.
//!
//! Whoever looks for a fingerprint, or needs all of them, decompresses nothing in vain.

use dragline_core::frontier::RunId;

use super::entry::{HistoryEntry, bytes_max, put, take};
use super::pack::{Packer, Unpacker};
use crate::error::LogError;
use crate::file::{BlockHeader, Fields};

/// A block with this many bytes takes no further entry: it is what is read, and decompressed, to get a single one.
const BLOCK_BYTES: usize = 16 << 10;
/// The kind of a block whose contents stand there as they are.
const PLAIN: u8 = 1;
/// The kind of a block whose contents are compressed.
const PACKED: u8 = 2;
const FINGERPRINT_BYTES: usize = size_of::<u64>();

/// Lays out one block after another.
pub(super) struct BlockMaker {
    packer: Packer,
    block: Vec<u8>,
    contents: Vec<u8>,
}

/// A block that was read, before its contents are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries<'a> {
    header: BlockHeader,
    fingerprints: &'a [[u8; FINGERPRINT_BYTES]],
    /// As they stand in the block.
    contents: &'a [u8],
}

/// Returns how many of these entries make the next block: at least one.
pub(super) fn count_of_next(entries: &[(u64, Vec<u8>)]) -> usize {
    let mut bytes = 0;
    let fitting = entries.iter().take_while(|(_, payload)| {
        bytes += bytes_max(payload);
        bytes <= BLOCK_BYTES
    });
    fitting.count().max(1)
}

impl BlockMaker {
    pub(super) fn new() -> Self {
        Self { packer: Packer::new(), block: Vec::new(), contents: Vec::new() }
    }

    /// Returns the block of these entries, of which the first has this number.
    ///
    /// # Errors
    /// When it would be larger than can be read back.
    pub(super) fn make(
        &mut self,
        run: RunId,
        first: u64,
        entries: &[(u64, Vec<u8>)],
    ) -> Result<(BlockHeader, &[u8]), LogError> {
        self.block.clear();
        self.contents.clear();
        for (fingerprint, payload) in entries {
            self.block.extend_from_slice(&fingerprint.to_le_bytes());
            put(&mut self.contents, payload);
        }
        let kind = match self.packer.pack(&self.contents) {
            Some(packed) => {
                self.block.extend_from_slice(packed);
                PACKED
            }
            None => {
                self.block.extend_from_slice(&self.contents);
                PLAIN
            }
        };
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        Ok((BlockHeader::of(run, kind, first, count, &self.block)?, &self.block))
    }
}

impl<'a> Entries<'a> {
    /// Takes a block apart; `None` when it is of a kind that does not exist, or has fewer fingerprints than it says.
    pub(super) fn of(header: BlockHeader, payload: &'a [u8]) -> Option<Self> {
        if !matches!(header.kind, PLAIN | PACKED) {
            return None;
        }
        let bytes = usize::try_from(header.count).ok()?.checked_mul(FINGERPRINT_BYTES)?;
        let (fingerprints, contents) = payload.split_at_checked(bytes)?;
        Some(Self { header, fingerprints: fingerprints.as_chunks().0, contents })
    }

    pub(super) fn fingerprints(&self) -> impl Iterator<Item = u64> {
        self.fingerprints.iter().copied().map(u64::from_le_bytes)
    }

    /// Returns the entries that are wanted by their fingerprints; `None` when the contents are not those of as many entries
    /// as there are fingerprints.
    pub(super) fn read(
        &self,
        unpacker: &mut Unpacker,
        wanted: impl Fn(u64) -> bool,
    ) -> Option<Vec<HistoryEntry>> {
        let contents = match self.header.kind {
            PACKED => unpacker.unpack(self.contents)?,
            _ => self.contents,
        };
        let mut contents = Fields(contents);
        let mut entries = Vec::new();
        for (number, fingerprint) in (self.header.first..).zip(self.fingerprints()) {
            let payload = take(&mut contents)?;
            if wanted(fingerprint) {
                entries.push(HistoryEntry { number, fingerprint, payload: payload.to_vec() });
            }
        }
        contents.0.is_empty().then_some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId(1);

    fn made(entries: &[(u64, Vec<u8>)]) -> (BlockHeader, Vec<u8>) {
        let mut maker = BlockMaker::new();
        let (header, payload) = maker.make(RUN, 41, entries).expect("it is small");
        (header, payload.to_vec())
    }

    fn read(header: BlockHeader, payload: &[u8]) -> Option<Vec<HistoryEntry>> {
        Entries::of(header, payload)?.read(&mut Unpacker::default(), |_| true)
    }

    /// Returns entries whose contents are much like one another.
    fn alike(count: u64) -> Vec<(u64, Vec<u8>)> {
        (0..count).map(|at| (at / 2, format!("https://www.example.org/page-{at}").into_bytes())).collect()
    }

    fn check(entries: &[(u64, Vec<u8>)], kind: u8) {
        let (header, payload) = made(entries);
        assert_eq!((header.kind, header.first, header.count as usize), (kind, 41, entries.len()));
        let plain: usize = entries.iter().map(|(_, payload)| 8 + 1 + payload.len()).sum();
        assert!(if kind == PACKED { payload.len() < plain } else { payload.len() == plain });
        let expected: Vec<_> = (41..)
            .zip(entries)
            .map(|(number, (fingerprint, payload))| HistoryEntry {
                number,
                fingerprint: *fingerprint,
                payload: payload.clone(),
            })
            .collect();
        assert_eq!(read(header, &payload), Some(expected));
    }

    #[test]
    fn a_block_is_compressed_where_that_makes_it_shorter() {
        check(&alike(100), PACKED);
        check(&[(7, b"a".repeat(100))], PACKED);
        check(&[(7, b"seven".to_vec()), (u64::MAX, Vec::new()), (7, b"again".to_vec())], PLAIN);
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<_> =
            (0..100).map(|at| (at, (0..100).map(|_| random.u8(..)).collect::<Vec<_>>())).collect();
        check(&noise, PLAIN);
    }

    #[test]
    fn only_what_is_wanted_is_returned() {
        let (header, payload) = made(&alike(100));
        let entries = Entries::of(header, &payload).unwrap();
        assert!(entries.fingerprints().eq((0..100).map(|at| at / 2)));
        let found = entries.read(&mut Unpacker::default(), |fingerprint| fingerprint == 20).unwrap();
        assert_eq!(found.iter().map(|entry| entry.number).collect::<Vec<_>>(), [81, 82]);
        assert_eq!(found[1].payload, b"https://www.example.org/page-41");
    }

    #[test]
    fn a_block_is_full_when_the_next_entry_would_not_fit() {
        let entries = |bytes: usize| vec![(1, vec![0; bytes]); 100];
        for (bytes, expected) in [(1012, 16), (1013, 15), (20 << 10, 1), ((16 << 10) - 12, 1), (0, 100)] {
            assert_eq!(count_of_next(&entries(bytes)), expected, "{bytes}");
        }
    }

    #[test]
    fn a_block_that_is_not_what_it_says_is_refused() {
        for entries in [alike(100), alike(1)] {
            let (header, payload) = made(&entries);
            assert!(read(header, &payload).is_some());
            for count in [0, header.count - 1, header.count + 1, u32::MAX] {
                assert_eq!(read(BlockHeader { count, ..header }, &payload), None, "{count}");
            }
            for kind in [0, 3, PLAIN + PACKED - header.kind] {
                assert_eq!(read(BlockHeader { kind, ..header }, &payload), None, "kind {kind}");
            }
            assert_eq!(read(header, &payload[..payload.len() - 1]), None);
            assert_eq!(read(header, &[&payload[..], &[0]].concat()), None);
        }
    }
}
