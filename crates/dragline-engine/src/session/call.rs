//! Holds one fetch under a handle: its request, its life, its result, and whom to tell of the end.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dragline_core::fetch::FetchRequest;
use dragline_core::session::{FetchState, Turn};
use dragline_core::{Outcome, Phase, Time};
use dragline_telemetry::labels::SessionResult;

use super::callback::Callback;
use super::error::{ErrorKind, SessionError};
use super::hub::Hub;
use super::set::Bell;
use crate::follow::{FollowOptions, Followed};
use crate::process::Killer;

/// A value of the user's, kept with its fetch.
pub(super) type Value = Arc<dyn Any + Send + Sync>;

/// What is to be fetched, and how.
pub(super) struct Order {
    pub(super) request: FetchRequest,
    pub(super) options: FollowOptions,
    /// When it was started.
    pub(super) began: Time,
}

/// One fetch under a handle. The handle, the line, a lane and the executor share it.
pub(super) struct Call {
    pub(super) hub: Arc<Hub>,
    /// The canonical URL; as it was given when it is none.
    pub(super) url: Arc<str>,
    /// Where it was started.
    pub(super) place: &'static Location<'static>,
    /// As it was set for this fetch or for the session.
    pub(super) deadline: Option<Duration>,
    pub(super) data: Box<dyn Any + Send + Sync>,
    pub(super) progress: Mutex<Progress>,
    /// How the fetch ended; there before the callback runs.
    pub(super) answer: OnceLock<Result<Box<Followed>, SessionError>>,
    /// What the callback made of it.
    pub(super) value: OnceLock<Value>,
    /// What went wrong beside the fetch: its callback, a hook, a cancellation.
    pub(super) failure: OnceLock<SessionError>,
    /// Whether somebody has undertaken to run the hooks of the end.
    pub(super) hooks_claimed: AtomicBool,
}

/// What changes while it lives.
pub(super) struct Progress {
    pub(super) state: FetchState,
    pub(super) order: Option<Box<Order>>,
    pub(super) callback: Option<Callback>,
    /// What is left to be run by the executor.
    pub(super) todo: Option<Todo>,
    pub(super) turn: Option<Turn>,
    pub(super) wakers: Vec<Waker>,
    pub(super) bells: Vec<(Arc<Bell>, u64)>,
    /// The lane that runs it.
    pub(super) lane: Option<Waker>,
    /// Ends the worker process that runs its callback.
    pub(super) killer: Option<Killer>,
}

/// What an executor has to do for a fetch that ended.
pub(super) enum Todo {
    /// Its callback, then the hooks of the end.
    Callback(Callback),
    /// The hooks of the end, with what went wrong.
    Hooks(Option<SessionError>),
}

