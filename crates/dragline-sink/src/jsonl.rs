//! Writes records of one kind as lines of JSON, durable up to its last mark.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use dragline_core::frontier::{Epoch, Mark, RunId};

use crate::error::SinkError;
use crate::folder::sync_folder_of;
use crate::records::{Record, RecordKind};
use crate::sink::Sink;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// A file of JSON lines.
///
/// Lines are gathered in memory and written in large pieces; [`Sink::flush`] writes the rest and syncs the file. The
/// mark's position is `<bytes> <rows> <dropped> <path>`.
#[derive(Debug)]
pub struct JsonlSink {
    path: PathBuf,
    name: String,
    kind: RecordKind,
    rows_max: u64,
    file: File,
    /// Lines not yet written, whole ones only.
    buffer: Vec<u8>,
    /// How far the file and the lines in memory go.
    taken: Progress,
    /// How far the file holds what was taken; always the end of a whole write.
    written_bytes: u64,
    /// The last mark, when nothing was taken since.
    marked: Option<Mark>,
    /// Set by a failed sync: what is on the disk is unknown.
    broken: bool,
}

/// How much went into a file, and how much was only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    bytes: u64,
    rows: u64,
    dropped: u64,
}

impl JsonlSink {
    /// Creates a file for records of one kind; its folder must exist.
    ///
    /// # Errors
    /// When there is such a file already, or it cannot be created.
    pub fn create(path: impl Into<PathBuf>, kind: RecordKind) -> Result<Self, SinkError> {
        let path = path.into();
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|source| SinkError::from_io(&path, "create", source))?;
        sync_folder_of(&path)?;
        Ok(Self::with_file(path, file, kind))
    }

    /// Opens the file of an earlier run so that it can be rewound; call [`Sink::rewind`] before anything else.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be written.
    pub fn reopen(path: impl Into<PathBuf>, kind: RecordKind) -> Result<Self, SinkError> {
        let path = path.into();
        let failed = |source| SinkError::from_io(&path, "open", source);
        let mut file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut sink = Self::with_file(path, file, kind);
        sink.taken.bytes = end;
        sink.written_bytes = end;
        Ok(sink)
    }

    /// Writes at most this many rows; records beyond are counted ([`Sink::dropped`]) and not written.
    #[must_use]
    pub const fn rows_max(mut self, rows_max: u64) -> Self {
        self.rows_max = rows_max;
        self
    }

    /// Gives the sink another name than that of its file: what its marks and metrics are filed under.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many rows were taken, in the file or on the way there.
    pub const fn rows(&self) -> u64 {
        self.taken.rows
    }

    fn with_file(path: PathBuf, file: File, kind: RecordKind) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self {
            path,
            name,
            kind,
            rows_max: u64::MAX,
            file,
            buffer: Vec::new(),
            taken: Progress::default(),
            written_bytes: 0,
            marked: None,
            broken: false,
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), SinkError> {
        if record.kind() != self.kind {
            return Ok(());
        }
        self.marked = None;
        if self.taken.rows >= self.rows_max {
            self.taken.dropped += 1;
            return Ok(());
        }
        let before = self.buffer.len();
        let path = &self.path;
        record
            .write_line(&mut self.buffer)
            .map_err(|source| SinkError::Encode { path: path.clone(), source })?;
        self.taken.rows += 1;
        self.taken.bytes += byte_count(self.buffer.len() - before);
        Ok(())
    }

    /// Writes what is in memory. After an error the file is cut back to what was written whole, and memory keeps it.
    fn write_out(&mut self) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if let Err(source) = self.file.write_all(&self.buffer) {
            let cut = self.cut(self.written_bytes);
            let error = SinkError::from_io(&self.path, "write", source);
            return Err(match cut {
                Ok(()) => error,
                Err(cut) => self.give_up(SinkError::from_io(&self.path, "cut", cut)),
            });
        }
        self.written_bytes += byte_count(self.buffer.len());
        self.buffer.clear();
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        if self.file.metadata()?.len() > len {
            self.file.set_len(len)?;
        }
        self.file.seek(SeekFrom::Start(len)).map(drop)
    }

    /// Refuses every later call: the file is no longer what this value believes.
    fn give_up(&mut self, error: SinkError) -> SinkError {
        self.broken = true;
        error
    }

    fn check_usable(&self) -> Result<(), SinkError> {
        if self.broken {
            let source = io::Error::other("an earlier sync failed");
            return Err(SinkError::Sync { path: self.path.clone(), source });
        }
        Ok(())
    }

    fn mark(&self) -> Mark {
        let Progress { bytes, rows, dropped } = self.taken;
        let position = format!("{bytes} {rows} {dropped} {}", self.path.to_string_lossy());
        Mark { sink: self.name.as_str().into(), position: position.into() }
    }
}

