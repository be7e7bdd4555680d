//! Holds the handles of every family, resolved once.

use std::sync::atomic::{AtomicU64, Ordering};

use dragline_core::frontier::{OfferSource, Trigger};
use dragline_core::{LinkRefusal, Outcome, Phase, SkipReason};
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Result};

use crate::labels::{
    CallbackResult, Class, ConnectionKind, ConnectionState, DISPOSITIONS, Directive, DnsResult,
    HandlerOutcome, HostState, LINK_DUPLICATE, LINK_NEW, RetryReason, RobotsDecision, RobotsResult,
    SessionResult, UrlState,
};
use crate::register::{Named, Registrar};
use crate::{codes, names};

/// Adds to one counter of a set that is indexed by an enum.
pub(crate) fn add(counters: &[IntCounter], index: usize, count: u64) {
    if let Some(counter) = counters.get(index) {
        counter.inc_by(count);
    }
}

/// Sets one gauge of a set that is indexed by an enum.
pub(crate) fn set(gauges: &[IntGauge], index: usize, value: u64) {
    if let Some(gauge) = gauges.get(index) {
        gauge.set(saturated(value));
    }
}

/// Turns a count into a gauge's value.
pub(crate) fn saturated(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Counters of what fetches do.
#[derive(Debug)]
pub(crate) struct FetchMetrics {
    pub(crate) fetches: Box<[IntCounter]>,
    pub(crate) responses: Box<[IntCounter]>,
    /// Indexed as [`Outcome::ALL`]; `None` for the outcomes that have a response.
    pub(crate) errors: Box<[Option<IntCounter>]>,
    pub(crate) durations: Box<[Histogram]>,
    pub(crate) phases: Box<[Histogram]>,
    pub(crate) queue_wait: Histogram,
    pub(crate) body_bytes: Histogram,
    pub(crate) received_bytes: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) in_flight: IntGauge,
    pub(crate) concurrency_limit: IntGauge,
    pub(crate) retries: Box<[IntCounter]>,
    pub(crate) redirects: IntCounter,
    pub(crate) connections_made: TotalCounters,
    pub(crate) connections: Box<[IntGauge]>,
    pub(crate) dns_lookups: TotalCounters,
}

impl FetchMetrics {
    pub(crate) fn new(registrar: Registrar<'_>) -> Result<Self> {
        let errors = registrar.counter_vec(&names::FETCH_ERRORS)?;
        let error_of = |outcome: Outcome| {
            let kind = (!outcome.has_response()).then(|| outcome.name());
            kind.map(|kind| errors.get_metric_with_label_values(&[kind])).transpose()
        };
        Ok(Self {
            fetches: registrar.counters(&names::FETCHES, Class::ALL.map(Class::name))?,
            responses: registrar.counters(&names::RESPONSES, codes::values())?,
            errors: Outcome::ALL.into_iter().map(error_of).collect::<Result<_>>()?,
            durations: registrar.histograms(&names::FETCH_DURATION, Class::ALL.map(Class::name))?,
            phases: registrar.histograms(&names::FETCH_PHASE_DURATION, Phase::TIMED.map(Phase::name))?,
            queue_wait: registrar.histogram(&names::FETCH_QUEUE_WAIT)?,
            body_bytes: registrar.histogram(&names::RESPONSE_BODY)?,
            received_bytes: registrar.counter(&names::RECEIVED_BYTES)?,
            sent_bytes: registrar.counter(&names::SENT_BYTES)?,
            in_flight: registrar.gauge(&names::FETCHES_IN_FLIGHT)?,
            concurrency_limit: registrar.gauge(&names::FETCH_CONCURRENCY_LIMIT)?,
            retries: registrar.counters(&names::FETCH_RETRIES, RetryReason::ALL.map(RetryReason::name))?,
            redirects: registrar.counter(&names::REDIRECTS)?,
            connections_made: TotalCounters::new(
                registrar
                    .counters(&names::CONNECTIONS_MADE, ConnectionKind::ALL.map(ConnectionKind::name))?,
            ),
            connections: registrar
                .gauges(&names::CONNECTIONS, ConnectionState::ALL.map(ConnectionState::name))?,
            dns_lookups: TotalCounters::new(
                registrar.counters(&names::DNS_LOOKUPS, DnsResult::ALL.map(DnsResult::name))?,
            ),
        })
    }
}

/// Counters of sessions.
#[derive(Debug)]
pub(crate) struct SessionMetrics {
    pub(crate) fetches: Box<[IntCounter]>,
    pub(crate) outstanding: IntGauge,
    pub(crate) callbacks: Box<[IntCounter]>,
    pub(crate) callback_duration: Histogram,
}

