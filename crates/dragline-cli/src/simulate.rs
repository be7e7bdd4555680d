//! Crawls simulated webs, tells which seeds do not hold, and how long a web of that size would take.

use std::time::Duration;

use dragline::core::report::{grouped, short_duration};
use dragline_testkit::Simulation;
use dragline_testkit::simulator::{Faults, Mutant, Outcome};

use crate::args::{SimulateArgs, WhichFaults};
use crate::exit::{Exit, Fault};
use crate::output;

const SECS_PER_DAY: f64 = 86_400.0;

const KIB: f64 = 1_024.0;

/// URLs from which on memory tells more of them than of empty tables.
const URLS_FOR_MEMORY_MIN: u64 = 5_000;

/// Runs `dragline simulate`.
pub(crate) fn run(args: &SimulateArgs) -> Result<Exit, Fault> {
    simulate(args, None, &mut |line| output::data(line))
}

/// Runs every simulation, with a promise broken on purpose or without, and tells of each as it ends.
fn simulate(
    args: &SimulateArgs,
    mutant: Option<Mutant>,
    tell: &mut impl FnMut(&str) -> Result<(), Fault>,
) -> Result<Exit, Fault> {
    let simulation = |seed| Simulation { mutant, ..simulation(args, seed) };
    let plan = Simulation { faults: Faults::None, ..simulation(args.seed_from) };
    let planned = plan.run();
    let mut broken = u64::from(!holds(&plan, &planned, args, tell)?);
    tell(&plan_of(args, &planned))?;
    let (mut urls, mut lives, mut time) = (0, 0, Duration::ZERO);
    for seed in (0..args.seeds).map(|more| args.seed_from.saturating_add(more)) {
        let simulation = simulation(seed);
        let outcome = simulation.run();
        broken += u64::from(!holds(&simulation, &outcome, args, tell)?);
        urls += outcome.counts.discovered;
        lives += outcome.counts.lives;
        time += outcome.virtual_time;
    }
    if args.seeds > 0 {
        let seeds = output::counted(args.seeds, "seed");
        let done = format!(
            "{} in {} lives and {}",
            output::counted(urls, "URL"),
            grouped(lives),
            short_duration(time)
        );
        tell(&match broken {
            0 => format!("{seeds} held: {done}"),
            broken => format!("{} did not hold, of {seeds}: {done}", output::counted(broken, "crawl")),
        })?;
    }
    Ok(if broken == 0 { Exit::Done } else { Exit::Internal })
}

fn simulation(args: &SimulateArgs, seed: u64) -> Simulation {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Simulation {
        delay: args.delay.map(|delay| delay.0),
        faults: match args.faults {
            WhichFaults::Drawn => Faults::Drawn,
            WhichFaults::None => Faults::None,
        },
        ..Simulation::new(seed, count(args.hosts), count(args.pages))
    }
}

/// Tells of a seed that does not hold in one line, and of everything about it when it is the only one; returns whether
/// it holds.
fn holds(
    simulation: &Simulation,
    outcome: &Outcome,
    args: &SimulateArgs,
    tell: &mut impl FnMut(&str) -> Result<(), Fault>,
) -> Result<bool, Fault> {
    let Some(first) = outcome.problems.first() else { return Ok(true) };
    let more = match outcome.problems.len() {
        1 => String::new(),
        problems => format!(" (and {} more)", problems - 1),
    };
    tell(&format!("seed {} does not hold: {first}{more}; again: {}", simulation.seed, simulation.command()))?;
    if args.seeds == 1 {
        tell(&format!("  {outcome}"))?;
        outcome.problems.iter().try_for_each(|problem| tell(&format!("  {problem}")))?;
    }
    Ok(false)
}

/// Says how long a crawl without faults took, and what it needed.
fn plan_of(args: &SimulateArgs, outcome: &Outcome) -> String {
    let counts = outcome.counts;
    let (done, secs) = (as_float(counts.done), outcome.virtual_time.as_secs_f64());
    let rate = if secs > 0.0 { done / secs } else { 0.0 };
    let mut text = format!(
        "plan: {}, {} done, {} fetches, {} ({:.2} days), {rate:.2} pages a second",
        output::counted(u64::from(args.hosts), "host"),
        output::counted(counts.done, "page"),
        grouped(counts.fetches),
        short_duration(outcome.virtual_time),
        secs / SECS_PER_DAY,
    );
    // What a small frontier takes tells of its tables and not of its URLs.
    if counts.discovered >= URLS_FOR_MEMORY_MIN {
        let each = counts.memory_bytes_max / counts.discovered.max(1);
        text.push_str(&format!(
            "; memory of URLs and hosts {:.1} MiB at most, {each} bytes a URL",
            as_float(counts.memory_bytes_max >> 10) / KIB
        ));
    }
    text
}

/// Returns a count for a quotient that is shown to people.
fn as_float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn check(arguments: &str, mutant: Option<Mutant>) -> (Exit, Vec<String>) {
        let cli = Cli::try_parse_from(format!("dragline simulate {arguments}").split(' ')).unwrap();
        let Command::Simulate(args) = cli.command else { panic!("another command") };
        let mut lines = Vec::new();
        let exit = simulate(&args, mutant, &mut |line| {
            lines.push(line.to_owned());
            Ok(())
        });
        (exit.unwrap(), lines)
    }

    #[test]
    fn seeds_that_hold_are_summed_up_in_one_line() {
        let (exit, lines) = check("--seeds 3 --hosts 4 --pages 40 --delay 100ms", None);
        assert_eq!(exit, Exit::Done);
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(
            lines[0].starts_with("plan: 4 hosts, ") && lines[0].contains(" pages a second"),
            "{lines:#?}"
        );
        assert!(lines[1].starts_with("3 seeds held: "), "{lines:#?}");
        assert_eq!(check("--seeds 3 --hosts 4 --pages 40 --delay 100ms", None).1, lines);
    }

    #[test]
    fn a_plan_alone_is_one_line_that_tells_the_memory_of_many_urls() {
        let (exit, lines) = check("--seeds 0 --hosts 20 --pages 6000 --delay 100ms", None);
        assert_eq!((exit, lines.len()), (Exit::Done, 1), "{lines:#?}");
        assert!(lines[0].contains(" a second; memory of URLs and hosts "), "{lines:#?}");
        let each = lines[0].rsplit(", ").next().and_then(|each| each.split(' ').next()).unwrap();
        assert!((20..1_000).contains(&each.parse::<u64>().unwrap()), "{lines:#?}");
    }

    #[test]
    fn a_seed_that_does_not_hold_says_how_to_run_it_again() {
        let arguments = "--seeds 1 --seed-from 7 --hosts 4 --pages 80 --faults none";
        let (exit, lines) = check(arguments, Some(Mutant::RecordLost));
        assert_eq!(exit, Exit::Internal);
        assert!(lines[0].starts_with("seed 7 does not hold: "), "{lines:#?}");
        let again = "; again: dragline simulate --seeds 1 --seed-from 7 --hosts 4 --pages 80 --faults none";
        assert!(lines[0].ends_with(again), "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("  output: ")), "{lines:#?}");
        assert_eq!(
            lines.last().map(|line| line.starts_with("2 crawls did not hold, of 1 seed: ")),
            Some(true)
        );
    }
}
