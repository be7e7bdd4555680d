//! Checks what `/metrics` says before and after something happened: names, labels, completeness and size.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::frontier::{OfferSource, Trigger};
use dragline_core::{LinkRefusal, Outcome, Phases, SkipReason};
use dragline_telemetry::escape::LoggedUrls;
use dragline_telemetry::events::{BackoffStarted, FetchFinished};
use dragline_telemetry::labels::{self, Class, Edge, HandlerOutcome};
use dragline_telemetry::names::{self, Kind};
use dragline_telemetry::{Telemetry, TelemetryOptions};

/// Labels whose values are closed enums, or names in the configuration. Never a URL, host, address, path or error.
const LABELS: [&str; 21] = [
    "actor",
    "arbiter",
    "class",
    "code",
    "decision",
    "directive",
    "disposition",
    "edge",
    "handler",
    "kind",
    "level",
    "outcome",
    "phase",
    "reason",
    "result",
    "revision",
    "sink",
    "source",
    "state",
    "trigger",
    "version",
];

const HANDLERS: [&str; 4] = ["extract", "index", "archive", "probe"];

pub(crate) fn telemetry() -> Arc<Telemetry> {
    // Before any event: what is first logged without a subscriber may stay unlogged.
    crate::log_lines::install();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Telemetry::new(TelemetryOptions {
        handlers: names(&HANDLERS),
        sinks: names(&["pages", "errors", "skipped"]),
        actors: names(&["supervisor", "fetcher", "handler", "sink", "metrics", "control", "console"]),
        arbiters: 64,
        version: "0.1.0".into(),
        revision: "unknown".into(),
        log_events: None,
        log_urls: LoggedUrls::Full,
    })
    .expect("every name is well formed")
}

/// Returns every series of a text: name and labels, without values.
fn series(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').expect("a sample has a value").0.to_owned()).collect()
}

#[test]
fn names_follow_the_rules() {
    let mut seen = BTreeSet::new();
    for family in names::ALL {
        let name = family.name;
        assert!(seen.insert(name), "{name} stands twice");
        assert!(name.starts_with(names::PREFIX), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        for unit in [
            "_ms", "_millis", "_secs", "_kb", "_kib", "_mb", "_percent", "_minutes", "_count", "_sum",
            "_bucket",
        ] {
            assert!(!name.trim_end_matches("_total").ends_with(unit), "{name}");
        }
        assert!(family.labels.iter().all(|label| LABELS.contains(label)), "{name}: {:?}", family.labels);
        assert!(family.help.ends_with('.') && family.help.len() > 10, "{name}");
        if let Kind::Histogram(buckets) = family.kind {
            assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name}");
            assert!(buckets.bounds().is_sorted_by(|one, next| one < next), "{name}");
        }
    }
}

#[test]
fn every_family_and_child_is_there_before_anything_happened() {
    let text = telemetry().gather_text().unwrap();
    for family in names::ALL {
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
        assert!(
            text.contains(&format!("# TYPE {} {}\n", family.name, family.kind.name())),
            "{}",
            family.name
        );
    }
    for name in names::PROCESS {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
    }
    let series = series(&text);
    let check = |family: &names::Family, label: &str, values: &[&str]| {
        let count = series.iter().filter(|line| line.starts_with(&format!("{}{{", family.name))).count();
        assert_eq!(count, values.len(), "{}", family.name);
        for value in values {
            assert!(
                series.contains(&format!("{}{{{label}=\"{value}\"}}", family.name)),
                "{} {value}",
                family.name
            );
        }
    };
    let errors: Vec<_> =
        Outcome::ALL.iter().filter(|outcome| !outcome.has_response()).map(|outcome| outcome.name()).collect();
    check(&names::FETCHES, "class", &Class::ALL.map(Class::name));
    check(&names::FETCH_ERRORS, "kind", &errors);
    check(&names::FRONTIER_ADDED, "source", &OfferSource::ALL.map(OfferSource::name));
    check(&names::FRONTIER_SKIPPED, "reason", &SkipReason::ALL.map(SkipReason::name));
    check(&names::BACKOFFS, "trigger", &Trigger::ALL.map(Trigger::name));
    check(&names::CREDITS_MAX, "edge", &Edge::ALL.map(Edge::name));
    check(&names::URLS, "disposition", &labels::DISPOSITIONS);
    check(&names::DEAD_LETTERS, "handler", &HANDLERS);
    for refusal in LinkRefusal::ALL {
        assert!(series.contains(&format!("dragline_links_total{{result=\"{}\"}}", refusal.name())));
    }
    for handler in HANDLERS {
        for outcome in HandlerOutcome::ALL {
            let child = format!(
                "dragline_handler_results_total{{handler=\"{handler}\",outcome=\"{}\"}}",
                outcome.name()
            );
            assert!(series.contains(&child), "{child}");
        }
    }
}

#[test]
fn nothing_that_happens_adds_a_series() {
    let telemetry = telemetry();
    let before = series(&telemetry.gather_text().unwrap());
    assert!(before.len() < 2_000, "{} series", before.len());
    for host in 0..1_000 {
        let url = format!("http://host{host}.example/{host}");
        for (outcome, status) in
            [(Outcome::Ok, Some(200)), (Outcome::HttpError, Some(400 + host)), (Outcome::DnsError, None)]
        {
            let phases = Phases { total: Duration::from_millis(u64::from(host)), ..Phases::default() };
            let finished = FetchFinished {
                url: &url,
                purpose: None,
                attempt: 1,
                outcome,
                status,
                phases,
                reused: false,
                body_wire_bytes: 1,
                received_bytes: 1,
                sent_bytes: 1,
                error: None,
                queue_wait: None,
                gap: None,
            };
            finished.record(&telemetry);
        }
        BackoffStarted { trigger: Trigger::Timeout, host: &url }.record(&telemetry);
    }
    assert_eq!(series(&telemetry.gather_text().unwrap()), before);
}

#[test]
fn the_text_can_be_read_back() {
    let text = telemetry().gather_text().unwrap();
    assert!(text.ends_with('\n'));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(
            text.contains(&format!("# TYPE {family} ")) || text.contains(&format!("# TYPE {name} ")),
            "{line}"
        );
    }
    assert_eq!(Telemetry::CONTENT_TYPE, "text/plain; version=0.0.4");
}
