//! Politeness: slots, gaps and their reasons, turns, sessions, parked hosts.

use std::time::Duration;

use dragline_core::frontier::{
    Admission, Fetched, Frontier, HostClock, Restraint, Settlement, Token, Trigger,
};
use dragline_core::pattern::Pattern;
use dragline_core::rules::{CrawlRules, PolitenessRule};
use dragline_core::{Outcome, SkipReason, Time};

use crate::frontier_kit::{Rig, fetched_ok, fetched_status, free_rules, links, millis, secs, url};

fn with_delay(delay: Duration) -> CrawlRules {
    let mut rules = free_rules();
    rules.politeness.delay = delay;
    rules
}

fn clock<'rig>(rig: &'rig Rig, host: &str) -> &'rig HostClock {
    let table = rig.frontier.host_table();
    table.clock(table.find(&url(host).host_key()).expect("a known host"))
}

/// Leases the next URL, ends its fetch as given, settles it, and returns the triggers.
fn turn(rig: &mut Rig, end: impl FnOnce(Token) -> Fetched) -> Vec<Trigger> {
    let token = rig.lease_one().token;
    let report = rig.fetched(end(token));
    rig.settle(token, Settlement::Done);
    report.backoffs.into_iter().map(|(_, trigger)| trigger).collect()
}

fn many(host: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("http://{host}/{number}")).collect()
}

