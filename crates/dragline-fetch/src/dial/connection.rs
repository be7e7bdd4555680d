//! Names what is dialled, and what is known of a connection that was made.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use dragline_core::fetch::TlsInfo;

use super::Io;
use crate::proxy::Absolute;
use crate::route::Route;

/// What is dialled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets: as in a URL.
    pub(crate) host: &'a str,
    /// The port.
    pub(crate) port: u16,
    /// The way there.
    pub(crate) route: Route,
}

impl<'a> Target<'a> {
    /// Returns the host without brackets.
    pub(super) fn bare_host(&self) -> &'a str {
        self.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(self.host)
    }
}

/// A connection that was made.
#[derive(Debug)]
pub(crate) struct Dialed {
    pub(crate) io: Io,
    pub(crate) info: Rc<ConnInfo>,
}

/// What is known about a connection.
#[derive(Debug)]
pub(crate) struct ConnInfo {
    /// The address that was connected to: the proxy's, when there is one.
    pub(crate) peer: SocketAddr,
    /// What TLS agreed on.
    pub(crate) tls: Option<Arc<TlsInfo>>,
    /// Whether both sides agreed on HTTP/2.
    pub(crate) http2: bool,
    /// What every request over this connection must carry, when it leads to a proxy that takes requests in absolute
    /// form.
    pub(crate) absolute: Option<Absolute>,
}
