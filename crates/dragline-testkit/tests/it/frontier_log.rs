//! Runs the suite of all frontiers against the durable one, on a disk that crashes.

use std::path::Path;
use std::sync::{Arc, Mutex};

use dragline_core::Wall;
use dragline_core::chance::Chance;
use dragline_core::frontier::{
    self as core_frontier, CommitError, Epoch, Frontier, FrontierStats, Mark, RunId,
};
use dragline_core::invariants;
use dragline_core::rules::CrawlRules;
use dragline_disk::Disk;
use dragline_frontier::history::HistoryOptions;
use dragline_frontier::log::LogOptions;
use dragline_frontier::{Inline, LogFrontier, Mutant, OpenOptions, inspect};
use dragline_testkit::conformance::{KEY_SEED, Recovered, Subject, Trial};
use dragline_testkit::disk::{Crash, SimDisk};

const RUN: RunId = RunId(9);
const DIR: &str = "/state";

/// A frontier whose process and machine die.
struct OnDisk {
    disk: SimDisk,
    frontier: LogFrontier,
    rules: CrawlRules,
    chance: Chance,
    chunk_urls: usize,
    commits: u64,
    begun: Option<(Epoch, u64)>,
    /// The counts then.
    stats: FrontierStats,
    mutant: Option<Mutant>,
    tally: Arc<Mutex<Tally>>,
}

/// What happened in all runs.
#[derive(Debug, Default)]
struct Tally {
    torn: u32,
    power_losses: u32,
    recoveries_killed: u32,
    segments_max: u32,
    snapshots: u32,
    shelves: u32,
}

impl OnDisk {
    fn new(rules: &CrawlRules, base: Wall, seed: u64, tally: &Arc<Mutex<Tally>>) -> Self {
        let mut chance = Chance::new(seed);
        let chunk_urls = 1 + usize::try_from(chance.below(4)).expect("a small number");
        let disk = SimDisk::new(chance.fork());
        disk.create_dir(Path::new(DIR)).expect("a new disk works");
        let (frontier, commit) = open(&disk, rules, base, chunk_urls).expect("a new disk works");
        assert_eq!(commit, 0);
        let (rules, tally) = (rules.clone(), Arc::clone(tally));
        Self {
            disk,
            frontier,
            rules,
            chance,
            chunk_urls,
            commits: 0,
            begun: None,
            stats: FrontierStats::default(),
            mutant: None,
            tally,
        }
    }

    fn mutate(mut self, mutant: Mutant) -> Self {
        self.frontier.mutate(mutant);
        self.mutant = Some(mutant);
        self
    }

    /// Looks at the files as another process would, and compares the history with the counts.
    fn check_history(&self) {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let mut options =
            OpenOptions::new(self.rules.clone(), RUN, KEY_SEED, Wall::default(), Arc::new(Inline));
        options.chunk_urls = self.chunk_urls;
        let seen = inspect(&disk, Path::new(DIR), &options);
        let seen = seen.expect("a folder at rest can be read").expect("there is a commit");
        let entries = seen.history.scan(1).expect("a history can be read").count() as u64;
        let (stats, copy) = (&self.stats, seen.machine.stats());
        let counts = |stats: &FrontierStats| {
            let ended = (stats.done, stats.redirected, stats.failed.clone(), stats.skipped.clone());
            (stats.discovered, stats.pending, ended)
        };
        assert_eq!(counts(&copy), counts(stats), "the copy is the frontier as of the commit");
        assert_eq!(entries, stats.discovered - stats.pending, "each URL that ended did so once");
    }
}

fn mark(number: u64) -> Vec<Mark> {
    vec![Mark { sink: "suite".into(), position: number.to_string().into() }]
}

/// Opens the frontier and returns the number of the commit it goes on from; `None` when the disk died meanwhile.
fn open(disk: &SimDisk, rules: &CrawlRules, base: Wall, chunk_urls: usize) -> Option<(LogFrontier, u64)> {
    let mut options = OpenOptions::new(rules.clone(), RUN, KEY_SEED, base, Arc::new(Inline));
    options.chunk_urls = chunk_urls;
    options.log = LogOptions { segment_bytes: 1_000 };
    options.history = HistoryOptions { segment_bytes: 2_000 };
    options.snapshot_after_bytes = 500;
    options.copied_bytes_max = 200;
    let opened = match LogFrontier::open(Arc::new(disk.clone()), Path::new(DIR), options) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(disk.is_dead(), "{error}");
            return None;
        }
    };
    let mut frontier = opened.frontier;
    if let Some(marks) = opened.marks {
        return Some((frontier, marks[0].position.parse().expect("the suite's mark is a number")));
    }
    let epoch = frontier.begin_commit();
    let result = frontier.commit(epoch, mark(0)).now().unwrap_or_else(|_| panic!("inline"));
    assert!(result.is_ok() || disk.is_dead(), "{result:?}");
    result.is_ok().then_some((frontier, 0))
}

