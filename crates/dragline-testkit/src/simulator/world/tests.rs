//! Checks drawn worlds: their URLs, their flaws, and that answers follow from the question and the host alone.

use std::collections::BTreeSet;
use std::time::Duration;

use dragline_core::CanonicalUrl;

use super::answer::HostState;
use super::*;

fn url(text: &str) -> CanonicalUrl {
    CanonicalUrl::parse(text).expect("a URL of a world can be fetched")
}

fn answer(world: &World, text: &str, asked: u32, state: &mut HostState, millis: u64) -> String {
    format!("{:?}", world.answer(&url(text), asked, state, Duration::from_millis(millis)))
}

#[test]
fn every_url_is_spelt_canonically_and_found_where_it_leads() {
    for seed in 0..20 {
        let world = World::draw(seed, 6, 80);
        let pages = world.hosts.iter().enumerate().flat_map(|(host, of_host)| {
            (0..of_host.pages.len()).map(move |page| Target::Page { host, page })
        });
        let endless = [Target::Calendar { host: 1, day: 7 }, Target::Spiral { host: 2, turns: 3 }];
        for target in pages.chain(endless) {
            let text = world.url(target);
            let found = url(&text);
            assert_eq!(found.as_str(), text);
            let Some((host, Place::At(place))) = world.find(&found) else { panic!("{text} is not found") };
            assert_eq!((place, world.host_of(&found)), (target, Some(host)), "{text}");
            for to in world.links(target) {
                let known = world.find(&url(&world.url(to))).is_some();
                assert_eq!(known, !matches!(to, Target::Elsewhere(_)), "{text} leads to {to:?}");
            }
        }
        for unknown in
            ["http://h0.d9.test/", "http://h99.d0.test/", "http://elsewhere1.test/", "http://h0.d0.test/p999"]
        {
            assert_eq!(world.find(&url(unknown)), None, "{unknown}");
        }
    }
}

#[test]
fn worlds_of_one_seed_are_the_same_and_have_as_many_pages_as_asked_for() {
    let shown = |seed, hosts, pages| format!("{:?}", World::draw(seed, hosts, pages));
    assert_eq!(shown(1, 5, 100), shown(1, 5, 100));
    assert_ne!(shown(1, 5, 100), shown(2, 5, 100));
    let check = |hosts: usize, pages: usize| {
        let world = World::draw(1, hosts, pages);
        let found: usize = world.hosts.iter().map(|host| host.pages.len()).sum();
        assert_eq!(world.hosts.len(), hosts);
        assert!(found.abs_diff(pages) <= hosts, "{found} pages where {pages} were asked for");
    };
    check(1, 1);
    check(5, 100);
    check(20, 400);
    check(100, 5_000);
}

#[test]
fn every_flaw_is_drawn() {
    let mut seen = BTreeSet::new();
    for world in (0..40).map(|seed| World::draw(seed, 20, 400)) {
        for host in &world.hosts {
            let first_word = |shown: String| shown.split([' ', '(']).next().unwrap_or_default().to_owned();
            seen.insert(first_word(format!("{:?}", host.temper)));
            seen.insert(first_word(format!("{:?}", host.robots)));
            for page in &host.pages {
                seen.insert(match page.kind {
                    PageKind::Fails(failing, times) => {
                        format!(
                            "{} {}",
                            first_word(format!("{failing:?}")),
                            if times.is_some() { "heals" } else { "stays" }
                        )
                    }
                    kind => first_word(format!("{kind:?}")),
                });
            }
        }
    }
    // 4 tempers, 4 kinds of robots.txt, 6 kinds of pages that do not fail, 6 failures each of two kinds.
    assert_eq!(seen.len(), 4 + 4 + 6 + 12, "{seen:?}");
}

#[test]
fn an_answer_follows_from_url_count_and_host() {
    let world = World::draw(3, 10, 200);
    for (host, of_host) in world.hosts.iter().enumerate() {
        for page in 0..of_host.pages.len() {
            let text = world.url(Target::Page { host, page });
            let fresh = HostState::default;
            let first = answer(&world, &text, 0, &mut fresh(), 5);
            assert_eq!(first, answer(&world, &text, 0, &mut fresh(), 9_000), "time alone changes nothing");
            if let Some(PageKind::Fails(_, Some(times))) = world.page(host, page).map(|page| page.kind)
                && of_host.temper == Temper::Calm
            {
                assert!(!first.contains("<title>"), "{first}");
                assert!(answer(&world, &text, times, &mut fresh(), 0).contains("<title>"), "it heals");
            }
        }
    }
}

#[test]
fn a_limited_host_refuses_who_asks_too_soon() {
    let mut world = World::draw(1, 1, 5);
    let gap = Duration::from_secs(1);
    for host in &mut world.hosts {
        host.temper = Temper::Limited { gap, retry_after_secs: Some(7) };
    }
    let mut state = HostState::default();
    let mut refused = |millis| {
        let answer = answer(&world, "http://h0.d0.test/", 0, &mut state, millis);
        answer.contains("status: 429")
    };
    assert!(!refused(0));
    assert!(refused(999));
    assert!(!refused(1_000), "a refusal does not count");
    assert!(refused(1_001));
}
