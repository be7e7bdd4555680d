//! Starts a crawl's actors in their places and hands its end to the caller.

use std::fmt;
use std::sync::Arc;

use actix::{Addr, MailboxError};
use dragline_core::Outlinks;
use dragline_core::frontier::{Drain as DrainMode, MemFrontier, OfferBatch, OfferFrom};
use dragline_core::hints::SeenHints;
use dragline_core::url::Fingerprinter;
use dragline_fetch::{
    AwcTransportFactory, BodyBudget, TransportFactory, TransportOptions, TransportSetupError,
};
use dragline_sink::RecordKind;
use dragline_telemetry::{CreditUse, Telemetry, TelemetryOptions, prometheus};
use tokio::sync::oneshot;

use crate::builder::CrawlBuilder;
use crate::builtin;
use crate::clock::Clock;
use crate::control::{Control, CrawlEnd, Signal};
use crate::desk::{BytesCredits, Desk, DeskParts, SinkEdge};
use crate::fetcher::{FetcherGauges, FetcherParts};
use crate::follow::{CrawlGate, GateCredits};
use crate::handler::Route;
use crate::handler_host::WorkerContext;
use crate::messages::{Appoint, Drain, Gather, GetSnapshot, Halt, Interrupt, Pause, Status, Stop};
use crate::metrics::Metrics;
use crate::placement::Placement;
use crate::post::{Mailbox, Post};
use crate::session::Session;
use crate::spawn::{Seat, Tasks};
use crate::supervisor::{RouteParts, Supervisor, SupervisorParts};

/// Messages beside those that credits bound: births, deaths, control.
const MAILBOX_SLACK: usize = 64;

/// A crawl that is ready to start.
#[must_use]
pub struct Crawl {
    parts: CrawlBuilder,
}

impl Crawl {
    /// Begins to gather the parts of a crawl.
    pub fn builder() -> CrawlBuilder {
        CrawlBuilder::default()
    }

    pub(crate) const fn new(parts: CrawlBuilder) -> Self {
        Self { parts }
    }

    /// Runs the crawl to its end on an actor system of its own, blocking the calling thread.
    ///
    /// # Errors
    /// When it could not start; a crawl that started ends with a [`CrawlEnd`], whatever happens to it.
    ///
    /// # Panics
    /// When called inside an async runtime: use [`Crawl::start`] there.
    pub fn run(self) -> Result<CrawlEnd, StartError> {
        actix::System::new().block_on(async move { Ok(self.start()?.wait().await) })
    }

    /// Starts the crawl's actors; must be called within an actix system.
    ///
    /// # Errors
    /// When the transport or the metrics could not be set up. Nothing was started then.
    ///
    /// # Panics
    /// When no actix system runs on the calling thread.
    pub fn start(self) -> Result<RunningCrawl, StartError> {
        let mut parts = self.parts;
        let clock = Clock::start();
        let seed = parts.seed.unwrap_or_else(fresh_seed);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let placement = parts.placement.unwrap_or_else(|| Placement::for_cores(cores));
        let lanes = lanes(parts.concurrency, parts.fetchers.unwrap_or(cores));
        let telemetry = telemetry(&parts, lanes.len())?;
        for metric in std::mem::take(&mut parts.metrics) {
            telemetry.registry().register(metric).map_err(StartError::Metrics)?;
        }
        telemetry.set_robots_obeyed(parts.rules.robots.obey);
        let builtin =
            parts.handlers.iter().map(|plan| builtin::route(plan, &parts.rules, &parts.restarts, &telemetry));
        let mut routes: Vec<Route> = builtin.collect();
        routes.append(&mut parts.routes);
        let bodies = Arc::new(BodyBudget::new(parts.bodies_bytes_max));
        let transport = transport(&parts, &bodies, &lanes)?;
        let plumbing = Plumbing { clock, seed, placement, lanes, telemetry, routes, bodies, transport };
        Ok(plumbing.start(parts))
    }
}

impl fmt::Debug for Crawl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crawl").field("parts", &self.parts).finish()
    }
}

/// What is made once for a crawl, before its actors.
struct Plumbing {
    clock: Clock,
    seed: u64,
    placement: Placement,
    lanes: Vec<usize>,
    telemetry: Arc<Telemetry>,
    routes: Vec<Route>,
    bodies: Arc<BodyBudget>,
    transport: Arc<dyn TransportFactory>,
}

