//! Turns the references of a page into canonical URL texts, most of them without building a URL.
//!
//! Links are the hot path of a crawl and nearly all of them are plain: simple ASCII, relative or on the page's own
//! origin. Those are spliced from the base's text and the reference. Whatever the fast path does not know to be
//! exact goes to the WHATWG parser of the `url` crate; both give what [`CanonicalUrl::join`] gives.

use dragline_core::url::URL_BYTES_LIMIT;
use dragline_core::{CanonicalUrl, UrlError};
use memchr::{memchr, memrchr};
use url::Url;

/// Resolves the references of one page; its buffers are used again for every reference.
#[derive(Debug)]
pub struct Resolver {
    base: Option<Base>,
    /// The parsed base, made when the first unusual reference asks for it.
    parsed: Option<Url>,
    text: String,
}

/// The text of a canonical base and where its parts end.
#[derive(Debug)]
struct Base {
    url: CanonicalUrl,
    origin_len: usize,
    /// Up to and with the last slash of the path.
    folder_len: usize,
    path_end: usize,
    /// Whether dot segments can be taken off the path by looking for slashes alone.
    tidy: bool,
}

/// Why a reference leads to no URL that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolvable {
    /// It names a scheme that is not fetched, such as `mailto`: no link of the web, and no fault of the page.
    OtherScheme,
    /// It is no URL.
    Malformed,
    /// It is longer than any URL that can be held.
    TooLong,
}

/// Needs the decoder of values: `&`, which may begin a character reference.
const AMPERSAND: u8 = 1;
const PERCENT: u8 = 2;
const COLON: u8 = 4;
const QUERY: u8 = 8;
/// Anything the fast path leaves to the parser.
const UNUSUAL: u8 = 16;

/// What each octet of a reference asks for; 0 for those that stand for themselves anywhere in path and query.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [UNUSUAL; 256];
    let plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$()*+,;=@/";
    let mut index = 0;
    while index < plain.len() {
        table[plain[index] as usize] = 0;
        index += 1;
    }
    table[b'&' as usize] = AMPERSAND;
    table[b'%' as usize] = PERCENT;
    table[b':' as usize] = COLON;
    table[b'?' as usize] = QUERY;
    table
}

impl Base {
    fn new(url: CanonicalUrl) -> Option<Self> {
        let text = url.as_str();
        let origin_len = url.scheme().name().len() + "://".len() + url.authority().len();
        let path_end = memchr(b'?', text.as_bytes()).unwrap_or(text.len());
        let path = text.get(origin_len..path_end)?;
        let folder_len = origin_len + memrchr(b'/', path.as_bytes())? + 1;
        // The parser keeps empty segments, and what looks like a drive letter survives "..": left to it.
        let tidy = !path.contains("//") && !path.contains([':', '|']);
        Some(Self { origin_len, folder_len, path_end, tidy, url })
    }

    fn prefix(&self, len: usize) -> &str {
        self.url.as_str().get(..len).unwrap_or_default()
    }
}

impl Resolver {
    /// Resolves against the page's URL, or against the value of its `<base href>` when that is a URL.
    ///
    /// # Source
    /// HTML, 4.2.3: a base that cannot be parsed, or is a `data:` or `javascript:` URL, does not count.
    pub fn new(page: &CanonicalUrl, base_href: Option<&str>) -> Self {
        let parsed = base_href.and_then(|href| Url::parse(page.as_str()).ok()?.join(href.trim()).ok());
        let parsed = parsed.filter(|url| !matches!(url.scheme(), "data" | "javascript"));
        let canonical = match &parsed {
            None => Some(page.clone()),
            Some(url) => CanonicalUrl::from_url(url.clone()).ok(),
        };
        let base = canonical.and_then(Base::new);
        // Without a base to splice with, everything is left to the parser.
        let parsed = if base.is_some() { None } else { parsed.or_else(|| Url::parse(page.as_str()).ok()) };
        Self { base, parsed, text: String::with_capacity(128) }
    }

    /// Resolves a decoded reference to what [`CanonicalUrl::join`] of the base makes of it.
    ///
    /// A reference to a fragment of the page is the page itself.
    ///
    /// # Errors
    /// Says why there is nothing to fetch: see [`Unresolvable`].
    pub fn resolve(&mut self, reference: &str) -> Result<&str, Unresolvable> {
        if self.splice(reference.as_bytes(), AMPERSAND).is_some() {
            return Ok(&self.text);
        }
        self.parse(reference)
    }

    /// Resolves an attribute value as written when it is so plain that it needs neither decoding nor parsing.
    pub fn resolve_plain(&mut self, value: &[u8]) -> Option<&str> {
        self.splice(value, 0)?;
        Some(&self.text)
    }

