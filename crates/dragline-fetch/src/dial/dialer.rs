//! Makes a connection: decides the way, asks the guard about every address, and keeps the phases of the fetch.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::fetch::{FetchLimits, Phase};
use dragline_core::guard::Guard;
use tokio::net::TcpStream;

use super::{ConnInfo, Dialed, Io, Target, eyeballs};
use crate::clock;
use crate::error::DialError;
use crate::options::TransportOptions;
use crate::proxy::Absolute;
use crate::resolve::Resolver;
use crate::routes::Routes;
use crate::setup::TransportSetupError;
use crate::tls::Profiles;
use crate::transcript::{self, Transcript};
use crate::transport::DnsCounts;

/// Addresses of one name that are dialled at most; a name with more is not more reachable for it.
const ADDRESSES_MAX: usize = 16;

/// What dialling needs; one for all transports of a factory.
#[derive(Debug)]
pub(crate) struct Means {
    pub(super) guard: Guard,
    pub(super) resolver: Arc<Resolver>,
    pub(super) tls: Profiles,
    pub(crate) routes: Routes,
}

impl Means {
    /// Reads roots and name servers of the system, and checks the options.
    pub(crate) fn new(options: &TransportOptions) -> Result<Self, TransportSetupError> {
        Ok(Self {
            guard: Guard::new(&options.guard),
            resolver: Resolver::new(&options.dns)?,
            tls: Profiles::new(&options.tls)?,
            routes: Routes::new(options)?,
        })
    }
}

/// Makes the connections of one transport.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) means: Arc<Means>,
    dns: Cell<DnsCounts>,
}

/// A connection before TLS.
pub(super) struct Reached {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) absolute: Option<Absolute>,
}

/// Returns the limit for connecting and the TLS handshake of the current fetch.
pub(super) fn connect_limit() -> Duration {
    let limit = transcript::current(|fetch| fetch.limits.connect_timeout);
    limit.unwrap_or_else(|| FetchLimits::default().connect_timeout)
}

impl Dialer {
    pub(crate) fn new(means: Arc<Means>) -> Self {
        Self { means, dns: Cell::default() }
    }

    /// Returns how names were resolved since this dialler was made.
    pub(crate) fn dns(&self) -> DnsCounts {
        self.dns.get()
    }

    /// Connects to a host; phases and their timings are noted in the current transcript, whose limits end it.
    ///
    /// # Errors
    /// Why there is no connection.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub(crate) async fn dial(&self, target: Target<'_>) -> Result<Dialed, DialError> {
        let reached = match target.route.proxy {
            None => self.direct(target).await?,
            Some(index) => self.through(index, target).await?,
        };
        let Reached { tcp, peer, absolute } = reached;
        if !target.route.tls {
            let info = ConnInfo { peer, tls: None, http2: false, absolute };
            return Ok(Dialed { io: Io::Plain(tcp), info: Rc::new(info) });
        }
        let connected = clock::now();
        transcript::current(Transcript::enter_tls);
        let (stream, agreed) = self.means.tls.handshake(target.bare_host(), target.route, tcp).await?;
        transcript::current(|fetch| fetch.tls.set(Some(clock::now() - connected)));
        let http2 = agreed.alpn.as_deref() == Some("h2");
        let info = ConnInfo { peer, tls: Some(Arc::new(agreed)), http2, absolute };
        Ok(Dialed { io: Io::Tls(Box::new(stream)), info: Rc::new(info) })
    }

    async fn direct(&self, target: Target<'_>) -> Result<Reached, DialError> {
        let addresses = self.allowed_addresses(target).await?;
        let started = clock::now();
        transcript::current(|fetch| fetch.enter_phase(Phase::Connect, started));
        // The same limit ends the phase, but does not know which address it was waited for.
        let due = clock::after(started, connect_limit());
        let (tcp, peer) = eyeballs::connect(&addresses, target.port, due).await.map_err(DialError::Tcp)?;
        transcript::current(|fetch| fetch.connect.set(Some(clock::now() - started)));
        Ok(Reached { tcp, peer, absolute: None })
    }

    /// Resolves the host of a target, and keeps the addresses that may be dialled: at least one.
    pub(super) async fn allowed_addresses(&self, target: Target<'_>) -> Result<Vec<IpAddr>, DialError> {
        let addresses = self.resolve(target.bare_host()).await.map_err(DialError::Dns)?;
        let mut refusal = None;
        let mut allowed = Vec::with_capacity(addresses.len().min(ADDRESSES_MAX));
        for address in addresses.iter() {
            match self.means.guard.check(target.host, SocketAddr::new(*address, target.port)).verdict {
                Ok(()) if allowed.len() < ADDRESSES_MAX => allowed.push(*address),
                Ok(()) => {}
                Err(refused) => refusal = Some(refused),
            }
        }
        match refusal {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(refusal) => Err(DialError::Blocked(refusal.to_string())),
            None => Err(DialError::Dns("the name has no address".into())),
        }
    }

    /// Resolves a name; an address is its own.
    ///
    /// # Errors
    /// The resolver's words.
    pub(super) async fn resolve(&self, host: &str) -> Result<Arc<[IpAddr]>, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([address].into());
        }
        let started = clock::now();
        transcript::current(|fetch| fetch.enter_phase(Phase::Dns, started));
        let answer = match self.means.resolver.cached(host) {
            Some(answer) => {
                self.count(|counts| counts.cached += 1);
                answer
            }
            None => {
                let answer = self.means.resolver.resolve(host).await;
                self.count(|counts| match answer {
                    Ok(_) => counts.resolved += 1,
                    Err(_) => counts.failed += 1,
                });
                answer
            }
        };
        transcript::current(|fetch| {
            // The name of a proxy is looked up beside that of the target.
            let took = fetch.dns.get().unwrap_or_default() + (clock::now() - started);
            fetch.dns.set(Some(took));
        });
        answer.map_err(|words| words.to_string())
    }

    fn count(&self, change: impl FnOnce(&mut DnsCounts)) {
        let mut counts = self.dns.get();
        change(&mut counts);
        self.dns.set(counts);
    }
}
