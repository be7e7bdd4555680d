//! Owns the registry with every handle and writes it out as text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, IntGauge, Registry, Result, TextEncoder};

use crate::escape::LoggedUrls;
use crate::handles::{
    ActorMetrics, CommitMetrics, FetchMetrics, FrontierMetrics, HandlerMetrics, PolitenessMetrics,
    SessionMetrics, SinkMetrics, add,
};
use crate::labels::{CallbackResult, Edge, RunState, SessionResult};
use crate::log_layer::LogEvents;
use crate::mailbox::{MailboxGauge, Mailboxes};
use crate::names;
use crate::register::{LabelId, Named, OTHER, Registrar};

/// The most arbiters that have a series of their own; the rest share `other`. Each costs 28 series.
const ARBITERS_MAX: usize = 16;

/// What the label sets of the configuration are.
#[derive(Clone, Debug, Default)]
pub struct TelemetryOptions {
    /// The handlers' names; the first 64 have series of their own, the rest share `other`.
    pub handlers: Vec<String>,
    /// The sinks' names; as for handlers.
    pub sinks: Vec<String>,
    /// The kinds of actors; as for handlers.
    pub actors: Vec<String>,
    /// How many arbiters (threads) run actors; the first 16 have series of their own.
    pub arbiters: usize,
    /// The version in `dragline_build_info`.
    pub version: String,
    /// The revision in `dragline_build_info`.
    pub revision: String,
    /// The counters of log events, when a log counts into some already.
    pub log_events: Option<LogEvents>,
    /// How much of a URL log lines show.
    pub log_urls: LoggedUrls,
}

/// The registry and every handle; shared by all threads.
pub struct Telemetry {
    registry: Registry,
    pub(crate) fetch: FetchMetrics,
    session: SessionMetrics,
    pub(crate) frontier: FrontierMetrics,
    pub(crate) commit: CommitMetrics,
    pub(crate) politeness: PolitenessMetrics,
    pub(crate) actors: Named<ActorMetrics>,
    pub(crate) handlers: Named<HandlerMetrics>,
    pub(crate) sinks: Named<SinkMetrics>,
    pub(crate) credits_in_use: Box<[IntGauge]>,
    pub(crate) credits_max: Box<[IntGauge]>,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) states: Box<[IntGauge]>,
    arbiter_lag: Box<[Histogram]>,
    log_events: LogEvents,
    pub(crate) log_urls: LoggedUrls,
}

impl Telemetry {
    /// Registers every family and makes every child.
    ///
    /// # Errors
    /// When the registry refuses a family, or when the given log counters already stand in another registry's place.
    pub fn new(options: TelemetryOptions) -> Result<Arc<Self>> {
        let registry = Registry::new();
        let registrar = Registrar(&registry);
        let log_events = options.log_events.map_or_else(LogEvents::new, Ok)?;
        registrar.adopt(&log_events.family)?;
        registrar
            .gauge_vec(&names::BUILD_INFO)?
            .get_metric_with_label_values(&[&options.version, &options.revision])?
            .set(1);
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let edges = Edge::ALL.map(Edge::name);
        let arbiters = arbiter_values(options.arbiters);
        let telemetry = Self {
            fetch: FetchMetrics::new(registrar)?,
            session: SessionMetrics::new(registrar)?,
            frontier: FrontierMetrics::new(registrar)?,
            commit: CommitMetrics::new(registrar)?,
            politeness: PolitenessMetrics::new(registrar)?,
            actors: ActorMetrics::named(registrar, &options.actors)?,
            handlers: HandlerMetrics::named(registrar, &options.handlers)?,
            sinks: SinkMetrics::named(registrar, &options.sinks)?,
            credits_in_use: registrar.gauges(&names::CREDITS_IN_USE, edges)?,
            credits_max: registrar.gauges(&names::CREDITS_MAX, edges)?,
            mailboxes: Mailboxes::default(),
            states: registrar.gauges(&names::STATE, RunState::ALL.map(RunState::name))?,
            arbiter_lag: registrar.histograms(&names::ARBITER_LAG, arbiters.iter().map(String::as_str))?,
            log_events,
            log_urls: options.log_urls,
            registry,
        };
        telemetry.set_state(RunState::Starting);
        Ok(Arc::new(telemetry))
    }

