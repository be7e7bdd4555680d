//! Runs callbacks on a bounded pool of threads, and gives up those that take too long.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dragline_core::Time;

use super::call::Call;
use super::hub::Hub;
use super::{in_process, wait};
use crate::clock::Clock;
use crate::process::WorkerOptions;
use crate::spawn;

/// How long a callback may take unless the executor says otherwise.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(60);

/// Threads that run callbacks, shared by every session it is given to; clones are the same executor.
///
/// Threads are started when there is something to run, at most as many as it was made with, and end when the last
/// clone, session and outstanding fetch are gone. A callback that takes longer than the limit is given up: its fetch
/// ends [`CallbackTimedOut`](super::ErrorKind::CallbackTimedOut), its thread is left behind and another takes its place.
///
/// ```
/// use std::time::Duration;
///
/// use dragline_engine::session::{Executor, Session};
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// # let url = server.url("/");
/// let executor = Executor::threads(2).callback_timeout(Duration::from_secs(10)).build()?;
/// let sessions = [(); 2].map(|()| {
///     Session::builder().executor(&executor).allow_network("127.0.0.0/8").build()
/// });
/// for session in sessions {
///     let length = session?.get(&url).on_done(|response| response.body().len()).start();
///     assert!(*length.result()?.value() > 0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Executor(Arc<Owner>);

/// Closes the pool when the last executor is dropped.
struct Owner(Arc<Pool>);

struct Pool {
    clock: Clock,
    workers_max: usize,
    timeout: Duration,
    /// What each thread's own worker process is made from.
    process: Option<WorkerOptions>,
    state: Mutex<State>,
    /// Rung when there is something to run, or when it closes.
    ready: Condvar,
    /// Rung when it closes.
    closing: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Call>>,
    /// What runs, by worker.
    running: BTreeMap<u64, (Arc<Call>, Time)>,
    idle: usize,
    alive: usize,
    next_worker: u64,
    is_watched: bool,
    is_closed: bool,
}

/// How an executor is made: by [`Executor::threads`] or [`Executor::processes`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ExecutorOptions {
    workers: usize,
    timeout: Duration,
    process: Option<WorkerOptions>,
}

impl ExecutorOptions {
    /// Sets how long a callback may take on its thread, waiting for other fetches included; by default a minute.
    pub const fn callback_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Makes the executor. No thread or process is started yet.
    ///
    /// # Errors
    /// When it would have no worker, or give callbacks no time.
    pub fn build(self) -> Result<Executor, ExecutorError> {
        if self.workers == 0 {
            return Err(ExecutorError("an executor needs at least 1 worker"));
        }
        if self.timeout.is_zero() {
            return Err(ExecutorError("a callback timeout of zero gives callbacks no time"));
        }
        Ok(Executor::of(self))
    }
}

impl Executor {
    /// Begins an executor of at most `workers` threads, at least 1.
    pub const fn threads(workers: usize) -> ExecutorOptions {
        ExecutorOptions { workers, timeout: CALLBACK_TIMEOUT, process: None }
    }

    /// Begins an executor of at most `workers` threads, each with a worker process of its own, in which
    /// [`on_done_in_process`](super::FetchBuilder::on_done_in_process) calls functions; other callbacks run on its
    /// threads. A process is started by the first call, and anew after one that hung, died or said what is no answer. The
    /// times of `options` and the callback's own limit hold both. The program's `main` must begin with
    /// [`Functions::serve_if_asked`](crate::process::Functions::serve_if_asked).
    pub const fn processes(workers: usize, options: WorkerOptions) -> ExecutorOptions {
        ExecutorOptions { workers, timeout: CALLBACK_TIMEOUT, process: Some(options) }
    }

