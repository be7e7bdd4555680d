//! Goes through the steps of a start, in an order in which each may be the last.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline::config::Plan;
use dragline::core::Wall;
use dragline::core::frontier::{Frontier, FrontierStats, RunId};
use dragline::core::report::grouped;
use dragline::core::url::Fingerprinter;
use dragline::disk::{Disk, FileDisk};
use dragline::engine::{Clock, CrawlBuilder, Io, LifeCount, Opened, fresh_seed};
use dragline::frontier::{LogFrontier, Meta, OpenOptions, Owner, StateLock, clear};
use dragline::sink::{Earlier, FileNames, OutputError, OutputFolder};

use super::description::{Change, Description};
use super::faults::{of_lock, of_log, of_open, of_output};
use super::finished::Finished;
use super::sinks;
use crate::exit::Fault;
use crate::output::tell;

/// A start that has come as far as it can without the engine.
pub(crate) enum Begun {
    /// Nothing is left to do.
    Finished(Finished),
    /// The engine is to go on.
    Ready(Box<Ready>),
}

/// What the engine goes on with.
pub(crate) struct Ready {
    /// The crawl's parts, with its frontier and its sinks.
    pub(crate) builder: CrawlBuilder,
    /// The output folder.
    pub(crate) folder: OutputFolder,
    /// What life this is, in words.
    pub(crate) life: String,
    /// Other processes are kept out until this goes.
    pub(crate) lock: StateLock,
}

/// The two folders of a run, and who looks at them.
struct Folders<'a> {
    plan: &'a Plan,
    disk: Arc<dyn Disk>,
    state: PathBuf,
    names: Vec<&'a FileNames>,
}

/// A run of the state folder, with what was asked for when it last began.
struct Run {
    meta: Meta,
    description: Description,
    /// Whether it was begun by this process.
    is_new: bool,
}

/// Takes up the run of a plan's state folder, or begins one.
///
/// # Errors
/// When that is impossible; the fault says what to do. Nothing was changed then but for what a crash left torn.
pub(crate) fn begin(plan: &Plan, builder: CrawlBuilder) -> Result<Begun, Fault> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk);
    let set_up = sinks::set_up_all(plan, &disk);
    let names = set_up.iter().map(|(sink, _)| sink.names()).collect();
    let folders = Folders { plan, disk: Arc::clone(&disk), state: plan.state_dir(), names };
    let lock = folders.lock(Clock::start().wall_start())?;
    // Not before the folder is ours: hosts are taken to have been asked at its zero, by whoever had the folder before.
    let clock = Clock::start();
    let run = folders.run(clock.wall_start())?;
    let changes = folders.compare(&run)?;
    let (mut opened, finished, stats) = folders.open(&run.meta, clock)?;
    if let Some(finished) = finished {
        return Ok(Begun::Finished(finished));
    }
    let folder = folders.output(&run, opened.marks.is_some())?;
    let meta = if changes.is_empty() {
        run.meta
    } else {
        changes.iter().for_each(|change| tell(&format!("changed: {change}")));
        folders.remember(&run)?
    };
    opened.count = Some(LifeCount::new(Arc::clone(&disk), folders.state.clone(), meta));
    let life = life(&opened, &stats);
    let watched = [plan.output.dir.clone(), folders.state];
    let builder = builder.opened(opened).watch_space(disk, watched);
    let builder = set_up
        .into_iter()
        .fold(builder, |builder, (sink, credits)| builder.sink_with_credits(Box::new(sink), credits));
    Ok(Begun::Ready(Box::new(Ready { builder, folder, life, lock })))
}

