//! Judges whether a server may set the cookie it sent, and what the cookie is worth when it may.

use std::time::Duration;

use super::matching;
use super::parse::{ATTRIBUTE_BYTES_MAX, SetCookie};
use crate::time::Wall;
use crate::url::{CanonicalUrl, Scheme};

/// The longest a cookie is kept (RFC 6265bis section 5.5).
const AGE_MAX: Duration = Duration::from_secs(400 * 24 * 3_600);

/// The longest host name there can be, with the dot that may end it (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 254;

/// A cookie that its server may set.
pub(super) struct Cookie {
    /// The name; may be empty.
    pub(super) name: Box<str>,
    /// The value; a secret of the site.
    pub(super) value: Box<str>,
    /// The host it goes to.
    pub(super) domain: Box<str>,
    /// Whether hosts below `domain` do not get it.
    pub(super) host_only: bool,
    /// The path it goes to.
    pub(super) path: Box<str>,
    /// Whether it goes over https only.
    pub(super) secure: bool,
    /// When it is forgotten; `None`: with the jar.
    pub(super) expires: Option<Wall>,
    /// When it was first set, as a number of the jar's.
    pub(super) made: u64,
    /// When it was last set or sent, as a number of the jar's.
    pub(super) used: u64,
}

impl Cookie {
    /// Makes a cookie of what the server of `url` sent, unless it may not set that.
    ///
    /// What only the other cookies can tell is judged by the jar ([`Cookie::is_shadow_of`]).
    ///
    /// # Source
    /// RFC 6265bis section 5.7.
    pub(super) fn admit(sent: &SetCookie<'_>, url: &CanonicalUrl, now: Wall, serial: u64) -> Option<Self> {
        let domain = domain_of(sent.domain, url.host())?;
        let host_only = domain.is_none();
        let domain = domain.unwrap_or_else(|| url.host().into());
        let path = sent.path.unwrap_or_else(|| matching::default_path(url.path()));
        // Bounds for what comes from the URL, whose own limit is far above: they bound the jar.
        if domain.len() > HOST_BYTES_MAX || path.len() > ATTRIBUTE_BYTES_MAX {
            return None;
        }
        if sent.secure && url.scheme() != Scheme::Https {
            return None;
        }
        let is_whole_host = host_only && sent.path == Some("/");
        if !prefixes_are_kept(sent, is_whole_host) {
            return None;
        }
        let latest = now + AGE_MAX;
        let expires = sent.max_age.map(|age| now + age.min(AGE_MAX)).or(sent.expires);
        Some(Self {
            name: sent.name.into(),
            value: sent.value.into(),
            domain,
            host_only,
            path: path.into(),
            secure: sent.secure,
            expires: expires.map(|expires| expires.min(latest)),
            made: serial,
            used: serial,
        })
    }

    /// Whether this cookie takes the place of `other`.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.host_only == other.host_only
            && self.path == other.path
    }

    /// Whether this cookie, set over http, would stand before or in place of one that only https may set.
    ///
    /// # Source
    /// RFC 6265bis section 5.7, "leave secure cookies alone".
    pub(super) fn is_shadow_of(&self, other: &Self) -> bool {
        other.secure
            && self.name == other.name
            && (matching::domain_matches(&self.domain, &other.domain)
                || matching::domain_matches(&other.domain, &self.domain))
            && matching::path_matches(&self.path, &other.path)
    }

    /// Whether its time is over.
    pub(super) fn is_expired(&self, now: Wall) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it goes with a request of `url`.
    ///
    /// # Source
    /// RFC 6265bis section 5.8.3.
    pub(super) fn goes_to(&self, url: &CanonicalUrl) -> bool {
        let host_matches = if self.host_only {
            *self.domain == *url.host()
        } else {
            matching::domain_matches(url.host(), &self.domain)
        };
        host_matches
            && (!self.secure || url.scheme() == Scheme::Https)
            && matching::path_matches(url.path(), &self.path)
    }
}

