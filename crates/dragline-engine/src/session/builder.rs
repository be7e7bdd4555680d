//! Gathers what a session is made of, checks it, and starts its lanes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dragline_config::{NetworkPlan, Plan, request_field};
use dragline_core::CanonicalUrl;
use dragline_core::auth::{Credentials, Keyring};
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchLimits, HttpVersion};
use dragline_core::rules::{CrawlRules, GuardRules};
use dragline_fetch::{AwcTransportFactory, BodyBudget, TransportFactory, TransportOptions};
use dragline_telemetry::escape::LoggedUrls;
use dragline_telemetry::{Telemetry, TelemetryOptions};

use super::build_error::{SessionBuildError, SessionBuildErrors};
use super::executor::Executor;
use super::front::{Defaults, Session};
use super::hub::{Hub, HubParts};
use super::seat::Seat;
use crate::clock::Clock;
use crate::crawl::fresh_seed;
use crate::follow::FollowOptions;
use crate::network::Network;
use crate::words::with_causes;

/// Fetches at a time unless the session says otherwise.
const WORKERS: usize = 8;

/// Makes a [`Session`].
///
/// By default no gap is kept between fetches, as many go to one host as there are workers, robots.txt is not asked,
/// nothing is tried again, and the address guard is on: private, loopback and metadata addresses are refused until
/// they are allowed. Up to 10 redirects are followed.
///
/// Nothing is checked before [`SessionBuilder::build`], which tells all mistakes at once.
///
/// ```
/// use std::time::Duration;
///
/// use dragline_engine::session::{Session, SessionBuildError};
///
/// let session = Session::builder().workers(10).deadline(Duration::from_secs(5)).build()?;
/// assert_eq!(session.outstanding(), 0);
///
/// let errors = Session::builder().workers(0).base_url("nowhere").build().unwrap_err();
/// assert!(errors.0.contains(&SessionBuildError::Zero("workers")));
/// assert_eq!(errors.0.len(), 2);
/// # Ok::<(), dragline_engine::session::SessionBuildErrors>(())
/// ```
#[must_use]
pub struct SessionBuilder {
    rules: CrawlRules,
    guard: GuardRules,
    limits: FetchLimits,
    accept: String,
    network_plan: NetworkPlan,
    http_versions: Vec<HttpVersion>,
    bodies_bytes_max: u64,
    workers: usize,
    per_host: Option<u32>,
    callback_workers: Option<usize>,
    executor: Option<Executor>,
    transport: Option<Arc<dyn TransportFactory>>,
    telemetry: Option<Arc<Telemetry>>,
    headers: Vec<(Box<str>, Box<str>)>,
    cookies: Option<Arc<CookieJar>>,
    credentials: Vec<(CanonicalUrl, Credentials)>,
    base_url: Option<CanonicalUrl>,
    deadline: Option<Duration>,
    attempts_max: u32,
    log_urls: LoggedUrls,
    is_local: bool,
    is_sequential: bool,
    seed: Option<u64>,
    faults: Vec<SessionBuildError>,
}

impl Default for SessionBuilder {
    fn default() -> Self {
        let mut builder = Self::from_plan(&Plan::default());
        builder.accept = "*/*".into();
        builder.workers = WORKERS;
        builder.per_host = None;
        let politeness = &mut builder.rules.politeness;
        politeness.delay = Duration::ZERO;
        politeness.adaptive = false;
        politeness.backoff = false;
        builder.rules.robots.obey = false;
        builder
    }
}

