//! Holds how a sink of files is set up.

use std::path::{Component, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dragline_core::Wall;
use dragline_disk::Disk;

use super::compress::Compression;
use super::names::FileNames;
use super::position::OpenAt;
use super::shelf::Shelf;
use crate::records::RecordKind;
use crate::rows::Format;

/// How a sink of files is set up; does not change while it runs.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) shelf: Shelf,
    pub(super) names: FileNames,
    pub(super) kind: RecordKind,
    pub(super) format: Format,
    /// Rows in all files; records beyond are counted and not written.
    pub(super) rows_max: u64,
    /// A file of so many bytes is sealed; none: never for its size.
    pub(super) rotate_bytes: Option<u64>,
    /// A file of so many rows is sealed; none: never for its rows.
    pub(super) rotate_rows: Option<u64>,
    /// A file is sealed so long after its first row; none: never for its age.
    pub(super) rotate_after: Option<Duration>,
    pub(super) compression: Option<Compression>,
}

impl Shape {
    pub(super) const fn new(disk: Arc<dyn Disk>, path: PathBuf, kind: RecordKind, format: Format) -> Self {
        Self {
            shelf: Shelf::new(disk),
            names: FileNames::fixed(path),
            kind,
            format,
            rows_max: u64::MAX,
            rotate_bytes: None,
            rotate_rows: None,
            rotate_after: None,
            compression: None,
        }
    }

    /// Follows a change of rotation or compression, which both decide how files are called.
    pub(super) fn rename(&mut self) {
        let rotates =
            self.rotate_bytes.is_some() || self.rotate_rows.is_some() || self.rotate_after.is_some();
        let path = self.names.path().to_owned();
        let numbered = rotates || self.compression.is_some();
        self.names = if numbered { FileNames::numbered(path) } else { FileNames::fixed(path) };
    }

    /// Whether a file has reached a limit at `now`, if that is known.
    pub(super) fn is_full(&self, at: OpenAt, now: Option<Wall>) -> bool {
        let age = now.zip(at.since_micros).map(|(now, since)| now.since(Wall::from_micros(since)));
        self.rotate_bytes.is_some_and(|most| at.bytes >= most)
            || self.rotate_rows.is_some_and(|most| at.rows >= most)
            || self.rotate_after.zip(age).is_some_and(|(most, age)| age >= most)
    }

    /// Returns the path as marks write it: `./out` is `out`.
    pub(super) fn path_text(&self) -> String {
        let parts = self.names.path().components().filter(|part| *part != Component::CurDir);
        parts.collect::<PathBuf>().to_string_lossy().into_owned()
    }

    /// Returns the header as marks write it.
    pub(super) fn header_text(&self) -> String {
        String::from_utf8_lossy(&self.header()).trim_end().into()
    }

    /// Returns what stands before the rows of each file.
    pub(super) fn header(&self) -> Vec<u8> {
        self.format.header(self.kind)
    }
}
