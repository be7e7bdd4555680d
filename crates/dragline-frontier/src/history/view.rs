//! Reads a history up to a mark.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::entry::HistoryEntry;
use super::index::{half_of, look_up, write_index};
use super::mark::HistoryMark;
use super::scan::HistoryScan;
use super::segment::SegmentReader;
use crate::error::LogError;

/// What to do with an index that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexes {
    /// The segment is read instead, and nothing is changed.
    Leave,
    /// It is made anew.
    Repair,
}

/// A history up to a mark, from any thread, whoever appends to it meanwhile.
#[derive(Clone, Debug)]
pub struct HistoryView {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: RunId,
    mark: HistoryMark,
    indexes: Indexes,
}

impl HistoryView {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        run: RunId,
        mark: HistoryMark,
        indexes: Indexes,
    ) -> Self {
        Self { disk, dir: dir.to_owned(), run, mark, indexes }
    }

    /// Returns how far it goes.
    pub const fn mark(&self) -> HistoryMark {
        self.mark
    }

    /// Streams the entries from this number on, in order; 1 for all.
    ///
    /// # Errors
    /// When a segment is gone, damaged or cannot be read.
    pub fn scan(&self, from: u64) -> Result<HistoryScan, LogError> {
        HistoryScan::new(self.clone(), from)
    }

    /// Returns the entries with a fingerprint, the newest first.
    ///
    /// # Errors
    /// As [`HistoryView::scan`]. An index that is gone or damaged is no error.
    pub fn find(&self, fingerprint: u64) -> Result<Vec<HistoryEntry>, LogError> {
        let mut found = Vec::new();
        if self.mark.segment > 0 {
            let mut open = self.segment(self.mark.segment)?;
            while let Some(block) = open.next()? {
                found.extend(block.entries_with(fingerprint)?);
            }
            found.reverse();
        }
        self.find_sealed(fingerprint, &mut found)?;
        Ok(found)
    }

    /// Opens a segment, up to the mark.
    pub(super) fn segment(&self, segment: u32) -> Result<SegmentReader, LogError> {
        let end = (segment == self.mark.segment).then_some(self.mark.bytes);
        SegmentReader::open(&*self.disk, &self.dir, self.run, segment, end)
    }

    /// Adds the entries of all segments but the last, the newest first.
    pub(super) fn find_sealed(
        &self,
        fingerprint: u64,
        found: &mut Vec<HistoryEntry>,
    ) -> Result<(), LogError> {
        for segment in (1..self.mark.segment).rev() {
            let mut reader = SegmentReader::open_for_blocks(&*self.disk, &self.dir, self.run, segment)?;
            let extent = (segment, reader.len());
            let offsets = match look_up(&*self.disk, &self.dir, self.run, extent, fingerprint) {
                Some(offsets) => offsets,
                None => self.offsets_without_index(extent, fingerprint)?,
            };
            Self::find_in(&mut reader, &offsets, fingerprint, found)?;
        }
        Ok(())
    }

    /// Adds the entries that stand in some blocks of a segment, the newest first.
    pub(super) fn find_in(
        reader: &mut SegmentReader,
        offsets: &[u32],
        fingerprint: u64,
        found: &mut Vec<HistoryEntry>,
    ) -> Result<(), LogError> {
        for offset in offsets.iter().rev() {
            found.extend(reader.block((*offset).into())?.entries_with(fingerprint)?.into_iter().rev());
        }
        Ok(())
    }

    /// Opens a segment of which single blocks are read.
    pub(super) fn blocks_of(&self, segment: u32) -> Result<SegmentReader, LogError> {
        SegmentReader::open_for_blocks(&*self.disk, &self.dir, self.run, segment)
    }

    fn offsets_without_index(&self, extent: (u32, u64), fingerprint: u64) -> Result<Vec<u32>, LogError> {
        let (mut rows, _) = self.segment(extent.0)?.rows()?;
        if self.indexes == Indexes::Repair {
            // What cannot be written now is made anew the next time; the answer does not depend on it.
            write_index(&*self.disk, &self.dir, self.run, extent, &mut rows).ok();
        }
        let wanted = rows.iter().filter(|(half, _)| *half == half_of(fingerprint));
        let mut offsets: Vec<u32> = wanted.map(|(_, offset)| *offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        Ok(offsets)
    }
}
