//! Answers requests for a world's URLs: by what is there, how often it was asked for, and what its host has had to bear.

use std::time::Duration;

use dragline_core::fetch::Phase;
use dragline_core::{CanonicalUrl, Outcome};

use super::model::{Failing, PageKind, Place, RobotsKind, RobotsText, Target, Temper, World, WorldHost};
use crate::sim::SimReply;

/// Bytes of a page that is larger than most.
const BIG_BYTES: usize = 64 << 10;

/// What a host remembers of earlier requests.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulator) struct HostState {
    /// When it last gave an answer that was no refusal.
    answered_at: Option<Duration>,
}

impl World {
    /// Answers a request at `now`, before which the URL was asked for `asked` times.
    pub(in crate::simulator) fn answer(
        &self,
        url: &CanonicalUrl,
        asked: u32,
        state: &mut HostState,
        now: Duration,
    ) -> SimReply {
        let Some(number) = self.host_of(url) else {
            return SimReply::failure(Outcome::DnsError, Phase::Dns, "no such name");
        };
        let Some(host) = self.hosts.get(number) else { return SimReply::status(404) };
        let latency = self.latency(host, url, asked);
        match host.temper {
            Temper::Nameless => {
                return SimReply::failure(Outcome::DnsError, Phase::Dns, "no such name").after(latency);
            }
            Temper::Dead => {
                return SimReply::failure(Outcome::ConnectError, Phase::Connect, "refused").after(latency);
            }
            Temper::Limited { gap, retry_after_secs } => {
                if state.answered_at.is_some_and(|last| now.saturating_sub(last) < gap) {
                    let refusal = retry_after_secs
                        .map_or_else(|| SimReply::status(429), |secs| SimReply::retry_after(429, secs));
                    return refusal.after(latency);
                }
                state.answered_at = Some(now);
            }
            Temper::Calm => {}
        }
        let reply = match self.find(url) {
            Some((_, Place::Robots)) => self.robots(number, host, asked),
            Some((_, Place::MovedRobots(of))) => match self.hosts.get(of).map(|host| host.robots) {
                Some(RobotsKind::Moved(to, text)) if to == number => robots_text(text),
                _ => SimReply::status(404),
            },
            Some((_, Place::At(target))) => self.page_reply(target, asked),
            Some((_, Place::Asked)) => SimReply::text("asked for"),
            None => SimReply::status(404),
        };
        reply.after(latency)
    }

    /// Draws how long this answer takes: half to twice the host's usual latency.
    fn latency(&self, host: &WorldHost, url: &CanonicalUrl, asked: u32) -> Duration {
        let drawn = self.hash(url.as_str(), u64::from(asked) + 1) % 1_000;
        let thousandths = 500 + u32::try_from(drawn * drawn / 667).unwrap_or(0);
        // Whole milliseconds, as the timers have them.
        let micros = host.latency.saturating_mul(thousandths).as_micros() / 1_000;
        Duration::from_millis(u64::try_from(micros / 1_000).unwrap_or(u64::MAX).max(1))
    }

    fn robots(&self, number: usize, host: &WorldHost, asked: u32) -> SimReply {
        match host.robots {
            RobotsKind::Absent => SimReply::status(404),
            RobotsKind::Text(_, failures) if asked < failures => SimReply::status(503),
            RobotsKind::Text(text, _) => robots_text(text),
            RobotsKind::Unreachable => SimReply::status(503),
            RobotsKind::Moved(..) => SimReply::redirect(301, &self.moved_robots(number).unwrap_or_default()),
        }
    }

    fn page_reply(&self, target: Target, asked: u32) -> SimReply {
        let kind = match target {
            Target::Page { host, page } => self.page(host, page).map(|page| page.kind),
            Target::Calendar { host, .. } | Target::Spiral { host, .. } => {
                self.hosts.get(host).filter(|host| host.endless).map(|_| PageKind::Page)
            }
            Target::Elsewhere(_) => None,
        };
        match kind {
            None => SimReply::status(404),
            Some(PageKind::Page) => SimReply::html(self.html(target)),
            Some(PageKind::File) => SimReply::new(200, &[("Content-Type", "application/pdf")], "%PDF-1.7"),
            Some(PageKind::Big) => {
                let mut html = self.html(target);
                html.push_str(&" ".repeat(BIG_BYTES));
                SimReply::html(html)
            }
            Some(PageKind::Slow(time)) => SimReply::html(self.html(target)).over(time),
            Some(PageKind::Redirect(to)) => SimReply::redirect(302, &self.url(to)),
            Some(PageKind::Circle) => SimReply::redirect(302, &self.url(target)),
            Some(PageKind::Fails(_, Some(times))) if asked >= times => SimReply::html(self.html(target)),
            Some(PageKind::Fails(failing, _)) => failure(failing),
        }
    }

    fn html(&self, target: Target) -> String {
        let link = |to: Target| format!("<a href=\"{}\">x</a>\n", self.url(to));
        let links: String = self.links(target).into_iter().map(link).collect();
        format!("<!DOCTYPE html>\n<title>{}</title>\n{links}", self.url(target))
    }
}

fn failure(failing: Failing) -> SimReply {
    match failing {
        Failing::Status(status) => SimReply::status(status),
        Failing::Busy(secs) => SimReply::retry_after(503, secs),
        Failing::Hang => SimReply::hang(),
        Failing::Refused => SimReply::failure(Outcome::ConnectError, Phase::Connect, "refused"),
        Failing::Cut => SimReply::failure(Outcome::Incomplete, Phase::Body, "the body ended early"),
        Failing::Crash => SimReply::panic(),
    }
}

fn robots_text(text: RobotsText) -> SimReply {
    let mut lines = String::from("User-agent: *\n");
    if text.private {
        lines.push_str("Disallow: /private/\n");
    }
    if let Some(secs) = text.crawl_delay_secs {
        lines.push_str(&format!("Crawl-delay: {secs}\n"));
    }
    SimReply::text(lines)
}
