//! Holds the rules of one robots.txt that apply to one product token.

use std::time::Duration;

use super::index::{Line, RuleIndex, Search};
use super::parse::{self, Parsed};

/// The rules of one robots.txt for one product token; the default has none and allows everything.
///
/// # Examples
/// ```
/// use dragline_core::robots::RobotsTxt;
///
/// let robots = RobotsTxt::parse(b"User-agent: *\nDisallow: /private/\n", 500 << 10, "dragline");
/// assert!(robots.check("/public").allowed);
/// assert_eq!(robots.check("/private/x").line, Some(2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RobotsTxt {
    rules: RuleIndex,
    crawl_delay: Option<Duration>,
    sitemaps: Box<[Box<str>]>,
    truncated: bool,
}

/// Whether a path may be fetched, and by which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RobotsMatch {
    /// Whether it may be fetched.
    pub allowed: bool,
    /// The line of the rule that decided, from 1; `None` when none did.
    pub line: Option<u32>,
}

impl RobotsTxt {
    /// Reads a robots.txt and keeps what applies to `product_token`.
    ///
    /// The groups whose user-agent line names the token (whole, without case) are merged; when there are none, those
    /// of `*`. Of a body longer than `bytes_max` the whole lines within it are read. Nothing in a body is an error:
    /// lines that say nothing to us are passed over.
    ///
    /// # Source
    /// RFC 9309 sections 2.1, 2.2 and 2.5; where it is silent, google/robotstxt.
    pub fn parse(body: &[u8], bytes_max: usize, product_token: &str) -> Self {
        if body.len() <= bytes_max {
            Self::keep(parse::read(body, product_token), false)
        } else {
            let within = body.get(..bytes_max).unwrap_or_default();
            // The first octet beyond may be the line's end itself.
            let whole = match body.get(bytes_max) {
                Some(b'\n' | b'\r') => within,
                _ => parse::whole_lines(within),
            };
            Self::keep(parse::read(whole, product_token), true)
        }
    }

    /// As [`RobotsTxt::parse`], of a body that was already cut somewhere: its last line counts only when it is ended.
    pub fn parse_cut(body: &[u8], bytes_max: usize, product_token: &str) -> Self {
        let whole = parse::whole_lines(body);
        Self { truncated: true, ..Self::parse(whole, bytes_max, product_token) }
    }

    fn keep(parsed: Parsed<'_>, truncated: bool) -> Self {
        Self {
            rules: RuleIndex::new(parsed.rules),
            crawl_delay: parsed.crawl_delay,
            sitemaps: parsed.sitemaps.into(),
            truncated,
        }
    }

