//! Tests sinks as the engine calls them, on a disk that does whatever disks do.

mod crashes;
mod disk;
mod faults;
mod files;
mod kit;
mod refusals;
