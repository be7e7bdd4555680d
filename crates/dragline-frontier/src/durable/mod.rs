//! Ties the core's state machine to its state folder.
//!
//! ```text
//!   calls --> LogFrontier --> MemFrontier --> journal --begin_commit--> epoch
//!                  |                                                      |
//!                  | takes chunks                          commit(marks)  v        (on the I/O thread)
//!                Shelf <----------- places of chunks ------------- Storage: history, snapshot, log
//! ```
//!
//! Everything but a commit is answered at once; a commit is a job for the I/O thread.

mod background;
mod body;
mod compaction;
mod frontier;
mod inspect;
#[cfg(feature = "mutants")]
mod mutant;
mod open;
mod recrawl;
mod shelf;
mod snapshots;
mod storage;
mod writing;

pub use background::{Background, Inline};
pub use body::CommitBody;
pub use frontier::LogFrontier;
pub use inspect::{Inspected, inspect};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use open::{OpenError, OpenOptions, Opened};
