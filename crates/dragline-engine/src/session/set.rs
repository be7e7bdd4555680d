//! Collects fetches that are waited for together, and knows which of them have ended.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use dragline_core::session::{FetchState, Finished};

use super::canceller::WaitCanceller;
use super::error::{ErrorKind, SessionError};
use super::fetch::Fetch;
use super::wait;

/// Rung by the members of a set when they end.
pub(super) struct Bell(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    finished: Finished,
    /// Woken when this many have finished in all.
    waiting: Option<(usize, Waker)>,
    /// Whether who waits runs callbacks, and must be woken when there is one to run.
    is_helper: bool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes who waits, if that is a thread that can run what a member needs run.
    pub(super) fn call_for_help(&self) {
        let mut rung = self.lock();
        let woken = if rung.is_helper { rung.waiting.take() } else { None };
        drop(rung);
        if let Some((_, waker)) = woken {
            waker.wake();
        }
    }

    /// Notes that the member at this place has ended, and wakes who waits for that.
    pub(super) fn ring(&self, place: u64) {
        if let Some(waker) = self.note(place) {
            waker.wake();
        }
    }

    /// Notes that the member at this place has ended; returns whom to wake.
    pub(super) fn note(&self, place: u64) -> Option<Waker> {
        let mut rung = self.lock();
        rung.finished.note(place);
        let count = rung.finished.count();
        rung.waiting.take_if(|(wanted, _)| *wanted <= count).map(|(_, waker)| waker)
    }
}

/// Fetches that are waited for together, in the order in which they were collected. Dropping it cancels those that have
/// not ended.
///
/// All of a set have data and values of the same types. [`wait_any`](super::wait_any) and
/// [`wait_all`](super::wait_all) block, [`FetchSet::any`] and [`FetchSet::all`] do not.
///
/// ```
/// use dragline_engine::session::{Any, FetchSet, Session, wait_all, wait_any};
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// let session =
///     Session::builder().base_url(&server.url("/")).allow_network("127.0.0.0/8").build()?;
/// let mut set: FetchSet = FetchSet::new();
/// let slow = set.push(session.get("/?wait_ms=1000").start());
/// let quick = set.push(session.get("/").start());
/// // The earliest in order of collection among those that have ended.
/// assert!(matches!(wait_any(&mut set)?, Some(Any::Fetch(key, _)) if key == quick));
/// wait_all(&mut set)?;
/// assert!(matches!(wait_any(&mut set)?, Some(Any::Fetch(key, _)) if key == slow));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FetchSet<V = (), D = ()> {
    members: BTreeMap<u64, Member<V, D>>,
    next: u64,
    bell: Arc<Bell>,
}

enum Member<V, D> {
    Fetch(Fetch<V, D>),
    Canceller,
}

/// Names a member of one set, and nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchKey(u64);

/// What [`wait_any`](super::wait_any) found.
#[derive(Debug)]
pub enum Any<'a, V = (), D = ()> {
    /// This fetch has ended.
    Fetch(FetchKey, &'a Fetch<V, D>),
    /// This canceller was used.
    Cancelled(FetchKey),
}

