//! Holds what came of one fetch.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::{FetchError, Phase, Phases};
use crate::headers::Headers;
use crate::outcome::Outcome;
use crate::redirect;
use crate::url::CanonicalUrl;

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
    /// The version of HTTP that was spoken.
    pub version: HttpVersion,
    /// What TLS agreed on; `None` without TLS. Shared by every fetch of one connection.
    pub tls: Option<Arc<TlsInfo>>,
    /// The name of the proxy that was used.
    pub proxy: Option<Arc<str>>,
    /// What was sent and received, when the request asked for it; never under HTTP/2, which has no such text.
    pub capture: Option<Box<Capture>>,
    /// What went wrong and when; `None` when nothing did.
    pub error: Option<FetchError>,
    /// Keeps the body's bytes credits until it is dropped.
    pub hold: Option<BodyHold>,
}

impl FetchResponse {
    /// Makes a whole response to a request for `url`, for transports that are no network. Its outcome follows from
    /// status and fields, as it does for one that was received.
    pub fn whole(url: &CanonicalUrl, status: u16, headers: Headers, body: Bytes) -> Self {
        let outcome = redirect::outcome(status, &headers, url);
        let body_wire_bytes = body.len() as u64;
        Self {
            outcome,
            status: Some(status),
            headers,
            body,
            body_wire_bytes,
            received_bytes: body_wire_bytes,
            error: None,
            ..Self::failed(outcome, Phase::Body, "")
        }
    }

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
            version: HttpVersion::default(),
            tls: None,
            proxy: None,
            capture: None,
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

/// A version of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1 or 1.0: what is spoken unless the other is negotiated.
    #[default]
    Http1,
    /// HTTP/2 (RFC 9113).
    ///
    /// Such a response lacks: the raw head (fields are written one a line as they came, without a reason phrase),
    /// framing and its repairs, trailers, the capture; `received_bytes` and `sent_bytes` count fields as they read
    /// and content, not frames and compression; `connect` and `tls` timings stand with the fetch that dialled.
    Http2,
}

impl HttpVersion {
    /// Returns the version as it is written, such as `1.1`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// What TLS agreed on for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// The protocol version, such as `1.3`.
    pub version: &'static str,
    /// The cipher suite by its IANA name, such as `TLS13_AES_128_GCM_SHA256`.
    pub cipher: String,
    /// The protocol chosen by ALPN, such as `h2`; `None` when the server chose none.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The server's own certificate as DER; `None` when it sent none.
    pub certificate: Option<Bytes>,
    /// What is wrong with the certificate, when the host's entry in `[tls] insecure_hosts` or the request let it pass;
    /// `None` also when it is right all the same.
    pub unverified: Option<String>,
}

/// The bytes of one exchange as they went over the connection, below TLS and proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The request: head and content.
    pub request: Bytes,
    /// The response: interim heads, head, and the body in its transfer coding, as far as it was read.
    pub response: Bytes,
}
