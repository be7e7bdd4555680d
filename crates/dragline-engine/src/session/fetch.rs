//! Is the handle of one fetch: a promise of its response.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use dragline_core::session::FetchState;

use super::call::Call;
use super::error::{ErrorKind, SessionError};
use super::mapped::Mapped;
use super::response::Response;
use crate::words::panic_message;

/// What runs on the thread that waits for a fetch.
pub(super) type OnWait<V, D> = Box<dyn FnOnce(&Fetch<V, D>) + Send>;

/// One fetch: a promise of a [`Response`], kept in the background. It may be asked and waited for from any thread, and
/// awaited in any runtime.
///
/// `D` is the data attached to it, `V` what its callback returns. A handle is one call. Dropping it cancels the fetch,
/// unless that has ended or is [detached](Fetch::detach).
///
/// ```
/// use std::time::Duration;
///
/// use dragline_engine::session::{FetchState, Session};
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// # let url = server.url("/?wait_ms=20000");
/// let session = Session::builder().allow_network("127.0.0.0/8").build()?;
/// let fetch = session.get(url).start();
/// if !fetch.wait(Duration::from_millis(20))? {
///     fetch.cancel();
/// }
/// assert_eq!(fetch.state(), FetchState::Cancelled);
/// assert!(fetch.result().unwrap_err().is_cancelled());
///
/// let bad = session.get("no url").start(); // told by the result
/// assert_eq!(bad.result().unwrap_err().url(), "no url");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle cancels the fetch: detach it, or wait for its result"]
pub struct Fetch<V = (), D = ()> {
    call: Arc<Call>,
    /// Why it will not be fetched, found when it was made and told at its start.
    refused: Mutex<Option<SessionError>>,
    on_wait: Mutex<Option<OnWait<V, D>>>,
    /// What went wrong in the callback of the wait.
    wait_failure: OnceLock<SessionError>,
    is_detached: bool,
    kinds: PhantomData<fn() -> (V, D)>,
}

impl<V, D> Fetch<V, D> {
    pub(super) fn new(call: Arc<Call>, refused: Option<SessionError>, on_wait: Option<OnWait<V, D>>) -> Self {
        Self {
            call,
            refused: Mutex::new(refused),
            on_wait: Mutex::new(on_wait),
            wait_failure: OnceLock::new(),
            is_detached: false,
            kinds: PhantomData,
        }
    }

    pub(super) const fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Starts a fetch that was made by [`FetchBuilder::create`](super::FetchBuilder::create). Returns at once. The hooks
    /// before a fetch run here, on the calling thread.
    ///
    /// # Errors
    /// When it was started or cancelled before. Whatever is wrong with the request itself is told by the result.
    pub fn start(&self) -> Result<(), SessionError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.call.start(refused)
    }

    /// Returns where it stands. It is `running` until its callback and the hooks of the end have run too.
    pub fn state(&self) -> FetchState {
        self.call.state()
    }

    /// Returns the URL that was asked for: canonical when it is one, else as it was given.
    pub fn url(&self) -> &str {
        &self.call.url
    }

    /// Returns the deadline that was set, for this fetch or for its session; `None` when none was, and the session's
    /// limits alone hold. It is a length, counted from the start.
    pub fn deadline(&self) -> Option<Duration> {
        self.call.deadline
    }

    /// Returns where in the caller's code it was started or made.
    pub fn place(&self) -> &'static Location<'static> {
        self.call.place
    }

    /// Cancels it; its connection is closed, its callbacks do not begin. Returns whether it had not ended.
    ///
    /// A callback that runs is not stopped, but what it returns is dropped; a worker process that runs one is killed.
    /// The result is [`Cancelled`](dragline_core::Outcome::Cancelled) at once.
    pub fn cancel(&self) -> bool {
        self.call.cancel("the fetch was cancelled")
    }

    /// Lets it go on without its handle: it ends, and its callback in the background runs, but nobody sees its result.
    pub fn detach(mut self) {
        self.is_detached = true;
    }
}

impl<V: Send + Sync + 'static, D: Send + Sync + 'static> Fetch<V, D> {
    /// Returns the data that was attached.
    ///
    /// # Panics
    /// Never: the type of the handle is that of its data.
    pub fn data(&self) -> &D {
        self.call.data.downcast_ref().expect("a handle's type is that of its data")
    }

