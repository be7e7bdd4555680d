//! Decides when a snapshot is begun, which parts of it are written with a commit, and when it may be named.

use dragline_core::frontier::{MemFrontier, SnapshotPart};

use crate::log::Place;

/// A snapshot is begun when the log behind the last has grown by as much, or by as much as the last one was long.
pub(super) const SNAPSHOT_AFTER_BYTES: u64 = 64 << 20;
/// What a record adds to its bytes there: a restart replays one in the time in which it reads so many, measured.
const RECORD_BYTES: u64 = 32;
/// Bytes of parts that go with a commit, at least and at most; one part more than that may. Between them it is as much as
/// the log grows: a snapshot that takes longer than the next one waits would leave ever more to replay.
const PART_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=4 << 20;

/// The part, behind those of the frontier, that says where the chunks in segments stand.
pub(super) const PLACES: u32 = SnapshotPart::COUNT;
/// The part that says where the chunks in shelf files stand.
pub(super) const SHELF_PLACES: u32 = PLACES + 1;

/// How far the next snapshot has come.
#[derive(Debug)]
pub(super) struct Snapshots {
    after_bytes: u64,
    /// The weight of what was written to the log since the last snapshot was begun.
    grown: u64,
    /// How long the last one was.
    last_bytes: u64,
    next_id: u64,
    taking: Option<Taking>,
    /// Names a snapshot before its records are durable.
    #[cfg(feature = "mutants")]
    pub(super) is_hasty: bool,
}

/// A snapshot on its way.
#[derive(Debug)]
struct Taking {
    id: u64,
    next: u32,
    /// The greatest number of its parts.
    highest: u64,
    bytes: u64,
}

/// What a commit is to do about snapshots.
#[derive(Debug, Default)]
pub(super) struct Errand {
    /// A snapshot is begun: the chunks that it may name.
    pub(super) kept: Option<Kept>,
    /// Parts to be written, of the snapshot with this id.
    pub(super) parts: Option<(u64, Vec<SnapshotPart>)>,
    /// It is complete and all its records are durable: it is named by this commit, and its last parts get this number.
    pub(super) name: Option<u64>,
}

/// The chunks that a snapshot may name: those that lay on the shelf when it was begun, and all that came later. What left
/// the shelf before it never lies there again, so that neither the snapshot nor a record behind it needs the chunk.
#[derive(Debug)]
pub(super) struct Kept {
    /// The last record when it was begun.
    begun: u64,
    /// The chunks up to there.
    shelved: Vec<u64>,
}

/// Returns what records weigh for the decision when a snapshot is due.
pub(super) fn weight(bytes: u64, records: u64) -> u64 {
    bytes + records * RECORD_BYTES
}

impl Snapshots {
    pub(super) fn new(after_bytes: u64, named: Option<u64>, grown: u64) -> Self {
        let next_id = named.map_or(1, |id| id + 1);
        Self {
            after_bytes,
            grown,
            last_bytes: 0,
            next_id,
            taking: None,
            #[cfg(feature = "mutants")]
            is_hasty: false,
        }
    }

    /// Says what the next commit is to do; `durable` is the last record of the commit before it, `weight` that of its
    /// records.
    pub(super) fn errand(&mut self, frontier: &MemFrontier, durable: u64, weight: u64) -> Errand {
        self.grown += weight;
        let mut errand = Errand::default();
        if self.taking.is_none() && self.grown >= self.after_bytes.max(self.last_bytes) {
            let id = self.next_id;
            self.taking = Some(Taking { id, next: 0, highest: 0, bytes: 0 });
            (self.next_id, self.grown) = (id + 1, 0);
        }
        let Some(taking) = &mut self.taking else { return errand };
        if taking.next < SnapshotPart::COUNT {
            let most = weight.clamp(*PART_BYTES.start(), *PART_BYTES.end());
            let (mut parts, mut bytes) = (Vec::new(), 0);
            while taking.next < SnapshotPart::COUNT && bytes < most {
                let part = frontier.snapshot_part(taking.next);
                bytes += part.payload.len() as u64;
                taking.highest = taking.highest.max(part.number);
                taking.next += 1;
                parts.push(part);
            }
            taking.bytes += bytes;
            let is_begun = parts.first().filter(|part| part.shard == 0);
            errand.kept =
                is_begun.map(|part| Kept { begun: part.number, shelved: frontier.shelved().collect() });
            errand.parts = Some((taking.id, parts));
        }
        let may_name = taking.next == SnapshotPart::COUNT && taking.highest <= durable;
        #[cfg(feature = "mutants")]
        let may_name = may_name || (self.is_hasty && taking.next == SnapshotPart::COUNT);
        if may_name && let Some(Taking { highest, bytes, .. }) = self.taking.take() {
            self.last_bytes = bytes;
            errand.name = Some(highest);
        }
        errand
    }
}

impl Kept {
    /// Makes ready for looking up; apart, because that may be done on another thread.
    pub(super) fn sort(&mut self) {
        self.shelved.sort_unstable();
    }

    /// Returns the last record when the snapshot was begun.
    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Splits chunks into those that the snapshot may name and those that nobody needs when it is named.
    pub(super) fn split(&self, places: Vec<(u64, Place)>) -> (Vec<(u64, Place)>, Vec<u64>) {
        let is_kept = |chunk: u64| chunk > self.begun || self.shelved.binary_search(&chunk).is_ok();
        let (live, gone): (Vec<_>, Vec<_>) = places.into_iter().partition(|(chunk, _)| is_kept(*chunk));
        (live, gone.into_iter().map(|(chunk, _)| chunk).collect())
    }
}
