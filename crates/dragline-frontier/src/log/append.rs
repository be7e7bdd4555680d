//! Writes epochs, each with its Commit, so that an epoch is durable or was never there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::{Epoch, RunId};
use dragline_disk::Disk;

use super::commit::{Chain, Commit};
use super::place::{Block, BlockFile, Place, segment_path};
use super::reader::LogReader;
use super::recover::{Inspected, Opened, inspect, open};
use super::scan::aligned;
use super::survey::Segment;
use crate::error::LogError;
use crate::file::{Appender, FileKind, Header, PIECE_BYTES, Tail};

/// How a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment that has reached this length takes no further epoch. 256 MiB by default.
    pub segment_bytes: u64,
}

/// A log that is appended to. It is the only one of its folder.
#[derive(Debug)]
pub struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) run: RunId,
    options: LogOptions,
    pub(super) reader: LogReader,
    /// By number; the last one is the current one. What bounds them is what the caller lets go: see [`Log::retire`].
    pub(super) segments: Vec<Segment>,
    /// Writes to the current segment.
    pub(super) appender: Appender,
    /// The last Commit without its body.
    pub(super) last: Option<Commit>,
}

/// Writes the blocks and the Commit of one epoch in large pieces.
struct EpochWriter<'a> {
    tail: &'a mut Tail,
    segment: u32,
    run: RunId,
    chain: Chain,
    /// What is not yet written: at most a piece, but for a large payload.
    piece: Vec<u8>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 256 << 20 }
    }
}

impl Log {
    /// Recovers the log of a run: finds the last good Commit, removes what stands behind it, makes the rest durable, and
    /// removes snapshots that the Commit does not name. A log that was never committed to is emptied: a first start.
    /// Cut short at any moment, it is simply called again.
    ///
    /// # Errors
    /// When something is broken that was durable, belongs to another run or was written by a newer version: then nothing
    /// was changed. When the disk fails: the next start goes on where this one ended.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        run: RunId,
        options: LogOptions,
    ) -> Result<Opened, LogError> {
        open(disk, dir, run, options)
    }

    /// Looks at the log of a run that another process may own and append to: finds the last good Commit and replays up
    /// to it. Changes nothing and locks nothing.
    ///
    /// # Errors
    /// As [`Log::open`]. A segment may be retired while it is being read: try again.
    pub fn inspect(disk: Arc<dyn Disk>, dir: &Path, run: RunId) -> Result<Inspected, LogError> {
        inspect(disk, dir, run)
    }

    pub(super) fn recovered(
        disk: Arc<dyn Disk>,
        dir: &Path,
        run: RunId,
        options: LogOptions,
        current: Option<(Commit, Vec<Segment>, Tail)>,
    ) -> Self {
        let reader = LogReader::new(Arc::clone(&disk), dir.to_owned(), run);
        let (last, segments, tail) = current
            .map_or((None, Vec::new(), None), |(last, segments, tail)| (Some(last), segments, Some(tail)));
        let appender = Appender::new(Arc::clone(&disk), dir.to_owned(), tail);
        Self { disk, dir: dir.to_owned(), run, options, reader, segments, appender, last }
    }

    /// Makes an epoch durable: writes its blocks and its Commit and syncs. Returns the places of the blocks, in order.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: nothing of the epoch is on the disk; call again with the same arguments when there is
    /// space. [`LogError::TooLarge`]: nothing was written. Any other: end the process, the next start recovers.
    ///
    /// # Panics
    /// When epoch or numbers do not continue those of the last Commit: the log would never be read again.
    pub fn append(&mut self, blocks: &[Block], commit: &Commit) -> Result<Vec<Place>, LogError> {
        self.continues(blocks, commit);
        let current = self.segments.last().filter(|segment| segment.bytes < self.options.segment_bytes);
        let places = match current.map(|segment| segment.index) {
            None => self.append_to_new(blocks, commit),
            Some(index) => match self
                .appender
                .append_to_current(|tail| EpochWriter::new(tail, index, self.run).write(blocks, commit))
            {
                // Not the disk but the file is full.
                Err(LogError::FileTooLarge { .. }) => self.append_to_new(blocks, commit),
                places => places,
            },
        }?;
        if let Some(segment) = self.segments.last_mut() {
            segment.bytes = self.appender.len();
        }
        self.last = Some(Commit { body: Vec::new(), ..commit.clone() });
        Ok(places)
    }

    /// Reads a block back.
    ///
    /// # Errors
    /// As [`LogReader::read`].
    pub fn read(&self, place: Place) -> Result<Block, LogError> {
        self.reader.read(place)
    }

    /// Returns what reads blocks back from other threads.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Returns the segments, by number; the last one is the current one.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn append_to_new(&mut self, blocks: &[Block], commit: &Commit) -> Result<Vec<Place>, LogError> {
        let index = self.segments.last().map_or(1, |segment| segment.index + 1);
        let first = self.last.as_ref().map_or(0, |last| last.last) + 1;
        let header =
            Header { kind: FileKind::Log, run: self.run, number: index.into(), first, epoch: commit.epoch.0 };
        let places = self.appender.append_to_new(segment_path(&self.dir, index), |tail| {
            tail.append(&header.encode())?;
            EpochWriter::new(tail, index, self.run).write(blocks, commit)
        })?;
        self.segments.push(Segment { index, first, bytes: 0 });
        Ok(places)
    }

    /// Asserts what recovery relies on.
    fn continues(&self, blocks: &[Block], commit: &Commit) {
        let epoch = self.last.as_ref().map_or(0, |last| last.epoch.0 + 1);
        assert_eq!(commit.epoch, Epoch(epoch), "epochs follow one another");
        let before = self.last.as_ref().map_or(0, |last| last.last);
        let mut last = before;
        for block in blocks {
            assert!(block.count > 0, "a block has records");
            assert_eq!(block.first, last + 1, "records follow one another");
            last = block.last();
        }
        assert_eq!(commit.last, last, "a Commit carries the number of the last record of its epoch");
        // Records of this very epoch may be lost with a torn Commit, and what a snapshot holds of them does not bring
        // back the places of its blocks.
        assert!(commit.lowest() <= before, "a snapshot is named by a later epoch than it was taken in");
        let lowest = self.last.as_ref().map_or(0, Commit::lowest);
        assert!(commit.lowest() >= lowest, "snapshots do not go back");
    }
}

impl<'a> EpochWriter<'a> {
    fn new(tail: &'a mut Tail, segment: u32, run: RunId) -> Self {
        Self { tail, segment, run, chain: Chain::default(), piece: Vec::new() }
    }

    fn write(mut self, blocks: &[Block], commit: &Commit) -> Result<Vec<Place>, LogError> {
        let mut places = Vec::with_capacity(blocks.len());
        for block in blocks {
            let header = block.header(self.run)?;
            places.push(Place::of(BlockFile::Segment(self.segment), self.at(), header));
            self.chain.add(header.crc);
            self.put(&header.encode())?;
            self.put(&block.payload)?;
        }
        let commit = commit.encode(self.run, self.chain)?;
        let padding = usize::try_from(aligned(self.at()) - self.at()).expect("less than the alignment");
        self.piece.resize(self.piece.len() + padding, 0);
        self.put(&commit)?;
        self.tail.append(&self.piece)?;
        Ok(places)
    }

    /// Returns where in the segment the next byte goes.
    fn at(&self) -> u64 {
        self.tail.len() + self.piece.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.tail.append(&self.piece)?;
            self.piece.clear();
        }
        Ok(())
    }
}
