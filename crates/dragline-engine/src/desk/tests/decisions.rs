//! Checks each decision of the desk: credits, order, stale answers, commits, wake-ups.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dragline_core::Wall;
use dragline_core::frontier::{Epoch, Lease};
use dragline_core::report::Ended;
use dragline_core::roster::WorkerId;
use dragline_sink::Record;

use super::super::*;
use super::bench::{Bench, Setup, leases, pages};

#[test]
fn leases_fit_the_lanes_of_each_fetcher() {
    let mut bench = Bench::new(Setup { hosts: 10, lanes: vec![2, 1], ..Setup::default() });
    let first = leases(&bench.orders());
    let of = |fetcher: usize| first.iter().filter(|(at, _)| *at == fetcher).count();
    assert_eq!((of(0), of(1)), (2, 1));
    assert!(leases(&bench.orders()).is_empty());
    let (fetcher, lease) = first[0].clone();
    bench.fetched(fetcher, &lease);
    let next = leases(&bench.orders());
    assert_eq!(next.iter().map(|(fetcher, _)| *fetcher).collect::<Vec<_>>(), [fetcher], "the lane is free");
}

#[test]
fn a_fetcher_gets_nothing_before_it_works_or_after_its_death() {
    let mut bench = Bench::new(Setup { hosts: 4, lanes: vec![1], ..Setup::default() });
    let first = leases(&bench.orders());
    bench.desk.fetcher_died(bench.now, Wall::default(), 0);
    let orders = bench.orders();
    assert_eq!((first.len(), leases(&orders).len(), orders.respawn.len()), (1, 0, 1));
    bench.at(Time::from_secs(100)).desk.fetcher_respawned(0);
    assert!(leases(&bench.orders()).is_empty());
    bench.desk.fetcher_started(0);
    assert_eq!(leases(&bench.orders()).len(), 1);
    bench.fetched(0, &first[0].1);
    assert_eq!(bench.stale(), "1", "what the dead one still says");
    assert!(leases(&bench.orders()).is_empty(), "and gives back no lane of the living");
}

#[test]
fn a_page_credit_is_held_from_the_lease_to_the_settle() {
    let mut bench = Bench::new(Setup { hosts: 10, pages_max: 2, ..Setup::default() });
    let first = leases(&bench.orders());
    assert_eq!(first.len(), 2);
    bench.fetched(0, &first[0].1);
    let orders = bench.orders();
    let (worker, token) = pages(&orders)[0];
    assert_eq!((leases(&orders).len(), token), (0, first[0].1.token));
    bench.handled(worker, token);
    assert_eq!(leases(&bench.orders()).len(), 1);
}

#[test]
fn nothing_is_leased_while_bytes_are_used_up_but_for_the_only_page() {
    let mut bench = Bench::new(Setup { hosts: 10, lanes: vec![1], ..Setup::default() });
    bench.bytes.store(100, Ordering::Relaxed);
    let first = leases(&bench.orders());
    assert_eq!(first.len(), 1, "with nothing in flight nothing else could free them");
    bench.fetched(0, &first[0].1);
    let orders = bench.orders();
    assert!(leases(&orders).is_empty());
    bench.bytes.store(99, Ordering::Relaxed);
    assert_eq!(leases(&bench.orders()).len(), 1);
}

