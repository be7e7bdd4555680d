//! Turns the references of a page into canonical URL texts, most of them without building a URL.
//!
//! Links are the hot path of a crawl and nearly all of them are plain: simple ASCII, relative or on the page's own
//! origin. Those are spliced from the base's text and the reference. Whatever the fast path does not know to be
//! exact goes to the WHATWG parser of the `url` crate; both give what [`CanonicalUrl::join`] gives.

use dragline_core::{CanonicalUrl, UrlError};
use url::Url;

use crate::splice::{Base, Decoded};

/// Resolves the references of one page; its buffers are used again for every reference.
#[derive(Debug)]
pub struct Resolver {
    base: Option<Base>,
    /// The parsed base, made when the first unusual reference asks for it.
    parsed: Option<Url>,
    text: String,
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
        if let Some(base) = &self.base
            && base.splice(reference.as_bytes(), Decoded::Yes, &mut self.text).is_some()
        {
            return Ok(&self.text);
        }
        self.parse(reference)
    }

    /// Resolves an attribute value as written when it is so plain that it needs neither decoding nor parsing.
    pub fn resolve_plain(&mut self, value: &[u8]) -> Option<&str> {
        self.base.as_ref()?.splice(value, Decoded::No, &mut self.text)?;
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
                let parsed = Url::parse(base.url().as_str()).map_err(|_| Unresolvable::Malformed)?;
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