    /// Returns what the last successful call returned.
    pub fn last(&self) -> &str {
        &self.text
    }

    fn parse(&mut self, reference: &str) -> Result<&str, Unresolvable> {
        if names_other_scheme(reference.as_bytes()) {
            return Err(Unresolvable::OtherScheme);
        }
        let base = match (&self.parsed, &self.base) {
            (Some(parsed), _) => parsed,
            (None, Some(base)) => {
                let parsed = Url::parse(base.url.as_str()).map_err(|_| Unresolvable::Malformed)?;
                self.parsed.insert(parsed)
            }
            (None, None) => return Err(Unresolvable::Malformed),
        };
        let url = base.join(reference.trim()).map_err(|_| Unresolvable::Malformed)?;
        let url = CanonicalUrl::from_url(url).map_err(|error| match error {
            UrlError::Scheme(_) => Unresolvable::OtherScheme,
            UrlError::TooLong(_) => Unresolvable::TooLong,
            _ => Unresolvable::Malformed,
        })?;
        self.text.clear();
        self.text.push_str(url.as_str());
        Ok(&self.text)
    }

    /// Writes the resolved text when the reference holds nothing unusual; `allowed` are classes that need no decoding.
    fn splice(&mut self, reference: &[u8], allowed: u8) -> Option<()> {
        let base = self.base.as_ref()?;
        let scan = Scan::of(reference);
        if scan.seen & (UNUSUAL | AMPERSAND) & !allowed != 0 {
            return None;
        }
        let reference = std::str::from_utf8(reference.get(..scan.len)?).ok()?;
        if scan.seen & PERCENT != 0 && hides_a_dot(reference) {
            return None;
        }
        let query_at = if scan.seen & QUERY == 0 { None } else { memchr(b'?', reference.as_bytes()) };
        let (path, query) = reference.split_at(query_at.unwrap_or(scan.len));
        let start = Start::of(path, base, scan.seen)?;
        if scan.dotted && !start.can_drop_dots(base) {
            return None;
        }
        self.text.clear();
        let (floor, below) = match start {
            Start::Page => {
                let len = if query.is_empty() { base.url.as_str().len() } else { base.path_end };
                self.text.push_str(base.prefix(len));
                (len, "")
            }
            Start::Folder(below) => {
                self.text.push_str(base.prefix(base.folder_len));
                (base.origin_len + 1, below)
            }
            Start::Root(below) => {
                self.text.push_str(base.prefix(base.origin_len + 1));
                (base.origin_len + 1, below)
            }
            Start::Host { scheme, host, below } => {
                self.text.push_str(scheme);
                self.text.push_str("://");
                self.text.push_str(host);
                self.text.push('/');
                (self.text.len(), below)
            }
        };
        if scan.dotted {
            push_segments(&mut self.text, floor, below);
        } else {
            self.text.push_str(below);
        }
        self.text.push_str(query);
        (self.text.len() <= URL_BYTES_LIMIT).then_some(())
    }
}

/// What one look at a reference tells.
struct Scan {
    /// Its length without the fragment.
    len: usize,
    /// The classes of its octets.
    seen: u8,
    /// Whether a segment may begin with a dot.
    dotted: bool,
}

impl Scan {
    #[inline]
    fn of(reference: &[u8]) -> Self {
        let mut scan = Self { len: reference.len(), seen: 0, dotted: false };
        let mut previous = b'/';
        for (index, &byte) in reference.iter().enumerate() {
            if byte == b'#' {
                scan.len = index;
                break;
            }
            scan.seen |= CLASSES.get(usize::from(byte)).copied().unwrap_or(UNUSUAL);
            scan.dotted |= byte == b'.' && previous == b'/';
            previous = byte;
        }
        scan
    }
}

