//! Asks each origin's robots.txt once, and remembers what it allows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::decision::Decision;
use dragline_core::disposition::SkipReason;
use dragline_core::fetch::{AtCap, FetchLimits, FetchRequest, FetchResponse, Phase};
use dragline_core::frontier::{Purpose, RobotsAnswer, RobotsTally};
use dragline_core::robots::{self, RobotsTxt};
use dragline_core::rules::CrawlDelayOver;
use dragline_core::url::{HostKey, Origin, Scheme};
use dragline_core::{CanonicalUrl, Outcome, Time};
use dragline_telemetry::events::{RobotsDecided, RobotsFetched};
use dragline_telemetry::labels::RobotsResult;
use tokio::sync::Notify;

use super::gate::{OwnGate, Refusal, Slot};
use super::wire::Lot;
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
    /// It was asked.
    Told(Told),
}

/// What an origin's robots.txt came to.
#[derive(Clone, Debug)]
enum Told {
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
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) word: RobotsWord,
    /// The line of the rule that decided.
    pub(super) line: Option<u32>,
    pub(super) allowed: Result<(), Refusal>,
}

impl Answer {
    pub(super) const fn new(word: RobotsWord, allowed: Result<(), Refusal>) -> Self {
        Self { word, line: None, allowed }
    }
}

/// Whether a URL may be fetched by its origin's robots.txt, asked for first when it is not known; waits at most until
/// `deadline`.
///
/// # Cancel safety
/// Dropping it leaves the errand to those who wait for it too, and its answer to the memory.
pub(super) async fn may_fetch(
    own: &Rc<OwnGate>,
    tasks: &RefCell<Tasks>,
    url: &CanonicalUrl,
    deadline: Time,
) -> Answer {
    let origin = url.origin();
    loop {
        match known(own, &origin) {
            Some(Known::Asked(bell)) => {
                if own.hosts.until(deadline, bell.notified()).await.is_none() {
                    return Answer::new(RobotsWord::NotAsked, Err(too_late(&origin)));
                }
            }
            Some(Known::Told(told)) => {
                let (answer, tally) = judge(told, url);
                if let Some(telemetry) = &own.wire.telemetry {
                    RobotsDecided { tally }.record(telemetry);
                }
                return answer;
            }
            None => {
                let bell = Rc::new(Notify::new());
                remember(own, &origin, Known::Asked(bell), Time::MAX);
                tasks.borrow_mut().spawn(errand(Rc::clone(own), origin.clone()));
            }
        }
    }
}

/// Judges a URL by what is known of its origin, and says which decision that is to be counted as.
fn judge(told: Told, url: &CanonicalUrl) -> (Answer, RobotsTally) {
    let mut tally = RobotsTally::default();
    let answer = match told {
        Told::Rules(txt, place) => {
            let found = txt.check(url.path_and_query());
            let (word, allowed) = if found.allowed {
                tally.allowed = 1;
                (RobotsWord::Allowed, Ok(()))
            } else {
                tally.disallowed = 1;
                (RobotsWord::Disallowed, Err(denied(&place, found.line)))
            };
            Answer { word, line: found.line, allowed }
        }
        Told::Unavailable => {
            tally.assumed_allowed = 1;
            Answer::new(RobotsWord::AssumedAllowed, Ok(()))
        }
        Told::Unreachable(refusal) => {
            tally.assumed_disallowed = 1;
            Answer::new(RobotsWord::Unreachable, Err(refusal))
        }
    };
    (answer, tally)
}

/// Refuses what a line of a robots.txt, found at `place`, disallows.
pub(super) fn denied(place: &CanonicalUrl, line: Option<u32>) -> Refusal {
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    Refusal::new(Outcome::RobotsDenied, Phase::Queue, format!("{place}{line} disallows it"))
}

/// Refuses what could not wait any longer for the robots.txt of an origin.
pub(super) fn too_late(origin: &Origin) -> Refusal {
    let message = format!("the deadline passed while waiting for the robots.txt of {origin}");
    Refusal::new(Outcome::Timeout, Phase::Queue, message)
}

fn known(own: &OwnGate, origin: &Origin) -> Option<Known> {
    let origins = own.robots.origins.borrow();
    let (known, until) = origins.get(origin)?;
    (*until > own.wire.clock.now()).then(|| known.clone())
}

