//! Fetches URLs once through the transport, guards and robots rules of a crawl.

use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use dragline::config::Plan;
use dragline::core::fetch::{AtCap, FetchLimits, FetchRequest, FetchResponse, Method, Phase};
use dragline::core::frontier::RobotsAnswer;
use dragline::core::redirect::{self, RedirectVerdict};
use dragline::core::{CanonicalUrl, Outcome, robots};
use dragline::fetch::{AwcTransportFactory, BodyBudget, Transport, TransportFactory, TransportOptions};
use serde_json::{Value, json};

use crate::args::FetchArgs;
use crate::exit::{Exit, Fault};
use crate::progress::Bar;
use crate::{config, log, output};

/// Runs `dragline fetch`.
pub(crate) fn run(args: &FetchArgs) -> Result<Exit, Fault> {
    let mut loader = config::loader(&args.settings).seeds_optional();
    if let Some(timeout) = &args.timeout {
        loader = loader.flag("fetch.deadline", timeout.as_str(), "--timeout");
    }
    if let Some(contact) = &args.contact {
        loader = loader.flag("agent.contact", contact.as_str(), "--contact");
    }
    let (mut plan, _) = config::load(&loader, args.show.color)?;
    plan.guard.allow_networks.extend(&args.allow_net);
    log::start(&plan.log, &args.show, &Bar::new(crate::args::Progress::Off))?;
    let mut options = TransportOptions::new(
        plan.rules.agent.user_agent(),
        Arc::new(BodyBudget::new(plan.fetch.bodies_bytes_max)),
    );
    options.guard = plan.guard.clone();
    options.accept.clone_from(&plan.fetch.accept);
    options.from.clone_from(&plan.rules.agent.from);
    let factory = AwcTransportFactory::new(options).map_err(Fault::nothing_started)?;
    dragline::actix::System::new().block_on(async {
        let errand = Errand { transport: factory.open(), plan: &plan, args };
        let mut exit = Exit::Done;
        for url in &args.urls {
            let fetched = errand.fetch(url).await;
            exit = if fetched.is_well() { exit } else { Exit::NotAllWell };
            fetched.write(url, args)?;
        }
        Ok(exit)
    })
}

/// The way of one URL through robots.txt and redirects.
struct Errand<'a> {
    transport: Rc<dyn Transport>,
    plan: &'a Plan,
    args: &'a FetchArgs,
}

/// What came of one URL.
struct Fetched {
    response: FetchResponse,
    last: Option<CanonicalUrl>,
    chain: Vec<CanonicalUrl>,
    robots: &'static str,
}

/// Why robots.txt keeps us from a URL.
struct Refused {
    /// What the record says of robots.txt.
    robots: &'static str,
    outcome: Outcome,
    phase: Phase,
    message: String,
}

impl Refused {
    const fn denied(message: String) -> Self {
        Self { robots: "disallowed", outcome: Outcome::RobotsDenied, phase: Phase::Queue, message }
    }

    /// The URL ends as its robots.txt did: an address that is refused or does not answer is that, and no rule of the
    /// site. An answer of the server that means disallow is one.
    fn unreachable(response: &FetchResponse, message: String) -> Self {
        let (outcome, phase) = match &response.error {
            Some(error) if response.status.is_none() => (response.outcome, error.phase),
            _ => (Outcome::RobotsDenied, Phase::Queue),
        };
        Self { robots: "unreachable", outcome, phase, message }
    }
}

