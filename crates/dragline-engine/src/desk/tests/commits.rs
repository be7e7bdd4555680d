//! Checks the desk's half of the commit protocol: when an epoch begins, what is in it, and what happens without space.

use std::path::Path;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dragline_core::frontier::{
    CommitError, Drain, Epoch, Lease, LeaseReport, OfferReport, OfferSource, Skipped,
};
use dragline_core::report::{Ended, Totals};
use dragline_core::{CanonicalUrl, Decision, Outcome, SkipReason, Wall};

use super::super::orders::Later;
use super::super::*;
use super::bench::{Bench, Setup, leases, mark, pages};
use crate::room::Free;

const SECOND: Time = Time::from_secs(1);
const MIB: u64 = 1 << 20;

/// A bench without gaps, with one page at each host.
fn bench(uncommitted_max: usize, pages_max: usize) -> Bench {
    Bench::new(Setup { hosts: 20, pages: 1, uncommitted_max, pages_max, ..Setup::default() })
}

/// Fetches and handles a page, and returns the orders of the turn in which it is settled.
fn settle(bench: &mut Bench, lease: &Lease) -> Orders {
    bench.fetched(0, lease);
    let orders = bench.orders();
    let (worker, token) = pages(&orders)[0];
    bench.handled(worker, token);
    let orders = bench.orders();
    bench.written(&orders);
    orders
}

/// Takes the leases of these orders.
fn granted(orders: &Orders) -> Vec<Lease> {
    leases(orders).into_iter().map(|(_, lease)| lease).collect()
}

fn low(free: u64) -> Vec<Free> {
    vec![Free { folder: Path::new("out").into(), free }]
}

fn no_space() -> CommitError {
    CommitError::NoSpace("state/log-1".into())
}

#[test]
fn half_of_the_pages_begin_a_commit_and_all_of_them_stop_the_leases() {
    let mut bench = bench(4, 4);
    let first = granted(&bench.orders());
    assert_eq!(first.len(), 4);
    assert_eq!(settle(&mut bench, &first[0]).flush, None);
    let orders = settle(&mut bench, &first[1]);
    assert_eq!(orders.flush, Some(Epoch(0)), "two of four");
    assert_eq!(granted(&orders).len(), 1, "two are uncommitted");
    assert_eq!(settle(&mut bench, &first[2]).flush, None, "one at a time");
    let orders = settle(&mut bench, &first[3]);
    assert_eq!((orders.flush, granted(&orders).len()), (None, 0), "four are uncommitted");
    assert_eq!(bench.desk.status(bench.now).uncommitted, 4);
    bench.flushed(Epoch(0));
    let orders = bench.orders();
    assert_eq!(orders.flush, Some(Epoch(1)), "the other two of four, in the turn that hears of the first");
    assert_eq!(granted(&orders).len(), 1, "three are in flight, and there may be four");
}

#[test]
fn one_page_at_a_time_is_enough_to_go_on() {
    let mut bench = bench(1, 1);
    for number in 0..20 {
        let lease = granted(&bench.orders()).pop().expect("all before is committed");
        let orders = settle(&mut bench, &lease);
        assert_eq!((orders.flush, granted(&orders).len()), (Some(Epoch(number)), 0));
        bench.flushed(Epoch(number));
    }
}

#[test]
fn records_that_are_no_pages_are_committed_after_a_second() {
    let skipped = || Skipped {
        url: CanonicalUrl::parse("http://h0.test/").expect("a URL of a test"),
        decision: Decision::built_in(SkipReason::Parked, "politeness.park"),
        referrer: None,
    };
    let report = || LeaseReport { skipped: vec![skipped()], ..LeaseReport::default() };
    let check = |what: &str, happen: &dyn Fn(&mut Bench), expected: bool| {
        let mut bench = bench(1, 1);
        bench.desk.pause(true);
        assert_eq!(bench.at(SECOND).orders().flush, Some(Epoch(0)), "the offer of the seeds");
        bench.flushed(Epoch(0));
        assert_eq!(bench.at(Time::from_secs(9)).orders().wake_at, None, "nothing is uncommitted");
        happen(&mut bench);
        let orders = bench.orders();
        assert_eq!((orders.flush, orders.wake_at), (None, expected.then_some(Time::from_secs(10))), "{what}");
        bench.written(&orders);
        let orders = bench.at(Time::from_secs(10)).orders();
        assert_eq!(orders.flush, expected.then_some(Epoch(1)), "{what}");
        assert_eq!(bench.desk.commits.uncommitted(), 0, "{what} is no page");
    };
    let complete = |bench: &mut Bench, completion| bench.desk.complete(bench.now, completion);
    check("nothing", &|_| {}, false);
    check("a skip at a lease", &|bench| complete(bench, leased(report())), true);
    check("a lease that skipped nothing", &|bench| complete(bench, leased(LeaseReport::default())), false);
    check("a skip by a drain", &|bench| complete(bench, Completion::Drained(report())), true);
    let offered = || Completion::Offered { source: OfferSource::Api, report: OfferReport::default() };
    check("an offer", &|bench| complete(bench, offered()), true);
    check("what only the frontier knows", &|bench| bench.probe().bytes = 1, true);
}

