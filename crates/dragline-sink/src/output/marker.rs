//! Says which run a folder holds and which files are that run's, from its first moment.

use std::path::{Component, Path, PathBuf};

use dragline_core::frontier::RunId;
use serde::{Deserialize, Serialize};

use crate::file::{FileNames, Owner};

/// The file of the marker.
pub(super) const MARKER_FILE: &str = ".dragline";
/// What stands in it for people; for us, JSON follows.
const FOR_PEOPLE: &str = "This folder holds the output of one Dragline run; `--fresh` starts over in it.\n";
/// The longest marker that is read.
pub(super) const MARKER_BYTES_MAX: usize = 1 << 20;

/// What a marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// The run, when the marker names one.
    pub(super) run: Option<RunId>,
    /// Its files, beside those that every run has.
    files: Vec<Listed>,
}

/// The marker as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    run: String,
    files: Vec<Listed>,
}

/// Files of one sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    /// Within the folder when it is relative.
    path: PathBuf,
    numbered: bool,
}

impl Marker {
    /// Marks a folder for a run with these files.
    pub(super) fn new<'a>(run: RunId, dir: &Path, names: impl Iterator<Item = &'a FileNames>) -> Self {
        let files = names.map(|names| Listed {
            path: names.path().strip_prefix(dir).unwrap_or(names.path()).to_owned(),
            numbered: names.is_numbered(),
        });
        Self { run: Some(run), files: files.collect() }
    }

    /// Adds the files of an earlier life.
    pub(super) fn add(&mut self, earlier: Self) {
        for file in earlier.files {
            if !self.files.contains(&file) {
                self.files.push(file);
            }
        }
    }

    /// Writes the marker. A path that is no text cannot be listed and is left out.
    pub(super) fn text(&self) -> String {
        let run = self.run.map(|run| run.to_string()).unwrap_or_default();
        let files = self.files.iter().filter(|file| file.path.to_str().is_some()).cloned().collect();
        let json = serde_json::to_string(&Written { run, files });
        debug_assert!(json.is_ok(), "texts can be written as JSON: {json:?}");
        format!("{FOR_PEOPLE}{}\n", json.unwrap_or_default())
    }

    /// Reads a marker. One that says nothing we understand lists nothing.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let json = bytes.strip_prefix(FOR_PEOPLE.as_bytes()).unwrap_or_default();
        let written = serde_json::from_slice::<Written>(json).ok();
        match written {
            Some(Written { run, files }) => {
                Self { run: u64::from_str_radix(&run, 16).ok().map(RunId), files }
            }
            None => Self { run: None, files: Vec::new() },
        }
    }

    /// Returns the names of files that may be removed for it: those within the folder, and others only when this run
    /// writes there too. A marker may come from anywhere; it must not point at files elsewhere.
    pub(super) fn names(&self, dir: &Path, current: &[&FileNames]) -> Vec<FileNames> {
        let is_within = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let is_current = |path: &Path| current.iter().any(|names| names.path() == path);
        let allowed = self.files.iter().filter(|file| is_within(&file.path) || is_current(&file.path));
        let names = allowed.filter(|file| file.path.file_name().is_some()).map(|file| {
            let path = if is_within(&file.path) { dir.join(&file.path) } else { file.path.clone() };
            if file.numbered { FileNames::numbered(path) } else { FileNames::fixed(path) }
        });
        names.collect()
    }

    /// Whether a file with such names is this run's.
    pub(super) fn owns(&self, names: &FileNames, path: &Path) -> bool {
        match names.owner(path) {
            Some(Owner::Sink) => true,
            Some(Owner::Run(run)) => self.run == Some(run),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: &str = "out";

    fn marker(paths: &[&str]) -> Marker {
        let names: Vec<_> = paths.iter().map(|path| FileNames::numbered(path.into())).collect();
        Marker::new(RunId(0xab), Path::new(DIR), names.iter())
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let marker = marker(&["out/items.jsonl", "/elsewhere/x.csv"]);
        let text = marker.text();
        assert_eq!(
            text.lines().nth(1),
            Some(
                r#"{"run":"00000000000000ab","files":[{"path":"items.jsonl","numbered":true},{"path":"/elsewhere/x.csv","numbered":true}]}"#
            )
        );
        assert_eq!(Marker::read(text.as_bytes()), marker);
        for other in ["", FOR_PEOPLE, "{\"run\":\"ab\",\"files\":[]}", "\u{0}"] {
            assert_eq!(Marker::read(other.as_bytes()), Marker { run: None, files: Vec::new() }, "{other:?}");
        }
    }

    #[test]
    fn only_files_of_the_folder_and_of_this_run_are_pointed_at() {
        let check = |listed: &str, current: &[&str], expected: &[&str]| {
            let current: Vec<_> = current.iter().map(|path| FileNames::fixed(path.into())).collect();
            let found = marker(&[listed]).names(Path::new(DIR), &current.iter().collect::<Vec<_>>());
            let found: Vec<_> = found.iter().map(|names| names.path().to_string_lossy()).collect();
            assert_eq!(found, expected, "{listed}");
        };
        check("out/a/b.csv", &[], &["out/a/b.csv"]);
        check("out/../precious", &[], &[]);
        check("../precious", &[], &[]);
        check("/precious", &[], &[]);
        check("/precious", &["/precious"], &["/precious"]);
        check("out", &[], &[]);
    }

    #[test]
    fn unfinished_files_of_other_runs_are_not_owned() {
        let (marker, names) = (marker(&[]), FileNames::numbered("out/a.csv".into()));
        assert!(marker.owns(&names, &names.open(1, RunId(0xab))));
        assert!(!marker.owns(&names, &names.open(1, RunId(0xac))));
        assert!(marker.owns(&names, &names.finished(1, None)));
    }
}
