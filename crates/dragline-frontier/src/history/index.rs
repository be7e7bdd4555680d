//! Keeps the fingerprints of one segment sorted, so that an entry is found without reading the segment.
//!
//! Half of a fingerprint is enough for that. Where two have the same half a block is read in vain, which among a million
//! entries of a segment happens once in some thousands of searches; the block has the whole ones.
//!
//! The file is derived: whatever is wrong with it, it is made anew from its segment. Each page has its own checksum, so
//! that a search reads and proves a few pages and never the whole file.

use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;
use dragline_disk::{Disk, write_whole};

use super::segment::history_path;
use crate::error::LogError;
use crate::file::{BlockAt, BlockHeader, Fields, FileKind, HEADER_BYTES, Header, Pieces, salt};

/// How the names of indexes end.
pub(crate) const INDEX_SUFFIX: &str = ".index";
/// How the names of indexes end that a crash left half written.
pub(crate) const INDEX_PART_SUFFIX: &str = ".index.tmp";

const PAGE_BYTES: usize = 4096;
/// Bytes of half a fingerprint with the offset of its block.
const ROW_BYTES: usize = 8;
const ROWS: usize = (PAGE_BYTES - size_of::<u32>()) / ROW_BYTES;
/// Where the checksum of a page stands.
const CRC_AT: usize = PAGE_BYTES - size_of::<u32>();
/// The kind of the block that says how many rows there are, and how long the segment is.
const EXTENT: u8 = 1;

/// Half of a fingerprint, and the offset of a block in which it stands.
pub(super) type Row = (u32, u32);

