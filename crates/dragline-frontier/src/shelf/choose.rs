//! Decides which chunks are copied into a new file, so that their old ones can go.

use std::collections::{BTreeMap, BTreeSet};

use crate::file::HEADER_BYTES;
use crate::log::{BlockFile, Place};

/// A file is emptied when it has more than so many times the bytes of the chunks that live in it. So what is dead in
/// files that nothing but chunks keeps is at most as much as what lives, and each byte that is copied makes room for more
/// than one.
const BYTES_PER_LIVE_BYTE_MAX: u64 = 2;
/// Small shelf files before they are made one.
const SMALL_FILES_MAX: usize = 8;
/// A shelf file is small when so many of its like make no full one.
const SMALL_PER_FULL: u64 = 8;

/// A file that nothing but chunks keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkFile {
    /// Which one.
    pub(crate) file: BlockFile,
    /// Its length.
    pub(crate) bytes: u64,
}

/// Returns the chunks to be copied, in order: whole files, those first that gain most for what is copied, as long as that
/// comes to no more than `bytes_max`. `places` are the chunks that live, `full_bytes` the length at which a shelf file
/// takes no further chunk.
pub(crate) fn choose(
    files: &[ChunkFile],
    places: &[(u64, Place)],
    full_bytes: u64,
    bytes_max: u64,
) -> Vec<(u64, Place)> {
    let mut live: BTreeMap<BlockFile, u64> = BTreeMap::new();
    for (_, place) in places {
        *live.entry(place.file).or_default() += u64::from(place.len);
    }
    // Without what every file has: a new one is no sparser for being short.
    let bytes_of = |file: &ChunkFile| file.bytes.saturating_sub(HEADER_BYTES as u64);
    let live_of = |file: &ChunkFile| live.get(&file.file).copied().unwrap_or_default();
    let is_sparse = |file: &ChunkFile| live_of(file).saturating_mul(BYTES_PER_LIVE_BYTE_MAX) < bytes_of(file);
    let with_chunks = files.iter().copied().filter(|file| live_of(file) > 0);
    let (mut chosen, mut small): (Vec<_>, Vec<_>) = with_chunks.partition(is_sparse);
    let product =
        |live: &ChunkFile, bytes: &ChunkFile| u128::from(live_of(live)) * u128::from(bytes_of(bytes));
    chosen.sort_by(|a, b| product(a, b).cmp(&product(b, a)).then(a.file.cmp(&b.file)));
    small.retain(|file| {
        matches!(file.file, BlockFile::Shelf(_)) && file.bytes.saturating_mul(SMALL_PER_FULL) < full_bytes
    });
    if small.len() >= SMALL_FILES_MAX {
        chosen.append(&mut small);
    }
    let mut left = bytes_max;
    chosen.retain(|file| match left.checked_sub(live_of(file)) {
        Some(less) => {
            left = less;
            true
        }
        None => false,
    });
    let order: BTreeMap<BlockFile, usize> =
        chosen.iter().zip(0..).map(|(file, at)| (file.file, at)).collect();
    let mut chunks: Vec<_> =
        places.iter().filter(|(_, place)| order.contains_key(&place.file)).copied().collect();
    chunks.sort_unstable_by_key(|(_, place)| (order.get(&place.file), place.offset));
    chunks
}

/// Returns the files in which chunks stand.
pub(crate) fn files_of(places: &[(u64, Place)]) -> BTreeSet<BlockFile> {
    places.iter().map(|(_, place)| place.file).collect()
}

#[cfg(test)]
mod tests {
    use BlockFile::{Segment, Shelf};

    use super::*;

    const HEADER: u64 = HEADER_BYTES as u64;

    /// A file with its length behind its header, and the numbers of its chunks, of ten bytes each.
    type File<'a> = (BlockFile, u64, &'a [u64]);

    fn check_within(bytes_max: u64, files: &[File<'_>], expected: &[u64]) {
        let place = |file: BlockFile, at: u64| Place { file, offset: HEADER + 10 * at, len: 10 };
        let placed = |(file, _, chunks): &File<'_>| -> Vec<_> {
            chunks.iter().zip(0..).map(|(chunk, at)| (*chunk, place(*file, at))).collect()
        };
        let mut places: Vec<_> = files.iter().flat_map(placed).collect();
        places.sort_unstable();
        let long = |(file, bytes, _): &File<'_>| ChunkFile { file: *file, bytes: HEADER + bytes };
        let files: Vec<_> = files.iter().map(long).collect();
        let chosen = choose(&files, &places, 8 * HEADER + 100, bytes_max);
        assert_eq!(chosen.into_iter().map(|(chunk, _)| chunk).collect::<Vec<_>>(), expected);
    }

    fn check(files: &[File<'_>], expected: &[u64]) {
        check_within(u64::MAX, files, expected);
    }

    #[test]
    fn files_are_emptied_when_less_than_half_of_them_lives_the_sparsest_first() {
        check(&[], &[]);
        check(&[(Segment(1), 100, &[])], &[]);
        check(&[(Segment(1), 100, &[1, 2, 3, 4, 5])], &[]);
        check(&[(Segment(1), 101, &[1, 2, 3, 4, 5])], &[1, 2, 3, 4, 5]);
        check(&[(Segment(1), 90, &[3, 4]), (Shelf(1), 80, &[9, 2, 1])], &[3, 4, 9, 2, 1]);
        check(&[(Segment(1), 90, &[3, 4, 5]), (Shelf(1), 80, &[9])], &[9, 3, 4, 5]);
    }

    #[test]
    fn no_file_is_copied_in_part_for_want_of_room() {
        let files: [File<'_>; 3] =
            [(Segment(1), 70, &[1]), (Segment(2), 90, &[2, 3]), (Segment(3), 40, &[4])];
        check_within(40, &files, &[1, 2, 3, 4]);
        check_within(39, &files, &[1, 2, 3]);
        check_within(29, &files, &[1, 4]);
        check_within(9, &files, &[]);
    }

    #[test]
    fn a_file_that_was_just_written_is_not_copied_however_short_it_is() {
        check(&[(Shelf(1), 10, &[1])], &[]);
    }

    #[test]
    fn many_small_shelf_files_are_made_one() {
        let chunks: Vec<[u64; 1]> = (1..10).map(|number| [number]).collect();
        let files = |count: usize, bytes: u64| -> Vec<File<'_>> {
            let numbered = (1..).zip(&chunks).take(count);
            numbered.map(|(number, chunks)| (Shelf(number), bytes, chunks.as_slice())).collect()
        };
        check(&files(7, 10), &[]);
        check(&files(8, 10), &[1, 2, 3, 4, 5, 6, 7, 8]);
        // As long as they are, eight fill a file.
        check(&files(8, 13), &[]);
    }
}
