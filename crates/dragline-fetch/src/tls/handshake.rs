//! Shakes hands with a server, and says what was agreed on and what is wrong with its certificate.

use std::sync::PoisonError;

use bytes::Bytes;
use dragline_core::fetch::TlsInfo;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConnection, HandshakeKind, ProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Profiles, describe};
use crate::error::DialError;
use crate::route::{Route, Waiver};

/// Hosts that are remembered as warned about; past that all are forgotten.
const WARNED_MAX: usize = 4_096;

impl Profiles {
    /// Shakes hands as the route says.
    ///
    /// # Errors
    /// When the host is no name of a server, or the handshake failed.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(crate) async fn handshake(
        &self,
        host: &str,
        route: Route,
        tcp: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, TlsInfo), DialError> {
        let name = ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned())
            .map_err(|_| DialError::TlsName(host.to_owned()))?;
        let connector = TlsConnector::from(self.config(route));
        let stream = connector.connect(name.clone(), tcp).await.map_err(|error| {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            tls.map_or(DialError::TlsIo(error.kind()), |tls| DialError::Tls(tls.clone()))
        })?;
        let connection = stream.get_ref().1;
        let mut info = agreed(connection);
        if let Some(waiver) = route.waiver {
            info.unverified = self.verdict(connection, &name);
            self.warn_once(host, waiver, info.unverified.as_deref());
        }
        Ok((stream, info))
    }

    /// Says what is wrong with the certificate of a connection, resumed ones included.
    fn verdict(&self, connection: &ClientConnection, name: &ServerName<'_>) -> Option<String> {
        let Some((own, others)) = connection.peer_certificates().and_then(<[_]>::split_first) else {
            return Some("the server sent no certificate".into());
        };
        let verified = self.verifier.verify_server_cert(own, others, name, &[], UnixTime::now());
        verified.err().map(|error| describe(&error))
    }

    fn warn_once(&self, host: &str, waiver: Waiver, verdict: Option<&str>) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.contains(host) {
            return;
        }
        if warned.len() >= WARNED_MAX {
            warned.clear();
        }
        warned.insert(host.into());
        drop(warned);
        let verdict = verdict.unwrap_or("it would pass");
        let why = match waiver {
            Waiver::Host => "its entry in insecure_hosts says",
            Waiver::Request => "the request itself asks",
        };
        tracing::warn!(target: "dragline::fetch", "certificate of {host} is not verified, as {why}: {verdict}");
    }
}

/// Notes what both sides agreed on.
fn agreed(connection: &ClientConnection) -> TlsInfo {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    TlsInfo {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "unknown",
        },
        cipher: connection
            .negotiated_cipher_suite()
            .map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
        alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        certificate: certificate.map(|certificate| Bytes::copy_from_slice(certificate)),
        unverified: None,
    }
}
