//! Looks at a running crawl and steers it from outside.

use std::fmt;
use std::sync::Arc;

use actix::{Addr, MailboxError};
use dragline_core::frontier::Drain as DrainMode;
use dragline_telemetry::Telemetry;

use crate::control::Control;
#[cfg(test)]
use crate::follow::CrawlGate;
use crate::messages::{Drain, Gather, GetSnapshot, Pause, Status, Stop};
use crate::metrics::Metrics;
use crate::session::Session;
use crate::spawn::Seat;

/// Looks at a running crawl and steers it, from any thread. The last numbers can be read after the end too.
#[derive(Clone)]
pub struct CrawlHandle {
    pub(crate) control: Addr<Control>,
    pub(crate) metrics: Addr<Metrics>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) session: Session,
    #[cfg(test)]
    pub(crate) gate: CrawlGate,
    /// Keeps the metrics actor's thread for as long as somebody may ask.
    pub(crate) _metrics_seat: Arc<Seat>,
}

impl CrawlHandle {
    /// Returns the crawl's telemetry, where users register metrics of their own.
    pub const fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Returns a session of the crawl: see [`CrawlBuilder::session`](crate::CrawlBuilder::session).
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
