//! Checks what a history does when it is killed, the disk is full, a file is, or a sync fails.

use dragline_frontier::LogError;
use dragline_frontier::history::HistoryMark;

use crate::history::{all, entries, holds, open, segment, written};
use crate::mem_disk::MemDisk;

/// Returns a disk with four flushes, whose next one begins a segment, and one with five, whose next one does not.
fn cases() -> [(MemDisk, HistoryMark, u64); 2] {
    [4, 5].map(|flushes| {
        let (disk, marks) = written(flushes);
        (disk, *marks.last().expect("there is a mark for none"), flushes)
    })
}

#[test]
fn one_case_begins_a_segment_and_the_other_does_not() {
    let begins = cases().map(|(disk, mark, flushes)| {
        let mut history = open(&disk, Some(mark)).unwrap();
        history.append(entries(flushes)).unwrap();
        history.flush().unwrap().segment > mark.segment
    });
    assert_eq!(begins, [true, false]);
}

#[test]
fn a_rewind_killed_anywhere_is_run_again() {
    for kept in 0..=6 {
        let (full, marks) = written(6);
        let mut steps = 0;
        loop {
            let disk = MemDisk::of(&full.contents());
            disk.die_after(Some(steps));
            let died = open(&disk, Some(marks[kept])).is_err();
            disk.die_after(None);
            if steps % 2 == 0 {
                disk.lose_power();
            }
            holds(&open(&disk, Some(marks[kept])).unwrap(), kept as u64);
            if !died {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 2, "sync, sync the folder");
    }
}

#[test]
fn a_flush_killed_anywhere_leaves_what_its_mark_needs() {
    for (full, mark, flushes) in cases() {
        let mut steps = 0;
        loop {
            let disk = MemDisk::of(&full.contents());
            let mut history = open(&disk, Some(mark)).unwrap();
            history.append(entries(flushes)).unwrap();
            disk.die_after(Some(steps));
            let died = history.flush().is_err();
            disk.die_after(None);
            if steps % 2 == 0 {
                disk.lose_power();
            }
            holds(&open(&disk, Some(mark)).unwrap(), flushes);
            if !died {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 2, "write, sync");
    }
}

#[test]
fn without_space_entries_are_kept_and_flushed_later() {
    for (full, mark, flushes) in cases() {
        let mut space = 0;
        loop {
            let disk = MemDisk::of(&full.contents());
            let mut history = open(&disk, Some(mark)).unwrap();
            let before = disk.contents();
            history.append(entries(flushes)).unwrap();
            disk.leave_space(Some(space));
            let Err(error) = history.flush() else { break };
            assert!(error.may_retry(), "{error}");
            assert_eq!((disk.contents(), history.mark()), (before, mark));
            holds(&history, flushes);
            disk.leave_space(None);
            history.append(entries(flushes + 1)).unwrap();
            let mark = history.flush().unwrap();
            disk.lose_power();
            holds(&open(&disk, Some(mark)).unwrap(), flushes + 2);
            space += 1;
        }
        assert!(space > 60, "a header and a block");
    }
}

#[test]
fn a_full_file_is_followed_by_another_segment() {
    let (disk, marks) = written(1);
    let mut history = open(&disk, Some(marks[1])).unwrap();
    disk.limit_files(Some(marks[1].bytes - 10));
    history.append(entries(1)).unwrap();
    let error = history.flush().unwrap_err();
    assert!(matches!(&error, LogError::FileTooLarge { path, .. } if *path == segment(2)), "{error}");
    disk.limit_files(Some(marks[1].bytes + 10));
    let mark = history.flush().unwrap();
    assert_eq!(mark.segment, 2);
    disk.limit_files(None);
    disk.lose_power();
    holds(&open(&disk, Some(mark)).unwrap(), 2);
}

#[test]
fn after_a_failed_sync_nothing_is_written_any_more() {
    for (disk, mark, flushes) in cases() {
        let mut history = open(&disk, Some(mark)).unwrap();
        history.append(entries(flushes)).unwrap();
        disk.fail_syncs_after(Some(0));
        assert!(matches!(history.flush().unwrap_err(), LogError::Sync { .. }));
        disk.fail_syncs_after(None);
        assert!(matches!(history.flush().unwrap_err(), LogError::Poisoned { .. }));
        holds(&open(&disk, Some(mark)).unwrap(), flushes);
    }
}

#[test]
fn an_entry_that_could_not_be_read_back_is_refused_with_all_that_came_with_it() {
    let (disk, marks) = written(1);
    let mut history = open(&disk, Some(marks[1])).unwrap();
    let error = history.append(vec![(1, b"small".to_vec()), (2, vec![0; 64 << 20])]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a history entry of 67108864 bytes is larger than 67108852; nothing was written"
    );
    assert_eq!((history.pending_bytes(), history.flush().unwrap()), (0, marks[1]));
    history.append(vec![(2, vec![5; (64 << 20) - 12])]).unwrap();
    history.flush().unwrap();
    assert_eq!(history.find(2).unwrap()[0].payload.len(), (64 << 20) - 12);
    assert_eq!(history.scan(1).unwrap().take(3).map(Result::unwrap).collect::<Vec<_>>(), all(1));
}