impl Sink for JsonlSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn takes(&self, kind: RecordKind) -> bool {
        self.kind == kind
    }

    /// Takes records of its kind and passes over the others.
    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.check_usable()?;
        let mut first_error = None;
        for record in records {
            if let Err(error) = self.take(record) {
                first_error.get_or_insert(error);
            }
            if self.buffer.len() >= BUFFER_BYTES_MAX && first_error.is_none() {
                first_error = self.write_out().err();
            }
        }
        // A call without records finds out whether there is space again.
        if self.buffer.len() >= BUFFER_BYTES_MAX && first_error.is_none() {
            first_error = self.write_out().err();
        }
        first_error.map_or(Ok(()), Err)
    }

    fn flush(&mut self, _epoch: Epoch) -> Result<Mark, SinkError> {
        self.check_usable()?;
        if let Some(mark) = &self.marked {
            return Ok(mark.clone());
        }
        self.write_out()?;
        if let Err(source) = self.file.sync_data() {
            let path = self.path.clone();
            return Err(self.give_up(SinkError::Sync { path, source }));
        }
        let mark = self.mark();
        self.marked = Some(mark.clone());
        Ok(mark)
    }

    fn rewind(&mut self, _: RunId, mark: &Mark) -> Result<(), SinkError> {
        let progress = parse_position(&mark.position, &self.path).ok_or_else(|| SinkError::ForeignMark {
            path: self.path.clone(),
            mark: mark.position.as_ref().into(),
        })?;
        let failed = |source| SinkError::from_io(&self.path, "rewind", source);
        let found = self.file.metadata().map_err(failed)?.len();
        if found < progress.bytes {
            return Err(SinkError::Shorter { path: self.path.clone(), expected: progress.bytes, found });
        }
        self.cut(progress.bytes).map_err(|source| SinkError::from_io(&self.path, "rewind", source))?;
        self.file.sync_all().map_err(|source| SinkError::Sync { path: self.path.clone(), source })?;
        self.buffer.clear();
        self.taken = progress;
        self.written_bytes = progress.bytes;
        self.marked = Some(mark.clone());
        self.broken = false;
        Ok(())
    }

    fn dropped(&self) -> u64 {
        self.taken.dropped
    }
}

/// Reads `<bytes> <rows> <dropped> <path>`; `None` when it is not about this path.
fn parse_position(position: &str, path: &Path) -> Option<Progress> {
    let mut parts = position.splitn(4, ' ');
    let mut number = || parts.next()?.parse().ok();
    let progress = Progress { bytes: number()?, rows: number()?, dropped: number()? };
    (parts.next()? == path.to_string_lossy()).then_some(progress)
}

