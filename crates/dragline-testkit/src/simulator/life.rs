//! Runs one life of a simulated crawl, from its start to its end or to the crash of its disk.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::Wall;
use dragline_core::frontier::{Drain, RunId};
use dragline_core::rules::CrawlRules;
use dragline_disk::Disk;
use dragline_engine::{Clock, CrawlEnd, CrawlHandle, Io, Opened, RunningCrawl};
use dragline_frontier::history::HistoryOptions;
use dragline_frontier::log::LogOptions;
use dragline_frontier::{LogFrontier, OpenOptions};
use tokio::sync::Notify;

use super::check::{Problems, Samples};
use super::conditions::Conditions;
use super::faults::{FaultPlan, Wish};
use super::handler::Script;
use super::mutant::Mutant;
use super::sink::output;
use super::slow_disk::SlowDisk;
use super::web::WorldWeb;
use super::world::World;
use crate::disk::SimDisk;

/// How often the crawl is looked at, in its own time.
const LOOK: Duration = Duration::from_millis(500);

/// Bytes that are left on a disk that is full.
const FULL_BYTES: u64 = 100;

/// The folder of the state.
const STATE: &str = "state";

/// Small, so that a crawl has many segments and several snapshots.
const SEGMENT_BYTES: u64 = 4 << 10;
const SNAPSHOT_AFTER_BYTES: u64 = 2 << 10;

/// When every simulated crawl begins.
const EPOCH_SECS: i64 = 1_800_000_000;

/// What every life of a crawl has in common.
pub(super) struct Stage {
    pub(super) seed: u64,
    pub(super) world: Arc<World>,
    pub(super) conditions: Conditions,
    pub(super) plan: Arc<FaultPlan>,
    pub(super) web: WorldWeb,
    pub(super) script: Arc<Script>,
    pub(super) mutant: Option<Mutant>,
}

/// How a life ended.
pub(super) enum Life {
    /// The crawl ended by itself.
    Ended(Box<LifeEnd>),
    /// Its disk died.
    Crashed,
    /// It could not start, and said so.
    Failed,
    /// It would not have ended.
    Stuck(String),
}

/// What is known of a life that ended by itself.
pub(super) struct LifeEnd {
    pub(super) end: CrawlEnd,
    pub(super) metrics: String,
    /// The most bytes that URLs and hosts took.
    pub(super) memory_bytes_max: u64,
}

