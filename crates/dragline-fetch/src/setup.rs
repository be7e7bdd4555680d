//! Says why no transport can be made of some options.

use std::fmt;

use dragline_core::proxy::ProxyRulesError;

/// Why no transport can be made of the options.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportSetupError {
    /// An extra root certificate is not one; holds its place in the list, from 0.
    Root(usize, rustls::Error),
    /// The client's certificate and key cannot be used, or do not belong together.
    Identity(rustls::Error),
    /// The cryptography refused the protocol versions: a defect of the build.
    Tls(rustls::Error),
    /// The system's configuration names no name servers that can be asked; holds why.
    Dns(String),
    /// A proxy cannot be used so; holds its name and why.
    Proxy(String, &'static str),
    /// Proxies and their rules do not fit together.
    ProxyRules(ProxyRulesError),
    /// A field that every request carries cannot be sent; holds its name.
    Field(&'static str),
}

impl fmt::Display for TransportSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(at, _) => write!(f, "extra root certificate {at} is not a certificate"),
            Self::Identity(_) => f.write_str("the client certificate and its key cannot be used"),
            Self::Tls(_) => f.write_str("tls could not be set up"),
            Self::Dns(why) => write!(f, "the system's name servers are not known: {why}"),
            Self::Proxy(name, why) => write!(f, "proxy \"{name}\" cannot be used: {why}"),
            Self::ProxyRules(_) => f.write_str("the proxies and their rules do not fit together"),
            Self::Field(name) => write!(f, "the {name} field holds what cannot be sent"),
        }
    }
}

impl std::error::Error for TransportSetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Root(_, error) | Self::Identity(error) | Self::Tls(error) => Some(error),
            Self::ProxyRules(error) => Some(error),
            Self::Dns(_) | Self::Proxy(..) | Self::Field(_) => None,
        }
    }
}
