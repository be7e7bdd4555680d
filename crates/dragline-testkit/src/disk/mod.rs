//! Simulates a disk in memory, with everything that may happen to one.
//!
//! ```text
//!   append ---> bytes: what readers see ----- sync ------> agreed: what a power loss leaves
//!   open(New), rename, remove ---> names now --- sync_dir --> names that a power loss leaves
//!   crash(Kill | PowerLoss, seed) ---> the disk of the next life; handles of the old one are dead
//! ```
//!
//! What is not durable survives a power loss as the seed has it: for each file on its own old, new, any prefix, with a
//! hole, or with its old end; each name old or new. Faults are set by number: after so many more changes one fails,
//! tears, or is the last of its process.

mod content;
mod faults;
mod names;
mod operations;
mod sim_disk;
mod state;
#[cfg(test)]
mod tests;
mod trace;

pub use content::{Filling, Survival};
pub use faults::DiskFaults;
pub use sim_disk::{Crash, SimDisk, Survived};
pub use trace::{DiskCounts, DiskOp, OpKind};
