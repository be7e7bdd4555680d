//! Lets chance decide what a log does, where it dies and what a power loss leaves, and compares it with a list.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dragline_core::frontier::Epoch;
use dragline_frontier::log::{Block, Commit, Log, Place, SnapshotRef};

use crate::log_kit::{DIR, EpochOf, Found, RUN, recover, segment_of};
use crate::mem_disk::MemDisk;

/// What must be in the log.
#[derive(Default)]
struct Model {
    acknowledged: Vec<EpochOf>,
    /// An epoch that may be durable or not.
    under_way: Option<EpochOf>,
    /// Blocks that somebody still reads.
    pinned: Vec<(Place, Block)>,
}

impl Model {
    fn last(&self) -> u64 {
        self.acknowledged.last().map_or(0, |epoch| epoch.commit.last)
    }

    fn snapshot(&self) -> Option<SnapshotRef> {
        self.acknowledged.last().and_then(|epoch| epoch.commit.snapshot)
    }

    /// Makes the next epoch.
    fn epoch(&self, chance: &mut fastrand::Rng) -> EpochOf {
        let mut last = self.last();
        let mut blocks = Vec::new();
        for _ in 0..chance.usize(0..5) {
            let count = chance.u32(1..4);
            let payload = (0..chance.usize(0..200)).map(|_| chance.u8(..)).collect();
            blocks.push(Block { kind: chance.u8(..), first: last + 1, count, payload });
            last += u64::from(count);
        }
        let before = self.snapshot();
        let lowest = before.map_or(0, |snapshot| snapshot.lowest);
        let snapshot = if chance.u8(..) < 60 && self.last() > 0 {
            let id = before.map_or(1, |snapshot| snapshot.id + 1);
            Some(SnapshotRef { id, lowest: chance.u64(lowest..=self.last()) })
        } else {
            before
        };
        let body = (0..chance.usize(0..90)).map(|_| chance.u8(..)).collect();
        let epoch = Epoch(self.acknowledged.len() as u64);
        EpochOf { blocks, commit: Commit { epoch, last, snapshot, body } }
    }

    /// Asserts that the log holds what it must, whichever way the epoch under way went.
    fn holds(&mut self, found: &Found, log: &Log) {
        if let Some(epoch) = self.under_way.take()
            && found.commit.as_ref() == Some(&epoch.commit)
        {
            self.acknowledged.push(epoch);
        }
        assert_eq!(found.commit.as_ref(), self.acknowledged.last().map(|epoch| &epoch.commit));
        let lowest = self.snapshot().map_or(0, |snapshot| snapshot.lowest);
        let blocks = self.acknowledged.iter().flat_map(|epoch| &epoch.blocks);
        let expected: Vec<_> = blocks.filter(|block| block.last() > lowest).collect();
        assert_eq!(found.blocks.iter().map(|(_, block)| block).collect::<Vec<_>>(), expected);
        for (place, block) in &self.pinned {
            assert_eq!(log.read(*place).expect("its segment is kept"), *block);
        }
    }
}

/// Lives once: does some things, the last of which may be cut short.
fn live(disk: &MemDisk, model: &mut Model, mut log: Log, chance: &mut fastrand::Rng) {
    for _ in 0..chance.usize(0..6) {
        let epoch = model.epoch(chance);
        let trouble = chance.u8(0..10);
        match trouble {
            0 => disk.die_after(Some(chance.u64(0..6))),
            1 => disk.fail_syncs_after(Some(chance.u64(0..3))),
            2 => disk.leave_space(Some(chance.u64(0..500))),
            3 => disk.limit_files(Some(chance.u64(300..900))),
            _ => {}
        }
        let mut appended = log.append(&epoch.blocks, &epoch.commit);
        if matches!(&appended, Err(error) if error.may_retry()) {
            disk.leave_space(None);
            appended = log.append(&epoch.blocks, &epoch.commit);
        }
        let Ok(places) = appended else {
            model.under_way = Some(epoch);
            return;
        };
        disk.limit_files(None);
        disk.leave_space(None);
        let placed = places.into_iter().zip(epoch.blocks.iter().cloned());
        model.pinned.extend(placed.filter(|_| chance.u8(0..4) == 0));
        model.pinned.retain(|_| chance.u8(0..8) > 0);
        model.acknowledged.push(epoch);
        if let Some(SnapshotRef { lowest, .. }) = model.snapshot() {
            let keep: BTreeSet<u32> = model.pinned.iter().map(|(place, _)| segment_of(*place)).collect();
            let retired = log.retire(chance.u64(0..=lowest), &keep);
            if retired.is_err() {
                return;
            }
        }
    }
}

#[test]
fn whatever_happens_nothing_acknowledged_is_lost_and_nothing_else_is_there() {
    for seed in 0..400 {
        // Shown when the test fails.
        println!("seed {seed}");
        let mut chance = fastrand::Rng::with_seed(seed);
        let disk = MemDisk::default();
        let segment_bytes = [1, 400, 1500][chance.usize(0..3)];
        let mut model = Model::default();
        for _ in 0..12 {
            let inspected = Log::inspect(Arc::new(disk.clone()), Path::new(DIR), RUN).unwrap();
            let seen = inspected.replay.collect::<Result<Vec<_>, _>>().unwrap();
            if chance.bool() {
                disk.die_after(Some(chance.u64(0..5)));
                drop(recover(&disk, segment_bytes));
                disk.die_after(None);
                if chance.bool() {
                    disk.lose_some(&mut chance);
                }
            } else {
                let (_, found) = recover(&disk, segment_bytes).unwrap();
                assert_eq!(found, Found { commit: inspected.commit, blocks: seen });
            }
            let (log, found) = recover(&disk, segment_bytes).unwrap();
            model.holds(&found, &log);
            live(&disk, &mut model, log, &mut chance);
            disk.die_after(None);
            disk.fail_syncs_after(None);
            disk.leave_space(None);
            disk.limit_files(None);
            if chance.bool() {
                disk.lose_some(&mut chance);
            }
        }
        assert!(model.acknowledged.len() > 1, "something happened");
    }
}
