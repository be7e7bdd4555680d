//! Executes leases on one arbiter: lanes that fetch, and batches of what came of it.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use dragline_core::auth::Keyring;
use dragline_core::cookies::CookieJar;
use dragline_core::digest::{FetchDone, digest};
use dragline_core::fetch::{AtCap, FetchLimits, FetchRequest, FetchResponse, Phase};
use dragline_core::frontier::{Lease, Purpose};
use dragline_core::rules::CrawlRules;
use dragline_core::{Outcome, Time};
use dragline_fetch::{Transport, TransportFactory};
use dragline_telemetry::Telemetry;
use dragline_telemetry::events::FetchFinished;

use crate::clock::Clock;
use crate::follow::{CrawlGate, GateCredits};
use crate::lanes::{LaneQueue, Outbox, isolate};
use crate::messages::{Assign, FetcherStarted, FetchesDone};
use crate::post::{Mailbox, Post};
use crate::session::SessionLine;
use crate::spawn::Tasks;
use crate::supervisor::Supervisor;

/// Fetches in one message to the supervisor.
const DONE_MAX: usize = 64;

/// How often the lateness of the arbiter is measured.
const LAG_TICK: Duration = Duration::from_millis(100);

/// How often idle connections are looked after.
const TRANSPORT_TICK: Duration = Duration::from_secs(1);

/// What every fetcher of a crawl is made from.
#[derive(Clone, Debug)]
pub(crate) struct FetcherParts {
    pub(crate) clock: Clock,
    pub(crate) rules: Arc<CrawlRules>,
    pub(crate) limits: Arc<FetchLimits>,
    pub(crate) cookies: Option<Arc<CookieJar>>,
    pub(crate) keyring: Option<Arc<Keyring>>,
    pub(crate) transport: Arc<dyn TransportFactory>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// What sessions of the crawl start, for the one fetcher that carries it out, and the credits of its gate.
    pub(crate) sessions: Option<(SessionLine, GateCredits)>,
    /// Feeds the jitter of waits between attempts of sessions.
    pub(crate) seed: u64,
}

/// What a fetcher tells the metrics actor without a message.
#[derive(Debug, Default)]
pub(crate) struct FetcherGauges {
    pub(crate) in_flight: AtomicU64,
    pub(crate) connections_busy: AtomicU64,
    pub(crate) connections_idle: AtomicU64,
    pub(crate) connections_new: AtomicU64,
    pub(crate) connections_reused: AtomicU64,
    pub(crate) dns_cached: AtomicU64,
    pub(crate) dns_resolved: AtomicU64,
    pub(crate) dns_failed: AtomicU64,
}

impl FetcherGauges {
    /// Shows what the transport counts at this moment.
    fn publish(&self, transport: &dyn Transport) {
        let (connections, dns) = (transport.connections(), transport.dns());
        let set = |gauge: &AtomicU64, value: u64| gauge.store(value, Ordering::Relaxed);
        set(&self.connections_busy, u64::try_from(connections.busy).unwrap_or(u64::MAX));
        set(&self.connections_idle, u64::try_from(connections.idle).unwrap_or(u64::MAX));
        set(&self.connections_new, connections.opened_new);
        set(&self.connections_reused, connections.reused);
        set(&self.dns_cached, dns.cached);
        set(&self.dns_resolved, dns.resolved);
        set(&self.dns_failed, dns.failed);
    }
}

/// One fetcher, on an arbiter of its own.
pub(crate) struct Fetcher {
    index: usize,
    lanes: usize,
    parts: FetcherParts,
    gauges: Arc<FetcherGauges>,
    supervisor: Post<Supervisor>,
    mailbox: Mailbox,
    queue: Rc<LaneQueue<Lease>>,
    transport: Rc<dyn Transport>,
    tasks: Tasks,
}

impl Fetcher {
    /// Opens the transport on the calling arbiter.
    pub(crate) fn new(
        index: usize,
        lanes: usize,
        parts: FetcherParts,
        gauges: Arc<FetcherGauges>,
        supervisor: Post<Supervisor>,
        mailbox: Mailbox,
    ) -> Self {
        let transport = parts.transport.open();
        let (queue, tasks) = (LaneQueue::new(), Tasks::default());
        Self { index, lanes, parts, gauges, supervisor, mailbox, queue, transport, tasks }
    }

