//! Guards the output folder: one run in it, never a file of anybody else touched.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dragline_core::report::Report;

use crate::error::SinkError;
use crate::folder::{sync_folder_of, write_whole};
use crate::jsonl::JsonlSink;
use crate::records::RecordKind;
use crate::sink::Sink;

/// The file of URLs settled by a fetch.
pub const PAGES_FILE: &str = "pages.jsonl";
/// The file of items.
pub const ITEMS_FILE: &str = "items.jsonl";
/// The file of skipped URLs.
pub const SKIPPED_FILE: &str = "skipped.jsonl";
/// The file of the report.
pub const REPORT_FILE: &str = "report.json";
/// Says that a folder holds a run, from its first moment.
const MARKER_FILE: &str = ".dragline";

/// Every file that is ours, the marker last so that a deletion cut short is still seen.
const OUR_FILES: [&str; 6] =
    [PAGES_FILE, ITEMS_FILE, SKIPPED_FILE, REPORT_FILE, "report.json.tmp", MARKER_FILE];

const MARKER_TEXT: &str = "This folder holds the output of one Dragline run; `--fresh` starts over in it.\n";

/// Whether a folder that holds an earlier run may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It is refused.
    Refuse,
    /// Its files are replaced; files of anybody else stay.
    Replace,
}

/// A folder that holds the output of this run and of no other.
#[derive(Debug)]
pub struct OutputFolder {
    dir: PathBuf,
}

/// Why an output folder cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputError {
    /// It holds an earlier run. Choose another folder, or start over in it with `--fresh`.
    Earlier {
        /// The folder.
        dir: PathBuf,
        /// A file of the earlier run.
        file: PathBuf,
    },
    /// It cannot be created, read or written. See the source.
    Unusable {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in it cannot be written.
    File(SinkError),
}

impl OutputFolder {
    /// Creates the folder if it is missing, checks that it can be written, and marks it as holding a run.
    ///
    /// # Errors
    /// When it cannot be created or written, or holds an earlier run that is not to be replaced.
    pub fn open(dir: &Path, earlier: Earlier) -> Result<Self, OutputError> {
        let unusable = |source| OutputError::Unusable { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(unusable)?;
        for file in OUR_FILES.map(|name| dir.join(name)) {
            match (file.symlink_metadata(), earlier) {
                (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {}
                (Err(error), _) => return Err(unusable(error)),
                (Ok(_), Earlier::Refuse) => return Err(OutputError::Earlier { dir: dir.to_owned(), file }),
                (Ok(_), Earlier::Replace) => std::fs::remove_file(&file).map_err(unusable)?,
            }
        }
        std::fs::write(dir.join(MARKER_FILE), MARKER_TEXT).map_err(unusable)?;
        let marker = dir.join(MARKER_FILE);
        sync_folder_of(&marker)?;
        sync_folder_of(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Creates the sinks of pages, items and skipped URLs; of the last at most `skipped_rows_max` rows are written.
    ///
    /// # Errors
    /// When a file cannot be created.
    pub fn sinks(&self, skipped_rows_max: u64) -> Result<Vec<Box<dyn Sink>>, OutputError> {
        let create = |name, kind| JsonlSink::create(self.dir.join(name), kind);
        Ok(vec![
            Box::new(create(PAGES_FILE, RecordKind::Page)?),
            Box::new(create(ITEMS_FILE, RecordKind::Item)?),
            Box::new(create(SKIPPED_FILE, RecordKind::Skipped)?.rows_max(skipped_rows_max)),
        ])
    }

    /// Writes the report, whole or not at all, and makes it durable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_report(&self, report: &Report) -> Result<PathBuf, OutputError> {
        let path = self.dir.join(REPORT_FILE);
        let mut text = serde_json::to_vec_pretty(report)
            .map_err(|source| SinkError::Encode { path: path.clone(), source: source.into() })?;
        text.push(b'\n');
        write_whole(&path, &text)?;
        Ok(path)
    }
}

impl From<SinkError> for OutputError {
    fn from(error: SinkError) -> Self {
        Self::File(error)
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earlier { dir, file } => write!(
                f,
                "the output folder {} holds an earlier run ({}): choose another folder, or start over with --fresh",
                dir.display(),
                file.file_name().unwrap_or(file.as_os_str()).to_string_lossy()
            ),
            Self::Unusable { dir, .. } => write!(f, "cannot use the output folder {}", dir.display()),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Earlier { .. } => None,
            Self::Unusable { source, .. } => Some(source),
            Self::File(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use dragline_core::frontier::{Epoch, FrontierStats};
    use dragline_core::report::{Ended, Totals};

    use super::*;

    fn names_in(dir: &Path) -> Vec<String> {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_run_leaves_its_four_files_and_the_marker() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("deep/out");
        let folder = OutputFolder::open(&dir, Earlier::Refuse).unwrap();
        for mut sink in folder.sinks(10).unwrap() {
            sink.flush(Epoch(0)).unwrap();
        }
        let report = Report::new(&FrontierStats::default(), Totals::default(), Vec::new(), Ended::Finished);
        let path = folder.write_report(&report).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(value["ended"], "finished");
        assert_eq!(names_in(&dir), [MARKER_FILE, ITEMS_FILE, PAGES_FILE, REPORT_FILE, SKIPPED_FILE]);
    }

    #[test]
    fn an_earlier_run_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        for file in [MARKER_FILE, PAGES_FILE, REPORT_FILE] {
            std::fs::write(dir.path().join(file), "old").unwrap();
            let message = OutputFolder::open(dir.path(), Earlier::Refuse).unwrap_err().to_string();
            assert!(message.contains(&*dir.path().to_string_lossy()), "{message}");
            assert!(message.contains("--fresh"), "{message}");
            assert!(message.contains(file), "{message}");
            assert_eq!(names_in(dir.path()), [file], "a refusal changes nothing");
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
    }

    #[test]
    fn a_fresh_start_replaces_our_files_only() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["notes.txt", PAGES_FILE, REPORT_FILE, MARKER_FILE] {
            std::fs::write(dir.path().join(file), "old").unwrap();
        }
        let folder = OutputFolder::open(dir.path(), Earlier::Replace).unwrap();
        assert_eq!(names_in(dir.path()), [MARKER_FILE, "notes.txt"]);
        folder.sinks(1).unwrap();
        assert_eq!(std::fs::read(dir.path().join(PAGES_FILE)).unwrap(), b"");
        assert_eq!(std::fs::read(dir.path().join("notes.txt")).unwrap(), b"old");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let message = OutputFolder::open(&file.join("out"), Earlier::Refuse).unwrap_err().to_string();
        assert_eq!(message, format!("cannot use the output folder {}", file.join("out").display()));
    }
}
