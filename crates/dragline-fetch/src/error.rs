//! Names what can go wrong below HTTP, and says which outcome it is.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// The server ended TLS for who we are.
    Tls(&'static str),
}

impl Fault {
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Protocol(_) => Outcome::ProtocolError,
            Self::TooLarge(_) => Outcome::TooLarge,
            Self::Tls(_) => Outcome::TlsError,
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Protocol(message) | Self::TooLarge(message) | Self::Tls(message) => message,
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
    /// No address took the connection.
    Tcp(Unreached),
    /// The proxy of this name did not connect us.
    Proxy(Arc<str>, ProxyFault),
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
            Self::Tcp(Unreached { kind: io::ErrorKind::TimedOut, .. }) => (Outcome::Timeout, Phase::Connect),
            Self::Tcp(_) | Self::Proxy(_, ProxyFault::Target(_)) => (Outcome::ConnectError, Phase::Connect),
            Self::Proxy(_, ProxyFault::TargetDns(_)) => (Outcome::DnsError, Phase::Connect),
            Self::Proxy(..) => (Outcome::ProxyError, Phase::Connect),
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
            Self::Tcp(unreached) => unreached.fmt(f),
            Self::Proxy(name, fault) => write!(f, "proxy \"{name}\": {fault}"),
            Self::TlsName(host) => write!(f, "\"{host}\" cannot be a name in a certificate"),
            Self::Tls(error) => write!(f, "tls failed: {}", crate::tls::describe(error)),
            Self::TlsIo(kind) => write!(f, "the connection broke during the tls handshake: {kind}"),
            Self::Route => f.write_str("the route tag is not one of ours"),
        }
    }
}

impl std::error::Error for DialError {}

/// That none of some addresses took a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreached {
    /// The address whose attempt failed last.
    pub(crate) last: SocketAddr,
    /// How it failed.
    pub(crate) kind: io::ErrorKind,
    /// The system's number for it, since not all have a kind.
    pub(crate) code: Option<i32>,
    /// How many addresses were tried; all of them failed.
    pub(crate) tried: usize,
}

impl Unreached {
    /// Of one more address, after `tried` others.
    pub(crate) fn new(last: SocketAddr, error: &io::Error, tried: usize) -> Self {
        Self { last, kind: error.kind(), code: error.raw_os_error(), tried: tried + 1 }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connecting to {} failed: ", self.last)?;
        match self.code {
            // ENFILE and EMFILE, the same on all systems, have no kind of their own.
            Some(23 | 24) => f.write_str(
                "too many open files: raise the limit (ulimit -n), or have fewer fetches at a time",
            )?,
            _ => write!(f, "{}", self.kind)?,
        }
        if self.tried > 1 {
            write!(f, " (the last of {} addresses, all failed)", self.tried)?;
        }
        Ok(())
    }
}

/// Why a proxy did not connect us.
#[derive(Debug)]
pub(crate) enum ProxyFault {
    /// Its own name did not resolve; holds the resolver's words.
    Dns(String),
    /// It could not be connected to.
    Tcp(Unreached),
    /// It did not consent in time.
    Timeout(Duration),
    /// It wants credentials, or others.
    Auth(Reply),
    /// Its rules forbid the target.
    Refused(Reply),
    /// It does not speak the protocol it should.
    Protocol(&'static str),
    /// The connection to it broke before it consented.
    Io(io::ErrorKind),
    /// It works, and could not reach the target.
    Target(Reply),
    /// It works, and could not resolve the target's name.
    TargetDns(Reply),
}

impl ProxyFault {
    #[expect(clippy::needless_pass_by_value, reason = "handed to map_err as it is")]
    pub(crate) fn io(error: io::Error) -> Self {
        Self::Io(error.kind())
    }

    /// Whether the target is at fault, and the proxy works.
    pub(crate) const fn is_targets(&self) -> bool {
        matches!(self, Self::Target(_) | Self::TargetDns(_))
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(message) => write!(f, "its name does not resolve: {message}"),
            Self::Tcp(unreached) => unreached.fmt(f),
            Self::Timeout(limit) => write!(f, "it did not connect us within {limit:?}"),
            Self::Auth(reply) => write!(f, "it wants other credentials ({reply})"),
            Self::Refused(reply) => write!(f, "it refuses ({reply})"),
            Self::Protocol(message) => write!(f, "protocol error: {message}"),
            Self::Io(kind) => write!(f, "the connection broke: {kind}"),
            Self::Target(reply) => write!(f, "it cannot reach the target ({reply})"),
            Self::TargetDns(reply) => write!(f, "it cannot resolve the target's name ({reply})"),
        }
    }
}

/// What a proxy answered, in the numbers of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status of HTTP.
    Status(u16),
    /// A reply, method or status of SOCKS5.
    Socks(u8),
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Socks(reply) => write!(f, "reply {reply}"),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_a_descriptor_says_what_to_do() {
        let last = SocketAddr::from(([192, 0, 2, 1], 80));
        let check = |code: i32, expected: &str| {
            let unreached = Unreached::new(last, &io::Error::from_raw_os_error(code), 0);
            assert!(unreached.to_string().contains(expected), "{unreached}");
        };
        check(24, "too many open files: raise the limit");
        check(111, "connection refused");
    }
}