fn leased(report: LeaseReport) -> Completion {
    Completion::Leased { fetcher: 0, report }
}

#[test]
fn many_bytes_of_records_begin_a_commit() {
    let mut bench = bench(9, 9);
    bench.probe().bytes = (64 << 20) - 1;
    assert_eq!(bench.orders().flush, None);
    bench.probe().bytes += 1;
    assert_eq!(bench.orders().flush, Some(Epoch(0)));
}

#[test]
fn a_commit_holds_what_was_settled_before_its_flush_and_nothing_else() {
    let mut bench = bench(2, 9);
    let first = granted(&bench.orders());
    let orders = settle(&mut bench, &first[0]);
    assert_eq!(
        (orders.flush, orders.write[0].1.len()),
        (Some(Epoch(0)), 2),
        "its records stand before the flush"
    );
    settle(&mut bench, &first[1]);
    bench.flushed(Epoch(0));
    let (_, marks) = bench.probe().tried.pop().expect("all marks are there");
    assert_eq!(marks.iter().map(|mark| &*mark.sink).collect::<Vec<_>>(), ["sink", "totals"]);
    let totals = Tally::resume(&marks[1], 0).expect("a mark of a tally").totals(Time::ZERO);
    assert_eq!((totals.items, totals.fetches), (1, 1), "the second page is in the next");
    assert_eq!(bench.probe().settled.values().copied().collect::<Vec<_>>(), [Epoch(0), Epoch(1)]);
}

#[test]
fn no_commit_begins_while_answers_are_awaited_that_bring_records() {
    let setup =
        Setup { hosts: 9, pages: 1, uncommitted_max: 1, lazy: true, lanes: vec![2], ..Setup::default() };
    let mut bench = Bench::new(setup);
    let mut offered = std::mem::take(&mut bench.unread);
    complete(&mut bench, &mut offered);
    let mut leased = bench.orders().later;
    complete(&mut bench, &mut leased);
    let first = granted(&bench.orders());
    first.iter().for_each(|lease| bench.fetched(0, lease));
    let mut orders = bench.orders();
    let (handed, mut answers) = (pages(&orders), std::mem::take(&mut orders.later));
    assert_eq!(answers.len(), 3, "to both fetches, which bring no record, and to the next lease");
    bench.handled(handed[0].0, handed[0].1);
    let mut settled = bench.orders().later;
    assert_eq!(settled.len(), 1);
    // By now a commit is due, and the second page could be settled.
    bench.handled(handed[1].0, handed[1].1);
    let orders = bench.at(SECOND).orders();
    assert_eq!((orders.flush, orders.later.len()), (None, 0), "nothing new is asked");
    complete(&mut bench, &mut settled);
    let orders = bench.orders();
    assert_eq!((orders.flush, orders.later.len()), (None, 0), "the lease may end URLs");
    assert_eq!(orders.write[0].1.len(), 2, "the first page");
    complete(&mut bench, &mut answers);
    let orders = bench.orders();
    assert_eq!((orders.flush, orders.later.len(), orders.wake_at), (Some(Epoch(0)), 0, Some(SECOND)));
    assert_eq!(bench.orders().later.len(), 1, "the second page, in the turn that was asked for");
    assert_eq!(bench.probe().settled.values().max(), Some(&Epoch(1)));
}

/// Brings the desk the frontier's answers.
fn complete(bench: &mut Bench, answers: &mut Vec<Later>) {
    for mut answer in answers.drain(..) {
        match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(completion) => bench.desk.complete(bench.now, completion),
            Poll::Pending => unreachable!("the answers of a lazy frontier are there"),
        }
    }
}

