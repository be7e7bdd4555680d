//! The frontier made durable: the core's state machine with a segmented log under it.
//!
//! Every change of the machine is a numbered record. A commit makes the records of one epoch durable together with the
//! marks of all sinks; after a crash the log is replayed to its last good commit, and nothing of it is lost or done twice.
//!
//! ```text
//!  the state folder
//!   lock                  which process owns it               StateLock
//!   state.toml            what run it is, written first       Meta
//!   log-0000000001        numbered records and Commits        log
//!   shelf-0000000001      chunks that outlived their segments       shelf
//!   snapshot-0000000001   the state at given numbers          snapshot
//!   history-0000000001    what became of each URL, .index     history
//! ```
//!
//! What stands in records, snapshots and entries is opaque to these; all but the lock go through a
//! [`Disk`](dragline_disk::Disk).

mod clear;
mod durable;
mod error;
mod file;
pub mod history;
mod lock;
pub mod log;
mod meta;
mod shelf;
pub mod snapshot;

pub use clear::clear;
#[cfg(feature = "mutants")]
pub use durable::Mutant;
pub use durable::{
    Background, CommitBody, Inline, Inspected, LogFrontier, OpenError, OpenOptions, Opened, inspect,
};
pub use error::LogError;
pub use lock::{LockError, Owner, StateLock};
pub use meta::Meta;
