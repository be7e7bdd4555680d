//! Takes records to where they are kept: the sink trait, and the files of the output folder.
//!
//! The engine sends records in the order in which URLs were settled, runs each sink on an I/O thread, and asks for
//! a [`Mark`](dragline_core::frontier::Mark) at every commit. After a crash it calls [`Sink::rewind`] with the last
//! mark that became durable, so that no record is lost, torn or doubled.

mod error;
mod file;
mod output;
mod records;
mod rows;
mod sink;

pub use error::SinkError;
pub use file::{Compression, FileNames, FileSink};
pub use output::{
    Earlier, ITEMS_FILE, OutputError, OutputFolder, OwnSinks, PAGES_FILE, REPORT_FILE, SKIPPED_FILE,
};
pub use records::{ItemRecord, PageRecord, Record, RecordError, RecordKind, SkippedRecord};
pub use rows::Format;
pub use sink::Sink;