    /// Makes one with a thread for each core.
    pub(super) fn for_cores() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(ExecutorOptions { workers: cores, timeout: CALLBACK_TIMEOUT, process: None })
    }

    fn of(options: ExecutorOptions) -> Self {
        let pool = Pool {
            clock: Clock::start(),
            workers_max: options.workers,
            timeout: options.timeout,
            process: options.process,
            state: Mutex::default(),
            ready: Condvar::new(),
            closing: Condvar::new(),
        };
        Self(Arc::new(Owner(Arc::new(pool))))
    }

    /// Returns how many callbacks may run at a time.
    pub fn workers(&self) -> usize {
        self.0.0.workers_max
    }

    /// Returns the calls of one session that run here or wait for that.
    pub(super) fn calls_of(&self, hub: &Hub) -> Vec<Arc<Call>> {
        let state = self.0.0.lock();
        let running = state.running.values().map(|(call, _)| call);
        let of_hub = |call: &&Arc<Call>| std::ptr::eq(&*call.hub, hub);
        running.chain(&state.waiting).filter(of_hub).map(Arc::clone).collect()
    }

    /// Has what is left to be done for a call run, in the order of coming.
    pub(super) fn submit(&self, call: &Arc<Call>) {
        let pool = &self.0.0;
        let mut state = pool.lock();
        state.waiting.push_back(Arc::clone(call));
        if state.idle >= state.waiting.len() {
            pool.ready.notify_one();
        } else if state.alive < pool.workers_max {
            pool.hire(&mut state);
        }
        if !state.is_watched {
            state.is_watched = true;
            let watched = Arc::clone(pool);
            spawn::thread("dragline-watch", move || watched.watch());
        }
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hire(self: &Arc<Self>, state: &mut State) {
        let worker = state.next_worker;
        state.next_worker += 1;
        let pool = Arc::clone(self);
        if spawn::thread(&format!("dragline-call-{worker}"), move || pool.work(worker)) {
            state.alive += 1;
        }
    }

    /// Runs one call after the other until there will be none, or until this worker was given up.
    fn work(&self, worker: u64) {
        wait::become_worker();
        let _equipment = self.process.clone().map(in_process::equip);
        let mut state = self.lock();
        loop {
            if let Some(call) = state.waiting.pop_front() {
                state.running.insert(worker, (Arc::clone(&call), self.clock.now()));
                drop(state);
                call.run_todo();
                let held = self.lock().running.remove(&worker);
                let was_given_up = held.is_none();
                // Without the lock: they may be the last to hold a session, and with it this very pool.
                drop((call, held));
                if was_given_up {
                    return;
                }
                state = self.lock();
            } else if state.is_closed {
                state.alive -= 1;
                return;
            } else {
                state.idle += 1;
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    /// Gives up callbacks that take too long, until the pool is closed and nothing runs.
    fn watch(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            let now = self.clock.now();
            let is_late = |(_, (_, began)): &(&u64, &(Arc<Call>, Time))| now - *began >= self.timeout;
            let late: Vec<u64> = state.running.iter().filter(is_late).map(|(worker, _)| *worker).collect();
            let calls: Vec<Arc<Call>> =
                late.iter().filter_map(|worker| state.running.remove(worker)).map(|(call, _)| call).collect();
            for _ in &calls {
                state.alive -= 1;
                if !state.waiting.is_empty() {
                    self.hire(&mut state);
                }
            }
            if !calls.is_empty() {
                drop(state);
                calls.iter().for_each(|call| call.give_up_callback(self.timeout));
                drop(calls);
                state = self.lock();
                continue;
            }
            if state.is_closed && state.running.is_empty() && state.waiting.is_empty() {
                return;
            }
            // What begins meanwhile cannot be late before this is over.
            let oldest = state.running.values().map(|(_, began)| *began).min();
            let wait = oldest.map_or(self.timeout, |began| (began + self.timeout) - now);
            let waited = self.closing.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Owner {
    /// Lets threads end once nothing waits.
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.ready.notify_all();
        self.0.closing.notify_all();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

/// Why an executor cannot be made: lower case, no full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorError(&'static str);

impl fmt::Display for ExecutorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ExecutorError {}
