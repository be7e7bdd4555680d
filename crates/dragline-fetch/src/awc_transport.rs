//! Opens the transport that fetches through awc, and keeps its connections in order.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use awc::Client;
use dragline_core::fetch::FetchRequest;

use crate::budget::BodyBudget;
use crate::clock;
use crate::connector::Connector;
use crate::dial::{Dialer, Means};
use crate::exchange;
use crate::http2::Pool;
use crate::options::TransportOptions;
use crate::reaper::Registry;
use crate::request::Fields;
use crate::routes::Routes;
use crate::setup::TransportSetupError;
use crate::transcript::Transcript;
use crate::transport::{ConnectionCounts, DnsCounts, Fetching, Transport, TransportFactory};

/// How long a connection is kept for a later request.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a connection lives at all, between requests.
const LIFETIME: Duration = Duration::from_secs(600);
/// Connections after which the client is replaced: awc's pool never forgets an authority (actix-web#1460).
const DIALS_MAX: u64 = 4_096;
/// Longer than any limit of ours, which end a dial first and say in which phase.
const NEVER: Duration = Duration::from_secs(86_400);

/// Opens transports that share guard, resolver, TLS sessions and body budget.
#[derive(Debug)]
pub struct AwcTransportFactory {
    means: Arc<Means>,
    fields: Fields,
    bodies: Arc<BodyBudget>,
    idle_max: usize,
}

impl AwcTransportFactory {
    /// Reads the system's root certificates and checks the options.
    ///
    /// # Errors
    /// When a field cannot be sent, or an extra root is no certificate.
    pub fn new(options: TransportOptions) -> Result<Self, TransportSetupError> {
        Ok(Self {
            means: Arc::new(Means::new(&options)?),
            fields: Fields::new(&options.user_agent, &options.accept, options.from.as_deref())?,
            bodies: options.bodies,
            idle_max: options.idle_max,
        })
    }

    /// Opens a transport on the calling arbiter.
    pub fn open_awc(&self) -> AwcTransport {
        let dialer = Dialer::new(Arc::clone(&self.means));
        let dialer = Rc::new(dialer);
        let http2 = Pool::new(Rc::clone(&dialer));
        let registry = Rc::new(Registry::new(self.idle_max));
        let connector = Connector { dialer, registry, stash: Rc::clone(http2.stash()) };
        AwcTransport(Rc::new(Lane {
            client: RefCell::new(client(&connector)),
            connector,
            http2,
            fields: self.fields.clone(),
            budget: Arc::clone(&self.bodies),
            rotated_at: Cell::new(0),
        }))
    }
}

impl TransportFactory for AwcTransportFactory {
    fn open(&self) -> Rc<dyn Transport> {
        Rc::new(self.open_awc())
    }
}

/// Makes a client that leaves everything to us: limits, redirects, timeouts, decoding, TLS.
fn client(connector: &Connector) -> Client {
    let connector = awc::Connector::new()
        .connector(connector.clone())
        .limit(0)
        .timeout(NEVER)
        .conn_keep_alive(KEEP_ALIVE)
        .conn_lifetime(LIFETIME);
    Client::builder().connector(connector).disable_redirects().disable_timeout().no_default_headers().finish()
}

/// What the fetches of one transport share.
pub(crate) struct Lane {
    client: RefCell<Client>,
    connector: Connector,
    pub(crate) http2: Pool,
    pub(crate) fields: Fields,
    pub(crate) budget: Arc<BodyBudget>,
    /// Connections that had been opened when the client was last replaced.
    rotated_at: Cell<u64>,
}

impl Lane {
    /// Returns the client, or its successor when it knows too many authorities.
    pub(crate) fn client(&self) -> Client {
        self.rotate_after(DIALS_MAX);
        self.client.borrow().clone()
    }

    /// Returns the ways to all hosts.
    pub(crate) fn routes(&self) -> &Routes {
        &self.connector.dialer.means.routes
    }

    /// Replaces the client when that many connections were opened since it was made.
    fn rotate_after(&self, dials_max: u64) {
        let opened = self.connector.registry.counts().opened_new;
        if opened - self.rotated_at.get() >= dials_max {
            self.rotated_at.set(opened);
            // Requests under way keep the old client alive until they end.
            drop(self.client.replace(client(&self.connector)));
        }
    }

    /// Closes what idles to an address at which one connection was found dead.
    pub(crate) fn forget_idle(&self, peer: Option<SocketAddr>) {
        if let Some(peer) = peer {
            self.connector.registry.close_idle_to(peer);
        }
    }
}

/// Fetches through awc, which is given plain HTTP/1.1 with a tap in between.
pub struct AwcTransport(Rc<Lane>);

impl fmt::Debug for AwcTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwcTransport").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

impl Transport for AwcTransport {
    fn fetch(&self, request: FetchRequest) -> Fetching {
        let transcript = Rc::new(Transcript::new(&request));
        Box::pin(exchange::run(Rc::clone(&self.0), request, transcript))
    }

    fn tick(&self) {
        let registry = &self.0.connector.registry;
        let now = clock::now();
        registry.reap(now, KEEP_ALIVE);
        self.0.http2.tick(now);
    }

    fn connections(&self) -> ConnectionCounts {
        let (http1, http2) = (self.0.connector.registry.counts(), self.0.http2.counts());
        ConnectionCounts {
            busy: http1.busy + http2.busy,
            idle: http1.idle + http2.idle,
            opened_new: http1.opened_new + http2.opened_new,
            reused: http1.reused + http2.reused,
        }
    }

    fn dns(&self) -> DnsCounts {
        self.0.connector.dialer.dns()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use dragline_core::CanonicalUrl;

    use super::*;
    use crate::thread;

    /// Answers every request on two connections, one after the other, and ends.
    fn serve_two_connections() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = move || {
            for stream in listener.incoming().take(2) {
                let mut stream = stream.unwrap();
                let mut head = [0; 4_096];
                while stream.read(&mut head).is_ok_and(|count| count > 0) {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                }
            }
        };
        thread::detached("server", serve).unwrap();
        address
    }

    #[test]
    fn a_replaced_client_takes_its_idle_connections_with_it() {
        let address = serve_two_connections();
        let mut options = TransportOptions::new("test", Arc::new(BodyBudget::new(1)));
        options.guard.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
        let factory = AwcTransportFactory::new(options).unwrap();
        actix_rt::System::new().block_on(async move {
            let transport = factory.open_awc();
            let check = async |reused| {
                let url = CanonicalUrl::parse(&format!("http://{address}/")).unwrap();
                let request = FetchRequest::get(url, Arc::default());
                let response = transport.fetch(request).await;
                assert_eq!((response.status, response.reused), (Some(204), reused));
            };
            check(false).await;
            transport.0.rotate_after(2);
            check(true).await;
            transport.0.rotate_after(1);
            assert_eq!(transport.connections().idle, 0);
            check(false).await;
            transport.0.rotate_after(2);
            check(true).await;
        });
    }
}
