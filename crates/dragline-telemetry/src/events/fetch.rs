//! Records how fetches end.

use std::time::Duration;

use dragline_core::frontier::Purpose;
use dragline_core::{FetchError, FetchResponse, Outcome, Phase, Phases};
use tracing::{debug, enabled, trace};

use crate::handles::{FetchMetrics, add};
use crate::labels::{Class, RetryReason};
use crate::{Telemetry, codes};

/// A fetch ended: of a page, of an errand, or of a session.
#[derive(Clone, Copy, Debug)]
pub struct FetchFinished<'a> {
    /// What was fetched.
    pub url: &'a str,
    /// What the lease was for; `None` for a session's fetch.
    pub purpose: Option<Purpose>,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The status, when a head arrived.
    pub status: Option<u16>,
    /// How long each phase took.
    pub phases: Phases,
    /// Whether the connection had served an earlier request.
    pub reused: bool,
    /// Bytes of the body as received.
    pub body_wire_bytes: u64,
    /// All bytes received.
    pub received_bytes: u64,
    /// All bytes sent.
    pub sent_bytes: u64,
    /// What went wrong.
    pub error: Option<&'a FetchError>,
    /// How long the URL was ready before it was leased; `None` when nothing queued it.
    pub queue_wait: Option<Duration>,
    /// The gap that its host kept; `None` when it keeps none.
    pub gap: Option<Duration>,
}

impl<'a> FetchFinished<'a> {
    /// Takes from a response what is told of it; an errand-less first attempt without waits until the fields say more.
    pub const fn new(url: &'a str, response: &'a FetchResponse) -> Self {
        Self {
            url,
            purpose: None,
            attempt: 1,
            outcome: response.outcome,
            status: response.status,
            phases: response.phases,
            reused: response.reused,
            body_wire_bytes: response.body_wire_bytes,
            received_bytes: response.received_bytes,
            sent_bytes: response.sent_bytes,
            error: response.error.as_ref(),
            queue_wait: None,
            gap: None,
        }
    }

    /// Counts the fetch and, at level debug, logs it.
    ///
    /// Moves exactly one of `dragline_responses_total` and `dragline_fetch_errors_total`.
    pub fn record(&self, telemetry: &Telemetry) {
        self.count(&telemetry.fetch);
        if let Some(gap) = self.gap {
            telemetry.politeness.delay.observe(gap.as_secs_f64());
        }
        self.log(telemetry);
    }

    fn count(&self, metrics: &FetchMetrics) {
        let class = Class::of(self.outcome, self.status) as usize;
        add(&metrics.fetches, class, 1);
        match metrics.errors.get(self.outcome as usize) {
            Some(Some(errors)) => errors.inc(),
            _ => add(&metrics.responses, codes::index(self.status), 1),
        }
        if let Some(durations) = metrics.durations.get(class) {
            durations.observe(self.phases.total.as_secs_f64());
        }
        for (histogram, phase) in metrics.phases.iter().zip(Phase::TIMED) {
            if let Some(took) = self.phases.get(phase) {
                histogram.observe(took.as_secs_f64());
            }
        }
        if let Some(wait) = self.queue_wait {
            metrics.queue_wait.observe(wait.as_secs_f64());
        }
        if self.outcome.has_response() {
            metrics.body_bytes.observe(as_float(self.body_wire_bytes));
        }
        if self.outcome == Outcome::Redirect {
            metrics.redirects.inc();
        }
        metrics.received_bytes.inc_by(self.received_bytes);
        metrics.sent_bytes.inc_by(self.sent_bytes);
    }

    fn log(&self, telemetry: &Telemetry) {
        debug!(
            target: "dragline::fetch",
            url = %telemetry.log_urls.show(self.url),
            attempt = self.attempt,
            purpose = self.purpose.map(purpose_name),
            outcome = self.outcome.name(),
            status = self.status,
            total_ms = millis(self.phases.total),
            received_bytes = self.received_bytes,
            reason = self.error.map(|error| telemetry.log_urls.show_in(&error.message).into_owned()),
            phase = self.error.map(|error| error.phase.name()),
            "fetch ended"
        );
        if enabled!(target: "dragline::fetch", tracing::Level::TRACE) {
            let of = |phase| self.phases.get(phase).map(millis);
            trace!(
                target: "dragline::fetch",
                url = %telemetry.log_urls.show(self.url),
                dns_ms = of(Phase::Dns),
                connect_ms = of(Phase::Connect),
                tls_ms = of(Phase::Tls),
                ttfb_ms = of(Phase::Ttfb),
                body_ms = of(Phase::Body),
                queue_wait_ms = self.queue_wait.map(millis),
                delay_ms = self.gap.map(millis),
                reused = self.reused,
                "phases"
            );
        }
    }
}

