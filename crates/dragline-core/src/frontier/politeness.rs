//! Decides how long a host is left alone: every gap apart, each with its reason.

use std::time::Duration;

use super::durable::ClockImage;
use super::types::{Fetched, Trigger};
use crate::chance::Chance;
use crate::decision::{Decision, Source};
use crate::disposition::SkipReason;
use crate::outcome::Outcome;
use crate::rules::PolitenessRules;
use crate::time::{Time, Wall};

/// Weight of the newest time to first byte in the smoothed latency.
const LATENCY_WEIGHT: f64 = 0.3;
/// The first penalty; half of it is none.
const PENALTY_MIN: Duration = Duration::from_secs(2);
/// A penalty is halved after this long without a trigger, or ten gaps when that is longer.
const QUIET_MIN: Duration = Duration::from_secs(60);
/// Failed connections in a row that make a host back off.
const CONNECT_ERRORS_MAX: u32 = 3;

/// One reason why a host is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restraint {
    /// The least time between two dispatches.
    Gap {
        /// `delay`, `adaptive`, `penalty` or `crawl_delay`.
        name: &'static str,
        /// The time.
        gap: Duration,
    },
    /// Nothing is dispatched before this time.
    Until {
        /// `penalty` or `retry_after`.
        name: &'static str,
        /// The time.
        until: Time,
    },
}

/// The clock, the slots and the gaps of one host. It knows no names, so that a second one can keep an address that
/// many hosts share: a dispatch is then due when both clocks say so.
#[derive(Debug)]
pub struct HostClock {
    delay: Duration,
    concurrency: u32,
    leased: u32,
    sessions: u32,
    last_dispatch: Option<Time>,
    /// When a slot became free while all were taken.
    free_since: Time,
    latency: Option<Duration>,
    adaptive_gap: Duration,
    penalty: Penalty,
    crawl_delay: Option<Duration>,
    retry_after_until: Time,
    connect_errors: u32,
    refusing_since: Option<Time>,
    parked: Option<Decision<SkipReason>>,
    /// The last dispatch was a session's, so that the next is the crawl's if it wants it.
    session_was_last: bool,
    /// A session waits for the next dispatch; the crawl leaves it alone until then.
    claimed_until: Time,
}

#[derive(Debug, Default)]
struct Penalty {
    /// Before jitter: what the next step doubles.
    base: Duration,
    /// After jitter.
    gap: Duration,
    stepped_at: Option<Time>,
    /// The last trigger or halving.
    quiet_since: Time,
    /// The first dispatch after a step comes no earlier, even if the fetch that triggered it took long.
    until: Time,
}

impl HostClock {
    /// Makes the clock of a host that was never asked anything; `host` is its name.
    pub fn new(rules: &PolitenessRules, host: &str) -> Self {
        let matching =
            |rule: &&crate::rules::PolitenessRule| rule.hosts.iter().any(|name| name.matches(host));
        let rule = rules.rules.iter().find(matching);
        Self {
            delay: rule.and_then(|rule| rule.delay).unwrap_or(rules.delay),
            concurrency: rule.and_then(|rule| rule.concurrency).unwrap_or(rules.concurrency).max(1),
            leased: 0,
            sessions: 0,
            last_dispatch: None,
            free_since: Time::ZERO,
            latency: None,
            adaptive_gap: Duration::ZERO,
            penalty: Penalty::default(),
            crawl_delay: None,
            retry_after_until: Time::ZERO,
            connect_errors: 0,
            refusing_since: None,
            parked: None,
            session_was_last: false,
            claimed_until: Time::ZERO,
        }
    }

    /// Returns the slots: one while robots.txt asks for a crawl delay, else as configured.
    pub const fn slots(&self) -> u32 {
        if self.crawl_delay.is_some() { 1 } else { self.concurrency }
    }

    /// Returns the slots as configured, which a crawl delay may have lowered meanwhile.
    pub const fn slots_max(&self) -> u32 {
        self.concurrency
    }

    /// Returns how many slots are free.
    pub const fn free_slots(&self) -> u32 {
        self.slots().saturating_sub(self.in_use())
    }

    /// Returns how many slots are taken, those of sessions included.
    pub const fn in_use(&self) -> u32 {
        self.leased + self.sessions
    }