/// What a reference keeps of its base, and the path it adds below that.
enum Start<'a> {
    /// The base's own path.
    Page,
    /// The folder of the base.
    Folder(&'a str),
    /// The origin of the base.
    Root(&'a str),
    /// Nothing, or the scheme.
    Host { scheme: &'a str, host: &'a str, below: &'a str },
}

impl<'a> Start<'a> {
    /// Looks at a reference's path; `None` when it begins with something other than a plain path or host.
    fn of(path: &'a str, base: &'a Base, seen: u8) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("//") {
            return Self::host(base.url.scheme().name(), rest);
        }
        if let Some(below) = path.strip_prefix('/') {
            return Some(Self::Root(below));
        }
        if path.is_empty() {
            return Some(Self::Page);
        }
        let colon_first = || path.find([':', '/']).is_some_and(|at| path.as_bytes().get(at) == Some(&b':'));
        if seen & COLON == 0 || !colon_first() {
            return Some(Self::Folder(path));
        }
        match path.strip_prefix(base.prefix(base.origin_len)) {
            Some("") => return Some(Self::Root("")),
            Some(rest) if rest.starts_with('/') => return rest.strip_prefix('/').map(Self::Root),
            _ => {}
        }
        let (scheme, rest) = path.split_once("://")?;
        if matches!(scheme, "http" | "https") { Self::host(scheme, rest) } else { None }
    }

    fn host(scheme: &'a str, rest: &'a str) -> Option<Self> {
        let (host, below) = rest.split_once('/').unwrap_or((rest, ""));
        is_plain_host(host).then_some(Self::Host { scheme, host, below })
    }

    /// Whether dot segments can be taken off by looking for slashes alone: the parser keeps empty segments, and what
    /// looks like a drive letter survives `..`.
    fn can_drop_dots(&self, base: &Base) -> bool {
        let below = match self {
            Self::Page => return true,
            Self::Folder(_) if !base.tidy => return false,
            Self::Folder(below) | Self::Root(below) | Self::Host { below, .. } => below,
        };
        !below.starts_with('/') && !below.contains("//") && !below.contains(':')
    }
}

/// Appends a path whose segments may be `.` or `..`; `text` ends with a slash and keeps `floor` bytes.
fn push_segments(text: &mut String, floor: usize, path: &str) {
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => {
                let without_slash = text.as_bytes().get(..text.len().saturating_sub(1)).unwrap_or_default();
                let parent_len = memrchr(b'/', without_slash).map_or(floor, |slash| slash + 1);
                text.truncate(parent_len.max(floor));
            }
            _ => {
                text.push_str(segment);
                if segments.peek().is_some() {
                    text.push('/');
                }
            }
        }
    }
}

/// Whether a `%2e` stands in the reference: the parser takes it for a dot.
fn hides_a_dot(reference: &str) -> bool {
    reference.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2e"))
}

/// Whether a host is its own canonical spelling: lower-case labels, none of them Punycode, and no IPv4 address.
fn is_plain_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let last_label = host.rsplit('.').next().unwrap_or_default();
    host.len() < 254
        && host.bytes().all(plain)
        && last_label.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && !host.starts_with('.')
        && !host.contains("..")
        && !host.contains("--")
}

/// Whether a reference begins with a scheme other than http and https, such as `mailto:`.
pub(crate) fn names_other_scheme(reference: &[u8]) -> bool {
    let reference = reference.trim_ascii_start();
    let in_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let len = reference.iter().position(|byte| !in_scheme(byte)).unwrap_or(reference.len());
    let scheme = reference.get(..len).unwrap_or_default();
    reference.get(len) == Some(&b':')
        && scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && !scheme.eq_ignore_ascii_case(b"http")
        && !scheme.eq_ignore_ascii_case(b"https")
}

#[cfg(test)]
mod tests {
    use dragline_core::chance::Chance;

    use super::*;

    const BASES: [&str; 7] = [
        "http://a.org/x/y?z",
        "https://a.org/",
        "https://www.a.org:8443/d/e/f.html",
        "http://127.0.0.1:8080/x//y/",
        "http://[::1]/a:b/C:/d?x=/y/../z",
        "http://xn--r8jz45g.jp/%C3%BC/%7e/c",
        "http://a.org/p%2F|/q/",
    ];

    /// Resolving gives what joining gives, whichever way it was done.
    fn check(base: &str, reference: &str) {
        let base = CanonicalUrl::parse(base).unwrap();
        let mut resolver = Resolver::new(&base, None);
        let expected = base.join(reference);
        let found = resolver.resolve(reference).map(str::to_owned);
        assert_eq!(
            found.as_deref().ok(),
            expected.as_ref().ok().map(CanonicalUrl::as_str),
            "{base} {reference:?}"
        );
        if let Some(plain) = resolver.resolve_plain(reference.as_bytes()) {
            assert_eq!(Some(plain), expected.as_ref().ok().map(CanonicalUrl::as_str), "{base} {reference:?}");
        }
        if let (Ok(expected), Err(_)) = (&expected, &found) {
            panic!("{base} {reference:?} should be {expected}");
        }
    }