impl SessionBuilder {
    /// Starts from a checked configuration: its agent, politeness, robots.txt, limits and network hold, and
    /// `fetch.concurrency` is the number of workers.
    pub fn from_plan(plan: &Plan) -> Self {
        Self {
            rules: plan.rules.clone(),
            guard: plan.guard.clone(),
            limits: plan.fetch.limits.clone(),
            accept: plan.fetch.accept.clone(),
            network_plan: plan.network.clone(),
            http_versions: plan.fetch.http_versions.clone(),
            bodies_bytes_max: plan.fetch.bodies_bytes_max,
            workers: usize::try_from(plan.fetch.concurrency).unwrap_or(usize::MAX),
            per_host: Some(plan.rules.politeness.concurrency),
            callback_workers: None,
            executor: None,
            transport: None,
            telemetry: None,
            headers: Vec::new(),
            cookies: None,
            credentials: Vec::new(),
            base_url: None,
            deadline: None,
            attempts_max: 1,
            log_urls: LoggedUrls::Full,
            is_local: false,
            is_sequential: false,
            seed: None,
            faults: Vec::new(),
        }
    }

    /// Sets how many fetches may be under way; the others wait in the order in which they were started. By default 8, at
    /// least 1. They are no threads: all run on one.
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets how many fetches may go to one host at a time; by default as many as there are workers, at least
    /// 1.
    pub const fn per_host(mut self, fetches: u32) -> Self {
        self.per_host = Some(fetches);
        self
    }

    /// Keeps a gap between the starts of two fetches of one host: a limit of their rate, never exceeded and not made up
    /// for. By default there is none. A fetch that waits for its turn uses up its deadline.
    pub const fn gap(mut self, gap: Duration) -> Self {
        self.rules.politeness.delay = gap;
        self
    }

    /// Sets how many callbacks may run at a time, on threads of their own; by default as many as there are cores,
    /// at least 1. It says nothing when an executor is given.
    pub const fn callback_workers(mut self, workers: usize) -> Self {
        self.callback_workers = Some(workers);
        self
    }

    /// Runs callbacks, and the hooks of the end, on an executor that others may use too. The session never closes it.
    pub fn executor(mut self, executor: &Executor) -> Self {
        self.executor = Some(executor.clone());
        self
    }

    /// Sets the deadline of each fetch that has none of its own: from its start, waiting for a lane included, to
    /// the last byte; more than zero. Without one the session's limits hold, a minute by default. It takes the place of
    /// the one that [`SessionBuilder::limits`] sets; the other limits of time hold beside it.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets how often a fetch is tried in all, the first time included, if it can be within its deadline; by default
    /// once, at least that. Outcomes, statuses and waits are those of the rules' `retry`; only what may be sent twice is.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Refuses to fetch from an address that this very program serves at, whatever else is allowed: a fetch of itself
    /// would wait for itself.
    pub fn own_address(mut self, address: SocketAddr) -> Self {
        self.guard.own_addresses.push(address);
        self
    }

