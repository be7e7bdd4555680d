//! Proves metrics, rules and dashboard on a real Prometheus and its promtool.
//!
//! Both are looked for on `PATH`. Without them these tests say `SKIPPED` on the real standard error, or fail when
//! `DRAGLINE_REQUIRE_REAL` is `1`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use dragline_testkit::{ChildGuard, ports, real, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::get;

/// How long Prometheus may take to start, to scrape, to evaluate.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Prometheus on a loopback port of its own that scrapes one target each second and evaluates the committed
/// rules; killed by its id, and its folder removed, on drop.
pub(crate) struct RealPrometheus {
    // Dropped in this order: the process must be gone before its folder is.
    _process: ChildGuard,
    address: SocketAddr,
    folder: TempDir,
}

impl RealPrometheus {
    /// Starts one that scrapes `http://<target>/metrics`; `None` when Prometheus is not installed.
    pub(crate) fn start(target: SocketAddr) -> Option<Self> {
        let program = real::require("prometheus")?;
        let folder = TempDir::new().expect("a temporary folder can be made");
        let address = ports::free_address().expect("a loopback port is free");
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, scrape_config(target)).expect("the folder can be written");
        let log = File::create(folder.path().join("log")).expect("the folder can be written");
        let process = ChildGuard::start(
            Command::new(program)
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        )
        .expect("Prometheus starts");
        Some(Self { _process: process, address, folder })
    }

    /// Waits until the target was scraped.
    pub(crate) fn wait_until_up(&self) {
        let up = wait_until(PATIENCE, || self.sum("up") == Some(1.0));
        assert!(up, "the target is not up; Prometheus says: {}", self.log());
    }

    /// Waits until the sum of a query is `expected`: the numbers at rest.
    pub(crate) fn wait_for_sum(&self, query: &str, expected: f64) {
        let mut last = None;
        let reached = wait_until(PATIENCE, || {
            last = self.sum(query);
            last == Some(expected)
        });
        assert!(reached, "{query} is {last:?} and not {expected}");
    }

    /// Returns the sum over all series of a query at this moment; `None` when there are no series.
    pub(crate) fn sum(&self, query: &str) -> Option<f64> {
        let series = self.query(query)?;
        let values =
            series.iter().map(|series| series["value"][1].as_str().and_then(|text| text.parse::<f64>().ok()));
        (!series.is_empty()).then(|| values.flatten().sum())
    }

    /// Waits until every rule was evaluated, and asserts that each is healthy.
    pub(crate) fn assert_every_rule_is_healthy(&self) {
        let text = fs::read_to_string(config_file("rules.yml")).expect("the rules are committed");
        let count = text.matches("- record: ").count() + text.matches("- alert: ").count();
        let mut states = Vec::new();
        wait_until(PATIENCE, || {
            states = self.rule_states();
            states.len() == count && states.iter().all(|(_, health, _)| health != "unknown")
        });
        assert_eq!(states.len(), count, "{states:?}");
        for (rule, health, error) in states {
            assert_eq!(health, "ok", "{rule}: {error}");
        }
    }

    /// Waits until every query of the dashboard has answered with a series at least once.
    ///
    /// The target must have been told of handlers, sinks and actors, since without any their families are not there.
    pub(crate) fn assert_every_panel_has_data(&self) {
        let mut empty = panel_queries();
        assert!(empty.len() > 40, "{} queries", empty.len());
        wait_until(PATIENCE, || {
            empty.retain(|(_, query)| self.query(query).is_none_or(|series| series.is_empty()));
            empty.is_empty()
        });
        assert!(empty.is_empty(), "panels without data: {empty:#?}");
    }

    /// Returns the series of a query; `None` when Prometheus does not answer or refuses the query.
    fn query(&self, query: &str) -> Option<Vec<Value>> {
        let mut answer = self.get(&format!("/api/v1/query?query={}", percent_encoded(query)))?;
        match answer["data"]["result"].take() {
            Value::Array(series) => Some(series),
            _ => None,
        }
    }

    /// Returns name, health and last error of every rule.
    fn rule_states(&self) -> Vec<(String, String, String)> {
        let answer = self.get("/api/v1/rules").unwrap_or_default();
        let groups = answer["data"]["groups"].as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        rules.map(|rule| (text(rule, "name"), text(rule, "health"), text(rule, "lastError"))).collect()
    }

    fn get(&self, path: &str) -> Option<Value> {
        let answer = get(self.address, path, "tests").ok()?;
        (answer.status == 200).then(|| serde_json::from_slice(&answer.body).ok()).flatten()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Asserts that promtool finds nothing wrong with what `/metrics` said; skips without promtool.
pub(crate) fn assert_metrics_are_clean(text: &str) {
    if let Some(output) = promtool(&["check", "metrics"], text) {
        assert!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Runs promtool with a text on its standard input; `None` when it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let program = real::require("promtool")?;
    let folder = TempDir::new().expect("a temporary folder can be made");
    // A file and not a pipe: nobody has to write while somebody reads.
    let path = folder.path().join("input");
    fs::write(&path, input).expect("the folder can be written");
    let input = File::open(&path).expect("it was just written");
    let mut command = Command::new(program);
    Some(command.args(arguments).stdin(input).output().expect("promtool runs"))
}

fn scrape_config(target: SocketAddr) -> String {
    let rules = config_file("rules.yml");
    format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n\
         rule_files: [{}]\n\
         scrape_configs:\n  - job_name: dragline\n    static_configs:\n      - targets: ['{target}']\n",
        serde_json::json!(rules)
    )
}

/// Returns a committed file of `config/`.
fn config_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

/// Returns title and query of every target on the committed dashboard, with every variable replaced.
fn panel_queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(config_file("dashboard.json")).expect("the dashboard is committed");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a target has a query");
            let query =
                query.replace("$__rate_interval", "10s").replace("$job", ".*").replace("$instance", ".*");
            assert!(!query.contains('$'), "a variable is left in {query}");
            queries.push((panel["title"].as_str().unwrap_or_default().to_owned(), query));
        }
    }
    queries
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_when_it_should() {
    let file = |name| config_file(name).display().to_string();
    for arguments in [
        ["check", "config", &file("prometheus.yml")],
        ["check", "rules", &file("rules.yml")],
        ["test", "rules", &file("rules_test.yml")],
    ] {
        let Some(output) = promtool(&arguments, "") else { return };
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn promtool_refuses_bad_names() {
    let bad = "# TYPE dragline_fetches counter\ndragline_fetches 1\n";
    if let Some(output) = promtool(&["check", "metrics"], bad) {
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("_total") && said.contains("help"), "{said}");
    }
}
