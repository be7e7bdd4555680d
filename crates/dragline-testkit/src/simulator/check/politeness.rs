//! Checks that no host was asked sooner, oftener or for more than it and the operator allow.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_core::CanonicalUrl;

use super::{Evidence, Problems};
use crate::simulator::conditions::BACKOFF_MAX;
use crate::simulator::web::LoggedFetch;
use crate::simulator::world::{Place, RobotsKind, RobotsText};

/// What has been seen of one host.
#[derive(Debug, Default)]
struct Seen {
    last_began: Option<Duration>,
    /// Ends of fetches that were under way when the last one began; `None`: with the life.
    under_way: Vec<Option<Duration>>,
    /// Spans in which the host asked to be left alone.
    closed: Vec<(Duration, Duration)>,
    /// When robots.txt was there, or known to be absent.
    robots_since: Option<Duration>,
    /// The process died since the last fetch.
    is_reborn: bool,
}

impl Seen {
    /// Notes the end of a life: what was under way is so no longer, and what the host asked for may be forgotten.
    fn die(&mut self) {
        self.under_way.clear();
        self.closed.clear();
        self.is_reborn = true;
    }
}

/// Whether the URL is that of a robots.txt, which no page is.
pub(super) fn is_errand(url: &CanonicalUrl) -> bool {
    url.path() == "/robots.txt" || url.path().starts_with("/robots-of-")
}

/// Whether the URL is one that only sessions ask for.
pub(super) fn is_asked(evidence: &Evidence<'_>, url: &CanonicalUrl) -> bool {
    matches!(evidence.world.find(url), Some((_, Place::Asked)))
}

pub(super) fn check(evidence: &Evidence<'_>, problems: &mut Problems) {
    let mut hosts: BTreeMap<String, Seen> = BTreeMap::new();
    let (mut all, mut sessions) = (Vec::new(), Vec::new());
    let mut life = 0;
    for fetch in evidence.fetches {
        if std::mem::replace(&mut life, fetch.life) != fetch.life {
            all.clear();
            sessions.clear();
            hosts.values_mut().for_each(Seen::die);
        }
        // Sessions have as many lanes beside those of the crawl.
        let lanes = if is_asked(evidence, &fetch.url) { &mut sessions } else { &mut all };
        enter(lanes, fetch);
        if lanes.len() > evidence.conditions.concurrency {
            problems.add("concurrency", format!("{} fetches at {:?}", lanes.len(), fetch.began));
        }
        let host = fetch.url.authority().to_owned();
        let seen = hosts.entry(host).or_default();
        if seen.robots_since.is_none() {
            seen.robots_since = robots_since(evidence, fetch);
        }
        one(evidence, fetch, seen, problems);
    }
}

/// Takes a fetch among those that are under way.
fn enter(under_way: &mut Vec<Option<Duration>>, fetch: &LoggedFetch) {
    under_way.retain(|end| end.is_none_or(|end| end > fetch.began));
    under_way.push(fetch.ended);
}

fn one(evidence: &Evidence<'_>, fetch: &LoggedFetch, seen: &mut Seen, problems: &mut Problems) {
    let conditions = evidence.conditions;
    let text = robots_text(evidence, fetch);
    let crawl_delay = text.and_then(|text| text.crawl_delay_secs).filter(|_| conditions.robots);
    let crawl_delay =
        crawl_delay.filter(|_| !is_errand(&fetch.url)).map(|secs| Duration::from_secs(secs.into()));
    let at = |what: &str| format!("{} at {:?}: {what}", fetch.url, fetch.began);

    enter(&mut seen.under_way, fetch);
    let slots =
        if crawl_delay.is_some() { 1 } else { usize::try_from(conditions.slots).unwrap_or(usize::MAX) };
    if seen.under_way.len() > slots {
        problems.add("slots", at(&format!("{} at a time", seen.under_way.len())));
    }
    // What a host asked for may have been lost with the process that heard it; our own gap is kept over all lives.
    let crawl_delay = crawl_delay.filter(|_| !seen.is_reborn);
    let gap = conditions.delay.max(crawl_delay.unwrap_or_default());
    seen.is_reborn = false;
    if let Some(found) = seen.last_began.map(|last| fetch.began - last).filter(|found| *found < gap) {
        problems.add("gap", at(&format!("{found:?} after the last one, {gap:?} is the least")));
    }
    seen.last_began = Some(fetch.began);

    seen.closed.retain(|(_, until)| *until > fetch.began);
    if let Some((_, until)) = seen.closed.iter().find(|(from, _)| *from < fetch.began) {
        problems.add("retry_after", at(&format!("it asked to be left alone until {until:?}")));
    }
    if let (Some(ended), Some(answer)) = (fetch.ended, fetch.answer)
        && let (Some(wait), Some(429 | 503)) = (answer.retry_after, answer.status)
        && wait <= BACKOFF_MAX
    {
        seen.closed.push((ended, ended + wait));
    }

    if conditions.robots && !is_errand(&fetch.url) {
        if seen.robots_since.is_none_or(|since| since > fetch.began) {
            problems.add("robots", at("robots.txt was not known"));
        }
        if text.is_some_and(|text| text.private) && fetch.url.path().starts_with("/private/") {
            problems.add("robots", at("robots.txt disallows it"));
        }
    }
}

fn robots_text(evidence: &Evidence<'_>, fetch: &LoggedFetch) -> Option<RobotsText> {
    let host = evidence.world.host_of(&fetch.url)?;
    match evidence.world.hosts.get(host)?.robots {
        RobotsKind::Text(text, _) | RobotsKind::Moved(_, text) => Some(text),
        RobotsKind::Absent | RobotsKind::Unreachable => None,
    }
}

/// Returns when the robots.txt of a fetch's host was there, in whatever life of the crawl.
fn robots_since(evidence: &Evidence<'_>, fetch: &LoggedFetch) -> Option<Duration> {
    let host = evidence.world.host_of(&fetch.url)?;
    let own = format!("http://{}/robots.txt", fetch.url.authority());
    let place = evidence.world.moved_robots(host).unwrap_or(own);
    let here = |asked: &&LoggedFetch| asked.url.as_str() == place;
    let there =
        |asked: &LoggedFetch| asked.answer.is_some_and(|answer| matches!(answer.status, Some(200 | 404)));
    let found = evidence.fetches.iter().filter(here).find(|asked| there(asked));
    found.and_then(|asked| asked.ended)
}