/// An attempt failed and another will follow.
#[derive(Clone, Copy, Debug)]
pub struct RetryScheduled<'a> {
    /// What will be fetched again.
    pub url: &'a str,
    /// Why.
    pub reason: RetryReason,
    /// How long it waits at least.
    pub delay: Duration,
}

impl RetryScheduled<'_> {
    /// Counts the retry and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        add(&telemetry.fetch.retries, self.reason as usize, 1);
        debug!(
            target: "dragline::fetch",
            url = %telemetry.log_urls.show(self.url),
            reason = self.reason.name(),
            delay_ms = millis(self.delay),
            "retry scheduled"
        );
    }
}

const fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Page => "page",
        Purpose::Robots => "robots",
        Purpose::Sitemap => "sitemap",
    }
}

/// Returns whole milliseconds.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Turns a size into a histogram's value; sizes above 4 GiB are one.
fn as_float(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::{telemetry, value};

    fn finished(outcome: Outcome, status: Option<u16>) -> FetchFinished<'static> {
        FetchFinished {
            url: "http://127.0.0.1/",
            purpose: Some(Purpose::Page),
            attempt: 1,
            outcome,
            status,
            phases: Phases { ttfb: Some(Duration::from_millis(3)), ..Phases::default() },
            reused: false,
            body_wire_bytes: 300,
            received_bytes: 500,
            sent_bytes: 100,
            error: None,
            queue_wait: Some(Duration::from_millis(2)),
            gap: Some(Duration::from_secs(1)),
        }
    }

    #[test]
    fn every_fetch_moves_exactly_one_of_responses_and_errors() {
        let telemetry = telemetry();
        let fetch = &telemetry.fetch;
        let sums = || {
            let responses: u64 = fetch.responses.iter().map(prometheus::IntCounter::get).sum();
            let errors: u64 = fetch.errors.iter().flatten().map(prometheus::IntCounter::get).sum();
            let fetches: u64 = fetch.fetches.iter().map(prometheus::IntCounter::get).sum();
            (fetches, responses, errors)
        };
        let statuses =
            [None, Some(0), Some(100), Some(200), Some(299), Some(304), Some(404), Some(503), Some(999)];
        let mut expected = (0, 0, 0);
        for outcome in Outcome::ALL {
            for status in statuses {
                finished(outcome, status).record(&telemetry);
                expected.0 += 1;
                if outcome.has_response() {
                    expected.1 += 1;
                } else {
                    expected.2 += 1;
                }
                assert_eq!(sums(), expected, "{outcome} {status:?}");
            }
        }
    }

    #[test]
    fn a_fetch_is_seen_in_every_family_it_concerns() {
        let telemetry = telemetry();
        finished(Outcome::Redirect, Some(301)).record(&telemetry);
        finished(Outcome::Timeout, None).record(&telemetry);
        let retry = RetryScheduled { url: "http://a/", reason: RetryReason::Timeout, delay: Duration::ZERO };
        retry.record(&telemetry);
        let text = telemetry.gather_text().unwrap();
        let check =
            |series: &str, expected: &str| assert_eq!(value(&text, series), Some(expected), "{series}");
        check("dragline_fetches_total{class=\"3xx\"}", "1");
        check("dragline_fetches_total{class=\"error\"}", "1");
        check("dragline_responses_total{code=\"301\"}", "1");
        check("dragline_fetch_errors_total{kind=\"timeout\"}", "1");
        check("dragline_redirects_total", "1");
        check("dragline_received_bytes_total", "1000");
        check("dragline_sent_bytes_total", "200");
        check("dragline_response_body_bytes_count", "1");
        check("dragline_fetch_queue_wait_seconds_count", "2");
        check("dragline_politeness_delay_seconds_bucket{le=\"1\"}", "2");
        check("dragline_fetch_phase_duration_seconds_count{phase=\"ttfb\"}", "2");
        check("dragline_fetch_phase_duration_seconds_count{phase=\"tls\"}", "0");
        check("dragline_fetch_duration_seconds_count{class=\"3xx\"}", "1");
        check("dragline_fetch_retries_total{reason=\"timeout\"}", "1");
    }
}
