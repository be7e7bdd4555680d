//! Builds the one TLS configuration of a process, and puts TLS errors into words.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// Sessions kept for resumption; the default of rustls is 256.
const SESSIONS_MAX: usize = 4_096;

/// Why no TLS configuration could be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportSetupError {
    /// An extra root certificate is not one; holds its place in the list, from 0.
    Root(usize, rustls::Error),
    /// The cryptography refused the protocol versions: a defect of the build.
    Tls(rustls::Error),
    /// A field that every request carries cannot be sent; holds its name.
    Field(&'static str),
}

impl fmt::Display for TransportSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(at, _) => write!(f, "extra root certificate {at} is not a certificate"),
            Self::Tls(_) => f.write_str("tls could not be set up"),
            Self::Field(name) => write!(f, "the {name} field holds what cannot be sent"),
        }
    }
}

impl std::error::Error for TransportSetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Root(_, error) | Self::Tls(error) => Some(error),
            Self::Field(_) => None,
        }
    }
}

/// Makes the configuration: roots of the system (those of Mozilla when it has none) and `extra_roots`, HTTP/1.1 only.
pub(crate) fn client_config(
    extra_roots: &[CertificateDer<'static>],
) -> Result<Arc<ClientConfig>, TransportSetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for (at, root) in extra_roots.iter().enumerate() {
        roots.add(root.clone()).map_err(|error| TransportSetupError::Root(at, error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TransportSetupError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Ok(Arc::new(config))
}

/// Says in the words of an operator what is wrong with a handshake.
pub(crate) fn describe(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return error.to_string();
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host".into()
        }
        CertificateError::UnknownIssuer => "the certificate's issuer is unknown".into(),
        // A self-signed certificate of an authority, used as a server's own: what `openssl req -x509` makes.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the certificate's issuer is unknown (it is self-signed)".into()
        }
        other => other.to_string(),
    }
}
