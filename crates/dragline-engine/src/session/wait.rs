//! Blocks a thread until something under a handle has come, unless the thread is one that must not stand still.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use dragline_core::Time;

use crate::clock::Clock;

thread_local! {
    static WAKER: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Whether the calling thread runs an arbiter at this moment: all its actors, perhaps the fetch too, would stand still.
pub(super) fn is_on_arbiter() -> bool {
    actix_rt::Arbiter::try_current().is_some() && tokio::runtime::Handle::try_current().is_ok()
}

/// Marks the calling thread as one that runs callbacks: while it waits it may be the only one that can run another.
pub(super) fn become_worker() {
    IS_WORKER.set(true);
}

/// Whether the calling thread runs callbacks.
pub(super) fn is_worker() -> bool {
    IS_WORKER.get()
}

/// Blocks until `is_there` or the time; `is_there` is given the waker to leave where it is rung. Returns whether it came.
pub(crate) fn block_until(until: Option<(Clock, Time)>, mut is_there: impl FnMut(&Waker) -> bool) -> bool {
    WAKER.with(|waker| {
        loop {
            if is_there(waker) {
                return true;
            }
            match until.map(|(clock, until)| until - clock.now()) {
                None => std::thread::park(),
                Some(Duration::ZERO) => return false,
                Some(left) => std::thread::park_timeout(left),
            }
        }
    })
}