/// Judges a `Domain` attribute: the domain it claims, or `None` inside when the cookie is for the host alone.
///
/// Returns nothing when the claim is not allowed. An address has no domain: it may only name itself.
fn domain_of(claimed: &str, host: &str) -> Option<Option<Box<str>>> {
    if claimed.is_empty() {
        return Some(None);
    }
    let domain = claimed.to_ascii_lowercase();
    if matching::is_address(host) || matching::is_public_suffix(&domain) {
        return (domain == host).then_some(None);
    }
    (domain.is_ascii() && matching::domain_matches(host, &domain)).then(|| Some(domain.into()))
}

/// Whether a cookie is what its name promises.
///
/// A nameless cookie may not look like a promise either: a server would read its value as the name.
///
/// # Source
/// RFC 6265bis sections 4.1.3 and 5.7.
fn prefixes_are_kept(sent: &SetCookie<'_>, is_whole_host: bool) -> bool {
    let begins = |text: &str, prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_promise = |text: &str| begins(text, "__Secure-") || begins(text, "__Host-");
    if sent.name.is_empty() {
        return !is_promise(sent.value);
    }
    !is_promise(sent.name) || (sent.secure && (is_whole_host || !begins(sent.name, "__Host-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_secs(1_000_000_000);

    fn admit(url: &str, field: &str) -> Option<Cookie> {
        let sent = SetCookie::parse(field.as_bytes()).unwrap();
        Cookie::admit(&sent, &CanonicalUrl::parse(url).unwrap(), NOW, 0)
    }

    /// Checks whether `url` may set `field`, and for which domain and path; a dot says that hosts below get it too.
    fn check(url: &str, field: &str, expected: Option<&str>) {
        let found = admit(url, field).map(|cookie| {
            format!("{}{}{}", if cookie.host_only { "" } else { "." }, cookie.domain, cookie.path)
        });
        assert_eq!(found.as_deref(), expected, "{url} {field}");
    }

    #[test]
    fn a_domain_is_the_host_or_above_it_but_never_public() {
        check("http://www.a.org/", "a=b", Some("www.a.org/"));
        check("http://www.a.org/", "a=b; Domain=", Some("www.a.org/"));
        check("http://www.a.org/", "a=b; Domain=www.a.org", Some(".www.a.org/"));
        check("http://www.a.org/", "a=b; Domain=.A.Org", Some(".a.org/"));
        check("http://www.a.org/", "a=b; Domain=x.www.a.org", None);
        check("http://www.a.org/", "a=b; Domain=b.org", None);
        check("http://www.a.org/", "a=b; Domain=w.a.org", None);
        check("http://www.a.org/", "a=b; Domain=org", None);
        check("http://www.a.org/", "a=b; Domain=.", Some("www.a.org/"));
        check("http://www.a.org/", "a=b; Domain=..", None);
        check("http://www.a.org/", "a=b; Domain=a.org.", None);
        check("http://www.a.org./", "a=b; Domain=a.org.", Some(".a.org./"));
        check("http://www.a.org./", "a=b; Domain=org.", None);
        check("http://x.co.uk/", "a=b; Domain=co.uk", None);
        check("http://me.github.io/", "a=b; Domain=github.io", None);
        check("http://github.io/", "a=b; Domain=github.io", Some("github.io/"));
        check("http://localhost/", "a=b; Domain=localhost", Some("localhost/"));
        check("http://a.localhost/", "a=b; Domain=localhost", None);
        check("http://bücher.example/", "a=b; Domain=bücher.example", None);
        check("http://bücher.example/", "a=b; Domain=xn--bcher-kva.example", Some(".xn--bcher-kva.example/"));
    }

    #[test]
    fn an_address_gets_its_own_cookies_only() {
        check("http://127.0.0.1/", "a=b", Some("127.0.0.1/"));
        check("http://127.0.0.1/", "a=b; Domain=127.0.0.1", Some("127.0.0.1/"));
        check("http://127.0.0.1/", "a=b; Domain=0.0.1", None);
        check("http://127.0.0.1/", "a=b; Domain=1", None);
        check("http://[::1]/", "a=b; Domain=[::1]", Some("[::1]/"));
        check("http://[::1]/", "a=b; Domain=::1", None);
    }

    #[test]
    fn a_path_is_the_one_asked_for_or_the_folder() {
        check("http://a.org/x/y?z/w", "a=b", Some("a.org/x"));
        check("http://a.org/x/y", "a=b; Path=x", Some("a.org/x"));
        check("http://a.org/x/y", "a=b; Path=/other", Some("a.org/other"));
        let folder = "p".repeat(1_023);
        check(&format!("http://a.org/{folder}/x"), "a=b", Some(&format!("a.org/{folder}")));
        check(&format!("http://a.org/{folder}p/x"), "a=b", None);
        check(&format!("http://a.org/{folder}p/x"), "a=b; Path=/", Some("a.org/"));
    }

    #[test]
    fn a_host_longer_than_names_can_be_gets_none() {
        let host =
            ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(60), "example".into()].join(".");
        check(&format!("http://{host}/"), "a=b", Some(&format!("{host}/")));
        check(&format!("http://eeee.{host}/"), "a=b", None);
    }

    #[test]
    fn secure_and_the_prefixes_need_https() {
        check("http://a.org/", "a=b; Secure", None);
        check("https://a.org/", "a=b; Secure", Some("a.org/"));
        for name in ["__Secure-a=b", "__secure-a=b", "__SECURE-=b"] {
            check("https://a.org/", name, None);
            check("http://a.org/", &format!("{name}; Secure"), None);
            check("https://a.org/", &format!("{name}; Secure; Domain=a.org; Path=/x"), Some(".a.org/x"));
        }
        for name in ["__Host-a=b", "__HOST-a=b", "__Host-Http-a=b"] {
            check("https://a.org/", &format!("{name}; Path=/"), None);
            check("https://a.org/", &format!("{name}; Secure"), None);
            check("https://a.org/x", &format!("{name}; Secure; Path=/x"), None);
            check("https://a.org/", &format!("{name}; Secure; Path=/; Domain=a.org"), None);
            check("https://a.org/", &format!("{name}; Secure; Path=/"), Some("a.org/"));
        }
        for nameless in ["__Secure-a", "=__host-a", "__Host-"] {
            check("https://a.org/", &format!("{nameless}; Secure; Path=/"), None);
        }
        check("http://a.org/", "a=__Host-b", Some("a.org/"));
        check("http://a.org/", "__Hosta=b", Some("a.org/"));
    }

    #[test]
    fn max_age_goes_before_expires_and_both_have_a_longest() {
        let check = |attributes: &str, expected: Option<u64>| {
            let found = admit("http://a.org/", &format!("a=b; {attributes}")).unwrap().expires;
            assert_eq!(found, expected.map(|secs| NOW + Duration::from_secs(secs)), "{attributes}");
        };
        let longest = 400 * 86_400;
        check("", None);
        check("Max-Age=60", Some(60));
        check("Max-Age=60; Expires=Fri, 31 Dec 9999 23:59:59 GMT", Some(60));
        check("Expires=Sun, 09 Sep 2001 01:47:40 GMT", Some(60));
        check("Expires=Sun, 09 Sep 2001 01:47:40 GMT; Max-Age=never", Some(60));
        check("Expires=Fri, 31 Dec 9999 23:59:59 GMT", Some(longest));
        check("Max-Age=99999999999999999999", Some(longest));
        check("Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT", Some(0));
        assert!(admit("http://a.org/", "a=b; Max-Age=-1").unwrap().is_expired(NOW));
        assert!(admit("http://a.org/", "a=b; Expires=1 Jan 1970 0:0:0").unwrap().is_expired(NOW));
        assert!(!admit("http://a.org/", "a=b; Max-Age=1").unwrap().is_expired(NOW));
    }
}
