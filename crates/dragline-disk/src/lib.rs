//! The disk as a value, so that what survives a crash can be tried out without crashing a machine.
//!
//! ```text
//!   append ---> in the file, for every reader ---> sync ---> survives a power loss
//!   open(New), rename, remove ---> the name, for everybody ---> sync_dir ---> survives a power loss
//! ```
//!
//! Frontier and sinks keep everything durable behind [`Disk`]. [`FileDisk`] is the system's; the testkit has one that
//! tears writes, loses what was not synced, fills up and fails.

mod disk;
mod file_disk;
mod whole;

pub use disk::{Disk, DiskFile, Open, Space};
pub use file_disk::FileDisk;
pub use whole::write_whole;
