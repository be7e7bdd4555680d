//! Keeps chunks of waiting URLs that outlived what stood beside them in their files.
//!
//! ```text
//!  log-0000000001: old but for one chunk          shelf-0000000001
//! +--------+---------+-------+---------+----+    +--------+-------+-------+
//! | header | records | chunk | records | .. |    | header | chunk | chunk |
//! +--------+---------+---+---+---------+----+    +--------+-------+---^---+
//!                        |  copied before a snapshot is named         |
//!                        +--------------------------------------------+
//! ```
//!
//! A shelf file is written whole and never changed. It counts only when a snapshot that names chunks in it is named by a
//! Commit; then the files that its chunks came from may go.

mod choose;
mod names;
mod shelves;
mod writer;

pub(crate) use choose::{ChunkFile, choose, files_of};
pub(crate) use names::{SHELF_PREFIX, shelf_path};
pub(crate) use shelves::{Shelves, check_files};
pub(crate) use writer::ShelfWriter;
