//! Compares the committed files of `config/` with what the code writes.
//!
//! `UPDATE_FILES=1 cargo test -p dragline-telemetry` writes them anew.

use std::path::Path;

use dragline_telemetry::{dashboard, rules};

fn check(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name);
    if std::env::var_os("UPDATE_FILES").is_some() {
        std::fs::write(&path, generated).expect("the folder can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the file is committed");
    assert!(
        committed == generated,
        "{name} is out of date: run `UPDATE_FILES=1 cargo test -p dragline-telemetry`"
    );
}

#[test]
fn the_committed_files_are_those_that_the_code_writes() {
    check("dashboard.json", &dashboard::dashboard().to_json().unwrap());
    check("rules.yml", &rules::rules());
    check("rules_test.yml", &rules::rules_test());
    check("RUNBOOK.md", &rules::runbook());
    check("prometheus.yml", &rules::prometheus());
}

#[test]
fn every_runbook_link_leads_to_a_heading() {
    let runbook = rules::runbook();
    let anchors: Vec<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_lowercase).collect();
    for alert in rules::alerts() {
        let url = alert.runbook_url();
        let (page, anchor) = url.split_once('#').unwrap();
        assert!(page.ends_with("config/RUNBOOK.md"), "{url}");
        assert!(anchors.iter().any(|known| known == anchor), "{url}");
        assert!(!alert.steps.is_empty() && !alert.meaning.is_empty(), "{}", alert.name);
    }
}
