//! The life of a URL: offers, leases, settlements, budgets, redirects, drains.

use std::time::Duration;

use dragline_core::frontier::{CommitId, Drain, Frontier, OfferFrom, SettleResult, Settlement, Token};
use dragline_core::rules::{ScopeMode, SeedRedirects};
use dragline_core::{Disposition, FailKind, LinkRefusal, Outcome, SkipReason, Time};

use crate::frontier_kit::{Rig, batch, fetched_ok, fetched_status, free_rules, links, millis, secs, url};

fn ended(result: &SettleResult) -> Option<Disposition> {
    match result {
        SettleResult::Final { disposition, .. } => Some(*disposition),
        _ => None,
    }
}

#[test]
fn a_url_is_fetched_once_however_often_it_is_offered() {
    let mut rig = Rig::new(free_rules());
    let report = rig.seeds(&["http://a/1", "http://a/1", "http://a/%31", "http://a/2"]);
    assert_eq!((report.new, report.duplicate), (2, 2));
    let first = rig.lease_one();
    rig.offer(&["http://a/1"], links(3));
    rig.finish(first.token);
    rig.offer(&["http://a/1"], links(3));
    assert_eq!(rig.leased_urls(), ["http://a/2"]);
    let stats = rig.stats();
    assert_eq!((stats.discovered, stats.done, stats.pending, stats.duplicates), (2, 1, 1, 4));
}

#[test]
fn a_shorter_way_lowers_the_depth_of_a_url_that_waits() {
    let mut rig = Rig::new(free_rules());
    rig.offer(&["http://a/"], links(9));
    rig.offer(&["http://a/"], links(4));
    rig.offer(&["http://a/"], links(7));
    assert_eq!(rig.lease_one().depth, 4);
}

#[test]
fn a_shorter_way_to_a_url_that_is_leased_counts_for_its_next_attempt() {
    let mut rig = Rig::new(free_rules());
    rig.offer(&["http://a/"], links(9));
    let lease = rig.lease_one();
    rig.offer(&["http://a/"], links(4));
    assert_eq!(lease.depth, 9);
    rig.settle(lease.token, Settlement::RetryLater(Duration::ZERO));
    assert_eq!(rig.lease_one().depth, 4);
}

#[test]
fn a_refused_link_does_not_make_the_url_known() {
    let mut rules = free_rules();
    (rules.scope.depth_max, rules.scope.url_bytes_max) = (2, 20);
    let mut rig = Rig::new(rules);
    let report = rig.offer(&["http://a/x", "nonsense"], links(3));
    assert_eq!(report.refused[LinkRefusal::Depth as usize], 2);
    let report = rig.offer(&["nonsense", "http://a/this-is-too-long"], links(2));
    assert_eq!(report.refused[LinkRefusal::InvalidUrl as usize], 1);
    assert_eq!(report.refused[LinkRefusal::TooLong as usize], 1);
    assert_eq!(rig.offer(&["http://a/x"], links(2)).new, 1);
    assert_eq!(rig.stats().discovered, 1);
}

#[test]
fn a_url_outside_the_scope_or_in_a_trap_is_skipped_once() {
    let mut rules = free_rules();
    rules.scope.mode = ScopeMode::Host;
    rules.traps.path_segments_max = 2;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/"]);
    let report = rig.offer(&["http://b/", "http://a/1/2/3", "http://b/"], links(1));
    let reasons: Vec<_> = report.skipped.iter().map(|skip| skip.decision.verdict).collect();
    assert_eq!(reasons, [SkipReason::Scope, SkipReason::Trap]);
    assert_eq!((report.new, report.duplicate), (0, 1));
}

