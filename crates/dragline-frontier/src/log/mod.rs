//! Keeps numbered records durable, an epoch at a time, and finds the last whole epoch after a crash.
//!
//! ```text
//!  log-0000000001                                   log-0000000002
//! +--------+-------+-------+--+--------+-------+   +--------+-------+--+--------+
//! | header | block | block |  | Commit | block |   | header | block |  | Commit | torn...
//! |        | 1..40 | 41..6 |  |   0    | 61..7 |   | from 90| 90..9 |  |   5    |
//! +--------+-------+-------+--+--------+-------+   +--------+-------+--+--------+
//!                           ^ zeros up to 64 bytes    an epoch stands in one segment
//! ```
//!
//! [`Log::append`] writes the blocks of an epoch with its Commit and syncs. [`Log::open`] recovers: it finds the last
//! Commit before which every record stands, cuts the log there, makes that durable, and replays. It refuses, and changes
//! nothing, when something is broken that was once durable.

mod append;
mod commit;
mod judge;
mod place;
mod reader;
mod recover;
mod replay;
mod retire;
mod scan;
mod survey;

pub use append::{Log, LogOptions};
pub use commit::{Commit, SnapshotRef};
pub(crate) use place::SEGMENT_PREFIX;
pub use place::{Block, BlockFile, Place};
pub use reader::LogReader;
pub use recover::{Inspected, Opened};
pub use replay::Replay;
pub use survey::Segment;
