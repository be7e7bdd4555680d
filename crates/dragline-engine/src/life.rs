//! Begins a life of a crawl: its first, or another that goes on where the one before was cut off.
//!
//! ```text
//!   first:  begin every sink --> commit 0 with their marks, durable ------------------+
//!   later:  every sink has a mark, every mark a sink --> rewind every sink -----------+--> note the life --> actors start
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use dragline_core::chance::Chance;
use dragline_core::frontier::{Frontier, Mark, MemFrontier, RunId};
use dragline_core::report::TOTALS_MARK;
use dragline_core::rules::CrawlRules;
use dragline_core::url::Fingerprinter;
use dragline_core::{Ticket, Time};
use dragline_sink::Sink;

use crate::clock::Clock;
use crate::desk::Tally;
use crate::io::Io;
use crate::life_count::LifeCount;
use crate::session;
use crate::start_error::{StartError, StateError};

/// A frontier that was opened for a crawl, with what its last commit says.
pub struct Opened {
    /// The frontier. Its jobs run on `io`.
    pub frontier: Box<dyn Frontier + Send>,
    /// The clock by which it was opened, so that its times and those of the crawl are the same: the frontier was told
    /// [`Clock::wall_start`]. The crawl goes on with it.
    pub clock: Clock,
    /// The run that it holds.
    pub run: RunId,
    /// The run's seed, with which the fingerprints in it were made.
    pub seed: u64,
    /// The marks of its last commit; `None` when there is none, so that this is the run's first life.
    pub marks: Option<Vec<Mark>>,
    /// The thread of the frontier's disk, which the crawl watches and uses.
    pub io: Io,
    /// Where this life is noted before its first commit; without it only lives that committed are counted.
    pub count: Option<LifeCount>,
}

impl Opened {
    /// Returns how many lives the run has had before this one.
    pub fn lives(&self) -> u32 {
        let totals = self.marks.iter().flatten().find(|mark| &*mark.sink == TOTALS_MARK);
        let committed = totals.and_then(|mark| Tally::lives(mark).ok()).unwrap_or_default();
        committed.max(self.count.as_ref().map_or(0, LifeCount::lives))
    }

    /// Makes a frontier in memory, which lives once; the run's name is drawn from the seed unless it has one.
    pub(crate) fn in_memory(clock: Clock, rules: &CrawlRules, run: Option<RunId>, seed: u64, io: Io) -> Self {
        let frontier = Box::new(MemFrontier::new(rules.clone(), Fingerprinter::new(seed), seed));
        let run = run.unwrap_or_else(|| RunId(Chance::new(seed).fork()));
        Self { frontier, clock, run, seed, marks: None, io, count: None }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, marks, .. } = self;
        f.debug_struct("Opened").field("run", run).field("marks", marks).finish_non_exhaustive()
    }
}

/// A life that has begun: nothing was leased in it.
pub(crate) struct Life {
    pub(crate) frontier: Box<dyn Frontier + Send>,
    pub(crate) seed: u64,
    pub(crate) tally: Tally,
    pub(crate) io: Io,
}

impl Life {
    /// Begins the sinks and makes the first commit durable, or rewinds the sinks to the marks of the last one; then notes
    /// the life. Blocks on the disk.
    ///
    /// # Errors
    /// When a sink or the frontier cannot, or the sinks are not those with which the run was begun. Then no sink was
    /// rewound.
    pub(crate) fn begin(opened: Opened, sinks: &mut [(Box<dyn Sink>, usize)]) -> Result<Self, StartError> {
        let lives = opened.lives();
        let Opened { mut frontier, clock, run, seed, marks, io, count } = opened;
        let tally = match marks {
            None => first(&mut *frontier, run, sinks, Tally::begin(clock.wall_start(), lives))?,
            Some(marks) => another(run, sinks, &marks, lives)?,
        };
        if let Some(count) = count {
            count.note(tally.starts()).map_err(StateError::Count)?;
        }
        Ok(Self { frontier, seed, tally, io })
    }
}

fn first(
    frontier: &mut (dyn Frontier + Send),
    run: RunId,
    sinks: &mut [(Box<dyn Sink>, usize)],
    tally: Tally,
) -> Result<Tally, StartError> {
    let marks: Result<Vec<Mark>, _> = sinks.iter_mut().map(|(sink, _)| sink.begin(run)).collect();
    let mut marks = marks?;
    marks.push(tally.mark(Time::ZERO));
    let epoch = frontier.begin_commit();
    let committed = wait(frontier.commit(epoch, marks));
    committed.map_err(StateError::Commit)?;
    Ok(tally)
}

fn another(
    run: RunId,
    sinks: &mut [(Box<dyn Sink>, usize)],
    marks: &[Mark],
    lives: u32,
) -> Result<Tally, StartError> {
    let of = |name: &str| marks.iter().find(|mark| &*mark.sink == name);
    let strange = |mark: &&Mark| {
        &*mark.sink != TOTALS_MARK && !sinks.iter().any(|(sink, _)| sink.name() == &*mark.sink)
    };
    if let Some(mark) = marks.iter().find(strange) {
        return Err(StateError::LostSink(mark.sink.as_ref().into()).into());
    }
    let found =
        sinks.iter().map(|(sink, _)| of(sink.name()).ok_or_else(|| StateError::NewSink(sink.name().into())));
    let found: Vec<&Mark> = found.collect::<Result<_, _>>()?;
    let totals = of(TOTALS_MARK).ok_or(StateError::Totals(None))?;
    let tally = Tally::resume(totals, lives).map_err(|error| StateError::Totals(Some(error)))?;
    for ((sink, _), mark) in sinks.iter_mut().zip(found) {
        sink.rewind(run, mark)?;
    }
    Ok(tally)
}

/// Blocks until a ticket completes, which the thread of the disk does.
fn wait<T>(ticket: Ticket<T>) -> T {
    let mut later: Pin<Box<dyn Future<Output = T> + Send>> = match ticket.now() {
        Ok(answer) => return answer,
        Err(later) => later,
    };
    let mut answer = None;
    session::block_until(None, |waker| {
        if let Poll::Ready(found) = later.as_mut().poll(&mut Context::from_waker(waker)) {
            answer = Some(found);
        }
        answer.is_some()
    });
    answer.expect("it was waited for without an end")
}
