//! Keeps the line of calls that wait for a lane, and hands each to the lane that is free.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use dragline_core::Time;
use dragline_core::session::{Turn, Waiting};
use dragline_telemetry::Telemetry;
use dragline_telemetry::escape::LoggedUrls;
use dragline_telemetry::labels::SessionResult;

use super::call::Call;
use super::error::{ErrorKind, SessionError};
use super::executor::Executor;
use super::hooks::Hooks;
use crate::clock::Clock;

/// What the clones of a session, their fetches and their lanes share.
pub(crate) struct Hub {
    pub(super) clock: Clock,
    pub(super) executor: OnceLock<Executor>,
    pub(super) hooks: Hooks,
    /// The metrics, and how much of a URL log lines show; known from the start of its lanes on.
    telemetry: OnceLock<(Arc<Telemetry>, LoggedUrls)>,
    is_sequential: bool,
    /// Calls that were started and have not ended.
    outstanding: AtomicUsize,
    line: Mutex<Line>,
}

struct Line {
    waiting: Waiting<Arc<Call>>,
    /// What each lane runs, by its number.
    running: Vec<Option<Arc<Call>>>,
    /// Lanes with nothing to do; the one that was busy last goes first.
    idle: Vec<(usize, Waker)>,
    /// Lanes that are there or were asked for.
    lanes: usize,
    lanes_max: usize,
    clerk: Option<Waker>,
    /// Who ends what waits too long, unless a timer of its own is due before.
    watch: Option<Waker>,
    /// When that timer is due.
    watch_wakes: Time,
    life: Life,
    /// Those who wait for the end.
    closers: Vec<Waker>,
}

/// Whether fetches may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    Open,
    /// Nothing is started any more; what was started ends.
    Finishing,
    /// Nobody carries anything out any more.
    Gone,
}

/// What a hub is made of.
pub(super) struct HubParts {
    pub(super) clock: Clock,
    pub(super) executor: OnceLock<Executor>,
    pub(super) telemetry: OnceLock<(Arc<Telemetry>, LoggedUrls)>,
    pub(super) lanes_max: usize,
    pub(super) is_sequential: bool,
}

/// What the clerk has to do.
pub(super) struct Errand {
    /// Lanes to start, by number.
    pub(super) start: std::ops::Range<usize>,
    /// Whether nothing will ever be to do again.
    pub(super) is_over: bool,
}

/// What a look at the deadlines of those who wait has found.
pub(super) struct Overdue {
    /// Calls whose deadline passed in the line.
    pub(super) expired: Vec<Arc<Call>>,
    /// When to look again.
    pub(super) wake_at: Option<Time>,
}

