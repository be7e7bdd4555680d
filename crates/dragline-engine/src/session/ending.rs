//! Ends a call: its fetch first, then what is to be done with that, then the hooks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use dragline_telemetry::labels::CallbackResult;

use super::call::{Call, Todo};
use super::callback::Fault;
use super::error::{ErrorKind, SessionError};
use crate::follow::Followed;
use crate::process::Killer;

impl Call {
    /// Ends the fetch itself. What is to be done with it goes to the executor; without that it is done.
    pub(super) fn end_fetch(self: &Arc<Self>, answer: Result<Box<Followed>, SessionError>) {
        let is_response = answer.is_ok();
        let hub = &self.hub;
        if let Err(error) = &answer {
            tracing::debug!(
                target: "dragline::session",
                url = %hub.log_urls().show(&self.url),
                started_at = %self.place,
                kind = ?error.kind(),
                error = error.message(),
                "fetch failed"
            );
        }
        if self.answer.set(answer).is_err() {
            return;
        }
        let (callback, order) = {
            let mut progress = self.lock();
            (progress.callback.take(), progress.order.take())
        };
        // Without the lock, like everything of the caller's.
        drop(order);
        let todo = match callback.filter(|callback| is_response || callback.always) {
            Some(callback) => Todo::Callback(callback),
            None if hub.hooks.has_post() => Todo::Hooks(None),
            None => {
                self.complete(None);
                return;
            }
        };
        let (wakers, bells) = {
            let mut progress = self.lock();
            if progress.state.has_ended() {
                return;
            }
            progress.todo = Some(todo);
            let bells: Vec<_> = progress.bells.iter().map(|(bell, _)| Arc::clone(bell)).collect();
            (std::mem::take(&mut progress.wakers), bells)
        };
        hub.executor().submit(self);
        // A worker that waits for this very fetch may be the only one that can run it.
        wakers.into_iter().for_each(Waker::wake);
        bells.iter().for_each(|bell| bell.call_for_help());
    }

    /// Runs what is left to be done, if nobody else has begun it; called by threads of the executor only.
    pub(super) fn run_todo(self: &Arc<Self>) {
        let todo = self.lock().todo.take();
        let failure = match todo {
            None => return,
            Some(Todo::Hooks(failure)) => failure,
            Some(Todo::Callback(callback)) => match callback.run(self) {
                Ok(value) => {
                    if let Some(value) = value {
                        // Set once: only one callback ever runs.
                        drop(self.value.set(value));
                    }
                    None
                }
                Err(fault) => Some(self.callback_error(fault)),
            },
        };
        self.finish(failure);
    }

    fn callback_error(&self, Fault { kind, message }: Fault) -> SessionError {
        let error = self.error(kind, message);
        tracing::warn!(
            target: "dragline::session",
            url = %self.hub.log_urls().show(&self.url),
            started_at = %self.place,
            thread = std::thread::current().name(),
            error = error.message(),
            "callback failed"
        );
        error
    }

    /// Keeps what ends the worker process that runs its callback, for as long as it does.
    pub(super) fn note_killer(&self, killer: Option<Killer>) {
        let mut progress = self.lock();
        if !progress.state.has_ended() {
            progress.killer = killer;
        } else if let Some(killer) = killer {
            drop(progress);
            killer.kill();
        }
    }

    /// Gives a callback up that takes too long; what it may still return is dropped.
    pub(super) fn give_up_callback(self: &Arc<Self>, limit: Duration) {
        let message = format!("the callback took longer than {limit:?}; its thread was left behind");
        let failure = self.callback_error(Fault { kind: ErrorKind::CallbackTimedOut, message });
        if let Some(telemetry) = self.hub.telemetry() {
            telemetry.callback_ended(CallbackResult::Timeout, limit);
        }
        self.finish_elsewhere(Some(failure));
    }

    /// Runs the hooks of the end here, then tells of the end.
    fn finish(self: &Arc<Self>, failure: Option<SessionError>) {
        if !self.hooks_claimed.swap(true, Ordering::AcqRel) {
            self.hub.hooks.run_post(self, failure.as_ref());
        }
        self.complete(failure);
    }

    /// As [`Call::finish`], with the hooks on a thread of the executor.
    fn finish_elsewhere(self: &Arc<Self>, failure: Option<SessionError>) {
        if self.hub.hooks.has_post() && !self.hooks_claimed.load(Ordering::Acquire) {
            self.lock().todo = Some(Todo::Hooks(failure));
            self.hub.executor().submit(self);
        } else {
            self.complete(failure);
        }
    }
}