impl<V, D> FetchSet<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    /// Makes an empty set.
    pub fn new() -> Self {
        Self { members: BTreeMap::new(), next: 0, bell: Arc::new(Bell(Mutex::default())) }
    }

    /// Collects a fetch, behind those there are.
    pub fn push(&mut self, fetch: Fetch<V, D>) -> FetchKey {
        let place = self.take_place();
        fetch.call().ring_at_end(&self.bell, place);
        self.members.insert(place, Member::Fetch(fetch));
        FetchKey(place)
    }

    /// Collects a canceller: from its use on, [`wait_any`](super::wait_any) returns it in its turn, before whatever was
    /// collected later. It may be in several sets.
    pub fn push_canceller(&mut self, canceller: &WaitCanceller) -> FetchKey {
        let place = self.take_place();
        canceller.ring_at_use(&self.bell, place);
        self.members.insert(place, Member::Canceller);
        FetchKey(place)
    }

    fn take_place(&mut self) -> u64 {
        let place = self.next;
        self.next += 1;
        let members = &self.members;
        self.bell.lock().finished.tidy(members.len(), |place| members.contains_key(&place));
        place
    }

    /// Returns a fetch of the set; `None` when it was removed, or is a canceller.
    pub fn get(&self, key: FetchKey) -> Option<&Fetch<V, D>> {
        match self.members.get(&key.0)? {
            Member::Fetch(fetch) => Some(fetch),
            Member::Canceller => None,
        }
    }

    /// Takes the fetch that ended first and was not taken so before; if there is none yet, `waker` is woken when one has.
    pub(super) fn take_ended_or_wake(&mut self, waker: &Waker) -> Option<Fetch<V, D>> {
        let members = &self.members;
        let is_fetch = |place: u64| matches!(members.get(&place), Some(Member::Fetch(_)));
        let place = {
            let mut rung = self.bell.lock();
            let place = rung.finished.take_oldest(is_fetch);
            if place.is_none() {
                let wanted = rung.finished.count() + 1;
                rung.waiting = Some((wanted, waker.clone()));
            }
            place?
        };
        self.remove(FetchKey(place))
    }

    /// Takes the fetch that was collected first.
    pub(super) fn take_first(&mut self) -> Option<Fetch<V, D>> {
        loop {
            let (_, member) = self.members.pop_first()?;
            if let Member::Fetch(fetch) = member {
                return Some(fetch);
            }
        }
    }

    /// Takes a fetch out of the set, which cancels nothing while it is kept; a canceller is only taken out.
    pub fn remove(&mut self, key: FetchKey) -> Option<Fetch<V, D>> {
        match self.members.remove(&key.0)? {
            Member::Fetch(fetch) => Some(fetch),
            Member::Canceller => None,
        }
    }

    /// Returns how many members there are, ended or not, cancellers included.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the fetches in the order in which they were collected.
    pub fn iter(&self) -> impl Iterator<Item = &Fetch<V, D>> {
        self.members.values().filter_map(|member| match member {
            Member::Fetch(fetch) => Some(fetch),
            Member::Canceller => None,
        })
    }

    /// Whether a member has ended; if not, `waker` is woken when one has.
    fn first_or_wake(&self, waker: &Waker) -> Option<u64> {
        let mut rung = self.bell.lock();
        let first = rung.finished.first(|place| self.members.contains_key(&place));
        if first.is_none() {
            let wanted = rung.finished.count() + 1;
            rung.waiting = Some((wanted, waker.clone()));
        }
        first
    }

    /// Refuses what would wait for ever, and lets sequential sessions go on.
    fn before_wait(&self, all: bool) -> Result<(), SessionError> {
        let mut idle = None;
        for member in self.members.values() {
            match member {
                Member::Canceller => return Ok(()),
                Member::Fetch(fetch) if fetch.state() == FetchState::Idle => {
                    let error =
                        || fetch.call().error(ErrorKind::NotStarted, "waited for before it was started");
                    if all {
                        return Err(error());
                    }
                    idle = idle.or_else(|| Some(error()));
                }
                Member::Fetch(fetch) => {
                    fetch.call().release();
                    if !all {
                        return Ok(());
                    }
                }
            }
        }
        idle.map_or(Ok(()), Err)
    }

    fn refuse_on_arbiter(&self) -> Result<(), SessionError> {
        match self.iter().next() {
            Some(fetch) if wait::is_on_arbiter() => {
                let message = "waiting here would stop every actor of this thread: use the asynchronous form";
                Err(fetch.call().error(ErrorKind::WouldBlock, message))
            }
            _ => Ok(()),
        }
    }

    /// Shows a member, with what is to be done when it is waited for.
    fn show(&self, place: u64) -> Option<Any<'_, V, D>> {
        match self.members.get(&place)? {
            Member::Fetch(fetch) => {
                fetch.run_on_wait();
                Some(Any::Fetch(FetchKey(place), fetch))
            }
            Member::Canceller => Some(Any::Cancelled(FetchKey(place))),
        }
    }

    /// The asynchronous form of [`wait_any`](super::wait_any): waits in any runtime until a member has ended.
    ///
    /// # Errors
    /// When members are left to wait for but none was started.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn any(&mut self) -> Result<Option<Any<'_, V, D>>, SessionError> {
        if self.is_empty() {
            return Ok(None);
        }
        self.before_wait(false)?;
        let place = poll_fn(|cx| match self.first_or_wake(cx.waker()) {
            Some(place) => Poll::Ready(place),
            None => Poll::Pending,
        });
        let place = place.await;
        Ok(self.show(place))
    }

    /// The asynchronous form of [`wait_all`](super::wait_all): waits in any runtime until every fetch has ended.
    ///
    /// # Errors
    /// When a fetch was not started; then nothing is waited for.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn all(&mut self) -> Result<(), SessionError> {
        self.before_wait(true)?;
        poll_fn(|cx| if self.all_or_wake(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }).await;
        self.iter().for_each(Fetch::run_on_wait);
        Ok(())
    }

    /// Whether all fetches have ended; if not, `waker` is woken when that many more have.
    fn all_or_wake(&self, waker: &Waker) -> bool {
        loop {
            // Read before the members are looked at: each that is open then rings after this.
            let before = self.bell.lock().finished.count();
            let open = self.iter().filter(|fetch| !fetch.state().has_ended()).count();
            if open == 0 {
                return true;
            }
            let mut rung = self.bell.lock();
            if rung.finished.count() < before + open {
                rung.waiting = Some((before + open, waker.clone()));
                return false;
            }
        }
    }
}