#[test]
fn sinks_learn_of_a_durable_epoch_before_the_next_flush_and_the_end_waits_for_them() {
    let (hosts, pages, sink_credits) = (2, 1, vec![9, 9]);
    let mut bench = Bench::new(Setup { hosts, pages, sink_credits, uncommitted_max: 2, ..Setup::default() });
    let first = granted(&bench.orders());
    let orders = settle(&mut bench, &first[0]);
    assert_eq!((orders.flush, orders.seal, orders.publish), (Some(Epoch(0)), false, None));
    assert_eq!(settle(&mut bench, &first[1]).flush, None);
    for sink in [1, 0] {
        assert_eq!(bench.orders().publish, None);
        bench.desk.flushed(bench.now, sink, Epoch(0), mark());
    }
    let orders = bench.orders();
    assert_eq!(
        (orders.publish, orders.flush, orders.seal),
        (Some(Epoch(0)), Some(Epoch(1)), true),
        "the last"
    );
    bench.desk.published();
    bench.desk.published();
    for sink in [0, 1] {
        bench.desk.flushed(bench.now, sink, Epoch(1), mark());
    }
    let orders = bench.orders();
    assert_eq!((orders.publish, orders.flush, orders.ended), (Some(Epoch(1)), None, None));
    bench.desk.published();
    assert_eq!(bench.orders().ended, None, "one sink has not published");
    bench.desk.published();
    assert_eq!(bench.orders().ended, Some(End::because(Ended::Finished)));
}

#[test]
fn nothing_is_settled_behind_the_last_flush() {
    let mut bench = bench(9, 9);
    let first = granted(&bench.orders());
    settle(&mut bench, &first[0]);
    bench.desk.stop();
    assert_eq!(bench.orders().flush, Some(Epoch(0)));
    bench.fetched(0, &first[1]);
    let (worker, token) = pages(&bench.orders())[0];
    bench.handled(worker, token);
    let orders = bench.orders();
    assert_eq!((orders.write.len(), orders.flush), (0, None));
    bench.flushed(Epoch(0));
    let orders = bench.orders();
    assert_eq!((orders.flush, orders.ended), (None, Some(End::because(Ended::Stopped))));
    let stats = bench.desk.status(bench.now).stats;
    assert_eq!((stats.done, stats.pending), (1, 19), "what came too late stays pending");
}

#[test]
fn without_space_for_the_log_nothing_is_leased_until_the_same_commit_is_durable() {
    let mut bench = bench(9, 9);
    let first = granted(&bench.orders());
    settle(&mut bench, &first[0]);
    bench.probe().errors.extend([no_space(), no_space()]);
    assert_eq!(bench.at(SECOND).orders().flush, Some(Epoch(0)));
    bench.flushed(Epoch(0));
    let orders = bench.orders();
    assert_eq!((orders.state, orders.publish), (Some(RunState::WaitingForSpace), None));
    assert_eq!(bench.desk.status(bench.now).waits_for_space.as_deref(), Some("state/log-1"));
    let orders = settle(&mut bench, &first[1]);
    assert_eq!((granted(&orders).len(), orders.state), (0, None), "what is in flight is finished");
    assert_eq!(orders.wake_at, Some(Time::from_secs(2)));
    assert_eq!(bench.at(Time::from_secs(2)).orders().wake_at, Some(Time::from_secs(3)));
    assert_eq!(bench.desk.status(bench.now).uncommitted, 2);
    let orders = bench.at(Time::from_secs(3)).orders();
    assert_eq!((orders.publish, orders.flush), (Some(Epoch(0)), Some(Epoch(1))));
    assert_eq!((orders.state, bench.desk.status(bench.now).waits_for_space), (Some(RunState::Running), None));
    assert_eq!(orders.wake_at, Some(Time::from_secs(3)), "for the lease, of which no message tells");
    assert_eq!(granted(&bench.orders()).len(), 1);
    let tried = std::mem::take(&mut bench.probe().tried);
    assert_eq!(tried.len(), 3);
    assert!(tried.iter().all(|tried| *tried == (Epoch(0), tried.1.clone())));
    assert_eq!(tried[0].1, tried[2].1, "the marks are those of the flush");
}

#[test]
fn what_can_never_be_durable_ends_the_crawl() {
    let check = |happen: &dyn Fn(&mut Bench), what: &str| {
        let mut bench = bench(9, 9);
        let lease = granted(&bench.orders()).remove(0);
        settle(&mut bench, &lease);
        assert_eq!(bench.at(SECOND).orders().flush, Some(Epoch(0)));
        happen(&mut bench);
        let orders = bench.orders();
        assert_eq!(orders.ended, Some(End::failed(Problem::Storage(what.into()))));
        let tried = bench.probe().tried.len();
        bench.flushed(Epoch(0));
        let orders = bench.at(Time::from_secs(99)).orders();
        assert_eq!((granted(&orders).len(), orders.flush, orders.ended), (0, None, None));
        assert_eq!(bench.probe().tried.len(), tried, "nothing is committed any more");
    };
    let failed = |bench: &mut Bench| {
        bench.probe().errors.push_back(CommitError::Failed("could not sync log-1".into()));
        bench.flushed(Epoch(0));
    };
    check(&failed, "could not sync log-1");
    check(&|bench| bench.probe().fault = Some("log-1 cannot be read".into()), "log-1 cannot be read");
    check(&|bench| bench.desk.fail(Problem::Storage("a sink died".into())), "a sink died");
}