    /// Returns its rules as [`RobotsTxt::of_lines`] takes them: whether each allows, its line, its pattern.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (bool, u32, Vec<u8>)> {
        self.rules.lines().into_iter()
    }

    /// Puts together what was taken apart for keeping.
    pub(crate) fn of_lines(
        lines: Vec<(bool, u32, &[u8])>,
        crawl_delay: Option<Duration>,
        sitemaps: Vec<Box<str>>,
        truncated: bool,
    ) -> Self {
        let line = |(allow, number, value)| Line { allow, value, number };
        let rules = RuleIndex::new(lines.into_iter().map(line).collect());
        Self { rules, crawl_delay, sitemaps: sitemaps.into(), truncated }
    }

    /// Decides whether a path with its query, spelt as in a [`CanonicalUrl`](crate::CanonicalUrl), may be fetched.
    ///
    /// The matching rule of the most octets decides, allow before disallow; `/robots.txt` itself is always allowed.
    /// A check costs a bounded amount of work: where thousands of wildcards were made to be expensive and the bound is
    /// reached, the path is disallowed without a line.
    ///
    /// # Source
    /// RFC 9309 sections 2.2.2 and 2.2.3.
    pub fn check(&self, path_and_query: &str) -> RobotsMatch {
        if path_and_query == "/robots.txt" {
            return RobotsMatch { allowed: true, line: None };
        }
        match self.rules.find(path_and_query) {
            Search::Found(rule) => RobotsMatch { allowed: rule.allow, line: Some(rule.line) },
            Search::NotFound => RobotsMatch { allowed: true, line: None },
            Search::TooMuchWork => RobotsMatch { allowed: false, line: None },
        }
    }

    /// Returns the crawl delay the group asks for: the longest when it asks more than once, at most a year.
    pub const fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }

    /// Returns the values of all `Sitemap` lines of the file, whatever their group, as written, each once, in order.
    pub fn sitemaps(&self) -> &[Box<str>] {
        &self.sitemaps
    }

    /// Whether a part of the file was not read because it was too long.
    pub const fn truncated(&self) -> bool {
        self.truncated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 500 << 10;

    fn check(text: &str, path: &str, expected: (bool, Option<u32>)) {
        let found = RobotsTxt::parse(text.as_bytes(), BYTES_MAX, "dragline").check(path);
        assert_eq!((found.allowed, found.line), expected, "{path} by {text:?}");
    }

    #[test]
    fn the_deciding_line_is_named() {
        let text = "# hello\r\nUser-agent: dragline\r\n\r\nDisallow: /a # why\r\nAllow: /a/b\r\n";
        check(text, "/x", (true, None));
        check(text, "/a", (false, Some(4)));
        check(text, "/a/c", (false, Some(4)));
        check(text, "/a/b", (true, Some(5)));
        check("\r\rUser-agent:*\rDisallow:/\r", "/", (false, Some(4)));
    }

    #[test]
    fn the_file_itself_is_always_allowed() {
        let text = "User-agent: *\nDisallow: /";
        check(text, "/robots.txt", (true, None));
        check(text, "/robots.txt?x", (false, Some(2)));
    }

    #[test]
    fn a_long_file_is_cut_at_the_end_of_a_line() {
        let check = |bytes_max: usize, expected: (bool, bool, bool)| {
            let text = "User-agent: *\nDisallow: /a\nDisallow: /bc\n";
            let robots = RobotsTxt::parse(text.as_bytes(), bytes_max, "dragline");
            let found = (robots.check("/a").allowed, robots.check("/b").allowed, robots.truncated());
            assert_eq!(found, expected, "{bytes_max}");
        };
        check(0, (true, true, true));
        check(25, (true, true, true));
        check(26, (false, true, true));
        check(27, (false, true, true));
        check(39, (false, true, true));
        check(41, (false, true, false));
    }

    #[test]
    fn an_unended_line_of_a_cut_body_does_not_count() {
        let robots = RobotsTxt::parse_cut(b"User-agent: *\nDisallow: /a\nDisallow: /", BYTES_MAX, "dragline");
        assert!(robots.truncated());
        assert!(robots.check("/b").allowed);
        assert!(!robots.check("/a").allowed);
    }

    #[test]
    fn whatever_the_file_its_whole_lines_are_what_is_read() {
        const WORDS: [&[u8]; 16] = [
            b"user-agent:",
            b"disallow:",
            b"allow:",
            b"crawl-delay:",
            b"sitemap:",
            b"dragline",
            b"*",
            b"/a",
            b"$",
            b"%2",
            b"\n",
            b"\r",
            b"\r\n",
            b"\0",
            b"\xFF",
            b" # ",
        ];
        let mut chance = crate::chance::Chance::new(3);
        let mut word = || WORDS[usize::try_from(chance.below(16)).unwrap()];
        for _ in 0..300 {
            let body: Vec<u8> = (0..40).flat_map(|_| word()).copied().collect();
            for bytes_max in 0..body.len() {
                let cut = RobotsTxt::parse(&body, bytes_max, "dragline");
                let ends_there = matches!(body[bytes_max], b'\n' | b'\r');
                let whole =
                    if ends_there { &body[..bytes_max] } else { parse::whole_lines(&body[..bytes_max]) };
                let read = RobotsTxt::parse(whole, bytes_max, "dragline");
                assert_eq!(
                    cut,
                    RobotsTxt { truncated: true, ..read },
                    "{:?}",
                    body.escape_ascii().to_string()
                );
                assert_eq!(cut.check("/aa").line.is_none(), cut.check("/%61a").line.is_none());
            }
        }
    }
}