    /// Returns the registry; users register metrics of their own in it.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns every metric in the text format; its content type is [`CONTENT_TYPE`](Self::CONTENT_TYPE).
    ///
    /// Takes about 2 ms: call it on a thread that nothing waits for.
    ///
    /// # Errors
    /// When a collector that a user registered gives a family which cannot be written down.
    pub fn gather_text(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// What [`gather_text`](Self::gather_text) must be served as; Prometheus 3 refuses a scrape without it.
    pub const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;

    /// Returns the id of a handler for its events; `None` when it is not among the options.
    pub fn handler_id(&self, name: &str) -> Option<LabelId> {
        self.handlers.id(name)
    }

    /// Returns the id of a sink for its events; `None` when it is not among the options.
    pub fn sink_id(&self, name: &str) -> Option<LabelId> {
        self.sinks.id(name)
    }

    /// Returns the id of a kind of actor for its events; `None` when it is not among the options.
    pub fn actor_id(&self, name: &str) -> Option<LabelId> {
        self.actors.id(name)
    }

    /// Opens the mailbox of one new instance of an actor; counted until it is closed or dropped.
    ///
    /// `None` when the kind of actor is not among the options.
    pub fn open_mailbox(&self, actor: &str, capacity: usize) -> Option<MailboxGauge> {
        let id = self.actors.id(actor)?;
        let capacity = u64::try_from(capacity).unwrap_or(u64::MAX);
        self.actors.get(id).map(|metrics| self.mailboxes.open(id, metrics, capacity))
    }

    /// Observes how late a timer of 100 ms came on an arbiter, numbered from 0.
    pub fn arbiter_lag(&self, arbiter: usize, lateness: Duration) {
        let last = self.arbiter_lag.len().saturating_sub(1);
        if let Some(histogram) = self.arbiter_lag.get(arbiter.min(last)) {
            histogram.observe(lateness.as_secs_f64());
        }
    }

    /// Says whether robots.txt is obeyed.
    pub fn set_robots_obeyed(&self, obeyed: bool) {
        self.politeness.robots_obeyed.set(i64::from(obeyed));
    }

    /// Counts a session's fetch that was started.
    pub fn session_began(&self) {
        self.session.outstanding.inc();
    }

    /// Counts a session's fetch that ended.
    pub fn session_ended(&self, result: SessionResult) {
        self.session.outstanding.dec();
        add(&self.session.fetches, result as usize, 1);
    }

    /// Counts a session's callback that ended.
    pub fn callback_ended(&self, result: CallbackResult, took: Duration) {
        add(&self.session.callbacks, result as usize, 1);
        self.session.callback_duration.observe(took.as_secs_f64());
    }

    /// Returns the counters of log events, to make a layer from.
    pub fn log_events(&self) -> &LogEvents {
        &self.log_events
    }

    /// Shows one state as 1 and the others as 0.
    pub(crate) fn set_state(&self, current: RunState) {
        for (gauge, state) in self.states.iter().zip(RunState::ALL) {
            gauge.set(i64::from(state == current));
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// Returns the label values of so many arbiters: their numbers, or the first ones and `other`.
fn arbiter_values(arbiters: usize) -> Vec<String> {
    let mut values: Vec<_> = (0..arbiters.min(ARBITERS_MAX)).map(|number| number.to_string()).collect();
    if arbiters > ARBITERS_MAX {
        values.push(OTHER.into());
    }
    values
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn telemetry() -> Arc<Telemetry> {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let options = TelemetryOptions {
            handlers: names(&["extract", "index", "archive", "probe"]),
            sinks: names(&["pages", "errors"]),
            actors: names(&["supervisor", "fetcher", "handler", "sink", "metrics", "control"]),
            arbiters: 8,
            version: "0.1.0".into(),
            revision: "unknown".into(),
            log_events: None,
            log_urls: LoggedUrls::Full,
        };
        Telemetry::new(options).unwrap()
    }

    /// Returns the value of one series in a text.
    pub(crate) fn value<'t>(text: &'t str, series: &str) -> Option<&'t str> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
    }

    #[test]
    fn exactly_one_state_is_shown() {
        let telemetry = telemetry();
        for state in RunState::ALL {
            telemetry.set_state(state);
            assert_eq!(telemetry.states.iter().map(IntGauge::get).sum::<i64>(), 1);
            let series = format!("dragline_state{{state=\"{}\"}}", state.name());
            assert_eq!(value(&telemetry.gather_text().unwrap(), &series), Some("1"));
        }
    }

    #[test]
    fn arbiters_beyond_the_cap_share_one_series() {
        assert_eq!(arbiter_values(2), ["0", "1"]);
        assert_eq!(arbiter_values(40).len(), ARBITERS_MAX + 1);
        let telemetry =
            Telemetry::new(TelemetryOptions { arbiters: 40, ..TelemetryOptions::default() }).unwrap();
        telemetry.arbiter_lag(39, Duration::from_millis(1));
        telemetry.arbiter_lag(16, Duration::from_millis(1));
        let text = telemetry.gather_text().unwrap();
        assert_eq!(value(&text, "dragline_arbiter_lag_seconds_count{arbiter=\"other\"}"), Some("2"));
    }

    #[test]
    fn users_metrics_stand_beside_ours() {
        let telemetry = telemetry();
        let counter = prometheus::IntCounter::new("shop_prices_total", "Prices seen.").unwrap();
        telemetry.registry().register(Box::new(counter.clone())).unwrap();
        counter.inc();
        assert_eq!(value(&telemetry.gather_text().unwrap(), "shop_prices_total"), Some("1"));
    }
}