#[test]
fn a_stale_token_changes_nothing() {
    let mut rig = Rig::new(free_rules());
    rig.seeds(&["http://a/"]);
    let lease = rig.lease_one();
    assert_eq!(rig.fetched(fetched_ok(Token(999), true)).stale, [Token(999)]);
    rig.fetched(fetched_ok(lease.token, true));
    assert_eq!(rig.fetched(fetched_ok(lease.token, true)).stale, [lease.token], "a fetch ends once");
    rig.settle(lease.token, Settlement::Done);
    let offers = vec![batch(&["http://a/late"], links(1))];
    let report = rig.settle_with(lease.token, Settlement::Done, offers);
    assert!(matches!(report.settled[0].result, SettleResult::Stale));
    assert_eq!((rig.stats().stale, rig.stats().discovered), (3, 1));
}

#[test]
fn a_settle_offers_its_links_in_the_same_step() {
    let mut rig = Rig::new(free_rules());
    rig.seeds(&["http://a/"]);
    let lease = rig.lease_one();
    rig.fetched(fetched_ok(lease.token, true));
    let offers = vec![batch(&["http://a/", "http://a/1"], links(1))];
    let report = rig.settle_with(lease.token, Settlement::Done, offers);
    assert_eq!((report.offers.new, report.offers.duplicate), (1, 1));
    assert_eq!(rig.leased_urls(), ["http://a/1"]);
}

#[test]
fn a_failed_fetch_is_tried_again_until_its_attempts_are_used_up() {
    let check = |outcome, status, attempts: u32, name: &str| {
        let mut rig = Rig::new(free_rules());
        rig.seeds(&["http://a/"]);
        for attempt in 1..=attempts {
            let lease = rig.lease_one();
            assert_eq!(lease.attempt, attempt, "{name}");
            let failed = Settlement::FetchFailed { outcome, status, retry_after: None };
            match rig.settle(lease.token, failed) {
                SettleResult::Waiting { not_before, retry } => {
                    assert!(retry && attempt < attempts, "{name}");
                    assert_eq!(rig.stats().urls.retry_wait, u64::from(not_before > rig.now), "{name}");
                    rig.now = rig.now.max(not_before);
                }
                result => {
                    assert_eq!(attempt, attempts, "{name}");
                    assert_eq!(ended(&result), outcome.fail_kind().map(Disposition::Failed), "{name}");
                }
            }
        }
        assert_eq!(rig.stats().pending, 0, "{name}");
    };
    check(Outcome::Timeout, None, 3, "timeout");
    check(Outcome::HttpError, Some(500), 3, "500");
    check(Outcome::HttpError, Some(404), 1, "404");
    check(Outcome::TlsError, None, 1, "tls_error");
    check(Outcome::Crashed, None, 2, "crashed");
}

#[test]
fn an_answer_of_429_does_not_eat_an_attempt() {
    let mut rig = Rig::new(free_rules());
    rig.seeds(&["http://a/"]);
    for _ in 0..10 {
        let lease = rig.lease_one();
        assert_eq!(lease.attempt, 1);
        let (outcome, status) = (Outcome::HttpError, Some(429));
        rig.settle(lease.token, Settlement::FetchFailed { outcome, status, retry_after: None });
        rig.pass(secs(60));
    }
}

#[test]
fn a_handler_may_ask_for_as_many_attempts_as_a_fetch() {
    let mut rig = Rig::new(free_rules());
    rig.seeds(&["http://a/"]);
    for _ in 0..2 {
        let lease = rig.lease_one();
        rig.fetched(fetched_ok(lease.token, true));
        let result = rig.settle(lease.token, Settlement::RetryLater(secs(5)));
        assert!(matches!(result, SettleResult::Waiting { retry: true, .. }));
        assert_eq!(rig.frontier.next_wakeup(), Some(rig.now + secs(5)));
        rig.pass(millis(4_999));
        assert_eq!(rig.lease().len(), 0);
        rig.pass(millis(1));
    }
    let lease = rig.lease_one();
    let result = rig.settle(lease.token, Settlement::RetryLater(secs(5)));
    assert_eq!(ended(&result), Some(Disposition::Failed(FailKind::HandlerError)));
}

