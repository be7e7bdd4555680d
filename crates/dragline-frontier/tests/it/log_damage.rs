//! Checks that whatever a crash can leave is taken back, and whatever it cannot leave is refused.

use dragline_core::frontier::RunId;
use dragline_disk::Disk;
use dragline_frontier::LogError;

use crate::log_kit::{EpochOf, epoch, four_epochs, open, recover, recovers_to, segment, with_file, written};
use crate::mem_disk::MemDisk;

/// Segments of one epoch, of about two, and one segment for everything.
const SEGMENT_BYTES: [u64; 3] = [1, 300, 1 << 20];

/// Returns where each epoch ends: the segment and the length that it had then.
fn ends(epochs: &[EpochOf], segment_bytes: u64) -> Vec<(u32, usize)> {
    let disk = MemDisk::default();
    let mut log = open(&disk, segment_bytes).expect("a first start").log;
    let mut ends = Vec::new();
    for EpochOf { blocks, commit } in epochs {
        log.append(blocks, commit).expect("there is space");
        let current = log.segments().last().expect("something was written");
        ends.push((current.index, usize::try_from(current.bytes).expect("a small log")));
    }
    ends
}

/// Asserts that a disk is refused as damaged, and left as it is.
fn is_refused(disk: &MemDisk, segment_bytes: u64, why: &str) {
    let before = (disk.contents(), disk.changes());
    match recover(disk, segment_bytes) {
        Err(error @ LogError::Damaged { .. }) => {
            assert!(error.to_string().contains("nothing was changed"), "{error}");
        }
        other => unreachable!("{why}: {:?}", other.map(|(_, found)| found)),
    }
    assert_eq!((disk.contents(), disk.changes()), before, "{why}");
}

#[test]
fn an_epoch_torn_anywhere_is_cut_off_and_written_again() {
    for segment_bytes in SEGMENT_BYTES {
        let epochs = four_epochs();
        let ends = ends(&epochs, segment_bytes);
        let files = written(&epochs, segment_bytes).contents();
        let (last, (before, from)) = (ends[3], ends[2]);
        let from = if before == last.0 { from } else { 0 };
        let whole = &files[&segment(last.0)];
        assert_eq!(whole.len(), last.1);
        for cut in from..whole.len() {
            let disk = MemDisk::of(&with_file(&files, &segment(last.0), whole[..cut].to_vec()));
            recovers_to(&disk, segment_bytes, 3, &epochs);
            // A file that is long enough, and has not all of its content.
            let mut zeros = whole.clone();
            zeros[cut..].fill(0);
            let disk = MemDisk::of(&with_file(&files, &segment(last.0), zeros));
            recovers_to(
                &disk,
                segment_bytes,
                if whole[cut..].iter().all(|byte| *byte == 0) { 4 } else { 3 },
                &epochs,
            );
        }
    }
}

#[test]
fn a_start_says_how_much_it_cut_off() {
    let epochs = four_epochs();
    for segment_bytes in SEGMENT_BYTES {
        let ends = ends(&epochs, segment_bytes);
        let mut files = written(&epochs, segment_bytes).contents();
        let last = files.get_mut(&segment(ends[3].0)).unwrap();
        last.pop();
        let before = if ends[2].0 == ends[3].0 { ends[2].1 } else { 0 };
        let cut = (last.len() - before) as u64;
        let disk = MemDisk::of(&files);
        assert_eq!(open(&disk, segment_bytes).unwrap().cut_bytes, cut);
        assert_eq!(open(&disk, segment_bytes).unwrap().cut_bytes, 0);
    }
}

#[test]
fn a_broken_bit_is_torn_in_the_last_epoch_and_damage_before() {
    for segment_bytes in SEGMENT_BYTES {
        let epochs = four_epochs();
        let ends = ends(&epochs, segment_bytes);
        let files = written(&epochs, segment_bytes).contents();
        for (number, path) in (1..=ends[3].0).map(|number| (number, segment(number))) {
            for at in 0..files[&path].len() {
                let mut broken = files[&path].clone();
                broken[at] ^= 1 << (at % 8);
                let disk = MemDisk::of(&with_file(&files, &path, broken));
                let in_last = number == ends[3].0 && (ends[2].0 < number || at >= ends[2].1);
                if in_last {
                    recovers_to(&disk, segment_bytes, 3, &epochs);
                } else {
                    is_refused(&disk, segment_bytes, &format!("byte {at} of segment {number}"));
                }
            }
        }
    }
}

