//! Says what an alert is: when it fires, what it means, what to do, and a case that proves it.

use super::{operation, saturation};

/// An alert rule, the section of the runbook about it, and its test.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its name, which is also the heading in the runbook.
    pub name: &'static str,
    /// The condition.
    pub expr: String,
    /// How long the condition must hold, in Prometheus' spelling.
    pub hold: Option<&'static str>,
    /// Who is told.
    pub severity: Severity,
    /// One line for whoever is told; may use the labels and the value.
    pub summary: &'static str,
    /// What it means, for the runbook.
    pub meaning: &'static str,
    /// What to look at and to do, in order, for the runbook.
    pub steps: &'static [&'static str],
    /// A case in which it first keeps quiet and then fires.
    pub case: Case,
}

impl Alert {
    /// Returns where the runbook speaks about it.
    pub fn runbook_url(&self) -> String {
        let repository = env!("CARGO_PKG_REPOSITORY");
        format!("{repository}/blob/main/config/RUNBOOK.md#{}", self.name.to_lowercase())
    }
}

/// Who is told of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody, at once.
    Page,
    /// Somebody, on a working day.
    Ticket,
    /// Nobody; it explains other alerts.
    Info,
}

impl Severity {
    /// Returns the label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Info => "info",
        }
    }
}

/// Series under which an alert first keeps quiet and then fires once.
#[derive(Clone, Debug)]
pub struct Case {
    /// Series with their values, one a minute, in the notation of `promtool`.
    pub series: Vec<(String, &'static str)>,
    /// A time at which it keeps quiet.
    pub quiet_at: &'static str,
    /// A time at which it fires.
    pub fires_at: &'static str,
    /// The labels it fires with, beside the severity.
    pub labels: &'static [(&'static str, &'static str)],
    /// The summary with labels and value filled in.
    pub summary: &'static str,
}

/// The labels that a scrape adds in every case.
pub(super) const TARGET: &str = r#"job="dragline",instance="a""#;

/// Names one series of a case.
pub(super) fn series(name: &str, labels: &str) -> String {
    let comma = if labels.is_empty() { "" } else { "," };
    format!("{name}{{{TARGET}{comma}{labels}}}")
}

/// Returns every alert, the most urgent kind first.
pub fn alerts() -> Vec<Alert> {
    let mut alerts = operation::alerts();
    alerts.extend(saturation::alerts());
    alerts
}