impl Subject for OnDisk {
    fn frontier(&mut self) -> &mut dyn Frontier {
        &mut self.frontier
    }

    fn first_broken(&self) -> Option<&'static str> {
        invariants::first_broken(self.frontier.machine())
    }

    fn begin_commit(&mut self, number: u64) {
        self.begun = Some((self.frontier.begin_commit(), number));
        self.stats = self.frontier.stats();
    }

    fn finish_commit(&mut self) -> bool {
        let (epoch, number) = self.begun.take().expect("a commit was begun");
        if self.chance.below(4) == 0 {
            self.disk.crash_at(self.chance.below(8));
        } else if self.chance.below(6) == 0 {
            self.disk.set_free(Some(self.chance.below(600)));
        }
        loop {
            let result = self.frontier.commit(epoch, mark(number)).now().unwrap_or_else(|_| panic!("inline"));
            match result {
                Ok(_) => break,
                Err(CommitError::NoSpace(_)) if self.disk.free().is_some() => self.disk.set_free(None),
                Err(error) => {
                    assert!(self.disk.is_dead(), "{error}");
                    self.tally.lock().expect("nobody panics with it").torn += 1;
                    return false;
                }
            }
        }
        self.disk.set_free(None);
        if self.disk.is_dead() {
            return false;
        }
        self.commits += 1;
        if self.commits.is_multiple_of(8) {
            self.check_history();
        }
        true
    }

    fn restart(&mut self, at: Wall, seed: u64) -> Option<Recovered> {
        let mut chance = Chance::new(seed);
        loop {
            let crash = if chance.below(2) == 0 { Crash::Kill } else { Crash::PowerLoss };
            self.disk = self.disk.crash(crash, chance.fork());
            let mut tally = self.tally.lock().expect("nobody panics with it");
            tally.power_losses += u32::from(matches!(crash, Crash::PowerLoss));
            if chance.below(3) == 0 {
                self.disk.crash_at(chance.below(10));
            }
            let Some((frontier, commit)) = open(&self.disk, &self.rules, at, self.chunk_urls) else {
                tally.recoveries_killed += 1;
                continue;
            };
            if self.disk.is_dead() {
                tally.recoveries_killed += 1;
                continue;
            }
            let count = |name: &str| {
                let files = self.disk.paths();
                files.iter().filter(|path| path.to_string_lossy().contains(name)).count()
            };
            tally.segments_max = tally.segments_max.max(u32::try_from(count("log-")).expect("few files"));
            tally.snapshots += u32::from(count("snapshot-") > 0);
            tally.shelves += u32::from(count("shelf-") > 0);
            self.frontier = frontier;
            if let Some(mutant) = self.mutant {
                self.frontier.mutate(mutant);
            }
            self.disk.crash_at(u64::MAX);
            return Some(Recovered { commit });
        }
    }
}

#[test]
fn a_durable_frontier_survives_every_crash_of_its_disk() {
    let tally = Arc::default();
    let trial = Trial { seeds: 0..100, steps: 400, commits: 6, deaths: 1 };
    let verdict = trial.run(|rules, base, seed| OnDisk::new(rules, base, seed, &tally));
    let tally = tally.lock().expect("nobody panics with it");
    println!("{verdict:?} {tally:?}");
    assert!(verdict.deaths > 500 && tally.torn > 100 && tally.power_losses > 200, "{verdict:?} {tally:?}");
    assert!(tally.recoveries_killed > 50 && tally.segments_max > 2 && tally.snapshots > 50, "{tally:?}");
    assert!(tally.shelves > 50, "{tally:?}");
}

/// A durable frontier with a fault must not get through; it may fail on a promise, or on an assertion of its own.
fn is_caught(mutant: Mutant) -> bool {
    let trial = Trial { seeds: 0..40, steps: 400, commits: 8, deaths: 2 };
    let run =
        || trial.run(|rules, base, seed| OnDisk::new(rules, base, seed, &Arc::default()).mutate(mutant));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
}

#[test]
fn records_of_the_next_epoch_that_are_logged_early_are_found() {
    assert!(is_caught(Mutant::NextEpochEarly));
}

#[test]
fn a_snapshot_that_is_ahead_of_the_log_is_found() {
    assert!(is_caught(Mutant::SnapshotAhead));
}

#[test]
fn a_snapshot_without_the_urls_in_flight_is_found() {
    assert!(is_caught(Mutant::Machine(core_frontier::Mutant::SnapshotOmitsInFlight)));
}

#[test]
fn a_stale_token_that_is_accepted_is_found() {
    assert!(is_caught(Mutant::Machine(core_frontier::Mutant::StaleTokenAccepted)));
}
