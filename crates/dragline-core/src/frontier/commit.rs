//! Names what goes into and comes out of a commit.

use std::fmt;
use std::sync::Arc;

/// Numbers the commits of a run, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// What a sink has made durable: opaque to the frontier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The sink's name.
    pub sink: Arc<str>,
    /// The sink's own words for how far it got.
    pub position: Arc<str>,
}

/// Says that an epoch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitId(pub Epoch);

/// Names a run over all its lives; stands in the names of files that belong to it and are not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why an epoch could not be made durable. Both name what could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError {
    /// There was no space. Nothing of the epoch is on the disk, all of it is kept: commit it again, with the same
    /// marks, when there is space.
    NoSpace(Arc<str>),
    /// What is on the disk is unknown, or can no longer be written. End the process; the next start recovers.
    Failed(Arc<str>),
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace(what) | Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for CommitError {}