impl SessionMetrics {
    pub(crate) fn new(registrar: Registrar<'_>) -> Result<Self> {
        Ok(Self {
            fetches: registrar
                .counters(&names::SESSION_FETCHES, SessionResult::ALL.map(SessionResult::name))?,
            outstanding: registrar.gauge(&names::SESSION_OUTSTANDING)?,
            callbacks: registrar
                .counters(&names::CALLBACKS, CallbackResult::ALL.map(CallbackResult::name))?,
            callback_duration: registrar.histogram(&names::CALLBACK_DURATION)?,
        })
    }
}

/// Counters that follow totals which are kept elsewhere.
#[derive(Debug)]
pub(crate) struct TotalCounters {
    counters: Box<[IntCounter]>,
    seen: Box<[AtomicU64]>,
}

impl TotalCounters {
    fn new(counters: Box<[IntCounter]>) -> Self {
        let seen = counters.iter().map(|_| AtomicU64::new(0)).collect();
        Self { counters, seen }
    }

    /// Raises each counter to its total; a total that fell is ignored until it has risen again.
    pub(crate) fn follow(&self, totals: impl IntoIterator<Item = u64>) {
        for ((counter, seen), total) in self.counters.iter().zip(&self.seen).zip(totals) {
            let before = seen.fetch_max(total, Ordering::Relaxed);
            counter.inc_by(total.saturating_sub(before));
        }
    }
}

/// Counters and gauges of the frontier.
#[derive(Debug)]
pub(crate) struct FrontierMetrics {
    pub(crate) urls: Box<[IntGauge]>,
    pub(crate) hosts: Box<[IntGauge]>,
    pub(crate) added: Box<[IntCounter]>,
    pub(crate) skipped: Box<[IntCounter]>,
    pub(crate) finished: Box<[IntCounter]>,
    pub(crate) memory: IntGauge,
    pub(crate) oldest_ready: Gauge,
    pub(crate) link_new: IntCounter,
    pub(crate) link_duplicate: IntCounter,
    pub(crate) link_refused: Box<[IntCounter]>,
    pub(crate) identity: Box<[IntGauge]>,
    pub(crate) stale_answers: IntCounter,
}

impl FrontierMetrics {
    pub(crate) fn new(registrar: Registrar<'_>) -> Result<Self> {
        let links = registrar.counter_vec(&names::LINKS)?;
        let refused = |refusal: LinkRefusal| links.get_metric_with_label_values(&[refusal.name()]);
        let ended = DISPOSITIONS.into_iter().take(DISPOSITIONS.len() - 1);
        Ok(Self {
            urls: registrar.gauges(&names::FRONTIER_URLS, UrlState::ALL.map(UrlState::name))?,
            hosts: registrar.gauges(&names::FRONTIER_HOSTS, HostState::ALL.map(HostState::name))?,
            added: registrar.counters(&names::FRONTIER_ADDED, OfferSource::ALL.map(OfferSource::name))?,
            skipped: registrar.counters(&names::FRONTIER_SKIPPED, SkipReason::ALL.map(SkipReason::name))?,
            finished: registrar.counters(&names::FRONTIER_FINISHED, ended)?,
            memory: registrar.gauge(&names::FRONTIER_MEMORY)?,
            oldest_ready: registrar.seconds(&names::FRONTIER_OLDEST_READY)?,
            link_new: links.get_metric_with_label_values(&[LINK_NEW])?,
            link_duplicate: links.get_metric_with_label_values(&[LINK_DUPLICATE])?,
            link_refused: LinkRefusal::ALL.into_iter().map(refused).collect::<Result<_>>()?,
            identity: registrar.gauges(&names::URLS, DISPOSITIONS)?,
            stale_answers: registrar.counter(&names::STALE_ANSWERS)?,
        })
    }
}

/// Counters and the gauge of commits.
#[derive(Debug)]
pub(crate) struct CommitMetrics {
    pub(crate) commits: IntCounter,
    pub(crate) duration: Histogram,
    pub(crate) uncommitted: IntGauge,
}

impl CommitMetrics {
    pub(crate) fn new(registrar: Registrar<'_>) -> Result<Self> {
        Ok(Self {
            commits: registrar.counter(&names::COMMITS)?,
            duration: registrar.histogram(&names::COMMIT_DURATION)?,
            uncommitted: registrar.gauge(&names::UNCOMMITTED_URLS)?,
        })
    }
}

