//! Turns records into rows: which columns each kind has is said once, and every format writes those.
//!
//! A new field of a record is one line in [`columns`]; JSON nests the groups that CSV lays flat.

mod columns;
mod csv;
mod format;
mod json;

pub use format::Format;
pub(crate) use json::write_record;
