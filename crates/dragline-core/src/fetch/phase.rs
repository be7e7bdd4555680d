//! Names the stretches of one fetch, how long each took, and in which one it failed.

use std::fmt;
use std::time::Duration;

/// What went wrong in a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    /// The phase in which it went wrong.
    pub phase: Phase,
    /// What went wrong, for people: lower case, no full stop.
    pub message: String,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (in phase {})", self.message, self.phase.name())
    }
}

impl std::error::Error for FetchError {}

/// A stretch of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Waiting for a lane.
    Queue,
    /// Resolving the name.
    Dns,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the request to the first byte of the final response head.
    Ttfb,
    /// Reading the body.
    Body,
}

impl Phase {
    /// The phases that have a timing, in order.
    pub const TIMED: [Self; 5] = [Self::Dns, Self::Connect, Self::Tls, Self::Ttfb, Self::Body];

    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Ttfb => "ttfb",
            Self::Body => "body",
        }
    }
}

/// How long each phase of one fetch took; `None` for a phase that did not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Resolving the name.
    pub dns: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request to the first byte of the final response head.
    pub ttfb: Option<Duration>,
    /// Reading the body.
    pub body: Option<Duration>,
    /// From the call to the end.
    pub total: Duration,
}

impl Phases {
    /// Returns the timing of one phase.
    pub const fn get(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Queue => None,
            Phase::Dns => self.dns,
            Phase::Connect => self.connect,
            Phase::Tls => self.tls,
            Phase::Ttfb => self.ttfb,
            Phase::Body => self.body,
        }
    }
}
