//! Keeps the named hooks of a session in their order, and runs them around each call.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dragline_core::fetch::{FetchRequest, FetchResponse};

use super::call::Call;
use super::error::SessionError;
use crate::words::{panic_message, with_causes};

/// What runs before a fetch, on the thread that starts it; it may change the request or refuse it.
type Pre = Arc<dyn Fn(&mut FetchRequest) -> Result<(), String> + Send + Sync>;
/// What runs after a fetch, on a thread of the executor.
type Post = Arc<dyn Fn(&CallEnded<'_>) + Send + Sync>;

/// The hooks of a session: each has a name of its own among those of its kind, those before a fetch and those after.
///
/// They may be added and removed at any time, by a hook too: what is added later is seen by what is started, or ends,
/// after that. A session without hooks pays nothing for them.
#[derive(Default)]
pub struct Hooks {
    pre: List<Pre>,
    post: List<Post>,
}

struct List<H> {
    hooks: RwLock<Vec<(Box<str>, H)>>,
    /// So that a session without hooks takes no lock.
    count: AtomicUsize,
}

impl<H> Default for List<H> {
    fn default() -> Self {
        Self { hooks: RwLock::default(), count: AtomicUsize::new(0) }
    }
}

/// Where among the hooks a new one goes.
#[derive(Clone, Copy)]
enum Place {
    First,
    Last,
}

impl<H: Clone> List<H> {
    fn add(&self, name: &str, hook: H, place: Place) -> Result<(), HookTaken> {
        let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        if hooks.iter().any(|(known, _)| **known == *name) {
            return Err(HookTaken(name.into()));
        }
        match place {
            Place::First => hooks.insert(0, (name.into(), hook)),
            Place::Last => hooks.push((name.into(), hook)),
        }
        self.count.store(hooks.len(), Ordering::Release);
        Ok(())
    }

    fn remove(&self, name: &str) -> bool {
        let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        let before = hooks.len();
        hooks.retain(|(known, _)| **known != *name);
        self.count.store(hooks.len(), Ordering::Release);
        hooks.len() < before
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Returns the hooks as they are now, so that none runs under the lock.
    fn snapshot(&self) -> Vec<(Box<str>, H)> {
        if self.is_empty() {
            return Vec::new();
        }
        self.hooks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Hooks {
    /// Adds a hook that runs before each fetch, behind those there are. It sees the request when its fetch is started,
    /// on the thread that starts it, and may change it; with an error, or when it panics, the fetch ends
    /// [`HookRefused`](super::ErrorKind::HookRefused) and nothing is fetched. It does not run for a malformed request.
    ///
    /// # Errors
    /// When one has that name.
    pub fn append_pre<E>(
        &self,
        name: &str,
        hook: impl Fn(&mut FetchRequest) -> Result<(), E> + Send + Sync + 'static,
    ) -> Result<(), HookTaken>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.pre.add(name, pre(hook), Place::Last)
    }

    /// As [`Hooks::append_pre`], before those there are.
    ///
    /// # Errors
    /// When one has that name.
    pub fn push_pre<E>(
        &self,
        name: &str,
        hook: impl Fn(&mut FetchRequest) -> Result<(), E> + Send + Sync + 'static,
    ) -> Result<(), HookTaken>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.pre.add(name, pre(hook), Place::First)
    }

    /// Adds a hook that runs after each fetch, behind those there are: exactly once, before its result can be had,
    /// also for one that failed, was refused, or whose callback failed or panicked. A cancelled one has its result at
    /// once; its hooks run after that. It runs on a thread of the executor; its panic is logged and changes nothing.
    ///
    /// # Errors
    /// When one has that name.
    pub fn append_post(
        &self,
        name: &str,
        hook: impl Fn(&CallEnded<'_>) + Send + Sync + 'static,
    ) -> Result<(), HookTaken> {
        self.post.add(name, Arc::new(hook), Place::Last)
    }

    /// As [`Hooks::append_post`], before those there are.
    ///
    /// # Errors
    /// When one has that name.
    pub fn push_post(
        &self,
        name: &str,
        hook: impl Fn(&CallEnded<'_>) + Send + Sync + 'static,
    ) -> Result<(), HookTaken> {
        self.post.add(name, Arc::new(hook), Place::First)
    }

    /// Removes the hooks of that name, before and after; returns whether there were any. One that runs goes on.
    pub fn remove(&self, name: &str) -> bool {
        let (pre, post) = (self.pre.remove(name), self.post.remove(name));
        pre || post
    }

    pub(super) fn has_post(&self) -> bool {
        !self.post.is_empty()
    }

    /// Lets the hooks see a request before it is fetched.
    ///
    /// # Errors
    /// Says which hook refused it, and why.
    pub(super) fn run_pre(&self, request: &mut FetchRequest) -> Result<(), String> {
        for (name, hook) in self.pre.snapshot() {
            match catch_unwind(AssertUnwindSafe(|| hook(request))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(format!("hook \"{name}\" refused it: {error}")),
                Err(panic) => return Err(format!("hook \"{name}\" panicked: {}", panic_message(&*panic))),
            }
        }
        Ok(())
    }

    /// Lets the hooks see a fetch that ended; `failure` is what went wrong beside the fetch itself.
    pub(super) fn run_post(&self, call: &Arc<Call>, failure: Option<&SessionError>) {
        for (name, hook) in self.post.snapshot() {
            let ended = CallEnded { call, failure };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&ended))) {
                let panic = panic_message(&*panic);
                tracing::warn!(target: "dragline::session", hook = &*name, %panic, "a hook panicked");
            }
        }
    }
}

fn pre<E: Into<Box<dyn Error + Send + Sync>>>(
    hook: impl Fn(&mut FetchRequest) -> Result<(), E> + Send + Sync + 'static,
) -> Pre {
    Arc::new(move |request| hook(request).map_err(|error| with_causes(&*error.into())))
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: Vec<Box<str>>| names;
        let pre = self.pre.snapshot().into_iter().map(|(name, _)| name).collect();
        let post = self.post.snapshot().into_iter().map(|(name, _)| name).collect();
        f.debug_struct("Hooks").field("pre", &names(pre)).field("post", &names(post)).finish()
    }
}

/// A fetch that ended, as the hooks of the end see it.
#[derive(Clone, Copy, Debug)]
pub struct CallEnded<'a> {
    call: &'a Arc<Call>,
    failure: Option<&'a SessionError>,
}

impl CallEnded<'_> {
    /// Returns the URL that was asked for: canonical when it is one, else as it was given.
    pub fn url(&self) -> &str {
        &self.call.url
    }

    /// Returns what came back, when a whole response did; also when its callback failed.
    pub fn response(&self) -> Option<&FetchResponse> {
        self.call.answer()?.ok().map(|followed| &followed.response)
    }

    /// Returns what went wrong: with the fetch, or with its callback.
    pub fn error(&self) -> Option<&SessionError> {
        self.failure.or_else(|| self.call.answer()?.err())
    }

    /// Returns where the fetch was started.
    pub fn started_at(&self) -> &'static Location<'static> {
        self.call.place
    }
}

/// A hook of that name is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookTaken(pub Box<str>);

impl fmt::Display for HookTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a hook named \"{}\" is there already: remove it first, or choose another name", self.0)
    }
}

impl Error for HookTaken {}
