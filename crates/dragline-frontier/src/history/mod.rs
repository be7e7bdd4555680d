//! Keeps what became of every URL, in the order in which it became so, and finds it again by fingerprint.
//!
//! ```text
//!  history-0000000001        history-0000000001.index     history-0000000002
//! +--------+-------+----+    +--------+------+------+    +--------+-------+- - -
//! | header | block | .. |    | header | page | page |    | header | block | up to the mark
//! |        | 1..90 |    |    |        | fingerprints|    |        |       |
//! +--------+-------+----+    +--------+------+------+    +--------+-------+- - -
//!    sealed                     sorted; derived             open: its index is in memory
//! ```
//!
//! A block has the fingerprints of its entries first and then what they hold, compressed as one: neighbours have most of
//! their text in common.
//!
//! It is committed like a sink: [`History::flush`] makes durable what was appended and returns a [`HistoryMark`], and
//! [`History::open`] rewinds to the mark of the last commit. Nothing of it is ever retired.

mod block;
mod entry;
mod index;
mod mark;
mod pack;
mod rewind;
mod scan;
mod segment;
mod view;
mod writer;

pub use entry::HistoryEntry;
pub(crate) use index::{INDEX_PART_SUFFIX, INDEX_SUFFIX};
pub use mark::{BadMark, HistoryMark};
pub use scan::HistoryScan;
pub(crate) use segment::HISTORY_PREFIX;
pub use view::HistoryView;
pub use writer::{History, HistoryOptions};