#[test]
fn a_redirect_ends_its_url_and_offers_the_target_with_its_chain() {
    let mut rig = Rig::new(free_rules());
    rig.offer(&["http://a/1"], OfferFrom { data: Some("x".into()), ..links(4) });
    let lease = rig.lease_one();
    rig.fetched(fetched_status(lease.token, 301));
    let report = rig.settle_with(lease.token, Settlement::Redirected(url("http://a/2")), Vec::new());
    assert_eq!(ended(&report.settled[0].result), Some(Disposition::Redirected));
    assert_eq!(report.targets.new, 1);
    let lease = rig.lease_one();
    assert_eq!((lease.depth, lease.data.as_deref()), (4, Some("x")));
    assert_eq!(*lease.chain, [url("http://a/1")]);
    let result = rig.settle(lease.token, Settlement::Redirected(url("http://a/1")));
    assert_eq!(ended(&result), Some(Disposition::Failed(FailKind::Fetch(Outcome::RedirectError))));
}

#[test]
fn a_redirect_to_another_spelling_is_no_new_url() {
    let mut rig = Rig::new(free_rules());
    rig.seeds(&["http://a/%7ex"]);
    let lease = rig.lease_one();
    let result = rig.settle(lease.token, Settlement::Redirected(url("http://a/~x")));
    assert!(matches!(result, SettleResult::Waiting { retry: false, .. }));
    let lease = rig.lease_one();
    assert_eq!((lease.url.as_str(), lease.chain.len()), ("http://a/~x", 1));
    rig.finish(lease.token);
    assert_eq!((rig.stats().discovered, rig.stats().done), (1, 1));
}

#[test]
fn a_spelling_of_the_host_moves_the_url_to_that_host() {
    let mut rig = Rig::new(free_rules());
    rig.seeds(&["http://a./", "http://a./2"]);
    let lease = rig.lease_one();
    rig.settle(lease.token, Settlement::Redirected(url("http://a/")));
    assert_eq!(rig.leased_urls(), ["http://a/", "http://a./2"], "each is the first of its host");
}

#[test]
fn too_many_redirects_are_an_error() {
    let mut rules = free_rules();
    rules.redirects_max = 2;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/0"]);
    let mut ends = Vec::new();
    for hop in 1..=3 {
        let lease = rig.lease_one();
        let target = url(&format!("http://a/{hop}"));
        ends.extend(ended(&rig.settle(lease.token, Settlement::Redirected(target))));
    }
    let error = Disposition::Failed(FailKind::Fetch(Outcome::RedirectError));
    assert_eq!(ends, [Disposition::Redirected, Disposition::Redirected, error]);
}

#[test]
fn a_redirect_target_that_is_too_long_is_refused_as_a_link() {
    let mut rules = free_rules();
    rules.scope.url_bytes_max = 20;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/0"]);
    let lease = rig.lease_one();
    let target = url("http://a/longer-than-twenty-bytes");
    let report = rig.settle_with(lease.token, Settlement::Redirected(target), Vec::new());
    assert_eq!(ended(&report.settled[0].result), Some(Disposition::Redirected));
    assert_eq!(report.targets.refused[LinkRefusal::TooLong as usize], 1);
    assert_eq!((rig.stats().discovered, rig.stats().pending), (1, 0));
}

#[test]
fn a_redirected_seed_brings_its_host_into_scope() {
    let check = |policy, target: &str, joins: bool| {
        let mut rules = free_rules();
        rules.scope.mode = ScopeMode::Host;
        rules.scope.seed_redirects = policy;
        let mut rig = Rig::new(rules);
        rig.seeds(&["http://example.org/"]);
        let lease = rig.lease_one();
        let settled = rig.settle_with(lease.token, Settlement::Redirected(url(target)), Vec::new());
        assert_eq!(settled.joined.len(), usize::from(joins), "{target}");
        assert_eq!(settled.targets.new, u32::from(joins), "{target}");
    };
    check(SeedRedirects::Domain, "https://www.example.org/", true);
    check(SeedRedirects::Domain, "https://example.com/", false);
    check(SeedRedirects::Any, "https://example.com/", true);
    check(SeedRedirects::Off, "https://www.example.org/", false);
}

