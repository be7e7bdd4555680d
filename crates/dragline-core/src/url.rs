//! Holds URLs in the one spelling that is fetched, and derives the key by which they are told apart.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use url::Url;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The longest URL that can be held at all; `[scope] url_bytes_max` is usually far below.
pub const URL_BYTES_LIMIT: usize = u16::MAX as usize;

/// An absolute http or https URL after WHATWG parsing, without fragment and userinfo; cheap to clone.
///
/// This is the spelling that is fetched and recorded. Two spellings of one resource share a
/// [`dedupe_key`](CanonicalUrl::dedupe_key).
#[derive(Clone)]
pub struct CanonicalUrl {
    text: Arc<str>,
    scheme: Scheme,
    host_end: u16,
    path_start: u16,
    port: u16,
}

impl CanonicalUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// Says why the text is no URL that can be fetched: see [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::from_url(Url::parse(text.trim()).map_err(UrlError::Malformed)?)
    }

    /// Takes a URL that was already parsed; drops its fragment and userinfo.
    ///
    /// # Errors
    /// As [`CanonicalUrl::parse`].
    pub fn from_url(mut url: Url) -> Result<Self, UrlError> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(UrlError::Scheme(other.into())),
        };
        url.set_fragment(None);
        if !url.username().is_empty() || url.password().is_some() {
            url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| UrlError::NoHost)?;
        }
        Self::assemble(url.as_str(), scheme)
    }

    /// Takes a text that is already canonical, such as one resolved against a canonical base by an exact rule.
    ///
    /// # Errors
    /// When the text has no http(s) scheme, no host, a bad port, or is too long. Its spelling is not checked again.
    pub fn from_canonical(text: &str) -> Result<Self, UrlError> {
        let scheme = if text.starts_with("http://") {
            Scheme::Http
        } else if text.starts_with("https://") {
            Scheme::Https
        } else {
            return Err(UrlError::Scheme(text.split(':').next().unwrap_or_default().into()));
        };
        Self::assemble(text, scheme)
    }

    fn assemble(text: &str, scheme: Scheme) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_LIMIT {
            return Err(UrlError::TooLong(text.len()));
        }
        let host_start = scheme.prefix_len();
        let rest = text.get(host_start..).ok_or(UrlError::NoHost)?;
        let ends = |byte: u8| matches!(byte, b'/' | b'?' | b'#');
        let authority_len = rest.bytes().position(ends).unwrap_or(rest.len());
        let (authority, _) = rest.split_at(authority_len);
        let (host_len, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host.len(), port.parse().map_err(|_| UrlError::Port)?)
            }
            _ => (authority_len, scheme.default_port()),
        };
        if host_len == 0 {
            return Err(UrlError::NoHost);
        }
        if port == 0 {
            return Err(UrlError::Port);
        }
        let offset = |position: usize| u16::try_from(position).map_err(|_| UrlError::TooLong(text.len()));
        Ok(Self {
            text: text.into(),
            scheme,
            host_end: offset(host_start + host_len)?,
            path_start: offset(host_start + authority_len)?,
            port,
        })
    }

    /// Resolves a reference found on this page, by the WHATWG rules.
    ///
    /// # Errors
    /// As [`CanonicalUrl::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let base = Url::parse(&self.text).map_err(UrlError::Malformed)?;
        Self::from_url(base.join(reference.trim()).map_err(UrlError::Malformed)?)
    }

    /// Returns the whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the whole URL as a shared string.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Returns the scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host: a lower-case name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.text.get(self.scheme.prefix_len()..usize::from(self.host_end)).unwrap_or_default()
    }

    /// Returns the port, the scheme's default when the URL has none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns host and, unless it is the scheme's default, port: what a `Host` header says.
    pub fn authority(&self) -> &str {
        self.text.get(self.scheme.prefix_len()..usize::from(self.path_start)).unwrap_or_default()
    }

    /// Returns path and query: what follows the authority, at least `/`.
    pub fn path_and_query(&self) -> &str {
        match self.text.get(usize::from(self.path_start)..) {
            None | Some("") => "/",
            Some(rest) => rest,
        }
    }

    /// Returns the path without the query.
    pub fn path(&self) -> &str {
        self.path_and_query().split('?').next().unwrap_or("/")
    }

    /// Returns the query without its `?`, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query().split_once('?').map(|(_, query)| query)
    }

    /// Returns the scheme-free host and port: the unit of politeness.
    pub fn host_key(&self) -> HostKey {
        HostKey { host: self.host().into(), port: self.port }
    }

    /// Returns scheme, host and port: the unit of robots.txt and of credentials.
    pub fn origin(&self) -> Origin {
        Origin { scheme: self.scheme, host: self.host().into(), port: self.port }
    }

    /// Returns the key by which URLs are told apart; borrowed when it equals the URL, which is the usual case.
    ///
    /// Percent escapes are upper-cased and decoded where the octet is unreserved, one trailing dot of the host and
    /// an empty query are dropped. It is never fetched.
    ///
    /// # Source
    /// RFC 3986 section 6.2.2.
    pub fn dedupe_key(&self) -> Cow<'_, str> {
        dedupe_key(&self.text)
    }
}

