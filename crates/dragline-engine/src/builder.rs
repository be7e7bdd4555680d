//! Gathers what a crawl is made of and checks it before anything starts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dragline_config::{ActorsPlan, HandlerPlan, LogUrls, NetworkPlan, Origins, Plan};
use dragline_core::CanonicalUrl;
use dragline_core::fetch::{FetchLimits, HttpVersion};
use dragline_core::frontier::RunId;
use dragline_core::guard;
use dragline_core::report::TOTALS_MARK;
use dragline_core::restart::RestartRules;
use dragline_core::rules::{CrawlRules, GuardRules};
use dragline_disk::Disk;
use dragline_fetch::TransportFactory;
use dragline_sink::Sink;
use dragline_telemetry::LogEvents;
use dragline_telemetry::escape::LoggedUrls;
use dragline_telemetry::prometheus::core::Collector;

use crate::build_error::{BuildError, BuildErrors};
use crate::crawl::Crawl;
use crate::handler::Route;
use crate::life::Opened;
use crate::network::Network;
use crate::placement::Placement;
use crate::room::Room;
use crate::session::{CrawlSessions, Executor, Session};

/// Settles that may be on their way to a sink unless it says otherwise.
const SINK_CREDITS: usize = 256;

/// Makes a [`Crawl`]: seeds, rules, handlers, sinks.
///
/// Without a handler of the user's the built-in link extractor follows links; with one, the user's handlers alone
/// decide which links are followed.
#[must_use]
pub struct CrawlBuilder {
    pub(crate) rules: CrawlRules,
    pub(crate) guard: GuardRules,
    pub(crate) limits: FetchLimits,
    pub(crate) accept: Option<String>,
    /// What is still to be read.
    network_plan: Option<NetworkPlan>,
    http_versions: Vec<HttpVersion>,
    /// What it came to; `build` reads it unless the caller has.
    pub(crate) network: Network,
    pub(crate) concurrency: usize,
    pub(crate) fetchers: Option<usize>,
    pub(crate) pages_max: Option<usize>,
    pub(crate) bodies_bytes_max: u64,
    pub(crate) uncommitted_max: Option<usize>,
    pub(crate) disk_free_min: u64,
    pub(crate) room: Option<Room>,
    pub(crate) opened: Option<Opened>,
    pub(crate) seeds: Vec<CanonicalUrl>,
    pub(crate) faults: Vec<BuildError>,
    pub(crate) handlers: Vec<HandlerPlan>,
    pub(crate) routes: Vec<Route>,
    pub(crate) sinks: Vec<(Box<dyn Sink>, usize)>,
    pub(crate) placement: Option<Placement>,
    pub(crate) transport: Option<Arc<dyn TransportFactory>>,
    pub(crate) restarts: RestartRules,
    pub(crate) run: Option<RunId>,
    pub(crate) seed: Option<u64>,
    pub(crate) log_events: Option<LogEvents>,
    pub(crate) log_urls: LoggedUrls,
    pub(crate) handle_signals: bool,
    pub(crate) metrics: Vec<Box<dyn Collector>>,
    pub(crate) origins: Option<Origins>,
    pub(crate) sessions: CrawlSessions,
    pub(crate) session_workers: Option<usize>,
}

impl Default for CrawlBuilder {
    fn default() -> Self {
        Self::from_plan(&Plan { handlers: Vec::new(), ..Plan::default() })
    }
}

impl CrawlBuilder {
    /// Starts from a checked configuration; its sinks are the caller's to open.
    pub fn from_plan(plan: &Plan) -> Self {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Self {
            rules: plan.rules.clone(),
            guard: plan.guard.clone(),
            limits: plan.fetch.limits.clone(),
            accept: Some(plan.fetch.accept.clone()),
            network_plan: Some(plan.network.clone()),
            http_versions: plan.fetch.http_versions.clone(),
            network: Network::default(),
            concurrency: count(plan.fetch.concurrency),
            fetchers: plan.fetch.fetchers.map(count),
            pages_max: Some(count(plan.fetch.pages_max)),
            bodies_bytes_max: plan.fetch.bodies_bytes_max,
            uncommitted_max: Some(count(plan.state.uncommitted_max)),
            disk_free_min: plan.state.disk_free_min,
            room: None,
            opened: None,
            seeds: plan.seeds.iter().map(|seed| seed.url.clone()).collect(),
            faults: Vec::new(),
            handlers: plan.handlers.clone(),
            routes: Vec::new(),
            sinks: Vec::new(),
            placement: None,
            transport: None,
            restarts: restarts(&plan.actors),
            run: None,
            seed: None,
            log_events: None,
            log_urls: match plan.log.urls {
                LogUrls::Full => LoggedUrls::Full,
                LogUrls::NoQuery => LoggedUrls::NoQuery,
            },
            handle_signals: false,
            metrics: Vec::new(),
            origins: None,
            sessions: CrawlSessions::new(),
            session_workers: None,
        }
    }

