//! Makes a frontier that survives its process: what changes is noted, and what was noted makes a frontier again.
//!
//! ```text
//!   every change --> journal --cut--> blocks of numbered records --(a commit)--> log
//!   long queues  --> chunks, blocks of their own  <--take-- shelf
//!   snapshot parts + records above their numbers --> Restorer --> MemFrontier
//! ```
//!
//! Nothing here touches a disk: bytes go out and come back in.

mod body;
mod counts;
mod finish;
mod history;
mod host;
mod journal;
mod note;
mod record;
mod renew;
mod restore;
mod shelf;
mod snapshot;
mod wire;

pub use body::Revisit;
pub use finish::Rebirth;
pub use history::Past;
pub use journal::{BlockKind, HistoryEntry, JournalBlock, JournalCut};
pub use restore::{RestoreError, Restorer};
pub use shelf::Shelf;
pub use snapshot::SnapshotPart;
pub use wire::Malformed;

pub(super) use host::ClockImage;
pub(super) use journal::Journal;
pub(super) use note::{HOST_SHARDS, host_shard};
