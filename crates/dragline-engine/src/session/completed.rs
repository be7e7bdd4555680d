//! Waits for several fetches: for the first, for all, or for one after the other as they end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::error::SessionError;
use super::fetch::Fetch;
use super::set::{Any, FetchSet};
use super::wait;

/// Blocks until a member of the set has ended, and returns the earliest in the order of collection among those that
/// have: the same one again until an earlier one ends or it is removed. `None` when the set is empty.
///
/// What was to run when that fetch is waited for runs here, the first time; nothing of any other does. Costs a
/// logarithm of how many have ended. Not to be used on an actor's thread; [`FetchSet::any`] may be.
///
/// # Errors
/// [`NotStarted`](super::ErrorKind::NotStarted) when members are left to wait for but none was started;
/// [`WouldBlock`](super::ErrorKind::WouldBlock) when none has ended and the calling thread runs an arbiter.
pub fn wait_any<V, D>(set: &mut FetchSet<V, D>) -> Result<Option<Any<'_, V, D>>, SessionError>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    set.wait_any()
}

/// Blocks until every fetch of the set has ended, well or not; what was to run when they are waited for runs here.
/// Cancellers have no part in it. Not to be used on an actor's thread; [`FetchSet::all`] may be.
///
/// # Errors
/// [`NotStarted`](super::ErrorKind::NotStarted) when a fetch was not started, and nothing is waited for then;
/// [`WouldBlock`](super::ErrorKind::WouldBlock) when some have not ended and the calling thread runs an arbiter.
pub fn wait_all<V, D>(set: &mut FetchSet<V, D>) -> Result<(), SessionError>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    set.wait_all()
}

/// Gives the fetches of a set one after the other, each when it has ended: as an iterator that blocks, or, by
/// [`AsCompleted::stream`], as a stream.
///
/// Cancellers are left out. A fetch that was not started comes last, and its result says so; so does every fetch that
/// has not ended when the iterator is used on an actor's thread, which must not block.
///
/// ```
/// use dragline_engine::session::{FetchSet, Session, as_completed};
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// # let session =
/// #     Session::builder().base_url(&server.url("/")).allow_network("127.0.0.0/8").build()?;
/// let start = |wait| session.get(format!("/?wait_ms={wait}")).data(wait).start();
/// let set: FetchSet<(), u32> = [500, 0].map(start).into_iter().collect();
/// let order: Vec<u32> = as_completed(set).map(|fetch| *fetch.data()).collect();
/// assert_eq!(order, [0, 500]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<V, D>(set: FetchSet<V, D>) -> AsCompleted<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    set.iter().for_each(|fetch| fetch.call().release());
    AsCompleted { set }
}

/// Fetches in the order in which they end: see [`as_completed`]. Dropping it cancels those that were not given yet.
pub struct AsCompleted<V = (), D = ()> {
    set: FetchSet<V, D>,
}

impl<V, D> AsCompleted<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    /// Returns how many fetches have not been given yet.
    pub fn remaining(&self) -> usize {
        self.set.iter().count()
    }

    /// Adds a fetch to those that are waited for; after the last was given too.
    pub fn push(&mut self, fetch: Fetch<V, D>) {
        fetch.call().release();
        self.set.push(fetch);
    }

    /// Gives them as a stream, in any runtime.
    pub const fn stream(self) -> CompletedStream<V, D> {
        CompletedStream(self)
    }

    /// Whether something that was started is left.
    fn has_started(&self) -> bool {
        self.set.iter().any(|fetch| fetch.state() != dragline_core::session::FetchState::Idle)
    }
}

impl<V, D> Iterator for AsCompleted<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    type Item = Fetch<V, D>;

    fn next(&mut self) -> Option<Fetch<V, D>> {
        if let Some(fetch) = self.set.take_ended_or_wake(std::task::Waker::noop()) {
            return Some(fetch);
        }
        if !self.has_started() || wait::is_on_arbiter() {
            return self.set.take_first();
        }
        let mut found = None;
        wait::block_until(None, |waker| {
            self.set.help();
            found = self.set.take_ended_or_wake(waker);
            found.is_some()
        });
        found
    }
}

/// As [`AsCompleted`], without blocking; made by [`AsCompleted::stream`].
///
/// # Cancel safety
/// Dropping a wait for the next one takes none. Dropping the stream cancels those that were not given yet.
#[derive(Debug)]
pub struct CompletedStream<V = (), D = ()>(AsCompleted<V, D>);

impl<V, D> CompletedStream<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    /// Adds a fetch to those that are waited for.
    pub fn push(&mut self, fetch: Fetch<V, D>) {
        self.0.push(fetch);
    }
}

impl<V, D> Stream for CompletedStream<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    type Item = Fetch<V, D>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Fetch<V, D>>> {
        let completed = &mut self.0;
        if let Some(fetch) = completed.set.take_ended_or_wake(cx.waker()) {
            return Poll::Ready(Some(fetch));
        }
        if completed.has_started() { Poll::Pending } else { Poll::Ready(completed.set.take_first()) }
    }
}

impl<V, D> fmt::Debug for AsCompleted<V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("set", &self.set).finish()
    }
}
