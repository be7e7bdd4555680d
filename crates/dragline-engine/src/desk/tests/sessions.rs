//! Asks of sessions: in order, in turns with the crawl, by the robots.txt the crawl knows, until it ends.

use std::time::Duration;

use dragline_core::digest::digest;
use dragline_core::fetch::{FetchResponse, Phase};
use dragline_core::frontier::{Drain, Epoch, Fetched, Purpose, RobotsView, Trigger};
use dragline_core::{CanonicalUrl, Outcome, SkipReason, Wall};

use super::super::*;
use super::bench::{Bench, Setup, leases, pages};

const FAR: Time = Time::from_secs(1_000);

fn ask_until(bench: &mut Bench, id: u64, url: &str, ask_robots: bool, deadline: Time) {
    let url = CanonicalUrl::parse(url).expect("a URL of a test");
    bench.desk.session_asks(AskId(id), Ask { url, ask_robots, deadline });
}

fn ask(bench: &mut Bench, id: u64, url: &str) {
    ask_until(bench, id, url, false, FAR);
}

fn ask_robots(bench: &mut Bench, id: u64, url: &str) {
    ask_until(bench, id, url, true, FAR);
}

/// Who was told what, with `granted` for a slot.
fn told(orders: &Orders) -> Vec<(u64, String)> {
    let word = |reply: &Reply| match &reply.slot {
        Ok(()) => "granted".to_owned(),
        Err(Hindrance::Robots) => match &reply.robots {
            RobotsView::Disallowed { line } => format!("disallowed by {line:?}"),
            other => format!("{other:?}"),
        },
        Err(hindrance) => format!("{hindrance:?}"),
    };
    orders.admit.iter().map(|(id, reply)| (id.0, word(reply))).collect()
}

fn granted(ids: &[u64]) -> Vec<(u64, String)> {
    ids.iter().map(|&id| (id, "granted".to_owned())).collect()
}

fn ended(status: u16) -> Fetched {
    let outcome = if status < 400 { Outcome::Ok } else { Outcome::HttpError };
    Fetched { outcome, status: Some(status), ..Fetched::cancelled() }
}

fn release(bench: &mut Bench, id: u64) {
    bench.desk.session_releases(bench.now, AskId(id), &ended(200));
}

/// Answers an errand with a robots.txt.
fn answer(bench: &mut Bench, lease: &dragline_core::frontier::Lease, status: u16, text: &'static str) {
    assert_eq!(lease.purpose, Purpose::Robots);
    let mut response = FetchResponse::failed(ended(status).outcome, Phase::Body, "as the test wants");
    (response.status, response.body) = (Some(status), text.into());
    let done = digest(lease, response, &bench.rules, Wall::default());
    bench.desk.fetches_done(bench.now, 0, vec![done]);
}

/// A crawl that waits for one hanging page of `h0.test`, without gaps.
fn busy(setup: Setup) -> (Bench, dragline_core::frontier::Lease) {
    let mut bench = Bench::new(Setup { pages: 1, ..setup });
    for _ in 0..3 {
        match leases(&bench.orders()).pop() {
            Some((_, page)) if page.purpose == Purpose::Page => return (bench, page),
            Some((_, errand)) => answer(&mut bench, &errand, 200, ""),
            // The settle of an errand had the last credit of a sink.
            None => {}
        }
    }
    panic!("the page of the crawl is leased");
}

#[test]
fn who_asks_first_is_admitted_first_at_each_host() {
    let (mut bench, _) = busy(Setup { delay: Duration::from_secs(1), ..Setup::default() });
    for (id, url) in [(5, "http://a/1"), (3, "http://a/2"), (9, "http://b/"), (7, "http://a/3")] {
        ask(&mut bench, id, url);
    }
    let orders = bench.orders();
    assert_eq!(told(&orders), granted(&[5, 9]));
    release(&mut bench, 9);
    release(&mut bench, 5);
    let orders = bench.orders();
    assert_eq!((told(&orders), orders.wake_at), (vec![], Some(Time::from_secs(1))));
    let orders = bench.at(Time::from_secs(1)).orders();
    assert_eq!(told(&orders), granted(&[3]));
    assert_eq!(told(&bench.at(Time::from_secs(3)).orders()), vec![], "its only slot is taken");
    release(&mut bench, 3);
    assert_eq!(told(&bench.orders()), granted(&[7]), "a slot that is given back is given on at once");
}

