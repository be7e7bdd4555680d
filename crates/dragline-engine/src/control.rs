//! Takes signals and wishes from outside, and reports the crawl's end.

use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, WrapFuture};
use dragline_core::Time;
use dragline_core::frontier::Drain as DrainMode;
use dragline_core::report::{Ended, Report, Totals};
use dragline_telemetry::Telemetry;
use dragline_telemetry::events::StateChanged;
use dragline_telemetry::labels::RunState;
use std::sync::Arc;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::desk::{End, Problem};
use crate::messages::{
    Appoint, CrawlEnded, Drain, GetSnapshot, GetStatus, Halt, Interrupt, Pause, StateEntered, Status, Stop,
    TakeSample,
};
use crate::metrics::Metrics;
use crate::post::{Mailbox, Post};
use crate::supervisor::Supervisor;

/// How often the supervisor's life is checked.
const WATCH_TICK: Duration = Duration::from_millis(250);

/// How long the last commit of a crawl that is stopped at once may take.
const LAST_COMMIT: Duration = Duration::from_secs(1);

/// How long a last look at the counts may take when the crawl is stopped at once.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// A signal that asks the crawl to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: somebody pressed ^C.
    Interrupt,
    /// SIGTERM: the system asks.
    Terminate,
}

/// How a crawl ended, with its report.
#[derive(Clone, Debug)]
pub struct CrawlEnd {
    /// Every URL accounted for.
    pub report: Report,
    /// What became of the first seeds that led to no page, in words.
    pub seed_faults: Vec<String>,
    /// Why the crawl could not go on.
    pub problem: Option<Problem>,
    /// The signal that stopped it at once, when one did.
    pub stopped_by: Option<Signal>,
}

/// The control actor: small, and apart from the work, so that it always answers.
pub(crate) struct Control {
    pub(crate) clock: Clock,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) metrics: Addr<Metrics>,
    pub(crate) mailbox: Mailbox,
    pub(crate) supervisor: Option<Post<Supervisor>>,
    pub(crate) ended: Option<oneshot::Sender<CrawlEnd>>,
    /// What earlier lives counted: the report's when nobody can tell more.
    pub(crate) earlier: Totals,
    pub(crate) interrupts: u32,
    /// The signal that stopped the crawl at once.
    pub(crate) stopped_by: Option<Signal>,
}

impl Control {
    fn state(&self, state: RunState) {
        StateChanged { state }.record(&self.telemetry);
    }

    /// Reports the end, once, and stops every actor below and this one.
    fn finish(&mut self, end: End, status: Option<Status>, ctx: &mut Context<Self>) {
        // Its timer would keep it alive for ever.
        ctx.stop();
        let Some(ended) = self.ended.take() else { return };
        self.state(RunState::Stopped);
        let earlier = || Status { totals: self.earlier.clone(), ..Status::default() };
        let status = status.unwrap_or_else(earlier);
        let mut totals = status.totals.clone();
        totals.finished_at = self.clock.wall();
        totals.duration = self.earlier.duration + (self.clock.now() - Time::ZERO);
        let report = Report::new(&status.stats, totals, status.joined.clone(), end.ended);
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.send(Halt);
        }
        let ended = ended.send(CrawlEnd {
            report,
            seed_faults: status.seed_faults,
            problem: end.problem,
            stopped_by: self.stopped_by,
        });
        if ended.is_err() {
            tracing::debug!(target: "dragline::actor", "nobody waits for the crawl's end");
        }
    }

    /// Ends the crawl with the last numbers that the supervisor told before it died.
    fn mourn(&mut self, ctx: &mut Context<Self>) {
        self.supervisor = None;
        let snapshot = self.metrics.send(GetSnapshot).into_actor(self);
        ctx.spawn(actix::fut::ActorFutureExt::map(snapshot, |status, control: &mut Self, ctx| {
            let what = "the supervisor died: this is a bug, its panic is in the log";
            let end = End::failed(Problem::Internal(what.into()));
            control.finish(end, status.ok().flatten(), ctx);
        }));
    }

    /// Ends the crawl where it stands, with what is settled written; whether or not that is done in time.
    fn stop(&mut self, signal: Option<Signal>, ctx: &mut Context<Self>) {
        self.stopped_by = self.stopped_by.or(signal);
        if let Some(supervisor) = &self.supervisor {
            supervisor.send(Stop);
            ctx.run_later(LAST_COMMIT, Self::leave);
        }
    }

    /// Takes a last look at the counts and ends a crawl whose last commit did not come.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        let Some(supervisor) = self.supervisor.clone() else { return };
        let metrics = self.metrics.clone();
        let look = async move {
            let asked = tokio::time::timeout(LAST_LOOK, supervisor.ask(GetStatus)).await;
            let status = asked.ok().and_then(Result::ok)?;
            let shown = metrics.send(TakeSample(status.clone())).await;
            tracing::trace!(target: "dragline::actor", shown = shown.is_ok(), "last look taken");
            Some(status)
        };
        let look = look.into_actor(self);
        ctx.spawn(actix::fut::ActorFutureExt::map(look, move |status, control: &mut Self, ctx| {
            control.finish(End::because(Ended::Stopped), status, ctx);
        }));
    }

    fn drain(&self, mode: DrainMode) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.send(Drain(mode));
        }
    }
}

impl Actor for Control {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(WATCH_TICK, |control, ctx| {
            if control.supervisor.as_ref().is_some_and(|supervisor| !supervisor.connected()) {
                control.mourn(ctx);
            }
        });
    }
}

/// Learns who supervises.
impl Handler<Appoint> for Control {
    type Result = ();

    fn handle(&mut self, Appoint(supervisor): Appoint, _: &mut Context<Self>) {
        self.mailbox.started();
        self.supervisor = Some(supervisor);
    }
}

/// Drains at the first signal, stops at the second.
impl Handler<Interrupt> for Control {
    type Result = ();

    fn handle(&mut self, Interrupt(signal): Interrupt, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.interrupts += 1;
        if self.interrupts == 1 {
            self.drain(DrainMode::Keep);
        } else {
            self.stop(Some(signal), ctx);
        }
    }
}

/// Stops at once on request.
impl Handler<Stop> for Control {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.stop(None, ctx);
    }
}

/// Drains on request.
impl Handler<Drain> for Control {
    type Result = ();

    fn handle(&mut self, Drain(mode): Drain, _: &mut Context<Self>) {
        self.drain(mode);
    }
}

/// Pauses or resumes on request.
impl Handler<Pause> for Control {
    type Result = ();

    fn handle(&mut self, pause: Pause, _: &mut Context<Self>) {
        if let Some(supervisor) = &self.supervisor {
            supervisor.send(pause);
        }
    }
}

/// Shows the state, unless the end was reported.
impl Handler<StateEntered> for Control {
    type Result = ();

    fn handle(&mut self, StateEntered(state): StateEntered, _: &mut Context<Self>) {
        self.mailbox.started();
        if self.ended.is_some() {
            self.state(state);
        }
    }
}

/// Shows the last numbers and reports the end.
impl Handler<CrawlEnded> for Control {
    type Result = ();

    fn handle(&mut self, CrawlEnded { end, status }: CrawlEnded, ctx: &mut Context<Self>) {
        self.mailbox.started();
        let shown = self.metrics.send(TakeSample(status.clone())).into_actor(self);
        ctx.spawn(actix::fut::ActorFutureExt::map(shown, move |_, control: &mut Self, ctx| {
            control.finish(end, Some(status), ctx);
        }));
    }
}
