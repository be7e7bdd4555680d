//! Lists what a transport is made of: names, trust, proxies, and what each host is sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dragline_core::auth::Secret;
use dragline_core::pattern::Pattern;
use dragline_core::proxy::ProxyRule;
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
    /// Which addresses may be dialled beyond the public ones, and at which this program itself serves.
    pub guard: GuardRules,
    /// The memory for bodies; one for the whole process.
    pub bodies: Arc<BodyBudget>,
    /// How names are resolved.
    pub dns: DnsOptions,
    /// Whom to trust, and who we are to servers that ask.
    pub tls: TlsOptions,
    /// The proxies, each with a name of its own.
    pub proxies: Vec<ProxyOptions>,
    /// Which hosts are reached through which of them, by their places in `proxies`; the first rule that matches
    /// decides. None: all hosts through all proxies, in turn.
    pub proxy_rules: Vec<ProxyRule>,
    /// What hosts of some names are sent; of several rules that match, the first counts.
    pub requests: Vec<RequestRule>,
    /// Whether HTTP/2 is offered to https hosts for which no rule decides it.
    pub http2: bool,
    /// Connections of one transport that are kept while they idle; of more, those that idle longest are closed.
    pub idle_max: usize,
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
            proxies: Vec::new(),
            proxy_rules: Vec::new(),
            requests: Vec::new(),
            http2: false,
            idle_max: 256,
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

/// A proxy. Its own address is the operator's word: the guard does not judge it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyOptions {
    /// The name by which records and errors speak of it.
    pub name: String,
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// Its host: a name, which is resolved like any other, or an address, with or without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, sent without waiting to be asked.
    pub credentials: Option<(String, Secret)>,
    /// How plain http requests are sent to it.
    pub plain_http: PlainHttp,
    /// Who resolves the names of targets.
    pub names: Names,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP/1.1 with CONNECT (RFC 9110 section 9.3.6); credentials by Basic.
    Http,
    /// SOCKS5 (RFC 1928); credentials by RFC 1929.
    Socks5,
}

/// How plain http requests are sent to an HTTP proxy; https always goes through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Through a tunnel made by CONNECT.
    #[default]
    Tunnel,
    /// To the proxy itself, in absolute form (RFC 9112 section 3.2.2), for proxies that allow CONNECT to port 443 only.
    ///
    /// The name is resolved and checked here first, but the proxy resolves it once more: a name that changes in
    /// between is the proxy's to refuse.
    AbsoluteForm,
}

/// Who resolves the names of targets behind a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// We do: every address is checked by the guard, and the proxy is given the address.
    #[default]
    ResolvedHere,
    /// The proxy does: only addresses written as such, names of [`DnsOptions::hosts`], and names of this machine such
    /// as `localhost`, are checked here. To what addresses other names lead is the proxy's to check.
    ResolvedByProxy,
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
