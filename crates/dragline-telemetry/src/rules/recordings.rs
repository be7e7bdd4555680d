//! Decides which queries are computed beforehand, since alerts and people ask for them often.

use crate::names::{ACTOR_MAILBOX_CAPACITY, ACTOR_MAILBOX_MESSAGES, FETCH_DURATION, FETCHES};

/// Fetches per second of a job.
pub(super) const RATE: &str = "job:dragline_fetches:rate5m";
/// Fetches per second by class.
pub(super) const CLASS_RATE: &str = "job_class:dragline_fetches:rate5m";
/// The share of failed fetches.
pub(super) const FAILURE_RATIO: &str = "job:dragline_fetch_failures:ratio_rate5m";
/// The growth of the buckets of the fetch duration.
pub(super) const DURATION_BUCKETS: &str = "job_le:dragline_fetch_duration_seconds_bucket:rate5m";
/// The 95th percentile of the fetch duration.
pub(super) const DURATION_P95: &str = "job:dragline_fetch_duration_seconds:p95_5m";
/// How full the mailboxes of each kind of actor are.
pub(super) const MAILBOX_FILL: &str = "job_actor:dragline_actor_mailbox:fill_ratio";

/// A query that Prometheus computes beforehand.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The name of what it computes: level, metric, operation.
    pub record: &'static str,
    /// The query.
    pub expr: String,
}

/// Returns every recording rule; one that uses another stands after it.
pub fn recordings() -> Vec<Recording> {
    let fetches = FETCHES.name;
    let rule = |record, expr| Recording { record, expr };
    vec![
        rule(RATE, format!("sum by (job) (rate({fetches}[5m]))")),
        rule(CLASS_RATE, format!("sum by (job, class) (rate({fetches}[5m]))")),
        rule(
            FAILURE_RATIO,
            format!(
                "sum by (job) (rate({fetches}{{class=~\"5xx|error\"}}[5m]))\n  / (sum by (job) (rate({fetches}[5m])) > 0)"
            ),
        ),
        rule(DURATION_BUCKETS, format!("sum by (job, le) (rate({}_bucket[5m]))", FETCH_DURATION.name)),
        rule(DURATION_P95, format!("histogram_quantile(0.95, {DURATION_BUCKETS})")),
        rule(
            MAILBOX_FILL,
            format!(
                "sum by (job, actor) ({})\n  / (sum by (job, actor) ({}) > 0)",
                ACTOR_MAILBOX_MESSAGES.name, ACTOR_MAILBOX_CAPACITY.name
            ),
        ),
    ]
}
