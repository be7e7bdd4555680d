//! Checks what a log does when the disk is full, a file is, or a sync fails.

use std::io::ErrorKind;

use dragline_frontier::LogError;

use crate::log_kit::{EpochOf, epoch, four_epochs, holds, open, recover, recovers_to, segment, written};
use crate::mem_disk::MemDisk;

#[test]
fn without_space_nothing_of_an_epoch_stays_and_it_is_written_later() {
    for segment_bytes in [1, 300, 1 << 20] {
        let epochs = four_epochs();
        let mut space = 0;
        loop {
            let disk = written(&epochs[..3], segment_bytes);
            let before = disk.contents();
            let (mut log, _) = recover(&disk, segment_bytes).unwrap();
            let EpochOf { blocks, commit } = &epochs[3];
            disk.leave_space(Some(space));
            let Err(error) = log.append(blocks, commit) else { break };
            assert!(matches!(error, LogError::NoSpace { .. }), "{error}");
            assert!(error.may_retry());
            assert_eq!(disk.contents(), before, "it was taken back");
            assert!(log.append(blocks, commit).is_err(), "there is still none");
            disk.leave_space(None);
            let places = log.append(blocks, commit).unwrap();
            assert!(places.iter().zip(blocks).all(|(place, block)| log.read(*place).unwrap() == *block));
            disk.lose_power();
            holds(&recover(&disk, segment_bytes).unwrap().1, &epochs);
            space += 1;
        }
        assert!(space > 150, "the epoch has more bytes than {space}");
    }
}

#[test]
fn a_crash_after_space_ran_out_is_like_any_other() {
    let epochs = four_epochs();
    for space in [0, 10, 100] {
        let disk = written(&epochs[..3], 300);
        let (mut log, _) = recover(&disk, 300).unwrap();
        disk.leave_space(Some(space));
        log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
        disk.leave_space(None);
        disk.lose_power();
        recovers_to(&disk, 300, 3, &epochs);
    }
}

#[test]
fn a_full_file_is_followed_by_another_segment() {
    let epochs = four_epochs();
    let disk = written(&epochs[..3], 1 << 20);
    let (mut log, _) = recover(&disk, 1 << 20).unwrap();
    let full = disk.contents()[&segment(1)].len() as u64;
    disk.limit_files(Some(full + 20));
    log.append(&epochs[3].blocks, &epochs[3].commit).unwrap();
    assert_eq!(log.segments().iter().map(|segment| segment.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(disk.contents()[&segment(1)].len() as u64, full, "it was taken back");
    // That is durable: else what was cut would be damage two epochs later.
    let mut all = epochs.clone();
    all.extend([epoch(4, 18, &[1]), epoch(5, 19, &[1])]);
    for EpochOf { blocks, commit } in &all[4..] {
        log.append(blocks, commit).unwrap();
    }
    disk.lose_power();
    disk.limit_files(None);
    recovers_to(&disk, 1 << 20, 6, &all);
}

#[test]
fn an_epoch_too_large_for_any_file_is_refused_and_taken_back() {
    let epochs = four_epochs();
    let disk = written(&epochs[..3], 1 << 20);
    let before = disk.contents();
    let (mut log, _) = recover(&disk, 1 << 20).unwrap();
    disk.limit_files(Some(100));
    let error = log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
    assert!(matches!(&error, LogError::FileTooLarge { path, .. } if *path == segment(2)), "{error}");
    assert_eq!(disk.contents(), before);
    disk.limit_files(None);
    recovers_to(&disk, 1 << 20, 3, &epochs);
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    for segment_bytes in [1, 1 << 20] {
        // The file, and where a segment is begun the folder too.
        for syncs in 0..=u64::from(segment_bytes == 1) {
            let epochs = four_epochs();
            let disk = written(&epochs[..3], segment_bytes);
            let (mut log, _) = recover(&disk, segment_bytes).unwrap();
            disk.fail_syncs_after(Some(syncs));
            let error = log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
            assert!(matches!(error, LogError::Sync { .. }), "{error}");
            disk.fail_syncs_after(None);
            let changes = disk.changes();
            let error = log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
            assert!(matches!(error, LogError::Poisoned { .. }), "{error}");
            assert!(log.retire_snapshots(None).is_err() && log.retire(0, &[].into()).is_err());
            assert_eq!(disk.changes(), changes);
            recovers_to(&disk, segment_bytes, 3, &epochs);
        }
    }
}

#[test]
fn what_cannot_be_taken_back_poisons() {
    let epochs = four_epochs();
    for segment_bytes in [1, 1 << 20] {
        let disk = written(&epochs[..3], segment_bytes);
        let (mut log, _) = recover(&disk, segment_bytes).unwrap();
        disk.leave_space(Some(50));
        // Creating a segment is one change more.
        disk.die_after(Some(1 + u64::from(segment_bytes == 1)));
        let error = log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
        assert!(matches!(error, LogError::Sync { .. }), "{error}");
        disk.die_after(None);
        disk.leave_space(None);
        let error = log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
        assert!(matches!(error, LogError::Poisoned { .. }), "{error}");
        recovers_to(&disk, segment_bytes, 3, &epochs);
    }
}

#[test]
fn a_first_start_without_space_is_tried_again() {
    let disk = MemDisk::default();
    let first = epoch(0, 0, &[1]);
    let mut log = open(&disk, 300).unwrap().log;
    disk.leave_space(Some(10));
    let error = log.append(&first.blocks, &first.commit).unwrap_err();
    assert!(error.may_retry());
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), ErrorKind::StorageFull);
    assert!(disk.contents().is_empty());
    disk.leave_space(None);
    log.append(&first.blocks, &first.commit).unwrap();
    recovers_to(&disk, 300, 1, &[first]);
}
