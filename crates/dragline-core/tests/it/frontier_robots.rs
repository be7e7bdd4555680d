//! Robots errands: what is asked first, what an answer means, and for how long.

use std::time::Duration;

use dragline_core::decision::Source;
use dragline_core::frontier::{Drain, Fetched, Frontier, Purpose, RobotsAnswer, RobotsView, Settlement};
use dragline_core::rules::{CrawlDelayOver, CrawlRules};
use dragline_core::{Outcome, SkipReason, Time};

use crate::frontier_kit::{Rig, fetched_ok, free_rules, links, millis, robots_txt, secs, unreachable, url};

const UNAVAILABLE: RobotsAnswer = RobotsAnswer::Unavailable { too_many_redirects: false };

fn obeying() -> CrawlRules {
    let mut rules = free_rules();
    rules.robots.obey = true;
    rules
}

#[test]
fn nothing_of_an_origin_is_leased_before_its_robots_txt_is_known() {
    let mut rig = Rig::new(obeying());
    rig.seeds(&["http://a/1", "http://a/2"]);
    assert_eq!((rig.stats().errands, rig.stats().hosts.robots_pending), (1, 1));
    let errand = rig.lease_one();
    assert_eq!((errand.purpose, errand.url.as_str()), (Purpose::Robots, "http://a/robots.txt"));
    rig.fetched(fetched_ok(errand.token, false));
    assert_eq!((rig.lease().len(), rig.frontier.next_wakeup()), (0, None));
    rig.settle(errand.token, Settlement::Robots(robots_txt("user-agent: *\ndisallow: /2")));
    let report = rig.lease_for(9, 0);
    assert_eq!(report.leases[0].url.as_str(), "http://a/1");
    rig.finish(report.leases[0].token);
    let report = rig.lease_for(9, 0);
    assert_eq!((report.robots.disallowed, report.skipped.len()), (1, 1));
    let decision = &report.skipped[0].decision;
    assert_eq!(decision.verdict, SkipReason::Robots);
    assert!(matches!(&decision.source, Source::Robots { line: Some(2), .. }), "{decision:?}");
    assert_eq!((rig.stats().discovered, rig.stats().errands), (2, 0), "errands are no URLs");
}

#[test]
fn origins_of_one_host_are_asked_apart() {
    let mut rules = obeying();
    rules.politeness.concurrency = 2;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a:8080/1", "https://a:8080/2"]);
    let errands = rig.lease();
    let asked: Vec<_> = errands.iter().map(|lease| lease.url.as_str()).collect();
    assert_eq!(asked, ["http://a:8080/robots.txt", "https://a:8080/robots.txt"]);
    rig.fetched(fetched_ok(errands[1].token, false));
    rig.settle(errands[1].token, Settlement::Robots(UNAVAILABLE));
    let report = rig.lease_for(9, 0);
    assert_eq!(report.leases[0].url.as_str(), "https://a:8080/2");
    assert_eq!((report.leases.len(), report.robots.assumed_allowed), (1, 1));
}

#[test]
fn an_unreachable_robots_txt_is_asked_again_and_then_disallows_everything() {
    let mut rig = Rig::new(obeying());
    rig.seeds(&["http://a/1", "http://a/2"]);
    for attempt in 1..=3 {
        let errand = rig.answer_robots(unreachable(500));
        assert_eq!(errand.attempt, attempt);
        rig.now = rig.frontier.next_wakeup().map_or(rig.now, |wakeup| rig.now.max(wakeup));
    }
    let report = rig.lease_for(9, 0);
    assert_eq!((report.leases.len(), report.skipped.len()), (0, 2));
    assert_eq!(report.robots.assumed_disallowed, 2);
    rig.offer(&["http://a/3"], links(1));
    let stats = rig.stats();
    assert_eq!(stats.skipped[&SkipReason::RobotsUnreachable], 3);
    assert_eq!(stats.robots_unreachable, [("http://a".into(), "status 500".into())]);
    assert_eq!(rig.frontier.next_wakeup(), None);
}