    /// Returns how many slots leases of the crawl have taken.
    pub const fn leased(&self) -> u32 {
        self.leased
    }

    /// Returns how many slots sessions have taken.
    pub const fn sessions(&self) -> u32 {
        self.sessions
    }

    /// Returns the gap in force: the greatest of all.
    pub fn gap(&self) -> Duration {
        self.own_gap().max(self.penalty.gap)
    }

    /// Returns when the next dispatch is due, as far as gaps and waits go.
    pub fn due(&self) -> Time {
        let after_gap = self.last_dispatch.map_or(Time::ZERO, |last| last + self.gap());
        after_gap.max(self.penalty.until).max(self.retry_after_until)
    }

    /// Returns when the next dispatch of the crawl is due: a session that waits goes first.
    pub fn crawl_due(&self) -> Time {
        self.due().max(self.claimed_until)
    }

    /// Whether a penalty or a `Retry-After`, rather than the host's own gap, decides when it is due.
    pub fn is_backing_off(&self) -> bool {
        let own = self.last_dispatch.map_or(Time::ZERO, |last| last + self.own_gap());
        self.due() > own
    }

    /// Whether nothing would become less polite if the host were forgotten: no slot is taken, no session has been
    /// promised a turn, every gap and wait is over, and so is the memory of the last penalty.
    ///
    /// A host that was given up is never idle: forgotten, it would be asked again. What is lost is learnt again from the
    /// next fetch or two: latency, failed connections in a row, since when the host only refuses. A crawl delay cannot be
    /// learnt from a fetch: who forgets a host that has one must ask its robots.txt anew.
    pub fn is_idle(&self, now: Time) -> bool {
        let penalty_is_over =
            self.penalty.base.is_zero() || now.since(self.penalty.quiet_since) >= self.quiet_window();
        self.in_use() == 0 && self.parked.is_none() && self.crawl_due() <= now && penalty_is_over
    }

    /// Returns since when a slot has been free.
    pub const fn free_since(&self) -> Time {
        self.free_since
    }

    /// Returns why the host was given up, if it was.
    pub const fn parked(&self) -> Option<&Decision<SkipReason>> {
        self.parked.as_ref()
    }

    /// Gives the host up. The first reason stays.
    pub fn park(&mut self, decision: Decision<SkipReason>) {
        self.parked.get_or_insert(decision);
    }

    /// Sets the crawl delay that robots.txt asks for, already capped.
    pub const fn set_crawl_delay(&mut self, crawl_delay: Option<Duration>) {
        self.crawl_delay = crawl_delay;
    }

    /// Returns every reason to leave the host alone, in force or not.
    pub fn restraints(&self) -> Vec<Restraint> {
        let gap = |name, gap| Restraint::Gap { name, gap };
        vec![
            gap("delay", self.delay),
            gap("adaptive", self.adaptive_gap),
            gap("penalty", self.penalty.gap),
            gap("crawl_delay", self.crawl_delay.unwrap_or_default()),
            Restraint::Until { name: "penalty", until: self.penalty.until },
            Restraint::Until { name: "retry_after", until: self.retry_after_until },
        ]
    }

    /// Returns what must not be forgotten of this clock; `base` is when its time began.
    pub(super) fn image(&self, base: Wall) -> ClockImage {
        let wall = |at: Time| (at > Time::ZERO).then(|| base + at.since(Time::ZERO));
        ClockImage {
            penalty_base: self.penalty.base,
            penalty_gap: self.penalty.gap,
            penalty_until: wall(self.penalty.until),
            retry_after_until: wall(self.retry_after_until),
            crawl_delay: self.crawl_delay,
            adaptive_gap: round_up(self.adaptive_gap),
            refusing_since: self.refusing_since.and_then(wall),
            parked: self.parked.as_ref().map(|decision| decision.rule),
        }
    }

    /// Takes the host to have been asked at `at`.
    pub(super) const fn asked(&mut self, at: Time) {
        self.last_dispatch = Some(at);
    }

