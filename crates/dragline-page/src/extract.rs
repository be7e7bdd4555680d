//! Takes links, title and directives off a page: what a crawl needs to go on.

use std::borrow::Cow;
use std::sync::Arc;

use dragline_core::rules::{CrawlRules, NofollowLinks};
use dragline_core::{CanonicalUrl, Handled, LinkRefusal, Outlinks, Page};
use memchr::memchr;

use crate::charset::Charset;
use crate::directives::Directives;
use crate::refresh::refresh_target;
use crate::resolve::{Resolver, Unresolvable, names_other_scheme};
use crate::scanner::{Scanner, Tag, TagKind};
use crate::sniff;
use crate::value;

/// What the extractor was told by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractRules {
    /// Our product token, by which a page may address us.
    pub agent: Arc<str>,
    /// What becomes of links that say nofollow, ugc or sponsored.
    pub nofollow_links: NofollowLinks,
    /// Whether a page's own nofollow is obeyed.
    pub meta: bool,
    /// Links taken from one page.
    pub links_per_page_max: usize,
    /// Bytes of a URL.
    pub url_bytes_max: usize,
}

impl ExtractRules {
    /// Takes what concerns pages from the rules of a crawl.
    pub fn of(rules: &CrawlRules) -> Self {
        Self {
            agent: rules.agent.name.as_str().into(),
            nofollow_links: rules.robots.nofollow_links,
            meta: rules.robots.meta,
            links_per_page_max: rules.traps.links_per_page_max,
            url_bytes_max: rules.scope.url_bytes_max,
        }
    }
}

impl Default for ExtractRules {
    fn default() -> Self {
        Self::of(&CrawlRules::default())
    }
}

/// What was found on a page.
#[derive(Debug, Default)]
pub struct Extraction {
    /// The links to offer, in document order and with repetitions, and the counts of those refused.
    pub outlinks: Outlinks,
    /// The title, decoded, white space collapsed, at most 1,000 characters.
    pub title: Option<Box<str>>,
    /// What head and document ask of robots, whether or not it is obeyed.
    pub directives: Directives,
    /// What the document calls its own URL: a hint, never a rewrite.
    pub canonical: Option<CanonicalUrl>,
    /// References found: those offered, refused, dropped, and those of other schemes.
    pub links_seen: u32,
    /// Links beyond `links_per_page_max`, neither offered nor refused.
    pub dropped: u32,
}

/// Keeps links and title: what the built-in handler answers.
impl From<Extraction> for Handled {
    fn from(extraction: Extraction) -> Self {
        Self { outlinks: extraction.outlinks, title: extraction.title, ..Self::default() }
    }
}

/// Takes links, title and directives off a page; one that is no HTML has only the directives of its head.
///
/// Links are `href` of `a` and `area`, `src` of `frame` and `iframe`, and the target of a meta refresh. Those of
/// other schemes (`mailto:`) are links of another web: not offered and not refused.
pub fn extract(page: &Page, rules: &ExtractRules) -> Extraction {
    let directives = Directives::from_headers(&page.headers, &rules.agent, page.fetched_at);
    if !sniff::is_html(page) {
        return Extraction { directives, ..Extraction::default() };
    }
    let charset = Charset::of(page);
    if charset.is_ascii_compatible() {
        read(page, rules, &page.body, &charset, directives)
    } else {
        read(page, rules, charset.decode_body().as_bytes(), &Charset::utf8(), directives)
    }
}

/// Returns the handler that follows links and notes titles: `extract_links`.
pub fn link_extractor(rules: ExtractRules) -> impl Fn(&Page) -> Handled + Send + Sync + Clone + 'static {
    let rules = Arc::new(rules);
    move |page| extract(page, &rules).into()
}

/// One reference, not resolved yet: the base may stand behind it.
enum Reference<'a> {
    /// An attribute value as written.
    Value(&'a [u8]),
    /// The decoded target of a meta refresh.
    Refresh(Box<str>),
}

