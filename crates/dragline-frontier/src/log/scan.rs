//! Reads what stands in a segment, in order, and goes on behind what cannot be read.

use std::path::Path;

use dragline_core::frontier::RunId;
use dragline_disk::Disk;

use super::commit::{ALIGNMENT_BYTES, CommitAt, begins_commit, commit_at};
use super::place::{BlockFile, Place, segment_path};
use crate::error::LogError;
use crate::file::{BLOCK_HEADER_BYTES, BlockAt, BlockHeader, FileKind, HEADER_BYTES, Header};
use crate::file::{PIECE_BYTES, Pieces};

/// Bytes of a Commit by which a scan finds it.
const FOUND_BY_BYTES: usize = 16;

/// What stands at one place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A whole block.
    Block { place: Place, header: BlockHeader, payload: &'a [u8] },
    /// A whole Commit.
    Commit(CommitAt),
    /// Neither. What comes next is the first Commit behind it, if there is one.
    Bad { offset: u64, what: &'static str },
}

/// A segment that is read from its first block to its end.
#[derive(Debug)]
pub(super) struct Scan {
    pieces: Pieces,
    run: RunId,
    segment: u32,
    at: u64,
}

/// What was found before its bytes are lent out.
enum Found {
    Block(BlockHeader),
    Commit(CommitAt),
    Bad(&'static str),
    End,
}

impl Scan {
    pub(super) fn open(disk: &dyn Disk, dir: &Path, run: RunId, segment: u32) -> Result<Self, LogError> {
        let pieces = Pieces::open(disk, segment_path(dir, segment))?;
        Ok(Self { pieces, run, segment, at: HEADER_BYTES as u64 })
    }

    /// Ends the segment earlier than it does.
    pub(super) fn end_at(&mut self, len: u64) {
        self.pieces.end_at(len);
    }

    pub(super) fn path(&self) -> &Path {
        self.pieces.path()
    }

    pub(super) const fn len(&self) -> u64 {
        self.pieces.len()
    }

    /// Reads the header of the segment; damage is an answer.
    pub(super) fn header(&mut self) -> Result<Result<Header, &'static str>, LogError> {
        self.pieces.header(FileKind::Log, self.run, self.segment.into())
    }

    /// Returns what comes next; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item<'_>>, LogError> {
        let offset = self.at;
        match self.look()? {
            Found::End => Ok(None),
            Found::Block(header) => {
                let place = Place::of(BlockFile::Segment(self.segment), offset, header);
                self.at += header.whole_bytes();
                let payload = offset + BLOCK_HEADER_BYTES as u64;
                let payload = self.pieces.get(payload, header.bytes as usize)?.unwrap_or_default();
                Ok(Some(Item::Block { place, header, payload }))
            }
            Found::Commit(commit) => {
                self.at = commit.end;
                Ok(Some(Item::Commit(commit)))
            }
            Found::Bad(what) => {
                self.skip_to_commit()?;
                Ok(Some(Item::Bad { offset, what }))
            }
        }
    }

    /// Returns the last Commits of the segment that are whole, the last one first.
    pub(super) fn last_commits(&mut self, most: usize) -> Result<Vec<CommitAt>, LogError> {
        let mut commits = Vec::new();
        let mut end = aligned(self.len());
        while end > 0 && commits.len() < most {
            let start = end.saturating_sub(PIECE_BYTES as u64);
            for offset in self.candidates(start, end)?.into_iter().rev() {
                commits.extend(commit_at(&mut self.pieces, self.run, offset)?);
            }
            end = start;
        }
        commits.truncate(most);
        Ok(commits)
    }

    fn look(&mut self) -> Result<Found, LogError> {
        if self.at >= self.pieces.len() {
            return Ok(Found::End);
        }
        match self.pieces.block(self.run, self.at)? {
            BlockAt::Whole(header, _) => Ok(Found::Block(header)),
            BlockAt::Bad(what) => Ok(Found::Bad(what)),
            BlockAt::Absent => self.look_for_commit(),
        }
    }

    /// Looks for a Commit at the next place where one may begin, behind zeros.
    fn look_for_commit(&mut self) -> Result<Found, LogError> {
        let begin = aligned(self.at);
        let padding = usize::try_from(begin - self.at).unwrap_or(usize::MAX);
        let padding = self.pieces.get(self.at, padding)?;
        if padding.is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
            return Ok(Found::Bad("neither a block nor a commit"));
        }
        match commit_at(&mut self.pieces, self.run, begin)? {
            Some(commit) => Ok(Found::Commit(commit)),
            None => Ok(Found::Bad("neither a block nor a commit")),
        }
    }

    /// Goes to the first Commit behind what is bad, or to the end.
    fn skip_to_commit(&mut self) -> Result<(), LogError> {
        let mut start = aligned(self.at);
        while start < self.len() {
            let end = start.saturating_add(PIECE_BYTES as u64).min(aligned(self.len()));
            for offset in self.candidates(start, end)? {
                if commit_at(&mut self.pieces, self.run, offset)?.is_some() {
                    self.at = offset;
                    return Ok(());
                }
            }
            start = end;
        }
        self.at = self.len();
        Ok(())
    }

    /// Returns where between two aligned places Commits may begin, from the front.
    fn candidates(&mut self, start: u64, end: u64) -> Result<Vec<u64>, LogError> {
        let bytes = usize::try_from(end.min(self.len()).saturating_sub(start)).unwrap_or(usize::MAX);
        let run = self.run;
        let Some(piece) = self.pieces.get(start, bytes)? else { return Ok(Vec::new()) };
        let step = usize::try_from(ALIGNMENT_BYTES).expect("a small constant");
        let steps = piece.chunks(step).zip((start..).step_by(step));
        let begins = |bytes: &[u8]| begins_commit(bytes.get(..FOUND_BY_BYTES).unwrap_or_default(), run);
        Ok(steps.filter(|(bytes, _)| begins(bytes)).map(|(_, offset)| offset).collect())
    }
}

/// Returns the next place where a Commit may begin.
pub(super) const fn aligned(offset: u64) -> u64 {
    offset.next_multiple_of(ALIGNMENT_BYTES)
}