impl<V, D> FetchSet<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    /// Blocks until a member has ended.
    ///
    /// # Errors
    /// When nothing was started, or when this thread must not block.
    pub(super) fn wait_any(&mut self) -> Result<Option<Any<'_, V, D>>, SessionError> {
        if self.is_empty() {
            return Ok(None);
        }
        self.before_wait(false)?;
        let first = self.first_or_wake(Waker::noop());
        if let Some(place) = first {
            return Ok(self.show(place));
        }
        self.refuse_on_arbiter()?;
        let mut found = None;
        wait::block_until(None, |waker| {
            self.help();
            found = self.first_or_wake(waker);
            found.is_some()
        });
        Ok(found.and_then(|place| self.show(place)))
    }

    /// Blocks until all fetches have ended.
    ///
    /// # Errors
    /// When one was not started, or when this thread must not block.
    pub(super) fn wait_all(&mut self) -> Result<(), SessionError> {
        self.before_wait(true)?;
        if !self.all_or_wake(Waker::noop()) {
            self.refuse_on_arbiter()?;
            wait::block_until(None, |waker| {
                self.help();
                self.all_or_wake(waker)
            });
        }
        self.iter().for_each(Fetch::run_on_wait);
        Ok(())
    }

    /// Runs what the members need run, when this is a thread of an executor: it may be the only one. Asked before every
    /// look at the set.
    pub(super) fn help(&self) {
        let is_helper = wait::is_worker();
        self.bell.lock().is_helper = is_helper;
        if is_helper {
            self.iter().for_each(|fetch| fetch.call().run_todo());
        }
    }
}

impl<V, D> Default for FetchSet<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<V, D> FromIterator<Fetch<V, D>> for FetchSet<V, D>
where
    V: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    fn from_iter<I: IntoIterator<Item = Fetch<V, D>>>(fetches: I) -> Self {
        let mut set = Self::new();
        for fetch in fetches {
            set.push(fetch);
        }
        set
    }
}

impl<V, D> fmt::Debug for FetchSet<V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchSet").field("members", &self.members.len()).finish_non_exhaustive()
    }
}