fn remember(own: &OwnGate, origin: &Origin, known: Known, until: Time) {
    let mut origins = own.robots.origins.borrow_mut();
    if origins.len() >= ORIGINS_MAX && !origins.contains_key(origin) {
        let now = own.wire.clock.now();
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
async fn errand(own: Rc<OwnGate>, origin: Origin) {
    let (told, result) = match isolate(pin!(ask(&own, &origin))).await {
        Ok(answer) => answer,
        Err(panic) => {
            let refusal = Refusal::new(Outcome::Crashed, Phase::Queue, panic);
            (Told::Unreachable(refusal), RobotsResult::Unreachable)
        }
    };
    if let Some(telemetry) = &own.wire.telemetry {
        RobotsFetched { host: &origin.host, result }.record(telemetry);
    }
    let memory = match told {
        Told::Unreachable(_) => UNREACHABLE_MEMORY,
        Told::Rules(..) | Told::Unavailable => own.rules.robots.cache,
    };
    let until = own.wire.clock.now() + memory;
    remember(&own, &origin, Known::Told(told), until);
    apply_crawl_delay(&own, &origin);
}

async fn ask(own: &OwnGate, origin: &Origin) -> (Told, RobotsResult) {
    let rules = &own.rules.robots;
    let deadline = own.wire.clock.now() + own.limits.deadline;
    // A name so long that no URL of the host but its root can be held.
    let Ok(mut place) = origin.at("/robots.txt") else {
        return (Told::Unavailable, RobotsResult::Unavailable);
    };
    for _ in 0..=rules.redirects_max {
        let response = match hop(own, &place, deadline).await {
            Ok(response) => response,
            Err(refusal) => {
                return (Told::Unreachable(unreachable(&place, refusal)), RobotsResult::Unreachable);
            }
        };
        match robots::answer(&response, &place, rules, &own.rules.agent.name) {
            RobotsAnswer::Rules(txt) => return (Told::Rules(txt, place), RobotsResult::Successful),
            RobotsAnswer::Unavailable { .. } => return (Told::Unavailable, RobotsResult::Unavailable),
            RobotsAnswer::Redirect(target) => place = target,
            RobotsAnswer::Unreachable { message, .. } => {
                let refusal = unreachable(&place, as_refusal(&response, &message));
                return (Told::Unreachable(refusal), RobotsResult::Unreachable);
            }
        }
    }
    (Told::Unavailable, RobotsResult::TooManyRedirects)
}

/// Fetches a robots.txt, or what it is redirected to, when its host has a slot.
async fn hop(own: &OwnGate, place: &CanonicalUrl, deadline: Time) -> Result<FetchResponse, Refusal> {
    let asked = own.wire.clock.now();
    let slot = own.hosts.admit(&place.host_key(), deadline).await?;
    let now = slot.since();
    let limits = FetchLimits {
        deadline: deadline - now,
        body_bytes_max: u64::try_from(own.rules.robots.bytes_max).unwrap_or(u64::MAX),
        at_cap: AtCap::Truncate,
        ..(*own.limits).clone()
    };
    let request = FetchRequest {
        cookies: own.cookies.clone(),
        keyring: own.keyring.clone(),
        ..FetchRequest::get(place.clone(), Arc::clone(&own.limits))
    };
    let gap = own.wire.telemetry.is_some().then(|| slot.gap());
    let lot = Lot { purpose: Some(Purpose::Robots), attempt: 1, queue_wait: now - asked, gap };
    let (response, ended) = own.wire.fetch(&request, limits, lot, now).await;
    Slot::Own(slot).release(&response, &own.wire.clock, ended);
    Ok(response)
}

/// The URL ends as its robots.txt did when nothing came back: an address that is refused or does not answer is that,
/// and no rule of the site. An answer that means disallow puts it off.
fn as_refusal(response: &FetchResponse, message: &str) -> Refusal {
    match &response.error {
        Some(error) if response.status.is_none() => Refusal::new(response.outcome, error.phase, message),
        _ => Refusal::new(Outcome::Deferred, Phase::Queue, message),
    }
}

/// Refuses what a robots.txt, which could not be had, may forbid.
pub(super) fn unreachable(place: &CanonicalUrl, mut refusal: Refusal) -> Refusal {
    let why = "could not be had, which means complete disallow";
    refusal.message = format!("{place} {why}: {}", refusal.message);
    refusal
}

/// Sets the longest crawl delay that an origin of the host asks for.
fn apply_crawl_delay(own: &OwnGate, origin: &Origin) {
    let rules = &own.rules.robots;
    let asked_by = |scheme| match known(own, &Origin { scheme, ..origin.clone() }) {
        Some(Known::Told(Told::Rules(txt, _))) => txt.crawl_delay(),
        _ => None,
    };
    let asked = [Scheme::Http, Scheme::Https].into_iter().filter_map(asked_by).max();
    let host = HostKey { host: Arc::clone(&origin.host), port: origin.port };
    own.hosts.set_crawl_delay(&host, asked.map(|asked| asked.min(rules.crawl_delay_max)));
    let over = asked.is_some_and(|asked| asked > rules.crawl_delay_max);
    if over && rules.crawl_delay_over == CrawlDelayOver::SkipHost {
        own.hosts.park(&host, Decision::by_key(SkipReason::Parked, "robots.crawl_delay_over"));
    }
}