impl Stage {
    /// Runs one life on a disk, so much time after the first one began; returns how it ended, and when.
    pub(super) fn run_life(
        &self,
        life: usize,
        disk: &SimDisk,
        at: Duration,
        problems: &mut Problems,
    ) -> (Life, Duration) {
        let paused = || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build();
            runtime.expect("a runtime without sockets needs nothing from the system")
        };
        actix_rt::System::with_tokio_rt(paused).block_on(async {
            self.web.begin_life(life, at);
            let lived = self.live(life, disk, problems).await;
            (lived, self.web.end_life())
        })
    }

    async fn live(&self, life: usize, disk: &SimDisk, problems: &mut Problems) -> Life {
        let died = Arc::new(Notify::new());
        let tell = Arc::clone(&died);
        disk.on_crash(move || tell.notify_one());
        let mut rules = CrawlRules::default();
        let mut builder = self.conditions.builder(self.seed, &self.world, self.mutant);
        builder = builder.rules(|given| rules = given.clone());
        let slow = SlowDisk::new(self.conditions.disk_latency, self.seed.wrapping_add(life as u64));
        let opened = match self.open(disk, slow.clone(), rules) {
            Ok(opened) => opened,
            Err(_) if disk.is_dead() => return Life::Crashed,
            Err(error) => return Life::Stuck(format!("the state could not be opened: {error}")),
        };
        if let Some(changes) = self.plan.write_fails.filter(|_| life == 0) {
            disk.fail_at(changes, std::io::ErrorKind::Other);
        }
        let route = self.script.route(life, disk, &builder.session()).pool(self.conditions.pool());
        builder = builder.transport(Arc::new(self.web.clone())).route(route);
        for sink in output(disk, self.conditions.rotate_rows, self.mutant) {
            builder = builder.sink_with_credits(sink, self.conditions.sink_credits);
        }
        builder = builder.opened(opened);
        let running = builder.build().map_err(|error| error.to_string());
        let running = running.and_then(|crawl| crawl.start().map_err(|error| error.to_string()));
        match running {
            Ok(running) => {
                if !self.conditions.disk_latency.is_zero() {
                    slow.take_time();
                }
                self.drive(running, &died, disk, problems).await
            }
            Err(_) if disk.is_dead() => Life::Crashed,
            // A write that fails for good may fail at the start, which then says so and is made again.
            Err(_) if self.plan.write_fails.is_some() && life == 0 => Life::Failed,
            Err(error) => Life::Stuck(format!("it did not start: {error}")),
        }
    }

    /// Opens the frontier that a disk holds, or a new one.
    fn open(&self, disk: &SimDisk, slow: SlowDisk, rules: CrawlRules) -> Result<Opened, String> {
        let (dir, run) = (Path::new(STATE), RunId(self.seed));
        disk.create_dir(dir).map_err(|error| error.to_string())?;
        let io = Io::inline();
        let clock = Clock::start_at(Wall::from_secs(EPOCH_SECS) + self.web.now());
        let base = clock.wall_start();
        let mut options = OpenOptions::new(rules, run, self.seed, base, Arc::new(slow));
        options.chunk_urls = self.conditions.chunk_urls;
        options.log = LogOptions { segment_bytes: SEGMENT_BYTES };
        options.history = HistoryOptions { segment_bytes: SEGMENT_BYTES };
        options.snapshot_after_bytes = SNAPSHOT_AFTER_BYTES;
        let opened = LogFrontier::open(Arc::new(disk.clone()), dir, options);
        let opened = opened.map_err(|error| error.to_string())?;
        #[cfg(feature = "mutants")]
        let opened = self.mutated(opened);
        let frontier = Box::new(opened.frontier);
        Ok(Opened { frontier, clock, run, seed: self.seed, marks: opened.marks, io, count: None })
    }

    #[cfg(feature = "mutants")]
    fn mutated(&self, mut opened: dragline_frontier::Opened) -> dragline_frontier::Opened {
        if let Some(fault) = self.mutant.and_then(Mutant::of_frontier) {
            opened.frontier.mutate(fault);
        }
        opened
    }

    /// Looks at the crawl until it ends, and does to it what the plan says.
    async fn drive(
        &self,
        running: RunningCrawl,
        died: &Notify,
        disk: &SimDisk,
        problems: &mut Problems,
    ) -> Life {
        let handle = running.handle();
        let mut wait = pin!(running.wait());
        let mut samples = Samples::default();
        let mut operator = Operator { wish: self.plan.wish, resume: None };
        let ended = loop {
            tokio::select! {
                biased;
                () = died.notified() => break Life::Crashed,
                end = &mut wait => {
                    let metrics = handle.gather().await.unwrap_or_else(|error| {
                        problems.add("metrics", error);
                        String::new()
                    });
                    let memory_bytes_max = samples.memory_bytes_max;
                    break Life::Ended(Box::new(LifeEnd { end, metrics, memory_bytes_max }));
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = self.web.now();
            operator.act(&handle, now).await;
            self.fill_disk(disk, now);
            let Some(status) = handle.status().await else { continue };
            samples.look(&status, self.pages_max());
            let settled = status.stats.discovered - status.stats.pending;
            let done = settled + u64::try_from(self.web.fetch_count()).unwrap_or(u64::MAX);
            if samples.is_stuck(done, now) {
                break Life::Stuck(format!("nothing has happened for long at {now:?}: {status:?}"));
            }
        };
        if let (Life::Ended(_), Some(status)) = (&ended, handle.status().await) {
            samples.look(&status, self.pages_max());
        }
        problems.absorb(samples.problems);
        ended
    }

    /// Returns the page credits, and the one errand that is leased beyond them.
    fn pages_max(&self) -> usize {
        self.conditions.pages_max.unwrap_or(2 * self.conditions.concurrency).max(1) + 1
    }

    fn fill_disk(&self, disk: &SimDisk, now: Duration) {
        let Some((from, span)) = self.plan.no_space else { return };
        let is_full = (from..from + span).contains(&now);
        // What is left once it is full is not given back by setting it again.
        let was_full = disk.free().is_some();
        if is_full != was_full {
            disk.set_free(is_full.then_some(FULL_BYTES));
        }
    }
}

/// Carries out what the operator wants, once it is time.
struct Operator {
    wish: Option<(Duration, Wish)>,
    resume: Option<Duration>,
}

impl Operator {
    async fn act(&mut self, handle: &CrawlHandle, now: Duration) {
        if let Some((_, wish)) = self.wish.take_if(|(at, _)| *at <= now) {
            match wish {
                Wish::Pause(span) => {
                    handle.pause(true).await;
                    self.resume = Some(now + span);
                }
                Wish::DrainKeep => handle.drain(Drain::Keep).await,
                Wish::DrainDrop => handle.drain(Drain::Drop).await,
                Wish::Stop => handle.stop().await,
            }
        }
        if self.resume.take_if(|at| *at <= now).is_some() {
            handle.pause(false).await;
        }
    }
}
