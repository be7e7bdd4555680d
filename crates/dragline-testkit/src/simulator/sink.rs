//! Writes records of one kind as lines on a simulated disk, with lengths as marks.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dragline_core::Wall;
use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_disk::{Disk, DiskFile, Open};
use dragline_sink::{FileSink, ITEMS_FILE, PAGES_FILE, Record, RecordKind, SKIPPED_FILE, Sink, SinkError};

use super::mutant::Mutant;
use crate::disk::SimDisk;

/// The output folder.
pub(super) const OUT: &str = "out";

/// Bytes that are gathered before they are written.
const BUFFER_BYTES_MAX: usize = 4 << 10;

/// Rows at which files are finished that are few.
pub(super) const MANY_ROWS: u64 = 30;

/// Time after which such files are finished.
const FILE_AGE: Duration = Duration::from_secs(20);

/// Records between two that a mutant loses or doubles.
const MUTANT_EVERY: u64 = 20;

/// A file of lines.
#[derive(Debug)]
pub(super) struct LineSink {
    name: &'static str,
    kind: RecordKind,
    path: PathBuf,
    disk: SimDisk,
    /// Opened by the first call.
    file: Option<Box<dyn DiskFile>>,
    /// Lines that are not written.
    buffer: Vec<u8>,
    /// How far the file holds whole lines.
    written: u64,
    taken: u64,
    mutant: Option<Mutant>,
    /// The last mark was answered without a sync.
    owes_sync: bool,
}

/// Returns the three sinks of a crawl: those of every crawl, or with a mutant those that can be broken.
pub(super) fn output(disk: &SimDisk, rotate_rows: u64, mutant: Option<Mutant>) -> Vec<Box<dyn Sink>> {
    let files =
        [(PAGES_FILE, RecordKind::Page), (ITEMS_FILE, RecordKind::Item), (SKIPPED_FILE, RecordKind::Skipped)];
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let sink = |(name, kind)| -> Box<dyn Sink> {
        let path = Path::new(OUT).join(name);
        if mutant.is_some_and(Mutant::is_of_sinks) {
            Box::new(LineSink::new(disk.clone(), name, kind, path, mutant))
        } else {
            // Where files are few, age divides them too.
            let age = if rotate_rows == MANY_ROWS { FILE_AGE } else { Duration::ZERO };
            let file = FileSink::jsonl(Arc::clone(&shared), path, kind).named(name);
            let file = file.rotate_rows(rotate_rows).rotate_after(age);
            match mutant {
                Some(mutant @ (Mutant::FlushOvertakes | Mutant::RenameEarly | Mutant::RecordsEarly)) => {
                    Box::new(DisorderlySink { file, late: Vec::new(), refused: false, mutant })
                }
                _ => Box::new(file),
            }
        }
    };
    files.map(sink).into()
}

fn failed(path: &Path, action: &'static str) -> impl Fn(std::io::Error) -> SinkError {
    let path = path.to_owned();
    move |source| SinkError::from_io(&path, action, source)
}

impl LineSink {
    fn new(
        disk: SimDisk,
        name: &'static str,
        kind: RecordKind,
        path: PathBuf,
        mutant: Option<Mutant>,
    ) -> Self {
        let (file, buffer, written, taken) = (None, Vec::new(), 0, 0);
        Self { name, kind, path, disk, file, buffer, written, taken, mutant, owes_sync: false }
    }

    fn file(&mut self) -> &mut dyn DiskFile {
        &mut **self.file.as_mut().expect("the engine begins or rewinds a sink before anything else")
    }

    fn failed(&self, action: &'static str) -> impl Fn(std::io::Error) -> SinkError {
        failed(&self.path, action)
    }

