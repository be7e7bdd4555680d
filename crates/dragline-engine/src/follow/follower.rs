//! Fetches one URL to its end: every hop admitted, allowed by robots.txt, and within one absolute deadline.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::auth::Keyring;
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchLimits, FetchRequest, FetchResponse, Phase};
use dragline_core::redirect::{self, RedirectVerdict};
use dragline_core::rules::CrawlRules;
use dragline_core::{CanonicalUrl, FetchError, Outcome, Time};
use dragline_fetch::Transport;
use dragline_telemetry::escape::LoggedUrls;

use super::admission::{Hosts, Refusal, Slot};
use super::next;
use super::robots::{self, RobotsMemory, RobotsWord};
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
    /// Feeds the jitter of penalties.
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
    /// How long it waited for robots.txt and for its turn at hosts, all hops together.
    pub waited: Duration,
}

/// Fetches under one handle each, all on the calling arbiter; clones share hosts, robots.txt and connections.
#[derive(Clone)]
pub struct Follower {
    inner: Rc<Inner>,
    /// Errands for robots.txt, and the care for connections: they end with the last clone.
    tasks: Rc<RefCell<Tasks>>,
}

/// What fetches and errands share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) clock: Clock,
    pub(super) rules: Arc<CrawlRules>,
    pub(super) limits: Arc<FetchLimits>,
    pub(super) transport: Rc<dyn Transport>,
    pub(super) cookies: Option<Arc<CookieJar>>,
    pub(super) keyring: Option<Arc<Keyring>>,
    log_urls: LoggedUrls,
    pub(super) hosts: Rc<Hosts>,
    pub(super) robots: RobotsMemory,
}

/// How far a fetch has come: what remains of it when it is cut short.
struct Journey {
    url: CanonicalUrl,
    chain: Vec<CanonicalUrl>,
    robots: RobotsWord,
    robots_line: Option<u32>,
    waited: Duration,
}

impl Follower {
    /// Starts one; must be called within an actix system or another set of local tasks.
    pub fn new(parts: FollowerParts) -> Self {
        let FollowerParts { clock, rules, limits, transport, cookies, keyring, log_urls, seed } = parts;
        let hosts = Rc::new(Hosts::new(clock, rules.politeness.clone(), seed));
        let mut tasks = Tasks::default();
        let tended = Rc::clone(&transport);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(TRANSPORT_TICK).await;
                tended.tick();
            }
        });
        let robots = RobotsMemory::default();
        let inner = Inner { clock, rules, limits, transport, cookies, keyring, log_urls, hosts, robots };
        Self { inner: Rc::new(inner), tasks: Rc::new(RefCell::new(tasks)) }
    }

    /// Fetches one URL to its end. The deadline of its limits is for everything together: waiting for its turn at
    /// each host, for robots.txt, and every hop.
    ///
    /// Whatever happens is an outcome of the response; a panic below is `crashed`.
    ///
    /// # Cancel safety
    /// Dropping it closes its connection and gives its slot back.
    pub async fn fetch(&self, request: FetchRequest, options: FollowOptions) -> Followed {
        let began = self.inner.clock.now();
        let journey = RefCell::new(Journey {
            url: request.url.clone(),
            chain: Vec::new(),
            robots: RobotsWord::NotAsked,
            robots_line: None,
            waited: Duration::ZERO,
        });
        let mut response = match isolate(self.walk(request, options, began, &journey)).await {
            Ok(response) => response,
            Err(panic) => FetchResponse::failed(Outcome::Crashed, Phase::Queue, panic),
        };
        response.phases.total = self.inner.clock.now() - began;
        let Journey { url, chain, robots, robots_line, waited } = journey.into_inner();
        tracing::debug!(
            target: "dragline::fetch",
            url = %self.inner.log_urls.show(url.as_str()),
            outcome = %response.outcome,
            status = response.status,
            hops = chain.len(),
            robots = robots.name(),
            ?waited,
            "fetched"
        );
        Followed { response, url, chain, robots, robots_line, waited }
    }

    async fn walk(
        &self,
        mut request: FetchRequest,
        options: FollowOptions,
        began: Time,
        journey: &RefCell<Journey>,
    ) -> FetchResponse {
        let deadline = began + request.limits.deadline;
        loop {
            let response = match self.hop(&request, options, deadline, journey).await {
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

    /// Fetches one hop, when robots.txt allows it and the host has a slot.
    async fn hop(
        &self,
        request: &FetchRequest,
        options: FollowOptions,
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> Result<FetchResponse, Refusal> {
        let inner = &self.inner;
        let asked = inner.clock.now();
        let admitted = self.admit(request, options, deadline, journey).await;
        journey.borrow_mut().waited += inner.clock.now() - asked;
        let slot = admitted?;
        let limits = FetchLimits { deadline: deadline - inner.clock.now(), ..(*request.limits).clone() };
        let hop = FetchRequest { limits: Arc::new(limits), ..request.clone() };
        let mut response = inner.transport.fetch(hop).await;
        slot.release(&response);
        if let (Outcome::Timeout, Some(error)) = (response.outcome, &mut response.error)
            && inner.clock.now() >= deadline
        {
            // The transport knows what was left of it.
            let asked = request.limits.deadline;
            error.message = format!("the deadline of {asked:?} for all hops and waits passed");
        }
        Ok(response)
    }

    /// Waits until robots.txt allows it and the host has a slot.
    async fn admit(
        &self,
        request: &FetchRequest,
        options: FollowOptions,
        deadline: Time,
        journey: &RefCell<Journey>,
    ) -> Result<Slot, Refusal> {
        let inner = &self.inner;
        if options.robots && request.url.path_and_query() != "/robots.txt" {
            let answer = robots::may_fetch(inner, &self.tasks, &request.url, deadline).await;
            {
                let mut journey = journey.borrow_mut();
                (journey.robots, journey.robots_line) = (answer.word, answer.line);
            }
            answer.allowed?;
        }
        inner.hosts.admit(&request.url.host_key(), deadline).await
    }
}

/// Ends a redirect that is not followed any further as the server's fault.
fn endless(response: FetchResponse, message: String) -> FetchResponse {
    let error = Some(FetchError { phase: Phase::Ttfb, message });
    FetchResponse { outcome: Outcome::RedirectError, error, body: Default::default(), hold: None, ..response }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("transport", &self.inner.transport).finish_non_exhaustive()
    }
}