fn seed_many(rig: &mut Rig, host: &str, count: usize) {
    let texts = many(host, count);
    rig.seeds(&texts.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_host_is_left_alone_for_its_gap_and_served_in_order() {
    let mut rig = Rig::new(with_delay(secs(2)));
    seed_many(&mut rig, "a", 3);
    for number in 0..3 {
        let lease = rig.lease_one();
        assert_eq!(lease.url.path(), format!("/{number}"));
        assert_eq!((lease.gap, lease.queue_wait), (secs(2), Duration::ZERO));
        rig.pass(millis(500)).finish(lease.token);
        assert_eq!(rig.lease().len(), 0);
        assert_eq!(rig.stats().hosts.waiting, u64::from(number < 2));
        if let Some(wakeup) = rig.frontier.next_wakeup() {
            assert_eq!(wakeup, rig.now + millis(1_500));
            rig.now = wakeup;
        }
    }
    assert_eq!(rig.frontier.next_wakeup(), None);
}

#[test]
fn a_host_has_no_more_fetches_than_slots() {
    let mut rules = free_rules();
    rules.politeness.concurrency = 3;
    let mut rig = Rig::new(rules);
    seed_many(&mut rig, "a", 5);
    assert_eq!((rig.stats().urls.ready, rig.stats().urls.delayed), (3, 2));
    let leases = rig.lease();
    assert_eq!((leases.len(), rig.stats().hosts.busy), (3, 1));
    rig.fetched(fetched_ok(leases[1].token, true));
    assert_eq!(rig.lease().len(), 1, "a fetched URL holds no slot");
    rig.settle(leases[0].token, Settlement::Done);
    assert_eq!(rig.lease().len(), 1, "a settled one neither");
}

#[test]
fn hosts_take_turns_when_there_is_no_gap() {
    let mut rig = Rig::new(free_rules());
    ["a", "b", "c"].iter().for_each(|host| seed_many(&mut rig, host, 3));
    let mut hosts = Vec::new();
    for _ in 0..9 {
        let report = rig.lease_for(1, 0);
        hosts.push(report.leases[0].url.host().to_owned());
        rig.finish(report.leases[0].token);
    }
    assert_eq!(hosts.concat(), "abcabcabc");
}

#[test]
fn a_fetcher_is_given_the_hosts_whose_connections_it_holds() {
    let mut rules = free_rules();
    rules.politeness.concurrency = 2;
    let mut rig = Rig::new(rules);
    ["a", "b"].iter().for_each(|host| seed_many(&mut rig, host, 4));
    let mut host_for = |fetcher| {
        let lease = rig.lease_for(1, fetcher).leases.remove(0);
        (lease.url.host().to_owned(), lease.token)
    };
    let (first, second) = (host_for(0), host_for(1));
    assert_eq!((first.0.as_str(), second.0.as_str()), ("a", "b"));
    assert_eq!(host_for(1).0, "b");
    assert_eq!(host_for(0).0, "a");
    rig.finish(first.1);
    assert_eq!(rig.lease_for(9, 1).leases[0].url.host(), "a", "an idle fetcher shares a host");
}

#[test]
fn the_gap_follows_the_latency() {
    let mut rules = with_delay(millis(100));
    rules.politeness.adaptive = true;
    rules.politeness.delay_max = secs(10);
    let mut rig = Rig::new(rules);
    seed_many(&mut rig, "a", 20);
    let mut gap_after = |ttfb| {
        turn(&mut rig, |token| Fetched { ttfb: Some(millis(ttfb)), ..fetched_ok(token, true) });
        rig.pass(secs(60));
        clock(&rig, "http://a/").gap()
    };
    assert_eq!(gap_after(200), millis(1_000));
    assert_eq!(gap_after(1_200), millis(2_500), "0.7 x 200 + 0.3 x 1200 = 500 ms");
    assert_eq!(gap_after(500), millis(2_500));
    assert_eq!(gap_after(0), millis(2_125), "half-way down to 1750");
    assert_eq!(gap_after(100_000), secs(10), "never longer than delay_max");
}

#[test]
fn exceptions_by_host_are_found_by_name() {
    let mut rules = with_delay(secs(5));
    let rule = |host: &str, delay, concurrency| PolitenessRule {
        hosts: vec![Pattern::new(host)],
        delay: Some(delay),
        concurrency,
    };
    rules.politeness.rules = vec![rule("*.x.org", millis(100), Some(4)), rule("*.org", secs(1), None)];
    let check = |host: &str, delay, slots| {
        let clock = HostClock::new(&rules.politeness, host);
        assert_eq!((clock.gap(), clock.slots()), (delay, slots), "{host}");
    };
    check("www.x.org", millis(100), 4);
    check("x.org", secs(1), 1);
    check("x.com", secs(5), 1);
}

#[test]
fn refusals_double_the_penalty_and_quiet_halves_it() {
    let mut rig = Rig::new(free_rules());
    seed_many(&mut rig, "a", 30);
    for (end, trigger) in [(429, Trigger::Status429), (503, Trigger::Status503), (429, Trigger::Status429)] {
        assert_eq!(turn(&mut rig, |token| fetched_status(token, end)), [trigger]);
        assert_eq!(rig.stats().hosts.backing_off, 1);
        rig.now = rig.frontier.next_wakeup().unwrap();
    }
    assert_eq!(clock(&rig, "http://a/").gap(), secs(8));
    let mut gaps = Vec::new();
    for _ in 0..6 {
        rig.pass(secs(30));
        turn(&mut rig, |token| fetched_ok(token, true));
        gaps.push(clock(&rig, "http://a/").gap().as_secs());
    }
    assert_eq!(gaps, [8, 4, 4, 2, 2, 0]);
}

#[test]
fn a_burst_of_refusals_is_one_step() {
    let mut rules = free_rules();
    rules.politeness.concurrency = 4;
    let mut rig = Rig::new(rules);
    seed_many(&mut rig, "a", 9);
    let leases = rig.lease();
    rig.pass(secs(1));
    let began: usize =
        leases.iter().map(|lease| rig.fetched(fetched_status(lease.token, 503)).backoffs.len()).sum();
    assert_eq!((began, clock(&rig, "http://a/").gap()), (1, secs(2)));
}

#[test]
fn only_the_third_failed_connection_in_a_row_is_a_trigger() {
    let mut rig = Rig::new(free_rules());
    seed_many(&mut rig, "a", 9);
    let failed = |token| Fetched { outcome: Outcome::ConnectError, status: None, ..fetched_ok(token, false) };
    let mut triggers = Vec::new();
    for end in [true, true, false, true, true, true] {
        triggers.push(if end {
            turn(&mut rig, failed)
        } else {
            turn(&mut rig, |token| fetched_ok(token, true))
        });
    }
    assert_eq!(triggers.concat(), [Trigger::Connect]);
    assert!(triggers[5].len() == 1);
}

#[test]
fn a_retry_after_is_waited_out() {
    let check = |status, wait: u64, expected: Option<u64>| {
        let mut rig = Rig::new(free_rules());
        seed_many(&mut rig, "a", 2);
        let end = |token| Fetched { retry_after: Some(secs(wait)), ..fetched_status(token, status) };
        turn(&mut rig, end);
        let wakeup = rig.frontier.next_wakeup().map(|at| at.as_micros() / 1_000_000);
        assert_eq!(wakeup, expected, "{status} {wait}");
    };
    check(429, 30, Some(30));
    check(503, 3_600, Some(3_600));
    check(500, 7, Some(7));
    check(301, 7, Some(7));
    check(200, 7, Some(0));
    check(404, 7, Some(0));
    check(429, 0, Some(2));
}

#[test]
fn a_host_that_asks_for_too_long_is_parked() {
    let mut rig = Rig::new(free_rules());
    seed_many(&mut rig, "a", 3);
    let lease = rig.lease_one();
    rig.fetched(Fetched { retry_after: Some(secs(3_601)), ..fetched_status(lease.token, 503) });
    let failed = Settlement::FetchFailed {
        outcome: Outcome::HttpError,
        status: Some(503),
        retry_after: Some(secs(3_601)),
    };
    rig.settle(lease.token, failed);
    assert_eq!(rig.lease_for(9, 0).skipped.len(), 2);
    rig.offer(&["http://a/late"], links(1));
    assert_eq!((rig.stats().skipped[&SkipReason::Parked], rig.stats().hosts.parked), (4, 1));
    assert_eq!(rig.frontier.admit(rig.now, &url("http://a/")), Admission::Refused(SkipReason::Parked));
}

#[test]
fn a_host_that_only_refuses_is_given_up() {
    let mut rules = free_rules();
    rules.politeness.give_up_after = secs(100);
    let mut rig = Rig::new(rules);
    seed_many(&mut rig, "a", 50);
    let mut turns = 0;
    while clock(&rig, "http://a/").parked().is_none() {
        rig.now = rig.now.max(rig.frontier.next_wakeup().unwrap());
        turn(&mut rig, |token| fetched_status(token, 503));
        turns += 1;
    }
    assert_eq!((turns, rig.now), (7, Time::from_secs(126)), "2 + 4 + ... + 64 s of penalties");
    rig.lease();
    assert_eq!(rig.stats().skipped[&SkipReason::Parked], 43);
}

#[test]
fn every_gap_is_kept_apart_with_its_reason() {
    let mut rig = Rig::new(with_delay(secs(1)));
    seed_many(&mut rig, "a", 3);
    turn(&mut rig, |token| fetched_status(token, 503));
    rig.pass(secs(2));
    turn(&mut rig, |token| Fetched { retry_after: Some(secs(9)), ..fetched_status(token, 503) });
    let gap = |name, gap| Restraint::Gap { name, gap };
    let until = |name, until| Restraint::Until { name, until: Time::from_secs(until) };
    let expected = [
        gap("delay", secs(1)),
        gap("adaptive", secs(0)),
        gap("penalty", secs(2)),
        gap("crawl_delay", secs(0)),
        until("penalty", 2),
        until("retry_after", 11),
    ];
    assert_eq!(rig.frontier.host_table().explain(&url("http://a/").host_key()), expected);
    assert_eq!(rig.frontier.host_table().explain(&url("http://b/").host_key()), []);
    assert_eq!(rig.frontier.next_wakeup(), Some(Time::from_secs(11)));
}

#[test]
fn a_session_and_the_crawl_take_turns() {
    let mut rig = Rig::new(with_delay(secs(1)));
    seed_many(&mut rig, "a", 9);
    let page = url("http://a/session");
    let admit = |rig: &mut Rig| {
        let admission = rig.frontier.admit(rig.now, &page);
        rig.check();
        admission
    };
    assert_eq!(admit(&mut rig), Admission::Now);
    assert_eq!(rig.lease().len(), 0, "the slot is the session's");
    rig.frontier.release(rig.now, &page.host_key(), &fetched_ok(Token(0), false));
    assert_eq!(admit(&mut rig), Admission::NotBefore(Time::from_secs(2)));
    let lease = rig.pass(secs(1)).lease_one();
    rig.finish(lease.token);
    assert_eq!(admit(&mut rig), Admission::NotBefore(Time::from_secs(2)));
    assert_eq!(rig.pass(secs(1)).lease().len(), 0, "it is the session's turn");
    assert_eq!(admit(&mut rig), Admission::Now);
    rig.frontier.release(rig.now, &page.host_key(), &fetched_ok(Token(0), false));
    assert_eq!(rig.pass(secs(1)).lease().len(), 1);
}

#[test]
fn a_session_that_goes_away_keeps_the_crawl_off_for_a_moment_only() {
    let mut rig = Rig::new(with_delay(secs(1)));
    seed_many(&mut rig, "a", 2);
    let lease = rig.lease_one();
    assert_eq!(rig.frontier.admit(rig.now, &url("http://a/")), Admission::NotBefore(Time::from_secs(1)));
    rig.finish(lease.token);
    assert_eq!(rig.frontier.next_wakeup(), Some(Time::from_millis(1_250)));
}

#[test]
fn a_session_gets_another_turn_when_the_crawl_does_not_take_its_own() {
    let mut rig = Rig::new(with_delay(secs(1)));
    seed_many(&mut rig, "a", 2);
    let page = url("http://a/session");
    for turn in 0..3 {
        rig.now = Time::from_secs(2 * turn);
        assert_eq!(rig.frontier.admit(rig.now, &page), Admission::Now);
        rig.frontier.release(rig.now, &page.host_key(), &fetched_ok(Token(0), false));
    }
    let again = rig.frontier.release(rig.now, &page.host_key(), &fetched_ok(Token(0), false));
    assert_eq!(again.stale, [Token(0)]);
    assert_eq!(rig.stats().stale, 1);
}

#[test]
fn a_backoff_that_a_session_brings_about_is_told_to_it() {
    let mut rig = Rig::new(with_delay(secs(0)));
    let page = url("http://a/session");
    let [busy, unwell, missing] = [429, 503, 404].map(|status| fetched_status(Token(0), status));
    let asked = Fetched { retry_after: Some(secs(9)), ..unwell };
    for (fetched, backoff) in [
        (busy, Some(Trigger::Status429)),
        (unwell, Some(Trigger::Status503)),
        (asked, Some(Trigger::RetryAfter)),
        (missing, None),
    ] {
        assert_eq!(rig.frontier.admit(rig.now, &page), Admission::Now);
        let released = rig.frontier.release(rig.now, &page.host_key(), &fetched);
        let told: Vec<Trigger> = released.backoffs.iter().map(|(_, trigger)| *trigger).collect();
        assert_eq!(told, Vec::from_iter(backoff), "{fetched:?}");
        rig.now += secs(60);
    }
}
