//! Kills a sink, or the machine, at every operation of its life, and again while it recovers.

use std::sync::Arc;

use dragline_core::frontier::Epoch;
use dragline_sink::Sink;
use fastrand::Rng;

use crate::disk::{Fault, TestDisk};
use crate::kit::{FILE_BYTES_MAX, Log, RUN, STYLES, Style, check_end, items_in, new_disk, record};

/// Power losses that are drawn for each operation.
const LOSSES: u64 = 4;
/// What a crash leaves of the disk.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// The process alone dies, in an operation or behind it.
    Kill(fn(u64) -> Fault),
    /// The machine stops in an operation; the seed says what survives.
    PowerLoss(u64),
}

const KILLS: [Crash; 2] = [Crash::Kill(Fault::DiesIn), Crash::Kill(Fault::DiesBehind)];

/// Runs until the operation at which the process dies, and returns what is left; `None` when it is not reached.
fn die(style: Style, disk: &TestDisk, log: &Log, at: u64, crash: Crash) -> Option<(TestDisk, Log)> {
    let (disk, mut log) = (disk.copy(), log.clone());
    disk.set_fault(match crash {
        Crash::Kill(dies) => dies(at),
        Crash::PowerLoss(seed) if seed % 2 == 0 => Fault::DiesIn(at),
        Crash::PowerLoss(_) => Fault::DiesBehind(at),
    });
    let mut sink = style.sink(Arc::new(disk.clone()));
    let ended = log.run(&mut sink);
    if ended.is_ok() && disk.operations() <= at {
        return None;
    }
    let disk = disk.copy();
    if let Crash::PowerLoss(seed) = crash {
        disk.lose_power(&mut Rng::with_seed(seed));
    }
    Some((disk, log))
}

/// Returns every style with a disk; those with numbered files also with one on which files cannot grow.
fn beds() -> impl Iterator<Item = (Style, TestDisk)> {
    let limited = STYLES.into_iter().filter(|style| style.is_numbered() && !style.csv).map(|style| {
        let disk = new_disk();
        disk.set_file_bytes_max(FILE_BYTES_MAX);
        (style, disk)
    });
    STYLES.into_iter().map(|style| (style, new_disk())).chain(limited)
}

/// Recovers and checks that exactly the durable items are there, whole, once and in order; then runs to the end.
fn check_recovery(style: Style, disk: &TestDisk, log: &Log, story: &str) {
    let (disk, mut log) = (disk.copy(), log.clone());
    let expected = log.items();
    let mut sink = style.sink(Arc::new(disk.clone()));
    log.start(&mut sink).unwrap_or_else(|error| panic!("{story}: {error}"));
    assert_eq!(items_in(&disk.contents()), expected, "{story}: after the rewind");
    assert_eq!(sink.rows(), expected.len() as u64, "{story}");
    log.go_on(&mut sink).unwrap_or_else(|error| panic!("{story}: {error}"));
    check_end(&disk, story);
}

#[test]
fn a_crash_at_any_operation_leaves_what_the_last_commit_says() {
    for (style, disk) in beds() {
        let crashes = (0..LOSSES).map(Crash::PowerLoss).chain(KILLS);
        for crash in crashes {
            for at in 0.. {
                let Some((disk, log)) = die(style, &disk, &Log::default(), at, crash) else { break };
                check_recovery(style, &disk, &log, &format!("{style:?}, {crash:?} at {at}"));
            }
        }
    }
}

#[test]
fn a_second_crash_at_any_operation_of_the_recovery_changes_nothing() {
    for (style, disk) in beds() {
        for (first, second) in [
            (KILLS[1], KILLS[0]),
            (KILLS[0], Crash::PowerLoss(7)),
            (Crash::PowerLoss(8), Crash::PowerLoss(10)),
        ] {
            for at in 0.. {
                let Some((disk, log)) = die(style, &disk, &Log::default(), at, first) else { break };
                for again in 0..operations_of_start(style, &disk, &log) {
                    let story = format!("{style:?}, {first:?} at {at}, then {second:?} at {again}");
                    let left = die(style, &disk, &log, again, second);
                    let (disk, log) = left.unwrap_or_else(|| panic!("{story}: it did not come so far"));
                    check_recovery(style, &disk, &log, &story);
                }
            }
        }
    }
}

#[test]
fn a_file_that_reached_a_limit_within_one_commit_is_durable_with_it() {
    let disk = TestDisk::default();
    disk.set_file_bytes_max(200_000);
    let sink = || STYLES[6].sink(Arc::new(disk.clone()));
    let mut first = sink();
    first.begin(RUN).unwrap();
    let records: Vec<_> = (0..5_000).map(record).collect();
    records.chunks(500).for_each(|chunk| first.write(chunk).expect("another file takes them"));
    let mark = first.flush(Epoch(1)).unwrap();
    assert!(mark.position.contains(r#""sealed":[{"number":1,"#), "{}", mark.position);
    for seed in 0..LOSSES {
        let disk = disk.copy();
        disk.lose_power(&mut Rng::with_seed(seed));
        STYLES[6].sink(Arc::new(disk.clone())).rewind(RUN, &mark).unwrap();
        assert_eq!(items_in(&disk.contents()), (0..5_000).collect::<Vec<u32>>());
    }
}

fn operations_of_start(style: Style, disk: &TestDisk, log: &Log) -> u64 {
    let (disk, mut log) = (disk.copy(), log.clone());
    let started = log.start(&mut style.sink(Arc::new(disk.clone())));
    started.expect("a disk without faults");
    disk.operations()
}
