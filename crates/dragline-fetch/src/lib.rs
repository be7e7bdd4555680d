//! Fetches one URL and never calls a broken response fine.
//!
//! ```text
//! Transport::fetch -> exchange -> watch (limits) -> awc client -> connector -> dial (resolve, guard, tcp, proxy, tls)
//!                        |                              |             |
//!                        +-- body (caps, decode, budget)+--- tap <----+-- reaper
//!                                                             +-- head, framing (pure)
//! ```

#[cfg(test)]
mod arbitrary;
mod awc_transport;
mod body;
mod budget;
mod chance;
mod clock;
mod connector;
mod decode;
mod dial;
mod error;
mod exchange;
mod framing;
mod head;
mod http2;
mod inbox;
mod options;
mod proxy;
mod reaper;
mod request;
mod resolve;
mod route;
mod routes;
mod scripted;
mod setup;
mod tap;
mod thread;
mod tls;
mod transcript;
pub mod transport;
mod verdict;
mod watch;

pub use awc_transport::{AwcTransport, AwcTransportFactory};
pub use budget::BodyBudget;
pub use dragline_core::auth::Secret;
pub use dragline_core::proxy::ProxyRule;
pub use options::{
    ClientIdentity, DnsOptions, Names, PlainHttp, ProxyOptions, ProxyScheme, RequestRule, ResolverKind,
    Roots, TlsOptions, TransportOptions,
};
pub use rustls::pki_types::{CertificateDer, PrivateKeyDer};
pub use scripted::{ScriptedAnswer, ScriptedTransport};
pub use setup::TransportSetupError;
pub use tls::PemError;
pub use transport::{ConnectionCounts, DnsCounts, Fetching, Transport, TransportFactory};
