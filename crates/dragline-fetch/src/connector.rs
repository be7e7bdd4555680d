//! Gives awc its connections: reads the route from the URI, dials, and puts the tap in between.

use std::pin::Pin;
use std::rc::Rc;

use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;

use crate::clock;
use crate::dial::{Dialer, Target};
use crate::error::DialError;
use crate::http2::Stash;
use crate::reaper::Registry;
use crate::route::Route;
use crate::tap::Tap;

/// The connector of one transport; clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) dialer: Rc<Dialer>,
    pub(crate) registry: Rc<Registry>,
    /// Connections that were made to ask for HTTP/2, and got HTTP/1.1.
    pub(crate) stash: Rc<Stash>,
}

impl Connector {
    async fn connect(self, uri: &Uri) -> Result<Tap, DialError> {
        let route = Route::of(uri).ok_or(DialError::Route)?;
        let host = uri.host().ok_or(DialError::Route)?;
        let port = uri.port_u16().ok_or(DialError::Route)?;
        // awc is given HTTP/1.1 only, so that is all that is offered to whoever is dialled for it.
        let route = Route { http2: false, ..route };
        let target = Target { host, port, route };
        let dialed = match self.stash.take(&target, clock::now()) {
            Some(dialed) => dialed,
            None => self.dialer.dial(target).await?,
        };
        if dialed.info.http2 {
            return Err(DialError::Route);
        }
        Ok(Tap::new(self.registry.adopt(dialed, clock::now())))
    }
}

impl Service<ConnectInfo<Uri>> for Connector {
    type Response = Connection<Uri, Tap>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    actix_service::always_ready!();

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let uri = request.request().clone();
            let tap = connector.connect(&uri).await?;
            Ok(Connection::new(uri, tap))
        })
    }
}