fn byte_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use dragline_core::{CanonicalUrl, Decision, Item, SkipReason};

    use super::*;
    use crate::records::{ItemRecord, SkippedRecord};

    fn item(number: u32) -> Record {
        let url = CanonicalUrl::parse("http://a/").unwrap();
        ItemRecord { handler: "h".into(), url, item: Item::new(&number).unwrap() }.into()
    }

    fn skipped() -> Record {
        let url = CanonicalUrl::parse("http://a/").unwrap();
        let decision = Decision::built_in(SkipReason::Scope, "scope.mode");
        SkippedRecord { url, decision, place: None, referrer: None }.into()
    }

    fn items_in(path: &Path) -> Vec<u64> {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        let number =
            |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["item"].as_u64().unwrap();
        text.lines().map(number).collect()
    }

    #[test]
    fn what_was_flushed_is_in_the_file_and_records_of_other_kinds_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        let mut sink = JsonlSink::create(&path, RecordKind::Item).unwrap();
        sink.write(&[item(1), skipped(), item(2)]).unwrap();
        assert_eq!(items_in(&path), [0_u64; 0]);
        let mark = sink.flush(Epoch(1)).unwrap();
        assert_eq!(items_in(&path), [1, 2]);
        assert_eq!(&*mark.sink, "items.jsonl");
        assert_eq!(sink.flush(Epoch(2)).unwrap(), mark, "nothing new gives the last mark again");
        assert!(JsonlSink::create(&path, RecordKind::Item).is_err(), "a file is never written over");
    }

    #[test]
    fn a_new_process_rewinds_to_its_mark_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        let mut sink = JsonlSink::create(&path, RecordKind::Item).unwrap().rows_max(3);
        sink.write(&[item(1), item(2)]).unwrap();
        let mark = sink.flush(Epoch(1)).unwrap();
        sink.write(&[item(3), item(4)]).unwrap();
        let later = sink.flush(Epoch(2)).unwrap();
        assert_eq!((items_in(&path), sink.dropped()), (vec![1, 2, 3], 1));
        drop(sink);

        let mut sink = JsonlSink::reopen(&path, RecordKind::Item).unwrap().rows_max(3);
        sink.rewind(RunId(1), &mark).unwrap();
        assert_eq!((items_in(&path), sink.rows(), sink.dropped()), (vec![1, 2], 2, 0));
        sink.write(&[item(5), item(6)]).unwrap();
        sink.flush(Epoch(2)).unwrap();
        assert_eq!((items_in(&path), sink.dropped()), (vec![1, 2, 5], 1));

        std::fs::write(&path, "").unwrap();
        assert!(matches!(sink.rewind(RunId(1), &later), Err(SinkError::Shorter { found: 0, .. })));
    }

    #[test]
    fn a_mark_of_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        let mut sink = JsonlSink::create(&path, RecordKind::Item).unwrap();
        for position in ["", "0", "0 0 0", "0 0 0 /elsewhere/items.jsonl", "x 0 0 y"] {
            let mark = Mark { sink: "items.jsonl".into(), position: position.into() };
            assert!(matches!(sink.rewind(RunId(1), &mark), Err(SinkError::ForeignMark { .. })), "{position}");
        }
    }

    #[test]
    fn more_than_a_buffer_is_written_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        let mut sink = JsonlSink::create(&path, RecordKind::Item).unwrap();
        let records: Vec<_> = (0..5_000).map(item).collect();
        for chunk in records.chunks(7) {
            sink.write(chunk).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() > 0, "a full buffer is written before the flush");
        sink.flush(Epoch(1)).unwrap();
        assert_eq!(items_in(&path), (0..5_000).collect::<Vec<u64>>());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_and_keeps_what_it_was_given() {
        let mut sink = JsonlSink::reopen("/dev/full", RecordKind::Item).unwrap();
        sink.write(&[item(1)]).unwrap();
        let error = sink.flush(Epoch(1)).unwrap_err();
        assert_eq!(error.to_string(), "no space left to write /dev/full");
        assert!(error.may_retry());
        sink.write(&[item(2)]).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.jsonl");
        sink.file = File::create(&path).unwrap();
        sink.flush(Epoch(1)).unwrap();
        assert_eq!(items_in(&path), [1, 2], "with room again, everything is written once");
    }
}
