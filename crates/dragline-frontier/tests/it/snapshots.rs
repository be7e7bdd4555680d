//! Checks that a snapshot is read whole or refused, and that only the one that a Commit names stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_frontier::LogError;
use dragline_frontier::log::SnapshotRef;
use dragline_frontier::snapshot::{Shard, Snapshot, SnapshotWriter};

use crate::log_kit::{DIR, EpochOf, RUN, epoch, four_epochs, open, recover};
use crate::mem_disk::MemDisk;

fn path(id: u64) -> PathBuf {
    Path::new(DIR).join(format!("snapshot-{id:010}"))
}

fn shards() -> Vec<Shard> {
    let shard = |shard, number, payload: &[u8]| Shard { shard, number, payload: payload.to_vec() };
    vec![
        shard(0, 17, b"first"),
        shard(0, 17, b""),
        shard(7, 12, &vec![9; 3 << 20]),
        shard(u32::MAX, 18, b"last"),
    ]
}

fn write(disk: &MemDisk, id: u64, shards: &[Shard]) -> Result<SnapshotRef, LogError> {
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Path::new(DIR), RUN, id)?;
    for Shard { shard, number, payload } in shards {
        writer.put(*shard, *number, payload)?;
    }
    writer.finish()
}

fn read(disk: &MemDisk, id: u64) -> Result<Vec<Shard>, LogError> {
    Snapshot::open(disk, Path::new(DIR), RUN, id)?.collect()
}

#[test]
fn a_snapshot_is_read_back_in_the_order_it_was_written() {
    let disk = MemDisk::default();
    assert_eq!(write(&disk, 3, &shards()).unwrap(), SnapshotRef { id: 3, lowest: 12 });
    disk.lose_power();
    assert_eq!(read(&disk, 3).unwrap(), shards());
    let error = write(&disk, 3, &shards()).unwrap_err();
    assert_eq!(error.to_string(), "could not create state/snapshot-0000000003");
    let error = read(&disk, 4).unwrap_err();
    assert!(matches!(&error, LogError::Missing { path: missing } if *missing == path(4)), "{error}");
    let error = Snapshot::open(&disk, Path::new(DIR), RunId(1), 3).unwrap_err();
    assert!(matches!(error, LogError::ForeignRun { found: RUN, .. }), "{error}");
}

#[test]
fn a_snapshot_with_a_byte_missing_or_broken_is_refused() {
    let disk = MemDisk::default();
    let shards: Vec<_> = shards().into_iter().filter(|shard| shard.payload.len() < 100).collect();
    write(&disk, 1, &shards).unwrap();
    let whole = disk.contents()[&path(1)].clone();
    let refused = |contents: Vec<u8>, why: String| {
        let disk = MemDisk::of(&[(path(1), contents)].into());
        let error = read(&disk, 1).expect_err(&why);
        assert!(matches!(error, LogError::Damaged { .. }), "{why}: {error}");
    };
    for at in 0..whole.len() {
        refused(whole[..at].to_vec(), format!("cut at {at}"));
        let mut broken = whole.clone();
        broken[at] ^= 1 << (at % 8);
        refused(broken, format!("flipped at {at}"));
    }
    // Whole blocks in another order, or one less, have good checksums of their own.
    let mut fewer = whole.clone();
    fewer.drain(64..64 + 24 + 5);
    refused(fewer, "the first shard is gone".to_owned());
    let mut swapped = whole[..64].to_vec();
    swapped.extend_from_slice(&whole[93..117]);
    swapped.extend_from_slice(&whole[64..93]);
    swapped.extend_from_slice(&whole[117..]);
    refused(swapped, "shards in another order".to_owned());
}

#[test]
fn only_the_snapshot_that_the_commit_names_stays() {
    let disk = MemDisk::default();
    let mut log = open(&disk, 300).unwrap().log;
    let mut epochs = four_epochs();
    epochs.push(epoch(4, 18, &[1]).with_snapshot(2, 12));
    for id in 1..=3 {
        write(&disk, id, &shards()).unwrap();
    }
    for EpochOf { blocks, commit } in &epochs {
        log.append(blocks, commit).unwrap();
    }
    let there =
        |disk: &MemDisk| -> Vec<bool> { (1..=4).map(|id| disk.contents().contains_key(&path(id))).collect() };
    let writing = SnapshotWriter::create(Arc::new(disk.clone()), Path::new(DIR), RUN, 4).unwrap();
    log.retire_snapshots(Some(4)).unwrap();
    assert_eq!(there(&disk), [false, true, false, true]);
    drop(writing);
    let (_, found) = recover(&disk, 300).unwrap();
    assert_eq!(there(&disk), [false, true, false, false]);
    let named = found.commit.unwrap().snapshot.unwrap();
    assert_eq!((named.id, read(&disk, named.id).unwrap()), (2, shards()));
}

#[test]
fn a_snapshot_without_space_is_given_up() {
    let disk = MemDisk::default();
    disk.leave_space(Some(1 << 20));
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Path::new(DIR), RUN, 1).unwrap();
    let error = writer.put(0, 1, &vec![1; 2 << 20]).unwrap_err();
    assert!(error.may_retry(), "{error}");
    // Half a shard is in the file: nothing may follow it, and nobody may name it.
    disk.leave_space(None);
    assert!(matches!(writer.put(0, 1, b"small").unwrap_err(), LogError::Poisoned { .. }));
    writer.abandon().unwrap();
    assert!(disk.contents().is_empty());
    disk.leave_space(Some(1 << 20));
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Path::new(DIR), RUN, 1).unwrap();
    writer.put(0, 1, &vec![1; 2 << 20]).unwrap_err();
    assert!(matches!(writer.finish().unwrap_err(), LogError::Poisoned { .. }));
    open(&disk, 300).unwrap();
    assert!(disk.contents().is_empty());
}
