//! Tests what a start visits again, and what its rows say of that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use dragline_testkit::{Reply, Server, Site, wait_until};

use crate::process::{PATIENCE, Place};
use crate::results::rows;

/// A page that links to three others: one stays as it is, one changes with each visit, one is gone after the first.
fn site() -> Server {
    let visits = AtomicU32::new(0);
    let home = Reply::html("<a href=/same>x</a><a href=/other>x</a><a href=/gone>x</a>");
    let once = vec![Reply::html("<title>here</title>"), Reply::status(404)];
    let site =
        Site::new().on("/", home).on("/same", Reply::html("<title>same</title>")).on_each("/gone", once);
    let other = move |path: &str| {
        let number = visits.fetch_add(u32::from(path == "/other"), Ordering::Relaxed);
        (path == "/other").then(|| Reply::html(format!("<title>{number}</title>")))
    };
    Server::start(site.fallback(other)).expect("a loopback port is free")
}

#[test]
fn a_finished_crawl_visits_again_what_is_due_and_says_what_has_changed() {
    let (place, server) = (Place::new(), site());
    let url = server.url("/").to_string();
    let again = ["--set=recrawl.policy='fixed'", "--set=recrawl.interval='1s'", url.as_str()];
    place.crawl(&[&url]).assert(0, &["finished: "]);
    let asked = server.log().count();
    place.crawl(&[&url]).assert(0, &["finished on 20"]);
    assert_eq!(server.log().count(), asked, "without a policy nothing is visited again");

    // Whoever comes too early is told that the crawl has finished, or finds only those due that were visited first.
    let visited = || {
        place.crawl(&again).assert(0, &["finished"]);
        ["/", "/same", "/other", "/gone"].iter().all(|path| server.log().count_of(path) >= 2)
    };
    assert!(wait_until(PATIENCE, visited), "not all was due");
    let mut changes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(&place.path("out/pages.jsonl")) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let path = text("url").trim_start_matches(url.as_str()).to_owned();
        changes.entry(path).or_default().push(format!("{} {}", row["generation"], text("change")));
    }
    // On a slow machine the first are due once more before the last are visited again.
    changes.values_mut().for_each(|changes| changes.truncate(2));
    let expected = [
        ("", ["0 new", "1 unchanged"]),
        ("gone", ["0 new", "1 gone"]),
        ("other", ["0 new", "1 changed"]),
        ("same", ["0 new", "1 unchanged"]),
    ];
    let expected = expected.map(|(path, changes)| (path.to_owned(), changes.map(str::to_owned).to_vec()));
    assert_eq!(changes, BTreeMap::from(expected));
    let report = std::fs::read(place.path("out/report.json")).expect("there is a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("the report is JSON");
    assert_eq!((report["discovered"].as_u64(), report["pending"].as_u64()), (Some(4), Some(0)));
}
