//! Keeps the state at given numbers, a shard at a time, so that a log need not be replayed from its beginning.
//!
//! A snapshot is written beside the log over many calls and counts only when a Commit names it. Its trailer says how much
//! there must be, so that a snapshot is read whole or refused.

mod names;
mod reader;
mod writer;

pub(crate) use names::{SNAPSHOT_PREFIX, remove_others};
pub use reader::{Shard, Snapshot};
pub use writer::SnapshotWriter;