    /// Measures how late a timer of this arbiter comes.
    fn watch_lag(&mut self, ctx: &mut Context<Self>) {
        let mut due = self.parts.clock.now() + LAG_TICK;
        ctx.run_interval(LAG_TICK, move |fetcher, ctx| {
            if !fetcher.supervisor.connected() {
                // Timers of its own would keep it alive for ever.
                ctx.stop();
            }
            let now = fetcher.parts.clock.now();
            fetcher.parts.telemetry.arbiter_lag(fetcher.index, now - due);
            due = now.max(due) + LAG_TICK;
        });
    }
}

impl Actor for Fetcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (index, supervisor) = (self.index, self.supervisor.clone());
        let (gauges, transport) = (Arc::clone(&self.gauges), Rc::clone(&self.transport));
        let outbox = Outbox::new(DONE_MAX, move |done| {
            // Before the message: whoever learns of the fetches finds their connections counted.
            gauges.publish(&*transport);
            supervisor.send(FetchesDone { fetcher: index, done });
        });
        for _ in 0..self.lanes {
            let lane = Lane {
                parts: self.parts.clone(),
                limits_of_robots: robots_limits(&self.parts),
                gauges: Arc::clone(&self.gauges),
                transport: Rc::clone(&self.transport),
                queue: Rc::clone(&self.queue),
                outbox: Rc::clone(&outbox),
            };
            self.tasks.spawn(lane.run());
        }
        self.tasks.spawn(outbox.run());
        if let Some((line, credits)) = self.parts.sessions.clone() {
            let gate = CrawlGate::new(self.parts.clock, self.supervisor.clone(), credits);
            let transport = Rc::clone(&self.transport);
            self.tasks.spawn(line.serve(gate, self.parts.clone(), transport, self.parts.seed));
        }
        self.supervisor.send(FetcherStarted { fetcher: self.index });
        self.watch_lag(ctx);
        ctx.run_interval(TRANSPORT_TICK, |fetcher, _| {
            fetcher.transport.tick();
            fetcher.gauges.publish(&*fetcher.transport);
        });
    }
}

/// Queues leases for the lanes that are free.
impl Handler<Assign> for Fetcher {
    type Result = ();

    fn handle(&mut self, Assign(leases): Assign, _: &mut Context<Self>) {
        self.mailbox.started();
        self.queue.extend(leases);
    }
}

/// One lane: a task that has one fetch at a time.
struct Lane {
    parts: FetcherParts,
    limits_of_robots: Arc<FetchLimits>,
    gauges: Arc<FetcherGauges>,
    transport: Rc<dyn Transport>,
    queue: Rc<LaneQueue<Lease>>,
    outbox: Rc<Outbox<FetchDone>>,
}

impl Lane {
    async fn run(self) {
        loop {
            let lease = self.queue.next().await;
            self.gauges.in_flight.fetch_add(1, Ordering::Relaxed);
            let done = self.fetch(&lease).await;
            self.gauges.in_flight.fetch_sub(1, Ordering::Relaxed);
            self.outbox.push(done);
        }
    }

    async fn fetch(&self, lease: &Lease) -> FetchDone {
        let limits = match lease.purpose {
            Purpose::Page => &self.parts.limits,
            Purpose::Robots | Purpose::Sitemap => &self.limits_of_robots,
        };
        let conditions = lease.revisit.as_ref().map(|revisit| revisit.conditions()).unwrap_or_default();
        let request = FetchRequest {
            headers: conditions.into(),
            cookies: self.parts.cookies.clone(),
            keyring: self.parts.keyring.clone(),
            ..FetchRequest::get(lease.url.clone(), Arc::clone(limits))
        };
        let began: Time = self.parts.clock.now();
        let fetching = async { self.transport.fetch(request).await };
        let mut response = match isolate(pin!(fetching)).await {
            Ok(response) => response,
            Err(panic) => FetchResponse::failed(Outcome::Crashed, Phase::Queue, panic),
        };
        if response.phases.total.is_zero() {
            response.phases.total = self.parts.clock.now() - began;
        }
        let mut event = FetchFinished::new(lease.url.as_str(), &response);
        event.purpose = Some(lease.purpose);
        event.attempt = lease.attempt;
        event.queue_wait = Some(lease.queue_wait);
        event.gap = Some(lease.gap);
        event.record(&self.parts.telemetry);
        digest(lease, response, &self.parts.rules, self.parts.clock.wall())
    }
}

/// Returns the limits of an errand for robots.txt: as much of it as must be read, and no error for more.
fn robots_limits(parts: &FetcherParts) -> Arc<FetchLimits> {
    let body_bytes_max = u64::try_from(parts.rules.robots.bytes_max).unwrap_or(u64::MAX);
    Arc::new(FetchLimits { body_bytes_max, at_cap: AtCap::Truncate, ..(*parts.limits).clone() })
}
