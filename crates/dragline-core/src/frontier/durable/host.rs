//! Spells what must be known of a host after a crash: what it is spared for, and its robots.txt.

use std::sync::Arc;
use std::time::Duration;

use super::body::read_text;
use super::wire::{Malformed, Pen, Reader};
use crate::outcome::Outcome;
use crate::robots::RobotsTxt;
use crate::time::Wall;

/// Rules by which a host is given up; a record names one by its place here.
const PARKED_BY: [&str; 3] =
    ["politeness.backoff_max", "politeness.give_up_after", "robots.crawl_delay_over"];

/// What a host's clock has learned and must not forget.
///
/// When it was asked last is not among it: leases are never logged. After a crash a host is taken to have been asked in
/// the moment of the restart, so that its gap is kept whatever happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::frontier) struct ClockImage {
    pub(in crate::frontier) penalty_base: Duration,
    pub(in crate::frontier) penalty_gap: Duration,
    pub(in crate::frontier) penalty_until: Option<Wall>,
    pub(in crate::frontier) retry_after_until: Option<Wall>,
    pub(in crate::frontier) crawl_delay: Option<Duration>,
    /// Rounded up, so that it is noted rarely.
    pub(in crate::frontier) adaptive_gap: Duration,
    pub(in crate::frontier) refusing_since: Option<Wall>,
    /// The rule that gave the host up.
    pub(in crate::frontier) parked: Option<&'static str>,
}

impl ClockImage {
    pub(super) fn write(&self, pen: &mut Pen) {
        write_span(pen, self.penalty_base);
        write_span(pen, self.penalty_gap);
        pen.option(self.penalty_until, Pen::wall);
        pen.option(self.retry_after_until, Pen::wall);
        pen.option(self.crawl_delay, write_span);
        write_span(pen, self.adaptive_gap);
        pen.option(self.refusing_since, Pen::wall);
        let parked = self.parked.and_then(|rule| PARKED_BY.iter().position(|known| *known == rule));
        debug_assert_eq!(parked.is_some(), self.parked.is_some(), "every rule that gives up has a number");
        pen.option(parked, Pen::count);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            penalty_base: read_span(reader)?,
            penalty_gap: read_span(reader)?,
            penalty_until: reader.option(Reader::wall)?,
            retry_after_until: reader.option(Reader::wall)?,
            crawl_delay: reader.option(read_span)?,
            adaptive_gap: read_span(reader)?,
            refusing_since: reader.option(Reader::wall)?,
            parked: reader.option(|reader| PARKED_BY.get(reader.count()?).copied().ok_or(Malformed))?,
        })
    }
}

/// What is known of an origin's robots.txt.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::frontier) enum RobotsImage {
    /// Nothing that holds: it will be asked.
    Unknown,
    /// It has rules.
    Known(Arc<RobotsTxt>, Wall),
    /// It is unavailable.
    Unavailable(Wall),
    /// It could not be had.
    Unreachable(Outcome, Arc<str>),
}

impl RobotsImage {
    pub(super) fn write(&self, pen: &mut Pen) {
        match self {
            Self::Unknown => pen.byte(0),
            Self::Known(rules, expires) => {
                pen.byte(1);
                pen.wall(*expires);
                write_rules(pen, rules);
            }
            Self::Unavailable(expires) => {
                pen.byte(2);
                pen.wall(*expires);
            }
            Self::Unreachable(outcome, message) => {
                pen.byte(3);
                pen.byte(*outcome as u8);
                pen.raw(message.as_bytes());
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            0 => Self::Unknown,
            1 => {
                let expires = reader.wall()?;
                Self::Known(Arc::new(read_rules(reader)?), expires)
            }
            2 => Self::Unavailable(reader.wall()?),
            3 => {
                let outcome = Outcome::ALL.get(usize::from(reader.byte()?)).copied().ok_or(Malformed)?;
                Self::Unreachable(outcome, read_text(reader)?.into())
            }
            _ => return Err(Malformed),
        })
    }
}

fn write_rules(pen: &mut Pen, rules: &RobotsTxt) {
    pen.byte(u8::from(rules.truncated()));
    pen.option(rules.crawl_delay(), write_span);
    pen.count(rules.sitemaps().len());
    rules.sitemaps().iter().for_each(|sitemap| pen.raw(sitemap.as_bytes()));
    let lines: Vec<_> = rules.lines().collect();
    pen.count(lines.len());
    for (allow, line, pattern) in lines {
        pen.number(u64::from(line) << 1 | u64::from(allow));
        pen.raw(&pattern);
    }
}

fn read_rules(reader: &mut Reader<'_>) -> Result<RobotsTxt, Malformed> {
    let truncated = reader.byte()? != 0;
    let crawl_delay = reader.option(read_span)?;
    let mut sitemaps = Vec::new();
    for _ in 0..reader.count()? {
        sitemaps.push(read_text(reader)?);
    }
    let mut lines = Vec::new();
    for _ in 0..reader.count()? {
        let word = reader.number()?;
        let line = u32::try_from(word >> 1).map_err(|_| Malformed)?;
        lines.push((word & 1 == 1, line, reader.raw()?));
    }
    Ok(RobotsTxt::of_lines(lines, crawl_delay, sitemaps, truncated))
}

fn write_span(pen: &mut Pen, span: Duration) {
    pen.number(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
}

fn read_span(reader: &mut Reader<'_>) -> Result<Duration, Malformed> {
    reader.number().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_host_is_read_as_it_was_written() {
        let full = ClockImage {
            penalty_base: Duration::from_secs(4),
            penalty_gap: Duration::from_millis(4_200),
            penalty_until: Some(Wall::from_secs(5)),
            retry_after_until: Some(Wall::from_secs(6)),
            crawl_delay: Some(Duration::from_secs(9)),
            adaptive_gap: Duration::from_millis(1_024),
            refusing_since: Some(Wall::from_secs(-1)),
            parked: Some("robots.crawl_delay_over"),
        };
        for image in [full, ClockImage::default()] {
            let mut pen = Pen::default();
            image.write(&mut pen);
            let bytes = pen.take();
            assert_eq!(ClockImage::read(&mut Reader::new(&bytes)), Ok(image));
        }
    }

    #[test]
    fn rules_judge_as_before_when_they_were_written_and_read() {
        let text = "User-agent: *\nDisallow: /a*b$\nAllow: /a/\u{e4}\nDisallow: /a/\nDisallow: /$\nCrawl-delay: 3\n\
                    Sitemap: http://a/map\n";
        let rules = Arc::new(RobotsTxt::parse(text.as_bytes(), 1 << 20, "dragline"));
        let expires = Wall::from_secs(7);
        for image in [
            RobotsImage::Known(Arc::clone(&rules), expires),
            RobotsImage::Unknown,
            RobotsImage::Unavailable(expires),
            RobotsImage::Unreachable(Outcome::Timeout, "too slow".into()),
        ] {
            let mut pen = Pen::default();
            image.write(&mut pen);
            let bytes = pen.take();
            let read = RobotsImage::read(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(read, image);
            if let RobotsImage::Known(read, _) = read {
                for path in ["/", "/x", "/a/x", "/a/%C3%A4", "/aab", "/aabc"] {
                    assert_eq!(read.check(path), rules.check(path), "{path}");
                }
            }
        }
    }
}
