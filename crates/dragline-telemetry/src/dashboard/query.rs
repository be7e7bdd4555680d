//! Writes the `PromQL` of the dashboard: every selector asks for job and instance, every rate for `$__rate_interval`.

use crate::names::Family;

const CHOSEN: &str = r#"job=~"$job",instance=~"$instance""#;
const WINDOW: &str = "$__rate_interval";

/// Selects a metric by its full name, of the chosen jobs and instances.
pub(super) fn select(name: &str) -> String {
    format!("{name}{{{CHOSEN}}}")
}

/// As [`select`], with one more matcher such as `class=~"5xx|error"`.
pub(super) fn select_where(name: &str, matcher: &str) -> String {
    format!("{name}{{{CHOSEN},{matcher}}}")
}

/// Sums a gauge.
pub(super) fn sum(family: &Family) -> String {
    format!("sum({})", select(family.name))
}

/// Sums a gauge by a label.
pub(super) fn sum_by(label: &str, family: &Family) -> String {
    format!("sum by ({label}) ({})", select(family.name))
}

/// Sums the rate of a counter.
pub(super) fn rate(family: &Family) -> String {
    format!("sum(rate({}[{WINDOW}]))", select(family.name))
}

/// Sums the rate of a counter by a label.
pub(super) fn rate_by(label: &str, family: &Family) -> String {
    format!("sum by ({label}) (rate({}[{WINDOW}]))", select(family.name))
}

/// Sums the rate of some children of a counter by a label.
pub(super) fn rate_by_where(label: &str, family: &Family, matcher: &str) -> String {
    format!("sum by ({label}) (rate({}[{WINDOW}]))", select_where(family.name, matcher))
}

/// Sums the increase of a counter by a label.
pub(super) fn increase_by(label: &str, family: &Family) -> String {
    format!("sum by ({label}) (increase({}[{WINDOW}]))", select(family.name))
}

/// The share of some children in the rate of a counter; 0 when nothing moves.
pub(super) fn share(family: &Family, matcher: &str) -> String {
    let part = format!("sum(rate({}[{WINDOW}]))", select_where(family.name, matcher));
    format!("{part} / clamp_min({}, 1e-9)", rate(family))
}

/// One gauge per another, by a label.
pub(super) fn fill_by(label: &str, used: &Family, most: &Family) -> String {
    format!("{} / ({} > 0)", sum_by(label, used), sum_by(label, most))
}

/// A quantile of a histogram over all its children.
pub(super) fn quantile(quantile: f64, family: &Family) -> String {
    quantile_over(quantile, "le", family)
}

/// A quantile of a histogram by a label.
pub(super) fn quantile_by(quantile: f64, label: &str, family: &Family) -> String {
    quantile_over(quantile, &format!("le,{label}"), family)
}

/// The growth of every bucket, for a heatmap.
pub(super) fn buckets(family: &Family) -> String {
    format!("sum by (le) (increase({}[{WINDOW}]))", select(&bucket_name(family)))
}

fn quantile_over(quantile: f64, labels: &str, family: &Family) -> String {
    let buckets = select(&bucket_name(family));
    format!("histogram_quantile({quantile}, sum by ({labels}) (rate({buckets}[{WINDOW}])))")
}

fn bucket_name(family: &Family) -> String {
    format!("{}_bucket", family.name)
}
