//! Keeps the output folder: one run in it, its sinks and its report, never a file of anybody else touched.

mod folder;
mod marker;
mod own;

pub use folder::{Earlier, OutputError, OutputFolder};
pub use own::{ITEMS_FILE, OwnSinks, PAGES_FILE, REPORT_FILE, SKIPPED_FILE};