impl Errand<'_> {
    async fn fetch(&self, text: &str) -> Fetched {
        let mut url = match CanonicalUrl::parse(text) {
            Ok(url) => url,
            Err(error) => {
                let response = FetchResponse::failed(Outcome::InvalidUrl, Phase::Queue, error.to_string());
                return Fetched { response, last: None, chain: Vec::new(), robots: "not_asked" };
            }
        };
        let mut chain = Vec::new();
        loop {
            let robots = self.robots(&url).await;
            let (robots, mut response) = match robots {
                Ok(robots) => (robots, self.transport.fetch(self.request(&url)).await),
                Err(Refused { robots, outcome, phase, message }) => {
                    (robots, FetchResponse::failed(outcome, phase, message))
                }
            };
            let target =
                redirect::location(&response, &url).filter(|_| response.outcome == Outcome::Redirect);
            match target {
                Some(Ok(target)) if !self.args.no_follow => {
                    match redirect::judge(&chain, &url, &target, self.plan.rules.redirects_max) {
                        RedirectVerdict::Follow | RedirectVerdict::Respell => {
                            chain.push(std::mem::replace(&mut url, target));
                            continue;
                        }
                        RedirectVerdict::TooMany | RedirectVerdict::Loop => {
                            let message = format!("redirects do not end: the next is {target}");
                            response = FetchResponse::failed(Outcome::RedirectError, Phase::Ttfb, message);
                        }
                    }
                }
                Some(Err(error)) => {
                    let message = format!("redirect to what cannot be fetched: {error}");
                    response = FetchResponse::failed(Outcome::RedirectError, Phase::Ttfb, message);
                }
                _ => {}
            }
            return Fetched { response, last: Some(url), chain, robots };
        }
    }

    /// Asks the origin's robots.txt; an error says why the URL may not be fetched.
    async fn robots(&self, url: &CanonicalUrl) -> Result<&'static str, Refused> {
        if self.args.ignore_robots || !self.plan.rules.robots.obey {
            return Ok("not_asked");
        }
        let rules = &self.plan.rules.robots;
        let mut place = url.origin().at("/robots.txt").map_err(|error| Refused::denied(error.to_string()))?;
        for _ in 0..=rules.redirects_max {
            let body_bytes_max = u64::try_from(rules.bytes_max).unwrap_or(u64::MAX);
            let limits =
                FetchLimits { body_bytes_max, at_cap: AtCap::Truncate, ..self.plan.fetch.limits.clone() };
            let request =
                FetchRequest { limits: Arc::new(limits), method: Method::Get, ..self.request(&place) };
            let response = self.transport.fetch(request).await;
            match robots::answer(&response, &place, rules, &self.plan.rules.agent.name) {
                RobotsAnswer::Rules(txt) => {
                    let found = txt.check(url.path_and_query());
                    let line = found.line.map(|line| format!(":{line}")).unwrap_or_default();
                    let refused = || Refused::denied(format!("{place}{line} disallows it"));
                    return if found.allowed { Ok("allowed") } else { Err(refused()) };
                }
                RobotsAnswer::Unavailable { .. } => return Ok("assumed_allowed"),
                RobotsAnswer::Unreachable { message, .. } => {
                    let message =
                        format!("{place} could not be had, which means complete disallow: {message}");
                    return Err(Refused::unreachable(&response, message));
                }
                RobotsAnswer::Redirect(target) => place = target,
            }
        }
        Ok("assumed_allowed")
    }

    fn request(&self, url: &CanonicalUrl) -> FetchRequest {
        let request = FetchRequest::get(url.clone(), Arc::new(self.plan.fetch.limits.clone()));
        if self.args.head { FetchRequest { method: Method::Head, ..request } } else { request }
    }
}

impl Fetched {
    fn is_well(&self) -> bool {
        matches!(self.response.outcome, Outcome::Ok | Outcome::OkTruncated | Outcome::Redirect)
    }

    fn write(&self, url: &str, args: &FetchArgs) -> Result<(), Fault> {
        let to_stdout = args.output.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if to_stdout {
            let written = output::raw(&self.response.body).context("could not write the body");
            return written.map_err(|error| Fault::new(Exit::Storage, error));
        }
        if let Some(path) = &args.output {
            let written = fs::write(path, &self.response.body);
            let written = written.with_context(|| format!("could not write {}", path.display()));
            written.map_err(|error| Fault::new(Exit::Storage, error))?;
        }
        output::data(&self.record(url).to_string())
    }

    fn record(&self, url: &str) -> Value {
        let response = &self.response;
        let millis = |span: std::time::Duration| (span.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
        let mut phases = serde_json::Map::new();
        for phase in Phase::TIMED {
            phases.insert(format!("{}_ms", phase.name()), json!(response.phases.get(phase).map(millis)));
        }
        phases.insert("total_ms".into(), json!(millis(response.phases.total)));
        let error = response.error.as_ref();
        json!({
            "url": url,
            "outcome": response.outcome.name(),
            "status": response.status,
            "content_type": response.headers.get_str("content-type"),
            "bytes": response.body.len(),
            "wire_bytes": response.body_wire_bytes,
            "final_url": self.last.as_ref().map(CanonicalUrl::as_str),
            "chain": self.chain.iter().map(CanonicalUrl::as_str).collect::<Vec<_>>(),
            "phases": phases,
            "peer": response.peer.map(|peer| peer.to_string()),
            "robots": self.robots,
            "error": error.map(|error| json!({"phase": error.phase.name(), "message": error.message})),
        })
    }
}