    /// Remembers what an earlier process learned, which may have asked the host up to this moment.
    pub(super) fn restore(&mut self, now: Time, image: &ClockImage, base: Wall) {
        let time = |at: Option<Wall>| at.map_or(Time::ZERO, |at| Time::ZERO + at.since(base));
        self.asked(now);
        self.penalty.base = image.penalty_base;
        self.penalty.gap = image.penalty_gap;
        self.penalty.until = time(image.penalty_until);
        self.penalty.quiet_since = now;
        self.retry_after_until = time(image.retry_after_until);
        self.crawl_delay = image.crawl_delay;
        self.adaptive_gap = image.adaptive_gap;
        self.refusing_since = image.refusing_since.map(|at| time(Some(at)));
        self.parked = image.parked.map(|rule| Decision::by_key(SkipReason::Parked, rule));
    }

    /// Takes a slot for a dispatch of the crawl.
    ///
    /// # Panics
    /// When no slot is free, the host is parked, or its gap has not passed: going on would be impolite.
    pub fn dispatch(&mut self, now: Time) {
        assert!(now >= self.crawl_due(), "a host is leased before it is due");
        self.take_slot(now);
        self.leased += 1;
        self.session_was_last = false;
    }

    /// Takes a slot for a dispatch of a session.
    pub(super) fn dispatch_session(&mut self, now: Time) {
        assert!(now >= self.due(), "a session is admitted before its host is due");
        self.take_slot(now);
        self.sessions += 1;
        self.session_was_last = true;
        self.claimed_until = Time::ZERO;
    }

    /// Whether the next dispatch is the crawl's, if it wants it.
    pub(super) const fn owes_the_crawl(&self) -> bool {
        self.session_was_last
    }

    /// Returns when a session that had the last turn may have another, even if the crawl did not take its own.
    pub(super) fn second_turn(&self) -> Time {
        self.due() + self.gap()
    }

    /// Keeps the crawl off until a time, so that a session gets its turn.
    pub(super) const fn claim(&mut self, until: Time) {
        self.claimed_until = until;
    }

    fn take_slot(&mut self, now: Time) {
        assert!(self.free_slots() > 0, "more fetches on a host than it has slots");
        assert!(self.parked.is_none(), "a parked host is dispatched to");
        self.last_dispatch = Some(now);
    }

    /// Gives back the slot of a lease.
    ///
    /// # Panics
    /// When no lease has one.
    pub fn free(&mut self, now: Time) {
        assert!(self.leased > 0, "a slot is given back that was not taken");
        self.note_free(now);
        self.leased -= 1;
    }

    /// Gives back the slot of a session; `false` when none was taken.
    pub(super) fn free_session(&mut self, now: Time) -> bool {
        if self.sessions == 0 {
            return false;
        }
        self.note_free(now);
        self.sessions -= 1;
        true
    }

    fn note_free(&mut self, now: Time) {
        if self.free_slots() == 0 {
            self.free_since = now;
        }
    }

    /// Returns the time of the last dispatch.
    pub const fn last_dispatch(&self) -> Option<Time> {
        self.last_dispatch
    }

    /// Learns from a finished fetch that was dispatched at `leased_at`; returns the trigger if a backoff began.
    pub fn observe(
        &mut self,
        now: Time,
        leased_at: Time,
        fetched: &Fetched,
        rules: &PolitenessRules,
        chance: &mut Chance,
    ) -> Option<Trigger> {
        if fetched.outcome.has_response() {
            self.connect_errors = 0;
        }
        if matches!(fetched.outcome, Outcome::Ok | Outcome::OkTruncated | Outcome::Redirect) {
            self.learn_latency(fetched.ttfb, rules);
            self.ease(now);
        }
        if !rules.backoff {
            return None;
        }
        self.note_refusal(now, fetched, rules);
        let honoured = matches!(fetched.status, Some(429 | 300..=399 | 500..=599));
        if let Some(wait) = fetched.retry_after.filter(|wait| honoured && !wait.is_zero()) {
            return self.obey_retry_after(now, wait, rules);
        }
        let trigger = match (fetched.outcome, fetched.status) {
            (Outcome::HttpError, Some(429)) => Trigger::Status429,
            (Outcome::HttpError, Some(503)) => Trigger::Status503,
            (Outcome::Timeout, _) => Trigger::Timeout,
            (Outcome::ConnectError, _) => {
                self.connect_errors += 1;
                if self.connect_errors < CONNECT_ERRORS_MAX {
                    return None;
                }
                self.connect_errors = 0;
                Trigger::Connect
            }
            _ => return None,
        };
        self.step(now, leased_at, rules, chance).then_some(trigger)
    }