#[test]
fn nothing_is_settled_or_leased_while_a_sink_has_no_credit() {
    let setup = Setup { hosts: 10, pages_max: 3, sink_credits: vec![1, 9], ..Setup::default() };
    let mut bench = Bench::new(setup);
    let first = leases(&bench.orders());
    first.iter().for_each(|(fetcher, lease)| bench.fetched(*fetcher, lease));
    for (worker, token) in pages(&bench.orders()) {
        bench.handled(worker, token);
    }
    let mut seen = 3;
    for settled in 1..=3 {
        let orders = bench.orders();
        assert_eq!(orders.write.iter().map(|(sink, ..)| *sink).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(bench.desk.status(bench.now).stats.done, settled, "one credit, one settle");
        assert_eq!(leases(&bench.orders()).len(), 0);
        for (sink, _, groups) in orders.write {
            bench.desk.written(sink, groups, 0);
        }
        seen -= 1;
        assert_eq!(bench.desk.ready.len(), seen);
    }
    assert_eq!(leases(&bench.orders()).len(), 3);
}

#[test]
fn records_stand_in_the_order_of_the_settles() {
    let mut bench = Bench::new(Setup { hosts: 3, pages: 1, ..Setup::default() });
    let first = leases(&bench.orders());
    first.iter().for_each(|(fetcher, lease)| bench.fetched(*fetcher, lease));
    let mut handed = pages(&bench.orders());
    handed.rotate_left(1);
    handed.iter().for_each(|&(worker, token)| bench.handled(worker, token));
    let url = |token: Token| {
        first.iter().find(|(_, lease)| lease.token == token).map(|(_, lease)| lease.url.clone())
    };
    let expected: Vec<_> =
        handed.iter().flat_map(|&(_, token)| [("page", url(token)), ("item", url(token))]).collect();
    let told = bench.orders().write.remove(0).1.into_iter().map(|record| match record {
        Record::Page(page) => ("page", Some(page.url)),
        Record::Item(item) => ("item", Some(item.url)),
        Record::Skipped(skip) => ("skipped", Some(skip.url)),
    });
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn answers_that_nobody_waits_for_are_counted_and_dropped() {
    let mut bench = Bench::new(Setup { hosts: 2, pages: 1, ..Setup::default() });
    let first = leases(&bench.orders());
    bench.fetched(0, &first[0].1);
    bench.fetched(0, &first[0].1);
    assert_eq!(bench.stale(), "1", "fetched twice");
    let (worker, token) = pages(&bench.orders())[0];
    bench.handled(WorkerId(worker.0 + 7), token);
    assert_eq!(bench.stale(), "2", "another worker");
    bench.handled(worker, first[1].1.token);
    assert_eq!(bench.stale(), "3", "a page it does not hold");
    bench.handled(worker, token);
    bench.handled(worker, token);
    assert_eq!(bench.stale(), "4", "answered twice");
    assert_eq!(bench.orders().write[0].1.len(), 2, "one page, one item");
    assert_eq!(bench.desk.status(bench.now).stats.done, 1);
}

#[test]
fn a_commit_comes_a_second_after_its_first_record_never_beside_another_and_at_the_end() {
    let millis = Time::from_millis;
    let mut bench = Bench::new(Setup { pages: 3, lanes: vec![1], ..Setup::default() });
    // Settles a page, and returns the order with it and the lease that took its place.
    let settle = |bench: &mut Bench, now: Time, lease: &Lease| {
        bench.at(now).fetched(0, lease);
        let orders = bench.orders();
        let next = leases(&orders).pop();
        let (worker, token) = pages(&orders)[0];
        bench.handled(worker, token);
        let orders = bench.orders();
        for (sink, _, groups) in &orders.write {
            bench.desk.written(*sink, *groups, 0);
        }
        (orders, next.map(|(_, lease)| lease))
    };
    // The offer of the seeds is the first record.
    let orders = bench.orders();
    assert_eq!(orders.wake_at, Some(millis(1_000)));
    let (orders, next) = settle(&mut bench, millis(700), &leases(&orders).remove(0).1);
    assert_eq!((orders.flush, orders.wake_at), (None, Some(millis(1_000))));
    let orders = bench.at(millis(1_000)).orders();
    assert_eq!((orders.flush, orders.wake_at), (Some(Epoch(0)), None));
    let (orders, last) = settle(&mut bench, millis(2_500), &next.unwrap());
    assert_eq!(orders.flush, None);
    assert_eq!(bench.at(millis(9_000)).orders().flush, None, "the first is under way");
    bench.flushed(Epoch(0));
    assert_eq!(bench.orders().flush, Some(Epoch(1)), "due since 3.5 s");
    bench.flushed(Epoch(1));
    let (orders, none) = settle(&mut bench, millis(9_100), &last.unwrap());
    assert!(none.is_none());
    assert_eq!(
        (orders.flush, orders.ended),
        (Some(Epoch(2)), None),
        "at the end there is nothing to wait for"
    );
    assert_eq!(bench.orders().ended, None);
    bench.flushed(Epoch(2));
    assert_eq!(bench.orders().ended, Some(End::because(Ended::Finished)));
}

#[test]
fn the_desk_asks_to_be_woken_exactly_when_something_is_due() {
    let millis = Time::from_millis;
    let setup = Setup { delay: Duration::from_secs(5), ..Setup::default() };
    let mut bench = Bench::new(setup);
    let orders = bench.orders();
    let (_, lease) = leases(&orders).remove(0);
    assert_eq!(orders.wake_at, Some(millis(1_000)), "the commit of the offer; the host's only slot is taken");
    assert_eq!(bench.at(millis(1_000)).orders().wake_at, None, "everything waits for messages");
    bench.flushed(Epoch(0));
    bench.at(millis(1_200)).fetched(0, &lease);
    let orders = bench.orders();
    let (worker, token) = pages(&orders)[0];
    assert_eq!(orders.wake_at, Some(millis(5_000)), "the host's gap");
    bench.handled(worker, token);
    assert_eq!(bench.orders().wake_at, Some(millis(2_200)), "the commit");
    assert!(leases(&bench.at(Time::from_micros(4_999_999)).orders()).is_empty());
    let (_, lease) = leases(&bench.at(millis(5_000)).orders()).remove(0);
    bench.flushed(Epoch(1));
    bench.at(millis(5_100)).fetched(0, &lease);
    bench.desk.pause(true);
    assert_eq!(bench.orders().wake_at, Some(millis(65_100)), "paused: only the handler's timeout is left");
}

#[test]
fn giving_up_commits_what_was_settled() {
    let restarts = RestartRules { most: 0, ..RestartRules::default() };
    let mut bench = Bench::new(Setup { hosts: 2, restarts, ..Setup::default() });
    let first = leases(&bench.orders());
    bench.fetched(0, &first[0].1);
    let (worker, token) = pages(&bench.orders())[0];
    bench.handled(worker, token);
    bench.desk.fetcher_died(bench.now, Wall::default(), 0);
    let orders = bench.orders();
    assert_eq!((orders.flush, &orders.ended), (Some(Epoch(0)), &None));
    assert!(leases(&orders).is_empty());
    for (sink, _, groups) in orders.write {
        bench.desk.written(sink, groups, 0);
    }
    bench.flushed(Epoch(0));
    let end = bench.orders().ended.expect("the last commit is done");
    assert_eq!((end.ended, end.problem.is_some()), (Ended::Failed, true));
    assert_eq!(bench.desk.status(bench.now).stats.done, 1);
}