/// Returns the dedupe key of a canonical URL text: see [`CanonicalUrl::dedupe_key`].
pub fn dedupe_key(text: &str) -> Cow<'_, str> {
    let dot = trailing_host_dot(text);
    if dot.is_none() && !text.ends_with('?') && memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let undotted = match dot.and_then(|dot| Some((text.get(..dot)?, text.get(dot + 1..)?))) {
        Some((before, after)) => Cow::Owned(format!("{before}{after}")),
        None => Cow::Borrowed(text),
    };
    let mut key = normalise_escapes(&undotted);
    if key.ends_with('?') {
        key.pop();
    }
    Cow::Owned(key)
}

/// Returns where the host's trailing dot stands, when it has one.
fn trailing_host_dot(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let start = if text.starts_with("https") { Scheme::Https } else { Scheme::Http }.prefix_len();
    let rest = bytes.get(start..)?;
    let len = memchr::memchr3(b'/', b':', b'?', rest).unwrap_or(rest.len());
    (len > 1 && rest.get(len - 1) == Some(&b'.')).then_some(start + len - 1)
}

/// Upper-cases every percent escape and decodes those of unreserved octets (RFC 3986 6.2.2.1 and 6.2.2.2).
pub fn normalise_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let octet = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match octet {
            Some(octet) if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') => {
                out.push(char::from(octet));
                rest = after.get(2..).unwrap_or_default();
            }
            Some(octet) if !after.starts_with('+') => {
                out.push_str(&format!("%{octet:02X}"));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

impl PartialEq for CanonicalUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CanonicalUrl {}

impl PartialOrd for CanonicalUrl {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CanonicalUrl {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for CanonicalUrl {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for CanonicalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CanonicalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// The two schemes that are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Returns `http` or `https`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    const fn prefix_len(self) -> usize {
        self.name().len() + "://".len()
    }
}

/// A host and its port without the scheme: the unit of politeness. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey {
    /// A lower-case name, an IPv4 address, or an IPv6 address in brackets.
    pub host: Arc<str>,
    /// The port that is dialled.
    pub port: u16,
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Scheme, host and port: the unit of robots.txt (RFC 9309 2.3) and of credentials. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// A lower-case name, an IPv4 address, or an IPv6 address in brackets.
    pub host: Arc<str>,
    /// The port that is dialled.
    pub port: u16,
}

impl Origin {
    /// Returns the URL of a path on this origin; `path` begins with `/`.
    ///
    /// # Errors
    /// When the path makes the URL too long.
    pub fn at(&self, path: &str) -> Result<CanonicalUrl, UrlError> {
        CanonicalUrl::parse(&format!("{self}{path}"))
    }
}

/// Prints `https://host`, with the port unless it is the scheme's default.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Why a text is no URL that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The WHATWG parser refused it. Write the URL as `https://host/path`.
    Malformed(url::ParseError),
    /// Another scheme than http or https. Nothing else is fetched.
    Scheme(Box<str>),
    /// No host between scheme and path.
    NoHost,
    /// Port 0, or no number.
    Port,
    /// Longer than [`URL_BYTES_LIMIT`]; holds the length in bytes.
    TooLong(usize),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(url::ParseError::RelativeUrlWithoutBase) => {
                f.write_str("not an absolute URL (write it as https://host/path)")
            }
            Self::Malformed(error) => write!(f, "not a URL: {error}"),
            Self::Scheme(scheme) => write!(f, "scheme \"{scheme}\" is not fetched (only http and https are)"),
            Self::NoHost => f.write_str("the URL has no host"),
            Self::Port => f.write_str("the port must be 1 to 65535"),
            Self::TooLong(len) => write!(f, "the URL is {len} bytes long (at most {URL_BYTES_LIMIT})"),
        }
    }
}

