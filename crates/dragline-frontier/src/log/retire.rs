//! Decides which segments and snapshots are needed no more, and removes them.

use std::collections::BTreeSet;

use super::append::Log;
use super::place::BlockFile;
use super::survey::Segment;
use crate::error::LogError;
use crate::shelf::ChunkFile;
use crate::snapshot;

impl Log {
    /// Removes the segments all of whose records are at or below `lowest`, but for the current one and those in `keep`.
    ///
    /// # Errors
    /// When one cannot be removed; those removed so far are gone, and nothing is lost.
    ///
    /// # Panics
    /// When no Commit that is durable names a snapshot which holds these records.
    pub fn retire(&mut self, lowest: u64, keep: &BTreeSet<u32>) -> Result<(), LogError> {
        self.appender.is_trusted()?;
        assert!(
            lowest <= self.last.as_ref().map_or(0, |last| last.lowest()),
            "records are in a snapshot first"
        );
        for segment in old(&self.segments, lowest) {
            if keep.contains(&segment) {
                continue;
            }
            let file = BlockFile::Segment(segment);
            let path = file.path(&self.dir);
            // Without a sync of the folder: a segment that comes again with a power loss is retired again.
            self.disk.remove(&path).map_err(|source| LogError::from_io(&path, "remove", source))?;
            self.reader.close(file);
            self.segments.retain(|kept| kept.index != segment);
        }
        Ok(())
    }

    /// Returns the segments that only what stands in them keeps, when a snapshot holds the records up to `lowest`.
    pub(crate) fn old(&self, lowest: u64) -> Vec<ChunkFile> {
        let old = old(&self.segments, lowest);
        let segments = self.segments.iter().filter(|segment| old.contains(&segment.index));
        segments
            .map(|segment| ChunkFile { file: BlockFile::Segment(segment.index), bytes: segment.bytes })
            .collect()
    }

    /// Removes the snapshots that the last Commit does not name, but for one that is being written.
    ///
    /// # Errors
    /// When one cannot be removed; nothing is lost.
    pub fn retire_snapshots(&mut self, writing: Option<u64>) -> Result<(), LogError> {
        self.appender.is_trusted()?;
        let named = self.last.as_ref().and_then(|last| last.snapshot);
        snapshot::remove_others(&*self.disk, &self.dir, &[named.map(|named| named.id), writing])
    }
}

/// Returns the segments before the last whose records are all at or below a number.
///
/// The records of a segment end before those of the next one that there is. Where numbers of segments are missing,
/// later ones were retired before, so that all of its records are old enough, wherever they end.
fn old(segments: &[Segment], lowest: u64) -> Vec<u32> {
    let next = segments.iter().skip(1);
    let pairs = segments.iter().zip(next);
    let is_old = |segment: &Segment, next: &Segment| {
        next.first.saturating_sub(1) <= lowest || next.index > segment.index + 1
    };
    pairs.filter(|(segment, next)| is_old(segment, next)).map(|(segment, _)| segment.index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_old_when_the_next_one_begins_at_or_below_the_number_after() {
        let check = |segments: &[(u32, u64)], lowest: u64, expected: &[u32]| {
            let segments: Vec<_> = segments
                .iter()
                .map(|(index, first)| Segment { index: *index, first: *first, bytes: 9 })
                .collect();
            assert_eq!(old(&segments, lowest), expected);
        };
        check(&[], 9, &[]);
        check(&[(1, 1)], 9, &[]);
        check(&[(1, 1), (2, 5), (3, 9)], 3, &[]);
        check(&[(1, 1), (2, 5), (3, 9)], 4, &[1]);
        check(&[(1, 1), (2, 5), (3, 9)], 8, &[1, 2]);
        check(&[(1, 1), (2, 5), (3, 9)], 100, &[1, 2]);
        // The third was retired: so the second, which was kept, is old.
        check(&[(2, 5), (4, 20)], 10, &[2]);
    }
}