impl Folders<'_> {
    /// Makes sure that nothing is in the way of a run that would be new, creates both folders and keeps other processes
    /// out.
    fn lock(&self, now: Wall) -> Result<StateLock, Fault> {
        let dir = &self.plan.output.dir;
        // What is wrong with a run that is there is told once the folder is ours.
        if !self.plan.output.fresh && matches!(Meta::read(&*self.disk, &self.state), Ok(None)) {
            OutputFolder::vacant(&*self.disk, dir, &self.names).map_err(of_output)?;
        }
        let unusable = |source| of_output(OutputError::Unusable { dir: dir.clone(), source });
        self.disk.create_dir(dir).map_err(unusable)?;
        self.disk.create_dir(&self.state).map_err(|source| {
            let error = anyhow::Error::new(source);
            let dir = self.state.display();
            Fault::nothing_started(error.context(format!(
                "cannot create the state folder {dir}: make room for it, or choose another (key `state.dir`)"
            )))
        })?;
        StateLock::take(&self.state, &Owner::of_this_process(&now.to_string())).map_err(of_lock)
    }

    /// Reads which run the state folder holds. If there is none, or it is to be replaced, one is written down before
    /// anything else of it exists.
    fn run(&self, now: Wall) -> Result<Run, Fault> {
        let wanted = Description::of(self.plan);
        if self.plan.output.fresh {
            clear(&*self.disk, &self.state).map_err(of_log)?;
        } else if let Some(meta) = Meta::read(&*self.disk, &self.state).map_err(of_log)? {
            let description =
                Description::read(&meta.crawl, &self.state.join("state.toml")).map_err(of_log)?;
            return Ok(Run { meta, description, is_new: false });
        }
        let meta = Meta {
            run: RunId(fresh_seed()),
            seed: fresh_seed(),
            created: now.to_string(),
            lives: 0,
            crawl: wanted.to_text(),
        };
        meta.write(&*self.disk, &self.state).map_err(of_log)?;
        Ok(Run { meta, description: wanted, is_new: true })
    }

    /// Returns what differs from when the run last began and does not matter to it.
    fn compare(&self, run: &Run) -> Result<Vec<String>, Fault> {
        let mut told = Vec::new();
        let mut refused = Vec::new();
        for change in run.description.changes(&Description::of(self.plan)) {
            match change {
                Change::Told(text) => told.push(text),
                Change::Refused(text) => refused.push(text),
            }
        }
        if refused.is_empty() {
            return Ok(told);
        }
        Err(Fault::nothing_started(anyhow::anyhow!("{}", refused.join("\nerror: "))))
    }

    /// Recovers the frontier, and looks whether the run has ended.
    fn open(&self, meta: &Meta, clock: Clock) -> Result<(Opened, Option<Finished>, FrontierStats), Fault> {
        let base = clock.wall_start();
        let io = Io::thread().map_err(Fault::nothing_started)?;
        let background = Arc::new(io.clone());
        let options = OpenOptions::new(self.plan.rules.clone(), meta.run, meta.seed, base, background);
        let mut found = LogFrontier::open(Arc::clone(&self.disk), &self.state, options).map_err(of_open)?;
        let seeds = self.plan.seeds.iter().map(|seed| seed.url.clone());
        let due = found.frontier.recrawl(&self.plan.recrawl.rules(), seeds, base).map_err(of_open)?;
        if due > 0 {
            tell(&format!("{} URLs are due to be visited again", grouped(due)));
        }
        if found.cut_bytes > 0 {
            let bytes = found.cut_bytes;
            tracing::info!(target: "dragline::frontier", bytes, "threw away what a crash had left half written");
        }
        let stats = found.frontier.stats();
        let finished = found.marks.is_some().then(|| {
            let seeds = self.plan.seeds.iter().map(|seed| seed.url.clone());
            let fingerprinter = Fingerprinter::new(meta.seed);
            Finished::of(
                meta.run,
                found.frontier.machine(),
                &stats,
                fingerprinter,
                seeds,
                &self.plan.output.dir,
            )
        });
        let opened = Opened {
            frontier: Box::new(found.frontier),
            clock,
            run: meta.run,
            seed: meta.seed,
            marks: found.marks,
            io,
            count: None,
        };
        Ok((opened, finished.flatten(), stats))
    }

    /// Opens the output folder for a run, which replaces what is in it only before its first commit.
    fn output(&self, run: &Run, is_committed: bool) -> Result<OutputFolder, Fault> {
        let earlier = match (is_committed, run.description.replaces, run.is_new) {
            (false, true, _) => Earlier::Replace,
            (false, false, true) => Earlier::Refuse,
            _ => Earlier::Resume,
        };
        let disk = Arc::clone(&self.disk);
        OutputFolder::open(disk, &self.plan.output.dir, run.meta.run, earlier, &self.names).map_err(of_output)
    }

    /// Keeps what is asked for now, so that the next start compares with that.
    fn remember(&self, run: &Run) -> Result<Meta, Fault> {
        let mut description = Description::of(self.plan);
        description.replaces = run.description.replaces;
        let meta = Meta { crawl: description.to_text(), ..run.meta.clone() };
        meta.write(&*self.disk, &self.state).map_err(of_log)?;
        Ok(meta)
    }
}

/// Says what life of a run this is.
fn life(opened: &Opened, stats: &FrontierStats) -> String {
    if opened.marks.is_none() {
        return format!("run {}", opened.run);
    }
    format!(
        "resuming run {}: {} done, {} waiting (life {})",
        opened.run,
        grouped(stats.done),
        grouped(stats.pending),
        opened.lives().saturating_add(1)
    )
}

/// Says that a folder may hold a crawl that somebody wants to keep.
///
/// # Errors
/// When it does.
pub(crate) fn refuse_earlier(plan: &Plan) -> Result<(), Fault> {
    let found = |path: &Path| OutputError::Earlier { dir: plan.output.dir.clone(), file: path.to_owned() };
    match Meta::read(&FileDisk, &plan.state_dir()) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(of_output(found(&plan.state_dir()))),
        Err(error) => Err(of_log(error)),
    }
}
