//! Describes one request, ready to be carried out by a transport.

use std::fmt;
use std::sync::Arc;

use super::{FetchLimits, RequestBody};
use crate::auth::Keyring;
use crate::cookies::CookieJar;
use crate::url::CanonicalUrl;

/// One request, ready to be carried out by a transport.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// What is fetched.
    pub url: CanonicalUrl,
    /// The method, such as `GET` or `HEAD`.
    pub method: Method,
    /// Fields to send beside those the transport sets itself (`Host`, `User-Agent`, `Accept-Encoding`). An
    /// `Authorization` or `Cookie` among them is sent in place of what `keyring` and `cookies` hold.
    pub headers: Arc<[(Box<str>, Box<str>)]>,
    /// The content to send.
    pub body: RequestBody,
    /// The limits; shared, since most requests of a crawl have the same.
    pub limits: Arc<FetchLimits>,
    /// The cookies that are sent and kept; `None`: none are.
    pub cookies: Option<Arc<CookieJar>>,
    /// Who we are to origins that ask.
    pub keyring: Option<Arc<Keyring>>,
    /// Whether the server's certificate must be right. It holds for the whole call: where redirects are followed, every
    /// hop is sent as the first one was, and what [`hop`](crate::hop::Hop::keeps_identity) says of cookies and keys
    /// sees to it that a server nobody verified cannot lead them to another host.
    pub certificates: Certificates,
    /// Whether the response carries the bytes that were sent and received, for archives.
    pub capture: bool,
}

impl FetchRequest {
    /// Makes a `GET` without fields of its own.
    pub fn get(url: CanonicalUrl, limits: Arc<FetchLimits>) -> Self {
        Self {
            url,
            method: Method::Get,
            headers: Arc::default(),
            body: RequestBody::None,
            limits,
            cookies: None,
            keyring: None,
            certificates: Certificates::Verified,
            capture: false,
        }
    }
}

/// Whether the server's certificate must be right for one request. It says nothing of plain http.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificates {
    /// It must be, or the fetch ends `tls_error`; unless `[tls] insecure_hosts` names the host.
    #[default]
    Verified,
    /// It may be wrong. What is wrong with it stands in [`TlsInfo::unverified`](super::TlsInfo::unverified), and a
    /// warning is logged once a host. Such a request goes over connections and TLS sessions that no verified one uses.
    Unverified,
}

/// A request method (RFC 9110 section 9.3, RFC 5789). `CONNECT` and `TRACE` are no requests of a client like this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `HEAD`: the response has no body, whatever its head says.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
}

impl Method {
    /// Every method, in the order of declaration.
    pub const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// Returns the method as it is sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Reads a method; case does not matter, since none of ours differs from another by case alone.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(text))
    }

    /// Whether doing it twice is as good as once (RFC 9110 section 9.2.2): it may be repeated when the connection died.
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    /// Whether a request without content says so by `Content-Length: 0` (RFC 9110 section 8.6).
    pub const fn announces_empty_content(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