#[test]
fn an_errand_follows_redirects_and_its_result_is_the_first_origins() {
    let mut rules = obeying();
    rules.politeness.delay = secs(1);
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1"]);
    rig.answer_robots(RobotsAnswer::Redirect(url("http://b/robots.txt")));
    let hop = rig.answer_robots(robots_txt("user-agent: *\ndisallow: /"));
    assert_eq!((hop.url.as_str(), hop.chain.len()), ("http://b/robots.txt", 1));
    let clock = |rig: &Rig, host: &str| {
        let key = url(host).host_key();
        rig.frontier.host_table().find(&key).map(|id| rig.frontier.host_table().clock(id).due())
    };
    assert_eq!(clock(&rig, "http://b/"), Some(Time::from_secs(1)), "each hop takes its host's gap");
    let report = rig.pass(secs(1)).lease_for(9, 0);
    assert_eq!(report.skipped.len(), 1);
}

#[test]
fn too_many_redirects_make_robots_txt_unavailable() {
    let mut rules = obeying();
    rules.robots.redirects_max = 5;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1"]);
    for hop in 0..6 {
        rig.answer_robots(RobotsAnswer::Redirect(url(&format!("http://a/robots{hop}"))));
    }
    assert_eq!(rig.leased_urls(), ["http://a/1"]);
}

#[test]
fn rules_expire_and_the_old_ones_stay_when_new_ones_cannot_be_had() {
    let mut rules = obeying();
    rules.robots.cache = secs(10);
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1"]);
    rig.answer_robots(robots_txt("user-agent: *\ndisallow: /2"));
    let lease = rig.lease_one();
    rig.finish(lease.token);
    rig.pass(secs(10)).offer(&["http://a/2", "http://a/3"], links(1));
    for _ in 0..3 {
        rig.answer_robots(unreachable(503));
        rig.pass(secs(60));
    }
    rig.now = Time::from_micros(rig.now.as_micros() - 60_000_000);
    assert_eq!(rig.leased_urls(), ["http://a/3"]);
    assert_eq!(rig.stats().skipped[&SkipReason::Robots], 1);
}

#[test]
fn an_errand_nobody_waits_for_is_not_run() {
    let mut rules = obeying();
    rules.scope.urls_max = 1;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1"]);
    rig.answer_robots(UNAVAILABLE);
    rig.pass(millis(1)).seeds(&["http://b/1"]);
    assert_eq!(rig.lease_for(1, 0).leases[0].url.as_str(), "http://a/1");
    assert_eq!((rig.lease().len(), rig.stats().errands), (0, 0));
}

#[test]
fn a_crawl_delay_is_one_of_the_gaps_and_allows_one_fetch_at_a_time() {
    let check = |asked: &str, over, expected: Option<Duration>| {
        let mut rules = obeying();
        rules.politeness.concurrency = 4;
        rules.robots.crawl_delay_over = over;
        let mut rig = Rig::new(rules);
        rig.seeds(&["http://a/1", "http://a/2"]);
        rig.answer_robots(robots_txt(&format!("user-agent: *\ncrawl-delay: {asked}")));
        rig.pass(secs(100));
        let report = rig.lease_for(9, 0);
        assert_eq!(report.leases.len(), usize::from(expected.is_some()), "{asked}");
        assert_eq!(report.leases.first().map(|lease| lease.gap), expected, "{asked}");
        let parked = rig.stats().skipped.get(&SkipReason::Parked).copied().unwrap_or_default();
        assert_eq!(parked, if expected.is_some() { 0 } else { 2 }, "{asked}");
    };
    check("2.5", CrawlDelayOver::Cap, Some(millis(2_500)));
    check("900", CrawlDelayOver::Cap, Some(secs(60)));
    check("60", CrawlDelayOver::SkipHost, Some(secs(60)));
    check("61", CrawlDelayOver::SkipHost, None);
}

#[test]
fn a_session_has_an_errand_run_where_no_url_waits() {
    let mut rules = obeying();
    rules.robots.cache = secs(10);
    let mut rig = Rig::new(rules);
    assert_eq!(rig.robots("http://a/private"), RobotsView::Unknown);
    assert_eq!(rig.robots("http://a/open"), RobotsView::Unknown);
    assert_eq!((rig.stats().errands, rig.stats().pending), (1, 0));
    assert_eq!(rig.frontier.next_wakeup(), Some(Time::ZERO));
    rig.seeds(&["http://a/1"]);
    rig.answer_robots(robots_txt("user-agent: *\ndisallow: /private\nallow: /open"));
    assert_eq!(rig.robots("http://a/private"), RobotsView::Disallowed { line: Some(2) });
    assert_eq!(rig.robots("http://a/open"), RobotsView::Allowed { line: Some(3) });
    assert_eq!(rig.robots("http://a/other"), RobotsView::Allowed { line: None });
    assert_eq!(rig.leased_urls(), ["http://a/1"], "it was asked once, for both");
    rig.pass(secs(10));
    assert_eq!(rig.robots("https://b/"), RobotsView::Unknown);
    rig.answer_robots(UNAVAILABLE);
    assert_eq!(rig.robots("https://b/"), RobotsView::AssumedAllowed);
    assert_eq!(Rig::new(free_rules()).robots("http://a/"), RobotsView::NotObeyed);
}

