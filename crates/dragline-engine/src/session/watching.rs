//! Waits for the end of a call, and reads what came of it.

use std::sync::Arc;
use std::task::Waker;

use dragline_core::Time;
use dragline_core::session::FetchState;

use super::call::{Call, Value};
use super::error::{ErrorKind, SessionError};
use super::set::Bell;
use crate::follow::Followed;

impl Call {
    /// Whether it has ended; if not, `waker` is woken when it has, or when a worker can do something for it.
    pub(super) fn has_ended_or_wake(&self, waker: &Waker) -> bool {
        let mut progress = self.lock();
        if progress.state.has_ended() {
            return true;
        }
        if !progress.wakers.iter().any(|known| known.will_wake(waker)) {
            progress.wakers.push(waker.clone());
        }
        false
    }

    /// Rings `bell` with `place` when it has ended, at once if it has.
    pub(super) fn ring_at_end(&self, bell: &Arc<Bell>, place: u64) {
        {
            let mut progress = self.lock();
            if !progress.state.has_ended() {
                progress.bells.push((Arc::clone(bell), place));
                return;
            }
        }
        bell.ring(place);
    }

    /// Lets a sequential session run everything up to this fetch.
    pub(super) fn release(&self) {
        if self.hub.is_sequential()
            && let Some(turn) = self.lock().turn
        {
            self.hub.release(turn);
        }
    }

    /// Blocks until it has ended or the time, running what it needs if this is a worker. Returns whether it has ended.
    ///
    /// # Errors
    /// When it was not started, or when this thread must not block.
    pub(super) fn wait(self: &Arc<Self>, until: Option<Time>) -> Result<bool, SessionError> {
        match self.state() {
            FetchState::Idle => {
                return Err(self.error(ErrorKind::NotStarted, "waited for before it was started"));
            }
            FetchState::Done | FetchState::Cancelled => return Ok(true),
            FetchState::Queued | FetchState::Running => {}
        }
        if super::wait::is_on_arbiter() {
            let message = "waiting here would stop every actor of this thread: use .await on the fetch";
            return Err(self.error(ErrorKind::WouldBlock, message));
        }
        self.release();
        let helps = super::wait::is_worker();
        Ok(super::wait::block_until(until.map(|until| (self.hub.clock, until)), |waker| {
            if helps {
                self.run_todo();
            }
            self.has_ended_or_wake(waker)
        }))
    }

    /// Returns how the fetch itself ended, as soon as it has.
    pub(super) fn answer(&self) -> Option<Result<&Followed, &SessionError>> {
        self.answer.get().map(|answer| answer.as_ref().map(|followed| &**followed))
    }

    /// Returns what the callback made of it.
    pub(super) fn value(&self) -> Option<&Value> {
        self.value.get()
    }

    /// Returns whether it ended well; for a fetch that has ended.
    pub(super) fn outcome(&self) -> Result<(), SessionError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        match self.answer.get() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.clone()),
            None => Err(self.error(ErrorKind::NotStarted, "asked for before it has ended")),
        }
    }
}
