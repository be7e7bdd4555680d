//! Records what actors, handlers and sinks do.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::fetch::millis;
use crate::Telemetry;
use crate::handles::add;
use crate::labels::{HandlerOutcome, RunState};
use crate::register::LabelId;

/// A handler ended with one page.
#[derive(Clone, Copy, Debug)]
pub struct HandlerFinished<'a> {
    /// The handler, as [`Telemetry::handler_id`] names it.
    pub handler: LabelId,
    /// The page.
    pub url: &'a str,
    /// How it ended.
    pub outcome: HandlerOutcome,
    /// How long it took.
    pub duration: Duration,
}

impl HandlerFinished<'_> {
    /// Counts the result and logs it: a panic at level warn, the rest at level debug.
    pub fn record(&self, telemetry: &Telemetry) {
        if let Some(metrics) = telemetry.handlers.get(self.handler) {
            add(&metrics.results, self.outcome as usize, 1);
            metrics.duration.observe(self.duration.as_secs_f64());
        }
        let handler = telemetry.handlers.name(self.handler);
        if self.outcome == HandlerOutcome::Panic {
            warn!(target: "dragline::handler", handler, url = %telemetry.log_urls.show(self.url), "handler panicked");
        } else {
            debug!(
                target: "dragline::handler",
                handler,
                url = %telemetry.log_urls.show(self.url),
                outcome = self.outcome.name(),
                total_ms = millis(self.duration),
                "handler ended"
            );
        }
    }
}

/// A page was given up by a handler.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// The handler, as [`Telemetry::handler_id`] names it.
    pub handler: LabelId,
    /// The page.
    pub url: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl DeadLetter<'_> {
    /// Counts the page and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        if let Some(metrics) = telemetry.handlers.get(self.handler) {
            metrics.dead_letters.inc();
        }
        debug!(
            target: "dragline::handler",
            handler = telemetry.handlers.name(self.handler),
            url = %telemetry.log_urls.show(self.url),
            reason = %telemetry.log_urls.show_in(self.reason),
            "dead letter"
        );
    }
}

/// Items of settled pages were given to a sink.
#[derive(Clone, Copy, Debug)]
pub struct ItemsWritten {
    /// The sink, as [`Telemetry::sink_id`] names it.
    pub sink: LabelId,
    /// How many.
    pub count: u64,
}

impl ItemsWritten {
    /// Counts the items.
    pub fn record(&self, telemetry: &Telemetry) {
        if let Some(metrics) = telemetry.sinks.get(self.sink) {
            metrics.items.inc_by(self.count);
        }
    }
}

/// An actor died and was started again.
#[derive(Clone, Copy, Debug)]
pub struct ActorRestarted<'a> {
    /// The kind of actor, as [`Telemetry::actor_id`] names it.
    pub actor: LabelId,
    /// Why the one before died.
    pub reason: &'a str,
}

impl ActorRestarted<'_> {
    /// Counts the restart and, at level warn, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        if let Some(metrics) = telemetry.actors.get(self.actor) {
            metrics.restarts.inc();
        }
        let actor = telemetry.actors.name(self.actor);
        warn!(target: "dragline::actor", actor, reason = %telemetry.log_urls.show_in(self.reason), "actor restarted");
    }
}

/// The crawl went into another state.
#[derive(Clone, Copy, Debug)]
pub struct StateChanged {
    /// The state it is in now.
    pub state: RunState,
}

impl StateChanged {
    /// Shows the state and, at level info, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        telemetry.set_state(self.state);
        info!(target: "dragline::actor", state = self.state.name(), "state changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::{telemetry, value};

    #[test]
    fn actors_handlers_and_sinks_are_counted_by_name() {
        let telemetry = telemetry();
        let handler = telemetry.handler_id("index").unwrap();
        let url = "http://a/";
        let duration = Duration::from_millis(20);
        for outcome in HandlerOutcome::ALL {
            HandlerFinished { handler, url, outcome, duration }.record(&telemetry);
        }
        DeadLetter { handler, url, reason: "panicked alone" }.record(&telemetry);
        ItemsWritten { sink: telemetry.sink_id("pages").unwrap(), count: 12 }.record(&telemetry);
        ActorRestarted { actor: telemetry.actor_id("handler").unwrap(), reason: "panic" }.record(&telemetry);
        StateChanged { state: RunState::Draining }.record(&telemetry);
        let text = telemetry.gather_text().unwrap();
        let check =
            |series: &str, expected: &str| assert_eq!(value(&text, series), Some(expected), "{series}");
        check("dragline_handler_results_total{handler=\"index\",outcome=\"panic\"}", "1");
        check("dragline_handler_results_total{handler=\"extract\",outcome=\"panic\"}", "0");
        check("dragline_handler_duration_seconds_count{handler=\"index\"}", "4");
        check("dragline_dead_letters_total{handler=\"index\"}", "1");
        check("dragline_items_total{sink=\"pages\"}", "12");
        check("dragline_actor_restarts_total{actor=\"handler\"}", "1");
        check("dragline_state{state=\"draining\"}", "1");
        check("dragline_state{state=\"starting\"}", "0");
    }

    #[test]
    fn names_that_were_not_configured_have_no_id() {
        let telemetry = telemetry();
        assert_eq!(telemetry.handler_id("nobody"), None);
        assert!(telemetry.open_mailbox("nobody", 1).is_none());
        assert!(telemetry.open_mailbox("fetcher", 1).is_some());
    }
}
