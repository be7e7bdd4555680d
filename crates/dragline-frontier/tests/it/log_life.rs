//! Checks that a log holds what was appended over any number of lives, on the system's disk too.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dragline_disk::FileDisk;
use dragline_frontier::log::{Block, Log, LogOptions, Opened};

use crate::log_kit::{
    EpochOf, Found, RUN, epoch, four_epochs, holds, open, recover, segment, segment_of, written,
};
use crate::mem_disk::MemDisk;

#[test]
fn every_life_goes_on_where_the_last_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions { segment_bytes: 300 };
    let epochs = four_epochs();
    for life in 0..=epochs.len() {
        let Opened { mut log, commit, replay, cut_bytes } =
            Log::open(Arc::new(FileDisk), folder.path(), RUN, options).unwrap();
        let blocks = replay.collect::<Result<Vec<_>, _>>().unwrap();
        assert!(blocks.iter().all(|(place, block)| log.read(*place).unwrap() == *block));
        holds(&Found { commit, blocks }, &epochs[..life]);
        assert_eq!(cut_bytes, 0, "nothing was torn");
        if let Some(EpochOf { blocks, commit }) = epochs.get(life) {
            let places = log.append(blocks, commit).unwrap();
            let reader = log.reader();
            assert!(places.iter().zip(blocks).all(|(place, block)| reader.read(*place).unwrap() == *block));
        }
    }
    assert!(folder.path().join("log-0000000002").exists(), "segments were begun");
}

#[test]
fn an_epoch_stands_in_one_segment_and_starts_the_next_when_one_is_full() {
    let disk = written(&four_epochs(), 300);
    let (log, found) = recover(&disk, 300).unwrap();
    let segments: Vec<_> = log.segments().iter().map(|segment| (segment.index, segment.first)).collect();
    assert_eq!(segments, [(1, 1), (2, 5)]);
    let placed: Vec<_> =
        found.blocks.iter().map(|(place, block)| (segment_of(*place), block.first)).collect();
    assert_eq!(placed, [(1, 1), (1, 4), (2, 5), (2, 7), (2, 12)]);
    for known in log.segments() {
        assert_eq!(known.bytes, disk.contents()[&segment(known.index)].len() as u64);
    }
}

#[test]
fn large_blocks_and_many_are_read_back() {
    let disk = MemDisk::default();
    let mut log = open(&disk, 1 << 30).unwrap().log;
    let sizes = [3 << 20, 0, 1, (1 << 20) - 24, 1 << 20, 70_000, 65_536, 2 << 20];
    let blocks: Vec<_> = (1..)
        .zip(sizes)
        .map(|(first, bytes)| Block {
            kind: 1,
            first,
            count: 1,
            payload: vec![u8::try_from(first).unwrap(); bytes],
        })
        .collect();
    let mut first = epoch(0, 0, &[]);
    first.blocks = blocks;
    first.commit.last = 8;
    first.commit.body = vec![7; 3 << 20];
    log.append(&first.blocks, &first.commit).unwrap();
    let (mut log, found) = recover(&disk, 1 << 30).unwrap();
    holds(&found, &[first.clone()]);
    let second = epoch(1, 8, &[2, 2]);
    log.append(&second.blocks, &second.commit).unwrap();
    holds(&recover(&disk, 1 << 30).unwrap().1, &[first, second]);
}

#[test]
fn a_replay_begins_above_the_lowest_number_of_the_snapshot() {
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[2]).with_snapshot(1, 5));
    let disk = written(&epochs, 300);
    let blocks = |disk: &MemDisk| -> Vec<u64> {
        recover(disk, 300).unwrap().1.blocks.iter().map(|(_, block)| block.first).collect()
    };
    // The block of records 5 and 6 begins at the lowest number and does not end there.
    assert_eq!(blocks(&disk), [5, 7, 12, 19]);
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[2]).with_snapshot(1, 18));
    assert_eq!(blocks(&written(&epochs, 300)), [19]);
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[]).with_snapshot(1, 18));
    assert_eq!(blocks(&written(&epochs, 300)), [0; 0]);
}

