//! Keeps the cookies of a crawl within bounds, and picks those that go with a request.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cookie::Cookie;
use super::matching;
use super::parse::SetCookie;
use crate::headers::Headers;
use crate::time::Wall;
use crate::url::{CanonicalUrl, Scheme};

/// Cookies of one domain.
const COOKIES_PER_HOST_MAX: usize = 50;

/// Cookies of the whole jar: with their longest names, values, hosts and paths, 16 MB.
const COOKIES_MAX: usize = 3_000;

/// Bytes of a `Cookie` field.
const FIELD_BYTES_MAX: usize = 8_192;

/// The cookies of a crawl or a session; shared by reference between threads.
///
/// At most 50 cookies of a domain are kept and 3,000 in all. When there are too many of a domain, expired ones go first,
/// then those that http may set, the longest unused first; so nobody without https can push out what only https may
/// set. When there are too many in all, expired ones go first, then the longest unused.
#[derive(Default)]
pub struct CookieJar {
    shelf: Mutex<Shelf>,
}

/// What became of the `Set-Cookie` fields of one response: each is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Cookies that are in the jar now.
    pub kept: u32,
    /// Fields that asked to forget a cookie; it is gone, if it was there.
    pub removed: u32,
    /// Fields of which no cookie could be made, or that their server may not set.
    pub refused: u32,
}

impl CookieJar {
    /// Makes an empty jar.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the `Cookie` field for a request: at most 8 KiB; `None` when no cookie goes with it.
    ///
    /// Cookies of longer paths come first, among equals those that were set first. One that no longer fits is left out
    /// whole.
    ///
    /// # Source
    /// RFC 6265bis section 5.8.3.
    pub fn field(&self, url: &CanonicalUrl, now: Wall) -> Option<String> {
        self.shelf().field(url, now)
    }

    /// Takes the `Set-Cookie` fields of a response to a request of `url`, redirects and errors too.
    pub fn store(&self, url: &CanonicalUrl, headers: &Headers, now: Wall) -> Stored {
        let mut stored = Stored::default();
        let mut shelf = self.shelf();
        for field in headers.get_all("set-cookie") {
            match shelf.take(url, field, now) {
                Fate::Kept => stored.kept += 1,
                Fate::Removed => stored.removed += 1,
                Fate::Refused => stored.refused += 1,
            }
        }
        stored
    }

    /// Returns the number of cookies, those included whose time ran out since their site was last asked.
    pub fn len(&self) -> usize {
        self.shelf().len
    }

    /// Whether there are no cookies.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every cookie.
    pub fn clear(&self) {
        *self.shelf() = Shelf::default();
    }

    /// A thread that panicked here left a whole cookie or none: the worst is a count that is off, so the jar stays of use.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints how many cookies there are; names and values are secrets of their sites.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelf = self.shelf();
        let (cookies, sites) = (shelf.len, shelf.sites.len());
        f.debug_struct("CookieJar").field("cookies", &cookies).field("sites", &sites).finish()
    }
}

/// What became of one `Set-Cookie` field.
enum Fate {
    Kept,
    Removed,
    Refused,
}

/// The cookies by site (registrable domain), so that no mistake in matching could carry one to another site.
#[derive(Default)]
struct Shelf {
    sites: BTreeMap<Box<str>, Vec<Cookie>>,
    len: usize,
    /// Numbers what happens, so that order does not hang on the resolution of a clock.
    serial: u64,
}

impl Shelf {
    fn field(&mut self, url: &CanonicalUrl, now: Wall) -> Option<String> {
        self.serial += 1;
        let serial = self.serial;
        self.with_site(url, now, |cookies| {
            let mut going: Vec<_> = cookies.iter_mut().filter(|cookie| cookie.goes_to(url)).collect();
            going.sort_by_key(|cookie| (Reverse(cookie.path.len()), cookie.made));
            let mut field = String::new();
            for cookie in going {
                let separator = if field.is_empty() { "" } else { "; " };
                let equals = if cookie.name.is_empty() { "" } else { "=" };
                let more = separator.len() + cookie.name.len() + equals.len() + cookie.value.len();
                if field.len() + more <= FIELD_BYTES_MAX {
                    cookie.used = serial;
                    field.extend([separator, &*cookie.name, equals, &*cookie.value]);
                }
            }
            Some(field).filter(|field| !field.is_empty())
        })
    }

