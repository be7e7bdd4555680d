//! Is the sink of files: set up, then begun or rewound, then written to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dragline_core::Wall;
use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_disk::Disk;

use super::compress::Compression;
use super::life::Life;
use super::names::FileNames;
use super::position::Position;
use super::shape::Shape;
use crate::error::SinkError;
use crate::records::{Record, RecordKind};
use crate::rows::Format;
use crate::sink::Sink;

/// Records of one kind in files.
///
/// Rows are gathered in memory and written in large pieces; [`Sink::flush`] writes the rest and syncs. Setting a sink up
/// touches no file: [`Sink::begin`] or [`Sink::rewind`] does. Without rotation and compression there is one file, at
/// the path; otherwise there are numbered ones ([`FileNames`]), each of which appears under its final name once it is
/// sealed and the commit that says so is durable. A numbered file is created with its first row, so that a crawl
/// without rows leaves none.
///
/// A file is sealed at the first flush at which it has reached a limit, so it grows beyond it by what one commit
/// brings; of age it knows what [`Sink::tell_time`] says. A limit of the system (EFBIG) only means another file for a sink with numbered ones.
#[derive(Debug)]
pub struct FileSink {
    name: String,
    shape: Shape,
    life: Option<Life>,
}

impl FileSink {
    /// Sets up a sink of records of one kind.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>, kind: RecordKind, format: Format) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { name, shape: Shape::new(disk, path, kind, format), life: None }
    }

    /// Sets up a sink of JSON lines.
    pub fn jsonl(disk: Arc<dyn Disk>, path: impl Into<PathBuf>, kind: RecordKind) -> Self {
        Self::new(disk, path, kind, Format::Jsonl)
    }

    /// Sets up a sink of CSV.
    pub fn csv(disk: Arc<dyn Disk>, path: impl Into<PathBuf>, kind: RecordKind) -> Self {
        Self::new(disk, path, kind, Format::Csv { columns: Vec::new() })
    }

    /// Gives the sink another name than that of its path: what its marks and metrics are filed under.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Writes at most this many rows; records beyond are counted ([`Sink::dropped`]) and not written.
    #[must_use]
    pub const fn rows_max(mut self, rows_max: u64) -> Self {
        self.shape.rows_max = rows_max;
        self
    }

    /// Seals a file once it has this many bytes, before compression; 0: however large it is.
    #[must_use]
    pub fn rotate_bytes(mut self, bytes: u64) -> Self {
        self.shape.rotate_bytes = (bytes > 0).then_some(bytes);
        self.shape.rename();
        self
    }

    /// Seals a file once it has this many rows; 0: however many it has.
    #[must_use]
    pub fn rotate_rows(mut self, rows: u64) -> Self {
        self.shape.rotate_rows = (rows > 0).then_some(rows);
        self.shape.rename();
        self
    }

    /// Seals a file so long after its first row was taken, in whatever life that was; zero: however old it is. A crawl
    /// that commits nothing meanwhile seals it later, at its next commit.
    #[must_use]
    pub fn rotate_after(mut self, age: Duration) -> Self {
        self.shape.rotate_after = (!age.is_zero()).then_some(age);
        self.shape.rename();
        self
    }

    /// Compresses each file when it is published. Without rotation that is when the crawl ends. It takes place on the
    /// thread of the sinks, at some 60 MB/s by gzip and 300 MB/s by zstd, and other sinks wait meanwhile.
    #[must_use]
    pub fn compress(mut self, compression: Option<Compression>) -> Self {
        self.shape.compression = compression;
        self.shape.rename();
        self
    }

    /// Returns the path it was set up with.
    pub fn path(&self) -> &Path {
        self.shape.names.path()
    }

    /// Returns what its files are called.
    pub const fn names(&self) -> &FileNames {
        &self.shape.names
    }

    /// Returns how many rows were taken in all, written or on the way there.
    pub fn rows(&self) -> u64 {
        self.life.as_ref().map_or(0, |life| life.rows)
    }

    fn mark(&self, position: &Position) -> Mark {
        Mark { sink: self.name.as_str().into(), position: position.text().into() }
    }

    /// Has the life that is under way do something, unless what is on the disk is unknown.
    fn live<T>(
        &mut self,
        act: impl FnOnce(&mut Life, &Shape) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let Some(life) = &mut self.life else {
            let source = io::Error::other("the sink was neither begun nor rewound");
            return Err(SinkError::Io { path: self.path().to_owned(), action: "write", source });
        };
        life.check_usable(&self.shape)?;
        let done = act(life, &self.shape);
        life.guard(done)
    }
}

impl Sink for FileSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn takes(&self, kind: RecordKind) -> bool {
        self.shape.kind == kind
    }

    fn begin(&mut self, run: RunId) -> Result<Mark, SinkError> {
        let life = Life::begin(&self.shape, run)?;
        let mark = self.mark(&life.position(&self.shape));
        self.life = Some(life);
        Ok(mark)
    }

    fn tell_time(&mut self, now: Wall) {
        if let Some(life) = &mut self.life {
            life.tell_time(now);
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.live(|life, shape| life.write(shape, records))
    }

    fn flush(&mut self, epoch: Epoch) -> Result<Mark, SinkError> {
        let position = self.live(|life, shape| {
            life.flush(shape, epoch)?;
            Ok(life.position(shape))
        })?;
        Ok(self.mark(&position))
    }

    fn committed(&mut self, epoch: Epoch) -> Result<(), SinkError> {
        self.live(|life, shape| life.publish(shape, epoch))
    }

    fn seal(&mut self) {
        if let Some(life) = &mut self.life {
            life.seals = true;
        }
    }

    fn rewind(&mut self, run: RunId, mark: &Mark) -> Result<(), SinkError> {
        self.life = Some(Life::rewind(&self.shape, run, mark)?);
        Ok(())
    }

    fn dropped(&self) -> u64 {
        self.life.as_ref().map_or(0, |life| life.dropped)
    }
}