impl Plumbing {
    fn start(self, parts: CrawlBuilder) -> RunningCrawl {
        let Self { clock, telemetry, .. } = &self;
        let (clock, telemetry) = (*clock, Arc::clone(telemetry));
        parts.sessions.begin(&telemetry, parts.log_urls, self.session_lanes(&parts));
        let session = parts.session();
        let gauges: Vec<Arc<FetcherGauges>> = self.lanes.iter().map(|_| Arc::default()).collect();
        let metrics = Metrics {
            telemetry: Arc::clone(&telemetry),
            fetchers: gauges.clone(),
            concurrency: self.lanes.iter().map(|&lanes| u64::try_from(lanes).unwrap_or(u64::MAX)).sum(),
            supervisor: None,
            last: None,
        };
        let metrics_seat = self.placement.worker();
        let metrics = metrics_seat.start(MAILBOX_SLACK, || metrics);
        let metrics_seat = Arc::new(metrics_seat);
        let (ended, end) = oneshot::channel();
        let control_mailbox = Mailbox::open(&telemetry, "control", MAILBOX_SLACK);
        let control = Control {
            clock,
            telemetry: Arc::clone(&telemetry),
            metrics: metrics.clone(),
            mailbox: control_mailbox.clone(),
            supervisor: None,
            ended: Some(ended),
            interrupts: 0,
            stopped_by: None,
        };
        let control = Post::new(Seat::here().start(MAILBOX_SLACK, || control), control_mailbox);
        let mut tasks = Tasks::default();
        if parts.handle_signals {
            tasks.spawn(listen_for_signals(control.clone()));
        }
        let supervisor_seat = self.placement.supervisor();
        let credits = GateCredits::new(2 * self.session_lanes(&parts));
        #[cfg(test)]
        let test_credits = credits.clone();
        let supervisor = self.start_supervisor(parts, gauges, control.clone(), &supervisor_seat, credits);
        control.send(Appoint(supervisor.clone()));
        if metrics.try_send(Appoint(supervisor.clone())).is_err() {
            tracing::error!(target: "dragline::actor", "the metrics actor did not start");
        }
        let control = control.addr().clone();
        let handle = CrawlHandle {
            control,
            metrics,
            telemetry,
            session,
            #[cfg(test)]
            gate: CrawlGate::new(clock, supervisor.clone(), test_credits),
            _metrics_seat: metrics_seat,
        };
        RunningCrawl { handle, end, supervisor, _tasks: tasks, _supervisor_seat: supervisor_seat }
    }

    fn start_supervisor(
        self,
        parts: CrawlBuilder,
        gauges: Vec<Arc<FetcherGauges>>,
        control: Post<Control>,
        seat: &Seat,
        credits: GateCredits,
    ) -> Post<Supervisor> {
        let capacity = self.mailbox_capacity(&parts);
        let rules = Arc::new(parts.rules);
        let hints = Arc::new(SeenHints::default());
        let fingerprinter = Fingerprinter::new(self.seed);
        let pages_max = parts.pages_max.unwrap_or(2 * parts.concurrency).max(1);
        let bodies = Arc::clone(&self.bodies);
        let bytes: BytesCredits = Arc::new(move || CreditUse { in_use: bodies.in_use(), max: bodies.max() });
        let route_parts = self.routes.iter().map(|route| RouteParts {
            recruit: Arc::clone(&route.recruit),
            credits: route.pool.credits.max(1),
        });
        let workers = WorkerContext {
            clock: self.clock,
            fingerprinter,
            hints: Arc::clone(&hints),
            rules: Arc::clone(&rules),
            telemetry: Arc::clone(&self.telemetry),
            labels: self.routes.iter().filter_map(|route| self.telemetry.handler_id(route.name())).collect(),
        };
        let fetchers = FetcherParts {
            clock: self.clock,
            rules: Arc::clone(&rules),
            limits: Arc::new(parts.limits),
            cookies: parts.network.cookies(),
            keyring: parts.network.keyring(Vec::new()),
            transport: self.transport,
            telemetry: Arc::clone(&self.telemetry),
            sessions: Some((parts.sessions.line(), credits)),
            seed: self.seed,
        };
        let mailbox = Mailbox::open(&self.telemetry, "supervisor", capacity);
        let supervisor = SupervisorParts {
            seeds: seeds(&parts.seeds, fingerprinter),
            placement: self.placement,
            fetchers,
            lanes: self.lanes.iter().copied().zip(gauges).collect(),
            routes: route_parts.collect(),
            workers,
            control,
            mailbox: mailbox.clone(),
            desk: Desk::new(DeskParts {
                frontier: Box::new(MemFrontier::new((*rules).clone(), fingerprinter, self.seed)),
                rules,
                origins: parts.origins,
                routes: self.routes,
                sinks: parts.sinks.iter().map(|(sink, credits)| edge(&**sink, *credits)).collect(),
                lanes: self.lanes,
                pages_max,
                restarts: parts.restarts,
                hints,
                telemetry: self.telemetry,
                bytes,
                seed: self.seed,
            }),
            sinks: parts.sinks,
            sessions: parts.sessions,
        };
        let addr = seat.start(capacity, move || Supervisor::new(supervisor));
        Post::new(addr, mailbox)
    }