#[test]
fn when_the_budget_is_used_up_the_rest_is_skipped() {
    let mut rules = free_rules();
    rules.scope.urls_max = 2;
    rules.politeness.concurrency = 9;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1", "http://a/2", "http://a/3", "http://b/1"]);
    let report = rig.lease_for(9, 0);
    assert_eq!((report.leases.len(), report.skipped.len()), (2, 2));
    rig.offer(&["http://c/"], links(1));
    let retried = report.leases[0].token;
    rig.settle(retried, Settlement::RetryLater(Duration::ZERO));
    assert_eq!(rig.lease_one().attempt, 2, "a URL in the budget may be tried again");
    assert_eq!(rig.stats().skipped[&SkipReason::Budget], 3);
}

#[test]
fn a_large_rest_ends_over_several_calls() {
    let mut rules = free_rules();
    rules.scope.urls_max = 1;
    let mut rig = Rig::new(rules);
    let texts: Vec<_> = (0..10_000).map(|number| format!("http://h{}/{number}", number % 7)).collect();
    rig.seeds(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    rig.lease();
    assert!(rig.stats().pending > 1);
    let mut calls = 0;
    while rig.frontier.next_wakeup().is_some() {
        rig.lease_for(0, 0);
        calls += 1;
    }
    assert_eq!((rig.stats().pending, calls), (1, 2));
}

#[test]
fn a_host_has_its_own_budget() {
    let mut rules = free_rules();
    rules.scope.urls_per_host_max = 1;
    let mut rig = Rig::new(rules);
    rig.seeds(&["http://a/1", "http://a/2", "http://b/1"]);
    assert_eq!(rig.leased_urls(), ["http://a/1", "http://b/1"]);
    rig.seeds(&["http://a/3"]);
    assert_eq!(rig.stats().skipped[&SkipReason::HostLimit], 2);
}

#[test]
fn a_drain_keeps_or_drops_what_waits() {
    let check = |drain, skipped: usize, pending| {
        let mut rules = free_rules();
        rules.politeness.delay = secs(1);
        let mut rig = Rig::new(rules);
        rig.seeds(&["http://a/1", "http://a/2", "http://a/3"]);
        let lease = rig.lease_one();
        let report = rig.frontier.drain(rig.now, drain).now().unwrap_or_else(|_| panic!("ready"));
        assert_eq!(report.skipped.len(), skipped);
        rig.settle(lease.token, Settlement::RetryLater(Duration::ZERO));
        assert_eq!((rig.pass(secs(9)).lease().len(), rig.frontier.next_wakeup()), (0, None));
        rig.seeds(&["http://a/4"]);
        assert_eq!(rig.stats().pending, pending);
    };
    check(Drain::Keep, 0, 4);
    check(Drain::Drop, 2, 0);
}

#[test]
fn an_epoch_is_committed_after_it_is_closed() {
    let mut rig = Rig::new(free_rules());
    for expected in 0..3 {
        let epoch = rig.frontier.begin_commit();
        assert_eq!(epoch.0, expected);
        assert_eq!(rig.frontier.commit(epoch, Vec::new()).now().ok(), Some(Ok(CommitId(epoch))));
    }
    rig.seeds(&["http://a/"]);
    let lease = rig.lease_one();
    let tokens = [lease.token, Token(77)];
    assert_eq!(rig.frontier.extend(rig.now, &tokens, Time::MAX).now().unwrap_or_else(|_| panic!("ready")), 1);
}
