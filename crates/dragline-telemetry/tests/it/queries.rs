//! Checks the form of every query on the dashboard and in the rules, and that the metrics in them exist.

use std::collections::BTreeSet;

use dragline_telemetry::dashboard::{Panel, dashboard};
use dragline_telemetry::names::{self, Kind};
use dragline_telemetry::rules::{alerts, recordings};

/// Returns the metric names in a query: words of ours or of the process collector that no `:` touches.
fn metrics(expr: &str) -> BTreeSet<&str> {
    expr.split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '_' | ':')))
        .filter(|word| {
            !word.contains(':') && (word.starts_with(names::PREFIX) || word.starts_with("process_"))
        })
        .collect()
}

fn series_names() -> BTreeSet<String> {
    let mut known: BTreeSet<_> = names::PROCESS.iter().map(|&name| name.to_owned()).collect();
    for family in names::ALL {
        if let Kind::Histogram(_) = family.kind {
            known.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", family.name)));
        } else {
            known.insert(family.name.to_owned());
        }
    }
    known
}

fn board_queries() -> Vec<(&'static str, String)> {
    let of = |panel: Panel| panel.targets.into_iter().map(move |target| (panel.title, target.expr));
    dashboard().panels.into_iter().flat_map(of).collect()
}

#[test]
fn every_metric_in_a_query_exists() {
    let known = series_names();
    let board = board_queries().into_iter();
    let rules = recordings().into_iter().map(|rule| (rule.record, rule.expr));
    let alerts = alerts().into_iter().map(|alert| (alert.name, alert.expr));
    for (place, expr) in board.chain(rules).chain(alerts) {
        let recorded = recordings().iter().any(|rule| expr.contains(rule.record));
        assert!(recorded || expr.starts_with("up{") || !metrics(&expr).is_empty(), "{place}: {expr}");
        for metric in metrics(&expr) {
            assert!(known.contains(metric), "{place}: {metric}");
        }
    }
}

#[test]
fn every_recording_in_a_rule_exists() {
    let recorded: BTreeSet<_> = recordings().into_iter().map(|rule| rule.record).collect();
    let exprs =
        recordings().into_iter().map(|rule| rule.expr).chain(alerts().into_iter().map(|alert| alert.expr));
    for expr in exprs {
        let words = expr
            .split(|character: char| !(character.is_ascii_alphanumeric() || matches!(character, '_' | ':')));
        for word in words.filter(|word| word.contains(':')) {
            assert!(recorded.contains(word), "{word} in {expr}");
        }
    }
}

#[test]
fn every_family_is_on_the_dashboard() {
    let queries = board_queries();
    for family in names::ALL {
        let shown = queries.iter().any(|(_, expr)| {
            metrics(expr).iter().any(|metric| metric.strip_suffix("_bucket").unwrap_or(metric) == family.name)
        });
        assert!(shown, "{}", family.name);
    }
}

#[test]
fn every_query_asks_for_the_chosen_job_and_instance_and_window() {
    for (title, expr) in board_queries() {
        let selectors = expr.matches('{').count();
        assert!(selectors > 0, "{title}");
        assert_eq!(
            expr.matches(r#"{job=~"$job",instance=~"$instance""#).count(),
            selectors,
            "{title}: {expr}"
        );
        assert_eq!(expr.matches('[').count(), expr.matches("[$__rate_interval]").count(), "{title}: {expr}");
        assert!(!expr.contains("irate"), "{title}");
    }
}

#[test]
fn every_panel_has_title_unit_and_data_source() {
    let json: serde_json::Value = serde_json::from_str(&dashboard().to_json().unwrap()).unwrap();
    let panels = json["panels"].as_array().unwrap();
    assert!(panels.len() > 28);
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && titles.insert(title), "{title}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(!panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap().is_empty(), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn no_two_panels_overlap() {
    let json: serde_json::Value = serde_json::from_str(&dashboard().to_json().unwrap()).unwrap();
    let mut cells = BTreeSet::new();
    for panel in json["panels"].as_array().unwrap() {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{panel}");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(cells.insert((x, y)), "{} at {x},{y}", panel["title"]);
            }
        }
    }
}
