//! Runs a whole simulated crawl over all its lives, and says what was wrong with it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::check::{Evidence, Problems};
use super::conditions::Conditions;
use super::faults::{FaultPlan, FetcherFaults};
use super::handler::{Script, Told};
use super::life::{Life, LifeEnd, Stage};
use super::mutant::Mutant;
use super::output::Output;
use super::web::{LoggedFetch, WorldWeb};
use super::world::World;
use crate::disk::{Crash, SimDisk};
use crate::trace_hash::TraceHash;

/// How long it takes until a crawl that crashed is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// One simulated crawl. Everything about it follows from these values.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Feeds the world, the conditions, the faults and the crawl itself.
    pub seed: u64,
    /// Hosts of the world.
    pub hosts: usize,
    /// Pages of the world.
    pub pages: usize,
    /// What goes wrong beside the web.
    pub faults: Faults,
    /// The gap between two fetches of one host; drawn when absent, or a second without faults.
    pub delay: Option<Duration>,
    /// How long the disk of the state takes over a job in the mean; drawn when absent, or nothing without faults.
    pub disk_latency: Option<Duration>,
    /// A promise that is broken on purpose.
    pub mutant: Option<Mutant>,
}

/// What goes wrong in a simulation beside the web, which always has its flaws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Nothing, under usual conditions.
    None,
    /// As the seed has it, under conditions of its own: few credits, short limits, actors that die, a disk that fills
    /// up, crashes, an operator who stops the crawl.
    Drawn,
}

/// What came of a simulation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A hash of every fetch with its times, of everything written, and of the report.
    pub trace_hash: u64,
    /// How it ended: as the report says it, or `stuck`.
    pub ended: &'static str,
    /// How much was done.
    pub counts: Counts,
    /// How long it took, in its own time, all lives together.
    pub virtual_time: Duration,
    /// What was wrong, in words; nothing when every promise was kept.
    pub problems: Vec<String>,
}

/// How much a simulated crawl did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct URLs offered.
    pub discovered: u64,
    /// URLs done.
    pub done: u64,
    /// URLs redirected.
    pub redirected: u64,
    /// URLs given up.
    pub failed: u64,
    /// URLs skipped.
    pub skipped: u64,
    /// URLs not settled.
    pub pending: u64,
    /// Fetches of every kind, over all lives.
    pub fetches: u64,
    /// Lives: one more than crashes.
    pub lives: u64,
    /// The most bytes that URLs and hosts took in memory, in the last life.
    pub memory_bytes_max: u64,
}

