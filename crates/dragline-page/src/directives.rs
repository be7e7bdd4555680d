//! Reads what a page asks of robots: `X-Robots-Tag` fields and `<meta name=robots>`.

use dragline_core::{Headers, Wall};

use crate::date;

/// What a page asks of us; of several wishes the most restrictive counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Asks not to be shown: `noindex`, `none`, or an `unavailable_after` that had passed when the page was fetched.
    pub noindex: bool,
    /// Asks that its links not be followed: `nofollow` or `none`.
    pub nofollow: bool,
}

/// Directives with a value behind a colon, which is no name of a robot.
const VALUED: [&str; 4] = ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];

impl Directives {
    /// Reads every `X-Robots-Tag` field; `agent` is our product token, `now` when the page was fetched.
    ///
    /// A `name:` in front holds for the directives behind it, up to the next name.
    pub fn from_headers(headers: &Headers, agent: &str, now: Wall) -> Self {
        let mut directives = Self::default();
        for value in headers.get_all("x-robots-tag") {
            directives.read(&String::from_utf8_lossy(value), Some(agent), now);
        }
        directives
    }

    /// Adds a `<meta>` when its name is `robots` or our product token.
    pub fn add_meta(&mut self, name: &str, content: &str, agent: &str, now: Wall) {
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case("robots") || name.eq_ignore_ascii_case(agent) {
            self.read(content, None, now);
        }
    }

    /// Reads a comma list, in which names of robots may stand when `agent` is given.
    fn read(&mut self, list: &str, agent: Option<&str>, now: Wall) {
        let mut for_us = true;
        let mut parts = list.split(',').peekable();
        while let Some(part) = parts.next() {
            let mut part = part.trim();
            if let (Some(agent), Some((name, rest))) = (agent, part.split_once(':'))
                && !is_valued(name)
            {
                let name = name.trim_end();
                for_us = name.eq_ignore_ascii_case(agent) || name == "*";
                part = rest.trim_start();
            }
            match part.split_once(':') {
                Some((name, date)) if name.trim_end().eq_ignore_ascii_case("unavailable_after") => {
                    // "Wed, 25 Jun 2025": the comma is the date's own.
                    let is_weekday =
                        !date.trim().is_empty() && date.trim().bytes().all(|byte| byte.is_ascii_alphabetic());
                    let date = if is_weekday { parts.next().unwrap_or_default() } else { date };
                    self.noindex |= for_us && date::parse(date).is_some_and(|date| date <= now);
                }
                None if for_us => part.split_ascii_whitespace().for_each(|word| self.add(word)),
                Some(_) | None => {}
            }
        }
    }

    /// Adds one word; unknown ones ask nothing.
    fn add(&mut self, word: &str) {
        let none = word.eq_ignore_ascii_case("none");
        self.noindex |= none || word.eq_ignore_ascii_case("noindex");
        self.nofollow |= none || word.eq_ignore_ascii_case("nofollow");
    }
}

fn is_valued(name: &str) -> bool {
    let name = name.trim_end();
    VALUED.iter().any(|valued| name.eq_ignore_ascii_case(valued))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_secs(1_795_194_003);

    #[test]
    fn the_fields_of_the_head_are_read() {
        let check = |values: &[&str], expected: (bool, bool)| {
            let headers = Headers::from_pairs(values.iter().map(|value| ("X-Robots-Tag", *value)));
            let found = Directives::from_headers(&headers, "OurBot", NOW);
            assert_eq!((found.noindex, found.nofollow), expected, "{values:?}");
        };
        check(&["noindex"], (true, false));
        check(&["NoIndex, NOFOLLOW"], (true, true));
        check(&["none"], (true, true));
        check(&["all", "nofollow"], (false, true));
        check(&["otherbot: noindex, nofollow"], (false, false));
        check(&["otherbot: noindex, ourbot: nofollow"], (false, true));
        check(&["otherbot: noindex", "noindex"], (true, false));
        check(&["ourbot:none"], (true, true));
        check(&["*: noindex"], (true, false));
        check(&["max-snippet: 5, noindex"], (true, false));
        check(&["unavailable_after: 25 Jun 2010 15:00:00 PST"], (true, false));
        check(&["unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT, nofollow"], (true, true));
        check(&["ourbot: unavailable_after: 2010-06-25, nofollow"], (true, true));
        check(&["otherbot: unavailable_after: 2010-06-25"], (false, false));
        check(&["unavailable_after: 25 Jun 2090 15:00:00 PST"], (false, false));
        check(&["unavailable_after:", ":", ",,", ""], (false, false));
    }

    #[test]
    fn metas_are_read_when_they_are_for_us() {
        let check = |name, content, expected: (bool, bool)| {
            let mut found = Directives::default();
            found.add_meta(name, content, "OurBot", NOW);
            assert_eq!((found.noindex, found.nofollow), expected, "{name} {content}");
        };
        check("robots", "noindex,nofollow", (true, true));
        check("ROBOTS", "index nofollow", (false, true));
        check(" ourbot ", "none", (true, true));
        check("otherbot", "none", (false, false));
        check("robots", "ourbot: none", (false, false));
        check("robots", "unavailable_after: 2010-06-25", (true, false));
    }
}
