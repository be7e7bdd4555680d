//! Hides the way a request takes in the userinfo of the URI that awc is given.
//!
//! awc pools by authority and never sends the userinfo, so that `http://t@host:443` keeps TLS connections apart from
//! plain ones while awc itself only ever sees plain streams. No other module knows this trick.

use awc::http::Uri;
use bytes::Bytes;
use dragline_core::url::CanonicalUrl;

/// The way a request takes to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// Whether HTTP/2 is offered; only with TLS.
    pub(crate) http2: bool,
    /// Who lets a wrong certificate pass, if anybody does; only with TLS.
    pub(crate) waiver: Option<Waiver>,
    /// The proxy, by its place in the options.
    pub(crate) proxy: Option<u16>,
}

/// Who lets a wrong certificate pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiver {
    /// `[tls] insecure_hosts`, which names the host.
    Host,
    /// The request.
    Request,
}

impl Route {
    /// Appends the tag: `p` plain, `t` TLS, `a` TLS that offers HTTP/2; behind it who waives verification, `x` the
    /// host's entry and `y` the request; then the proxy.
    fn write_tag(self, out: &mut String) {
        out.push(match self {
            Self { tls: false, .. } => 'p',
            Self { http2: true, .. } => 'a',
            Self { .. } => 't',
        });
        match self.waiver {
            None => {}
            Some(Waiver::Host) => out.push('x'),
            Some(Waiver::Request) => out.push('y'),
        }
        if let Some(proxy) = self.proxy {
            out.push('.');
            out.push_str(itoa(proxy, &mut [0; 5]));
        }
    }

    /// Reads the route back from what the connector was given.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let (tag, _) = uri.authority()?.as_str().rsplit_once('@')?;
        let (mode, proxy) = match tag.split_once('.') {
            Some((mode, proxy)) => (mode, Some(proxy.parse().ok()?)),
            None => (tag, None),
        };
        let (tls, http2, waiver) = match mode {
            "p" => (false, false, None),
            "t" => (true, false, None),
            "tx" => (true, false, Some(Waiver::Host)),
            "ty" => (true, false, Some(Waiver::Request)),
            "a" => (true, true, None),
            "ax" => (true, true, Some(Waiver::Host)),
            "ay" => (true, true, Some(Waiver::Request)),
            _ => return None,
        };
        Some(Self { tls, http2, waiver, proxy })
    }
}

/// Makes the URI that awc is given; the port always stands in it, since `h` and `h:443` are different pool keys.
///
/// `None` when the URL cannot be a URI, which only its length can cause.
pub(crate) fn awc_uri(url: &CanonicalUrl, route: Route) -> Option<Uri> {
    let path = url.path_and_query();
    let mut text = String::with_capacity(url.as_str().len() + 16);
    text.push_str("http://");
    route.write_tag(&mut text);
    text.push('@');
    text.push_str(url.host());
    text.push(':');
    text.push_str(itoa(url.port(), &mut [0; 5]));
    if path.starts_with('?') {
        text.push('/');
    }
    text.push_str(path);
    Uri::from_maybe_shared(Bytes::from(text)).ok()
}

/// Writes a port in decimal without an allocation.
fn itoa(mut port: u16, digits: &mut [u8; 5]) -> &str {
    let mut start = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(port % 10).unwrap_or_default();
        port /= 10;
        start = at;
        if port == 0 {
            break;
        }
    }
    std::str::from_utf8(digits.get(start..).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dragline_core::url::Scheme;

    use super::*;

    fn check(url: &str, expected: &str) {
        let url = CanonicalUrl::parse(url).unwrap();
        let tls = url.scheme() == Scheme::Https;
        let route = Route { tls, http2: false, waiver: None, proxy: None };
        let uri = awc_uri(&url, route).unwrap();
        assert_eq!(uri.to_string(), expected);
        assert_eq!(Route::of(&uri), Some(route));
    }

    #[test]
    fn the_route_survives_the_way_through_a_uri() {
        check("http://a.org/x?y", "http://p@a.org:80/x?y");
        check("https://a.org", "http://t@a.org:443/");
        check("https://[::1]:8443/", "http://t@[::1]:8443/");
        check("http://a.org?q={|}^`", "http://p@a.org:80/?q={|}^`");
        check("http://a_b.org/a|b", "http://p@a_b.org:80/a|b");
        check("http://user:secret@a.org/", "http://p@a.org:80/");
    }

    #[test]
    fn every_route_survives_the_way_through_a_uri() {
        let url = CanonicalUrl::parse("http://a.org/").unwrap();
        for (tls, http2) in [(false, false), (true, false), (true, true)] {
            for waiver in [None, Some(Waiver::Host), Some(Waiver::Request)] {
                for proxy in [None, Some(0), Some(44_000)] {
                    let route = Route { tls, http2, waiver: waiver.filter(|_| tls), proxy };
                    assert_eq!(Route::of(&awc_uri(&url, route).unwrap()), Some(route));
                }
            }
        }
    }

    #[test]
    fn a_tag_that_is_not_ours_is_refused() {
        assert_eq!(Route::of(&Uri::from_static("http://user@a.org/")), None);
        assert_eq!(Route::of(&Uri::from_static("http://a.org/")), None);
    }
}
