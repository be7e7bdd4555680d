//! Reads the records that are needed again, in order, up to a Commit.

use std::path::PathBuf;
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::judge::Good;
use super::place::{Block, Place, last_of};
use super::scan::{Item, Scan};
use super::survey::{Segment, Survey};
use crate::error::LogError;

/// The blocks above the lowest number of a Commit's snapshot, up to that Commit, in order, each with its place.
///
/// The first may begin below that number. One block at a time is in memory, and the piece of the segment it stands in.
/// After an error comes nothing more.
#[derive(Debug)]
pub struct Replay {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    run: RunId,
    /// The segments still to be read, the next one last.
    segments: Vec<u32>,
    scan: Option<Scan>,
    /// Records up to here were returned or are not needed.
    done: u64,
    /// The last record there must be.
    last: u64,
    /// Where the last segment ends.
    end: u64,
}

impl Replay {
    pub(super) fn of(disk: Arc<dyn Disk>, dir: PathBuf, run: RunId, survey: &Survey) -> Self {
        let Some(Good { commit, end, .. }) = &survey.good else {
            return Self { disk, dir, run, segments: Vec::new(), scan: None, done: 0, last: 0, end: 0 };
        };
        let done = commit.lowest();
        let needed = |segment: &Segment| segment.first <= done.saturating_add(1);
        let from = survey.segments.iter().rposition(needed).unwrap_or(0);
        let segments = survey.segments.iter().skip(from).map(|segment| segment.index).rev().collect();
        Self { disk, dir, run, segments, scan: None, done, last: commit.last, end: *end }
    }

    fn advance(&mut self) -> Result<Option<(Place, Block)>, LogError> {
        loop {
            if self.scan.is_none() {
                let Some(segment) = self.segments.pop() else { return Ok(None) };
                let mut scan = Scan::open(&*self.disk, &self.dir, self.run, segment)?;
                if self.segments.is_empty() {
                    scan.end_at(self.end);
                }
                self.scan = Some(scan);
            }
            let Some(scan) = &mut self.scan else { return Ok(None) };
            match scan.next()? {
                Some(Item::Block { place, header, payload }) => {
                    let last = last_of(header.first, header.count);
                    if last <= self.done {
                        continue;
                    }
                    let next = self.done.saturating_add(1);
                    if header.first > next {
                        let what = format!("record {} stands where {next} is expected", header.first);
                        let path = place.file.path(&self.dir);
                        return Err(LogError::damaged(&path, place.offset, what));
                    }
                    self.done = last;
                    return Ok(Some((place, Block::of(header, payload))));
                }
                // What cannot be read is missed by the numbers of what follows, if it is needed.
                Some(Item::Commit(_) | Item::Bad { .. }) => {}
                None if self.segments.is_empty() && self.done < self.last => {
                    let what = format!("record {} is missing", self.done.saturating_add(1));
                    return Err(LogError::damaged(scan.path(), scan.len(), what));
                }
                None => self.scan = None,
            }
        }
    }
}

impl Iterator for Replay {
    type Item = Result<(Place, Block), LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.segments.clear();
            self.scan = None;
        }
        next
    }
}