/// Counters of robots.txt and of how hosts are spared.
#[derive(Debug)]
pub(crate) struct PolitenessMetrics {
    pub(crate) decisions: Box<[IntCounter]>,
    pub(crate) robots_fetches: Box<[IntCounter]>,
    pub(crate) robots_obeyed: IntGauge,
    pub(crate) backoffs: Box<[IntCounter]>,
    pub(crate) delay: Histogram,
    pub(crate) directives: Box<[IntCounter]>,
}

impl PolitenessMetrics {
    pub(crate) fn new(registrar: Registrar<'_>) -> Result<Self> {
        let decisions = RobotsDecision::ALL.map(RobotsDecision::name);
        Ok(Self {
            decisions: registrar.counters(&names::ROBOTS_DECISIONS, decisions)?,
            robots_fetches: registrar
                .counters(&names::ROBOTS_FETCHES, RobotsResult::ALL.map(RobotsResult::name))?,
            robots_obeyed: registrar.gauge(&names::ROBOTS_OBEYED)?,
            backoffs: registrar.counters(&names::BACKOFFS, Trigger::ALL.map(Trigger::name))?,
            delay: registrar.histogram(&names::POLITENESS_DELAY)?,
            directives: registrar.counters(&names::PAGE_DIRECTIVES, Directive::ALL.map(Directive::name))?,
        })
    }
}

/// Counters and gauges of one kind of actor.
#[derive(Debug)]
pub(crate) struct ActorMetrics {
    pub(crate) mailbox_messages: IntGauge,
    pub(crate) mailbox_capacity: IntGauge,
    pub(crate) instances: IntGauge,
    pub(crate) messages: IntCounter,
    pub(crate) rejected: IntCounter,
    pub(crate) restarts: IntCounter,
}

impl ActorMetrics {
    pub(crate) fn named(registrar: Registrar<'_>, actors: &[String]) -> Result<Named<Self>> {
        let mailbox_messages = registrar.gauge_vec(&names::ACTOR_MAILBOX_MESSAGES)?;
        let mailbox_capacity = registrar.gauge_vec(&names::ACTOR_MAILBOX_CAPACITY)?;
        let instances = registrar.gauge_vec(&names::ACTOR_INSTANCES)?;
        let messages = registrar.counter_vec(&names::ACTOR_MESSAGES)?;
        let rejected = registrar.counter_vec(&names::ACTOR_REJECTED)?;
        let restarts = registrar.counter_vec(&names::ACTOR_RESTARTS)?;
        Named::new(actors, |actor| {
            Ok(Self {
                mailbox_messages: mailbox_messages.get_metric_with_label_values(&[actor])?,
                mailbox_capacity: mailbox_capacity.get_metric_with_label_values(&[actor])?,
                instances: instances.get_metric_with_label_values(&[actor])?,
                messages: messages.get_metric_with_label_values(&[actor])?,
                rejected: rejected.get_metric_with_label_values(&[actor])?,
                restarts: restarts.get_metric_with_label_values(&[actor])?,
            })
        })
    }
}

/// Counters of one handler.
#[derive(Debug)]
pub(crate) struct HandlerMetrics {
    pub(crate) duration: Histogram,
    pub(crate) results: Box<[IntCounter]>,
    pub(crate) dead_letters: IntCounter,
}

impl HandlerMetrics {
    pub(crate) fn named(registrar: Registrar<'_>, handlers: &[String]) -> Result<Named<Self>> {
        let duration = registrar.histogram_vec(&names::HANDLER_DURATION)?;
        let results = registrar.counter_vec(&names::HANDLER_RESULTS)?;
        let dead_letters = registrar.counter_vec(&names::DEAD_LETTERS)?;
        Named::new(handlers, |handler| {
            let result =
                |outcome: HandlerOutcome| results.get_metric_with_label_values(&[handler, outcome.name()]);
            Ok(Self {
                duration: duration.get_metric_with_label_values(&[handler])?,
                results: HandlerOutcome::ALL.into_iter().map(result).collect::<Result<_>>()?,
                dead_letters: dead_letters.get_metric_with_label_values(&[handler])?,
            })
        })
    }
}

/// The counter of one sink.
#[derive(Debug)]
pub(crate) struct SinkMetrics {
    pub(crate) items: IntCounter,
}

impl SinkMetrics {
    pub(crate) fn named(registrar: Registrar<'_>, sinks: &[String]) -> Result<Named<Self>> {
        let items = registrar.counter_vec(&names::ITEMS)?;
        Named::new(sinks, |sink| Ok(Self { items: items.get_metric_with_label_values(&[sink])? }))
    }
}