#[test]
fn segments_go_when_a_snapshot_holds_their_records_and_nobody_keeps_them() {
    let disk = MemDisk::default();
    let mut log = open(&disk, 1).unwrap().log;
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[1]).with_snapshot(1, 18));
    epochs.push(epoch(5, 19, &[1]).with_snapshot(1, 18));
    let mut places = Vec::new();
    for EpochOf { blocks, commit } in &epochs {
        places.extend(log.append(blocks, commit).unwrap());
    }
    let there = |log: &Log| log.segments().iter().map(|segment| segment.index).collect::<Vec<_>>();
    assert_eq!(there(&log), [1, 2, 3, 4, 5, 6]);
    assert!(log.read(places[0]).is_ok());
    log.retire(6, &BTreeSet::from([2])).unwrap();
    assert_eq!(there(&log), [2, 4, 5, 6]);
    log.retire(18, &BTreeSet::from([2])).unwrap();
    assert_eq!(there(&log), [2, 5, 6]);
    // A kept block is still read, in this life and the next.
    assert_eq!(log.read(places[0]).unwrap(), epochs[1].blocks[0]);
    let (mut log, found) = recover(&disk, 1).unwrap();
    assert_eq!(found.commit.as_ref(), Some(&epochs[5].commit));
    assert_eq!(found.blocks.iter().map(|(_, block)| block.first).collect::<Vec<_>>(), [19, 20]);
    assert_eq!(log.read(places[0]).unwrap(), epochs[1].blocks[0]);
    log.retire(18, &BTreeSet::new()).unwrap();
    assert_eq!(there(&log), [5, 6]);
    let error = log.read(places[0]).unwrap_err();
    assert_eq!(error.to_string(), "could not read state/log-0000000002");
    // Nothing of it comes into the way of the next life.
    let next = epoch(6, 20, &[1]).with_snapshot(1, 18);
    log.append(&next.blocks, &next.commit).unwrap();
    assert_eq!(recover(&disk, 1).unwrap().1.blocks.len(), 3);
}

#[test]
fn a_segment_that_holds_only_what_is_in_a_snapshot_is_not_read() {
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[1]).with_snapshot(1, 18));
    epochs.push(epoch(5, 19, &[1]).with_snapshot(1, 18));
    let files = written(&epochs, 1).contents();
    let mut broken = files[&segment(3)].clone();
    broken[100] ^= 1;
    let disk = MemDisk::of(&crate::log_kit::with_file(&files, &segment(3), broken));
    let (log, found) = recover(&disk, 1).unwrap();
    assert_eq!(found.blocks.iter().map(|(_, block)| block.first).collect::<Vec<_>>(), [19, 20]);
    assert_eq!(log.segments().len(), 6);
}

#[test]
fn the_last_commit_is_found_when_a_snapshot_holds_every_record_and_the_next_segment_is_torn() {
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[]).with_snapshot(1, 18));
    epochs.push(epoch(5, 18, &[]).with_snapshot(1, 18));
    epochs.push(epoch(6, 18, &[2]).with_snapshot(1, 18));
    let mut files = written(&epochs, 1).contents();
    for retired in 1..=4 {
        files.remove(&segment(retired));
    }
    for torn in [0, 10, 64, 73] {
        let begun = files[&segment(7)][..torn].to_vec();
        let disk = MemDisk::of(&crate::log_kit::with_file(&files, &segment(7), begun));
        let (_, found) = recover(&disk, 1).unwrap();
        assert_eq!(found, Found { commit: Some(epochs[5].commit.clone()), blocks: Vec::new() }, "{torn}");
    }
}

#[test]
fn looking_at_a_log_changes_nothing_and_sees_what_is_acknowledged() {
    let disk = written(&four_epochs(), 300);
    let whole = disk.contents();
    let mut torn = whole[&segment(2)].clone();
    torn.extend_from_slice(b"the beginning of an epoch");
    let disk = MemDisk::of(&crate::log_kit::with_file(&whole, &segment(2), torn));
    let before = (disk.contents(), disk.changes());
    let inspected = Log::inspect(Arc::new(disk.clone()), Path::new(crate::log_kit::DIR), RUN).unwrap();
    let blocks = inspected.replay.collect::<Result<Vec<_>, _>>().unwrap();
    assert!(blocks.iter().all(|(place, block)| inspected.reader.read(*place).unwrap() == *block));
    holds(&Found { commit: inspected.commit, blocks }, &four_epochs());
    assert_eq!((disk.contents(), disk.changes()), before);
    let nothing = Log::inspect(Arc::new(MemDisk::default()), Path::new(crate::log_kit::DIR), RUN).unwrap();
    assert_eq!((nothing.commit, nothing.replay.count()), (None, 0));
}

#[test]
fn a_log_is_looked_at_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let options = LogOptions { segment_bytes: 2000 };
    let mut log = Log::open(Arc::new(FileDisk), folder.path(), RUN, options).unwrap().log;
    let look = || {
        let inspected = Log::inspect(Arc::new(FileDisk), folder.path(), RUN).expect("nothing is broken");
        let records: u64 = inspected.replay.map(|block| u64::from(block.expect("it is whole").1.count)).sum();
        assert_eq!(records, inspected.commit.as_ref().map_or(0, |commit| commit.last));
        inspected.commit.map(|commit| commit.epoch)
    };
    std::thread::scope(|threads| {
        let writer = threads.spawn(move || {
            for number in 0..200 {
                let EpochOf { blocks, commit } = epoch(number, number * 3, &[1, 2]);
                log.append(&blocks, &commit).expect("there is space");
            }
        });
        let mut last = None;
        while !writer.is_finished() {
            let epoch = look();
            assert!(epoch >= last, "it never goes back");
            last = epoch;
        }
    });
    assert_eq!(look().map(|epoch| epoch.0), Some(199));
}
