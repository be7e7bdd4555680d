//! Writes records into files that survive a crash at any moment, in any format, rotated and compressed.
//!
//! ```text
//!   one file:        pages.jsonl ------------------------------------------------------------> cut on rewind
//!   numbered files:  pages-000001.jsonl.<run>.open -- flush seals, Commit --> pages-000001.jsonl
//!                                                       (compressed: by way of pages-000001.jsonl.gz.<run>.tmp)
//! ```
//!
//! `shape` is how a sink is set up, `names` what its files are called, `life` what happens between a begin or rewind and
//! the end of the process, `open_file` one file under way, `publish` how sealed files become finished ones, `recover`
//! where lives begin, `position` what a mark says.

mod compress;
mod life;
mod names;
mod open_file;
mod position;
mod publish;
mod recover;
mod shape;
mod shelf;
mod sink;

pub use compress::Compression;
pub use names::FileNames;
pub(crate) use names::Owner;
pub use sink::FileSink;