    /// Adds a URL to start from; one that cannot be fetched is reported by [`CrawlBuilder::build`].
    pub fn seed(mut self, url: &str) -> Self {
        match CanonicalUrl::parse(url) {
            Ok(url) => self.seeds.push(url),
            Err(error) => self.faults.push(BuildError::Seed { text: url.into(), error }),
        }
        self
    }

    /// Opens a network that is refused by default, such as `127.0.0.0/8`; a malformed one is reported by `build`.
    pub fn allow_network(mut self, network: &str) -> Self {
        match network.parse() {
            Ok(network) => self.guard.allow_networks.push(network),
            Err(_) => self.faults.push(BuildError::Network { text: network.into() }),
        }
        self
    }

    /// Tells the crawl of an address at which this program serves: it is never fetched from, whatever is opened. Call it
    /// for each, such as that of a console; an unspecified address stands for its port on loopback
    /// ([`GuardRules::own_addresses`]).
    pub fn own_address(mut self, address: SocketAddr) -> Self {
        self.guard.own_addresses.push(address);
        self
    }

    /// Changes the rules of the crawl: agent, scope, traps, politeness, robots, retry.
    pub fn rules(mut self, change: impl FnOnce(&mut CrawlRules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Fixes the gap between two fetches of one host: no adaptive part.
    pub const fn delay(mut self, gap: Duration) -> Self {
        self.rules.politeness.delay = gap;
        self.rules.politeness.adaptive = false;
        self
    }

    /// Adds a metric of the user's own to those of the crawl; handlers keep a clone of it to move it.
    pub fn metric(mut self, collector: impl Collector + 'static) -> Self {
        self.metrics.push(Box::new(collector));
        self
    }

    /// Takes note of where each key of the configuration was written, so that a skip names file and line of its rule.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }

    /// Changes the limits of each fetch.
    pub fn limits(mut self, change: impl FnOnce(&mut FetchLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Changes how the network is reached: names, TLS, proxies, fields, credentials, cookies. Files and secrets that it
    /// names are read by [`CrawlBuilder::build`].
    pub fn network(mut self, change: impl FnOnce(&mut NetworkPlan)) -> Self {
        change(self.network_plan.get_or_insert_default());
        self
    }

    /// Takes the network as it was read from the plan ([`Network::of_plan`]), so that its files are not read again.
    pub fn network_read(mut self, network: Network) -> Self {
        (self.network, self.network_plan) = (network, None);
        self
    }

    /// Sets how many fetches may be under way, all hosts together.
    pub const fn concurrency(mut self, fetches: usize) -> Self {
        self.concurrency = fetches;
        self.pages_max = None;
        self.uncommitted_max = None;
        self
    }

    /// Sets the number of fetchers, each on a thread of its own.
    pub const fn fetchers(mut self, fetchers: usize) -> Self {
        self.fetchers = Some(fetchers);
        self
    }

    /// Sets how many pages may be between their lease and their settle.
    pub const fn pages_max(mut self, pages: usize) -> Self {
        self.pages_max = Some(pages);
        self
    }

    /// Sets how many bytes of bodies may be in memory, all fetches together.
    pub const fn bodies_bytes_max(mut self, bytes: u64) -> Self {
        self.bodies_bytes_max = bytes;
        self
    }

    /// Sets how many settled pages may be in no durable commit, by default as many as fetches. When so many are, nothing
    /// is leased until some are committed: a crawl is no faster than this many pages in the time of a commit, and after a
    /// crash no more than these and `pages_max` are fetched again. A crawl in memory, which never goes on, is not bound by
    /// it; its sinks are flushed once a second.
    pub const fn uncommitted_max(mut self, pages: usize) -> Self {
        self.uncommitted_max = Some(pages);
        self
    }

    /// Takes a frontier that was opened from a disk, with the run that is in it: the crawl goes on with that, and whatever
    /// is committed outlives the process. Its clock is the crawl's, so that opening counts into how long the crawl took.
    /// Without one the frontier is in memory.
    pub fn opened(mut self, opened: Opened) -> Self {
        self.opened = Some(opened);
        self
    }

    /// Watches how much is free where these folders are: with too little nothing is leased, what is in flight is
    /// finished and committed, and the crawl goes on by itself when there is room. See
    /// [`CrawlBuilder::disk_free_min`].
    pub fn watch_space(mut self, disk: Arc<dyn Disk>, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.room = Some(Room { disk, folders: folders.into_iter().collect() });
        self
    }

    /// Sets how many bytes must be free in each folder that is watched; 0 turns that off.
    pub const fn disk_free_min(mut self, bytes: u64) -> Self {
        self.disk_free_min = bytes;
        self
    }

    /// Adds a handler with the pages it takes.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Adds the built-in handler that follows links, beside the user's own.
    pub fn follow_links(mut self) -> Self {
        self.handlers.push(HandlerPlan::default());
        self
    }

    /// Adds a place that records are written to.
    pub fn sink(self, sink: Box<dyn Sink>) -> Self {
        self.sink_with_credits(sink, SINK_CREDITS)
    }

    /// Adds a place that records are written to, with the number of settles that may be on their way to it.
    pub fn sink_with_credits(mut self, sink: Box<dyn Sink>, credits: usize) -> Self {
        self.sinks.push((sink, credits.max(1)));
        self
    }

    /// Replaces the network, for tests and simulations.
    pub fn transport(mut self, transport: Arc<dyn TransportFactory>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sets which actor runs on which thread; by default it follows the number of cores.
    pub const fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// Sets how many unexplained restarts of an actor are borne.
    pub const fn restarts(mut self, rules: RestartRules) -> Self {
        self.restarts = rules;
        self
    }

    /// Sets the run's seed, so that it draws the same chances again; by default it is drawn from the system.
    pub const fn run_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Names the run to its sinks, unless a frontier was opened that has its name; by default it is drawn from the seed.
    pub const fn run_id(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// Counts log events into the crawl's metrics.
    pub fn log_events(mut self, log_events: LogEvents) -> Self {
        self.log_events = Some(log_events);
        self
    }

    /// Says how much of a URL the crawl's log lines show.
    pub const fn log_urls(mut self, log_urls: LoggedUrls) -> Self {
        self.log_urls = log_urls;
        self
    }

    /// Ends the crawl on SIGINT and SIGTERM: the first finishes what is in flight, the second stops at once.
    pub const fn handle_signals(mut self) -> Self {
        self.handle_signals = true;
        self
    }

    /// Returns a session of the crawl, for handlers to fetch with: its fetches share the crawl's politeness, robots.txt,
    /// guard, connections and metrics, and are no URLs of the crawl. What they start waits until the crawl has begun
    /// and is cancelled when it ends. They have the limits set so far.
    pub fn session(&self) -> Session {
        self.sessions.session(&self.rules, &self.limits)
    }

    /// Sets how many fetches of its sessions may be under way; by default as many as those of the crawl, beside them.
    pub const fn session_workers(mut self, fetches: usize) -> Self {
        self.session_workers = Some(fetches);
        self
    }

    /// Runs the callbacks of its sessions on this executor; by default on one with a thread for each core. Set once: a
    /// second one is not used, nor one that comes after the first callback.
    pub fn session_executor(self, executor: &Executor) -> Self {
        self.sessions.set_executor(executor);
        self
    }

    /// Checks everything that can be checked before the start, and reads the files that the network needs.
    ///
    /// # Errors
    /// Every fault of the parts given so far, at once.
    pub fn build(mut self) -> Result<Crawl, BuildErrors> {
        let mut faults = std::mem::take(&mut self.faults);
        if self.seeds.is_empty() && faults.is_empty() {
            faults.push(BuildError::NoSeeds);
        }
        let foreign = self.seeds.iter().find(|seed| !guard::is_own_host(seed.host()));
        if let (Some(seed), None, None) = (foreign, &self.rules.agent.contact, &self.transport) {
            faults.push(BuildError::NoContact(seed.host().into()));
        }
        if self.concurrency == 0 {
            faults.push(BuildError::Zero("concurrency"));
        }
        if self.session_workers == Some(0) {
            faults.push(BuildError::Zero("session_workers"));
        }
        if self.pages_max == Some(0) {
            faults.push(BuildError::Zero("pages_max"));
        }
        if self.uncommitted_max == Some(0) {
            faults.push(BuildError::Zero("uncommitted_max"));
        }
        if self.handlers.is_empty() && self.routes.is_empty() {
            self.handlers.push(HandlerPlan::default());
        }
        let handlers = self.handlers.iter().map(|plan| plan.name.as_str());
        let handlers = repeated(handlers.chain(self.routes.iter().map(Route::name)));
        faults.extend(handlers.into_iter().map(|name| BuildError::HandlerTwice(name.into())));
        let sinks = [TOTALS_MARK].into_iter().chain(self.sinks.iter().map(|(sink, _)| sink.name()));
        faults.extend(repeated(sinks).into_iter().map(|name| BuildError::SinkTwice(name.into())));
        if let Some(plan) = self.network_plan.take() {
            match Network::read(&plan, &self.http_versions) {
                Ok(network) => self.network = network,
                Err(errors) => {
                    faults.extend(errors.0.into_iter().map(|error| BuildError::Unreadable(error.into())));
                }
            }
        }
        if faults.is_empty() { Ok(Crawl::new(self)) } else { Err(BuildErrors(faults)) }
    }
}

/// Returns the names that stood before.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}

fn restarts(plan: &ActorsPlan) -> RestartRules {
    RestartRules {
        most: plan.restarts_max,
        within: plan.restarts_within,
        backoff_min: plan.backoff_min,
        backoff_max: plan.backoff_max,
    }
}

impl fmt::Debug for CrawlBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrawlBuilder")
            .field("seeds", &self.seeds)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
