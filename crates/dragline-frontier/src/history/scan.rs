//! Streams entries in order.

use std::vec;

use super::entry::HistoryEntry;
use super::segment::SegmentReader;
use super::view::HistoryView;
use crate::error::LogError;

/// The entries of a history from a number on, in order, one block at a time in memory. After an error comes nothing more.
#[derive(Debug)]
pub struct HistoryScan {
    view: HistoryView,
    from: u64,
    /// The number that comes next.
    next: u64,
    segment: Option<SegmentReader>,
    /// The segment that is opened next; above that of the mark at the end.
    next_segment: u32,
    block: vec::IntoIter<HistoryEntry>,
}

impl HistoryScan {
    pub(super) fn new(view: HistoryView, from: u64) -> Result<Self, LogError> {
        let from = from.max(1);
        let mark = view.mark();
        // The last segment that begins at or before the entry.
        let (mut low, mut high) = (1, mark.segment.saturating_add(1));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if view.blocks_of(middle)?.first <= from {
                low = middle;
            } else {
                high = middle;
            }
        }
        let mut scan =
            Self { view, from, next: 1, segment: None, next_segment: low, block: Vec::new().into_iter() };
        if from >= mark.next {
            scan.end();
        } else if low > 1 {
            scan.next = scan.view.blocks_of(low)?.first;
        }
        Ok(scan)
    }

    fn advance(&mut self) -> Result<Option<HistoryEntry>, LogError> {
        loop {
            if let Some(entry) = self.block.next() {
                return Ok(Some(entry));
            }
            let mark = self.view.mark();
            let Some(segment) = &mut self.segment else {
                if self.next_segment > mark.segment {
                    return Ok(None);
                }
                let segment = self.view.segment(self.next_segment)?;
                if segment.first != self.next {
                    return Err(LogError::damaged(segment.path(), 0, "entries before it are missing"));
                }
                self.segment = Some(segment);
                self.next_segment += 1;
                continue;
            };
            let (path, end) = (segment.path().to_owned(), segment.len());
            match segment.next()? {
                Some(block) if block.header.first != self.next => {
                    return Err(LogError::damaged(&path, block.offset, "entries before it are missing"));
                }
                Some(block) => {
                    self.next = self.next.saturating_add(block.header.count.into());
                    if self.next > self.from {
                        let mut entries = block.entries()?;
                        entries.retain(|entry| entry.number >= self.from);
                        self.block = entries.into_iter();
                    }
                }
                None if self.next_segment > mark.segment && self.next != mark.next => {
                    return Err(LogError::damaged(&path, end, "entries behind it are missing"));
                }
                None => self.segment = None,
            }
        }
    }

    fn end(&mut self) {
        self.segment = None;
        self.next_segment = self.view.mark().segment.saturating_add(1);
        self.block = Vec::new().into_iter();
    }
}

impl Iterator for HistoryScan {
    type Item = Result<HistoryEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.end();
        }
        next.transpose()
    }
}