#[test]
fn a_hole_in_the_last_epoch_is_torn_with_its_commit_behind() {
    let epochs = four_epochs();
    let ends = ends(&epochs, 1 << 20);
    let files = written(&epochs, 1 << 20).contents();
    let whole = &files[&segment(1)];
    // The first block of epoch 3 never reached the disk, its second block and its Commit did.
    let mut hole = whole.clone();
    hole[ends[2].1..ends[2].1 + 40].fill(0);
    recovers_to(&MemDisk::of(&with_file(&files, &segment(1), hole)), 1 << 20, 3, &epochs);
    // The same two epochs earlier is no crash.
    let mut hole = whole.clone();
    hole[ends[0].1..ends[0].1 + 40].fill(0);
    is_refused(&MemDisk::of(&with_file(&files, &segment(1), hole)), 1 << 20, "a hole in epoch 1");
}

#[test]
fn a_torn_commit_that_names_a_newer_snapshot_leaves_the_records_of_the_older_one() {
    let mut epochs = four_epochs();
    epochs[3] = epochs[3].clone().with_snapshot(1, 4);
    epochs.push(epoch(4, 18, &[2]).with_snapshot(2, 18));
    let mut files = written(&epochs, 1).contents();
    // The block is lost and the Commit is there.
    files.get_mut(&segment(5)).unwrap()[64..100].fill(0);
    let (_, found) = recover(&MemDisk::of(&files), 1).unwrap();
    assert_eq!(found.commit.as_ref(), Some(&epochs[3].commit));
    assert_eq!(found.blocks.iter().map(|(_, block)| block.first).collect::<Vec<_>>(), [5, 7, 12]);
}

#[test]
fn a_lost_segment_is_damage_unless_only_the_last_epoch_was_in_it() {
    let epochs = four_epochs();
    let files = written(&epochs, 1).contents();
    for lost in 1..=4 {
        let mut files = files.clone();
        files.remove(&segment(lost)).unwrap();
        let disk = MemDisk::of(&files);
        match lost {
            // With a name that was never synced only the last epoch can go.
            4 => recovers_to(&disk, 1, 3, &epochs),
            // Its epoch had no records: nothing is missing.
            1 => assert_eq!(recover(&disk, 1).unwrap().1.commit, Some(epochs[3].commit.clone())),
            _ => is_refused(&disk, 1, &format!("segment {lost} is gone")),
        }
    }
}

#[test]
fn a_log_whose_beginning_is_gone_is_no_first_start() {
    let files = written(&[epoch(0, 0, &[2]), epoch(1, 2, &[2])], 1).contents();
    let only = |number: u32| MemDisk::of(&[(segment(number), files[&segment(number)].clone())].into());
    is_refused(&only(2), 1, "segment 1 is gone");
    // Not even when no Commit is left to prove it.
    let cut = files[&segment(2)][..80].to_vec();
    is_refused(&MemDisk::of(&[(segment(2), cut)].into()), 1, "segment 1 is gone, 2 is torn");
}

#[test]
fn a_torn_first_commit_is_a_first_start() {
    let first = epoch(0, 0, &[2]);
    let files = written(std::slice::from_ref(&first), 1).contents();
    let whole = &files[&segment(1)];
    for cut in 0..whole.len() {
        let disk = MemDisk::of(&with_file(&files, &segment(1), whole[..cut].to_vec()));
        recovers_to(&disk, 1, 0, std::slice::from_ref(&first));
    }
}

