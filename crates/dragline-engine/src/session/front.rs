//! Is the futures API's front: every fetch is started here, with the defaults of its session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use dragline_core::auth::{Credentials, Keyring};
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchLimits, Method};
use dragline_core::{CanonicalUrl, Origin};
use dragline_telemetry::Telemetry;

use super::builder::SessionBuilder;
use super::error::SessionError;
use super::hooks::Hooks;
use super::hub::Hub;
use super::request::FetchBuilder;
use super::response::Response;
use super::wait;
use crate::follow::FollowOptions;
use crate::spawn::Tasks;

/// Starts fetches and gives handles to them; clones share lanes, connections, cookies, hooks and executor.
///
/// It may be used from any thread, in any runtime or none. When the last clone is dropped nothing more can be started;
/// what was started ends, and its handles stay good. Nothing waits for that: [`Session::close`] can.
///
/// ```
/// use dragline_engine::session::{Close, Session};
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// let session = Session::builder()
///     .workers(10)
///     .allow_network("127.0.0.0/8") // the server of this example is on loopback
///     .base_url(&server.url("/"))
///     .build()?;
/// let one = session.get("/one").start();
/// let two = session.post("/two").json(&[1, 2]).start(); // beside the first
/// assert_eq!(one.result()?.status(), 200);
/// assert!(two.result()?.text().ends_with("[1,2]"));
/// assert!(session.close(Close::Finish).wait());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Session {
    pub(super) hub: Arc<Hub>,
    pub(super) defaults: Arc<Defaults>,
    /// `None` for a session of a crawl, which ends with its crawl.
    alive: Option<Arc<Alive>>,
}

/// What every fetch of a session has unless it says otherwise.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) headers: Arc<[(Box<str>, Box<str>)]>,
    pub(super) cookies: Option<Arc<CookieJar>>,
    pub(super) credentials: Vec<(Origin, Credentials)>,
    pub(super) keyring: Option<Arc<Keyring>>,
    pub(super) base_url: Option<CanonicalUrl>,
    pub(super) limits: Arc<FetchLimits>,
    pub(super) deadline: Option<Duration>,
    pub(super) options: FollowOptions,
}

impl Defaults {
    /// Returns the session's fields, those replaced that a fetch has of its own.
    pub(super) fn headers_with(&self, own: &[(Box<str>, Box<str>)]) -> Arc<[(Box<str>, Box<str>)]> {
        if own.is_empty() {
            return Arc::clone(&self.headers);
        }
        let is_replaced = |name: &str| own.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let kept = self.headers.iter().filter(|(name, _)| !is_replaced(name));
        kept.chain(own).cloned().collect()
    }
}

/// Ends the lanes when the last clone of a session is dropped.
struct Alive {
    hub: Arc<Hub>,
    /// The lanes' own thread, when they have one.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The lanes' tasks, when they run on an arbiter of somebody else's.
    tasks: Mutex<Tasks>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.hub.finish();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // They end by themselves when what was started has.
        tasks.detach();
    }
}

/// What becomes of what runs when a session is closed: on a lane, or with a callback on the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// It goes on and is waited for.
    Finish,
    /// It is cancelled. A callback that runs is not stopped, but nobody waits for it; a worker process that runs one is
    /// killed.
    Abort,
}