impl Call {
    pub(super) fn new(
        hub: Arc<Hub>,
        url: Arc<str>,
        place: &'static Location<'static>,
        parts: CallParts,
    ) -> Arc<Self> {
        let CallParts { deadline, data, order, callback } = parts;
        let progress = Progress {
            state: FetchState::Idle,
            order: order.map(Box::new),
            callback,
            todo: None,
            turn: None,
            wakers: Vec::new(),
            bells: Vec::new(),
            lane: None,
            killer: None,
        };
        Arc::new(Self {
            hub,
            url,
            place,
            deadline,
            data,
            progress: Mutex::new(progress),
            answer: OnceLock::new(),
            value: OnceLock::new(),
            failure: OnceLock::new(),
            hooks_claimed: AtomicBool::new(false),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> FetchState {
        self.lock().state
    }

    /// Makes an error about this fetch.
    pub(super) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> SessionError {
        SessionError::new(kind, &self.url, message).started_at(self.place)
    }

    /// Leaves the state `idle`: it waits for its turn from now on, unless `refused` or a hook says why it never will.
    ///
    /// # Errors
    /// When it was started or cancelled before.
    pub(super) fn start(self: &Arc<Self>, refused: Option<SessionError>) -> Result<(), SessionError> {
        let began = self.hub.clock.now();
        let order = {
            let mut progress = self.lock();
            if progress.state != FetchState::Idle {
                let message =
                    format!("this fetch is {} already: make another to fetch again", progress.state);
                return Err(self.error(ErrorKind::AlreadyStarted, message));
            }
            progress.state = progress.state.advance(FetchState::Queued);
            progress.order.take()
        };
        self.hub.began();
        let lined_up = match (refused, order) {
            (Some(error), _) => Err(error),
            (None, Some(order)) => self.line_up(order, began),
            (None, None) => Err(self.error(ErrorKind::InvalidRequest, "there is no request to send")),
        };
        if let Err(error) = lined_up {
            self.end_fetch(Err(error));
        }
        Ok(())
    }

    /// Lets the hooks see the request, then waits for a lane with it.
    ///
    /// # Errors
    /// Why it will not be fetched.
    fn line_up(self: &Arc<Self>, mut order: Box<Order>, began: Time) -> Result<(), SessionError> {
        let hooked = self.hub.hooks.run_pre(&mut order.request);
        hooked.map_err(|message| self.error(ErrorKind::HookRefused, message))?;
        order.began = began;
        let deadline = order.request.limits.deadline;
        if deadline.is_zero() {
            let timeout = ErrorKind::Fetch(Outcome::Timeout);
            return Err(self.error(timeout, "a deadline of zero leaves no time to fetch"));
        }
        {
            let mut progress = self.lock();
            if progress.state.has_ended() {
                // A hook took its time, and somebody cancelled it.
                return Ok(());
            }
            progress.order = Some(order);
        }
        let turn = self.hub.enqueue(self, began + deadline)?;
        self.lock().turn = Some(turn);
        Ok(())
    }

    /// Gives the request to the lane that will carry it out; nothing when it was cancelled meanwhile.
    pub(super) fn begin(&self) -> Option<Box<Order>> {
        let mut progress = self.lock();
        if progress.state != FetchState::Queued {
            return None;
        }
        progress.state = progress.state.advance(FetchState::Running);
        progress.order.take()
    }

    /// Whether it was cancelled; if not, `cx` is woken when it is.
    pub(super) fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut progress = self.lock();
        if progress.state.has_ended() {
            return Poll::Ready(());
        }
        match &mut progress.lane {
            Some(lane) => lane.clone_from(cx.waker()),
            lane @ None => *lane = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Tells of the end; the first one counts. Returns whether this was it.
    pub(super) fn complete(&self, failure: Option<SessionError>) -> bool {
        self.end(FetchState::Done, failure)
    }

    fn end(&self, state: FetchState, failure: Option<SessionError>) -> bool {
        let (was_started, wakers, rung, lane, killer, dropped) = {
            let mut progress = self.lock();
            if progress.state.has_ended() {
                return false;
            }
            let was_started = progress.state != FetchState::Idle;
            if let Some(failure) = failure {
                // Before the state, which says that it can be read.
                drop(self.failure.set(failure));
            }
            progress.state = progress.state.advance(state);
            // Within the lock, so that whoever sees the state finds it told to the sets.
            let bells = std::mem::take(&mut progress.bells);
            let rung: Vec<Waker> = bells.iter().filter_map(|(bell, place)| bell.note(*place)).collect();
            (
                was_started,
                std::mem::take(&mut progress.wakers),
                rung,
                progress.lane.take(),
                progress.killer.take(),
                (progress.order.take(), progress.callback.take()),
            )
        };
        drop(dropped);
        if was_started {
            self.hub.ended(self.session_result(state));
        }
        wakers.into_iter().chain(rung).for_each(Waker::wake);
        if let Some(killer) = killer {
            killer.kill();
        }
        if let Some(lane) = lane.filter(|_| state == FetchState::Cancelled) {
            lane.wake();
        }
        true
    }

    fn session_result(&self, state: FetchState) -> SessionResult {
        match (state, self.failure.get(), self.answer.get()) {
            (FetchState::Cancelled, ..) => SessionResult::Cancelled,
            (_, Some(_), _) => SessionResult::CallbackFailed,
            (_, None, Some(Ok(_))) => SessionResult::Response,
            (_, None, _) => SessionResult::Failed,
        }
    }

    /// Cancels it wherever it is; returns whether it had not ended.
    pub(super) fn cancel(self: &Arc<Self>, why: &str) -> bool {
        let (state, turn, todo) = {
            let mut progress = self.lock();
            if progress.state.has_ended() {
                // Its hooks may still have to run: they are left to whoever was given them.
                return false;
            }
            (progress.state, progress.turn.take(), progress.todo.take())
        };
        let failure = self.error(ErrorKind::Fetch(Outcome::Cancelled), why);
        if !self.end(FetchState::Cancelled, Some(failure.clone())) {
            return false;
        }
        if state == FetchState::Idle {
            return true;
        }
        drop(todo);
        if let Some(turn) = turn {
            self.hub.leave(turn);
        }
        if self.hub.hooks.has_post() && !self.hooks_claimed.load(Ordering::Acquire) {
            self.lock().todo = Some(Todo::Hooks(Some(failure)));
            self.hub.executor().submit(self);
        }
        true
    }

    /// Ends it because its deadline passed before a lane was free.
    pub(super) fn expire(self: &Arc<Self>) {
        let deadline =
            self.lock().order.as_ref().map_or(Duration::ZERO, |order| order.request.limits.deadline);
        let message = format!("the deadline of {deadline:?} passed while waiting for a lane of the session");
        let error = dragline_core::FetchError { phase: Phase::Queue, message };
        let error = SessionError::fetch(&self.url, Outcome::Timeout, None, Some(&error));
        self.end_fetch(Err(error.started_at(self.place)));
    }
}

/// What a call is made of beside its place.
pub(super) struct CallParts {
    pub(super) deadline: Option<Duration>,
    pub(super) data: Box<dyn Any + Send + Sync>,
    pub(super) order: Option<Order>,
    pub(super) callback: Option<Callback>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("url", &self.url).field("state", &self.state()).finish_non_exhaustive()
    }
}