    /// Writes what is gathered; what a full disk took of it is cut off again.
    fn write_out(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let appended = self.file().append(&buffer);
        self.buffer = buffer;
        if let Err(error) = appended {
            let written = self.written;
            self.file().cut(written).map_err(self.failed("cut"))?;
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

    fn begin(&mut self, _: RunId) -> Result<Mark, SinkError> {
        let out = Path::new(OUT);
        self.disk.create_dir(out).map_err(failed(out, "create"))?;
        // A start that was cut short has left an empty file.
        if self.disk.contents(&self.path).is_some() {
            self.disk.remove(&self.path).map_err(self.failed("remove"))?;
        }
        self.file = Some(self.disk.open(&self.path, Open::New).map_err(self.failed("create"))?);
        self.disk.sync_dir(out).map_err(failed(out, "sync"))?;
        self.flush(Epoch(0))
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        records.iter().try_for_each(|record| self.take(record))?;
        if self.buffer.len() >= BUFFER_BYTES_MAX { self.write_out() } else { Ok(()) }
    }

    fn flush(&mut self, _: Epoch) -> Result<Mark, SinkError> {
        if std::mem::take(&mut self.owes_sync) {
            self.file().sync().map_err(self.failed("sync"))?;
        }
        self.write_out()?;
        if self.mutant == Some(Mutant::MarkBeforeSync) {
            self.owes_sync = true;
        } else {
            self.file().sync().map_err(self.failed("sync"))?;
        }
        Ok(Mark { sink: self.name.into(), position: self.written.to_string().into() })
    }

    /// Cuts the file to the mark.
    fn rewind(&mut self, _: RunId, mark: &Mark) -> Result<(), SinkError> {
        let foreign =
            || SinkError::ForeignMark { path: self.path.clone(), mark: mark.position.as_ref().into() };
        let expected: u64 = mark.position.parse().map_err(|_| foreign())?;
        self.file = Some(self.disk.open(&self.path, Open::Append).map_err(self.failed("open"))?);
        let found = self.file().len().map_err(self.failed("rewind"))?;
        if found < expected {
            return Err(SinkError::Shorter { path: self.path.clone(), expected, found });
        }
        self.file().cut(expected).map_err(self.failed("rewind"))?;
        self.file().sync().map_err(self.failed("sync"))?;
        self.written = expected;
        Ok(())
    }
}

/// The sink of every crawl, but for one fault of its order; or, where others log too early, with so little space that each
/// flush takes a second try, and pages are settled between.
#[derive(Debug)]
struct DisorderlySink {
    file: FileSink,
    /// Records that a flush overtakes.
    late: Vec<Record>,
    /// Whether the flush that is asked for was refused once.
    refused: bool,
    mutant: Mutant,
}

impl Sink for DisorderlySink {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn takes(&self, kind: RecordKind) -> bool {
        self.file.takes(kind)
    }

    fn begin(&mut self, run: RunId) -> Result<Mark, SinkError> {
        self.file.begin(run)
    }

    fn tell_time(&mut self, now: Wall) {
        self.file.tell_time(now);
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        if self.mutant != Mutant::FlushOvertakes {
            return self.file.write(records);
        }
        let before = std::mem::replace(&mut self.late, records.to_vec());
        self.file.write(&before)
    }

    fn flush(&mut self, epoch: Epoch) -> Result<Mark, SinkError> {
        self.refused = self.mutant == Mutant::RecordsEarly && !self.refused;
        if self.refused {
            return Err(failed(Path::new(OUT), "write")(ErrorKind::StorageFull.into()));
        }
        let mark = self.file.flush(epoch)?;
        if self.mutant == Mutant::RenameEarly {
            self.file.committed(epoch)?;
        }
        let late = std::mem::take(&mut self.late);
        self.file.write(&late)?;
        Ok(mark)
    }

    fn committed(&mut self, epoch: Epoch) -> Result<(), SinkError> {
        self.file.committed(epoch)
    }

    fn seal(&mut self) {
        self.file.seal();
    }

    fn rewind(&mut self, run: RunId, mark: &Mark) -> Result<(), SinkError> {
        self.file.rewind(run, mark)
    }
}