impl Session {
    /// Begins a session of its own: with lanes, connections and a host table that no crawl has part in.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    pub(super) fn new(
        hub: Arc<Hub>,
        defaults: Defaults,
        thread: Option<JoinHandle<()>>,
        tasks: Tasks,
    ) -> Self {
        let alive = Alive { hub: Arc::clone(&hub), thread: Mutex::new(thread), tasks: Mutex::new(tasks) };
        Self { hub, defaults: Arc::new(defaults), alive: Some(Arc::new(alive)) }
    }

    pub(super) fn of_crawl(hub: Arc<Hub>, defaults: Defaults) -> Self {
        Self { hub, defaults: Arc::new(defaults), alive: None }
    }

    /// Begins a `GET` of a URL; of a reference when the session has a base. What is wrong with it is told by the result.
    pub fn get(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Get, url)
    }

    /// Begins a `POST`.
    pub fn post(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Post, url)
    }

    /// Begins a `PUT`.
    pub fn put(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Put, url)
    }

    /// Begins a `PATCH`.
    pub fn patch(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Patch, url)
    }

    /// Begins a `DELETE`.
    pub fn delete(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Delete, url)
    }

    /// Begins a `HEAD`.
    pub fn head(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Head, url)
    }

    /// Begins an `OPTIONS`.
    pub fn options(&self, url: impl AsRef<str>) -> FetchBuilder {
        self.request(Method::Options, url)
    }

    /// Begins a request of any method. Nothing happens before its [`start`](FetchBuilder::start).
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> FetchBuilder {
        FetchBuilder::new(self, method, url.as_ref())
    }

    /// Fetches a URL and blocks until it has: start and result in one.
    ///
    /// # Errors
    /// As [`Fetch::result`](super::Fetch::result): so it is not for an actor's thread.
    #[track_caller]
    pub fn fetch(&self, url: impl AsRef<str>) -> Result<Response, SessionError> {
        self.get(url).start().result()
    }

    /// Returns the hooks of this session and its clones, to add to them; those of a crawl are shared by all its sessions.
    pub fn hooks(&self) -> &Hooks {
        &self.hub.hooks
    }

    /// Returns the cookies that are kept, if any are.
    pub fn cookies(&self) -> Option<&Arc<CookieJar>> {
        self.defaults.cookies.as_ref()
    }

    /// Returns the metrics of this session; those of the crawl for a session of a crawl, `None` before it has begun.
    pub fn telemetry(&self) -> Option<&Arc<Telemetry>> {
        self.hub.telemetry()
    }

    /// Returns how many fetches were started and have not ended, callbacks included; of all sessions of its crawl for a
    /// session of a crawl.
    pub fn outstanding(&self) -> usize {
        self.hub.outstanding()
    }

    /// Starts nothing more, cancels what waits for a lane, and lets what runs end or cancels that too, callbacks included.
    /// It returns at once: the value that is returned can wait for the end.
    ///
    /// All clones are closed with it; for a session of a crawl, all sessions of that crawl. An executor is not.
    pub fn close(&self, how: Close) -> Closing {
        let why = "its session was closed";
        let cancelled = match how {
            Close::Finish => self.hub.cancel_all(false, why),
            Close::Abort => self.hub.abort(why),
        };
        let ended = Box::pin(self.hub.ended_all());
        let own = self.alive.as_ref();
        let thread = own.and_then(|own| own.thread.lock().unwrap_or_else(PoisonError::into_inner).take());
        Closing { hub: Arc::clone(&self.hub), cancelled, ended, thread }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("outstanding", &self.outstanding()).finish_non_exhaustive()
    }
}

/// The end of a session: wait for it in a way that fits.
///
/// Dropping it does not undo the close.
#[must_use = "waits only when it is asked to: `wait`, or `.await`"]
pub struct Closing {
    hub: Arc<Hub>,
    cancelled: usize,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    thread: Option<JoinHandle<()>>,
}

impl Closing {
    /// Returns how many fetches the close has cancelled.
    pub const fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Blocks until everything that was started has ended, and the session's own thread with it.
    ///
    /// Returns `false` at once when the calling thread runs an arbiter, which must not stand still: await it there. Not to
    /// be called by a callback of the session, which would wait for its own end.
    pub fn wait(self) -> bool {
        if wait::is_on_arbiter() || wait::is_worker() {
            return false;
        }
        wait::block_until(None, |waker| self.hub.has_ended_or_wake(waker));
        if let Some(thread) = self.thread.filter(|thread| thread.thread().id() != std::thread::current().id())
        {
            // Its panic was told to those whose fetches it ran.
            drop(thread.join());
        }
        true
    }
}

/// Waits until everything that was started has ended, in any runtime.
///
/// # Cancel safety
/// Dropping it does not undo the close.
impl Future for Closing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.ended.as_mut().poll(cx)
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").field("cancelled", &self.cancelled).finish_non_exhaustive()
    }
}
