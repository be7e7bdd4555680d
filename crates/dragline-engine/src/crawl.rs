//! Starts a crawl's actors in their places and hands its end to the caller.

use std::fmt;
use std::sync::Arc;

use dragline_core::frontier::{OfferBatch, OfferFrom};
use dragline_core::hints::SeenHints;
use dragline_core::rules::CrawlRules;
use dragline_core::url::Fingerprinter;
use dragline_core::{Outlinks, Time};
use dragline_fetch::{AwcTransportFactory, BodyBudget, TransportFactory, TransportOptions};
use dragline_sink::RecordKind;
use dragline_telemetry::{CreditUse, Telemetry, TelemetryOptions};
use tokio::sync::oneshot;

use crate::builder::CrawlBuilder;
use crate::builtin;
use crate::clock::Clock;
use crate::control::{Control, CrawlEnd};
use crate::desk::{BytesCredits, Desk, DeskParts, SinkEdge};
use crate::fetcher::{FetcherGauges, FetcherParts};
use crate::follow::{CrawlGate, GateCredits};
use crate::handle::CrawlHandle;
use crate::handler::Route;
use crate::handler_host::WorkerContext;
use crate::life::{Life, Opened};
use crate::messages::{Appoint, Halt};
use crate::metrics::Metrics;
use crate::placement::Placement;
use crate::post::{Mailbox, Post};
use crate::room::Room;
use crate::signals::{listen_for_signals, outlive_file_size_limits};
use crate::sink_actor::SinkActor;
use crate::spawn::{Seat, Tasks};
use crate::start_error::StartError;
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
    /// When the transport or the metrics could not be set up, or sinks and state could not be begun or taken up. No actor
    /// was started then.
    ///
    /// # Panics
    /// When no actix system runs on the calling thread.
    pub fn start(self) -> Result<RunningCrawl, StartError> {
        let mut parts = self.parts;
        let clock = parts.opened.as_ref().map_or_else(Clock::start, |opened| opened.clock);
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
        if parts.handle_signals
            && let Err(error) = outlive_file_size_limits()
        {
            tracing::warn!(target: "dragline::actor", %error, "a limit of file sizes will kill this process");
        }
        let life = begin(&mut parts, placement, clock)?;
        let plumbing = Plumbing { clock, life, placement, lanes, telemetry, routes, bodies, transport };
        Ok(plumbing.start(parts))
    }
}

impl fmt::Debug for Crawl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crawl").field("parts", &self.parts).finish()
    }
}

/// Begins the crawl's life: what was opened, or one in memory.
fn begin(parts: &mut CrawlBuilder, placement: Placement, clock: Clock) -> Result<Life, StartError> {
    let opened = match parts.opened.take() {
        Some(opened) => opened,
        None => {
            // Nothing of it is ever fetched again, so that no lease has to wait for the disks of its sinks.
            parts.uncommitted_max = Some(usize::MAX);
            let io = placement.io().map_err(StartError::Thread)?;
            Opened::in_memory(clock, &parts.rules, parts.run, parts.seed.unwrap_or_else(fresh_seed), io)
        }
    };
    for (folder, error) in parts.room.iter().flat_map(Room::blind) {
        let folder = folder.display();
        tracing::warn!(target: "dragline::sink", %folder, %error, "nobody knows how much is free there");
    }
    Life::begin(opened, &mut parts.sinks)
}

/// What is made once for a crawl, before its actors.
struct Plumbing {
    clock: Clock,
    life: Life,
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
            earlier: self.life.tally.totals(Time::ZERO),
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
        let fingerprinter = Fingerprinter::new(self.life.seed);
        let bodies = Arc::clone(&self.bodies);
        let bytes: BytesCredits = Arc::new(move || CreditUse { in_use: bodies.in_use(), max: bodies.max() });
        let routes = self.routes.iter().map(|route| RouteParts {
            recruit: Arc::clone(&route.recruit),
            credits: route.pool.credits.max(1),
        });
        let routes = routes.collect();
        let workers = self.workers(fingerprinter, &hints, &rules);
        let Life { frontier, seed, tally, io } = self.life;
        let fetchers = FetcherParts {
            clock: self.clock,
            rules: Arc::clone(&rules),
            limits: Arc::new(parts.limits),
            cookies: parts.network.cookies(),
            keyring: parts.network.keyring(Vec::new()),
            transport: self.transport,
            telemetry: Arc::clone(&self.telemetry),
            sessions: Some((parts.sessions.line(), credits)),
            seed,
        };
        let mut desk = Desk::new(DeskParts {
            frontier,
            rules,
            origins: parts.origins,
            routes: self.routes,
            sinks: parts.sinks.iter().map(|(sink, credits)| edge(&**sink, *credits)).collect(),
            lanes: self.lanes.clone(),
            pages_max: parts.pages_max.unwrap_or(2 * parts.concurrency).max(1),
            uncommitted_max: parts.uncommitted_max.unwrap_or(parts.concurrency),
            free_min: parts.disk_free_min,
            tally,
            restarts: parts.restarts,
            hints,
            telemetry: Arc::clone(&self.telemetry),
            bytes,
            seed,
        });
        let room = parts.room.filter(|_| parts.disk_free_min > 0);
        if let Some(room) = &room {
            // Before the first lease.
            desk.measured(&room.look());
        }
        let mailbox = Mailbox::open(&self.telemetry, "supervisor", capacity);
        let supervisor = SupervisorParts {
            seeds: seeds(&parts.seeds, fingerprinter),
            placement: self.placement,
            fetchers,
            lanes: self.lanes.iter().copied().zip(gauges).collect(),
            routes,
            workers,
            control,
            mailbox: mailbox.clone(),
            desk,
            sinks: parts.sinks,
            io,
            room,
            sessions: parts.sessions,
        };
        let addr = seat.start(capacity, move || Supervisor::new(supervisor));
        Post::new(addr, mailbox)
    }

    /// Returns what all workers of handlers share.
    fn workers(
        &self,
        fingerprinter: Fingerprinter,
        hints: &Arc<SeenHints>,
        rules: &Arc<CrawlRules>,
    ) -> WorkerContext {
        WorkerContext {
            clock: self.clock,
            fingerprinter,
            hints: Arc::clone(hints),
            rules: Arc::clone(rules),
            telemetry: Arc::clone(&self.telemetry),
            labels: self.routes.iter().filter_map(|route| self.telemetry.handler_id(route.name())).collect(),
        }
    }

    /// Returns the sum of the credits whose return can be under way at once.
    fn mailbox_capacity(&self, parts: &CrawlBuilder) -> usize {
        let lanes: usize = self.lanes.iter().sum();
        let handlers: usize =
            self.routes.iter().map(|route| route.pool.workers.max(1) * (route.pool.credits.max(1) + 2)).sum();
        let sinks: usize = parts.sinks.iter().map(|(_, credits)| credits + SinkActor::MESSAGES_MAX).sum();
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
    SinkEdge::new(takes, credits).having_dropped(sink.dropped())
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