    /// Sends a field with every fetch that has none of that name itself. One that cannot be sent, or that is not for the
    /// caller to set, such as `Host`, is an error of the build.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match request_field(&format!("{name}: {value}")) {
            Ok(field) => self.headers.push(field),
            Err(error) => self.fault(SessionBuildError::Header { name: name.into(), error: error.into() }),
        }
        self
    }

    /// Keeps cookies, those that servers set included; the jar may be shared with other sessions. By default none are
    /// kept.
    pub fn cookies(mut self, jar: &Arc<CookieJar>) -> Self {
        self.cookies = Some(Arc::clone(jar));
        self
    }

    /// Shows credentials to an origin, given by any URL of it, and to no other. What is no URL, or cannot be sent, is an
    /// error of the build.
    pub fn auth(mut self, origin: &str, credentials: Credentials) -> Self {
        match (CanonicalUrl::parse(origin), credentials.check()) {
            (Ok(url), Ok(())) => self.credentials.push((url, credentials)),
            (Err(error), _) => self.fault(SessionBuildError::Url { text: origin.into(), error }),
            (_, Err(error)) => self.fault(SessionBuildError::Credentials(with_causes(&error).into())),
        }
        self
    }

    /// Reads every URL as a reference from this one, as a link in a page there. What is no URL is an error of the build.
    pub fn base_url(mut self, url: &str) -> Self {
        match CanonicalUrl::parse(url) {
            Ok(url) => self.base_url = Some(url),
            Err(error) => self.fault(SessionBuildError::Url { text: url.into(), error }),
        }
        self
    }

    /// Opens a network that is refused by default, such as `127.0.0.0/8`: an address with the length of its prefix. What
    /// is none is an error of the build.
    pub fn allow_network(mut self, network: &str) -> Self {
        match network.parse() {
            Ok(network) => self.guard.allow_networks.push(network),
            Err(_) => self.fault(SessionBuildError::Network(network.into())),
        }
        self
    }

    /// Changes the rules: agent, politeness, robots.txt, redirects, retries.
    pub fn rules(mut self, change: impl FnOnce(&mut CrawlRules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Changes the limits of each fetch: times of single phases, bytes of head and body.
    pub fn limits(mut self, change: impl FnOnce(&mut FetchLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Changes how the network is reached: names, TLS, proxies, fields by host.
    pub fn network(mut self, change: impl FnOnce(&mut NetworkPlan)) -> Self {
        change(&mut self.network_plan);
        self
    }

    /// Replaces the network, for tests: see [`ScriptedTransport`](dragline_fetch::ScriptedTransport). No address is
    /// dialled then, so that guard, TLS and proxies have no say.
    pub fn transport(mut self, transport: Arc<dyn TransportFactory>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Counts into metrics there are already; by default a session has its own.
    pub fn telemetry(mut self, telemetry: &Arc<Telemetry>) -> Self {
        self.telemetry = Some(Arc::clone(telemetry));
        self
    }

    /// Says how much of a URL log lines show; by default all of it.
    pub const fn log_urls(mut self, log_urls: LoggedUrls) -> Self {
        self.log_urls = log_urls;
        self
    }

    /// Carries fetches out on the arbiter that builds the session, instead of a thread of its own: a fetch that is
    /// awaited there costs no change of threads. They end with that arbiter, and other threads may still use the session.
    /// Without an arbiter the build fails.
    pub const fn on_this_arbiter(mut self) -> Self {
        self.is_local = true;
        self
    }

    /// Runs fetches one at a time in the order of starting, and none before it, or one started later, is waited for: as
    /// a development server does, for tests that want the same order each time. The number of workers says nothing then.
    /// Deadlines count from the start as ever, so that what is never waited for ends when its deadline passes.
    pub const fn sequential(mut self) -> Self {
        self.is_sequential = true;
        self
    }

    /// Sets the seed of what is drawn, such as waits between attempts; by default it is drawn from the system.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    fn fault(&mut self, fault: SessionBuildError) {
        self.faults.push(fault);
    }

    /// Checks everything, reads the files that the network needs, and starts the lanes' thread. Blocks for the files
    /// only.
    ///
    /// # Errors
    /// Every fault of the parts given, at once. Nothing was started then.
    pub fn build(mut self) -> Result<Session, SessionBuildErrors> {
        let network = self.check();
        let executor = self.executor.clone().or_else(|| self.own_executor());
        let telemetry = self.telemetry.clone().or_else(|| self.own_telemetry());
        let transport = network.as_ref().and_then(|network| self.open(network));
        let (Some(executor), Some(telemetry), Some(transport), Some(network)) =
            (executor, telemetry, transport, network)
        else {
            return Err(SessionBuildErrors(self.faults));
        };
        if !self.faults.is_empty() {
            return Err(SessionBuildErrors(self.faults));
        }
        let lanes_max = if self.is_sequential { 1 } else { self.workers };
        let clock = Clock::start();
        let hub = Hub::new(HubParts {
            clock,
            executor: executor.into(),
            telemetry: (telemetry, self.log_urls).into(),
            lanes_max,
            is_sequential: self.is_sequential,
        });
        let defaults = self.defaults(&network);
        let per_host = self.per_host.unwrap_or_else(|| u32::try_from(lanes_max).unwrap_or(u32::MAX));
        self.rules.politeness.concurrency = per_host;
        let seat = Seat {
            hub: Arc::clone(&hub),
            clock,
            rules: Arc::new(self.rules),
            limits: Arc::clone(&defaults.limits),
            transport,
            defaults: defaults.clone(),
            log_urls: self.log_urls,
            seed: self.seed.unwrap_or_else(fresh_seed),
        };
        match seat.start(self.is_local) {
            Ok((thread, tasks)) => Ok(Session::new(hub, defaults, thread, tasks)),
            Err(error) => Err(SessionBuildErrors(vec![error])),
        }
    }

    /// Finds what is wrong with the parts, and reads the network's files.
    fn check(&mut self) -> Option<Network> {
        if self.workers == 0 {
            self.fault(SessionBuildError::Zero("workers"));
        }
        if self.attempts_max == 0 {
            self.fault(SessionBuildError::Zero("attempts"));
        }
        if self.per_host == Some(0) {
            self.fault(SessionBuildError::Zero("per_host"));
        }
        if self.deadline == Some(Duration::ZERO) {
            self.fault(SessionBuildError::Zero("deadline"));
        }
        if self.is_local && actix_rt::Arbiter::try_current().is_none() {
            self.fault(SessionBuildError::NoArbiter);
        }
        match Network::read(&self.network_plan, &self.http_versions) {
            Ok(network) => Some(network),
            Err(errors) => {
                self.faults
                    .extend(errors.0.into_iter().map(|error| SessionBuildError::Network(error.into())));
                None
            }
        }
    }

    fn own_executor(&mut self) -> Option<Executor> {
        let Some(workers) = self.callback_workers else { return Some(Executor::for_cores()) };
        let made = Executor::threads(workers).build();
        made.map_err(|_| self.fault(SessionBuildError::Zero("callback_workers"))).ok()
    }

    fn own_telemetry(&mut self) -> Option<Arc<Telemetry>> {
        let options = TelemetryOptions {
            version: env!("CARGO_PKG_VERSION").into(),
            revision: "unknown".into(),
            log_urls: self.log_urls,
            ..TelemetryOptions::default()
        };
        Telemetry::new(options)
            .map_err(|error| self.fault(SessionBuildError::Metrics(error.to_string().into())))
            .ok()
    }

    fn open(&mut self, network: &Network) -> Option<Arc<dyn TransportFactory>> {
        if let Some(transport) = &self.transport {
            return Some(Arc::clone(transport));
        }
        let bodies = Arc::new(BodyBudget::new(self.bodies_bytes_max));
        let mut options = TransportOptions::new(self.rules.agent.user_agent(), bodies);
        options.from.clone_from(&self.rules.agent.from);
        options.guard = self.guard.clone();
        options.idle_max = self.workers;
        options.accept.clone_from(&self.accept);
        network.apply(&mut options);
        match AwcTransportFactory::new(options) {
            Ok(factory) => Some(Arc::new(factory)),
            Err(error) => {
                self.fault(SessionBuildError::Network(with_causes(&error).into()));
                None
            }
        }
    }

    fn defaults(&self, network: &Network) -> Defaults {
        let mut limits = self.limits.clone();
        limits.deadline = self.deadline.unwrap_or(limits.deadline);
        let own = self.credentials.iter().map(|(url, credentials)| (url.origin(), credentials.clone()));
        let credentials = network.credentials(own.collect());
        let redirects = self.rules.redirects_max;
        Defaults {
            headers: self.headers.as_slice().into(),
            cookies: self.cookies.clone().or_else(|| network.cookies()),
            keyring: (!credentials.is_empty()).then(|| Arc::new(Keyring::new(credentials.clone()))),
            credentials,
            base_url: self.base_url.clone(),
            limits: Arc::new(limits),
            deadline: self.deadline,
            options: FollowOptions {
                redirects_max: (redirects > 0).then_some(redirects),
                robots: self.rules.robots.obey,
                attempts_max: self.attempts_max,
            },
        }
    }
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
