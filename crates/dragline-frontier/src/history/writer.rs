//! Appends entries and makes them durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::block::{BlockMaker, count_of_next};
use super::entry::{HistoryEntry, bytes_max, fits};
use super::index::{Row, half_of, row_of, write_index};
use super::mark::HistoryMark;
use super::rewind::rewind;
use super::scan::HistoryScan;
use super::segment::history_path;
use super::view::{HistoryView, Indexes};
use crate::error::LogError;
use crate::file::{Appender, FileKind, Header, PIECE_BYTES, Tail};

/// How a history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryOptions {
    /// A segment that has reached this length is sealed. 64 MiB by default, far below the 4 GiB that an index can name.
    pub segment_bytes: u64,
}

/// A history that is appended to. It is the only one of its folder.
#[derive(Debug)]
pub struct History {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: RunId,
    options: HistoryOptions,
    appender: Appender,
    /// How far it is durable.
    mark: HistoryMark,
    /// The index of the open segment; bounded by its length.
    open: Vec<Row>,
    /// What the next flush writes. The caller bounds it by flushing: see [`History::pending_bytes`].
    pending: Vec<(u64, Vec<u8>)>,
    pending_bytes: u64,
}

/// What a flush wrote.
struct Written {
    rows: Vec<Row>,
    next: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20 }
    }
}

impl History {
    /// Takes a history up at the mark of the last commit: everything behind it goes as if it had never been written.
    /// Without a mark all of it goes: a first start.
    ///
    /// # Errors
    /// When something before the mark is gone, shorter or damaged, belongs to another run or was written by a newer
    /// version: then nothing was changed. When the disk fails: the next start goes on where this one ended.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        run: RunId,
        mark: Option<HistoryMark>,
        options: HistoryOptions,
    ) -> Result<Self, LogError> {
        let mark = mark.unwrap_or_default();
        let (tail, open) = rewind(&disk, dir, run, mark)?;
        let appender = Appender::new(Arc::clone(&disk), dir.to_owned(), tail);
        let dir = dir.to_owned();
        Ok(Self { disk, dir, run, options, appender, mark, open, pending: Vec::new(), pending_bytes: 0 })
    }

    /// Looks at a history that another process may own and append to, up to a mark that is durable. Changes nothing.
    pub fn inspect(disk: Arc<dyn Disk>, dir: &Path, run: RunId, mark: HistoryMark) -> HistoryView {
        HistoryView::new(disk, dir, run, mark, Indexes::Leave)
    }

    /// Takes entries, each with its fingerprint. They are in memory until the next flush, and not found before.
    ///
    /// # Errors
    /// When one is too large; then none was taken.
    pub fn append(&mut self, entries: Vec<(u64, Vec<u8>)>) -> Result<(), LogError> {
        entries.iter().try_for_each(|(_, payload)| fits(payload))?;
        self.pending_bytes += entries.iter().map(|(_, payload)| bytes_max(payload) as u64).sum::<u64>();
        self.pending.extend(entries);
        Ok(())
    }

    /// Returns how many bytes wait for the next flush, which writes at most as many, and headers.
    pub const fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// Writes what was appended, makes it durable, and returns how far the history goes. With nothing new, returns the
    /// last mark again without a sync.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: the entries are kept, flush again when there is space. Any other: end the process, the next
    /// start rewinds.
    pub fn flush(&mut self) -> Result<HistoryMark, LogError> {
        if self.pending.is_empty() {
            return Ok(self.mark);
        }
        let has_room = self.mark.segment > 0 && self.mark.bytes < self.options.segment_bytes;
        let current = if has_room { Some(self.flush_to_current()) } else { None };
        match current {
            // Not the disk but the file is full.
            None | Some(Err(LogError::FileTooLarge { .. })) => self.flush_to_new()?,
            Some(flushed) => flushed?,
        }
        self.mark.bytes = self.appender.len();
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(self.mark)
    }

    /// Returns how far the history is durable.
    pub const fn mark(&self) -> HistoryMark {
        self.mark
    }

    /// Returns what is durable, to be read from any thread.
    pub fn view(&self) -> HistoryView {
        HistoryView::new(Arc::clone(&self.disk), &self.dir, self.run, self.mark, Indexes::Repair)
    }

    /// As [`HistoryView::scan`], of what is durable.
    ///
    /// # Errors
    /// As [`HistoryView::scan`].
    pub fn scan(&self, from: u64) -> Result<HistoryScan, LogError> {
        self.view().scan(from)
    }

    /// As [`HistoryView::find`], of what is durable, without reading the open segment.
    ///
    /// # Errors
    /// As [`HistoryView::find`].
    pub fn find(&self, fingerprint: u64) -> Result<Vec<HistoryEntry>, LogError> {
        let view = self.view();
        let mut found = Vec::new();
        let rows = self.open.iter().filter(|(half, _)| *half == half_of(fingerprint));
        let mut offsets: Vec<u32> = rows.map(|(_, offset)| *offset).collect();
        offsets.dedup();
        if !offsets.is_empty() {
            HistoryView::find_in(&mut view.blocks_of(self.mark.segment)?, &offsets, fingerprint, &mut found)?;
        }
        view.find_sealed(fingerprint, &mut found)?;
        Ok(found)
    }

    fn flush_to_current(&mut self) -> Result<(), LogError> {
        let (run, next, pending) = (self.run, self.mark.next, &self.pending);
        let written = self.appender.append_to_current(|tail| write(tail, run, next, pending))?;
        self.open.extend(written.rows);
        self.mark.next = written.next;
        Ok(())
    }

    /// Writes to another segment, and seals the one before, if there is one.
    fn flush_to_new(&mut self) -> Result<(), LogError> {
        let (run, next, pending) = (self.run, self.mark.next, &self.pending);
        let segment = self.mark.segment + 1;
        let header = Header { kind: FileKind::History, run, number: segment.into(), first: next, epoch: 0 };
        let written = self.appender.append_to_new(history_path(&self.dir, segment), |tail| {
            tail.append(&header.encode())?;
            write(tail, run, next, pending)
        })?;
        let sealed = (self.mark.segment, self.mark.bytes);
        let mut rows = std::mem::replace(&mut self.open, written.rows);
        self.mark.segment = segment;
        self.mark.next = written.next;
        if sealed.0 > 0 {
            // What cannot be written now is made when it is needed: it holds nothing that the segment does not.
            write_index(&*self.disk, &self.dir, run, sealed, &mut rows).ok();
        }
        Ok(())
    }
}

/// Writes entries in blocks.
fn write(tail: &mut Tail, run: RunId, first: u64, entries: &[(u64, Vec<u8>)]) -> Result<Written, LogError> {
    let mut written = Written { rows: Vec::with_capacity(entries.len()), next: first };
    let mut maker = BlockMaker::new();
    let mut piece = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let offset = tail.len() + piece.len() as u64;
        let offset = u32::try_from(offset).map_err(|_| LogError::TooLarge {
            what: "history segment",
            bytes: offset,
            bytes_max: u32::MAX.into(),
        })?;
        let (entries, behind) = rest.split_at(count_of_next(rest));
        let (header, block) = maker.make(run, written.next, entries)?;
        piece.extend_from_slice(&header.encode());
        piece.extend_from_slice(block);
        written.rows.extend(entries.iter().map(|(fingerprint, _)| row_of(*fingerprint, offset)));
        written.next += entries.len() as u64;
        rest = behind;
        if piece.len() >= PIECE_BYTES {
            tail.append(&piece)?;
            piece.clear();
        }
    }
    tail.append(&piece)?;
    Ok(written)
}
