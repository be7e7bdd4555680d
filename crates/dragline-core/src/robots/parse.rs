//! Reads the lines of a robots.txt and keeps those of the groups that apply to one product token.

use std::time::Duration;

use super::index::Line;

/// The longest crawl delay that is kept; nothing distinguishes a longer one.
const CRAWL_DELAY_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What one robots.txt says to one product token.
#[derive(Debug, Default)]
pub(super) struct Parsed<'a> {
    /// The rules of the groups that apply, in the order of the file.
    pub(super) rules: Vec<Line<'a>>,
    /// The longest crawl delay of the groups that apply.
    pub(super) crawl_delay: Option<Duration>,
    /// The sitemaps of the whole file, each once.
    pub(super) sitemaps: Vec<Box<str>>,
}

/// The two kinds of groups that are kept while reading.
#[derive(Clone, Copy, Debug, Default)]
struct Named {
    /// A user-agent line named our token.
    own: bool,
    /// A user-agent line named `*`.
    any: bool,
}

/// What the file said to one kind of group.
#[derive(Debug, Default)]
struct Group<'a> {
    seen: bool,
    rules: Vec<Line<'a>>,
    crawl_delay: Option<Duration>,
}

/// Whose rules the next lines are.
#[derive(Debug, Default)]
struct Reader<'a> {
    own: Group<'a>,
    any: Group<'a>,
    /// Who was named by the user-agent lines above.
    named: Named,
    /// A rule has stood since: the next user-agent line begins a new group.
    rules_begun: bool,
    /// Who was named since the last crawl delay or rule.
    delayed: Named,
    delays_begun: bool,
}

/// Reads whole lines, ended by LF, CR or CRLF.
pub(super) fn read<'a>(body: &'a [u8], product_token: &str) -> Parsed<'a> {
    let mut reader = Reader::default();
    let mut sitemaps: Vec<Box<str>> = Vec::new();
    for (number, line) in lines(without_mark(body)) {
        let Some((key, value)) = record(line) else { continue };
        match key {
            Key::UserAgent => reader.name(value, product_token),
            Key::Allow => reader.rule(Line { allow: true, value, number }),
            Key::Disallow => reader.rule(Line { allow: false, value, number }),
            Key::CrawlDelay => reader.delay(value),
            Key::Sitemap => {
                let text = std::str::from_utf8(value).ok().filter(|text| !text.is_empty());
                sitemaps.extend(text.map(Into::into));
            }
        }
    }
    let group = if reader.own.seen { reader.own } else { reader.any };
    Parsed { rules: group.rules, crawl_delay: group.crawl_delay, sitemaps: once(sitemaps) }
}

/// Returns the part of a cut body that holds whole lines only.
pub(super) fn whole_lines(body: &[u8]) -> &[u8] {
    let end = memchr::memrchr2(b'\n', b'\r', body).map_or(0, |at| at + 1);
    body.get(..end).unwrap_or_default()
}

impl<'a> Reader<'a> {
    fn name(&mut self, value: &[u8], product_token: &str) {
        if std::mem::take(&mut self.rules_begun) {
            self.named = Named::default();
            self.delayed = Named::default();
        }
        if std::mem::take(&mut self.delays_begun) {
            self.delayed = Named::default();
        }
        if is_everyone(value) {
            (self.named.any, self.delayed.any, self.any.seen) = (true, true, true);
        } else if !product_token.is_empty() && token(value).eq_ignore_ascii_case(product_token.as_bytes()) {
            (self.named.own, self.delayed.own, self.own.seen) = (true, true, true);
        }
    }

    fn rule(&mut self, line: Line<'a>) {
        self.rules_begun = true;
        if line.value.is_empty() {
            return;
        }
        for (named, group) in [(self.named.own, &mut self.own), (self.named.any, &mut self.any)] {
            if named {
                group.rules.push(line);
            }
        }
    }

    fn delay(&mut self, value: &[u8]) {
        self.delays_begun = true;
        let Some(delay) = seconds(value) else { return };
        for (named, group) in [(self.delayed.own, &mut self.own), (self.delayed.any, &mut self.any)] {
            if named {
                group.crawl_delay = group.crawl_delay.max(Some(delay));
            }
        }
    }
}

/// The records that say something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    UserAgent,
    Allow,
    Disallow,
    CrawlDelay,
    Sitemap,
}

