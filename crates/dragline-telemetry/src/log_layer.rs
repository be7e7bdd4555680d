//! Counts log events by level.

use prometheus::{IntCounter, IntCounterVec, Result};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::labels::LEVELS;
use crate::names;
use crate::register::opts;

/// The counters of log events; made before the log so that nothing goes uncounted, and handed to
/// [`TelemetryOptions`](crate::TelemetryOptions). Clones share their counts.
#[derive(Clone, Debug)]
pub struct LogEvents {
    pub(crate) family: IntCounterVec,
    /// Indexed as [`LEVELS`].
    counters: Box<[IntCounter]>,
}

impl LogEvents {
    /// Makes counters that stand at 0.
    ///
    /// # Errors
    /// When the metric's name or help is refused, which is a bug of [`names`].
    pub fn new() -> Result<Self> {
        let family = IntCounterVec::new(opts(&names::LOG_EVENTS), names::LOG_EVENTS.labels)?;
        let child = |level| family.get_metric_with_label_values(&[level]);
        let counters = LEVELS.into_iter().map(child).collect::<Result<_>>()?;
        Ok(Self { family, counters })
    }

    /// Returns a layer that counts into these counters.
    pub fn layer(&self) -> CountingLayer {
        CountingLayer { counters: self.counters.clone() }
    }
}

/// Counts every event that the filters above it let through.
#[derive(Clone, Debug)]
pub struct CountingLayer {
    counters: Box<[IntCounter]>,
}

impl<S: Subscriber> Layer<S> for CountingLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = event.metadata().level();
        let gravest_first = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        for (counter, counted) in self.counters.iter().zip(gravest_first) {
            if counted == *level {
                counter.inc();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn events_are_counted_by_level() {
        let events = LogEvents::new().unwrap();
        let subscriber = tracing_subscriber::registry().with(events.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::warn!("three");
            tracing::trace!("four");
        });
        let counts: Vec<_> = events.counters.iter().map(IntCounter::get).collect();
        assert_eq!(counts, [1, 2, 0, 0, 1]);
    }
}