#[test]
fn of_a_host_that_is_crawled_sessions_have_every_second_slot() {
    let mut bench = Bench::new(Setup { delay: Duration::from_secs(1), ..Setup::default() });
    for id in 0..5 {
        ask(&mut bench, id, "http://h0.test/session");
    }
    let mut turns = String::new();
    while turns.len() < 10 {
        let orders = bench.orders();
        for (_, lease) in leases(&orders) {
            turns.push('c');
            bench.fetched(0, &lease);
        }
        for (id, _) in told(&orders) {
            turns.push('s');
            release(&mut bench, id);
        }
        bench.now += Duration::from_millis(10);
    }
    assert_eq!(turns, "scscscscsc");
    assert!(bench.now <= Time::from_millis(9_500), "no gap is wasted: {:?}", bench.now);
}

#[test]
fn a_robots_txt_is_fetched_once_for_the_crawl_and_for_sessions() {
    let mut bench = Bench::new(Setup { obey_robots: true, pages: 1, ..Setup::default() });
    ask_robots(&mut bench, 0, "http://h0.test/private");
    ask_robots(&mut bench, 1, "http://x.test/private");
    ask_robots(&mut bench, 2, "http://x.test/open");
    ask(&mut bench, 3, "http://y.test/private");
    let orders = bench.orders();
    assert_eq!(told(&orders), granted(&[3]));
    let errands = leases(&orders);
    let urls: Vec<_> = errands.iter().map(|(_, lease)| lease.url.as_str()).collect();
    assert_eq!(urls, ["http://h0.test/robots.txt", "http://x.test/robots.txt"]);
    for (_, errand) in &errands {
        answer(&mut bench, errand, 200, "User-agent: *\nDisallow: /private\n");
    }
    let orders = bench.orders();
    let no = |id: u64| (id, "disallowed by Some(2)".to_owned());
    let told = told(&orders);
    assert_eq!((told.len(), leases(&orders).len()), (3, 1));
    assert!(told.contains(&no(0)) && told.contains(&no(1)) && told.contains(&granted(&[2])[0]), "{told:?}");
    let text = bench.telemetry.gather_text().expect("the families can be written");
    assert!(text.contains("dragline_robots_decisions_total{decision=\"disallowed\"} 2"), "{text}");
}

#[test]
fn a_robots_txt_that_cannot_be_had_forbids_everything() {
    let (mut bench, _page) = busy(Setup { obey_robots: true, ..Setup::default() });
    ask_robots(&mut bench, 1, "http://x.test/");
    let mut orders = bench.orders();
    for _ in 0..3 {
        assert_eq!(told(&orders), vec![]);
        let errand = leases(&bench.at(bench.now + Duration::from_secs(100)).orders()).pop();
        let errand = errand.or_else(|| leases(&orders).pop()).expect("it is asked for three times");
        answer(&mut bench, &errand.1, 503, "");
        orders = bench.orders();
    }
    assert_eq!(orders.admit.len(), 1, "{:?}", told(&orders));
    let RobotsView::Unreachable { outcome, message } = &orders.admit[0].1.robots else {
        panic!("{:?}", told(&orders));
    };
    assert_eq!((*outcome, &**message), (Outcome::Deferred, "as the test wants (in phase body)"));
}

