//! Connects through a proxy, and tells its faults from those of the target behind it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use dragline_core::fetch::Phase;
use dragline_core::guard::is_own_host;
use tokio::time::Instant;

use super::dialer::{Reached, connect_limit};
use super::{Dialer, Target, eyeballs};
use crate::error::{DialError, ProxyFault};
use crate::options::{Names, ProxyScheme};
use crate::proxy::{Absolute, Destination, Host, http_connect, socks5};
use crate::routes::Proxy;
use crate::{clock, transcript};

/// Addresses of a target that a proxy is asked for, one after the other.
const DESTINATIONS_MAX: usize = 3;

impl Dialer {
    /// Connects to a target through the proxy of that index, and tells the routes whether the proxy worked.
    pub(super) async fn through(&self, index: u16, target: Target<'_>) -> Result<Reached, DialError> {
        let proxy = self.means.routes.proxy(index).ok_or(DialError::Route)?;
        let destinations = self.destinations(proxy, target).await?;
        let faulty = |fault| DialError::Proxy(Arc::clone(&proxy.name), fault);
        let connected = self.connect_through(proxy, target, &destinations).await;
        let fault = connected.as_ref().is_err_and(|fault| !fault.is_targets());
        self.means.routes.report(target.route, fault);
        connected.map_err(faulty)
    }

    /// Decides what the proxy is asked for; every address was checked, and every name that is spelt like one of ours.
    async fn destinations<'a>(
        &self,
        proxy: &Proxy,
        target: Target<'a>,
    ) -> Result<Vec<Destination<'a>>, DialError> {
        let to = |host| Destination { host, port: target.port };
        let bare = target.bare_host();
        let is_known_here = bare.parse::<IpAddr>().is_ok() || self.means.resolver.is_fixed(bare);
        if proxy.names == Names::ResolvedByProxy && !is_known_here {
            if is_own_host(bare) {
                self.check_as_loopback(target)?;
            }
            return Ok(vec![to(Host::Name(bare))]);
        }
        let mut addresses = self.allowed_addresses(target).await?;
        addresses.truncate(DESTINATIONS_MAX);
        Ok(addresses.into_iter().map(|address| to(Host::Address(address))).collect())
    }

    /// Judges a name of this machine as the addresses it stands for, although the proxy is the one who resolves it.
    fn check_as_loopback(&self, target: Target<'_>) -> Result<(), DialError> {
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for address in addresses {
            let checked = self.means.guard.check(target.host, SocketAddr::new(address, target.port)).verdict;
            match checked {
                // Who opens loopback need not open it in both families, but neither may lead to ourselves.
                Err(refusal) if address.is_ipv4() || refusal.network().is_none() => {
                    return Err(DialError::Blocked(refusal.to_string()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks the proxy for one destination after the other until it reaches one.
    async fn connect_through(
        &self,
        proxy: &Proxy,
        target: Target<'_>,
        destinations: &[Destination<'_>],
    ) -> Result<Reached, ProxyFault> {
        let addresses = self.resolve(&proxy.host).await.map_err(ProxyFault::Dns)?;
        if addresses.is_empty() {
            return Err(ProxyFault::Dns("the name has no address".into()));
        }
        let started = clock::now();
        transcript::current(|fetch| fetch.enter_phase(Phase::Connect, started));
        // Four fifths of the limit for connecting, so that it passes first and names the proxy.
        let limit = connect_limit() * 4 / 5;
        let due = clock::after(started, limit);
        let mut failed = ProxyFault::Protocol("there is nothing to ask it for");
        for destination in destinations {
            let asked =
                tokio::time::timeout_at(due, ask(proxy, target, (&addresses, due), *destination)).await;
            match asked.unwrap_or(Err(ProxyFault::Timeout(limit))) {
                Ok(reached) => {
                    transcript::current(|fetch| fetch.connect.set(Some(clock::now() - started)));
                    return Ok(reached);
                }
                Err(fault) if fault.is_targets() => failed = fault,
                Err(fault) => return Err(fault),
            }
        }
        Err(failed)
    }
}

/// Connects to the proxy and asks for one destination. In absolute form nothing is asked: the requests themselves say.
async fn ask(
    proxy: &Proxy,
    target: Target<'_>,
    (addresses, due): (&[IpAddr], Instant),
    destination: Destination<'_>,
) -> Result<Reached, ProxyFault> {
    let (mut tcp, peer) = eyeballs::connect(addresses, proxy.port, due).await.map_err(ProxyFault::Tcp)?;
    let mut absolute = None;
    match proxy.scheme {
        ProxyScheme::Http if proxy.absolute_form && !target.route.tls => {
            let authority = match target.port {
                80 => target.host.into(),
                port => format!("{}:{port}", target.host).into(),
            };
            absolute = Some(Absolute { authority, authorization: proxy.authorization().map(Into::into) });
        }
        ProxyScheme::Http => http_connect(&mut tcp, destination, proxy.authorization()).await?,
        ProxyScheme::Socks5 => socks5(&mut tcp, destination, proxy.credentials()).await?,
    }
    Ok(Reached { tcp, peer, absolute })
}
