//! Makes small logs and says what is in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::{Epoch, RunId};
use dragline_frontier::LogError;
use dragline_frontier::log::{Block, BlockFile, Commit, Log, LogOptions, Opened, Place, SnapshotRef};

use crate::mem_disk::MemDisk;

pub(crate) const RUN: RunId = RunId(0x5eed);
pub(crate) const DIR: &str = "state";

/// One epoch as it is written.
#[derive(Clone, Debug)]
pub(crate) struct EpochOf {
    pub(crate) blocks: Vec<Block>,
    pub(crate) commit: Commit,
}

/// What recovery finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) commit: Option<Commit>,
    pub(crate) blocks: Vec<(Place, Block)>,
}

/// Makes an epoch of blocks with these counts of records behind the record `before`.
pub(crate) fn epoch(number: u64, before: u64, counts: &[u32]) -> EpochOf {
    let mut next = before + 1;
    let mut blocks = Vec::new();
    for count in counts {
        let payload = format!("records from {next}, {count} of them").into_bytes();
        blocks.push(Block { kind: 3, first: next, count: *count, payload });
        next += u64::from(*count);
    }
    let body = format!("marks of {number}").into_bytes();
    EpochOf { blocks, commit: Commit { epoch: Epoch(number), last: next - 1, snapshot: None, body } }
}

impl EpochOf {
    /// Names a snapshot in the Commit.
    pub(crate) fn with_snapshot(mut self, id: u64, lowest: u64) -> Self {
        self.commit.snapshot = Some(SnapshotRef { id, lowest });
        self
    }
}

/// Returns four epochs: one without records, three with some.
pub(crate) fn four_epochs() -> Vec<EpochOf> {
    vec![epoch(0, 0, &[]), epoch(1, 0, &[3, 1]), epoch(2, 4, &[2]), epoch(3, 6, &[5, 7])]
}

/// Opens the log, which begins a new segment when the current one has this length.
pub(crate) fn open(disk: &MemDisk, segment_bytes: u64) -> Result<Opened, LogError> {
    Log::open(Arc::new(disk.clone()), Path::new(DIR), RUN, LogOptions { segment_bytes })
}

/// Opens the log and reads all that is in it.
pub(crate) fn recover(disk: &MemDisk, segment_bytes: u64) -> Result<(Log, Found), LogError> {
    let Opened { log, commit, replay, .. } = open(disk, segment_bytes)?;
    let blocks = replay.collect::<Result<Vec<_>, _>>()?;
    for (place, block) in &blocks {
        assert_eq!(log.read(*place)?, *block, "a block is read back by its place");
    }
    Ok((log, Found { commit, blocks }))
}

/// Writes epochs to a new disk.
pub(crate) fn written(epochs: &[EpochOf], segment_bytes: u64) -> MemDisk {
    let disk = MemDisk::default();
    let (mut log, found) = recover(&disk, segment_bytes).expect("a first start");
    assert_eq!(found, Found { commit: None, blocks: Vec::new() });
    for EpochOf { blocks, commit } in epochs {
        let places = log.append(blocks, commit).expect("there is space");
        assert_eq!(places.len(), blocks.len());
    }
    disk
}

/// Asserts that exactly these epochs are in the log.
pub(crate) fn holds(found: &Found, epochs: &[EpochOf]) {
    assert_eq!(found.commit.as_ref(), epochs.last().map(|epoch| &epoch.commit));
    let blocks: Vec<_> = found.blocks.iter().map(|(_, block)| block).collect();
    assert_eq!(blocks, epochs.iter().flat_map(|epoch| &epoch.blocks).collect::<Vec<_>>());
}

/// Asserts that a disk recovers to exactly these epochs, takes the rest of `all`, and then holds them.
pub(crate) fn recovers_to(disk: &MemDisk, segment_bytes: u64, kept: usize, all: &[EpochOf]) {
    let (mut log, found) = recover(disk, segment_bytes).expect("a crash is no damage");
    holds(&found, &all[..kept]);
    for EpochOf { blocks, commit } in &all[kept..] {
        log.append(blocks, commit).expect("it goes on");
    }
    disk.lose_power();
    let (_, found) = recover(disk, segment_bytes).expect("what was durable is whole");
    holds(&found, all);
}

/// Returns the files with one replaced.
pub(crate) fn with_file(
    files: &BTreeMap<PathBuf, Vec<u8>>,
    path: &Path,
    contents: Vec<u8>,
) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files.clone();
    files.insert(path.to_owned(), contents);
    files
}

/// Returns the number of the segment in which a block stands.
pub(crate) fn segment_of(place: Place) -> u32 {
    match place.file {
        BlockFile::Segment(number) => number,
        BlockFile::Shelf(number) => panic!("shelf file {number} is no segment"),
    }
}

/// Returns the path of a segment.
pub(crate) fn segment(number: u32) -> PathBuf {
    Path::new(DIR).join(format!("log-{number:010}"))
}
