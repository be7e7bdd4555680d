//! Writes records of one kind as lines on a simulated disk, with lengths as marks.

use std::path::{Path, PathBuf};

use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_disk::{Disk, DiskFile, Open};
use dragline_sink::{ITEMS_FILE, PAGES_FILE, Record, RecordKind, SKIPPED_FILE, Sink, SinkError};

use super::mutant::Mutant;
use crate::disk::SimDisk;

/// The output folder.
pub(super) const OUT: &str = "out";

/// Bytes that are gathered before they are written.
const BUFFER_BYTES_MAX: usize = 4 << 10;

/// Records between two that a mutant loses or doubles.
const MUTANT_EVERY: u64 = 20;

/// A file of lines.
#[derive(Debug)]
pub(super) struct LineSink {
    name: &'static str,
    kind: RecordKind,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Lines that are not written.
    buffer: Vec<u8>,
    /// How far the file holds whole lines.
    written: u64,
    taken: u64,
    mutant: Option<Mutant>,
    /// The last mark was answered without a sync.
    owes_sync: bool,
}

/// Begins the three files of a crawl; those of an earlier life that cannot be gone on with are removed.
///
/// # Errors
/// When the disk refuses.
pub(super) fn begin_output(disk: &SimDisk, mutant: Option<Mutant>) -> Result<Vec<LineSink>, SinkError> {
    let out = Path::new(OUT);
    disk.create_dir(out).map_err(failed(out, "create"))?;
    for path in disk.list(out).map_err(failed(out, "list"))? {
        disk.remove(&path).map_err(failed(&path, "remove"))?;
    }
    let files =
        [(PAGES_FILE, RecordKind::Page), (ITEMS_FILE, RecordKind::Item), (SKIPPED_FILE, RecordKind::Skipped)];
    let mut sinks = Vec::new();
    for (name, kind) in files {
        let path = out.join(name);
        let file = disk.open(&path, Open::New).map_err(failed(&path, "create"))?;
        let (buffer, written, taken) = (Vec::new(), 0, 0);
        sinks.push(LineSink { name, kind, path, file, buffer, written, taken, mutant, owes_sync: false });
    }
    disk.sync_dir(out).map_err(failed(out, "sync"))?;
    Ok(sinks)
}

fn failed(path: &Path, action: &'static str) -> impl Fn(std::io::Error) -> SinkError {
    let path = path.to_owned();
    move |source| SinkError::from_io(&path, action, source)
}

impl LineSink {
    fn failed(&self, action: &'static str) -> impl Fn(std::io::Error) -> SinkError {
        failed(&self.path, action)
    }

    /// Writes what is gathered; what a full disk took of it is cut off again.
    fn write_out(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.append(&self.buffer) {
            self.file.cut(self.written).map_err(self.failed("cut"))?;
            return Err(self.failed("write")(error));
        }
        self.written += u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.buffer.clear();
        Ok(())
    }

    fn take(&mut self, record: &Record) -> Result<(), SinkError> {
        self.taken += 1;
        let is_nth = self.taken.is_multiple_of(MUTANT_EVERY);
        let times = match self.mutant {
            Some(Mutant::RecordLost) if is_nth => 0,
            Some(Mutant::RecordDoubled) if is_nth => 2,
            _ => 1,
        };
        for _ in 0..times {
            let written = record.write_line(&mut self.buffer);
            written.map_err(|source| SinkError::Encode { path: self.path.clone(), source })?;
        }
        Ok(())
    }
}

impl Sink for LineSink {
    fn name(&self) -> &str {
        self.name
    }

    fn takes(&self, kind: RecordKind) -> bool {
        self.kind == kind
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        records.iter().try_for_each(|record| self.take(record))?;
        if self.buffer.len() >= BUFFER_BYTES_MAX { self.write_out() } else { Ok(()) }
    }

    fn flush(&mut self, _: Epoch) -> Result<Mark, SinkError> {
        if std::mem::take(&mut self.owes_sync) {
            self.file.sync().map_err(self.failed("sync"))?;
        }
        self.write_out()?;
        if self.mutant == Some(Mutant::MarkBeforeSync) {
            self.owes_sync = true;
        } else {
            self.file.sync().map_err(self.failed("sync"))?;
        }
        Ok(Mark { sink: self.name.into(), position: self.written.to_string().into() })
    }

    /// Cuts the file to the mark.
    fn rewind(&mut self, _: RunId, mark: &Mark) -> Result<(), SinkError> {
        let foreign =
            || SinkError::ForeignMark { path: self.path.clone(), mark: mark.position.as_ref().into() };
        let expected: u64 = mark.position.parse().map_err(|_| foreign())?;
        let found = self.file.len().map_err(self.failed("rewind"))?;
        if found < expected {
            return Err(SinkError::Shorter { path: self.path.clone(), expected, found });
        }
        self.file.cut(expected).map_err(self.failed("rewind"))?;
        self.file.sync().map_err(self.failed("sync"))?;
        self.written = expected;
        Ok(())
    }
}