    /// Returns the sum of the credits whose return can be under way at once.
    fn mailbox_capacity(&self, parts: &CrawlBuilder) -> usize {
        let lanes: usize = self.lanes.iter().sum();
        let handlers: usize =
            self.routes.iter().map(|route| route.pool.workers.max(1) * (route.pool.credits.max(1) + 2)).sum();
        let sinks: usize = parts.sinks.iter().map(|(_, credits)| credits + 4).sum();
        let sessions = 2 * self.session_lanes(parts) * CrawlGate::MESSAGES_PER_CREDIT;
        lanes + handlers + sinks + sessions + MAILBOX_SLACK
    }

    /// Returns the lanes of sessions. Each has two credits for asks and slots, so that it asks for its next slot before
    /// the one that it gave back has been counted.
    fn session_lanes(&self, parts: &CrawlBuilder) -> usize {
        parts.session_workers.unwrap_or_else(|| self.lanes.iter().sum())
    }
}

/// Spreads the lanes over the fetchers; no fetcher is without one.
fn lanes(concurrency: usize, fetchers: usize) -> Vec<usize> {
    let fetchers = fetchers.clamp(1, concurrency.max(1));
    (0..fetchers).map(|index| concurrency / fetchers + usize::from(index < concurrency % fetchers)).collect()
}

/// Draws a seed that differs from process to process.
pub fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

fn telemetry(parts: &CrawlBuilder, arbiters: usize) -> Result<Arc<Telemetry>, StartError> {
    let mut handlers: Vec<String> = parts.handlers.iter().map(|plan| plan.name.clone()).collect();
    handlers.extend(parts.routes.iter().map(|route| route.name().to_owned()));
    let actors = ["supervisor", "fetcher", "handler", "sink", "control"].map(str::to_owned);
    Telemetry::new(TelemetryOptions {
        handlers,
        sinks: parts.sinks.iter().map(|(sink, _)| sink.name().to_owned()).collect(),
        actors: actors.into(),
        arbiters,
        version: env!("CARGO_PKG_VERSION").into(),
        revision: option_env!("DRAGLINE_REVISION").unwrap_or("unknown").into(),
        log_events: parts.log_events.clone(),
        log_urls: parts.log_urls,
    })
    .map_err(StartError::Metrics)
}

fn transport(
    parts: &CrawlBuilder,
    bodies: &Arc<BodyBudget>,
    lanes: &[usize],
) -> Result<Arc<dyn TransportFactory>, StartError> {
    if let Some(transport) = &parts.transport {
        return Ok(Arc::clone(transport));
    }
    let mut options = TransportOptions::new(parts.rules.agent.user_agent(), Arc::clone(bodies));
    options.from.clone_from(&parts.rules.agent.from);
    options.guard = parts.guard.clone();
    // With as many that idle as there are lanes, the connections are at most twice the fetches.
    options.idle_max = lanes.iter().copied().max().unwrap_or(1);
    if let Some(accept) = &parts.accept {
        options.accept.clone_from(accept);
    }
    parts.network.apply(&mut options);
    Ok(Arc::new(AwcTransportFactory::new(options).map_err(StartError::Transport)?))
}

fn seeds(urls: &[dragline_core::CanonicalUrl], fingerprinter: Fingerprinter) -> OfferBatch {
    let mut links = Outlinks::default();
    urls.iter().for_each(|url| links.push(url));
    let fingerprints = urls.iter().map(|url| fingerprinter.of(url)).collect();
    OfferBatch { links, fingerprints, dropped_duplicates: 0, from: OfferFrom::seed() }
}

fn edge(sink: &dyn dragline_sink::Sink, credits: usize) -> SinkEdge {
    let kinds = [RecordKind::Page, RecordKind::Item, RecordKind::Skipped];
    let takes = kinds.into_iter().filter(|&kind| sink.takes(kind)).collect();
    SinkEdge::new(takes, credits)
}