/// Names of records in lower case, with the misspellings that google/robotstxt takes too.
const KEYS: [(&[u8], Key); 14] = [
    (b"user-agent", Key::UserAgent),
    (b"useragent", Key::UserAgent),
    (b"user agent", Key::UserAgent),
    (b"allow", Key::Allow),
    (b"disallow", Key::Disallow),
    (b"dissallow", Key::Disallow),
    (b"dissalow", Key::Disallow),
    (b"disalow", Key::Disallow),
    (b"diasllow", Key::Disallow),
    (b"disallaw", Key::Disallow),
    (b"crawl-delay", Key::CrawlDelay),
    (b"crawldelay", Key::CrawlDelay),
    (b"sitemap", Key::Sitemap),
    (b"site-map", Key::Sitemap),
];

/// Splits a line into a record's key and value; `None` for comments, junk and records of no interest.
///
/// As in google/robotstxt a forgotten colon is forgiven when exactly two words stand on the line.
fn record(line: &[u8]) -> Option<(Key, &[u8])> {
    let line = trimmed(line.split(|octet| *octet == b'#').next().unwrap_or_default());
    let at = memchr::memchr(b':', line).or_else(|| {
        let at = memchr::memchr2(b' ', b'\t', line)?;
        let value = trimmed(line.get(at..).unwrap_or_default());
        memchr::memchr2(b' ', b'\t', value).is_none().then_some(at)
    })?;
    let name = trimmed(line.get(..at).unwrap_or_default());
    let (_, key) = KEYS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((key, trimmed(line.get(at + 1..).unwrap_or_default())))
}

/// Takes white space and NUL from both ends.
fn trimmed(mut text: &[u8]) -> &[u8] {
    let blank = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, 0 | 11);
    while let Some((_, rest)) = text.split_first().filter(|(first, _)| blank(first)) {
        text = rest;
    }
    while let Some((_, rest)) = text.split_last().filter(|(last, _)| blank(last)) {
        text = rest;
    }
    text
}

/// Whether a user-agent value names everyone: `*`, alone or before white space.
fn is_everyone(value: &[u8]) -> bool {
    matches!(value, [b'*'] | [b'*', b' ' | b'\t', ..])
}

/// Returns the product token a user-agent value begins with (RFC 9309 2.2.1): `Foo` of `Foo/1.2` and of `Foo Bar`.
fn token(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|octet| !(octet.is_ascii_alphabetic() || matches!(octet, b'-' | b'_')));
    value.get(..end.unwrap_or(value.len())).unwrap_or_default()
}

/// Reads decimal seconds without a sign, such as `2` or `0.5`.
fn seconds(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    if !text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(CRAWL_DELAY_MAX).min(CRAWL_DELAY_MAX))
}

/// Drops a byte order mark, whole or cut short.
fn without_mark(body: &[u8]) -> &[u8] {
    let mark = b"\xEF\xBB\xBF";
    let len = mark.iter().zip(body).take_while(|(expected, found)| expected == found).count();
    body.get(len..).unwrap_or_default()
}

/// Returns every line with its number, from 1.
fn lines(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = body;
    let all = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let len = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, end) = rest.split_at(len);
        rest = end.strip_prefix(b"\r\n").or_else(|| end.get(1..)).unwrap_or_default();
        Some(line)
    });
    (1_u32..).zip(all)
}

