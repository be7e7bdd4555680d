//! Serves `/metrics`, `/healthz` and `/readyz`.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::ServerHandle;
use actix_web::http::header::{ContentType, HOST};
use actix_web::web::Data;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use dragline_engine::{CrawlHandle, Tasks};
use dragline_telemetry::Telemetry;

use crate::host;

/// How long requests under way may take when the console is stopped, in seconds.
const SHUTDOWN_SECS: u64 = 1;

/// An admin server whose port is bound.
#[derive(Debug)]
pub struct Console {
    listener: TcpListener,
    address: SocketAddr,
}

impl Console {
    /// Binds the port, so that a port in use is known before the crawl starts.
    ///
    /// # Errors
    /// When the address is no loopback address, or cannot be bound.
    pub fn bind(address: SocketAddr) -> Result<Self, ConsoleError> {
        if !address.ip().is_loopback() {
            return Err(ConsoleError::NotLoopback(address));
        }
        let bound = TcpListener::bind(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|error| ConsoleError::Bind { address, error })?;
        Ok(Self { listener, address })
    }

    /// Returns the address that is listened on; its port is known even when 0 was asked for.
    ///
    /// The crawl is told of it by `CrawlBuilder::own_address`, lest a page leads it here.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves a crawl until the returned guard is dropped; must be called within an actix system.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn serve(self, crawl: CrawlHandle) -> Result<Serving, ConsoleError> {
        let crawl = Data::new(crawl);
        let app = move || App::new().app_data(Data::clone(&crawl)).default_service(web::to(answer));
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(SHUTDOWN_SECS);
        let address = self.address;
        let server =
            server.listen(self.listener).map_err(|error| ConsoleError::Bind { address, error })?.run();
        let handle = server.handle();
        let mut tasks = Tasks::default();
        tasks.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(target: "dragline::admin", %error, "the admin server ended");
            }
        });
        Ok(Serving { handle, _tasks: tasks })
    }
}

/// Keeps the console served.
pub struct Serving {
    handle: ServerHandle,
    _tasks: Tasks,
}

impl Serving {
    /// Stops serving at once; the port is free afterwards.
    ///
    /// # Cancel safety
    /// Once polled, the server stops whether or not it is dropped.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serving")
    }
}

async fn answer(request: HttpRequest, crawl: Data<CrawlHandle>) -> HttpResponse {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !host::is_loopback(host) {
        return text(HttpResponse::Forbidden(), "this server answers only to names of this machine\n".into());
    }
    match request.path() {
        "/metrics" => match crawl.gather().await {
            Ok(metrics) => HttpResponse::Ok().content_type(Telemetry::CONTENT_TYPE).body(metrics),
            Err(error) => text(HttpResponse::InternalServerError(), format!("{error}\n")),
        },
        "/healthz" => match crawl.gather().await {
            Ok(_) => text(HttpResponse::Ok(), "ok\n".into()),
            Err(error) => text(HttpResponse::ServiceUnavailable(), format!("{error}\n")),
        },
        "/readyz" => readiness(&crawl).await,
        _ => text(HttpResponse::NotFound(), "here are /metrics, /healthz and /readyz\n".into()),
    }
}

/// Ready from the first sample until the crawl drains.
async fn readiness(crawl: &CrawlHandle) -> HttpResponse {
    match crawl.status().await {
        None => text(HttpResponse::ServiceUnavailable(), "starting\n".into()),
        Some(status) if status.draining => text(HttpResponse::ServiceUnavailable(), "ending\n".into()),
        Some(status) => {
            let pending = status.stats.pending;
            text(
                HttpResponse::Ok(),
                format!("ready: {pending} URLs pending, {} in flight\n", status.in_flight),
            )
        }
    }
}

fn text(mut response: actix_web::HttpResponseBuilder, body: String) -> HttpResponse {
    response.content_type(ContentType::plaintext()).body(body)
}

/// Why the console cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The address is not this machine's own. Listen on 127.0.0.1 and forward the port.
    NotLoopback(SocketAddr),
    /// The address cannot be bound. Choose another with `--listen` or `[admin] listen`.
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(address) => {
                write!(f, "{address} is not a loopback address; the admin server listens on loopback only")
            }
            Self::Bind { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                let way_out = "--listen 127.0.0.1:0 takes a free port, --listen \"\" turns it off";
                write!(f, "the admin address {address} is in use by another program ({way_out})")
            }
            Self::Bind { address, .. } => write!(f, "could not listen on {address}"),
        }
    }
}

impl std::error::Error for ConsoleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { error, .. } if error.kind() != io::ErrorKind::AddrInUse => Some(error),
            Self::NotLoopback(_) | Self::Bind { .. } => None,
        }
    }
}