#[test]
fn recovery_killed_anywhere_is_run_again() {
    let epochs = four_epochs();
    let mut all = epochs;
    all.push(epoch(4, 18, &[4]));
    for segment_bytes in SEGMENT_BYTES {
        // The fifth epoch is torn; a snapshot that nobody names is there too.
        let mut files = written(&all, segment_bytes).contents();
        let last = files.keys().next_back().unwrap().clone();
        let torn = files[&last].len() - 30;
        files.get_mut(&last).unwrap().truncate(torn);
        files.insert("state/snapshot-0000000009".into(), b"half".to_vec());
        let mut steps = 0;
        loop {
            let disk = MemDisk::of(&files);
            disk.die_after(Some(steps));
            let died = open(&disk, segment_bytes).is_err();
            disk.die_after(None);
            if steps % 2 == 0 {
                disk.lose_power();
            }
            recovers_to(&disk, segment_bytes, 4, &all);
            assert_eq!(
                disk.contents().keys().filter(|path| path.to_str().unwrap().contains("snapshot")).count(),
                0
            );
            if !died {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 3, "cut or remove, sync, sync the folder");
    }
}

#[test]
fn recovery_makes_durable_what_only_the_cache_held() {
    // The process was killed between the last write and its sync: everything is to be seen and nothing is durable.
    let epochs = four_epochs();
    for segment_bytes in SEGMENT_BYTES {
        let disk = written(&epochs[..3], segment_bytes);
        let (mut log, _) = recover(&disk, segment_bytes).unwrap();
        disk.fail_syncs_after(Some(0));
        log.append(&epochs[3].blocks, &epochs[3].commit).unwrap_err();
        disk.fail_syncs_after(None);
        let unsynced = written(&epochs, segment_bytes).contents();
        for (path, contents) in &unsynced {
            let there = disk.contents().get(path).map_or(0, Vec::len);
            if there < contents.len() {
                let open = if there == 0 { dragline_disk::Open::New } else { dragline_disk::Open::Append };
                disk.open(path, open).unwrap().append(&contents[there..]).unwrap();
            }
        }
        let (_, found) = recover(&disk, segment_bytes).unwrap();
        assert_eq!(found.blocks.len(), 5);
        disk.lose_power();
        recovers_to(&disk, segment_bytes, 4, &epochs);
    }
}

#[test]
fn a_log_of_another_run_or_a_newer_version_is_refused() {
    let disk = written(&four_epochs(), 300);
    let before = (disk.contents(), disk.changes());
    let options = dragline_frontier::log::LogOptions::default();
    let open_as = |run: u64| {
        let disk = std::sync::Arc::new(disk.clone());
        let dir = std::path::Path::new(crate::log_kit::DIR);
        dragline_frontier::log::Log::open(disk, dir, RunId(run), options).unwrap_err().to_string()
    };
    assert_eq!(
        open_as(1),
        "state/log-0000000001 belongs to another run (0000000000005eed); nothing was changed: bring the file back from \
         a copy, or start over with `--fresh`"
    );
    assert_eq!((disk.contents(), disk.changes()), before);
    let files = disk.contents();
    let mut newer = files[&segment(2)].clone();
    newer[20] = 9;
    let crc = crc32c::crc32c(&newer[..60]);
    newer[60..64].copy_from_slice(&crc.to_le_bytes());
    let error = recover(&MemDisk::of(&with_file(&files, &segment(2), newer)), 300).unwrap_err();
    assert_eq!(
        error.to_string(),
        "state/log-0000000002 was written by a newer version of Dragline (format 9): use that version, or start over \
         with `--fresh`"
    );
}

#[test]
fn a_block_that_broke_is_named_with_its_file_and_place() {
    let epochs = four_epochs();
    let disk = written(&epochs, 1 << 20);
    let (_, found) = recover(&disk, 1 << 20).unwrap();
    let (log, _) = recover(&disk, 1 << 20).unwrap();
    let place = found.blocks[1].0;
    let mut file = disk.open(&segment(1), dragline_disk::Open::Append).unwrap();
    let mut contents = disk.contents()[&segment(1)].clone();
    contents[usize::try_from(place.offset).unwrap() + 30] ^= 1;
    file.cut(0).unwrap();
    file.append(&contents).unwrap();
    let error = log.read(place).unwrap_err();
    assert!(
        matches!(&error, LogError::Damaged { path, offset, .. } if *path == segment(1) && *offset == place.offset)
    );
    assert!(log.read(found.blocks[0].0).is_ok());
}