    #[test]
    fn odd_references_resolve_as_the_standard_says() {
        let odd = "|#f|?q|?|??|/|//|///|////a/b|.|..|./|../|../../../..|./.|a/..|a/../|a/./b|.a|..a|.../b|a//../b|//b.org\
            |//b.org/|//b.org?q|//B.org/x|//b.org:80/x|//b.org:81|//b.org:0/|//1.2.3.4|//1.2|//0x7f.1|//a.0x7f|//a.1\
            |//b.org.|//b..org|//.b.org|//xn--a|//a_b.org|//u:p@b.org/|http:x|http:/x|http://|http:///x|HTTP://B.org/\
            |http://b.org|http://b.org/../..|https://b.org/a/.|http://a.org|http://a.org/|http://a.org?x|http://a.orgx/\
            |http://a.org:80/|https://a.org/.|http://127.0.0.1:8080|http://127.0.0.1:8080/y|mailto:x@y|javascript:void(0)\
            |data:,x|ftp://b.org/|a:b|/a:b/../c|a/C:/../d|./C:/../d|C:/..|x/c|/..|%2e%2e/a|a/%2E|a/.%2e/b|%2F..|%zz|%|a%\
            |a b| a |\ta\t|a\nb|a\\b|\\\\b.org\\c|a'b|?a'b|?a\"b|a<b>|{a}|a`b|a^b|[a]|é|?é|#é|//例え.jp/|a&b=c;d|?a&b|@|!$()*+,;=~\
            |http://b.org//x/../y|http://b.org/x//../y|//b.org//../y|a?b#c?d|a#b?c|?a#b#c|\u{a0}a|a\u{3000}|\u{0}a|a\u{0}b|\u{1f}a";
        for base in BASES {
            for reference in odd.split('|') {
                check(base, reference);
            }
        }
    }

    #[test]
    fn generated_references_resolve_as_the_standard_says() {
        let parts = [
            "/",
            "//",
            ".",
            "..",
            "../",
            "./",
            "a",
            "b.html",
            "?",
            "#",
            "%2e",
            "%2E.",
            "%41",
            "%",
            ":",
            "http:",
            "https://",
            "http://",
            "a.org",
            "A.ORG",
            "127.0.0.1",
            "1",
            "0x1",
            ":80",
            ":8080",
            "@",
            " ",
            "\t",
            "\n",
            "\\",
            "'",
            "&",
            "&amp;",
            "=",
            "é",
            "[::1]",
            "xn--",
            "-",
            "_",
            "|",
            "^",
            "~",
            "C:",
            "c|",
            "\u{a0}",
            ";",
            "x/y",
            "www.",
            ".jp",
            "!",
            "\"",
        ];
        let mut chance = Chance::new(7);
        for _ in 0..60_000 {
            let mut reference = String::new();
            for _ in 0..chance.below(8) {
                let index = usize::try_from(chance.below(parts.len() as u64)).unwrap();
                reference.push_str(parts[index]);
            }
            let base = usize::try_from(chance.below(BASES.len() as u64)).unwrap();
            check(BASES[base], &reference);
        }
    }

    #[test]
    fn plain_references_need_no_parser() {
        let base = CanonicalUrl::parse("http://a.org:81/x/y.html?z").unwrap();
        let mut resolver = Resolver::new(&base, None);
        for plain in [
            "",
            "#f",
            "b.html",
            "../c/d?e=f",
            "/g/./h",
            "//b.org/i",
            "https://b.org",
            "http://a.org:81/j",
            "%41",
        ] {
            assert!(resolver.resolve_plain(plain.as_bytes()).is_some(), "{plain}");
        }
        assert!(resolver.parsed.is_none());
    }

    #[test]
    fn a_base_href_replaces_the_base_unless_it_is_no_url() {
        let page = CanonicalUrl::parse("http://a.org/x/y").unwrap();
        let resolve = |base_href, reference| {
            let mut resolver = Resolver::new(&page, Some(base_href));
            resolver.resolve(reference).map(str::to_owned)
        };
        let check = |base_href, reference, expected: Result<&str, Unresolvable>| {
            assert_eq!(resolve(base_href, reference), expected.map(str::to_owned), "{base_href} {reference}");
        };
        check("/z/", "b", Ok("http://a.org/z/b"));
        check("", "b", Ok("http://a.org/x/b"));
        check("http://u:p@b.org:80/z#f", "", Ok("http://b.org/z"));
        check("data:,x", "b", Ok("http://a.org/x/b"));
        check("http://", "b", Ok("http://a.org/x/b"));
        check("file:///z/", "b", Err(Unresolvable::OtherScheme));
        check("file:///z/", "http://b.org/c", Ok("http://b.org/c"));
    }

    #[test]
    fn what_cannot_be_fetched_says_why() {
        let page = CanonicalUrl::parse("http://a.org/").unwrap();
        let check = |reference: &str, expected| {
            assert_eq!(Resolver::new(&page, None).resolve(reference), Err(expected), "{reference}");
        };
        check("mailto:x", Unresolvable::OtherScheme);
        check(" JavaScript:x", Unresolvable::OtherScheme);
        check("java\tscript:x", Unresolvable::OtherScheme);
        check("http://", Unresolvable::Malformed);
        check("http://b.org:99999/", Unresolvable::Malformed);
        check(&"a".repeat(70_000), Unresolvable::TooLong);
    }
}
