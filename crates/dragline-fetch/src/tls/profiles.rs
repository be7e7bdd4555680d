//! Holds the TLS configurations of a process: strict and lax, with HTTP/2 on offer and without, each with its sessions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};

use super::lax::Lax;
use crate::options::{Roots, TlsOptions};
use crate::route::Route;
use crate::setup::TransportSetupError;

/// Sessions kept for resumption by each configuration; the default of rustls is 256.
const SESSIONS_MAX: usize = 4_096;

/// The TLS configurations of a process.
#[derive(Debug)]
pub(crate) struct Profiles {
    pub(super) verifier: Arc<WebPkiServerVerifier>,
    strict: ClientConfig,
    lax: ClientConfig,
    /// Made when they are first needed, by [`Profiles::config`]. Sessions are never shared between them, so that what
    /// began without verification never goes on where it is asked for.
    made: [OnceLock<Arc<ClientConfig>>; 4],
    /// The hosts without verification that were warned about.
    pub(super) warned: Mutex<BTreeSet<Box<str>>>,
}

impl Profiles {
    /// Reads the roots and checks the options.
    pub(crate) fn new(options: &TlsOptions) -> Result<Self, TransportSetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(options)?);
        // Only an empty store or bad revocation lists are refused, and there are neither.
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| TransportSetupError::Tls(rustls::Error::General(error.to_string())))?;
        let strict = config(options, &provider, &verifier)?;
        let mut lax = config(options, &provider, &verifier)?;
        lax.dangerous().set_certificate_verifier(Arc::new(Lax(Arc::clone(&verifier))));
        Ok(Self { verifier, strict, lax, made: Default::default(), warned: Mutex::default() })
    }

    /// Returns the configuration of a route.
    pub(super) fn config(&self, route: Route) -> Arc<ClientConfig> {
        let [plain, http2, lax, lax_http2] = &self.made;
        let (place, base) = match (route.waiver.is_some(), route.http2) {
            (false, false) => (plain, &self.strict),
            (false, true) => (http2, &self.strict),
            (true, false) => (lax, &self.lax),
            (true, true) => (lax_http2, &self.lax),
        };
        let made = place.get_or_init(|| {
            let mut config = base.clone();
            if route.http2 {
                config.alpn_protocols.push(b"h2".to_vec());
            }
            config.alpn_protocols.push(b"http/1.1".to_vec());
            config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
            Arc::new(config)
        });
        Arc::clone(made)
    }
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, TransportSetupError> {
    let mut roots = RootCertStore::empty();
    if options.roots == Roots::System {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for (at, root) in options.extra_roots.iter().enumerate() {
        roots.add(root.clone()).map_err(|error| TransportSetupError::Root(at, error))?;
    }
    Ok(roots)
}

fn config(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<WebPkiServerVerifier>,
) -> Result<ClientConfig, TransportSetupError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(TransportSetupError::Tls)?
        .with_webpki_verifier(Arc::clone(verifier));
    match options.identity.clone() {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain, identity.key).map_err(TransportSetupError::Identity)
        }
    }
}
