//! Fetches one URL to its end: every hop admitted, allowed by robots.txt, and within one absolute deadline.

use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::auth::Keyring;
use dragline_core::chance::Chance;
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchLimits, FetchRequest, FetchResponse, Phase};
use dragline_core::redirect::{self, RedirectVerdict};
use dragline_core::rules::CrawlRules;
use dragline_core::{CanonicalUrl, FetchError, Outcome, Time};
use dragline_fetch::Transport;
use dragline_telemetry::Telemetry;
use dragline_telemetry::escape::LoggedUrls;
use dragline_telemetry::events::RetryScheduled;
use dragline_telemetry::labels::RetryReason;

use super::admission::Hosts;
use super::again::Attempts;
use super::crawl_gate::CrawlGate;
use super::gate::{Gate, OwnGate, Refusal, Slot};
use super::next;
use super::robots::{RobotsMemory, RobotsWord};
use super::wire::{Lot, Wire};
use crate::clock::Clock;
use crate::lanes::isolate;
use crate::spawn::Tasks;

/// How often idle connections are looked after.
const TRANSPORT_TICK: Duration = Duration::from_secs(1);

/// What a follower is made from.
#[derive(Debug)]
pub struct FollowerParts {
    /// The clock of the run.
    pub clock: Clock,
    /// Who we are, how hosts are spared, how robots.txt is obeyed.
    pub rules: Arc<CrawlRules>,
    /// The limits of each fetch of a robots.txt, but for its size; the deadline is for all its redirects together.
    pub limits: Arc<FetchLimits>,
    /// The way to the network.
    pub transport: Rc<dyn Transport>,
    /// The cookies of fetches of robots.txt; other fetches carry their own.
    pub cookies: Option<Arc<CookieJar>>,
    /// The credentials of fetches of robots.txt; other fetches carry their own.
    pub keyring: Option<Arc<Keyring>>,
    /// How much of a URL log lines show.
    pub log_urls: LoggedUrls,
    /// Counts and logs every fetch, those of robots.txt included, retries, backoffs and what robots.txt decides.
    pub telemetry: Option<Arc<Telemetry>>,
    /// Feeds the jitter of penalties and of the waits between attempts.
    pub seed: u64,
}

/// What one fetch may do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowOptions {
    /// Redirects that are followed; one more ends `redirect_error`. `None`: none is followed, and a redirect is the
    /// result.
    pub redirects_max: Option<u32>,
    /// Whether robots.txt is asked.
    pub robots: bool,
    /// Attempts in all, the first included, at all hops together: 1 tries nothing again. What failed is sent again as
    /// the rules' `retry` says of outcomes, statuses and waits, if it can be before the deadline; a method that is not
    /// idempotent only if no connection was made.
    pub attempts_max: u32,
}

/// What came of one fetch.
#[derive(Debug)]
pub struct Followed {
    /// The response of the last hop; its total is that of all hops and waits.
    pub response: FetchResponse,
    /// What was fetched last.
    pub url: CanonicalUrl,
    /// The hops that led there, oldest first.
    pub chain: Vec<CanonicalUrl>,
    /// What robots.txt said of the last hop.
    pub robots: RobotsWord,
    /// The line of robots.txt that decided, from 1; `None` when none did.
    pub robots_line: Option<u32>,
    /// How long it waited for robots.txt, for its turn at hosts, and between attempts, all hops together.
    pub waited: Duration,
    /// The attempts that were made: 0 when nothing was sent, 1 when nothing was sent again.
    pub attempts: u32,
}

/// Fetches under one handle each, all on the calling arbiter; clones share hosts, robots.txt and connections.
#[derive(Clone)]
pub struct Follower {
    inner: Rc<Inner>,
    /// Errands for robots.txt, and the care for connections: they end with the last clone.
    tasks: Rc<RefCell<Tasks>>,
}

/// What clones share.
#[derive(Debug)]
struct Inner {
    rules: Arc<CrawlRules>,
    wire: Wire,
    gate: Gate,
    log_urls: LoggedUrls,
    chance: RefCell<Chance>,
}

/// How far a fetch has come: what remains of it when it is cut short.
struct Journey {
    url: CanonicalUrl,
    chain: Vec<CanonicalUrl>,
    robots: RobotsWord,
    robots_line: Option<u32>,
    waited: Duration,
    attempts: Attempts,
    /// When the last hop that was sent ended; `None` after a hop that was refused.
    ended: Option<Time>,
}

