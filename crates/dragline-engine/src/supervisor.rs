//! Owns the desk: turns messages into calls on it and carries out its orders.

mod sessions;
mod sinks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, MessageResult, SpawnHandle};
use dragline_core::Time;
use dragline_core::frontier::OfferBatch;
use dragline_core::roster::{DiedWhile, WorkerId};
use dragline_sink::Sink;

use crate::askers::Askers;
use crate::control::Control;
use crate::desk::{Completion, Desk, Hand, Orders, Problem};
use crate::fetcher::{Fetcher, FetcherGauges, FetcherParts};
use crate::handler::Recruit;
use crate::handler_host::{HandlerHost, HostParts, WorkerContext};
use crate::io::Io;
use crate::messages::{
    Assign, CrawlEnded, Drain, FetcherStarted, FetchesDone, Flush, GetStatus, Halt, HandlePages,
    PagesHandled, Pause, Publish, StateEntered, Stop, WorkerDied, WorkerStarted, WriteRecords,
};
use crate::placement::Placement;
use crate::post::{Mailbox, Post};
use crate::room::Room;
use crate::session::CrawlSessions;
use crate::sink_actor::SinkActor;
use crate::spawn::{Seat, Tasks};

/// How often lives are checked and delays looked at.
const WATCH_TICK: Duration = Duration::from_millis(100);

/// How often it is looked how much is free where the crawl writes.
const SPACE_TICK: Duration = Duration::from_secs(1);

/// Messages to a sink, beside credits, that can be on their way: an epoch to flush, two to publish.
const SINK_ASKS_MAX: usize = 4;

/// What a route's workers are made from.
#[derive(Clone)]
pub(crate) struct RouteParts {
    pub(crate) recruit: Recruit,
    pub(crate) credits: usize,
}

/// What the supervisor is made from.
pub(crate) struct SupervisorParts {
    pub(crate) desk: Desk,
    pub(crate) seeds: OfferBatch,
    pub(crate) placement: Placement,
    pub(crate) fetchers: FetcherParts,
    /// Lanes and gauges of each fetcher.
    pub(crate) lanes: Vec<(usize, Arc<FetcherGauges>)>,
    pub(crate) routes: Vec<RouteParts>,
    pub(crate) workers: WorkerContext,
    /// Each sink with its credits.
    pub(crate) sinks: Vec<(Box<dyn Sink>, usize)>,
    pub(crate) io: Io,
    /// The folders that must not fill up.
    pub(crate) room: Option<Room>,
    pub(crate) control: Post<Control>,
    pub(crate) mailbox: Mailbox,
    /// What ends with the supervisor.
    pub(crate) sessions: CrawlSessions,
}

/// The supervisor: the one place where order is made.
pub(crate) struct Supervisor {
    desk: Desk,
    seeds: Option<OfferBatch>,
    placement: Placement,
    fetcher_parts: FetcherParts,
    lanes: Vec<(usize, Arc<FetcherGauges>)>,
    routes: Vec<RouteParts>,
    worker_context: WorkerContext,
    waiting_sinks: Vec<(Box<dyn Sink>, usize)>,
    control: Post<Control>,
    mailbox: Mailbox,
    fetchers: Vec<Post<Fetcher>>,
    fetcher_seats: Vec<Seat>,
    workers: BTreeMap<(usize, WorkerId), Post<HandlerHost>>,
    /// Threads of the pools, by route; a worker's successor takes over its thread unless it hangs.
    worker_seats: BTreeMap<(usize, WorkerId), Seat>,
    free_seats: Vec<Seat>,
    sinks: Vec<Post<SinkActor>>,
    sink_seat: Option<Seat>,
    /// A sink was found dead; one that failed has said why, and its word may still be on its way.
    sink_lost: bool,
    io: Io,
    room: Option<Room>,
    /// The disk was asked how much is free and has not answered.
    measuring: bool,
    wake: Option<(Time, SpawnHandle)>,
    askers: Askers,
    /// Ended with this actor, which alone can admit them.
    sessions: CrawlSessions,
    tasks: Tasks,
}

