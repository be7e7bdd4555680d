//! Names what can go wrong below HTTP, and says which outcome it is.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use awc::error::{ConnectError, SendRequestError};
use dragline_core::fetch::Phase;
use dragline_core::outcome::Outcome;

/// Why a response was refused while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The peer did not speak HTTP, or contradicted itself.
    Protocol(&'static str),
    /// A limit of the head was passed.
    TooLarge(&'static str),
}

impl Fault {
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Protocol(_) => Outcome::ProtocolError,
            Self::TooLarge(_) => Outcome::TooLarge,
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Protocol(message) | Self::TooLarge(message) => message,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Fault {}

/// Why no connection was made.
#[derive(Debug)]
pub(crate) enum DialError {
    /// The name did not resolve; holds the resolver's words.
    Dns(String),
    /// The address guard refused every address; holds its explanation.
    Blocked(String),
    /// The last address that was tried did not answer, or refused.
    Tcp(SocketAddr, io::ErrorKind),
    /// The host cannot stand in a certificate.
    TlsName(String),
    /// The handshake or the certificate failed.
    Tls(rustls::Error),
    /// The connection broke during the handshake.
    TlsIo(io::ErrorKind),
    /// The route tag was not one of ours: a defect.
    Route,
}

impl DialError {
    /// Returns the outcome of a fetch that ended so, and the phase it ended in.
    pub(crate) const fn outcome(&self) -> (Outcome, Phase) {
        match self {
            Self::Dns(_) => (Outcome::DnsError, Phase::Dns),
            Self::Blocked(_) => (Outcome::Blocked, Phase::Connect),
            Self::Tcp(_, io::ErrorKind::TimedOut) => (Outcome::Timeout, Phase::Connect),
            Self::Tcp(..) => (Outcome::ConnectError, Phase::Connect),
            Self::TlsIo(_) => (Outcome::ConnectError, Phase::Tls),
            Self::TlsName(_) | Self::Tls(_) => (Outcome::TlsError, Phase::Tls),
            Self::Route => (Outcome::Crashed, Phase::Connect),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(message) => write!(f, "name resolution failed: {message}"),
            Self::Blocked(message) => f.write_str(message),
            Self::Tcp(address, kind) => write!(f, "connecting to {address} failed: {kind}"),
            Self::TlsName(host) => write!(f, "\"{host}\" cannot be a name in a certificate"),
            Self::Tls(error) => write!(f, "tls failed: {}", crate::tls::describe(error)),
            Self::TlsIo(kind) => write!(f, "the connection broke during the tls handshake: {kind}"),
            Self::Route => f.write_str("the route tag is not one of ours"),
        }
    }
}

impl std::error::Error for DialError {}

/// Wrapped so that it comes back from awc as it went in; `InvalidInput` would make awc panic.
impl From<DialError> for actix_tls::connect::ConnectError {
    fn from(error: DialError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

/// Finds the dial error in what awc returned.
pub(crate) fn dial_error(error: &SendRequestError) -> Option<&DialError> {
    match error {
        SendRequestError::Connect(ConnectError::Io(io)) => io.get_ref()?.downcast_ref(),
        _ => None,
    }
}
