//! Guards the output folder: whose it is, what is refused in it, and what `--fresh` removes from it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_core::report::Report;
use dragline_disk::{Disk, Open, write_whole};

use super::marker::{MARKER_BYTES_MAX, MARKER_FILE, Marker};
use super::own::{REPORT_FILE, ROW_FILES};
use crate::error::SinkError;
use crate::file::FileNames;

/// What is ours in every folder beside the files of rows, the marker last so that a removal cut short is still seen.
const OTHER_FILES: [&str; 4] = [REPORT_FILE, "report.json.tmp", ".dragline.tmp", MARKER_FILE];

/// What to do about an earlier run in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It is refused.
    Refuse,
    /// Its files are removed, as far as the marker lists them or every run has them; files of anybody else stay.
    Replace,
    /// Its files stay: this is that run, and the sinks are rewound. Another run is refused, unless it left nothing but
    /// empty files: a first start that was cut short.
    Resume,
}

/// A folder that holds the output of this run and of no other.
#[derive(Debug)]
pub struct OutputFolder {
    disk: Arc<dyn Disk>,
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
    /// It does not hold the run that is resumed. Name the folder that the run wrote into, or start over with `--fresh`.
    OtherRun {
        /// The folder.
        dir: PathBuf,
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
    /// Creates the folder if it is missing, settles what happens to an earlier run in it, and marks it as holding this
    /// run with the files of these sinks. The marker is durable when this returns; the sinks are begun or rewound next.
    ///
    /// # Errors
    /// When it cannot be created or written, or holds a run that is neither to be replaced nor to be resumed.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        run: RunId,
        earlier: Earlier,
        sinks: &[&FileNames],
    ) -> Result<Self, OutputError> {
        let opening = Opening { disk: &*disk, dir, sinks };
        let unusable = |source| OutputError::Unusable { dir: dir.to_owned(), source };
        disk.create_dir(dir).map_err(unusable)?;
        let old = opening.marker().map_err(unusable)?;
        let mut marker = Marker::new(run, dir, sinks.iter().copied());
        match earlier {
            Earlier::Refuse => {
                opening.refuse_earlier(&old)?;
            }
            Earlier::Replace => opening.remove_own(&old).map_err(unusable)?,
            Earlier::Resume => {
                let holds_rows = |path: &Path| opening.holds_rows(path);
                if old.run != Some(run) && opening.find_own(&old, holds_rows).map_err(unusable)?.is_some() {
                    return Err(OutputError::OtherRun { dir: dir.to_owned() });
                }
                marker.add(old);
            }
        }
        write_whole(&*disk, &dir.join(MARKER_FILE), marker.text().as_bytes()).map_err(unusable)?;
        Ok(Self { disk, dir: dir.to_owned() })
    }

    /// Makes sure that [`Earlier::Refuse`] would refuse nothing, and touches nothing: for who has something else to write
    /// first.
    ///
    /// # Errors
    /// When the folder holds an earlier run, or cannot be read. One that is missing is fine.
    pub fn vacant(disk: &dyn Disk, dir: &Path, sinks: &[&FileNames]) -> Result<(), OutputError> {
        let opening = Opening { disk, dir, sinks };
        let unusable = |source| OutputError::Unusable { dir: dir.to_owned(), source };
        match disk.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unusable(error)),
            Ok(_) => opening.refuse_earlier(&opening.marker().map_err(unusable)?),
        }
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.dir
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
        let written = write_whole(&*self.disk, &path, &text);
        written.map_err(|source| SinkError::from_io(&path, "write", source))?;
        Ok(path)
    }
}

/// A folder that is being opened.
struct Opening<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    sinks: &'a [&'a FileNames],
}

