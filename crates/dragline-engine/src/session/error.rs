//! Says why a fetch under a handle has no response, and where it was started.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use dragline_core::fetch::Phase;
use dragline_core::{FetchError, Outcome};
use dragline_telemetry::labels::CallbackResult;

/// Why a fetch has no result. Cheap to clone: a result can be asked for any number of times.
///
/// Shown, it has the URL, what went wrong, the phase and where the fetch was started. The URL is whole, its query too,
/// whatever log lines may show of it.
#[derive(Clone)]
pub struct SessionError(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    phase: Option<Phase>,
    status: Option<u16>,
    url: Arc<str>,
    started_at: Option<&'static Location<'static>>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The fetch itself did not end well; the outcome says whose fault it is and what to do ([`Outcome::meaning`]). A
    /// cancelled fetch is [`Outcome::Cancelled`], a malformed URL [`Outcome::InvalidUrl`].
    Fetch(Outcome),
    /// A field, the content or another option of the request cannot be sent. Mend the call.
    InvalidRequest,
    /// A status of 4xx or 5xx that was asked to be an error. The response tells more.
    Status(u16),
    /// A hook that runs before the fetch refused it, or panicked.
    HookRefused,
    /// The callback returned an error.
    CallbackFailed,
    /// The callback panicked.
    CallbackPanicked,
    /// The callback took longer than its executor allows. Raise the limit, or make it faster.
    CallbackTimedOut,
    /// The worker process that ran the callback died, or was no worker.
    WorkerFailed,
    /// The value of the callback is not what the handle expects: a worker process answered something else.
    ValueMismatch,
    /// The fetch was waited for before it was started. Call `start`.
    NotStarted,
    /// The fetch was started before: a handle is one call. Make another.
    AlreadyStarted,
    /// Waiting here would stop an actor's thread, and with it perhaps the very fetch. Use `.await`.
    WouldBlock,
    /// The session was closed, or its last clone dropped, before the fetch was started.
    Closed,
}

impl ErrorKind {
    /// Returns how a callback ended that this is the fault of.
    pub(super) const fn callback_result(self) -> CallbackResult {
        match self {
            Self::CallbackPanicked => CallbackResult::Panic,
            Self::CallbackTimedOut => CallbackResult::Timeout,
            Self::WorkerFailed => CallbackResult::WorkerLost,
            _ => CallbackResult::Error,
        }
    }
}

impl SessionError {
    pub(super) fn new(kind: ErrorKind, url: &Arc<str>, message: impl Into<String>) -> Self {
        let url = Arc::clone(url);
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            phase: None,
            status: None,
            url,
            started_at: None,
        }))
    }

    /// Makes the error of a fetch that ended without a response worth having.
    pub(super) fn fetch(
        url: &Arc<str>,
        outcome: Outcome,
        status: Option<u16>,
        error: Option<&FetchError>,
    ) -> Self {
        let message = error.map_or_else(|| outcome.meaning().what.to_owned(), |error| error.message.clone());
        let phase = error.map(|error| error.phase);
        let kind = ErrorKind::Fetch(outcome);
        Self(Arc::new(Inner { kind, message, phase, status, url: Arc::clone(url), started_at: None }))
    }

    /// Adds where the fetch was started.
    pub(super) fn started_at(self, place: &'static Location<'static>) -> Self {
        let Inner { kind, phase, status, .. } = *self.0;
        let (message, url) = (self.0.message.clone(), Arc::clone(&self.0.url));
        Self(Arc::new(Inner { kind, message, phase, status, url, started_at: Some(place) }))
    }

    /// Returns what kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns how the fetch itself ended, when that is the failure.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.0.kind {
            ErrorKind::Fetch(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether the fetch was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.outcome() == Some(Outcome::Cancelled)
    }

    /// Whether a deadline or another limit of time passed in the fetch itself; a callback's is
    /// [`ErrorKind::CallbackTimedOut`].
    pub fn is_timeout(&self) -> bool {
        self.outcome() == Some(Outcome::Timeout)
    }

    /// Returns what went wrong, for people: lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the phase in which the fetch went wrong, when it was the fetch.
    pub fn phase(&self) -> Option<Phase> {
        self.0.phase
    }

    /// Returns the status, when a response head arrived.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the URL: canonical when it is one, else as it was given.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Returns where in the caller's code the fetch was started: file, line and column of the call.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.0.started_at
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.url, self.0.message)?;
        if let Some(phase) = self.0.phase {
            write!(f, " (in phase {})", phase.name())?;
        }
        match self.0.started_at {
            Some(place) => write!(f, "; started at {place}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionError({:?}, {self})", self.0.kind)
    }
}

impl Error for SessionError {}