impl Hub {
    pub(super) fn new(parts: HubParts) -> Arc<Self> {
        let HubParts { clock, executor, telemetry, lanes_max, is_sequential } = parts;
        let line = Line {
            waiting: if is_sequential { Waiting::held() } else { Waiting::new() },
            running: Vec::new(),
            idle: Vec::new(),
            lanes: 0,
            lanes_max,
            clerk: None,
            watch: None,
            watch_wakes: Time::MAX,
            life: Life::Open,
            closers: Vec::new(),
        };
        Arc::new(Self {
            clock,
            executor,
            hooks: Hooks::default(),
            telemetry,
            is_sequential,
            outstanding: AtomicUsize::new(0),
            line: Mutex::new(line),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the executor; one with a thread for each core when none was set.
    pub(super) fn executor(&self) -> &Executor {
        self.executor.get_or_init(Executor::for_cores)
    }

    /// Returns the metrics, once the lanes have begun.
    pub(super) fn telemetry(&self) -> Option<&Arc<Telemetry>> {
        self.telemetry.get().map(|(telemetry, _)| telemetry)
    }

    /// Returns how much of a URL log lines show.
    pub(super) fn log_urls(&self) -> LoggedUrls {
        self.telemetry.get().map(|(_, log_urls)| *log_urls).unwrap_or_default()
    }

    /// Tells what was not known when it was made.
    pub(super) fn begin(&self, telemetry: &Arc<Telemetry>, log_urls: LoggedUrls, lanes_max: usize) {
        // What was started before counts too.
        if self.telemetry.set((Arc::clone(telemetry), log_urls)).is_ok() {
            (0..self.outstanding()).for_each(|_| telemetry.session_began());
        }
        let mut line = self.lock();
        line.lanes_max = lanes_max.max(1);
    }

    /// Begins anew with lanes: those there were are gone with their thread.
    pub(super) fn renew(&self) {
        let gone = {
            let mut line = self.lock();
            line.lanes = line.waiting.len().min(line.lanes_max);
            (std::mem::take(&mut line.idle), std::mem::take(&mut line.running))
        };
        drop(gone);
    }

    pub(super) fn is_sequential(&self) -> bool {
        self.is_sequential
    }

    /// Returns how many fetches were started and have not ended.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }

    pub(super) fn began(&self) {
        self.outstanding.fetch_add(1, Ordering::AcqRel);
        if let Some(telemetry) = self.telemetry() {
            telemetry.session_began();
        }
    }

    pub(super) fn ended(&self, result: SessionResult) {
        if let Some(telemetry) = self.telemetry() {
            telemetry.session_ended(result);
        }
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            let closers = std::mem::take(&mut self.lock().closers);
            closers.into_iter().for_each(Waker::wake);
        }
    }

    /// Puts a call in the line, or wakes the lane that will run it.
    ///
    /// # Errors
    /// When the session is closed.
    pub(super) fn enqueue(&self, call: &Arc<Call>, deadline: Time) -> Result<Turn, SessionError> {
        let mut line = self.lock();
        if line.life != Life::Open {
            return Err(
                call.error(ErrorKind::Closed, "the session is closed: nothing can be started any more")
            );
        }
        let turn = line.waiting.push(deadline, Arc::clone(call));
        let woken = match line.idle.pop() {
            Some((_, lane)) => Some(lane),
            None if line.lanes < line.lanes_max => {
                line.lanes += 1;
                line.clerk.take()
            }
            None => None,
        };
        // Also for what a lane was woken for: its thread may be busy, or gone. The timer goes on when the call has been
        // taken, so that of many calls with one deadline few wake anybody here.
        let watch = if deadline < line.watch_wakes { line.watch.take() } else { None };
        drop(line);
        woken.into_iter().chain(watch).for_each(Waker::wake);
        Ok(turn)
    }

    /// Takes a call that does not want its turn any more out of the line.
    pub(super) fn leave(&self, turn: Turn) {
        let left = self.lock().waiting.remove(turn);
        drop(left);
    }

    /// Lets everything up to a turn run, in a session that waits to be waited for.
    pub(super) fn release(&self, turn: Turn) {
        let mut line = self.lock();
        if line.waiting.release(turn) {
            let lanes = std::mem::take(&mut line.idle);
            drop(line);
            lanes.into_iter().for_each(|(_, lane)| lane.wake());
        }
    }

    /// Gives a lane its next call, waiting for one; `None` when there will be none.
    ///
    /// # Cancel safety
    /// Dropping it takes nothing.
    pub(super) async fn next(&self, lane: usize) -> Option<Arc<Call>> {
        poll_fn(|cx| self.poll_next(lane, cx)).await
    }

    fn poll_next(&self, lane: usize, cx: &Context<'_>) -> Poll<Option<Arc<Call>>> {
        let mut line = self.lock();
        if let Some((_, call)) = line.waiting.pop() {
            if let Some(place) = line.running.get_mut(lane) {
                *place = Some(Arc::clone(&call));
            }
            return Poll::Ready(Some(call));
        }
        if line.life != Life::Open && line.waiting.is_empty() {
            return Poll::Ready(None);
        }
        line.idle.retain(|(known, _)| *known != lane);
        line.idle.push((lane, cx.waker().clone()));
        Poll::Pending
    }

    /// Notes that a lane has ended its call; a lane that was replaced meanwhile frees nothing of its successor's.
    pub(super) fn free(&self, lane: usize, call: &Arc<Call>) {
        let (call, clerk) = {
            let mut line = self.lock();
            let running = line.running.get_mut(lane);
            let call = running.and_then(|running| running.take_if(|running| Arc::ptr_eq(running, call)));
            // The clerk leaves when the last lane has.
            let clerk = if line.life == Life::Open { None } else { line.clerk.take() };
            (call, clerk)
        };
        drop(call);
        if let Some(clerk) = clerk {
            clerk.wake();
        }
    }

    /// Tells the clerk what to do; its waker is kept for the next time.
    pub(super) fn poll_errand(&self, started: usize, cx: &Context<'_>) -> Poll<Errand> {
        let mut line = self.lock();
        let start = started..line.lanes.max(started);
        let is_busy = line.running.iter().any(Option::is_some);
        let is_over = line.life != Life::Open && line.waiting.is_empty() && !is_busy;
        let places = start.end.max(line.running.len());
        line.running.resize_with(places, || None);
        line.clerk = Some(cx.waker().clone());
        if start.is_empty() && !is_over { Poll::Pending } else { Poll::Ready(Errand { start, is_over }) }
    }

    /// Takes those whose deadline has passed at `now`, or has `cx` woken when one would pass before `asleep_until`.
    pub(super) fn poll_overdue(
        &self,
        asleep_until: Option<Time>,
        now: Time,
        cx: &Context<'_>,
    ) -> Poll<Overdue> {
        let mut line = self.lock();
        let expired: Vec<Arc<Call>> = std::iter::from_fn(|| line.waiting.expired(now)).collect();
        let next = line.waiting.next_deadline();
        let wake_at = next.into_iter().chain(asleep_until).min();
        line.watch_wakes = wake_at.unwrap_or(Time::MAX);
        line.watch = Some(cx.waker().clone());
        if expired.is_empty() && wake_at == asleep_until {
            return Poll::Pending;
        }
        Poll::Ready(Overdue { expired, wake_at })
    }

    /// Starts nothing more; what was started goes on.
    pub(super) fn finish(&self) {
        self.change_life(Life::Finishing);
    }

    fn change_life(&self, life: Life) {
        let (lanes, clerk) = {
            let mut line = self.lock();
            line.life = line.life.max(life);
            (std::mem::take(&mut line.idle), line.clerk.take())
        };
        lanes.into_iter().for_each(|(_, lane)| lane.wake());
        clerk.into_iter().for_each(Waker::wake);
    }

    /// Starts nothing more and cancels what waits, and what runs too if asked to; returns how many that were.
    pub(super) fn cancel_all(&self, with_running: bool, why: &str) -> usize {
        self.finish();
        let calls = {
            let mut line = self.lock();
            let mut calls = line.waiting.drain();
            if with_running {
                calls.extend(line.running.iter().flatten().cloned());
            }
            calls
        };
        let cancelled = calls.iter().filter(|call| call.cancel(why)).count();
        drop(calls);
        // Those who left may have been the last the clerk waited for.
        self.change_life(Life::Finishing);
        cancelled
    }

    /// As [`Hub::cancel_all`], with what is left to be run by the executor.
    pub(super) fn abort(&self, why: &str) -> usize {
        let on_lanes = self.cancel_all(true, why);
        // Looked at after the lanes: what leaves a lane has gone to the executor before.
        let calls = self.executor.get().map(|executor| executor.calls_of(self)).unwrap_or_default();
        on_lanes + calls.iter().filter(|call| call.cancel(why)).count()
    }

    /// Ends everything: nobody will carry anything out any more.
    pub(crate) fn abandon(&self, why: &str) {
        self.change_life(Life::Gone);
        self.cancel_all(true, why);
    }

    /// Whether nothing that was started has still to end; if not, `waker` is woken when that is so.
    pub(super) fn has_ended_or_wake(&self, waker: &Waker) -> bool {
        let mut line = self.lock();
        if self.outstanding() == 0 {
            return true;
        }
        if !line.closers.iter().any(|known| known.will_wake(waker)) {
            line.closers.push(waker.clone());
        }
        false
    }

    /// Waits until nothing that was started has still to end.
    pub(super) fn ended_all(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let hub = Arc::clone(self);
        poll_fn(move |cx| if hub.has_ended_or_wake(cx.waker()) { Poll::Ready(()) } else { Poll::Pending })
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("outstanding", &self.outstanding()).finish_non_exhaustive()
    }
}
