//! Looks at the frontier of a state folder, whoever owns it, and changes nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;

use dragline_core::frontier::{Epoch, MemFrontier, RestoreError};
use dragline_disk::Disk;

use super::body::CommitBody;
use super::open::{OpenError, OpenOptions, restore};
use super::shelf::Chunks;
use crate::LogError;
use crate::history::{History, HistoryView};
use crate::log::Log;

/// How often a folder is looked at anew when its owner removed a snapshot, or a file of chunks, meanwhile.
const TRIES_MAX: usize = 4;

/// A frontier as it was at its last commit.
#[derive(Debug)]
pub struct Inspected {
    /// A copy of the state machine. What is done to it is kept nowhere.
    pub machine: MemFrontier,
    /// The last commit, with its epoch.
    pub epoch: Epoch,
    /// What stands in it.
    pub body: CommitBody,
    /// What became of every URL until then.
    pub history: HistoryView,
}

/// Looks at the frontier of a state folder; `None` when nothing was committed yet. Takes as long, and as much memory, as
/// opening it.
///
/// # Errors
/// As [`LogFrontier::open`](super::LogFrontier::open).
pub fn inspect(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    options: &OpenOptions,
) -> Result<Option<Inspected>, OpenError> {
    let mut tries = 1;
    loop {
        match look(disk, dir, options) {
            Err(error) if tries < TRIES_MAX && may_be_its_owner(&error) => tries += 1,
            looked => return looked,
        }
    }
}

/// Whether a folder that is changed while it is read can look like this: a snapshot goes, or a file of chunks.
fn may_be_its_owner(error: &OpenError) -> bool {
    match error {
        OpenError::Log(LogError::Io { source, .. }) => source.kind() == io::ErrorKind::NotFound,
        OpenError::Log(LogError::Missing { .. }) | OpenError::Restore(RestoreError::Shelf(_)) => true,
        _ => false,
    }
}

fn look(disk: &Arc<dyn Disk>, dir: &Path, options: &OpenOptions) -> Result<Option<Inspected>, OpenError> {
    let found = Log::inspect(Arc::clone(disk), dir, options.run)?;
    let Some(commit) = found.commit else { return Ok(None) };
    let body = CommitBody::decode(&commit.body).ok_or(OpenError::Commit(commit.epoch))?;
    let chunks = Chunks::new(found.reader, Arc::clone(&options.background));
    let (machine, _) = restore(&**disk, dir, options, &chunks, Some((&commit, &body)), found.replay)?;
    let history = History::inspect(Arc::clone(disk), dir, options.run, body.history);
    Ok(Some(Inspected { machine, epoch: commit.epoch, body, history }))
}
