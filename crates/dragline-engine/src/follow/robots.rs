//! Asks each origin's robots.txt once, and remembers what it allows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::decision::Decision;
use dragline_core::disposition::SkipReason;
use dragline_core::fetch::{AtCap, FetchLimits, FetchRequest, FetchResponse, Phase};
use dragline_core::frontier::RobotsAnswer;
use dragline_core::robots::{self, RobotsTxt};
use dragline_core::rules::CrawlDelayOver;
use dragline_core::url::{HostKey, Origin, Scheme};
use dragline_core::{CanonicalUrl, Outcome, Time};
use tokio::sync::Notify;

use super::admission::Refusal;
use super::follower::Inner;
use crate::lanes::isolate;
use crate::spawn::Tasks;

/// Origins that are remembered; those asked longest ago make room.
const ORIGINS_MAX: usize = 16_384;
/// How long a robots.txt that could not be had is not asked for again.
const UNREACHABLE_MEMORY: Duration = Duration::from_secs(60);

/// What robots.txt said of a fetch: one word for records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RobotsWord {
    /// It was not asked.
    #[default]
    NotAsked,
    /// A rule, or the lack of one, allows the URL.
    Allowed,
    /// There is none (404 and its kin), which allows everything.
    AssumedAllowed,
    /// A rule disallows the URL.
    Disallowed,
    /// It could not be had, which disallows everything.
    Unreachable,
}

