//! Runs whole simulated crawls: two hundred seeds hold, each is the same twice, and every mutant is caught.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_testkit::Simulation;
use dragline_testkit::simulator::{Faults, Mutant, Outcome};

/// Seeds that must hold.
const SEEDS: u64 = 200;

/// Seeds within which a mutant must be caught.
const MUTANT_SEEDS: u64 = 25;

/// Makes the small world of a seed: 5 to 20 hosts, 100 to 400 pages.
fn simulation(seed: u64) -> Simulation {
    let size = usize::try_from(seed % 16).expect("a small number");
    Simulation::new(seed, 5 + size, 100 + 20 * size)
}

fn problems_of(simulation: &Simulation, outcome: &Outcome) -> Option<String> {
    let told = || format!("{}\n  {outcome}\n  {}", simulation.command(), outcome.problems.join("\n  "));
    (!outcome.problems.is_empty()).then(told)
}

#[test]
fn two_hundred_seeds_hold() {
    let mut problems = Vec::new();
    let (mut lives, mut done) = (0, 0);
    let mut ends = BTreeMap::new();
    for simulation in (0..SEEDS).map(simulation) {
        let outcome = simulation.run();
        lives += outcome.counts.lives;
        done += outcome.counts.done;
        *ends.entry(outcome.ended).or_insert(0) += 1;
        problems.extend(problems_of(&simulation, &outcome));
    }
    assert!(problems.is_empty(), "{} of {SEEDS} seeds do not hold:\n{}", problems.len(), problems.join("\n"));
    assert!(lives > SEEDS + 20 && done > 100 * SEEDS, "{lives} lives, {done} pages done");
    assert_eq!(ends.keys().copied().collect::<Vec<_>>(), ["drained", "failed", "finished", "stopped"]);
}

#[test]
fn seeds_that_once_did_not_hold_do() {
    for (seed, hosts, pages) in [
        (85, 10, 200),      // a file whose name was never made durable
        (101_901, 12, 240), // records that a mark knew of before their commit, when space ran out
        (101_994, 12, 240), // a redirect that led on at a depth which its own record did not say
    ] {
        // They were found when disks took no time.
        let disk_latency = Some(Duration::ZERO);
        let simulation = Simulation { disk_latency, ..Simulation::new(seed, hosts, pages) };
        assert_eq!(problems_of(&simulation, &simulation.run()), None);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut hashes = BTreeSet::new();
    for simulation in (0..20).map(simulation) {
        let (first, second) = (simulation.run(), simulation.run());
        assert_eq!(
            (first.trace_hash, first.virtual_time),
            (second.trace_hash, second.virtual_time),
            "{}",
            simulation.command()
        );
        hashes.insert(first.trace_hash);
    }
    assert_eq!(hashes.len(), 20, "another seed does something else");
}

#[test]
fn a_world_without_faults_is_crawled_whole() {
    let simulation = Simulation { faults: Faults::None, ..simulation(3) };
    let outcome = simulation.run();
    assert_eq!(problems_of(&simulation, &outcome), None);
    assert_eq!((outcome.counts.pending, outcome.counts.lives), (0, 1));
}

#[test]
fn every_mutant_is_caught_by_the_check_that_is_there_for_it() {
    let check = |mutant: Mutant, by: &str| {
        let caught = (0..MUTANT_SEEDS).any(|seed| {
            let outcome = Simulation { mutant: Some(mutant), ..simulation(seed) }.run();
            outcome.problems.iter().any(|problem| problem.starts_with(&format!("{by}: ")))
        });
        assert!(caught, "{mutant:?} is not caught by {by} within {MUTANT_SEEDS} seeds");
    };
    let check_crashed = |mutant: Mutant| {
        let caught = (0..MUTANT_SEEDS).any(|seed| {
            let outcome = Simulation { mutant: Some(mutant), ..simulation(seed) }.run();
            !outcome.problems.is_empty()
        });
        assert!(caught, "{mutant:?} is not caught within {MUTANT_SEEDS} seeds");
    };
    check_crashed(Mutant::FlushOvertakes);
    check_crashed(Mutant::RenameEarly);
    check_crashed(Mutant::SnapshotAhead);
    check_crashed(Mutant::SnapshotOmitsInFlight);
    check_crashed(Mutant::RecordsEarly);
    check(Mutant::MarkBeforeSync, "durable");
    check(Mutant::RecordLost, "output");
    check(Mutant::RecordDoubled, "once");
    check(Mutant::ItemsEarly, "items");
    check(Mutant::StaleAnswerTaken, "items");
    check(Mutant::LinkLost, "walk");
    check(Mutant::LinkLost, "links");
    check(Mutant::ShortGap, "gap");
    check(Mutant::ExtraSlot, "slots");
    check(Mutant::RobotsIgnored, "robots");
    check(Mutant::RestartsUnbounded, "restarts");
    check(Mutant::FetchUnending, "end");
}
