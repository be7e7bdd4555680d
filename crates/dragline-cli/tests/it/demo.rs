//! Runs the demo, and compares its report with what its model says an honest crawl reports.

use std::collections::BTreeMap;

use dragline_testkit::DemoSite;

use crate::process::Place;

#[test]
fn the_demo_reports_exactly_what_its_model_expects() {
    // Every start of the demo generates the same site, on other ports.
    let site = DemoSite::start().expect("loopback ports are free");
    let expected = site.expected();
    let place = Place::new();
    let ended = place.run(&["demo", "--out", "out"]);
    ended.assert(0, &["demo site: 5 hosts on loopback", "finished: pages.jsonl"]);

    let results = place.results();
    assert_eq!(results.report["ended"], "finished");
    assert_eq!(results.count("discovered"), expected.discovered);
    assert_eq!(results.count("done"), expected.done);
    assert_eq!(results.count("redirected"), expected.redirected);
    assert_eq!(results.count("pending"), 0);
    let named = |count: (&str, u64)| (count.0.to_owned(), count.1);
    let failed: BTreeMap<_, _> =
        expected.failed.iter().map(|(kind, count)| named((kind.name(), *count))).collect();
    assert_eq!(results.counts("failed"), failed);
    let skipped: BTreeMap<_, _> =
        expected.skipped.iter().map(|(reason, count)| named((reason.name(), *count))).collect();
    assert_eq!(results.counts("skipped"), skipped);
    for (refusal, count) in &expected.refused {
        assert_eq!(results.report["links_refused"][refusal.name()], *count, "{}", refusal.name());
    }

    let identity = format!("discovered {} = done ", with_commas(expected.discovered));
    let last: Vec<_> = ended.stderr.lines().rev().take(3).collect();
    assert!(last.iter().any(|line| line.starts_with(&identity)), "{last:#?}");
}

/// Writes a number of up to six digits as people read it.
fn with_commas(number: u64) -> String {
    match (number / 1_000, number % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

#[test]
fn a_second_demo_replaces_the_first_and_never_a_crawl() {
    let place = Place::new();
    for _ in 0..2 {
        place.run(&["demo"]).assert(0, &["report.json in dragline-demo-out"]);
    }
    let named = ["demo", "--out", "dragline-demo-out"];
    place.run(&named).assert(4, &["holds an earlier run", "--fresh"]);
    place.run(&[&named[..], &["--fresh"]].concat()).assert(0, &["finished: "]);
}