    fn take(&mut self, url: &CanonicalUrl, field: &[u8], now: Wall) -> Fate {
        self.serial += 1;
        let sent = SetCookie::parse(field);
        let admitted = sent.and_then(|sent| Cookie::admit(&sent, url, now, self.serial));
        let Some(cookie) = admitted else { return Fate::Refused };
        let is_plain = url.scheme() == Scheme::Http;
        let fate = self.with_site(url, now, |cookies| {
            if is_plain && cookies.iter().any(|other| cookie.is_shadow_of(other)) {
                Fate::Refused
            } else {
                put(cookies, cookie, now)
            }
        });
        if self.len > COOKIES_MAX {
            self.make_room(now);
        }
        fate
    }

    /// Calls `act` on the cookies of a URL's site that are not expired, and keeps the count right whatever it does.
    fn with_site<T>(&mut self, url: &CanonicalUrl, now: Wall, act: impl FnOnce(&mut Vec<Cookie>) -> T) -> T {
        let site = matching::site_of(url.host());
        let (site, mut cookies) = self.sites.remove_entry(site).unwrap_or_else(|| (site.into(), Vec::new()));
        self.len -= cookies.len();
        cookies.retain(|cookie| !cookie.is_expired(now));
        let result = act(&mut cookies);
        self.len += cookies.len();
        if !cookies.is_empty() {
            self.sites.insert(site, cookies);
        }
        result
    }

    /// Drops every cookie whose time is over, then, if that was not enough, those longest unused.
    fn make_room(&mut self, now: Wall) {
        for cookies in self.sites.values_mut() {
            cookies.retain(|cookie| !cookie.is_expired(now));
        }
        self.len = self.sites.values().map(Vec::len).sum();
        while self.len > COOKIES_MAX {
            let of_site = |cookies: &Vec<Cookie>| cookies.iter().map(|cookie| cookie.used).min();
            let oldest = self.sites.values_mut().min_by_key(|cookies| of_site(cookies));
            let Some(cookies) = oldest else { return };
            let used = of_site(cookies);
            if let Some(index) = cookies.iter().position(|cookie| Some(cookie.used) == used) {
                cookies.swap_remove(index);
            }
            self.len -= 1;
        }
        self.sites.retain(|_, cookies| !cookies.is_empty());
    }
}