#[test]
fn a_host_that_was_given_up_or_backs_off_for_too_long_is_told_at_once() {
    let (mut bench, _page) = busy(Setup::default());
    ask(&mut bench, 0, "http://a/");
    ask(&mut bench, 1, "http://b/");
    assert_eq!(told(&bench.orders()), granted(&[0, 1]));
    let retry_after = |secs| Some(Duration::from_secs(secs));
    bench.desk.session_releases(
        bench.now,
        AskId(0),
        &Fetched { retry_after: retry_after(1_000_000), ..ended(503) },
    );
    bench.desk.session_releases(bench.now, AskId(1), &Fetched { retry_after: retry_after(60), ..ended(503) });
    ask(&mut bench, 2, "http://a/");
    ask_until(&mut bench, 3, "http://b/", false, Time::from_secs(30));
    ask_until(&mut bench, 4, "http://b/", false, Time::from_secs(90));
    let expected = [
        (2, format!("{:?}", Hindrance::Parked(SkipReason::Parked))),
        (3, format!("{:?}", Hindrance::BackingOff(Time::from_secs(60)))),
    ];
    assert_eq!(told(&bench.orders()), expected);
    assert_eq!(told(&bench.at(Time::from_secs(60)).orders()), granted(&[4]));
    let text = bench.telemetry.gather_text().expect("the families can be written");
    let series = format!("dragline_backoffs_total{{trigger=\"{}\"}} 1", Trigger::RetryAfter.name());
    assert!(text.contains(&series), "{text}");
}

#[test]
fn who_withdraws_leaves_the_line_and_gives_its_slot_back() {
    let (mut bench, _page) = busy(Setup { obey_robots: true, ..Setup::default() });
    for id in 0..4 {
        ask(&mut bench, id, "http://a/");
    }
    assert_eq!(told(&bench.orders()), granted(&[0]));
    bench.desk.session_withdraws(bench.now, AskId(1));
    bench.desk.session_withdraws(bench.now, AskId(0));
    assert_eq!(told(&bench.orders()), granted(&[2]));
    bench.desk.session_withdraws(bench.now, AskId(3));
    ask_robots(&mut bench, 4, "http://x.test/");
    assert_eq!(leases(&bench.orders()).len(), 1);
    bench.desk.session_withdraws(bench.now, AskId(4));
    bench.desk.session_withdraws(bench.now, AskId(77));
    release(&mut bench, 2);
    release(&mut bench, 2);
    let orders = bench.at(Time::from_secs(90)).orders();
    assert_eq!(told(&orders), vec![]);
    assert!(!bench.desk.sessions.holds_slots() && !bench.desk.sessions.wants_slots());
    assert!(!bench.desk.sessions.wants_robots());
}

#[test]
fn a_handler_that_waits_for_a_session_does_not_wait_for_its_own_credit() {
    let setup =
        Setup { obey_robots: true, pages_max: 1, lanes: vec![1], sink_credits: vec![1], ..Setup::default() };
    let (mut bench, page) = busy(setup);
    bench.fetched(0, &page);
    let (worker, token) = pages(&bench.orders())[0];
    bench.bytes.store(100, std::sync::atomic::Ordering::Relaxed);
    ask_robots(&mut bench, 0, "http://h0.test/own");
    ask_robots(&mut bench, 1, "http://x.test/");
    ask_robots(&mut bench, 2, "http://y.test/");
    let mut granted = Vec::new();
    for _ in 0..6 {
        let orders = bench.orders();
        granted.extend(told(&orders));
        let errands = leases(&orders);
        assert!(errands.len() <= 1, "one at a time");
        errands.iter().for_each(|(_, errand)| answer(&mut bench, errand, 404, ""));
        for (sink, _, groups) in &orders.write {
            bench.desk.written(*sink, *groups, 0);
        }
    }
    assert_eq!(
        granted.iter().map(|(id, word)| (*id, &**word)).collect::<Vec<_>>(),
        [(0, "granted"), (1, "granted"), (2, "granted")]
    );
    bench.handled(worker, token);
    assert_eq!(bench.orders().write.len(), 1);
}