impl Follower {
    /// Starts one; must be called within an actix system or another set of local tasks.
    pub fn new(parts: FollowerParts) -> Self {
        let FollowerParts { clock, rules, limits, transport, cookies, keyring, log_urls, telemetry, seed } =
            parts;
        let mut tasks = Tasks::default();
        let tended = Rc::clone(&transport);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(TRANSPORT_TICK).await;
                tended.tick();
            }
        });
        let hosts = Hosts::new(clock, rules.politeness.clone(), seed, telemetry.clone());
        let wire = Wire { clock, transport, telemetry };
        let own = OwnGate {
            wire: wire.clone(),
            rules: Arc::clone(&rules),
            hosts: Rc::new(hosts),
            robots: RobotsMemory::default(),
            limits,
            cookies,
            keyring,
        };
        let chance = RefCell::new(Chance::new(seed));
        let inner = Inner { rules, wire, gate: Gate::Own(Rc::new(own)), log_urls, chance };
        Self { inner: Rc::new(inner), tasks: Rc::new(RefCell::new(tasks)) }
    }

    /// Starts one whose fetches pass the gate of a running crawl, which keeps time, hosts and robots.txt in its place.
    /// Somebody else cares for the transport.
    pub(crate) fn through(gate: CrawlGate, parts: FollowerParts) -> Self {
        let FollowerParts { rules, transport, log_urls, telemetry, seed, .. } = parts;
        let wire = Wire { clock: gate.clock(), transport, telemetry };
        let chance = RefCell::new(Chance::new(seed));
        let inner = Inner { rules, wire, gate: Gate::Crawl(Rc::new(gate)), log_urls, chance };
        Self { inner: Rc::new(inner), tasks: Rc::default() }
    }

    /// Fetches one URL to its end. The deadline of its limits is for everything together: waiting for its turn at
    /// each host, for robots.txt, and every hop.
    ///
    /// Whatever happens is an outcome of the response; a panic below is `crashed`.
    ///
    /// # Cancel safety
    /// Dropping it closes its connection and gives its slot back.
    pub async fn fetch(&self, request: FetchRequest, options: FollowOptions) -> Followed {
        self.fetch_after(request, options, Duration::ZERO).await
    }

    /// As [`Follower::fetch`], for what has waited this long before: so much of its deadline has passed.
    ///
    /// # Cancel safety
    /// As [`Follower::fetch`].
    pub async fn fetch_after(
        &self,
        request: FetchRequest,
        options: FollowOptions,
        waited: Duration,
    ) -> Followed {
        let began = self.inner.wire.clock.now();
        let deadline = began + request.limits.deadline.saturating_sub(waited);
        let journey = RefCell::new(Journey {
            url: request.url.clone(),
            chain: Vec::new(),
            robots: RobotsWord::NotAsked,
            robots_line: None,
            waited,
            attempts: Attempts::new(options.attempts_max),
            ended: None,
        });
        let mut response = match isolate(pin!(self.walk(request, options, deadline, &journey))).await {
            Ok(response) => response,
            Err(panic) => FetchResponse::failed(Outcome::Crashed, Phase::Queue, panic),
        };
        let Journey { url, chain, robots, robots_line, waited: all_waits, attempts, ended } =
            journey.into_inner();
        let ended = ended.unwrap_or_else(|| self.inner.wire.clock.now());
        response.phases.total = waited + (ended - began);
        let waited = all_waits;
        tracing::debug!(
            target: "dragline::fetch",
            url = %self.inner.log_urls.show(url.as_str()),
            outcome = %response.outcome,
            status = response.status,
            hops = chain.len(),
            robots = robots.name(),
            attempts = attempts.made,
            ?waited,
            "fetched"
        );
        Followed { response, url, chain, robots, robots_line, waited, attempts: attempts.made }
    }

    async fn walk(
        &self,
        mut request: FetchRequest,
        options: FollowOptions,
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> FetchResponse {
        loop {
            let response = match self.persist(&request, options, deadline, journey).await {
                Ok(response) => response,
                Err(Refusal { outcome, phase, message }) => {
                    return FetchResponse::failed(outcome, phase, message);
                }
            };
            let Some(redirects_max) = options.redirects_max else { return response };
            if response.outcome != Outcome::Redirect {
                return response;
            }
            let target = match redirect::location(&response, &request.url) {
                Some(Ok(target)) => target,
                Some(Err(error)) => {
                    return endless(response, format!("redirect to what cannot be fetched: {error}"));
                }
                None => return endless(response, "redirect to nowhere".into()),
            };
            let verdict = {
                let journey = journey.borrow();
                redirect::judge(&journey.chain, &journey.url, &target, redirects_max)
            };
            match verdict {
                RedirectVerdict::Follow | RedirectVerdict::Respell => {
                    next::follow(&mut request, &target, response.status.unwrap_or_default());
                    let mut journey = journey.borrow_mut();
                    let source = std::mem::replace(&mut journey.url, target);
                    journey.chain.push(source);
                    (journey.robots, journey.robots_line) = (RobotsWord::NotAsked, None);
                }
                RedirectVerdict::TooMany => {
                    let message = format!("more than {redirects_max} redirects: the next is {target}");
                    return endless(response, message);
                }
                RedirectVerdict::Loop => {
                    let message = format!("redirects do not end: the next is {target} once more");
                    return endless(response, message);
                }
            }
        }
    }

    /// Fetches one hop as often as it is worth it. A retry that the deadline or the gate forbids leaves the attempt
    /// before as the last.
    async fn persist(
        &self,
        request: &FetchRequest,
        options: FollowOptions,
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> Result<FetchResponse, Refusal> {
        let pass = self.pass(request, options, deadline, journey).await?;
        journey.borrow_mut().attempts.begin();
        let mut response = self.send(request, pass, deadline, journey).await;
        while let Some(wait) = self.next_attempt(request, &response, deadline, journey) {
            let slept_at = self.inner.wire.clock.now();
            tokio::time::sleep(wait).await;
            journey.borrow_mut().waited += self.inner.wire.clock.now() - slept_at;
            let Ok(pass) = self.pass(request, options, deadline, journey).await else { break };
            journey.borrow_mut().attempts.begin_again();
            // Its body is not held while another is read.
            drop(response);
            response = self.send(request, pass, deadline, journey).await;
        }
        Ok(response)
    }

    /// Waits until robots.txt allows the hop and its host has a slot; returns how long that took, and when it was, too.
    async fn pass(
        &self,
        request: &FetchRequest,
        options: FollowOptions,
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> Result<(Slot, Duration, Time), Refusal> {
        let Inner { wire, gate, .. } = &*self.inner;
        let asked = wire.clock.now();
        let ask_robots = options.robots && request.url.path_and_query() != "/robots.txt";
        let passage = gate.pass(&self.tasks, &request.url, ask_robots, deadline).await;
        let since = passage.slot.as_ref().ok().and_then(Slot::since);
        let now = since.unwrap_or_else(|| wire.clock.now());
        let waited = now - asked;
        let mut journey = journey.borrow_mut();
        journey.waited += waited;
        journey.ended = None;
        (journey.robots, journey.robots_line) = (passage.robots, passage.robots_line);
        passage.slot.map(|slot| (slot, waited, now))
    }

    /// Sends the request of one hop once.
    async fn send(
        &self,
        request: &FetchRequest,
        (slot, queue_wait, now): (Slot, Duration, Time),
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> FetchResponse {
        let Inner { wire, .. } = &*self.inner;
        let limits = FetchLimits { deadline: deadline - now, ..(*request.limits).clone() };
        let gap = wire.telemetry.as_ref().and_then(|_| slot.gap());
        let lot = Lot { purpose: None, attempt: journey.borrow().attempts.made, queue_wait, gap };
        let (mut response, ended) = wire.fetch(request, limits, lot, now).await;
        slot.release(&response, &wire.clock, ended);
        journey.borrow_mut().ended = Some(ended);
        if let (Outcome::Timeout, Some(error)) = (response.outcome, &mut response.error)
            && ended >= deadline
        {
            // The transport knows what was left of it.
            let asked = request.limits.deadline;
            error.message = format!("the deadline of {asked:?} for all hops and waits passed");
        }
        response
    }

    /// Returns how long to wait for another attempt; `None` when there is none, or none before the deadline.
    fn next_attempt(
        &self,
        request: &FetchRequest,
        response: &FetchResponse,
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> Option<Duration> {
        let Inner { rules, wire, chance, .. } = &*self.inner;
        // What went well needs no second look, and no clock.
        response.outcome.fail_kind()?;
        let (wall, chance) = (wire.clock.wall(), &mut *chance.borrow_mut());
        let delay = journey.borrow_mut().attempts.again(rules, request, response, wall, chance)?;
        if wire.clock.now() + delay >= deadline {
            return None;
        }
        if let Some(telemetry) = &wire.telemetry {
            let reason = RetryReason::of(response.outcome);
            RetryScheduled { url: request.url.as_str(), reason, delay }.record(telemetry);
        }
        Some(delay)
    }
}

/// Ends a redirect that is not followed any further as the server's fault.
fn endless(response: FetchResponse, message: String) -> FetchResponse {
    let error = Some(FetchError { phase: Phase::Ttfb, message });
    FetchResponse { outcome: Outcome::RedirectError, error, body: Default::default(), hold: None, ..response }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("transport", &self.inner.wire.transport).finish_non_exhaustive()
    }
}