#[test]
fn rules_that_expired_are_asked_for_anew_by_a_session() {
    let mut rules = obeying();
    rules.robots.cache = secs(10);
    let mut rig = Rig::new(rules);
    assert_eq!(rig.robots("http://a/2"), RobotsView::Unknown);
    rig.answer_robots(robots_txt("user-agent: *\ndisallow: /2"));
    rig.pass(secs(10));
    assert_eq!(rig.robots("http://a/2"), RobotsView::Unknown);
    rig.answer_robots(robots_txt("user-agent: *\ndisallow: /3"));
    assert_eq!(rig.robots("http://a/2"), RobotsView::Allowed { line: None });
    for (text, outcome) in [("http://b/", Outcome::Deferred), ("http://c/", Outcome::DnsError)] {
        assert_eq!(rig.robots(text), RobotsView::Unknown);
        for _ in 0..3 {
            let message = "as the test wants".into();
            let answer = match outcome {
                Outcome::Deferred => unreachable(503),
                outcome => RobotsAnswer::Unreachable { outcome, status: None, message },
            };
            rig.answer_robots(answer);
            rig.pass(secs(60));
        }
        let view = rig.robots(text);
        assert!(
            matches!(&view, RobotsView::Unreachable { outcome: found, .. } if *found == outcome),
            "{view:?}"
        );
    }
}

#[test]
fn what_a_session_waits_for_is_leased_apart_when_asked_for() {
    let mut rules = obeying();
    rules.politeness.delay = secs(1);
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1"]);
    assert!(rig.frontier.lease_wanted(rig.now, 0).is_none(), "the crawl alone wants it");
    assert_eq!(rig.robots("http://b/"), RobotsView::Unknown);
    let hop = rig.frontier.lease_wanted(rig.now, 0).expect("a session wants it");
    assert_eq!((hop.purpose, hop.url.as_str()), (Purpose::Robots, "http://b/robots.txt"));
    assert!(rig.frontier.lease_wanted(rig.now, 0).is_none());
    rig.fetched(fetched_ok(hop.token, false));
    rig.settle(hop.token, Settlement::Robots(RobotsAnswer::Redirect(url("http://b/elsewhere"))));
    assert!(rig.frontier.lease_wanted(rig.now, 0).is_none(), "its host is not due");
    rig.pass(secs(1));
    let hop = rig.frontier.lease_wanted(rig.now, 0).expect("the errand goes on");
    rig.fetched(fetched_ok(hop.token, false));
    rig.settle(hop.token, Settlement::Robots(UNAVAILABLE));
    assert_eq!(rig.robots("http://b/"), RobotsView::AssumedAllowed);
}

#[test]
fn no_session_waits_for_a_robots_txt_that_nobody_will_ask_for() {
    let mut rig = Rig::new(obeying());
    assert_eq!(rig.robots("http://a/"), RobotsView::Unknown);
    let errand = rig.lease_one();
    rig.fetched(Fetched {
        retry_after: Some(secs(1_000_000)),
        status: Some(503),
        ..fetched_ok(errand.token, false)
    });
    rig.settle(errand.token, Settlement::Robots(unreachable(503)));
    assert!(matches!(rig.robots("http://a/"), RobotsView::Unreachable { .. }));
    assert_eq!(rig.robots("https://a:80/"), RobotsView::Parked(SkipReason::Parked));
    rig.robots("http://b/");
    assert_eq!(rig.stats().errands, 1);
    drop(rig.frontier.drain(rig.now, Drain::Keep));
    assert_eq!(rig.robots("http://b/"), RobotsView::Unknown);
    assert_eq!(rig.robots("http://c/"), RobotsView::Unknown);
    assert_eq!((rig.stats().errands, rig.frontier.next_wakeup()), (1, None));
    assert!(rig.frontier.lease_wanted(rig.now, 0).is_none());
}
