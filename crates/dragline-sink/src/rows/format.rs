//! Says in which format a file holds its rows.

use std::io;

use super::{csv, json};
use crate::records::{Record, RecordKind};

/// In which format a file holds its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON value a line.
    #[default]
    Jsonl,
    /// CSV after RFC 4180, with the names of the columns as the first record of each file.
    ///
    /// The columns are the fields of the JSON rows laid flat (`phases.dns_ms` is `dns_ms`, `error.message` is
    /// `error_message`), lists joined by spaces; what is null is empty. Cells are data, written as servers sent them: a
    /// program that takes a text for a formula because it begins with `=` must be told to read texts.
    Csv {
        /// For items: the keys of an item that is an object, each a column in place of the column `item`. Strings
        /// stand as they are, other values as JSON text; what is missing is empty.
        columns: Vec<Box<str>>,
    },
}

impl Format {
    /// Appends the record to `out` as one row with its line end; on an error `out` is as it was.
    ///
    /// # Errors
    /// When a value of it cannot be written in this format.
    pub fn write_row(&self, record: &Record, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Jsonl => json::write_record(record, out),
            Self::Csv { columns } => csv::write_record(record, columns, out),
        }
    }

    /// Returns what stands in a file before its rows of this kind; empty for a format without a header.
    pub fn header(&self, kind: RecordKind) -> Vec<u8> {
        match self {
            Self::Jsonl => Vec::new(),
            Self::Csv { columns } => csv::header(kind, columns),
        }
    }
}
