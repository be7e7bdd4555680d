//! Keeps what was done to a disk: counts, a hash of everything, and the last operations.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::trace_hash::TraceHash;

/// Operations that are kept one by one; the hash and the counts cover all.
const TRACE_OPS_MAX: usize = 10_000;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OpKind {
    /// A file was created.
    Create,
    /// Bytes were appended.
    Append,
    /// A file was cut.
    Cut,
    /// A file was renamed; the path is its new one.
    Rename,
    /// A file was removed.
    Remove,
    /// A file was synced.
    Sync,
    /// A folder was synced.
    SyncDir,
    /// Folders were created.
    CreateDir,
}

/// One operation that changes something or makes it durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOp {
    /// What was done.
    pub kind: OpKind,
    /// To which file or folder.
    pub path: PathBuf,
    /// Bytes appended or wanted to be, or the length after a cut.
    pub len: usize,
    /// Whether it was answered without an error.
    pub ok: bool,
}

/// How much was done to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Operations that change something or make it durable.
    pub operations: u64,
    /// Those among them that sync a file or a folder.
    pub syncs: u64,
    /// Bytes that were to be appended.
    pub appended_bytes: u64,
    /// Operations answered with an error.
    pub failed: u64,
}

/// Everything done to a disk in one life.
#[derive(Debug, Default)]
pub(super) struct DiskTrace {
    counts: DiskCounts,
    last: VecDeque<DiskOp>,
    hash: TraceHash,
}

impl DiskTrace {
    pub(super) fn note(&mut self, kind: OpKind, path: &Path, len: usize, ok: bool) {
        let counts = &mut self.counts;
        counts.operations += 1;
        counts.syncs += u64::from(matches!(kind, OpKind::Sync | OpKind::SyncDir));
        counts.failed += u64::from(!ok);
        let bytes = u64::try_from(len).unwrap_or(u64::MAX);
        counts.appended_bytes += if kind == OpKind::Append { bytes } else { 0 };
        let op = DiskOp { kind, path: path.to_owned(), len, ok };
        self.hash.note(&format!("{op:?}"));
        if self.last.len() == TRACE_OPS_MAX {
            self.last.pop_front();
        }
        self.last.push_back(op);
    }

    pub(super) const fn counts(&self) -> DiskCounts {
        self.counts
    }

    pub(super) fn last(&self) -> Vec<DiskOp> {
        self.last.iter().cloned().collect()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.get()
    }
}
