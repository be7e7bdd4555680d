//! Writes the runbook: one section an alert, under the heading that the alert links to.

use super::alerts::alerts;

/// Returns `RUNBOOK.md`.
pub fn runbook() -> String {
    let mut text = String::from(
        "# Runbook\n\n\
         What to do when an alert of `rules.yml` fires. Panels are those of `dashboard.json`. This page, the rules and \
         their tests are written by one source, `crates/dragline-telemetry/src/rules`.\n",
    );
    for alert in alerts() {
        let hold = alert.hold.map_or_else(|| "at once".to_owned(), |hold| format!("after {hold}"));
        text.push_str(&format!(
            "\n## {}\n\nSeverity {}, {hold}. {}\n\n```promql\n{}\n```\n\n",
            alert.name,
            alert.severity.name(),
            alert.meaning,
            alert.expr
        ));
        for (number, step) in alert.steps.iter().enumerate() {
            text.push_str(&format!("{}. {step}\n", number + 1));
        }
    }
    text
}
