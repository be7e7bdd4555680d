//! Tries a frontier with random operations under virtual time, beside a model so plain that it can be seen to be right.
//!
//! One suite for every frontier. What it holds them to: a URL is never leased twice unless it was put off or the process
//! died; a host's fetches never exceed its slots, and none comes before the host's time; offers are new, duplicates,
//! skipped or refused, in order; URLs of one origin are served in the order in which they came; a stale token changes
//! nothing; a death loses nothing of what was committed, and what was leased waits again.

mod driver;
mod model;
mod subject;
mod trial;

pub use subject::{Recovered, Subject};
pub use trial::{Trial, Verdict};

use dragline_core::url::Fingerprinter;

/// The fingerprints of the suite: a frontier under trial is made with it.
pub const KEY: Fingerprinter = Fingerprinter::new(KEY_SEED);

/// The seed of [`KEY`].
pub const KEY_SEED: u64 = 7;
