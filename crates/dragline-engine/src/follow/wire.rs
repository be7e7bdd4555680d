//! Sends one request over the transport and tells the telemetry what came of it.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::fetch::{FetchLimits, FetchRequest, FetchResponse, Phase};
use dragline_core::frontier::Purpose;
use dragline_core::{Outcome, Time};
use dragline_fetch::Transport;
use dragline_telemetry::Telemetry;
use dragline_telemetry::events::FetchFinished;

use crate::clock::Clock;
use crate::lanes::isolate;

/// The way to the network, and who is told of what went over it.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) clock: Clock,
    pub(super) transport: Rc<dyn Transport>,
    pub(super) telemetry: Option<Arc<Telemetry>>,
}

/// What is told of a fetch beside what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lot {
    /// What it is for; `None` for whoever asked the follower.
    pub(super) purpose: Option<Purpose>,
    /// The attempt, from 1.
    pub(super) attempt: u32,
    /// How long it waited for its turn.
    pub(super) queue_wait: Duration,
    /// The gap that its host keeps.
    pub(super) gap: Option<Duration>,
}

impl Wire {
    /// Fetches once from `began` on, which is now, within these limits in place of the request's own; returns when it
    /// ended, too. A panic below is `crashed`.
    ///
    /// # Cancel safety
    /// Dropping it closes its connection; nothing is told then.
    pub(super) async fn fetch(
        &self,
        request: &FetchRequest,
        limits: FetchLimits,
        lot: Lot,
        began: Time,
    ) -> (FetchResponse, Time) {
        let hop = FetchRequest { limits: Arc::new(limits), ..request.clone() };
        let fetching = async { self.transport.fetch(hop).await };
        let mut response = match isolate(pin!(fetching)).await {
            Ok(response) => response,
            Err(panic) => FetchResponse::failed(Outcome::Crashed, Phase::Queue, panic),
        };
        let ended = self.clock.now();
        if let Some(telemetry) = &self.telemetry {
            if response.phases.total.is_zero() {
                response.phases.total = ended - began;
            }
            let mut event = FetchFinished::new(request.url.as_str(), &response);
            event.purpose = lot.purpose;
            event.attempt = lot.attempt;
            event.queue_wait = Some(lot.queue_wait);
            event.gap = lot.gap;
            event.record(telemetry);
        }
        (response, ended)
    }
}
