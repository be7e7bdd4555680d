//! Writes rows between one begin or rewind and the end of the process, and says at each flush how far it got.

use std::io;

use dragline_core::Wall;
use dragline_core::frontier::{Epoch, RunId};

use super::open_file::{Fault, OpenFile};
use super::position::{OpenAt, Position, SealedAt};
use super::publish::Sealed;
use super::shape::Shape;
use crate::error::SinkError;
use crate::records::Record;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// What a sink of files does and knows in one process.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) run: RunId,
    /// Whole rows that are not written yet, and how many.
    buffer: Vec<u8>,
    buffered: u64,
    /// When the first of them was taken, as far as files of the sink have an age.
    buffered_since: Option<Wall>,
    /// The time that was told last.
    now: Option<Wall>,
    /// The file that is written to; numbered ones are created with their first row.
    pub(super) open: Option<OpenFile>,
    /// Files that the system let grow no further since the last flush, synced.
    full: Vec<OpenAt>,
    /// Files that a mark calls sealed and that are not published yet, oldest first.
    pub(super) sealed: Vec<Sealed>,
    /// The number of the next file.
    pub(super) next: u64,
    /// Rows that were taken, written or on the way there.
    pub(super) rows: u64,
    pub(super) dropped: u64,
    /// Whether a name in the folder is not durable yet.
    unsynced_names: bool,
    /// Whether the next flush seals what is open.
    pub(super) seals: bool,
    /// Set when what is on the disk is unknown.
    broken: bool,
}

impl Life {
    /// Begins with nothing written.
    pub(super) const fn new(run: RunId, next: u64) -> Self {
        Self {
            run,
            buffer: Vec::new(),
            buffered: 0,
            buffered_since: None,
            now: None,
            open: None,
            full: Vec::new(),
            sealed: Vec::new(),
            next,
            rows: 0,
            dropped: 0,
            unsynced_names: false,
            seals: false,
            broken: false,
        }
    }

    /// Learns what time it is.
    pub(super) const fn tell_time(&mut self, now: Wall) {
        self.now = Some(now);
    }

    /// Takes records of the sink's kind and passes over the others.
    pub(super) fn write(&mut self, shape: &Shape, records: &[Record]) -> Result<(), SinkError> {
        let mut first_error = None;
        for record in records.iter().filter(|record| record.kind() == shape.kind) {
            if let Err(error) = self.take(shape, record) {
                first_error.get_or_insert(error);
            }
            if self.buffer.len() >= BUFFER_BYTES_MAX && first_error.is_none() {
                first_error = self.write_out(shape).err();
            }
        }
        // A call without records finds out whether there is space again.
        if self.buffer.len() >= BUFFER_BYTES_MAX && first_error.is_none() {
            first_error = self.write_out(shape).err();
        }
        first_error.map_or(Ok(()), Err)
    }

    fn take(&mut self, shape: &Shape, record: &Record) -> Result<(), SinkError> {
        if self.rows >= shape.rows_max {
            self.dropped += 1;
            return Ok(());
        }
        let written = shape.format.write_row(record, &mut self.buffer);
        written.map_err(|source| SinkError::Encode { path: shape.names.path().to_owned(), source })?;
        if self.buffered == 0 {
            self.buffered_since = self.now.filter(|_| shape.names.is_numbered());
        }
        self.rows += 1;
        self.buffered += 1;
        Ok(())
    }

    /// Writes what is in memory. After an error the file ends behind a whole row, and memory keeps the rest.
    fn write_out(&mut self, shape: &Shape) -> Result<(), SinkError> {
        loop {
            let open = match self.open.take() {
                Some(open) => open,
                None if self.buffer.is_empty() => return Ok(()),
                None => self.create(shape)?,
            };
            // A file that is cut to nothing gets its header again.
            let header = if open.at().bytes == 0 { shape.header() } else { Vec::new() };
            let (rows, since) = (self.buffered, self.buffered_since);
            match self.open.insert(open).append(&header, &self.buffer, rows, since) {
                Ok(()) => {
                    self.buffer.clear();
                    self.buffered = 0;
                    return Ok(());
                }
                Err(Fault::Whole(error)) => self.go_on_elsewhere(shape, error)?,
                Err(Fault::Torn(error)) => {
                    self.broken = true;
                    return Err(error);
                }
            }
        }
    }

    fn create(&mut self, shape: &Shape) -> Result<OpenFile, SinkError> {
        let at = OpenAt::empty(self.next);
        let path = shape.names.open(at.number, self.run);
        let file = shape.shelf.create(&path)?;
        self.next += 1;
        self.unsynced_names = true;
        Ok(OpenFile::new(path, file, at))
    }

    /// Leaves a file behind that may grow no further, for another one; returns any other error again. A file without
    /// rows is not left: the next one would have room for no more.
    fn go_on_elsewhere(&mut self, shape: &Shape, error: SinkError) -> Result<(), SinkError> {
        let is_limit = matches!(error, SinkError::FileTooLarge { .. }) && shape.names.is_numbered();
        match self.open.take_if(|open| is_limit && open.at().rows > 0) {
            Some(mut open) => {
                // What follows may seal it without opening it again.
                open.sync()?;
                self.full.push(open.at());
                Ok(())
            }
            None => Err(error),
        }
    }

    /// Writes and makes durable what was taken, seals what is full, and says where that leaves the sink.
    pub(super) fn flush(&mut self, shape: &Shape, epoch: Epoch) -> Result<(), SinkError> {
        self.write_out(shape)?;
        if let Some(open) = &mut self.open {
            open.sync()?;
        }
        if std::mem::take(&mut self.unsynced_names) {
            shape.shelf.sync_dir(shape.names.dir())?;
        }
        let seals = std::mem::take(&mut self.seals);
        let is_done = |at: OpenAt| at.rows > 0 && (seals || shape.is_full(at, self.now));
        let done = self.open.take_if(|open| shape.names.is_numbered() && is_done(open.at()));
        let full = self.full.drain(..).chain(done.map(|open| open.at()));
        self.sealed.extend(full.map(|at| Sealed::new(at, shape.compression, epoch)));
        Ok(())
    }

    /// Says how far the sink got; after a flush all of it is durable.
    pub(super) fn position(&self, shape: &Shape) -> Position {
        Position {
            path: shape.path_text(),
            numbered: shape.names.is_numbered(),
            header: shape.header_text(),
            next: self.next,
            rows: self.rows,
            dropped: self.dropped,
            sealed: self.sealed.iter().map(Sealed::at).collect::<Vec<SealedAt>>(),
            open: self.open.as_ref().map(OpenFile::at),
        }
    }

    /// Refuses every later call once a sync has failed: what is on the disk is unknown from then on.
    pub(super) fn guard<T>(&mut self, result: Result<T, SinkError>) -> Result<T, SinkError> {
        self.broken |= matches!(result, Err(SinkError::Sync { .. }));
        result
    }

    pub(super) fn check_usable(&self, shape: &Shape) -> Result<(), SinkError> {
        if self.broken {
            let source = io::Error::other("an earlier sync or cut failed");
            return Err(SinkError::Sync { path: shape.names.path().to_owned(), source });
        }
        Ok(())
    }
}
