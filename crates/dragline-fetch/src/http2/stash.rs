//! Keeps connections on which the server chose http/1.1 until awc's connector takes them: no second dial.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::known::Key;
use crate::dial::{Dialed, Target};

/// How long a connection waits to be taken.
const KEPT: Duration = Duration::from_secs(5);
/// Connections that wait at a time.
const CONNECTIONS_MAX: usize = 256;

/// Fresh connections that speak HTTP/1.1, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Stash(RefCell<VecDeque<(Key, Instant, Dialed)>>);

impl Stash {
    /// Keeps a connection; the oldest one is closed when there are too many.
    pub(crate) fn put(&self, target: &Target<'_>, dialed: Dialed, now: Instant) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= CONNECTIONS_MAX
            && let Some((_, _, oldest)) = kept.pop_front()
        {
            close(oldest);
        }
        kept.push_back((Key::of(target), now, dialed));
    }

    /// Takes a connection to the target by its route, whether or not that offers HTTP/2.
    pub(crate) fn take(&self, target: &Target<'_>, now: Instant) -> Option<Dialed> {
        let mut kept = self.0.borrow_mut();
        if kept.is_empty() {
            return None;
        }
        let key = Key::of(target);
        let at = kept.iter().position(|(of, since, _)| *of == key && now - *since < KEPT)?;
        kept.remove(at).map(|(_, _, dialed)| dialed)
    }

    /// Closes what nobody came for.
    pub(super) fn sweep(&self, now: Instant) {
        let mut kept = self.0.borrow_mut();
        while kept.front().is_some_and(|(_, since, _)| now - *since >= KEPT) {
            if let Some((_, _, dialed)) = kept.pop_front() {
                close(dialed);
            }
        }
    }

    /// Returns the number of connections kept.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

/// Says goodbye, as far as that needs no waiting.
fn close(mut dialed: Dialed) {
    let mut cx = Context::from_waker(Waker::noop());
    // A fresh socket has room for a close_notify; if not, the peer sees a plain end.
    drop(Pin::new(&mut dialed.io).poll_shutdown(&mut cx));
}