impl Supervisor {
    pub(crate) fn new(parts: SupervisorParts) -> Self {
        Self {
            desk: parts.desk,
            seeds: Some(parts.seeds),
            placement: parts.placement,
            fetcher_parts: parts.fetchers,
            lanes: parts.lanes,
            routes: parts.routes,
            worker_context: parts.workers,
            waiting_sinks: parts.sinks,
            control: parts.control,
            mailbox: parts.mailbox,
            fetchers: Vec::new(),
            fetcher_seats: Vec::new(),
            workers: BTreeMap::new(),
            worker_seats: BTreeMap::new(),
            free_seats: Vec::new(),
            sinks: Vec::new(),
            sink_seat: None,
            sink_lost: false,
            io: parts.io,
            room: parts.room,
            measuring: false,
            wake: None,
            askers: Askers::default(),
            sessions: parts.sessions,
            tasks: Tasks::default(),
        }
    }

    fn now(&self) -> Time {
        self.fetcher_parts.clock.now()
    }

    fn post(&self, ctx: &Context<Self>) -> Post<Self> {
        Post::new(ctx.address(), self.mailbox.clone())
    }

    /// Lets the desk do what can be done, and carries out what it orders; once more when a session was gone before it
    /// got its slot.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        loop {
            let mut orders = self.desk.orders(self.now());
            let gone = self.askers.answer(std::mem::take(&mut orders.admit));
            self.carry_out(orders, ctx);
            if gone.is_empty() {
                return;
            }
            let now = self.now();
            gone.into_iter().for_each(|id| self.desk.session_withdraws(now, id));
        }
    }

    fn carry_out(&mut self, orders: Orders, ctx: &mut Context<Self>) {
        for (fetcher, leases) in orders.assign {
            if let Some(fetcher) = self.fetchers.get(fetcher) {
                fetcher.send(Assign(leases));
            }
        }
        for Hand { route, worker, pages } in orders.hand {
            if let Some(host) = self.workers.get(&(route, worker)) {
                host.send(HandlePages(pages));
            }
        }
        for (sink, records, groups) in orders.write {
            if let Some(sink) = self.sinks.get(sink) {
                sink.send(WriteRecords { records, groups });
            }
        }
        // In this order a sink learns that an epoch is durable before it is asked for the next, and is asked for an epoch
        // behind all records of it.
        if let Some(epoch) = orders.publish {
            self.sinks.iter().for_each(|sink| sink.send(Publish(epoch)));
        }
        if let Some(epoch) = orders.flush {
            let flush = Flush { epoch, is_last: orders.seal };
            self.sinks.iter().for_each(|sink| sink.send(flush));
        }
        for (route, worker) in orders.abandon {
            self.workers.remove(&(route, worker));
            // Its thread hangs in a handler: it is told to stop and left behind.
            self.worker_seats.remove(&(route, worker));
        }
        let now = self.now();
        for (route, worker, at) in orders.start {
            ctx.run_later(at - now, move |supervisor, ctx| supervisor.start_worker(route, worker, ctx));
        }
        for (fetcher, at) in orders.respawn {
            ctx.run_later(at - now, move |supervisor, ctx| supervisor.respawn_fetcher(fetcher, ctx));
        }
        for later in orders.later {
            let completed = actix::fut::wrap_future::<_, Self>(later);
            ctx.spawn(actix::fut::ActorFutureExt::map(
                completed,
                |completion, supervisor: &mut Self, ctx| {
                    supervisor.complete(completion, ctx);
                },
            ));
        }
        if let Some(state) = orders.state {
            self.control.send(StateEntered(state));
        }
        if let Some(end) = orders.ended {
            self.control.send(CrawlEnded { end, status: self.desk.status(now) });
        }
        self.wake_at(orders.wake_at, ctx);
    }

    fn complete(&mut self, completion: Completion, ctx: &mut Context<Self>) {
        self.desk.complete(self.now(), completion);
        self.proceed(ctx);
    }

    /// Sets the one timer; a later wish is left to the timer that is set already, which will set it anew.
    fn wake_at(&mut self, at: Option<Time>, ctx: &mut Context<Self>) {
        let Some(at) = at else { return };
        if let Some((set, handle)) = self.wake {
            if set <= at {
                return;
            }
            ctx.cancel_future(handle);
        }
        let wait = (at - self.now()).max(Duration::from_millis(1));
        let handle = ctx.run_later(wait, |supervisor, ctx| {
            supervisor.wake = None;
            supervisor.proceed(ctx);
        });
        self.wake = Some((at, handle));
    }

    fn start_sinks(&mut self, ctx: &Context<Self>) {
        let seat = self.placement.sinks();
        for (index, (sink, credits)) in std::mem::take(&mut self.waiting_sinks).into_iter().enumerate() {
            let (clock, telemetry) = (self.fetcher_parts.clock, Arc::clone(&self.fetcher_parts.telemetry));
            let capacity = credits + SINK_ASKS_MAX;
            let mailbox = Mailbox::open(&telemetry, "sink", capacity);
            let (supervisor, own) = (self.post(ctx), mailbox.clone());
            let make = move || SinkActor::new(index, sink, clock, telemetry, supervisor, own);
            let addr = seat.start(capacity, make);
            self.sinks.push(Post::new(addr, mailbox));
        }
        self.sink_seat = Some(seat);
    }

    fn start_fetcher(&self, index: usize, seat: &Seat, ctx: &Context<Self>) -> Post<Fetcher> {
        let (lanes, gauges) = self.lanes.get(index).cloned().unwrap_or_default();
        let capacity = lanes + 1;
        let mailbox = Mailbox::open(&self.fetcher_parts.telemetry, "fetcher", capacity);
        let (mut parts, supervisor, own) = (self.fetcher_parts.clone(), self.post(ctx), mailbox.clone());
        if index > 0 {
            parts.sessions = None;
        }
        let addr = seat.start(capacity, move || Fetcher::new(index, lanes, parts, gauges, supervisor, own));
        Post::new(addr, mailbox)
    }

    fn respawn_fetcher(&mut self, index: usize, ctx: &Context<Self>) {
        let Some(seat) = self.fetcher_seats.get(index) else { return };
        let fetcher = self.start_fetcher(index, seat, ctx);
        if let Some(post) = self.fetchers.get_mut(index) {
            *post = fetcher;
        }
        self.desk.fetcher_respawned(index);
    }

    fn start_worker(&mut self, route: usize, worker: WorkerId, ctx: &mut Context<Self>) {
        let Some(RouteParts { recruit, credits }) = self.routes.get(route).cloned() else { return };
        let seat = self.free_seats.pop().unwrap_or_else(|| self.placement.worker());
        let capacity = credits + 1;
        let mailbox = Mailbox::open(&self.fetcher_parts.telemetry, "handler", capacity);
        let (context, supervisor) = (self.worker_context.clone(), self.post(ctx));
        let parts =
            HostParts { route, worker, credits, recruit, context, supervisor, mailbox: mailbox.clone() };
        let addr = seat.start(capacity, move || HandlerHost::new(parts));
        self.workers.insert((route, worker), Post::new(addr, mailbox));
        self.worker_seats.insert((route, worker), seat);
    }

    fn bury_worker(&mut self, route: usize, worker: WorkerId, during: DiedWhile) {
        if self.workers.remove(&(route, worker)).is_some() {
            self.free_seats.extend(self.worker_seats.remove(&(route, worker)));
            self.desk.worker_died(self.now(), route, worker, during);
        }
    }

    /// Looks for actors that died without a word.
    fn watch(&mut self, ctx: &mut Context<Self>) {
        let (now, wall) = (self.now(), self.fetcher_parts.clock.wall());
        for index in 0..self.fetchers.len() {
            if self.fetchers.get(index).is_some_and(|fetcher| !fetcher.connected())
                && self.desk.fetcher_lives(index)
            {
                self.desk.fetcher_died(now, wall, index);
            }
        }
        let dead =
            |(key, host): (&(usize, WorkerId), &Post<HandlerHost>)| (!host.connected()).then_some(*key);
        let workers: Vec<_> = self.workers.iter().filter_map(dead).collect();
        for (route, worker) in workers {
            self.bury_worker(route, worker, DiedWhile::Idle);
        }
        let lost_before =
            std::mem::replace(&mut self.sink_lost, self.sinks.iter().any(|sink| !sink.connected()));
        if lost_before {
            self.desk.fail(Problem::Storage("a sink died; what it wrote last is unknown".into()));
        }
        self.check_io();
        self.proceed(ctx);
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.start_sinks(ctx);
        self.fetcher_seats = self.placement.fetchers(self.lanes.len());
        self.fetchers = self
            .fetcher_seats
            .iter()
            .enumerate()
            .map(|(index, seat)| self.start_fetcher(index, seat, ctx))
            .collect();
        if let Some(seeds) = self.seeds.take() {
            self.desk.offer(self.now(), seeds);
        }
        self.tasks.spawn(self.sessions.watch_deadlines());
        ctx.run_interval(WATCH_TICK, Self::watch);
        if self.room.is_some() {
            ctx.run_interval(SPACE_TICK, |supervisor, ctx| supervisor.measure_space(ctx));
        }
        self.proceed(ctx);
    }
}

