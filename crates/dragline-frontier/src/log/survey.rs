//! Reads what is needed of a log to judge it, changing nothing.

use std::path::Path;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::commit::Commit;
use super::judge::{Fault, Good, Judge, Verdict};
use super::place::{SEGMENT_PREFIX, segment_path};
use super::scan::{Item, Scan};
use crate::error::LogError;
use crate::file::{Header, numbered};

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Survey {
    /// The segments up to that of the last good Commit, by number; all that there are when there is no such Commit.
    pub(super) segments: Vec<Segment>,
    /// The numbers of the segments behind.
    pub(super) behind: Vec<u32>,
    /// The last good Commit; `None` when nothing was ever acknowledged.
    pub(super) good: Option<Good>,
    /// Bytes behind the last good Commit, in all segments.
    pub(super) behind_bytes: u64,
}

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number, as in its name.
    pub index: u32,
    /// The number of the first record that it may hold.
    pub first: u64,
    /// Its length.
    pub bytes: u64,
}

/// A segment whose header was read.
#[derive(Debug)]
struct Found {
    index: u32,
    header: Result<Header, &'static str>,
    bytes: u64,
}

/// Surveys a log.
///
/// Three passes, so that segments which only hold what a snapshot holds are never read beyond their header: the headers;
/// the last two Commits, from the end, of which one must be good unless the log is damaged, so that their snapshots say
/// where the records begin that are needed; and everything from there on.
///
/// # Errors
/// When the log is damaged, belongs to another run, was written by a newer version, or cannot be read.
pub(super) fn survey(disk: &dyn Disk, dir: &Path, run: RunId) -> Result<Survey, LogError> {
    let found = headers(disk, dir, run)?;
    let needed = needed_from(disk, dir, run, &found)?;
    let mut judge = Judge::default();
    for Found { index, header, .. } in found.iter().skip(needed) {
        match header {
            Ok(header) => judge.segment(*index, header.first, header.epoch),
            Err(what) => judge.bad_segment(*index, what),
        }
        let mut scan = Scan::open(disk, dir, run, *index)?;
        while let Some(item) = scan.next()? {
            match item {
                Item::Block { place, header, .. } => {
                    judge.block(place.offset, header.first, header.count, header.crc);
                }
                Item::Commit(commit) => judge.commit(commit),
                Item::Bad { offset, what } => judge.bad(offset, what),
            }
        }
    }
    match judge.verdict() {
        Verdict::Good(good) => until(dir, &found, good),
        Verdict::Nothing => nothing(dir, &found),
        Verdict::Damaged(fault) => Err(damaged(dir, fault)),
    }
}

fn headers(disk: &dyn Disk, dir: &Path, run: RunId) -> Result<Vec<Found>, LogError> {
    let mut found = Vec::new();
    for (number, path) in numbered(disk, dir, SEGMENT_PREFIX)? {
        let Ok(index) = u32::try_from(number) else {
            return Err(LogError::damaged(&path, 0, "a number that no segment has"));
        };
        let mut scan = Scan::open(disk, dir, run, index)?;
        found.push(Found { index, header: scan.header()?, bytes: scan.len() });
    }
    Ok(found)
}

/// Returns which segment, counted from the first, holds the first record that is needed; at the latest that of the
/// Commit that needs it, for a snapshot may hold every record there is.
fn needed_from(disk: &dyn Disk, dir: &Path, run: RunId, found: &[Found]) -> Result<usize, LogError> {
    const ONE_OF_THEM_IS_GOOD: usize = 2;
    let mut lowest: Option<u64> = None;
    let mut commits = 0;
    let mut holds_commit = 0;
    for (at, Found { index, .. }) in found.iter().enumerate().rev() {
        let missing = ONE_OF_THEM_IS_GOOD - commits;
        let last = Scan::open(disk, dir, run, *index)?.last_commits(missing)?;
        commits += last.len();
        holds_commit = at;
        lowest = last.iter().map(|found| found.commit.lowest()).chain(lowest).min();
        if commits >= ONE_OF_THEM_IS_GOOD {
            break;
        }
    }
    let Some(lowest) = lowest.filter(|lowest| *lowest > 0) else { return Ok(0) };
    let holds = |found: &Found| found.header.is_ok_and(|header| header.first <= lowest.saturating_add(1));
    Ok(found.iter().rposition(holds).unwrap_or(0).min(holds_commit))
}

/// Splits the segments behind the last good Commit off.
fn until(dir: &Path, found: &[Found], good: Good) -> Result<Survey, LogError> {
    let mut segments = Vec::new();
    let mut behind = Vec::new();
    let mut behind_bytes = 0;
    for Found { index, header, bytes } in found {
        match header {
            _ if *index > good.segment => {
                behind.push(*index);
                behind_bytes += bytes;
            }
            Ok(header) => segments.push(Segment { index: *index, first: header.first, bytes: *bytes }),
            Err(what) => return Err(LogError::damaged(&segment_path(dir, *index), 0, *what)),
        }
    }
    if let Some(last) = segments.last_mut() {
        behind_bytes += last.bytes.saturating_sub(good.end);
        last.bytes = good.end;
    }
    Ok(Survey { segments, behind, good: Some(good), behind_bytes })
}

/// Makes sure that nothing was acknowledged in these segments, for then there are only the first ones of a log.
fn nothing(dir: &Path, found: &[Found]) -> Result<Survey, LogError> {
    let begins = |header: &Header| header.first == 1 && header.epoch == 0;
    for (number, Found { index, header, .. }) in (1..).zip(found) {
        if *index != number || header.as_ref().is_ok_and(|header| !begins(header)) {
            let what = "no commit stands in it or behind it";
            return Err(LogError::damaged(&segment_path(dir, *index), 0, what));
        }
    }
    let segments = Vec::new();
    let behind = found.iter().map(|found| found.index).collect();
    Ok(Survey { segments, behind, good: None, behind_bytes: found.iter().map(|found| found.bytes).sum() })
}

fn damaged(dir: &Path, fault: Fault) -> LogError {
    LogError::damaged(&segment_path(dir, fault.segment), fault.offset, fault.what)
}

impl Survey {
    /// Returns the last good Commit.
    pub(super) fn commit(&self) -> Option<&Commit> {
        self.good.as_ref().map(|good| &good.commit)
    }
}
