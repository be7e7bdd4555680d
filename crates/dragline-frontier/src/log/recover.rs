//! Brings a log back to its last good Commit, or looks at it there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::append::{Log, LogOptions};
use super::commit::Commit;
use super::place::segment_path;
use super::reader::LogReader;
use super::replay::Replay;
use super::survey::{Survey, survey};
use crate::error::LogError;
use crate::file::Tail;
use crate::snapshot;

/// How often a log is looked at anew when its owner changed it meanwhile.
const INSPECT_TRIES: usize = 4;

/// A recovered log.
#[derive(Debug)]
pub struct Opened {
    /// What goes on from here.
    pub log: Log,
    /// The last good Commit; `None` at a first start.
    pub commit: Option<Commit>,
    /// The blocks above the lowest number of its snapshot, up to the Commit.
    pub replay: Replay,
    /// Bytes that stood behind the Commit and were thrown away: an epoch that a crash left torn.
    pub cut_bytes: u64,
}

/// A log that was only looked at.
#[derive(Debug)]
pub struct Inspected {
    /// The last good Commit; `None` when there is none yet.
    pub commit: Option<Commit>,
    /// The blocks above the lowest number of its snapshot, up to the Commit.
    pub replay: Replay,
    /// Reads single blocks.
    pub reader: LogReader,
}

pub(super) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    run: RunId,
    options: LogOptions,
) -> Result<Opened, LogError> {
    let survey = survey(&*disk, dir, run)?;
    for segment in survey.behind.iter().map(|segment| segment_path(dir, *segment)) {
        disk.remove(&segment).map_err(|source| LogError::from_io(&segment, "remove", source))?;
    }
    let tail = match &survey.good {
        Some(good) => Some(Tail::open(&*disk, segment_path(dir, good.segment), good.end)?),
        None => None,
    };
    // Also when nothing was removed: the process that wrote the log may have died before it synced the folder, and
    // nobody may act on a Commit that a power loss could still take away.
    disk.sync_dir(dir).map_err(|source| LogError::sync(dir, source))?;
    let named = survey.commit().and_then(|commit| commit.snapshot);
    snapshot::remove_others(&*disk, dir, &[named.map(|snapshot| snapshot.id)])?;
    let replay = Replay::of(Arc::clone(&disk), dir.to_owned(), run, &survey);
    let Survey { segments, good, behind_bytes, .. } = survey;
    let commit = good.map(|good| good.commit);
    let last = commit.clone().map(|commit| Commit { body: Vec::new(), ..commit });
    let current = last.zip(tail).map(|(last, tail)| (last, segments, tail));
    let log = Log::recovered(disk, dir, run, options, current);
    Ok(Opened { log, commit, replay, cut_bytes: behind_bytes })
}

pub(super) fn inspect(disk: Arc<dyn Disk>, dir: &Path, run: RunId) -> Result<Inspected, LogError> {
    let mut tries = 1;
    let survey = loop {
        match survey(&*disk, dir, run) {
            Err(error) if tries < INSPECT_TRIES && may_be_its_owner(&error) => tries += 1,
            survey => break survey?,
        }
    };
    let replay = Replay::of(Arc::clone(&disk), dir.to_owned(), run, &survey);
    let reader = LogReader::new(disk, dir.to_owned(), run);
    Ok(Inspected { commit: survey.good.map(|good| good.commit), replay, reader })
}

/// Whether a log that is changed while it is read can look like this: a segment goes, or is cut and written anew.
fn may_be_its_owner(error: &LogError) -> bool {
    match error {
        LogError::Damaged { .. } => true,
        LogError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}