/// Keeps the first of equal texts, in order.
fn once(texts: Vec<Box<str>>) -> Vec<Box<str>> {
    let mut known = std::collections::BTreeSet::new();
    texts.into_iter().filter(|text| known.insert(text.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules are written `+` for allow or `-` for disallow, the pattern, `@` and the line.
    fn check(text: &[u8], expected_rules: &str, expected_delay: Option<f64>) {
        let parsed = read(text, "dragline");
        let shown: Vec<_> = (parsed.rules.iter())
            .map(|line| {
                let sign = if line.allow { '+' } else { '-' };
                format!("{sign}{}@{}", String::from_utf8_lossy(line.value), line.number)
            })
            .collect();
        let shown_text = String::from_utf8_lossy(text);
        assert_eq!(shown.join(" "), expected_rules, "{shown_text:?}");
        assert_eq!(parsed.crawl_delay, expected_delay.map(Duration::from_secs_f64), "{shown_text:?}");
    }

    #[test]
    fn the_groups_of_our_token_are_merged_and_shadow_those_of_everyone() {
        check(b"User-agent: *\nDisallow: /a\n", "-/a@2", None);
        check(b"User-agent: other\nDisallow: /a\n", "", None);
        check(b"User-agent: *\nDisallow: /a\nUser-agent: DRAGLINE\nAllow: /b\n", "+/b@4", None);
        let text = b"user-agent: dragline\ndisallow: /a\nuser-agent: x\ndisallow: /b\nuser-agent: dragline/1\nallow: /c";
        check(text, "-/a@2 +/c@6", None);
        check(b"User-agent: *\nDisallow: /a\nUser-agent: *\nDisallow: /b", "-/a@2 -/b@4", None);
        // A group without rules is one, and everything is allowed.
        check(b"User-agent: *\nDisallow: /\nUser-agent: dragline\n", "", None);
        check(b"User-agent: *\nDisallow: /\nUser-agent: dragline\nDisallow:\n", "", None);
        check(b"Disallow: /a\nUser-agent: *\nDisallow: /b", "-/b@3", None);
    }

    #[test]
    fn a_token_is_compared_whole() {
        let check = |value: &str, expected: bool| {
            let text = format!("User-agent: {value}\nDisallow: /\n");
            assert_eq!(!read(text.as_bytes(), "dragline").rules.is_empty(), expected, "{value}");
        };
        check("dragline", true);
        check("Dragline/2.0 (x)", true);
        check("dragline bot", true);
        check("dragline*", true);
        check("dragline-news", false);
        check("drag", false);
        check("draglines", false);
        check("*", true);
        check("* # all", true);
        check("*bot", false);
        check("", false);
        assert!(read(b"User-agent: !\nDisallow: /\n", "").rules.is_empty());
    }

    #[test]
    fn user_agents_on_consecutive_lines_share_rules() {
        check(b"User-agent: x\nUser-agent: dragline\n\n# why\nDisallow: /a", "-/a@5", None);
        let text = b"User-agent: dragline\nSitemap: http://a/\nUnknown: x\nUser-agent: x\nDisallow: /a";
        check(text, "-/a@5", None);
        check(b"User-agent: dragline\nDisallow:\nUser-agent: x\nDisallow: /a", "", None);
    }

    #[test]
    fn a_crawl_delay_holds_for_those_named_above_it() {
        check(b"User-agent: dragline\nCrawl-delay: 2.5\nDisallow: /a", "-/a@3", Some(2.5));
        check(b"User-agent: *\nDisallow: /a\nCrawl-delay: 3", "-/a@2", Some(3.0));
        check(b"User-agent: *\nCrawl-delay: 3\nUser-agent: dragline\nDisallow: /", "-/@4", None);
        let text = b"User-agent: dragline\nCrawl-delay: 2\nUser-agent: x\nCrawl-delay: 9\nDisallow: /a";
        check(text, "-/a@5", Some(2.0));
        check(b"User-agent: x\nUser-agent: dragline\nCrawl-delay: 4\nDisallow:", "", Some(4.0));
        check(b"User-agent: dragline\nCrawl-delay: 4\nUser-agent: dragline\nCrawl-delay: 1", "", Some(4.0));
        check(
            b"User-agent: dragline\nDisallow: /a\nCrawl-delay: 4\nUser-agent: x\nCrawl-delay: 9",
            "-/a@2",
            Some(4.0),
        );
    }

    #[test]
    fn a_crawl_delay_is_decimal_seconds() {
        let check = |value: &str, expected: Option<Duration>| {
            assert_eq!(seconds(value.as_bytes()), expected, "{value}");
        };
        check("0", Some(Duration::ZERO));
        check("10", Some(Duration::from_secs(10)));
        check(".5", Some(Duration::from_millis(500)));
        check(&"9".repeat(400), Some(CRAWL_DELAY_MAX));
        for junk in ["", ".", "-1", "1s", "inf", "nan", "1e3", "1,5", "1.2.3"] {
            check(junk, None);
        }
    }

    #[test]
    fn marks_line_ends_and_junk_are_tolerated() {
        check(b"\xEF\xBB\xBFUser-agent: *\r\nDisallow: /a\r\n", "-/a@2", None);
        check(b"\xEF\xBBUser-agent: *\nDisallow: /a", "-/a@2", None);
        check(b"User-agent: *\rDisallow: /a\r\rAllow: /b", "-/a@2 +/b@4", None);
        check(b"\0\0\nUser-agent:\0*\0\nDisallow: /a\0\n", "-/a@3", None);
        check(b"<!DOCTYPE html>\n\xFF\xFE\nUser-agent: *\n  Disallow :  /a b \t# c\n:\n", "-/a b@4", None);
        check(b"user-agent *\ndisallow /a\ndisallow /b c\n", "-/a@2", None);
        check(b"useragent: *\ndissallow: /a\n", "-/a@2", None);
        check(b"", "", None);
    }

    #[test]
    fn sitemaps_are_those_of_the_whole_file_each_once() {
        let text = b"Sitemap: http://a/1 # one\nUser-agent: x\nsite-map:http://a/2\nDisallow: /\nSITEMAP: http://a/1\n\
            sitemap:\nsitemap: \xFF";
        let found: Vec<_> = read(text, "dragline").sitemaps;
        assert_eq!(found, ["http://a/1".into(), "http://a/2".into()] as [Box<str>; 2]);
    }
}