/// Takes ended fetches.
impl Handler<FetchesDone> for Supervisor {
    type Result = ();

    fn handle(&mut self, FetchesDone { fetcher, done }: FetchesDone, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.fetches_done(self.now(), fetcher, done);
        self.proceed(ctx);
    }
}

/// Counts a fetcher in.
impl Handler<FetcherStarted> for Supervisor {
    type Result = ();

    fn handle(&mut self, FetcherStarted { fetcher }: FetcherStarted, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.fetcher_started(fetcher);
        self.proceed(ctx);
    }
}

/// Counts a worker in.
impl Handler<WorkerStarted> for Supervisor {
    type Result = ();

    fn handle(&mut self, WorkerStarted { route, worker }: WorkerStarted, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.worker_started(route, worker);
        self.proceed(ctx);
    }
}

/// Takes handlers' answers.
impl Handler<PagesHandled> for Supervisor {
    type Result = ();

    fn handle(&mut self, PagesHandled { route, worker, answers }: PagesHandled, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.pages_handled(self.now(), route, worker, answers);
        self.proceed(ctx);
    }
}

/// Buries a worker and has its pages tried again.
impl Handler<WorkerDied> for Supervisor {
    type Result = ();

    fn handle(&mut self, WorkerDied { route, worker, during }: WorkerDied, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.bury_worker(route, worker, during);
        self.proceed(ctx);
    }
}

/// Finishes what is in flight and leases nothing more.
impl Handler<Drain> for Supervisor {
    type Result = ();

    fn handle(&mut self, Drain(mode): Drain, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.drain(self.now(), mode);
        self.proceed(ctx);
    }
}

/// Ends the crawl where it stands, once what is settled is written.
impl Handler<Stop> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.stop();
        self.proceed(ctx);
    }
}

/// Stops leasing, or goes on.
impl Handler<Pause> for Supervisor {
    type Result = ();

    fn handle(&mut self, Pause(paused): Pause, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.pause(paused);
        self.proceed(ctx);
    }
}

/// Says how the crawl stands.
impl Handler<GetStatus> for Supervisor {
    type Result = MessageResult<GetStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Context<Self>) -> Self::Result {
        self.mailbox.started();
        MessageResult(self.desk.status(self.now()))
    }
}

/// Stops with every actor below.
impl Handler<Halt> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Halt, ctx: &mut Context<Self>) {
        self.mailbox.started();
        ctx.stop();
    }
}