impl Opening<'_> {
    /// Reads what the folder says of an earlier run.
    fn marker(&self) -> io::Result<Marker> {
        let mut bytes = vec![0; MARKER_BYTES_MAX];
        let read = match self.disk.open(&self.dir.join(MARKER_FILE), Open::Read) {
            Ok(file) => file.read_at(0, &mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Marker::read(bytes.get(..read).unwrap_or_default()))
    }

    /// Returns every file of an earlier run that is there: those of its marker, those of rows that every run has, then
    /// the others.
    fn own(&self, marker: &Marker) -> io::Result<Vec<PathBuf>> {
        let rows = ROW_FILES.map(|(name, _)| FileNames::fixed(self.dir.join(name)));
        let mut names = marker.names(self.dir, self.sinks);
        names.extend(rows);
        let mut found = Vec::new();
        for names in &names {
            let files = match self.disk.list(names.dir()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                files => files?,
            };
            found.extend(files.into_iter().filter(|path| marker.owns(names, path)));
        }
        let here = self.disk.list(self.dir)?;
        let others = OTHER_FILES.map(|name| self.dir.join(name));
        found.extend(others.into_iter().filter(|path| here.contains(path)));
        Ok(found)
    }

    /// Returns the first file of an earlier run that `counts`, or one where this run's own sinks write.
    fn find_own(
        &self,
        marker: &Marker,
        counts: impl Fn(&Path) -> io::Result<bool>,
    ) -> io::Result<Option<PathBuf>> {
        let here = self.disk.list(self.dir)?;
        let is_mine = |path: &PathBuf| {
            self.sinks.iter().any(|names| names.dir() == self.dir && marker.owns(names, path))
        };
        for path in self.own(marker)?.into_iter().chain(here.into_iter().filter(is_mine)) {
            if counts(&path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Whether a file is more than a first start leaves that was cut short.
    fn holds_rows(&self, path: &Path) -> io::Result<bool> {
        let is_marker = [MARKER_FILE, ".dragline.tmp"].iter().any(|name| path == self.dir.join(name));
        Ok(!is_marker && !self.disk.open(path, Open::Read)?.is_empty()?)
    }

    fn refuse_earlier(&self, old: &Marker) -> Result<(), OutputError> {
        let dir = self.dir.to_owned();
        match self.find_own(old, |_| Ok(true)) {
            Ok(None) => Ok(()),
            Ok(Some(file)) => Err(OutputError::Earlier { dir, file }),
            Err(source) => Err(OutputError::Unusable { dir, source }),
        }
    }

    fn remove_own(&self, marker: &Marker) -> io::Result<()> {
        for path in self.own(marker)? {
            match self.disk.remove(&path) {
                // Two sinks of an earlier run may have listed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
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
            Self::OtherRun { dir } => write!(
                f,
                "the output folder {} does not hold the run that is resumed: name the folder that the run wrote \
                 into, or start over with --fresh",
                dir.display()
            ),
            Self::Unusable { dir, .. } => write!(f, "cannot use the output folder {}", dir.display()),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Earlier { .. } | Self::OtherRun { .. } => None,
            Self::Unusable { source, .. } => Some(source),
            Self::File(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use dragline_core::frontier::{Epoch, FrontierStats};
    use dragline_core::report::{Ended, Totals};
    use dragline_disk::FileDisk;

    use super::*;
    use crate::file::FileSink;
    use crate::output::{ITEMS_FILE, OwnSinks, PAGES_FILE, SKIPPED_FILE};
    use crate::records::RecordKind;
    use crate::sink::Sink;

    const RUN: RunId = RunId(0xab);

    fn disk() -> Arc<dyn Disk> {
        Arc::new(FileDisk)
    }

    fn open(dir: &Path, earlier: Earlier, sinks: &[FileSink]) -> Result<OutputFolder, OutputError> {
        let names: Vec<_> = sinks.iter().map(FileSink::names).collect();
        OutputFolder::open(disk(), dir, RUN, earlier, &names)
    }

    /// Opens a folder and begins the sinks that every run has.
    fn begin(dir: &Path, earlier: Earlier) -> OutputFolder {
        let mut sinks = OwnSinks::default().set_up(&disk(), dir);
        let folder = open(dir, earlier, &sinks).expect("the folder can be used");
        for sink in &mut sinks {
            sink.begin(RUN).expect("nothing is in the way");
            sink.flush(Epoch(1)).expect("there is space");
        }
        folder
    }

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
        let folder = begin(&dir, Earlier::Refuse);
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
            let message = open(dir.path(), Earlier::Refuse, &[]).unwrap_err().to_string();
            assert!(message.contains(&*dir.path().to_string_lossy()), "{message}");
            assert!(message.contains("--fresh"), "{message}");
            assert!(message.contains(file), "{message}");
            assert_eq!(names_in(dir.path()), [file], "a refusal changes nothing");
            let vacant = OutputFolder::vacant(&FileDisk, dir.path(), &[]);
            assert_eq!(vacant.unwrap_err().to_string(), message);
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
        OutputFolder::vacant(&FileDisk, dir.path(), &[]).unwrap();
        OutputFolder::vacant(&FileDisk, &dir.path().join("missing"), &[]).unwrap();
        assert_eq!(names_in(dir.path()), [] as [&str; 0], "looking changes nothing");
    }

    #[test]
    fn a_fresh_start_replaces_our_files_only() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["notes.txt", PAGES_FILE, REPORT_FILE, MARKER_FILE] {
            std::fs::write(dir.path().join(file), "old").unwrap();
        }
        open(dir.path(), Earlier::Replace, &[]).unwrap();
        assert_eq!(names_in(dir.path()), [MARKER_FILE, "notes.txt"]);
        begin(dir.path(), Earlier::Replace);
        assert_eq!(std::fs::read(dir.path().join(PAGES_FILE)).unwrap(), b"");
        assert_eq!(std::fs::read(dir.path().join("notes.txt")).unwrap(), b"old");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let message = open(&file.join("out"), Earlier::Refuse, &[]).unwrap_err().to_string();
        assert_eq!(message, format!("cannot use the output folder {}", file.join("out").display()));
    }

    #[test]
    fn a_fresh_start_removes_what_the_marker_lists_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = || FileSink::csv(disk(), dir.path().join("sub/copy.csv"), RecordKind::Page).rotate_rows(1);
        let outside =
            || FileSink::jsonl(disk(), elsewhere.path().join("all.jsonl"), RecordKind::Item).rotate_rows(1);
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let of_the_run = [
            dir.path().join("sub/copy-000001.csv"),
            dir.path().join("sub/copy-000002.csv.00000000000000ab.open"),
            elsewhere.path().join("all-000001.jsonl"),
        ];
        let of_others =
            [dir.path().join("sub/copy.csv"), dir.path().join("sub/copy-000003.csv.00000000000000ac.open")];
        open(dir.path(), Earlier::Refuse, &[copy(), outside()]).unwrap();
        for path in of_the_run.iter().chain(&of_others) {
            std::fs::write(path, "rows").unwrap();
        }
        let there = |paths: &[PathBuf]| paths.iter().map(|path| path.exists()).collect::<Vec<_>>();
        open(dir.path(), Earlier::Replace, &[]).unwrap();
        assert_eq!(there(&of_the_run), [false, false, true], "a marker alone points at nothing elsewhere");
        open(dir.path(), Earlier::Replace, &[copy(), outside()]).unwrap();
        assert_eq!(there(&of_the_run), [false, false, true], "the last marker did not list it");
        open(dir.path(), Earlier::Replace, &[copy(), outside()]).unwrap();
        assert_eq!(there(&of_the_run), [false, false, false]);
        assert_eq!(there(&of_others), [true, true]);
    }

    #[test]
    fn numbered_files_of_an_earlier_run_are_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pages-000003.jsonl.gz"), "old").unwrap();
        let own = OwnSinks { rotate_rows: 9, ..OwnSinks::default() }.set_up(&disk(), dir.path());
        let message = open(dir.path(), Earlier::Refuse, &own).unwrap_err().to_string();
        assert!(message.contains("(pages-000003.jsonl.gz)"), "{message}");
    }

    #[test]
    fn only_the_run_itself_is_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let resume = |run| OutputFolder::open(disk(), dir.path(), run, Earlier::Resume, &[]);
        begin(dir.path(), Earlier::Refuse);
        resume(RunId(1)).expect("a first start that was cut short leaves empty files");
        std::fs::write(dir.path().join(ITEMS_FILE), "rows").unwrap();
        resume(RunId(1)).expect("it is the run of the marker now");
        let message = resume(RunId(2)).unwrap_err().to_string();
        assert!(message.ends_with("name the folder that the run wrote into, or start over with --fresh"));
        assert_eq!(std::fs::read(dir.path().join(ITEMS_FILE)).unwrap(), b"rows");
        let marker = std::fs::read(dir.path().join(MARKER_FILE)).unwrap();
        assert_eq!(Marker::read(&marker).run, Some(RunId(1)));
        assert_eq!(Marker::read(&marker).names(dir.path(), &[]).len(), 3, "files of all lives are listed");
    }
}
