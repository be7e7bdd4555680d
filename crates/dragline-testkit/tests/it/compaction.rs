//! Checks that chunks which outlive their segments keep no dead bytes, and are lost by no crash.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::{CommitError, Frontier};
use dragline_disk::Disk;
use dragline_frontier::{Inline, inspect};
use dragline_testkit::disk::{Crash, DiskOp, OpKind, SimDisk};

use crate::compaction_kit::{Crawl, DIR, SEGMENT_BYTES, SLOW_ROUNDS, bytes, files, new_disk, options};

/// More than a chunk has.
const CHUNK_BYTES_MAX: u64 = 100;
/// What may be there beside what lives and the log behind a snapshot: a segment that is not full, at both ends, and what is
/// logged while a snapshot is written.
const SPARE_BYTES: u64 = 4 * SEGMENT_BYTES;
/// A round after which chunks were moved, and others are soon.
const BASE_ROUND: u64 = 22;
/// In the rounds up to here chunks are moved, and small shelf files made one.
const MOVED_ROUND: u64 = 40;

/// Returns a disk whose crawl ended after some rounds, from which any number of lives may go on.
fn disk_after(round: u64) -> SimDisk {
    let mut crawl = Crawl::opened(&new_disk(round));
    assert!(crawl.run_to(round));
    crawl.disk.crash(Crash::Kill, round)
}

/// Whether something was done to a file of which the name begins so.
fn has(ops: &[DiskOp], kind: OpKind, prefix: &str) -> bool {
    let begins =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    ops.iter().any(|op| op.kind == kind && op.ok && begins(&op.path))
}

/// Asserts that the folder holds little more than what lives.
fn is_lean(crawl: &Crawl) {
    let chunks = crawl.frontier.machine().shelved().count() as u64;
    let live = chunks * CHUNK_BYTES_MAX + bytes(&crawl.disk, "snapshot");
    let kept = bytes(&crawl.disk, "log") + bytes(&crawl.disk, "shelf");
    assert!(kept <= 2 * live + SPARE_BYTES, "round {}: {kept} bytes, {live} of them live", crawl.round);
}

#[test]
fn what_is_dead_is_bounded_by_what_lives_however_long_some_hosts_are_not_done() {
    let mut crawl = Crawl::opened(&new_disk(1));
    let mut written = 0;
    for round in 1..=3 * SLOW_ROUNDS {
        if round % 25 == 0 {
            crawl.disk.crash_at(round % 9);
        }
        written += crawl.disk.counts().appended_bytes;
        while !crawl.run_to(round) {
            let crash = if round % 50 == 0 { Crash::PowerLoss } else { Crash::Kill };
            crawl = crawl.reopened(crash, round, round % 7);
        }
        is_lean(&crawl);
    }
    assert!(written > 10 * SPARE_BYTES, "{written} bytes were written");
    assert!(!files(&crawl.disk, "shelf").is_empty(), "chunks are still waiting");
    crawl.finish();
    assert!(crawl.run_to(5 * SLOW_ROUNDS));
    assert_eq!(files(&crawl.disk, "shelf"), Vec::<PathBuf>::new(), "nothing waits any more");
}

#[test]
fn a_crawl_that_dies_at_any_step_of_a_compaction_loses_and_doubles_nothing() {
    let base = disk_after(BASE_ROUND);
    let mut crawl = Crawl::opened(&base.crash(Crash::Kill, 1));
    assert!(crawl.run_to(MOVED_ROUND));
    let (steps, ops) = (crawl.disk.counts().operations, crawl.disk.trace());
    assert!(has(&ops, OpKind::Create, "shelf-") && has(&ops, OpKind::Remove, "shelf-"), "{ops:#?}");
    assert!(has(&ops, OpKind::Remove, "log-"), "{ops:#?}");
    for step in 0..steps {
        for (crash, seed) in [(Crash::Kill, 1), (Crash::PowerLoss, step)] {
            // Shown when the test fails.
            println!("{crash:?} after {step} steps, {seed}");
            let disk = base.crash(Crash::Kill, 1);
            disk.crash_at(step);
            let first = Crawl::open(&disk, options(Arc::new(Inline)));
            let mut crawl = match first {
                Ok(mut crawl) => {
                    crawl.run_to(MOVED_ROUND);
                    crawl
                }
                Err(error) => {
                    assert!(disk.is_dead(), "{error}");
                    Crawl::opened(&base.crash(Crash::Kill, 1))
                }
            };
            crawl = crawl.reopened(crash, seed, step % 5);
            assert!(crawl.round >= BASE_ROUND, "a round that was durable is gone");
            assert!(crawl.run_to(MOVED_ROUND + 10));
            is_lean(&crawl);
            crawl.finish();
        }
    }
}