    /// Sets what runs when it is waited for: once, on the first thread that waits for it, when it has ended, well or
    /// not. Replaces what was set before and has not run. It is given this handle and may ask it anything. Waiting for
    /// another fetch never runs it.
    ///
    /// Its panic becomes the result. A second thread that waits at the same time does not wait for it.
    pub fn on_wait(&self, callback: impl FnOnce(&Self) + Send + 'static) {
        let earlier = self.on_wait.lock().unwrap_or_else(PoisonError::into_inner).replace(Box::new(callback));
        drop(earlier);
    }

    /// Runs the callback of the wait, unless it has run.
    pub(super) fn run_on_wait(&self) {
        let callback = self.on_wait.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(callback) = callback else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback(self))) {
            let message = format!("the callback of the wait panicked: {}", panic_message(&*panic));
            let error = self.call.error(ErrorKind::CallbackPanicked, message);
            tracing::warn!(
                target: "dragline::session",
                url = %self.call.hub.log_urls().show(self.url()),
                started_at = %self.call.place,
                thread = std::thread::current().name(),
                error = error.message(),
                "callback failed"
            );
            // Set once: the callback runs once.
            drop(self.wait_failure.set(error));
        }
    }

    /// Blocks until it has ended, at most for `timeout`, for ever with `None`; returns whether it has. How it ended is no
    /// error here. A fetch that has not ended goes on.
    ///
    /// # Errors
    /// [`NotStarted`](ErrorKind::NotStarted); or [`WouldBlock`](ErrorKind::WouldBlock) when it has not ended and the
    /// calling thread runs an arbiter, which must not stand still.
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, SessionError> {
        let until = timeout.into().map(|timeout| self.call.hub.clock.now() + timeout);
        let has_ended = self.call.wait(until)?;
        if has_ended {
            self.run_on_wait();
        }
        Ok(has_ended)
    }

    /// Blocks until it has ended and tells whether there is a response.
    ///
    /// # Errors
    /// Why there is none; or as [`Fetch::wait`].
    pub fn check(&self) -> Result<(), SessionError> {
        self.wait(None)?;
        self.settled().map(drop)
    }

    /// Blocks until it has ended and returns the response. Asked again it returns the same.
    ///
    /// Inside a runtime use `fetch.await`: only on the thread of an actor is blocking refused.
    ///
    /// # Errors
    /// Why there is no response, or what went wrong in a callback; or as [`Fetch::wait`].
    pub fn result(&self) -> Result<Response<V, D>, SessionError> {
        self.wait(None)?;
        self.settled()
    }

    /// Returns the result if it has ended, and runs the callback of the wait then; never waits.
    ///
    /// # Errors
    /// As [`Fetch::result`], within the `Some`.
    pub fn try_result(&self) -> Option<Result<Response<V, D>, SessionError>> {
        self.state().has_ended().then(|| {
            self.run_on_wait();
            self.settled()
        })
    }

    fn settled(&self) -> Result<Response<V, D>, SessionError> {
        if let Some(failure) = self.wait_failure.get() {
            return Err(failure.clone());
        }
        self.call.outcome().map(|()| Response::of(&self.call))
    }

    /// Makes a handle whose result is what `map` makes of the response, on the thread that asks for it. It is not called
    /// when there is no response; its error or panic is the result.
    pub fn map<T, E>(
        self,
        map: impl FnOnce(Response<V, D>) -> Result<T, E> + Send + 'static,
    ) -> Mapped<T, V, D>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Mapped::of_response(self, map)
    }

    /// As [`Fetch::map`], for what decides about failures too: it is always called, and may make a value of one.
    pub fn map_result<T, E>(
        self,
        map: impl FnOnce(Result<Response<V, D>, SessionError>) -> Result<T, E> + Send + 'static,
    ) -> Mapped<T, V, D>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Mapped::of_result(self, map)
    }
}

/// Waits without blocking, in any runtime.
///
/// # Cancel safety
/// Dropping it unfinished cancels the fetch. Await `&mut fetch` to keep it: dropping that changes nothing.
impl<V: Send + Sync + 'static, D: Send + Sync + 'static> Future for Fetch<V, D> {
    type Output = Result<Response<V, D>, SessionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.call.has_ended_or_wake(cx.waker()) {
            self.run_on_wait();
            return Poll::Ready(self.settled());
        }
        if self.state() == FetchState::Idle {
            return Poll::Ready(Err(self.call.error(ErrorKind::NotStarted, "awaited before it was started")));
        }
        self.call.release();
        Poll::Pending
    }
}

impl<V, D> Drop for Fetch<V, D> {
    fn drop(&mut self) {
        if !self.is_detached {
            self.call.cancel("its handle was dropped");
        }
    }
}

impl<V, D> fmt::Debug for Fetch<V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("url", &self.url())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
