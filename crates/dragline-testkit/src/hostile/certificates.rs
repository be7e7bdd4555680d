//! Makes a private authority, and certificates of it that are right or wrong in one way each.

use std::fmt;
use std::io;
use std::sync::Arc;

use dragline_fetch::CertificateDer;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// What is wrong with a certificate, or with the server that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    Expired,
    NotYet,
    OtherHost,
    UnknownIssuer,
    SelfSigned,
    AuthorityAsLeaf,
    /// Nothing: the version is old, but good.
    OldVersion,
    /// It agrees to HTTP/2 only, and then speaks HTTP/1.1.
    OnlyHttp2,
}

/// The private authority that a client must trust: in PEM for a file, in DER for a library.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The certificate in PEM.
    pub pem: String,
    /// The certificate in DER.
    pub der: CertificateDer<'static>,
}

/// The authority with its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) trust: Trust,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// Makes one of this name.
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let trust = Trust { pem: certificate.pem(), der: certificate.der().clone() };
        Ok(Self { issuer: Issuer::new(params, key), trust })
    }

    /// Sets a server up for 127.0.0.1 and `names`.
    pub(super) fn server(&self, flaw: Flaw, names: &[&str]) -> io::Result<Arc<ServerConfig>> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        match flaw {
            Flaw::OtherHost => names = vec!["elsewhere.test".into(), "127.0.0.9".into()],
            _ => names.push("127.0.0.1".into()),
        }
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "a hostile site");
        match flaw {
            Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Flaw::NotYet => params.not_before = date_time_ymd(4000, 1, 1),
            Flaw::AuthorityAsLeaf => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            _ => {}
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = match flaw {
            Flaw::SelfSigned | Flaw::AuthorityAsLeaf => params.self_signed(&key),
            Flaw::UnknownIssuer => params.signed_by(&key, &Self::new("an unknown authority")?.issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        let certificate = certificate.map_err(io::Error::other)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[_] = match flaw {
            Flaw::OldVersion => &[&rustls::version::TLS12],
            _ => rustls::ALL_VERSIONS,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
            .map_err(io::Error::other)?;
        if flaw == Flaw::OnlyHttp2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(Arc::new(config))
    }
}
