//! Lists what a transport is made of: names, trust, proxies, and what each host is sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dragline_core::pattern::Pattern;
use dragline_core::rules::GuardRules;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::budget::BodyBudget;

/// What a transport is made of.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// The `Accept` of every request.
    pub accept: String,
    /// The `From` of every request, if any.
    pub from: Option<String>,
    /// Which addresses may be dialled beyond the public ones.
    pub guard: GuardRules,
    /// The memory for bodies; one for the whole process.
    pub bodies: Arc<BodyBudget>,
    /// How names are resolved.
    pub dns: DnsOptions,
    /// Whom to trust, and who we are to servers that ask.
    pub tls: TlsOptions,
    /// What hosts of some names are sent; of several rules that match, the first counts.
    pub requests: Vec<RequestRule>,
    /// Whether HTTP/2 is offered to https hosts for which no rule decides it.
    pub http2: bool,
}

impl TransportOptions {
    /// Makes options with the guard closed and nothing added, which accept HTML first.
    pub fn new(user_agent: impl Into<String>, bodies: Arc<BodyBudget>) -> Self {
        Self {
            user_agent: user_agent.into(),
            accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8".into(),
            from: None,
            guard: GuardRules::default(),
            bodies,
            dns: DnsOptions::default(),
            tls: TlsOptions::default(),
            requests: Vec::new(),
            http2: false,
        }
    }
}

/// How names are resolved; the guard judges every address, wherever it came from.
#[derive(Clone, Debug, Default)]
pub struct DnsOptions {
    /// Who is asked.
    pub resolver: ResolverKind,
    /// Addresses of names, which win over every resolver; names in lower case.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// Who resolves names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResolverKind {
    /// The system: getaddrinfo with all that it consults, such as `/etc/hosts`. Answers are kept for 60 s, since it
    /// does not tell the records' own time to live.
    #[default]
    System,
    /// Name servers, asked over UDP, and over TCP when an answer does not fit. Answers are kept for the records' time
    /// to live, between 1 s and 1 h. Names are absolute: no search domain is tried. `/etc/hosts` is not read.
    Hickory {
        /// The name servers; empty: those of the system's configuration, `/etc/resolv.conf`.
        servers: Vec<SocketAddr>,
    },
}

/// Whom to trust, and who we are to servers that ask.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Whose roots are trusted.
    pub roots: Roots,
    /// Certificates of authorities that are trusted beside those.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// The certificate of this client, shown to every server that asks for one.
    pub identity: Option<ClientIdentity>,
    /// Patterns of host names whose certificate may be wrong. What is wrong is recorded with every response, and a
    /// warning is logged once a host.
    pub insecure_hosts: Vec<Pattern>,
}

/// Whose root certificates are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system; those of Mozilla when it has none.
    #[default]
    System,
    /// Those of Mozilla, as they stood when this program was built.
    Mozilla,
}

/// A certificate and its key, by which a client shows who it is.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The certificate, and behind it those that lead to its root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the first certificate; never shown by `Debug`.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// What hosts of some names are sent.
#[derive(Clone, Debug, Default)]
pub struct RequestRule {
    /// Patterns of host names, one of which must match.
    pub hosts: Vec<Pattern>,
    /// Fields of every request to such a host, in this order.
    pub headers: Arc<[(Box<str>, Box<str>)]>,
    /// Whether HTTP/2 is offered; `None`: as to the other hosts.
    pub http2: Option<bool>,
}