/// What the scan of a document gathers.
struct Gathered<'a> {
    rules: &'a ExtractRules,
    charset: &'a Charset<'a>,
    page: &'a Page,
    references: Vec<Reference<'a>>,
    base: Option<&'a [u8]>,
    canonical: Option<&'a [u8]>,
    title: Option<&'a [u8]>,
    directives: Directives,
    seen: u32,
    nofollow: u32,
    dropped: u32,
}

fn read(
    page: &Page,
    rules: &ExtractRules,
    markup: &[u8],
    charset: &Charset<'_>,
    directives: Directives,
) -> Extraction {
    let mut gathered = Gathered {
        rules,
        charset,
        page,
        references: Vec::with_capacity(64),
        base: None,
        canonical: None,
        title: None,
        directives,
        seen: 0,
        nofollow: 0,
        dropped: 0,
    };
    for tag in Scanner::new(markup) {
        gathered.take(&tag);
    }
    gathered.finish()
}

impl<'a> Gathered<'a> {
    fn decode(&self, raw: &'a [u8]) -> Cow<'a, str> {
        value::attribute(self.charset, raw)
    }

    fn take(&mut self, tag: &Tag<'a>) {
        let attributes = &tag.attributes;
        match tag.kind {
            TagKind::A | TagKind::Area => {
                let Some(href) = attributes.href else { return };
                if attributes.rel.is_some_and(|rel| self.is_nofollow(rel)) {
                    self.seen = self.seen.saturating_add(1);
                    self.nofollow = self.nofollow.saturating_add(u32::from(!names_other_scheme(href)));
                } else {
                    self.keep(Reference::Value(href));
                }
            }
            TagKind::Frame | TagKind::Iframe => {
                if let Some(src) = attributes.src {
                    self.keep(Reference::Value(src));
                }
            }
            TagKind::Base => self.base = self.base.or(attributes.href),
            TagKind::Link => {
                let is_canonical = |rel| has_token(&self.decode(rel), &["canonical"]);
                if self.canonical.is_none() && attributes.rel.is_some_and(is_canonical) {
                    self.canonical = attributes.href;
                }
            }
            TagKind::Meta => self.take_meta(tag),
            TagKind::Title => self.title = self.title.or(Some(tag.text)),
        }
    }

    fn take_meta(&mut self, tag: &Tag<'a>) {
        let Some(content) = tag.attributes.content else { return };
        if let Some(name) = tag.attributes.name {
            let (name, content) = (self.decode(name), self.decode(content));
            self.directives.add_meta(&name, &content, &self.rules.agent, self.page.fetched_at);
        }
        let is_refresh = |pragma| self.decode(pragma).eq_ignore_ascii_case("refresh");
        if tag.attributes.http_equiv.is_some_and(is_refresh)
            && let Some(target) = refresh_target(&self.decode(content))
        {
            self.keep(Reference::Refresh(target.into()));
        }
    }

    fn is_nofollow(&self, rel: &'a [u8]) -> bool {
        self.rules.nofollow_links == NofollowLinks::Skip
            && has_token(&self.decode(rel), &["nofollow", "ugc", "sponsored"])
    }

    fn keep(&mut self, reference: Reference<'a>) {
        self.seen = self.seen.saturating_add(1);
        if self.references.len() < self.rules.links_per_page_max {
            self.references.push(reference);
        } else if !reference.names_other_scheme() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Resolves what was gathered, now that the base is known.
    fn finish(mut self) -> Extraction {
        let mut outlinks = Outlinks::default();
        let base = self.base.map(|base| self.decode(base));
        let mut resolver = Resolver::new(&self.page.url, base.as_deref());
        if self.rules.meta && self.directives.nofollow {
            let links = self.references.iter().filter(|reference| !reference.names_other_scheme()).count();
            outlinks.refuse_many(LinkRefusal::Nofollow, u32::try_from(links).unwrap_or(u32::MAX));
            outlinks.refuse_many(LinkRefusal::Nofollow, std::mem::take(&mut self.dropped));
        } else {
            self.resolve_all(&mut resolver, &mut outlinks);
        }
        outlinks.refuse_many(LinkRefusal::Nofollow, self.nofollow);
        let canonical = self.canonical.and_then(|href| {
            let text = resolver.resolve(&self.decode(href)).ok()?.to_owned();
            CanonicalUrl::from_canonical(&text).ok()
        });
        Extraction {
            outlinks,
            title: self.title.and_then(|raw| value::title(self.charset, raw)),
            directives: self.directives,
            canonical,
            links_seen: self.seen,
            dropped: self.dropped,
        }
    }

    fn resolve_all(&self, resolver: &mut Resolver, outlinks: &mut Outlinks) {
        // Indexes and footnotes link to many fragments of one page in a row: resolved once.
        let mut last_plain: Option<&[u8]> = None;
        for reference in &self.references {
            let resolved = match reference {
                Reference::Value(raw) if last_plain.is_some_and(|last| is_same_page(raw, last)) => {
                    Ok(resolver.last())
                }
                Reference::Value(raw) => {
                    if resolver.resolve_plain(raw).is_some() {
                        last_plain = raw.get(..memchr(b'#', raw).unwrap_or(raw.len()));
                        Ok(resolver.last())
                    } else {
                        last_plain = None;
                        resolver.resolve(&self.decode(raw))
                    }
                }
                Reference::Refresh(target) => {
                    last_plain = None;
                    resolver.resolve(target)
                }
            };
            match resolved {
                Ok(text) if text.len() <= self.rules.url_bytes_max => outlinks.push_canonical(text),
                Ok(_) | Err(Unresolvable::TooLong) => outlinks.refuse(LinkRefusal::TooLong),
                Err(Unresolvable::Malformed) => outlinks.refuse(LinkRefusal::InvalidUrl),
                Err(Unresolvable::OtherScheme) => {}
            }
        }
    }
}

impl Reference<'_> {
    fn names_other_scheme(&self) -> bool {
        match self {
            Self::Value(raw) => names_other_scheme(raw),
            Self::Refresh(target) => names_other_scheme(target.as_bytes()),
        }
    }
}

/// Whether a reference differs from the last one, which had no fragment left, in its fragment at most.
fn is_same_page(reference: &[u8], last: &[u8]) -> bool {
    reference.strip_prefix(last).is_some_and(|rest| matches!(rest.first(), None | Some(b'#')))
}

/// Whether a set of space-separated tokens holds one of these, in any case.
fn has_token(set: &str, tokens: &[&str]) -> bool {
    set.split_ascii_whitespace().any(|found| tokens.iter().any(|token| found.eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::page;

    fn links(extraction: &Extraction) -> Vec<&str> {
        extraction.outlinks.iter().map(|(text, _)| text).collect()
    }

    fn extracted(markup: &str) -> Extraction {
        let page = page("http://a.org/x/y", &[("content-type", "text/html")], markup.as_bytes());
        extract(&page, &ExtractRules::default())
    }

    fn check(markup: &str, expected: &[&str]) {
        assert_eq!(links(&extracted(markup)), expected, "{markup}");
    }

    #[test]
    fn links_come_from_the_elements_that_lead_on() {
        check(
            "<a href=1><area href=2><iframe src=3></iframe><frame src=4><link rel=next href=5><img src=6>\
             <meta http-equiv=Refresh content='0; url=7'><a name=8>",
            &[
                "http://a.org/x/1",
                "http://a.org/x/2",
                "http://a.org/x/3",
                "http://a.org/x/4",
                "http://a.org/x/7",
            ],
        );
    }

    #[test]
    fn references_are_decoded_and_resolved() {
        check("<a href=' ../b?c=1&amp;d=2#e '>", &["http://a.org/b?c=1&d=2"]);
        check(
            "<a href=b#1><a href=b#2><a href=b><a href=#x>",
            &["http://a.org/x/b", "http://a.org/x/b", "http://a.org/x/b", "http://a.org/x/y"],
        );
        check("<a href='b&#38;c'><a href='b&#39;d'>", &["http://a.org/x/b&c", "http://a.org/x/b'd"]);
        check("<a href=é>", &["http://a.org/x/%C3%A9"]);
    }

    #[test]
    fn the_first_base_holds_for_the_whole_document() {
        check(
            "<a href=1><base target=x><base href=/z/><base href=/w/><a href=2>",
            &["http://a.org/z/1", "http://a.org/z/2"],
        );
    }

    #[test]
    fn links_that_are_not_offered_are_counted() {
        let found = extracted(
            "<a href=1 rel='x NoFollow'><a href=2 rel=ugc><a href=mailto:x rel=sponsored><a href=http://[><a href=tel:1>\
             <a href=5 rel=follow>",
        );
        assert_eq!(links(&found), ["http://a.org/x/5"]);
        assert_eq!(found.outlinks.refused(LinkRefusal::Nofollow), 2);
        assert_eq!(found.outlinks.refused(LinkRefusal::InvalidUrl), 1);
        assert_eq!(found.links_seen, 6);
        let long = extracted(&format!("<a href={}>", "a".repeat(8_200)));
        assert_eq!(long.outlinks.refused(LinkRefusal::TooLong), 1);
    }

    #[test]
    fn a_nofollow_page_offers_nothing_if_it_is_obeyed() {
        let markup = b"<a href=1><a href=mailto:x><a href=2 rel=ugc><meta name=Robots content=none>";
        let page = page("http://a.org/", &[("content-type", "text/html")], markup);
        let obeyed = extract(&page, &ExtractRules::default());
        assert!(obeyed.outlinks.is_empty());
        assert!(obeyed.directives.noindex);
        assert_eq!(obeyed.outlinks.refused(LinkRefusal::Nofollow), 2);
        let rules =
            ExtractRules { meta: false, nofollow_links: NofollowLinks::Follow, ..ExtractRules::default() };
        assert_eq!(links(&extract(&page, &rules)), ["http://a.org/1", "http://a.org/2"]);
    }

    #[test]
    fn links_beyond_the_limit_are_dropped_and_counted() {
        let page = page("http://a.org/", &[], b"<p><a href=1><a href=2><a href=3><a href=tel:4><a href=5>");
        let found = extract(&page, &ExtractRules { links_per_page_max: 2, ..ExtractRules::default() });
        assert_eq!((links(&found).len(), found.dropped, found.links_seen), (2, 2, 5));
    }

    #[test]
    fn title_and_canonical_are_noted() {
        let found = extracted(
            "<svg><title>icon</title></svg><title> A &amp;\n B</title><title>C</title><link rel=CANONICAL href=/c>",
        );
        assert_eq!(found.title.as_deref(), Some("A & B"));
        assert_eq!(found.canonical.unwrap().as_str(), "http://a.org/c");
    }

    #[test]
    fn every_encoding_is_read() {
        let check = |content_type, body: &[u8]| {
            let page = page("http://a.org/", &[("content-type", content_type)], body);
            let found = extract(&page, &ExtractRules::default());
            assert_eq!(links(&found), ["http://a.org/%C3%A9"], "{content_type}");
            assert_eq!(found.title.as_deref(), Some("é"), "{content_type}");
        };
        let markup = "<title>é</title><a href='é'>";
        check("text/html", markup.as_bytes());
        check("text/html; charset=iso-8859-1", &encoding_rs::WINDOWS_1252.encode(markup).0);
        let utf16: Vec<u8> = markup.encode_utf16().flat_map(u16::to_be_bytes).collect();
        check("text/html; charset=utf-16be", &utf16);
    }

    #[test]
    fn what_is_no_html_has_only_the_directives_of_its_head() {
        let headers = [("content-type", "application/pdf"), ("x-robots-tag", "noindex")];
        let found = extract(&page("http://a.org/", &headers, b"<a href=1>"), &ExtractRules::default());
        assert!(found.outlinks.is_empty());
        assert_eq!((found.directives.noindex, found.links_seen), (true, 0));
    }

    #[test]
    fn the_handler_answers_with_links_and_title() {
        let handler = link_extractor(ExtractRules::default());
        let handled = handler(&page("http://a.org/", &[], b"<title>T</title><a href=b>"));
        assert_eq!((handled.title.as_deref(), handled.outlinks.len()), (Some("T"), 1));
    }
}