    /// The gap without penalties.
    fn own_gap(&self) -> Duration {
        self.delay.max(self.adaptive_gap).max(self.crawl_delay.unwrap_or_default())
    }

    fn learn_latency(&mut self, ttfb: Option<Duration>, rules: &PolitenessRules) {
        let Some(ttfb) = ttfb.filter(|_| rules.adaptive) else { return };
        let smoothed = match self.latency {
            None => ttfb,
            Some(old) => old.mul_f64(1.0 - LATENCY_WEIGHT).saturating_add(ttfb.mul_f64(LATENCY_WEIGHT)),
        };
        self.latency = Some(smoothed);
        let longest = rules.delay_max.max(self.delay);
        let wanted = Duration::try_from_secs_f64(smoothed.as_secs_f64() * rules.factor).unwrap_or(longest);
        let target = wanted.clamp(self.delay, longest);
        self.adaptive_gap = target.max((self.adaptive_gap / 2).saturating_add(target / 2));
    }

    /// Halves the penalty when a quiet window has passed; asked when a fetch succeeds, since time alone proves nothing.
    fn ease(&mut self, now: Time) {
        if self.penalty.base.is_zero() || now.since(self.penalty.quiet_since) < self.quiet_window() {
            return;
        }
        self.penalty.quiet_since = now;
        self.penalty.base /= 2;
        self.penalty.gap /= 2;
        if self.penalty.base < PENALTY_MIN {
            self.penalty.base = Duration::ZERO;
            self.penalty.gap = Duration::ZERO;
        }
    }

    /// Returns how long no trigger must come before a penalty is halved.
    fn quiet_window(&self) -> Duration {
        QUIET_MIN.max(self.adaptive_gap.saturating_mul(10))
    }

    /// Doubles the penalty, once for all fetches that were under way together.
    fn step(&mut self, now: Time, leased_at: Time, rules: &PolitenessRules, chance: &mut Chance) -> bool {
        self.penalty.quiet_since = now;
        if self.penalty.stepped_at.is_some_and(|stepped_at| leased_at <= stepped_at) {
            return false;
        }
        self.penalty.stepped_at = Some(now);
        // Jitter multiplies in floating point, which must stay far from overflow.
        let longest = rules.backoff_max.min(Duration::from_secs(u64::from(u32::MAX)));
        self.penalty.base = longest.min((self.penalty.base * 2).max(PENALTY_MIN));
        self.penalty.gap = chance.jitter(self.penalty.base, rules.jitter).min(longest);
        self.penalty.until = self.penalty.until.max(now + self.penalty.gap);
        true
    }

    fn obey_retry_after(&mut self, now: Time, wait: Duration, rules: &PolitenessRules) -> Option<Trigger> {
        if wait > rules.backoff_max {
            self.park(Decision::by_key(SkipReason::Parked, "politeness.backoff_max"));
            return None;
        }
        let earlier = self.retry_after_until;
        self.retry_after_until = earlier.max(now + wait);
        (earlier <= now).then_some(Trigger::RetryAfter)
    }

    /// Gives up a host that has only refused for too long.
    fn note_refusal(&mut self, now: Time, fetched: &Fetched, rules: &PolitenessRules) {
        let refused = match (fetched.outcome, fetched.status) {
            (Outcome::HttpError, Some(429 | 503)) => true,
            (outcome, _) if outcome.has_response() => {
                self.refusing_since = None;
                false
            }
            (outcome, _) => matches!(outcome, Outcome::Timeout | Outcome::ConnectError | Outcome::DnsError),
        };
        if refused && now.since(*self.refusing_since.get_or_insert(now)) >= rules.give_up_after {
            let key = "politeness.give_up_after";
            self.park(Decision {
                verdict: SkipReason::Parked,
                rule: key,
                source: Source::Config { key, index: None },
            });
        }
    }
}

/// Rounds an adaptive gap up to a power of two of milliseconds, so that it is noted rarely.
fn round_up(gap: Duration) -> Duration {
    let millis = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX >> 1);
    if gap.is_zero() { gap } else { Duration::from_millis((millis + 1).next_power_of_two()) }
}
