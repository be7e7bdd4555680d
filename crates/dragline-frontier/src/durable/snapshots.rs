//! Decides when a snapshot is begun, which parts of it are written with a commit, and when it may be named.

use std::collections::BTreeSet;

use dragline_core::frontier::{MemFrontier, SnapshotPart};

/// A snapshot is begun when the log behind the last has grown by as much, or by as much as the last one was long.
pub(super) const SNAPSHOT_AFTER_BYTES: u64 = 64 << 20;
/// Bytes of parts that go with one commit; one part more than that may.
const PART_BYTES_MAX: usize = 1 << 20;

/// The part, behind those of the frontier, that says where the chunks stand.
pub(super) const PLACES: u32 = SnapshotPart::COUNT;

/// How far the next snapshot has come.
#[derive(Debug)]
pub(super) struct Snapshots {
    after_bytes: u64,
    /// Bytes that were written to the log since the last snapshot was begun.
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
    /// Chunks that were taken from the shelf before it was begun: it names none of them.
    taken: BTreeSet<u64>,
}

/// What a commit is to do about snapshots.
#[derive(Debug, Default)]
pub(super) struct Errand {
    /// Parts to be written, of the snapshot with this id.
    pub(super) parts: Option<(u64, Vec<SnapshotPart>)>,
    /// It is complete and all its records are durable: it is named by this commit.
    pub(super) name: Option<Naming>,
}

/// What is known of a snapshot that is named.
#[derive(Debug)]
pub(super) struct Naming {
    /// The number that its last part gets.
    pub(super) highest: u64,
    /// Chunks that it does not name.
    pub(super) taken: BTreeSet<u64>,
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

    /// Says what the next commit is to do; `durable` is the last record of the commit before it, `taken` the chunks
    /// that were taken from the shelf so far.
    pub(super) fn errand(
        &mut self,
        frontier: &MemFrontier,
        durable: u64,
        epoch_bytes: u64,
        taken: impl FnOnce() -> BTreeSet<u64>,
    ) -> Errand {
        self.grown += epoch_bytes;
        let mut errand = Errand::default();
        if self.taking.is_none() && self.grown >= self.after_bytes.max(self.last_bytes) {
            let (id, taken) = (self.next_id, taken());
            self.taking = Some(Taking { id, next: 0, highest: 0, bytes: 0, taken });
            (self.next_id, self.grown) = (id + 1, 0);
        }
        let Some(taking) = &mut self.taking else { return errand };
        if taking.next < SnapshotPart::COUNT {
            let (mut parts, mut bytes) = (Vec::new(), 0);
            while taking.next < SnapshotPart::COUNT && bytes < PART_BYTES_MAX {
                let part = frontier.snapshot_part(taking.next);
                bytes += part.payload.len();
                taking.highest = taking.highest.max(part.number);
                taking.next += 1;
                parts.push(part);
            }
            taking.bytes += bytes as u64;
            errand.parts = Some((taking.id, parts));
        }
        let may_name = taking.next == SnapshotPart::COUNT && taking.highest <= durable;
        #[cfg(feature = "mutants")]
        let may_name = may_name || (self.is_hasty && taking.next == SnapshotPart::COUNT);
        if may_name && let Some(Taking { highest, bytes, taken, .. }) = self.taking.take() {
            self.last_bytes = bytes;
            errand.name = Some(Naming { highest, taken });
        }
        errand
    }
}