impl Simulation {
    /// Makes the simulation of a seed, with drawn faults.
    pub const fn new(seed: u64, hosts: usize, pages: usize) -> Self {
        Self { seed, hosts, pages, faults: Faults::Drawn, delay: None, disk_latency: None, mutant: None }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When called inside an async runtime.
    pub fn run(&self) -> Outcome {
        let stage = self.stage();
        let mut problems = Problems::default();
        let mut disk = SimDisk::new(self.seed);
        let (mut lives, mut now) = (0, Duration::ZERO);
        let ended = loop {
            let crash = stage.plan.crashes.get(lives).copied();
            if let Some((changes, _)) = crash {
                disk.crash_at(changes);
            }
            let (life, at) = stage.run_life(lives, &disk, now, &mut problems);
            now = at;
            lives += 1;
            match (life, crash) {
                (Life::Ended(ended), _) => break Some(ended),
                (Life::Crashed, Some((_, crash))) => {
                    disk = disk.crash(crash, self.seed.wrapping_add(lives as u64));
                    now += RESTART_AFTER;
                }
                (Life::Failed, _) => {
                    // The crash of a life that was none is not that of the next.
                    disk.crash_at(u64::MAX);
                    now += RESTART_AFTER;
                }
                (Life::Crashed, None) => problems.add("end", "the disk died by itself"),
                (Life::Stuck(what), _) => problems.add("end", what),
            }
            if !problems.is_empty() {
                break None;
            }
        };
        let fetches = stage.web.fetches();
        let mut counts = Counts { fetches: fetches.len() as u64, lives: lives as u64, ..Counts::default() };
        let mut hash = TraceHash::default();
        fetches.iter().for_each(|fetch| note_fetch(fetch, &mut hash));
        Output::note(&disk, &mut hash);
        let name = ended.as_ref().map_or("stuck", |ended| ended.end.report.ended.name());
        if let Some(ended) = ended {
            self.examine(&stage, &ended, lives, &disk, &mut problems);
            counts.add_report(&ended);
        }
        hash.note(&format!("{counts:?} {name}"));
        let problems = problems.into_words();
        Outcome { trace_hash: hash.get(), ended: name, counts, virtual_time: now, problems }
    }

    /// Returns the command that runs this simulation alone.
    pub fn command(&self) -> String {
        let Self { seed, hosts, pages, faults, delay, disk_latency: _, mutant: _ } = self;
        let mut command =
            format!("dragline simulate --seeds 1 --seed-from {seed} --hosts {hosts} --pages {pages}");
        if let Some(delay) = delay {
            command.push_str(&format!(" --delay {}ms", delay.as_millis()));
        }
        if *faults == Faults::None {
            command.push_str(" --faults none");
        }
        command
    }

    fn stage(&self) -> Stage {
        let world = World::draw(self.seed, self.hosts, self.pages);
        // Seeds of their own, so that a change of one draw changes no other.
        let (mut conditions, mut plan) = match self.faults {
            Faults::None => (Conditions::usual(&world), FaultPlan::default()),
            Faults::Drawn => {
                let conditions = Conditions::draw(self.seed ^ 0x636f_6e64, &world);
                (conditions, FaultPlan::draw(self.seed ^ 0x6661_756c, &world))
            }
        };
        conditions.delay = self.delay.unwrap_or(conditions.delay);
        conditions.disk_latency = self.disk_latency.unwrap_or(conditions.disk_latency);
        if self.mutant == Some(Mutant::RestartsUnbounded) {
            plan.fetchers = FetcherFaults::at_every_tick();
        }
        if self.mutant == Some(Mutant::RenameEarly) {
            conditions.rotate_rows = 3;
        }
        if self.mutant.is_some_and(Mutant::needs_crash) {
            // At moments of their own for each seed, and nothing else that could hide what they show.
            let changes = |nth: u64| 40 + self.seed.wrapping_mul(37).wrapping_add(nth * 53) % 160;
            let crashes = (0..4).map(|nth| (changes(nth), Crash::Kill)).collect();
            plan = FaultPlan { crashes, ..FaultPlan::default() };
        }
        if matches!(self.mutant, Some(Mutant::LinkLost | Mutant::StaleAnswerTaken)) {
            conditions.built_in = false;
        }
        let (world, plan) = (Arc::new(world), Arc::new(plan));
        let web = WorldWeb::new(Arc::clone(&world), plan.fetchers.clone(), self.mutant);
        let script = Script {
            world: Arc::clone(&world),
            faults: Arc::clone(&plan),
            follows: !conditions.built_in,
            timeout: conditions.handler_timeout,
            mutant: self.mutant,
            web: web.clone(),
            told: Mutex::new(Told::default()),
        };
        Stage { seed: self.seed, world, conditions, plan, web, script: Arc::new(script), mutant: self.mutant }
    }

    /// Checks everything that is known at the end.
    fn examine(&self, stage: &Stage, ended: &LifeEnd, lives: usize, disk: &SimDisk, problems: &mut Problems) {
        let is_numbered = stage.conditions.rotate_rows > 0;
        let output = Output::read(disk, is_numbered);
        let (fetches, opened) = (stage.web.fetches(), stage.web.opened());
        let births = stage.script.told(|told| told.births.clone());
        let evidence = Evidence {
            world: &stage.world,
            conditions: &stage.conditions,
            plan: &stage.plan,
            lives,
            fetches: &fetches,
            fetchers: &opened,
            workers: &births,
            output: &output,
            end: &ended.end,
            metrics: &ended.metrics,
        };
        evidence.check(problems);
        let after = disk.crash(Crash::PowerLoss, self.seed);
        if evidence.is_committed() && Output::read(&after, is_numbered) != output {
            let lost = disk.paths().into_iter().filter(|path| disk.contents(path) != after.contents(path));
            let names: Vec<_> = lost.map(|path| path.display().to_string()).collect();
            let names = names.join(", ");
            problems.add("durable", format!("a power loss after the end takes something of {names}"));
        }
    }
}

impl Counts {
    fn add_report(&mut self, ended: &LifeEnd) {
        let report = &ended.end.report;
        self.discovered = report.discovered;
        self.done = report.done;
        self.redirected = report.redirected;
        self.failed = report.failed_total();
        self.skipped = report.skipped_total();
        self.pending = report.pending;
        self.memory_bytes_max = ended.memory_bytes_max;
    }
}

/// One line: what was done, in how many lives and how much time.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { discovered, done, redirected, failed, skipped, pending, fetches, lives, .. } =
            self.counts;
        write!(
            f,
            "{}: {discovered} URLs, {done} done, {redirected} redirected, {failed} failed, ",
            self.ended
        )?;
        write!(
            f,
            "{skipped} skipped, {pending} pending; {fetches} fetches, {lives} lives, {:?}",
            self.virtual_time
        )?;
        write!(f, ", trace {:016x}", self.trace_hash)
    }
}

fn note_fetch(fetch: &LoggedFetch, hash: &mut TraceHash) {
    let LoggedFetch { url, life, began, ended, answer } = fetch;
    hash.note(&format!("{url} {life} {began:?} {ended:?} {answer:?}"));
}
