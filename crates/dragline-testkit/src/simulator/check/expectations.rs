//! Checks that the crawl came to what it had to, to nothing else, and that each URL ended as the world has it.

use std::collections::{BTreeMap, BTreeSet};

use dragline_core::CanonicalUrl;
use dragline_core::report::Ended;

use super::{Evidence, Problems};
use crate::simulator::expect;
use crate::simulator::world::{Place, Target, World};

pub(super) fn check(evidence: &Evidence<'_>, problems: &mut Problems) {
    let expected = expect::walk(evidence.world, evidence.conditions, evidence.plan);
    let mut ended = BTreeSet::new();
    for (url, end) in evidence.output.ends() {
        ended.insert(url);
        match expected.get(url) {
            None => problems.add("walk", format!("{url} ended {end}, and nothing leads there")),
            Some(expected) if !expected.ends.has(&end) => {
                problems.add("walk", format!("{url} ended {end} where {:?} are right", expected.ends));
            }
            Some(_) => {}
        }
    }
    let finished = evidence.end.report.ended == Ended::Finished;
    for (url, _) in expected
        .iter()
        .filter(|(url, expected)| finished && expected.is_certain && !ended.contains(url.as_str()))
    {
        problems.add("walk", format!("{url} was not come to"));
    }
    for page in &evidence.output.pages {
        let least = expected.get(&page.url).map_or(0, |expected| u64::from(expected.depth_min));
        if page.depth < least || page.depth > u64::from(evidence.conditions.depth_max) {
            problems.add("depth", format!("{} has depth {}, {least} is the least", page.url, page.depth));
        }
    }
    if evidence.is_committed() {
        closed(evidence, &ended, finished, problems);
    }
}

/// The output is closed: what a page that is done leads to is in it, and everything in it was led to by something in
/// it, at the depth that follows.
fn closed(evidence: &Evidence<'_>, ended: &BTreeSet<&str>, finished: bool, problems: &mut Problems) {
    let world = evidence.world;
    let depth_max = u64::from(evidence.conditions.depth_max);
    let mut led: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for &host in &evidence.conditions.seeds {
        led.entry(world.url(Target::Page { host, page: 0 })).or_default().insert(0);
    }
    for page in &evidence.output.pages {
        if page.end == "redirected" {
            let target = page.redirect_target.clone().unwrap_or_default();
            led.entry(target).or_default().insert(page.depth);
        }
        if page.end == "done" && page.depth < depth_max {
            for to in links(world, &page.url) {
                led.entry(to).or_default().insert(page.depth + 1);
            }
        }
    }
    for url in led.keys().filter(|url| finished && !ended.contains(url.as_str())) {
        problems.add("links", format!("{url} is led to and did not end"));
    }
    for url in ended.iter().filter(|url| !led.contains_key(**url)) {
        problems.add("links", format!("{url} ended, and no page that is done leads there"));
    }
    for page in &evidence.output.pages {
        if led.get(&page.url).is_some_and(|depths| !depths.contains(&page.depth)) {
            problems
                .add("depth", format!("{} has depth {}, which no way there gives it", page.url, page.depth));
        }
    }
}

/// Returns where the page of a URL leads.
fn links(world: &World, url: &str) -> Vec<String> {
    let place = CanonicalUrl::parse(url).ok().and_then(|url| world.find(&url));
    match place {
        Some((_, Place::At(target))) => world.links(target).into_iter().map(|to| world.url(to)).collect(),
        _ => Vec::new(),
    }
}
