//! Holds the bytes of one file, and decides what of them a power loss leaves.

use std::ops::Range;

/// What a disk writes at once: whole or not at all.
pub(super) const SECTOR_BYTES: usize = 512;

/// What the system writes back at once; the rest of a page behind the end of a file is zeros.
const PAGE_BYTES: usize = 4096;

/// What became of one file's bytes in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Everything that readers saw.
    Whole,
    /// What the last sync left, without anything since.
    Old,
    /// A part of what was not synced, cut at any byte.
    Prefix {
        /// The length.
        len: usize,
    },
    /// A stretch of what was not synced is not what was written.
    Hole {
        /// Where it begins.
        at: usize,
        /// Where it ends.
        end: usize,
        /// What stands there.
        filling: Filling,
        /// The length of the file; beyond `end` stands what was written.
        len: usize,
    },
    /// What was written over a cut that was not synced, zeros to the end of its page, then the old content.
    OldTail {
        /// Where the new content ends.
        at: usize,
        /// The length.
        len: usize,
    },
    /// Everything was synced, but for what an earlier failed sync had lost.
    Lost,
}

/// What stands in a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// Zeros.
    Zeros,
    /// What the sectors held for somebody else.
    Garbage,
}

/// One file's bytes: what readers see, and what the disk holds instead.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// Up to here the disk holds what readers see, but for `lost`.
    agreed: usize,
    /// What the disk holds from there on: something only after a cut that was not synced.
    old_tail: Vec<u8>,
    /// What a failed sync has not written and no later one will.
    lost: Vec<Lost>,
}

/// A stretch with what the disk holds there.
#[derive(Clone, Debug)]
struct Lost {
    at: usize,
    held: Vec<u8>,
}

impl Content {
    /// Makes a file whose bytes are durable.
    pub(super) const fn durable(bytes: Vec<u8>) -> Self {
        Self { agreed: bytes.len(), bytes, old_tail: Vec::new(), lost: Vec::new() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Cuts the file; what is cut off stays on the disk until the next sync.
    pub(super) fn cut(&mut self, len: usize) {
        if len < self.agreed {
            let held = self.on_disk();
            self.old_tail = held.get(len..).unwrap_or_default().to_vec();
            self.agreed = len;
            self.lost.retain(|lost| lost.at < len);
            self.lost.iter_mut().for_each(|lost| lost.held.truncate(len - lost.at));
        }
        self.bytes.truncate(len);
    }

    pub(super) fn sync(&mut self) {
        self.agreed = self.bytes.len();
        self.old_tail.clear();
    }

    /// Writes any mixture of the sectors; the system believes all of them clean, so that no later sync writes them.
    pub(super) fn sync_failed(&mut self, rng: &mut fastrand::Rng) {
        let mut at = self.agreed;
        while at < self.bytes.len() {
            let end = (at / SECTOR_BYTES + 1).saturating_mul(SECTOR_BYTES).min(self.bytes.len());
            if rng.bool() {
                let held = (at..end).map(|at| self.old_tail.get(at - self.agreed).copied().unwrap_or(0));
                self.lost.push(Lost { at, held: held.collect() });
            }
            at = end;
        }
        self.sync();
    }

    /// Inverts one bit of what readers see and the disk holds; `None` when there is no such byte.
    pub(super) fn flip(&mut self, bit: usize) -> Option<()> {
        *self.bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(())
    }

    /// Loses what the seed says of what was not synced; what is left is durable.
    pub(super) fn survive(&mut self, rng: &mut fastrand::Rng) -> Survival {
        let (bytes, survival) = self.outcome(rng);
        *self = Self::durable(bytes);
        survival
    }

    fn outcome(&self, rng: &mut fastrand::Rng) -> (Vec<u8>, Survival) {
        let (from, to) = (self.agreed, self.bytes.len());
        let seen = self.over_lost(rng);
        if from == to && self.old_tail.is_empty() {
            let survival = if self.lost.is_empty() { Survival::Whole } else { Survival::Lost };
            return (seen, survival);
        }
        let end = if rng.bool() { to } else { rng.usize(from..=to) };
        match rng.u8(0..5) {
            0 => (self.on_disk(), Survival::Old),
            1 => (seen, Survival::Whole),
            2 if end > from => with_hole(seen, from..end, rng),
            3 if !self.old_tail.is_empty() => self.with_old_tail(seen, end),
            _ => {
                let len = rng.usize(from..=to);
                (first(seen, len), Survival::Prefix { len })
            }
        }
    }

    /// Returns what the disk holds when nothing more is written to it.
    fn on_disk(&self) -> Vec<u8> {
        let mut held = first(self.bytes.clone(), self.agreed);
        self.lay_lost_over(&mut held);
        held.extend_from_slice(&self.old_tail);
        held
    }

    /// Returns what readers see but for what failed syncs have lost; the length was perhaps lost as well.
    fn over_lost(&self, rng: &mut fastrand::Rng) -> Vec<u8> {
        let mut seen = self.bytes.clone();
        self.lay_lost_over(&mut seen);
        match self.lost.last() {
            Some(last) if last.at + last.held.len() == seen.len() && rng.bool() => first(seen, last.at),
            _ => seen,
        }
    }

    fn lay_lost_over(&self, bytes: &mut [u8]) {
        for Lost { at, held } in &self.lost {
            if let Some(place) = bytes.get_mut(*at..*at + held.len()) {
                place.copy_from_slice(held);
            }
        }
    }

    fn with_old_tail(&self, seen: Vec<u8>, at: usize) -> (Vec<u8>, Survival) {
        let mut bytes = first(seen, at);
        let old = self.agreed + self.old_tail.len();
        let page_end = at.next_multiple_of(PAGE_BYTES).min(old);
        bytes.resize(page_end.max(at), 0);
        bytes.extend_from_slice(self.old_tail.get(bytes.len() - self.agreed..).unwrap_or_default());
        let len = bytes.len();
        (bytes, Survival::OldTail { at, len })
    }
}

fn first(mut bytes: Vec<u8>, len: usize) -> Vec<u8> {
    bytes.truncate(len);
    bytes
}

/// Fills a run of whole sectors, as far as they were not synced, with what was not written; `unsynced` is not empty.
fn with_hole(bytes: Vec<u8>, unsynced: Range<usize>, rng: &mut fastrand::Rng) -> (Vec<u8>, Survival) {
    let Range { start, end: len } = unsynced;
    let mut bytes = first(bytes, len);
    let sectors = start / SECTOR_BYTES..=(len - 1) / SECTOR_BYTES;
    let first_bad = rng.usize(sectors.clone());
    let last_bad = rng.usize(first_bad..=*sectors.end());
    let at = (first_bad * SECTOR_BYTES).max(start).min(bytes.len());
    let end = ((last_bad + 1) * SECTOR_BYTES).min(bytes.len());
    let filling = if rng.bool() { Filling::Zeros } else { Filling::Garbage };
    let hole = bytes.get_mut(at..end).unwrap_or_default();
    hole.fill(0);
    if filling == Filling::Garbage {
        rng.fill(hole);
    }
    let len = bytes.len();
    (bytes, Survival::Hole { at, end, filling, len })
}
