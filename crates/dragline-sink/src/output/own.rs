//! Names the files that every run has, and sets their sinks up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dragline_disk::Disk;

use crate::file::{Compression, FileSink};
use crate::records::RecordKind;

/// The file of URLs settled by a fetch.
pub const PAGES_FILE: &str = "pages.jsonl";
/// The file of items.
pub const ITEMS_FILE: &str = "items.jsonl";
/// The file of skipped URLs.
pub const SKIPPED_FILE: &str = "skipped.jsonl";
/// The file of the report.
pub const REPORT_FILE: &str = "report.json";

/// The files of rows that every run has, with what they hold.
pub(super) const ROW_FILES: [(&str, RecordKind); 3] =
    [(PAGES_FILE, RecordKind::Page), (ITEMS_FILE, RecordKind::Item), (SKIPPED_FILE, RecordKind::Skipped)];

/// How the sinks that every run has are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnSinks {
    /// Rows of skipped URLs; those beyond are counted and not written.
    pub skipped_rows_max: u64,
    /// Bytes at which a file is sealed; 0: never for its size.
    pub rotate_bytes: u64,
    /// Rows at which a file is sealed; 0: never for its rows.
    pub rotate_rows: u64,
    /// How long after its first row a file is sealed; zero: never for its age.
    pub rotate_after: Duration,
    /// How finished files are compressed.
    pub compression: Option<Compression>,
}

impl Default for OwnSinks {
    fn default() -> Self {
        Self {
            skipped_rows_max: u64::MAX,
            rotate_bytes: 0,
            rotate_rows: 0,
            rotate_after: Duration::ZERO,
            compression: None,
        }
    }
}

impl OwnSinks {
    /// Sets up the sinks of pages, items and skipped URLs in a folder, without touching it.
    pub fn set_up(&self, disk: &Arc<dyn Disk>, dir: &Path) -> Vec<FileSink> {
        let set_up = |(name, kind): (&str, RecordKind)| {
            let rows_max = if kind == RecordKind::Skipped { self.skipped_rows_max } else { u64::MAX };
            FileSink::jsonl(Arc::clone(disk), dir.join(name), kind)
                .rows_max(rows_max)
                .rotate_bytes(self.rotate_bytes)
                .rotate_rows(self.rotate_rows)
                .rotate_after(self.rotate_after)
                .compress(self.compression)
        };
        ROW_FILES.into_iter().map(set_up).collect()
    }
}
