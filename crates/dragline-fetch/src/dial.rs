//! Makes a connection: resolve, guard, connect, TLS. Knows nothing of awc.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use dragline_core::fetch::{Phase, TlsInfo};
use dragline_core::guard::Guard;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::clock;
use crate::error::DialError;
use crate::resolve::Resolver;
use crate::route::Route;
use crate::transcript::{self, Transcript};
use crate::transport::DnsCounts;

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Io {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Io {
    /// Returns the socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => match Pin::new(&mut **tls).poll_read(cx, buf) {
                // A peer that closes TCP without close_notify: common, and an end like any other. Bodies with a
                // framing of their own are counted, so that nothing cut is taken for whole.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                other => other,
            },
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(&mut **tls).poll_shutdown(cx),
        }
    }
}

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
    /// The name of the proxy.
    pub(crate) proxy: Option<Arc<str>>,
    /// Whether both sides agreed on HTTP/2.
    pub(crate) http2: bool,
}

/// What dialling needs; one per transport.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) guard: Arc<Guard>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) dns: Cell<DnsCounts>,
}

impl Dialer {
    /// Connects to a host; phases and their timings are noted in the current transcript.
    ///
    /// # Errors
    /// Why there is no connection.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub(crate) async fn dial(&self, target: Target<'_>) -> Result<Dialed, DialError> {
        let Target { host, port, route } = target;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let addresses = self.resolve(bare).await?;
        let allowed = self.allowed(host, &addresses)?;
        let started = clock::now();
        transcript::current(|fetch| fetch.enter_phase(Phase::Connect, started));
        let (tcp, peer) = connect(&allowed, port).await?;
        let connected = clock::now();
        transcript::current(|fetch| fetch.connect.set(Some(connected - started)));
        if !route.tls {
            let info = ConnInfo { peer, tls: None, proxy: None, http2: false };
            return Ok(Dialed { io: Io::Plain(tcp), info: Rc::new(info) });
        }
        transcript::current(Transcript::enter_tls);
        let io = self.handshake(bare, tcp).await?;
        transcript::current(|fetch| fetch.tls.set(Some(clock::now() - connected)));
        let info = ConnInfo { peer, tls: None, proxy: None, http2: false };
        Ok(Dialed { io, info: Rc::new(info) })
    }

    async fn resolve(&self, host: &str) -> Result<Arc<[IpAddr]>, DialError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([address].into());
        }
        let started = clock::now();
        transcript::current(|fetch| fetch.enter_phase(Phase::Dns, started));
        let answer = match self.resolver.cached(host) {
            Some(answer) => {
                self.count(|counts| counts.cached += 1);
                answer
            }
            None => {
                let answer = self.resolver.resolve(host).await;
                self.count(|counts| match answer {
                    Ok(_) => counts.resolved += 1,
                    Err(_) => counts.failed += 1,
                });
                answer
            }
        };
        transcript::current(|fetch| fetch.dns.set(Some(clock::now() - started)));
        answer.map_err(|message| DialError::Dns(message.to_string()))
    }

    fn count(&self, change: impl FnOnce(&mut DnsCounts)) {
        let mut counts = self.dns.get();
        change(&mut counts);
        self.dns.set(counts);
    }

    /// Keeps the addresses that may be dialled.
    fn allowed(&self, host: &str, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, DialError> {
        let mut refusal = None;
        let mut allowed = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.guard.check(host, *address).verdict {
                Ok(()) => allowed.push(*address),
                Err(refused) => refusal = Some(refused),
            }
        }
        match refusal {
            Some(refusal) if allowed.is_empty() => Err(DialError::Blocked(refusal.to_string())),
            _ => Ok(allowed),
        }
    }

    async fn handshake(&self, host: &str, tcp: TcpStream) -> Result<Io, DialError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| DialError::TlsName(host.to_owned()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        match connector.connect(name, tcp).await {
            Ok(stream) => Ok(Io::Tls(Box::new(stream))),
            Err(error) => Err(error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .map_or(DialError::TlsIo(error.kind()), |tls| DialError::Tls(tls.clone()))),
        }
    }
}

/// Tries the addresses in turn; each has an even share of the time that is left.
async fn connect(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, SocketAddr), DialError> {
    let limit = transcript::current(|fetch| fetch.limits.connect_timeout).unwrap_or_default();
    let due = clock::after(clock::now(), limit);
    let mut failure = DialError::Dns("the name has no address".into());
    for (at, address) in addresses.iter().enumerate() {
        let peer = SocketAddr::new(*address, port);
        let attempts_left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = due.saturating_duration_since(clock::now()) / attempts_left;
        let result = if attempts_left == 1 {
            TcpStream::connect(peer).await
        } else {
            tokio::time::timeout(share, TcpStream::connect(peer))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match result.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return Ok((tcp, peer)),
            Err(error) => failure = DialError::Tcp(peer, error.kind()),
        }
    }
    Err(failure)
}
