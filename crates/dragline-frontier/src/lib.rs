//! The frontier made durable: the core's state machine with a segmented log under it.
//!
//! Every change of the machine is a numbered record. A commit makes the records of one epoch durable together with the
//! marks of all sinks; after a crash the log is replayed to its last good commit, and nothing of it is lost or done twice.

mod clear;
mod durable;
mod error;
mod file;
pub mod history;
mod lock;
pub mod log;
mod meta;
pub mod snapshot;

pub use clear::clear;
pub use durable::{
    Background, CommitBody, Inline, Inspected, LogFrontier, OpenError, OpenOptions, Opened, inspect,
};
pub use error::LogError;
pub use lock::{LockError, Owner, StateLock};
pub use meta::Meta;