#[test]
fn sessions_wait_while_the_crawl_is_paused_and_end_with_it() {
    let (mut bench, page) = busy(Setup { obey_robots: true, ..Setup::default() });
    bench.desk.pause(true);
    ask(&mut bench, 0, "http://a/");
    let orders = bench.orders();
    assert_eq!((told(&orders), orders.wake_at.is_some_and(|at| at == bench.now)), (vec![], false));
    bench.desk.pause(false);
    assert_eq!(told(&bench.orders()), granted(&[0]));
    ask_robots(&mut bench, 1, "http://x.test/");
    assert_eq!(leases(&bench.orders()).len(), 1);
    bench.desk.drain(bench.now, Drain::Keep);
    ask_robots(&mut bench, 2, "http://h0.test/known");
    ask(&mut bench, 3, "http://h0.test/later");
    let ends = |id: u64| (id, "CrawlEnds".to_owned());
    let orders = bench.orders();
    assert_eq!(told(&orders), [ends(1)], "what is in flight may need what a session fetches");
    bench.fetched(0, &page);
    let orders = bench.orders();
    assert_eq!(told(&orders), granted(&[2]), "its slot is free again");
    bench.desk.stop();
    ask(&mut bench, 4, "http://b/");
    let mut told = told(&bench.orders());
    told.sort_unstable();
    assert_eq!(told, [ends(3), ends(4)]);
    ask_robots(&mut bench, 5, "http://b/");
    assert_eq!(super::sessions::told(&bench.orders()), [ends(5)]);
}

#[test]
fn a_crawl_ends_while_sessions_wait_and_never_for_want_of_their_slots() {
    let mut bench = Bench::new(Setup { obey_robots: false, pages: 2, ..Setup::default() });
    ask(&mut bench, 0, "http://h0.test/session");
    let orders = bench.orders();
    assert_eq!((told(&orders), leases(&orders).len()), (granted(&[0]), 0), "the only slot is the session's");
    assert_eq!(bench.at(Time::from_secs(5)).orders().ended, None);
    release(&mut bench, 0);
    for id in [1, 2] {
        let lease = leases(&bench.orders()).remove(0).1;
        ask(&mut bench, id, "http://h0.test/session");
        bench.fetched(0, &lease);
        let orders = bench.at(bench.now + Duration::from_secs(1)).orders();
        assert_eq!(told(&orders), granted(&[id]));
        let (worker, token) = pages(&orders)[0];
        bench.handled(worker, token);
        if id == 1 {
            release(&mut bench, id);
        }
    }
    ask(&mut bench, 3, "http://h0.test/session");
    let orders = bench.orders();
    assert_eq!(told(&orders), [(3, "CrawlEnds".to_owned())], "a slot that is held keeps nothing up");
    bench.written(&orders);
    bench.flushed(Epoch(0));
    bench.flushed(Epoch(1));
    bench.orders();
    assert!(matches!(bench.desk.course, Course::Ended | Course::Closing(_)));
    release(&mut bench, 2);
    assert!(!bench.desk.sessions.holds_slots());
}

#[test]
fn errands_of_sessions_do_not_keep_a_crawl() {
    let (mut bench, page) = busy(Setup { obey_robots: true, ..Setup::default() });
    ask_robots(&mut bench, 0, "http://x.test/");
    let errand = leases(&bench.orders()).remove(0).1;
    bench.fetched(0, &page);
    let (worker, token) = pages(&bench.orders())[0];
    bench.handled(worker, token);
    drop(bench.orders());
    ask_robots(&mut bench, 1, "http://y.test/");
    ask_robots(&mut bench, 2, "http://h0.test/known");
    let orders = bench.orders();
    assert_eq!(told(&orders), [(1, "CrawlEnds".to_owned()), (2, "granted".to_owned())]);
    assert_eq!((leases(&orders).len(), orders.ended), (0, None), "what is in flight is waited for");
    assert!(orders.wake_at.is_none_or(|at| at > bench.now), "nothing is due: {:?}", orders.wake_at);
    answer(&mut bench, &errand, 200, "");
    let told = told(&bench.orders());
    assert_eq!(told.len(), 1, "its asker hears of it or of the end: {told:?}");
    assert!(matches!(bench.desk.course, Course::Closing(_)), "{:?}", bench.desk.course);
}