/// Puts a cookie among those of its site: in place of an older one of the same name, domain and path, or beside them.
fn put(cookies: &mut Vec<Cookie>, mut cookie: Cookie, now: Wall) -> Fate {
    if let Some(index) = cookies.iter().position(|other| cookie.replaces(other)) {
        cookie.made = cookies.swap_remove(index).made;
    }
    if cookie.is_expired(now) {
        return Fate::Removed;
    }
    let (domain, made) = (cookie.domain.clone(), cookie.made);
    cookies.push(cookie);
    let of_domain = || cookies.iter().enumerate().filter(|(_, cookie)| cookie.domain == domain);
    if of_domain().count() <= COOKIES_PER_HOST_MAX {
        return Fate::Kept;
    }
    let weakest = of_domain().min_by_key(|(_, cookie)| (cookie.secure, cookie.used)).map(|(index, _)| index);
    match weakest.map(|index| cookies.swap_remove(index).made) {
        Some(victim) if victim == made => Fate::Refused,
        _ => Fate::Kept,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const NOW: Wall = Wall::from_secs(1_000_000_000);

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    fn store(jar: &CookieJar, from: &str, fields: &[&str], now: Wall) -> (u32, u32, u32) {
        let headers = Headers::from_pairs(fields.iter().map(|field| ("Set-Cookie", *field)));
        let Stored { kept, removed, refused } = jar.store(&url(from), &headers, now);
        (kept, removed, refused)
    }

    /// Sets cookies one after the other, then checks the field that goes to a URL; empty: none.
    fn check(steps: &[(&str, &str)], to: &str, expected: &str) {
        let jar = CookieJar::new();
        for (from, field) in steps {
            store(&jar, from, &[field], NOW);
        }
        let found = jar.field(&url(to), NOW);
        assert_eq!(found.as_deref().unwrap_or_default(), expected, "{steps:?} {to}");
        assert!(found.is_none_or(|field| !field.is_empty()), "{steps:?} {to}");
    }

    #[test]
    fn a_host_only_cookie_stays_with_its_host() {
        let steps = [("http://a.org/", "h=1"), ("http://a.org/", "d=2; Domain=a.org")];
        check(&steps, "http://a.org/", "h=1; d=2");
        check(&steps, "http://a.org:8080/", "h=1; d=2");
        check(&steps, "http://www.a.org/", "d=2");
        check(&steps, "http://b.org/", "");
        check(&[("http://www.a.org/", "d=2; Domain=a.org")], "http://x.a.org/", "d=2");
        check(&[("http://www.a.org/", "h=2")], "http://a.org/", "");
        check(&[("http://127.0.0.1/", "h=1; Domain=127.0.0.1")], "http://127.0.0.1:81/", "h=1");
        check(&[("http://127.0.0.1/", "h=1")], "http://127.0.0.2/", "");
    }

    #[test]
    fn a_secure_cookie_goes_over_https_only() {
        let steps = [("https://a.org/", "s=1; Secure"), ("https://a.org/", "p=2")];
        check(&steps, "https://a.org/", "s=1; p=2");
        check(&steps, "http://a.org/", "p=2");
    }

    #[test]
    fn longer_paths_go_first_then_older_cookies() {
        let steps = [
            ("http://a.org/", "one=1"),
            ("http://a.org/", "two=2; Path=/x"),
            ("http://a.org/", "three=3; Path=/x/"),
            ("http://a.org/", "four=4; Path=/x/y"),
            ("http://a.org/", "five=5"),
            ("http://a.org/", "one=6"),
        ];
        check(&steps, "http://a.org/x/y/z", "four=4; three=3; two=2; one=6; five=5");
        check(&steps, "http://a.org/x", "two=2; one=6; five=5");
        check(&steps, "http://a.org/xx", "one=6; five=5");
    }

    #[test]
    fn a_nameless_cookie_goes_as_its_value_and_a_valueless_one_keeps_its_sign() {
        check(&[("http://a.org/", "v"), ("http://a.org/", "n=")], "http://a.org/", "v; n=");
        check(&[("http://a.org/", "v"), ("http://a.org/", "=w")], "http://a.org/", "w");
    }

    #[test]
    fn a_cookie_is_replaced_by_name_domain_and_path() {
        check(&[("http://a.org/", "a=1"), ("http://a.org/", "a=2")], "http://a.org/", "a=2");
        check(&[("http://a.org/", "a=1"), ("http://a.org/", "A=2")], "http://a.org/", "a=1; A=2");
        let paths = [("http://a.org/", "a=1"), ("http://a.org/", "a=2; Path=/x")];
        check(&paths, "http://a.org/x", "a=2; a=1");
        let domains = [("http://a.org/", "a=1"), ("http://a.org/", "a=2; Domain=a.org")];
        check(&domains, "http://a.org/", "a=1; a=2");
    }

    #[test]
    fn an_expired_cookie_takes_the_one_it_replaces_with_it() {
        let jar = CookieJar::new();
        assert_eq!(store(&jar, "http://a.org/", &["a=1", "b=2"], NOW), (2, 0, 0));
        assert_eq!(store(&jar, "http://a.org/", &["a=; Max-Age=0", "c=; Max-Age=0"], NOW), (0, 2, 0));
        assert_eq!(jar.field(&url("http://a.org/"), NOW).as_deref(), Some("b=2"));
        assert_eq!(jar.len(), 1);
    }

    #[test]
    fn a_cookie_lives_until_its_time_is_over() {
        let jar = CookieJar::new();
        store(&jar, "http://a.org/", &["a=1; Max-Age=60", "b=2; Max-Age=61"], NOW);
        let check = |secs, expected: Option<&str>, len| {
            let found = jar.field(&url("http://a.org/"), NOW + Duration::from_secs(secs));
            assert_eq!((found.as_deref(), jar.len()), (expected, len), "{secs}");
        };
        check(59, Some("a=1; b=2"), 2);
        check(60, Some("b=2"), 1);
        check(61, None, 0);
        assert!(jar.is_empty());
    }

    #[test]
    fn plain_http_cannot_touch_a_secure_cookie() {
        let steps = |field| [("https://www.a.org/x/y", "s=1; Secure; Domain=a.org; Path=/x"), field];
        check(&steps(("http://a.org/", "s=2; Path=/x")), "http://a.org/x", "");
        check(&steps(("http://a.org/", "s=2; Path=/x; Max-Age=0")), "https://a.org/x", "s=1");
        check(&steps(("http://z.a.org/", "s=2; Path=/x/z")), "http://z.a.org/x/z", "");
        check(&steps(("http://a.org/", "s=2; Path=/")), "http://a.org/x", "s=2");
        check(&steps(("http://a.org/", "t=2; Path=/x")), "http://a.org/x", "t=2");
        check(&steps(("https://a.org/", "s=2; Path=/x; Domain=a.org")), "http://a.org/x", "s=2");
        // The secure cookie may be of a host below, too.
        let below = [("https://www.a.org/", "s=1; Secure"), ("http://b.a.org/", "s=2; Domain=a.org")];
        check(&below, "http://a.org/", "");
    }

    #[test]
    fn of_too_many_cookies_of_a_host_the_longest_unused_goes() {
        let jar = CookieJar::new();
        let fields: Vec<_> = (0..50).map(|n| format!("n{n}={n}; Path=/{n}")).collect();
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        assert_eq!(store(&jar, "http://a.org/", &fields, NOW), (50, 0, 0));
        // Sent, so the next oldest goes.
        assert!(jar.field(&url("http://a.org/0"), NOW).is_some());
        assert_eq!(store(&jar, "http://a.org/", &["x=y"], NOW), (1, 0, 0));
        assert_eq!(jar.field(&url("http://a.org/0"), NOW).as_deref(), Some("n0=0; x=y"));
        assert_eq!(jar.field(&url("http://a.org/1"), NOW).as_deref(), Some("x=y"));
        assert_eq!(store(&jar, "http://www.a.org/", &["x=y"], NOW), (1, 0, 0));
        assert_eq!(jar.len(), 51);
    }

    #[test]
    fn plain_http_cannot_push_out_secure_cookies() {
        let jar = CookieJar::new();
        let fields: Vec<_> = (0..50).map(|n| format!("s{n}={n}; Secure")).collect();
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        assert_eq!(store(&jar, "https://a.org/", &fields, NOW), (50, 0, 0));
        assert_eq!(store(&jar, "http://a.org/", &["x=y"], NOW), (0, 0, 1));
        assert_eq!(store(&jar, "https://a.org/", &["s50=50; Secure"], NOW), (1, 0, 0));
        assert_eq!(jar.len(), 50);
    }

    #[test]
    fn of_too_many_cookies_in_all_the_expired_go_first_then_the_longest_unused() {
        let jar = CookieJar::new();
        for n in 0..2_999 {
            store(&jar, &format!("http://n{n}.org/"), &["a=b"], NOW);
        }
        store(&jar, "http://brief.org/", &["a=b; Max-Age=1"], NOW);
        assert_eq!(jar.len(), 3_000);
        assert!(jar.field(&url("http://n0.org/"), NOW).is_some());
        let later = NOW + Duration::from_secs(1);
        let check = |host: &str, gone: Option<&str>| {
            assert_eq!(store(&jar, host, &["a=b"], later), (1, 0, 0));
            assert_eq!(jar.len(), 3_000, "{host}");
            assert_eq!(gone.and_then(|gone| jar.field(&url(gone), later)), None, "{host}");
        };
        check("http://x1.org/", None);
        assert!(jar.field(&url("http://n1.org/"), later).is_some());
        check("http://x2.org/", Some("http://n2.org/"));
        check("http://x3.org/", Some("http://n3.org/"));
        assert!(jar.field(&url("http://n0.org/"), later).is_some());
    }

    #[test]
    fn what_does_not_fit_the_field_is_left_out_whole() {
        let jar = CookieJar::new();
        let long = "v".repeat(4_000);
        let fields = [format!("a={long}"), format!("b={long}"), format!("c={long}"), "d=1".to_owned()];
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        assert_eq!(store(&jar, "http://a.org/", &fields, NOW), (4, 0, 0));
        let field = jar.field(&url("http://a.org/"), NOW).unwrap();
        assert_eq!(field, format!("a={long}; b={long}; d=1"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let jar = CookieJar::new();
        store(&jar, "http://a.org/", &["session=secret"], NOW);
        assert_eq!(format!("{jar:?}"), "CookieJar { cookies: 1, sites: 1 }");
        jar.clear();
        assert!(jar.is_empty());
    }

    #[test]
    fn a_jar_outlives_a_thread_that_died_with_it() {
        let jar = Arc::new(CookieJar::new());
        store(&jar, "http://a.org/", &["a=b"], NOW);
        let held = Arc::clone(&jar);
        let died = thread::scope(|scope| {
            let holder = scope.spawn(move || {
                let _shelf = held.shelf();
                std::panic::resume_unwind(Box::new("gone"));
            });
            holder.join().is_err()
        });
        assert!(died && jar.shelf.is_poisoned());
        assert_eq!(jar.field(&url("http://a.org/"), NOW).as_deref(), Some("a=b"));
    }
}