impl RobotsWord {
    /// Returns the flat `snake_case` name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Allowed => "allowed",
            Self::AssumedAllowed => "assumed_allowed",
            Self::Disallowed => "disallowed",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What is known of one origin.
#[derive(Clone, Debug)]
enum Known {
    /// It is being asked; the bell rings at the end.
    Asked(Rc<Notify>),
    /// Its rules, and where they were found.
    Rules(Arc<RobotsTxt>, CanonicalUrl),
    /// It has none.
    Unavailable,
    /// It could not be had.
    Unreachable(Refusal),
}

/// The robots.txt of every origin that was asked.
#[derive(Debug, Default)]
pub(super) struct RobotsMemory {
    origins: RefCell<BTreeMap<Origin, (Known, Time)>>,
}

/// What robots.txt says of one URL.
pub(super) struct Answer {
    pub(super) word: RobotsWord,
    /// The line of the rule that decided.
    pub(super) line: Option<u32>,
    pub(super) allowed: Result<(), Refusal>,
}

impl Answer {
    const fn new(word: RobotsWord, allowed: Result<(), Refusal>) -> Self {
        Self { word, line: None, allowed }
    }
}

/// Whether a URL may be fetched by its origin's robots.txt, asked for first when it is not known; waits at most until
/// `deadline`.
///
/// # Cancel safety
/// Dropping it leaves the errand to those who wait for it too, and its answer to the memory.
pub(super) async fn may_fetch(
    inner: &Rc<Inner>,
    tasks: &RefCell<Tasks>,
    url: &CanonicalUrl,
    deadline: Time,
) -> Answer {
    let origin = url.origin();
    loop {
        match known(inner, &origin) {
            Some(Known::Rules(txt, place)) => {
                let found = txt.check(url.path_and_query());
                if found.allowed {
                    return Answer { line: found.line, ..Answer::new(RobotsWord::Allowed, Ok(())) };
                }
                let line = found.line.map(|line| format!(":{line}")).unwrap_or_default();
                let message = format!("{place}{line} disallows it");
                let refusal = Refusal::new(Outcome::RobotsDenied, Phase::Queue, message);
                return Answer { line: found.line, ..Answer::new(RobotsWord::Disallowed, Err(refusal)) };
            }
            Some(Known::Unavailable) => return Answer::new(RobotsWord::AssumedAllowed, Ok(())),
            Some(Known::Unreachable(refusal)) => return Answer::new(RobotsWord::Unreachable, Err(refusal)),
            Some(Known::Asked(bell)) => {
                if inner.hosts.until(deadline, bell.notified()).await.is_none() {
                    let message = format!("the deadline passed while waiting for the robots.txt of {origin}");
                    let refusal = Refusal::new(Outcome::Timeout, Phase::Queue, message);
                    return Answer::new(RobotsWord::NotAsked, Err(refusal));
                }
            }
            None => {
                let bell = Rc::new(Notify::new());
                remember(inner, &origin, Known::Asked(bell), Time::MAX);
                tasks.borrow_mut().spawn(errand(Rc::clone(inner), origin.clone()));
            }
        }
    }
}

fn known(inner: &Inner, origin: &Origin) -> Option<Known> {
    let origins = inner.robots.origins.borrow();
    let (known, until) = origins.get(origin)?;
    (*until > inner.clock.now()).then(|| known.clone())
}

fn remember(inner: &Inner, origin: &Origin, known: Known, until: Time) {
    let mut origins = inner.robots.origins.borrow_mut();
    if origins.len() >= ORIGINS_MAX && !origins.contains_key(origin) {
        let now = inner.clock.now();
        let is_asked = |known: &Known| matches!(known, Known::Asked(_));
        origins.retain(|_, (known, until)| is_asked(known) || *until > now);
        let oldest =
            origins.iter().filter(|(_, (known, _))| !is_asked(known)).min_by_key(|(_, (_, until))| *until);
        if let Some(oldest) =
            oldest.map(|(origin, _)| origin.clone()).filter(|_| origins.len() >= ORIGINS_MAX)
        {
            origins.remove(&oldest);
        }
    }
    let earlier = origins.insert(origin.clone(), (known, until));
    if let Some((Known::Asked(bell), _)) = earlier {
        bell.notify_waiters();
    }
}

/// Asks one origin and writes down the answer, whatever happens.
async fn errand(inner: Rc<Inner>, origin: Origin) {
    let answer = match isolate(ask(&inner, &origin)).await {
        Ok(answer) => answer,
        Err(panic) => Known::Unreachable(Refusal::new(Outcome::Crashed, Phase::Queue, panic)),
    };
    let memory = match answer {
        Known::Unreachable(_) | Known::Asked(_) => UNREACHABLE_MEMORY,
        Known::Rules(..) | Known::Unavailable => inner.rules.robots.cache,
    };
    let until = inner.clock.now() + memory;
    remember(&inner, &origin, answer, until);
    apply_crawl_delay(&inner, &origin);
}

async fn ask(inner: &Rc<Inner>, origin: &Origin) -> Known {
    let rules = &inner.rules.robots;
    let deadline = inner.clock.now() + inner.limits.deadline;
    // A name so long that no URL of the host but its root can be held.
    let Ok(mut place) = origin.at("/robots.txt") else { return Known::Unavailable };
    for _ in 0..=rules.redirects_max {
        let slot = match inner.hosts.admit(&place.host_key(), deadline).await {
            Ok(slot) => slot,
            Err(refusal) => return Known::Unreachable(unreachable(&place, refusal)),
        };
        let limits = FetchLimits {
            deadline: deadline - inner.clock.now(),
            body_bytes_max: u64::try_from(rules.bytes_max).unwrap_or(u64::MAX),
            at_cap: AtCap::Truncate,
            ..(*inner.limits).clone()
        };
        let request = FetchRequest {
            cookies: inner.cookies.clone(),
            keyring: inner.keyring.clone(),
            ..FetchRequest::get(place.clone(), Arc::new(limits))
        };
        let response = inner.transport.fetch(request).await;
        slot.release(&response);
        match robots::answer(&response, &place, rules, &inner.rules.agent.name) {
            RobotsAnswer::Rules(txt) => return Known::Rules(txt, place),
            RobotsAnswer::Unavailable { .. } => return Known::Unavailable,
            RobotsAnswer::Redirect(target) => place = target,
            RobotsAnswer::Unreachable { message, .. } => {
                return Known::Unreachable(unreachable(&place, as_refusal(&response, &message)));
            }
        }
    }
    Known::Unavailable
}

/// The URL ends as its robots.txt did when nothing came back: an address that is refused or does not answer is that,
/// and no rule of the site. An answer that means disallow puts it off.
fn as_refusal(response: &FetchResponse, message: &str) -> Refusal {
    match &response.error {
        Some(error) if response.status.is_none() => Refusal::new(response.outcome, error.phase, message),
        _ => Refusal::new(Outcome::Deferred, Phase::Queue, message),
    }
}

fn unreachable(place: &CanonicalUrl, mut refusal: Refusal) -> Refusal {
    let why = "could not be had, which means complete disallow";
    refusal.message = format!("{place} {why}: {}", refusal.message);
    refusal
}

/// Sets the longest crawl delay that an origin of the host asks for.
fn apply_crawl_delay(inner: &Inner, origin: &Origin) {
    let rules = &inner.rules.robots;
    let asked_by = |scheme| match known(inner, &Origin { scheme, ..origin.clone() }) {
        Some(Known::Rules(txt, _)) => txt.crawl_delay(),
        _ => None,
    };
    let asked = [Scheme::Http, Scheme::Https].into_iter().filter_map(asked_by).max();
    let host = HostKey { host: Arc::clone(&origin.host), port: origin.port };
    inner.hosts.set_crawl_delay(&host, asked.map(|asked| asked.min(rules.crawl_delay_max)));
    let over = asked.is_some_and(|asked| asked > rules.crawl_delay_max);
    if over && rules.crawl_delay_over == CrawlDelayOver::SkipHost {
        inner.hosts.park(&host, Decision::by_key(SkipReason::Parked, "robots.crawl_delay_over"));
    }
}