#[test]
fn a_sink_without_space_and_a_full_disk_stop_the_leases_too() {
    let check = |happen: &dyn Fn(&mut Bench), over: &dyn Fn(&mut Bench), what: &str| {
        let setup = Setup { hosts: 9, pages: 1, lanes: vec![1], free_min: 100 * MIB, ..Setup::default() };
        let mut bench = Bench::new(setup);
        let lease = granted(&bench.orders()).remove(0);
        happen(&mut bench);
        assert_eq!(bench.orders().state, Some(RunState::WaitingForSpace));
        let orders = settle(&mut bench, &lease);
        assert_eq!((granted(&orders).len(), orders.write.len()), (0, 1), "what is in flight is finished");
        assert_eq!(bench.at(SECOND).orders().flush, Some(Epoch(0)), "and committed");
        assert_eq!(bench.desk.status(bench.now).waits_for_space.as_deref(), Some(what));
        over(&mut bench);
        let orders = bench.orders();
        assert_eq!((granted(&orders).len(), orders.state), (1, Some(RunState::Running)));
    };
    let what = "no space left to write out/items.jsonl";
    check(&|bench| bench.desk.sink_ran_out(0, what.into()), &|bench| bench.desk.sink_has_space(0), what);
    let full = |bench: &mut Bench| bench.desk.measured(&low(99 * MIB));
    let roomy = |bench: &mut Bench| bench.desk.measured(&low(110 * MIB));
    check(&full, &roomy, "out has 99 MiB free, `state.disk_free_min` asks for 100");
}

#[test]
fn each_state_is_told_once() {
    let mut bench = bench(9, 9);
    let mut check = |happen: &dyn Fn(&mut Desk), expected: RunState| {
        happen(&mut bench.desk);
        assert_eq!(bench.desk.orders(Time::ZERO).state, Some(expected));
        assert_eq!(bench.desk.orders(Time::ZERO).state, None);
    };
    check(&|desk| desk.pause(true), RunState::Paused);
    check(&|desk| desk.sink_ran_out(0, "full".into()), RunState::WaitingForSpace);
    check(&|desk| desk.sink_has_space(0), RunState::Paused);
    check(&|desk| desk.pause(false), RunState::Running);
    check(&|desk| desk.drain(Time::ZERO, Drain::Keep), RunState::Draining);
}

#[test]
fn a_crawl_that_ends_without_space_waits_for_it() {
    let mut bench = Bench::new(Setup { pages: 1, ..Setup::default() });
    let lease = granted(&bench.orders()).remove(0);
    assert_eq!(settle(&mut bench, &lease).flush, Some(Epoch(0)), "the last commit");
    bench.probe().errors.push_back(no_space());
    bench.flushed(Epoch(0));
    let orders = bench.orders();
    assert_eq!((orders.ended, orders.state), (None, Some(RunState::WaitingForSpace)));
    let orders = bench.at(SECOND).orders();
    assert_eq!((orders.publish, orders.ended), (Some(Epoch(0)), None));
    bench.desk.published();
    assert_eq!(bench.orders().ended, Some(End::because(Ended::Finished)));
}

#[test]
fn a_settle_tells_what_the_fetch_brought() {
    let mut bench = bench(9, 9);
    let first = granted(&bench.orders());
    settle(&mut bench, &first[0]);
    let failed = bench.done(&first[1], Outcome::Timeout);
    bench.desk.fetches_done(bench.now, 0, vec![failed]);
    drop(bench.orders());
    let visits = std::mem::take(&mut bench.probe().visits);
    let outcomes: Vec<_> = visits.iter().map(|visit| visit.as_ref().map(|visit| visit.outcome)).collect();
    assert_eq!(outcomes, [Some(Outcome::Ok), Some(Outcome::Timeout)]);
}

#[test]
fn counts_of_earlier_lives_are_those_of_this_one() {
    let mut tally = Tally::begin(Wall::from_secs(7), 0);
    tally.totals.fetches = 40;
    let tally = Tally::resume(&tally.mark(Time::from_secs(100)), 0).expect("a mark of a tally");
    let mut bench = Bench::new(Setup { tally, ..Setup::default() });
    let lease = granted(&bench.orders()).remove(0);
    settle(&mut bench, &lease);
    let Totals { fetches, items, starts, started_at, duration, .. } = bench.desk.status(SECOND).totals;
    assert_eq!((fetches, items, starts), (41, 1, 2));
    assert_eq!((started_at.as_micros(), duration), (7_000_000, Duration::from_secs(101)));
}
