//! Owns the registry's readers: samples gauges once a second and answers scrapes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, MessageResult, WrapFuture};
use dragline_telemetry::{Sample, Telemetry, Totals};

use crate::fetcher::FetcherGauges;
use crate::messages::{Appoint, Gather, GetSnapshot, GetStatus, Status, TakeSample};
use crate::post::Post;
use crate::supervisor::Supervisor;

/// How often gauges are sampled.
const SAMPLE_TICK: Duration = Duration::from_secs(1);

/// The metrics actor: off every hot path, since observations go through shared handles and not through messages.
pub(crate) struct Metrics {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) fetchers: Vec<Arc<FetcherGauges>>,
    pub(crate) concurrency: u64,
    pub(crate) supervisor: Option<Post<Supervisor>>,
    pub(crate) last: Option<Status>,
}

impl Metrics {
    fn sample(&mut self, status: Status) {
        let sum = |pick: fn(&FetcherGauges) -> &AtomicU64| {
            self.fetchers.iter().map(|gauges| pick(gauges).load(Ordering::Relaxed)).sum::<u64>()
        };
        self.telemetry.sample(&Sample {
            frontier: &status.stats,
            uncommitted_urls: u64::try_from(status.uncommitted).unwrap_or(u64::MAX),
            credits: status.credits,
            fetches_in_flight: sum(|gauges| &gauges.in_flight),
            fetch_concurrency_limit: self.concurrency,
            connections_busy: sum(|gauges| &gauges.connections_busy),
            connections_idle: sum(|gauges| &gauges.connections_idle),
            totals: Totals {
                connections: [
                    sum(|gauges| &gauges.connections_new),
                    sum(|gauges| &gauges.connections_reused),
                ],
                dns: [
                    sum(|gauges| &gauges.dns_cached),
                    sum(|gauges| &gauges.dns_resolved),
                    sum(|gauges| &gauges.dns_failed),
                ],
            },
        });
        self.last = Some(status);
    }

    /// Asks for the next sample, for as long as there is somebody to ask: a timer would keep this actor alive for ever.
    fn ask(&self, ctx: &mut Context<Self>) {
        let Some(supervisor) = self.supervisor.clone() else { return };
        let asked = async move { supervisor.ask(GetStatus).await }.into_actor(self);
        ctx.spawn(actix::fut::ActorFutureExt::map(asked, |status, metrics: &mut Self, ctx| {
            if let (Ok(status), Some(_)) = (status, &metrics.supervisor) {
                metrics.sample(status);
                ctx.run_later(SAMPLE_TICK, |metrics, ctx| metrics.ask(ctx));
            }
        }));
    }
}

impl Actor for Metrics {
    type Context = Context<Self>;
}

/// Learns whom to ask.
impl Handler<Appoint> for Metrics {
    type Result = ();

    fn handle(&mut self, Appoint(supervisor): Appoint, ctx: &mut Context<Self>) {
        self.supervisor = Some(supervisor);
        ctx.run_later(SAMPLE_TICK, |metrics, ctx| metrics.ask(ctx));
    }
}

/// Shows the crawl's last numbers, so that a scrape at rest equals the report.
impl Handler<TakeSample> for Metrics {
    type Result = ();

    fn handle(&mut self, TakeSample(status): TakeSample, _: &mut Context<Self>) {
        self.supervisor = None;
        self.sample(status);
    }
}

/// Writes every metric down.
impl Handler<Gather> for Metrics {
    type Result = MessageResult<Gather>;

    fn handle(&mut self, _: Gather, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.telemetry.gather_text().map_err(|error| error.to_string()))
    }
}

/// Returns the last sample.
impl Handler<GetSnapshot> for Metrics {
    type Result = MessageResult<GetSnapshot>;

    fn handle(&mut self, _: GetSnapshot, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.last.clone())
    }
}