impl std::error::Error for UrlError {}

/// A keyed 64-bit fingerprint of a dedupe key; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// Makes fingerprints with the run's secret key, so that nobody outside can aim collisions.
///
/// # Source
/// xxh3 with a secret seed. At n URLs the expected number of URLs lost to a collision is n²/2⁶⁵.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprinter(u64);

impl Fingerprinter {
    /// Makes fingerprints keyed by `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the fingerprint of a URL.
    pub fn of(self, url: &CanonicalUrl) -> Fingerprint {
        self.of_canonical(url.as_str())
    }

    /// Returns the fingerprint of a canonical URL text, by its dedupe key.
    pub fn of_canonical(self, text: &str) -> Fingerprint {
        Fingerprint(xxh3_64_with_seed(dedupe_key(text).as_bytes(), self.0).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_drops_what_is_never_fetched() {
        let check = |input: &str, expected: &str| {
            let url = CanonicalUrl::parse(input).unwrap();
            assert_eq!(url.as_str(), expected, "{input}");
            assert_eq!(CanonicalUrl::from_canonical(expected).unwrap(), url);
        };
        check("HTTP://Example.ORG:80/a/../b#frag", "http://example.org/b");
        check("https://user:pw@example.org", "https://example.org/");
        check("http://例え.jp/ü?q=ü", "http://xn--r8jz45g.jp/%C3%BC?q=%C3%BC");
        check("http://2130706433/", "http://127.0.0.1/");
        check(" http://[::1]:8080/x ", "http://[::1]:8080/x");
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_a_reason() {
        let check = |input: &str, expected: &str| {
            assert_eq!(CanonicalUrl::parse(input).unwrap_err().to_string(), expected, "{input}");
        };
        check("example.org", "not an absolute URL (write it as https://host/path)");
        check("ftp://example.org/", "scheme \"ftp\" is not fetched (only http and https are)");
        check("http://example.org:0/", "the port must be 1 to 65535");
        check("http://example.org:99999/", "not a URL: invalid port number");
        check("http:///", "not a URL: empty host");
    }

    #[test]
    fn the_parts_of_a_url_are_found() {
        let url = CanonicalUrl::parse("http://[::1]:8080/a/b?c=d?e").unwrap();
        assert_eq!((url.host(), url.port(), url.authority()), ("[::1]", 8080, "[::1]:8080"));
        assert_eq!((url.path(), url.query()), ("/a/b", Some("c=d?e")));
        assert_eq!(url.origin().to_string(), "http://[::1]:8080");
        assert_eq!(url.host_key().to_string(), "[::1]:8080");
        let plain = CanonicalUrl::parse("https://example.org").unwrap();
        assert_eq!((plain.port(), plain.path_and_query()), (443, "/"));
        assert_eq!(plain.origin().to_string(), "https://example.org");
    }

    #[test]
    fn spellings_of_one_resource_share_a_key() {
        let check = |input: &str, expected: &str| {
            let url = CanonicalUrl::parse(input).unwrap();
            assert_eq!(url.dedupe_key(), expected, "{input}");
        };
        check("http://a.org/x", "http://a.org/x");
        check("http://a.org/%7euser/%2f", "http://a.org/~user/%2F");
        check("http://a.org/x?", "http://a.org/x");
        check("http://a.org./x", "http://a.org/x");
        check("http://a.org.:81/x?", "http://a.org:81/x");
        check("http://a.org/100%", "http://a.org/100%");
        check("http://a.org/%+1%zz", "http://a.org/%+1%zz");
    }

    #[test]
    fn references_resolve_as_browsers_do() {
        let base = CanonicalUrl::parse("http://a.org/x/y?z").unwrap();
        let check = |reference: &str, expected: &str| {
            assert_eq!(base.join(reference).unwrap().as_str(), expected, "{reference}");
        };
        check("../c", "http://a.org/c");
        check("//b.org/d", "http://b.org/d");
        check("?q", "http://a.org/x/y?q");
        check("", "http://a.org/x/y?z");
    }
}