/// Turns SIGINT and SIGTERM into messages, for as long as the crawl runs.
async fn listen_for_signals(control: Post<Control>) {
    use tokio::signal::unix::{SignalKind, signal};
    let listeners =
        signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!(target: "dragline::actor", %error, "signals cannot be heard: stopping will not be graceful");
            return;
        }
    };
    loop {
        let arrived = tokio::select! {
            biased;
            Some(()) = interrupt.recv() => Signal::Interrupt,
            Some(()) = terminate.recv() => Signal::Terminate,
            else => return,
        };
        control.send(Interrupt(arrived));
    }
}

/// A crawl whose actors run.
#[derive(Debug)]
pub struct RunningCrawl {
    handle: CrawlHandle,
    end: oneshot::Receiver<CrawlEnd>,
    supervisor: Post<Supervisor>,
    _tasks: Tasks,
    _supervisor_seat: Seat,
}

impl RunningCrawl {
    /// Returns a handle that may be given to other tasks and threads.
    pub fn handle(&self) -> CrawlHandle {
        self.handle.clone()
    }

    /// Waits for the crawl's end.
    ///
    /// # Panics
    /// When the actor system was stopped by somebody else before the crawl ended.
    ///
    /// # Cancel safety
    /// Dropping it stops the crawl's actors where they are.
    pub async fn wait(mut self) -> CrawlEnd {
        (&mut self.end).await.expect("the control actor reports the end before it stops")
    }
}

impl Drop for RunningCrawl {
    /// Stops the actors that have no thread of their own to be stopped with.
    fn drop(&mut self) {
        if self.supervisor.connected() {
            self.supervisor.send(Halt);
        }
    }
}

/// Looks at a running crawl and steers it, from any thread. The last numbers can be read after the end too.
#[derive(Clone)]
pub struct CrawlHandle {
    control: Addr<Control>,
    metrics: Addr<Metrics>,
    telemetry: Arc<Telemetry>,
    session: Session,
    #[cfg(test)]
    gate: CrawlGate,
    /// Keeps the metrics actor's thread for as long as somebody may ask.
    _metrics_seat: Arc<Seat>,
}

impl CrawlHandle {
    /// Returns the crawl's telemetry, where users register metrics of their own.
    pub const fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Returns a session of the crawl: see [`CrawlBuilder::session`].
    pub fn session(&self) -> Session {
        self.session.clone()
    }

    /// Returns the gate that fetches of sessions pass.
    #[cfg(test)]
    pub(crate) const fn gate(&self) -> &CrawlGate {
        &self.gate
    }

    /// Returns every metric in Prometheus' text format.
    ///
    /// # Errors
    /// Says why: the metrics actor is gone, or a user's collector failed.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn gather(&self) -> Result<String, String> {
        self.metrics.send(Gather).await.map_err(|error: MailboxError| error.to_string())?
    }

    /// Returns how the crawl stood at the last sample, at most a second ago; `None` before the first.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn status(&self) -> Option<Status> {
        self.metrics.send(GetSnapshot).await.ok().flatten()
    }

    /// Finishes what is in flight and leases nothing more; what waits stays pending or is skipped(drained).
    ///
    /// # Cancel safety
    /// The wish may have been taken when it is dropped.
    pub async fn drain(&self, mode: DrainMode) {
        let sent = self.control.send(Drain(mode)).await;
        tracing::debug!(target: "dragline::actor", ok = sent.is_ok(), "drain asked for");
    }

    /// Ends the crawl where it stands: what is in flight stays pending.
    ///
    /// # Cancel safety
    /// The wish may have been taken when it is dropped.
    pub async fn stop(&self) {
        let sent = self.control.send(Stop).await;
        tracing::debug!(target: "dragline::actor", ok = sent.is_ok(), "stop asked for");
    }

    /// Stops leasing, or goes on; what is in flight is finished either way.
    ///
    /// # Cancel safety
    /// The wish may have been taken when it is dropped.
    pub async fn pause(&self, paused: bool) {
        let sent = self.control.send(Pause(paused)).await;
        tracing::debug!(target: "dragline::actor", ok = sent.is_ok(), paused, "pause asked for");
    }
}

impl fmt::Debug for CrawlHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrawlHandle")
    }
}

/// Why a crawl could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The registry refused a family.
    Metrics(prometheus::Error),
    /// The network could not be set up, such as for want of root certificates.
    Transport(TransportSetupError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metrics(_) => "the metrics could not be set up",
            Self::Transport(_) => "the network could not be set up",
        })
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Metrics(error) => Some(error),
            Self::Transport(error) => Some(error),
        }
    }
}
