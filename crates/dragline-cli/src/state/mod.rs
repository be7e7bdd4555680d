//! Takes up the crawl of a state folder, or begins one in it.
//!
//! ```text
//!   output folder is there --> lock --> state.toml: read, or written before all else
//!      --> the log is recovered --> the output folder holds this run --> sinks are begun or rewound (by the engine)
//! ```
//!
//! Killed between any two of these, the next start finds what it needs to go on.

mod begin;
mod description;
mod faults;
mod finished;
mod sinks;

pub(crate) use begin::{Begun, Ready, begin, refuse_earlier};
pub(crate) use description::Description;
pub(crate) use faults::{of_log, of_open, of_output, of_start};
pub(crate) use sinks::row_files;
