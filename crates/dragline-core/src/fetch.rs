//! Describes one fetch: what is asked, within which limits, and what came of it.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::headers::Headers;
use crate::outcome::Outcome;
use crate::url::CanonicalUrl;

/// One request, ready to be carried out by a transport.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// What is fetched.
    pub url: CanonicalUrl,
    /// The method, such as `GET` or `HEAD`.
    pub method: Method,
    /// Fields to send beside those the transport sets itself (`Host`, `User-Agent`, `Accept-Encoding`).
    pub headers: Arc<[(Box<str>, Box<str>)]>,
    /// The limits; shared, since most requests of a crawl have the same.
    pub limits: Arc<FetchLimits>,
}

/// A request method without a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `HEAD`: the response has no body, whatever its head says.
    Head,
}

/// Every limit of one fetch. Times run from the moment the transport is called.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchLimits {
    /// From the call to the last byte; stands still only while bytes credits are awaited.
    pub deadline: Duration,
    /// Name resolution.
    pub dns_timeout: Duration,
    /// Connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// From the request written to the first byte of the response.
    pub first_byte_timeout: Duration,
    /// Between two reads of a body.
    pub idle_body_timeout: Duration,
    /// Bytes of the body as received, and bytes of the body as decoded, each.
    pub body_bytes_max: u64,
    /// Whether a body at its cap is an error or a truncated result.
    pub at_cap: AtCap,
    /// Bytes of the response head, status line included.
    pub head_bytes_max: usize,
    /// Lines of the response head.
    pub head_lines_max: usize,
    /// Bytes of one line of the response head.
    pub head_line_bytes_max: usize,
    /// Interim (1xx) responses before the final one.
    pub interim_max: u32,
    /// Content codings one on top of the other.
    pub coding_layers_max: usize,
    /// Decoded bytes per wire byte, judged after the first MiB decoded.
    pub ratio_max: u64,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(15),
            idle_body_timeout: Duration::from_secs(10),
            body_bytes_max: 10 << 20,
            at_cap: AtCap::Fail,
            head_bytes_max: 64 << 10,
            head_lines_max: 128,
            head_line_bytes_max: 16 << 10,
            interim_max: 10,
            coding_layers_max: 2,
            ratio_max: 200,
        }
    }
}

/// What becomes of a body that reaches its cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtCap {
    /// The fetch ends `too_large`.
    #[default]
    Fail,
    /// The fetch ends `ok_truncated` with what was read.
    Truncate,
}

/// What came of one fetch. Whatever the server did, there is one of these.
#[derive(Debug)]
pub struct FetchResponse {
    /// How it ended.
    pub outcome: Outcome,
    /// The status of the final response head, when one arrived.
    pub status: Option<u16>,
    /// The fields of the final response head.
    pub headers: Headers,
    /// The decoded body; empty unless the outcome has a response.
    pub body: Bytes,
    /// Bytes of the body as received, before decoding.
    pub body_wire_bytes: u64,
    /// All bytes received for this fetch, heads and framing included.
    pub received_bytes: u64,
    /// All bytes sent for this fetch.
    pub sent_bytes: u64,
    /// How long each phase took.
    pub phases: Phases,
    /// The address that was talked to.
    pub peer: Option<SocketAddr>,
    /// Whether the connection had served an earlier request.
    pub reused: bool,
    /// What went wrong and when; `None` when nothing did.
    pub error: Option<FetchError>,
    /// Keeps the body's bytes credits until it is dropped.
    pub hold: Option<BodyHold>,
}

impl FetchResponse {
    /// Makes the result of a fetch that ended before a response head arrived.
    pub fn failed(outcome: Outcome, phase: Phase, message: impl Into<String>) -> Self {
        Self {
            outcome,
            status: None,
            headers: Headers::default(),
            body: Bytes::new(),
            body_wire_bytes: 0,
            received_bytes: 0,
            sent_bytes: 0,
            phases: Phases::default(),
            peer: None,
            reused: false,
            error: Some(FetchError { phase, message: message.into() }),
            hold: None,
        }
    }
}

/// Keeps something alive as long as a body: dropping it returns the body's bytes credits.
pub struct BodyHold(#[expect(dead_code, reason = "held only to be dropped")] Box<dyn Any + Send + Sync>);

impl BodyHold {
    /// Holds `guard` until this value is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for BodyHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyHold")
    }
}

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
