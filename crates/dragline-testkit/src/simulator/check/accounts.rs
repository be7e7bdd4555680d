//! Checks that every URL is accounted for once, in the report, the files and the metrics alike.

use std::collections::BTreeMap;

use dragline_core::report::Ended;

use super::{Evidence, Problems, politeness};
use crate::simulator::handler::HANDLER;
use crate::simulator::web::LoggedFetch;

pub(super) fn check(evidence: &Evidence<'_>, problems: &mut Problems) {
    ending(evidence, problems);
    once(evidence, problems);
    if evidence.is_committed() {
        counts(evidence, problems);
        items(evidence, problems);
    }
    metrics(evidence, problems);
    fetches(evidence, problems);
}

fn ending(evidence: &Evidence<'_>, problems: &mut Problems) {
    let end = evidence.end;
    if !end.report.adds_up() {
        problems.add("identity", format!("the report does not add up: {:?}", end.report));
    }
    if evidence.must_finish() && (end.report.ended != Ended::Finished || end.problem.is_some()) {
        problems.add("end", format!("it ended {}: {:?}", end.report.ended.name(), end.problem));
    }
    if end.report.ended == Ended::Finished {
        problems.compare("end", "URLs pending when it had finished", 0, end.report.pending);
    }
    // A write that failed for good may leave a torn line, which the next life would cut off.
    for damage in evidence.output.damage.iter().filter(|_| evidence.is_committed()) {
        problems.add("output", damage.clone());
    }
}

/// One disposition for each URL, and in the files exactly those that are settled.
fn once(evidence: &Evidence<'_>, problems: &mut Problems) {
    let mut ends: BTreeMap<&str, String> = BTreeMap::new();
    for (url, end) in evidence.output.ends() {
        if let Some(earlier) = ends.insert(url, end.clone()) {
            problems.add("once", format!("{url} ended {earlier}, then {end}"));
        }
    }
}

fn counts(evidence: &Evidence<'_>, problems: &mut Problems) {
    let report = &evidence.end.report;
    let mut expected: BTreeMap<String, u64> = [("done", report.done), ("redirected", report.redirected)]
        .map(|(name, count)| (name.into(), count))
        .into();
    expected.extend(report.failed.iter().map(|(kind, count)| (format!("failed({kind})"), *count)));
    expected.extend(report.skipped.iter().map(|(reason, count)| (format!("skipped({reason})"), *count)));
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for (_, end) in evidence.output.ends() {
        *found.entry(end).or_default() += 1;
    }
    for end in expected.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>() {
        let [reported, written] = [&expected, &found].map(|counts| counts.get(end).copied().unwrap_or(0));
        problems.compare("output", &format!("records of {end}"), reported, written);
    }
}

/// Items of each page that is done, once, and of no other.
fn items(evidence: &Evidence<'_>, problems: &mut Problems) {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (handler, url, item) in &evidence.output.items {
        if handler != HANDLER {
            problems.add("items", format!("{url} has an item of {handler}"));
        }
        found.entry(url).or_default().push(item);
    }
    let reported = evidence.end.report.totals.items;
    problems.compare("items", "items written", reported, evidence.output.items.len() as u64);
    for page in &evidence.output.pages {
        let made = if page.end == "done" { evidence.world.items(&page.url) } else { 0 };
        let expected: Vec<String> = (0..made).map(|number| number.to_string()).collect();
        let written = found.remove(page.url.as_str()).unwrap_or_default();
        if written != expected {
            problems.add(
                "items",
                format!("{} ({}): {written:?} where {expected:?} are right", page.url, page.end),
            );
        }
    }
    for (url, items) in found {
        problems.add("items", format!("{url} is in no record and has {items:?}"));
    }
}

fn metrics(evidence: &Evidence<'_>, problems: &mut Problems) {
    let report = &evidence.end.report;
    let settled = [
        ("done", report.done),
        ("redirected", report.redirected),
        ("failed", report.failed_total()),
        ("skipped", report.skipped_total()),
    ];
    for (disposition, count) in settled {
        let series = format!("dragline_urls{{disposition=\"{disposition}\"}} ");
        let value = evidence.metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
        let value = value.and_then(|value| value.parse().ok()).unwrap_or(0);
        problems.compare("metrics", &series, count, value);
    }
}

/// Every fetch is counted, of a page or of a robots.txt.
fn fetches(evidence: &Evidence<'_>, problems: &mut Problems) {
    let totals = &evidence.end.report.totals;
    let of_crawl = || {
        let counted = |fetch: &&LoggedFetch| !politeness::is_asked(evidence, &fetch.url);
        evidence.fetches.iter().filter(counted)
    };
    let robots = of_crawl().filter(|fetch| politeness::is_errand(&fetch.url)).count() as u64;
    let pages = of_crawl().count() as u64 - robots;
    // A fetch that was lost with its fetcher was perhaps not begun; one that was stopped is not counted.
    let is_whole = evidence.must_finish() && !evidence.plan.loses_fetches();
    if is_whole && evidence.lives > 1 {
        // What was in flight or in no commit when a process died was fetched and is counted no more.
        let crashes = evidence.lives as u64 - 1;
        let lost = pages.checked_sub(totals.fetches);
        let most = crashes * evidence.conditions.refetched_max() as u64;
        if lost.is_none_or(|lost| lost > most) {
            let what = format!("{pages} fetches of pages, {} counted, {crashes} crashes", totals.fetches);
            problems.add("refetched", format!("{what}: at most {most} may be lost"));
        }
    } else if is_whole {
        problems.compare("fetches", "fetches of pages", pages, totals.fetches);
        problems.compare("fetches", "fetches of robots.txt", robots, totals.robots_fetches);
    }
    for page in &evidence.output.pages {
        if page.attempt > u64::from(evidence.conditions.attempts) {
            problems.add("attempts", format!("{} was tried {} times", page.url, page.attempt));
        }
    }
}
