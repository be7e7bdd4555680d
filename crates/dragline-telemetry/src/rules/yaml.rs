//! Writes the files that Prometheus and promtool read.

use std::fmt::Write;

use super::alerts::{Alert, TARGET, alerts};
use super::recordings::{CLASS_RATE, DURATION_P95, FAILURE_RATIO, MAILBOX_FILL, RATE, recordings};
use crate::names::{ACTOR_MAILBOX_CAPACITY, ACTOR_MAILBOX_MESSAGES, FETCH_DURATION, FETCHES};

/// The address at which the console serves `/metrics` unless configured otherwise.
const TARGET_ADDRESS: &str = "127.0.0.1:9911";

/// Returns `prometheus.yml`: one scrape of the default address, with the rules.
pub fn prometheus() -> String {
    format!(
        "# Start: prometheus --config.file=config/prometheus.yml\n\
         # The name of the job must begin with \"dragline\": the alert CrawlDown asks for it.\n\
         global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\n\
         rule_files:\n  - rules.yml\n\
         scrape_configs:\n  - job_name: dragline\n    static_configs:\n      - targets: [{}]\n",
        quoted(TARGET_ADDRESS)
    )
}

/// Returns `rules.yml`: recording and alert rules.
pub fn rules() -> String {
    let mut yaml = String::from("groups:\n  - name: dragline-recording\n    rules:\n");
    for rule in recordings() {
        line(&mut yaml, 6, &format!("- record: {}", rule.record));
        block(&mut yaml, 8, "expr", &rule.expr);
    }
    yaml.push_str("  - name: dragline-alerts\n    rules:\n");
    for alert in alerts() {
        line(&mut yaml, 6, &format!("- alert: {}", alert.name));
        block(&mut yaml, 8, "expr", &alert.expr);
        if let Some(hold) = alert.hold {
            line(&mut yaml, 8, &format!("for: {hold}"));
        }
        line(&mut yaml, 8, &format!("labels: {{severity: {}}}", alert.severity.name()));
        line(&mut yaml, 8, "annotations:");
        line(&mut yaml, 10, &format!("summary: {}", quoted(alert.summary)));
        line(&mut yaml, 10, &format!("runbook_url: {}", quoted(&alert.runbook_url())));
    }
    yaml
}

/// Returns `rules_test.yml`: every recording computed once, every alert quiet once and firing once.
pub fn rules_test() -> String {
    let mut yaml = String::from("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n");
    recordings_case(&mut yaml);
    for alert in alerts() {
        alert_case(&mut yaml, &alert);
    }
    yaml
}

fn recordings_case(yaml: &mut String) {
    let buckets = format!("{}_bucket", FETCH_DURATION.name);
    let inputs = [
        (FETCHES.name, r#"class="2xx""#, "0+540x20"),
        (FETCHES.name, r#"class="error""#, "0+60x20"),
        (&buckets, r#"class="2xx",le="0.5""#, "0+540x20"),
        (&buckets, r#"class="2xx",le="1""#, "0+600x20"),
        (&buckets, r#"class="2xx",le="+Inf""#, "0+600x20"),
        (ACTOR_MAILBOX_MESSAGES.name, r#"actor="fetcher""#, "1x20"),
        (ACTOR_MAILBOX_CAPACITY.name, r#"actor="fetcher""#, "4x20"),
    ];
    line(yaml, 2, "- name: recordings");
    line(yaml, 4, "interval: 1m");
    line(yaml, 4, "input_series:");
    for (name, labels, values) in inputs {
        input(yaml, &format!("{name}{{{TARGET},{labels}}}"), values);
    }
    let results = [
        (RATE, "", "10"),
        (CLASS_RATE, r#",class="error""#, "1"),
        (FAILURE_RATIO, "", "0.1"),
        (DURATION_P95, "", "0.75"),
        (MAILBOX_FILL, r#",actor="fetcher""#, "0.25"),
    ];
    line(yaml, 4, "promql_expr_test:");
    for (record, labels, value) in results {
        let series = format!("{record}{{job=\"dragline\"{labels}}}");
        line(yaml, 6, &format!("- expr: {}", quoted(&series)));
        line(yaml, 8, "eval_time: 15m");
        line(yaml, 8, &format!("exp_samples: [{{labels: {}, value: {value}}}]", quoted(&series)));
    }
}

fn alert_case(yaml: &mut String, alert: &Alert) {
    let case = &alert.case;
    line(yaml, 2, &format!("- name: {}", alert.name));
    line(yaml, 4, "interval: 1m");
    line(yaml, 4, "input_series:");
    for (series, values) in &case.series {
        input(yaml, series, values);
    }
    line(yaml, 4, "alert_rule_test:");
    let quiet = format!("- {{eval_time: {}, alertname: {}, exp_alerts: []}}", case.quiet_at, alert.name);
    line(yaml, 6, &quiet);
    line(yaml, 6, &format!("- eval_time: {}", case.fires_at));
    line(yaml, 8, &format!("alertname: {}", alert.name));
    line(yaml, 8, "exp_alerts:");
    line(yaml, 10, "- exp_labels:");
    line(yaml, 14, &format!("severity: {}", alert.severity.name()));
    for (label, value) in case.labels {
        line(yaml, 14, &format!("{label}: {}", quoted(value)));
    }
    line(yaml, 12, "exp_annotations:");
    line(yaml, 14, &format!("summary: {}", quoted(case.summary)));
    line(yaml, 14, &format!("runbook_url: {}", quoted(&alert.runbook_url())));
}

fn input(yaml: &mut String, series: &str, values: &str) {
    line(yaml, 6, &format!("- {{series: {}, values: {}}}", quoted(series), quoted(values)));
}

fn block(yaml: &mut String, indent: usize, key: &str, text: &str) {
    if text.contains('\n') {
        line(yaml, indent, &format!("{key}: |-"));
        for part in text.lines() {
            line(yaml, indent + 2, part);
        }
    } else {
        line(yaml, indent, &format!("{key}: {}", quoted(text)));
    }
}

fn line(yaml: &mut String, indent: usize, text: &str) {
    writeln!(yaml, "{:indent$}{text}", "").expect("writing to a String cannot fail");
}

/// Quotes a text; a YAML text in single quotes has no escapes but the doubled quote.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