#[test]
fn a_snapshot_and_its_copies_are_worth_no_failed_commit() {
    let base = disk_after(BASE_ROUND);
    let fresh = || Crawl::opened(&base.crash(Crash::Kill, 1));
    let mut crawl = fresh();
    assert!(crawl.run_to(MOVED_ROUND));
    let mut given_up = 0;
    for step in 0..crawl.disk.counts().operations {
        let mut crawl = fresh();
        crawl.disk.fail_at(step, ErrorKind::StorageFull);
        let mut lacked = 0;
        while crawl.round < MOVED_ROUND {
            crawl.work();
            match crawl.commit() {
                Ok(more) => lacked += more,
                // A sync, or a removal, that fails for want of space is no reason to wait for more.
                Err(error) => {
                    assert!(matches!(error, CommitError::Failed(_)), "{error}");
                    break;
                }
            }
        }
        let failed = crawl.disk.trace().into_iter().find(|op| !op.ok);
        let ours = failed.is_some_and(|op| {
            let path = op.path.to_string_lossy();
            let is_written = matches!(op.kind, OpKind::Create | OpKind::Append);
            is_written && (path.contains("shelf-") || path.contains("snapshot-"))
        });
        if ours {
            given_up += 1;
            assert_eq!((lacked, crawl.round), (0, MOVED_ROUND), "step {step}");
        }
        let mut crawl = crawl.reopened(Crash::PowerLoss, step, step % 5);
        assert!(crawl.run_to(MOVED_ROUND + 10));
        is_lean(&crawl);
        crawl.finish();
    }
    assert!(given_up >= 10, "{given_up}");
}

#[test]
fn a_commit_without_space_holds_none_back() {
    let base = disk_after(BASE_ROUND);
    let mut lacked = 0;
    for free in (0..40_000).step_by(500) {
        let mut crawl = Crawl::opened(&base.crash(Crash::Kill, 1));
        crawl.disk.set_free(Some(free));
        while crawl.round < MOVED_ROUND {
            crawl.work();
            let epoch = crawl.frontier.begin_commit();
            match crawl.commit_once(epoch) {
                Ok(()) => {}
                Err(CommitError::NoSpace(_)) => {
                    lacked += 1;
                    let held = |disk: &SimDisk| [files(disk, "snapshot"), files(disk, "shelf")];
                    let before = held(&crawl.disk);
                    crawl = crawl.reopened(Crash::Kill, free, u64::MAX);
                    assert_eq!(held(&crawl.disk), before, "the last commit needs what is there");
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(crawl.run_to(MOVED_ROUND + 10));
        is_lean(&crawl);
        crawl.finish();
    }
    assert!(lacked > 10, "{lacked}");
}

/// Opens and inspects the disk after a change, and asserts that both refuse it with these words.
fn check_refused(disk: &SimDisk, words: &str) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let refused = inspect(&disk, Path::new(DIR), &options(Arc::new(Inline))).expect_err("it is damaged");
    assert_eq!(refused.to_string(), words);
    let options = options(Arc::new(Inline));
    let refused =
        dragline_frontier::LogFrontier::open(disk, Path::new(DIR), options).expect_err("it is damaged");
    assert_eq!(refused.to_string(), words);
}

const WAYS_OUT: &str = "nothing was changed: bring the file back from a copy, or start over with `--fresh`";

#[test]
fn a_shelf_file_that_is_missing_or_damaged_is_refused_by_name() {
    let base = disk_after(MOVED_ROUND);
    let path = files(&base.crash(Crash::Kill, 1), "shelf").pop().expect("chunks were moved");
    let changed = |change: &dyn Fn(&SimDisk)| {
        let disk = base.crash(Crash::Kill, 1);
        change(&disk);
        disk
    };
    let name = path.display();
    check_refused(
        &changed(&|disk| disk.remove(&path).expect("it is there")),
        &format!("{name} is gone; {WAYS_OUT}"),
    );
    check_refused(
        &changed(&|disk| assert!(disk.flip(&path, 8 * 20))),
        &format!("{name} is damaged at byte 0 (a damaged header); {WAYS_OUT}"),
    );
    let whole = base.crash(Crash::Kill, 1).contents(&path).expect("it is there");
    check_refused(
        &changed(&|disk| disk.put(&path, &whole[..whole.len() - 1])),
        &format!("{name} has {} bytes where {} were made durable; {WAYS_OUT}", whole.len() - 1, whole.len()),
    );
    let other = base.crash(Crash::Kill, 1).contents(&files(&base.crash(Crash::Kill, 1), "shelf")[0]);
    check_refused(
        &changed(&|disk| disk.put(&path, other.clone().expect("it is there"))),
        &format!("{name} is damaged at byte 0 (the header of another file); {WAYS_OUT}"),
    );
}

#[test]
fn a_chunk_that_is_damaged_is_told_of_when_it_is_taken() {
    let disk = disk_after(MOVED_ROUND).crash(Crash::Kill, 1);
    let path = files(&disk, "shelf").pop().expect("chunks were moved");
    assert!(disk.flip(&path, 8 * (64 + 24 + 3)));
    let mut crawl = Crawl::opened(&disk);
    crawl.take_all();
    let fault = crawl.frontier.fault().expect("a chunk cannot be read");
    assert_eq!(
        &*fault,
        format!("{} is damaged at byte 64 (a block with a bad checksum); {WAYS_OUT}", path.display())
    );
}

#[test]
fn whoever_looks_sees_the_chunks_wherever_they_stand() {
    let mut crawl = Crawl::opened(&new_disk(3));
    for round in 1..=MOVED_ROUND {
        assert!(crawl.run_to(round));
        let disk: Arc<dyn Disk> = Arc::new(crawl.disk.clone());
        let before = crawl.disk.counts();
        let seen = inspect(&disk, Path::new(DIR), &options(Arc::new(Inline)));
        let seen = seen.expect("a folder at rest can be read").expect("there is a commit");
        assert_eq!(seen.machine.stats().pending, crawl.frontier.pending());
        assert_eq!(crawl.disk.counts(), before, "who looks changes nothing");
    }
    assert!(!files(&crawl.disk, "shelf").is_empty());
}