/// Returns the half of a fingerprint that an index knows. All bits of one are as good as chance.
pub(super) const fn half_of(fingerprint: u64) -> u32 {
    let [a, b, c, d, ..] = fingerprint.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the row of an entry in the block at an offset.
pub(super) const fn row_of(fingerprint: u64, offset: u32) -> Row {
    (half_of(fingerprint), offset)
}

/// Returns the path of the index of a segment.
pub(super) fn index_path(dir: &Path, segment: u32) -> PathBuf {
    let mut path = history_path(dir, segment).into_os_string();
    path.push(INDEX_SUFFIX);
    path.into()
}

/// Writes the index of a segment of this length, sorting its rows.
pub(super) fn write_index(
    disk: &dyn Disk,
    dir: &Path,
    run: RunId,
    (segment, segment_bytes): (u32, u64),
    rows: &mut Vec<Row>,
) -> Result<(), LogError> {
    rows.sort_unstable();
    rows.dedup();
    let header = Header { kind: FileKind::Index, run, number: segment.into(), first: 0, epoch: 0 };
    let mut extent = (rows.len() as u64).to_le_bytes().to_vec();
    extent.extend_from_slice(&segment_bytes.to_le_bytes());
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&BlockHeader::of(run, EXTENT, 0, 0, &extent)?.encode());
    bytes.extend_from_slice(&extent);
    bytes.resize(PAGE_BYTES, 0);
    for (number, rows) in (0..).zip(rows.chunks(ROWS)) {
        let begins = bytes.len();
        for (half, offset) in rows {
            bytes.extend_from_slice(&half.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes.resize(begins + CRC_AT, 0);
        let crc = checksum(run, number, bytes.get(begins..).unwrap_or_default());
        bytes.extend_from_slice(&crc.to_le_bytes());
    }
    let path = index_path(dir, segment);
    write_whole(disk, &path, &bytes).map_err(|source| LogError::from_io(&path, "write", source))
}

/// Returns the offsets of the blocks of a segment in which a fingerprint may stand, from the front, of which few are in
/// vain; `None` when there is no index that could be believed.
pub(super) fn look_up(
    disk: &dyn Disk,
    dir: &Path,
    run: RunId,
    (segment, segment_bytes): (u32, u64),
    wanted: u64,
) -> Option<Vec<u32>> {
    Index::open(disk, dir, run, (segment, segment_bytes)).ok()??.look_up(half_of(wanted)).ok()?
}

/// An index that is searched.
struct Index {
    pieces: Pieces,
    run: RunId,
    rows: u64,
}

impl Index {
    fn open(
        disk: &dyn Disk,
        dir: &Path,
        run: RunId,
        (segment, segment_bytes): (u32, u64),
    ) -> Result<Option<Self>, LogError> {
        let mut pieces = Pieces::open_for(disk, index_path(dir, segment), PAGE_BYTES)?;
        if pieces.header(FileKind::Index, run, segment.into())?.is_err() {
            return Ok(None);
        }
        let BlockAt::Whole(BlockHeader { kind: EXTENT, .. }, extent) =
            pieces.block(run, HEADER_BYTES as u64)?
        else {
            return Ok(None);
        };
        let mut fields = Fields(extent);
        let (rows, of_bytes) = (fields.u64(), fields.u64());
        let same = of_bytes == Some(segment_bytes);
        Ok(rows.filter(|_| same).map(|rows| Self { pieces, run, rows }))
    }

    /// Finds the first page that ends at or behind the half, and reads on from there.
    fn look_up(mut self, wanted: u32) -> Result<Option<Vec<u32>>, LogError> {
        let pages = self.rows.div_ceil(ROWS as u64);
        let (mut low, mut high) = (0, pages);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(rows) = self.page(middle)? else { return Ok(None) };
            match rows.last().and_then(half_in) {
                Some(last) if last < wanted => low = middle + 1,
                _ => high = middle,
            }
        }
        let mut offsets = Vec::new();
        for page in low..pages {
            let Some(rows) = self.page(page)? else { return Ok(None) };
            let found = rows.iter().filter(|row| half_in(row) == Some(wanted));
            offsets.extend(found.filter_map(|row| Fields(row.get(size_of::<u32>()..)?).u32()));
            if rows.last().and_then(half_in) > Some(wanted) {
                break;
            }
        }
        Ok(Some(offsets))
    }

    /// Returns the rows of a page; `None` when it cannot be believed.
    fn page(&mut self, number: u64) -> Result<Option<&[[u8; ROW_BYTES]]>, LogError> {
        let rows = self.rows.saturating_sub(number * ROWS as u64);
        let rows = usize::try_from(rows).map_or(ROWS, |rows| rows.min(ROWS));
        let run = self.run;
        let Some(page) = self.pieces.get((number + 1) * PAGE_BYTES as u64, PAGE_BYTES)? else {
            return Ok(None);
        };
        let (content, crc) = page.split_at(CRC_AT);
        if Fields(crc).u32() != Some(checksum(run, number, content)) {
            return Ok(None);
        }
        Ok(content.as_chunks().0.get(..rows))
    }
}

fn half_in(row: &[u8; ROW_BYTES]) -> Option<u32> {
    Fields(row).u32()
}

fn checksum(run: RunId, number: u64, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(salt(run), &number.to_le_bytes()), content)
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;

    const RUN: RunId = RunId(7);
    const SEGMENT: (u32, u64) = (3, 4000);

    fn written(dir: &Path, rows: &[Row]) -> Vec<u8> {
        write_index(&FileDisk, dir, RUN, SEGMENT, &mut rows.to_vec()).expect("the folder is there");
        std::fs::read(index_path(dir, SEGMENT.0)).expect("it was written")
    }

    #[test]
    fn every_fingerprint_is_found_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0_u32, 1, 2, 510, 511, 512, 1700] {
            // Every third is there twice in one block, and once more in another.
            let rows: Vec<Row> =
                (0..count).flat_map(|row| [64 + row % 2, 64].map(|offset| (row / 3 * 10, offset))).collect();
            written(folder.path(), &rows);
            let look_up = |wanted| look_up(&FileDisk, folder.path(), RUN, SEGMENT, wanted);
            for wanted in (0..count * 4 + 20).step_by(5) {
                let mut expected: Vec<u32> =
                    rows.iter().filter(|(found, _)| *found == wanted).map(|(_, offset)| *offset).collect();
                expected.sort_unstable();
                expected.dedup();
                for other_half in [0, 1 << 32, u64::MAX << 32] {
                    let found = look_up(other_half | u64::from(wanted));
                    assert_eq!(found.as_ref(), Some(&expected), "{wanted} of {count}");
                }
            }
        }
    }

    #[test]
    fn a_fingerprint_that_fills_pages_is_found_in_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows: Vec<Row> = (0..1000).map(|offset| (5, offset)).collect();
        rows.extend([(4, 1), (6, 2)]);
        written(folder.path(), &rows);
        let found = look_up(&FileDisk, folder.path(), RUN, SEGMENT, 5);
        assert_eq!(found, Some((0..1000).collect()));
        assert_eq!(look_up(&FileDisk, folder.path(), RUN, SEGMENT, 6), Some(vec![2]));
    }

    #[test]
    fn an_index_that_is_broken_or_of_something_else_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let whole = written(folder.path(), &[(1, 64), (2, 64), (3, 128)]);
        let path = index_path(folder.path(), SEGMENT.0);
        let check = |run: RunId, segment: (u32, u64), expected: Option<Vec<u32>>| {
            assert_eq!(look_up(&FileDisk, folder.path(), run, segment, 2), expected);
        };
        check(RUN, SEGMENT, Some(vec![64]));
        check(RunId(8), SEGMENT, None);
        check(RUN, (3, 4001), None);
        check(RUN, (4, 4000), None);
        std::fs::copy(&path, index_path(folder.path(), 4)).unwrap();
        check(RUN, (4, 4000), None);
        for at in (0..104).chain(PAGE_BYTES..PAGE_BYTES + 40).chain(whole.len() - 8..whole.len()) {
            let mut broken = whole.clone();
            broken[at] ^= 1 << (at % 8);
            std::fs::write(&path, &broken).unwrap();
            check(RUN, SEGMENT, None);
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        check(RUN, SEGMENT, None);
    }
}
