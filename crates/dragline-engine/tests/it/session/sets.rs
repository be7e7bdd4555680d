//! Waits for sets of fetches: for any, for all, for one after the other.

use std::sync::{Arc, Mutex};

use dragline_engine::session::{
    Any, ErrorKind, Fetch, FetchKey, FetchSet, WaitCanceller, as_completed, wait_all, wait_any,
};

use super::{echo_session, millis};

fn key(any: Option<Any<'_>>) -> Option<FetchKey> {
    match any? {
        Any::Fetch(key, _) | Any::Cancelled(key) => Some(key),
    }
}

#[test]
fn the_first_in_order_of_collection_is_returned_until_an_earlier_one_ends() {
    let (_server, session) = echo_session();
    let mut set = FetchSet::new();
    assert!(wait_any(&mut set).unwrap().is_none());
    let slow = set.push(session.get("/?wait_ms=1500").start());
    let quick = set.push(session.get("/").start());
    for _ in 0..3 {
        assert_eq!(key(wait_any(&mut set).unwrap()), Some(quick));
    }
    set.get(slow).unwrap().wait(None).unwrap();
    for _ in 0..3 {
        assert_eq!(key(wait_any(&mut set).unwrap()), Some(slow));
    }
    drop(set.remove(slow));
    assert_eq!(key(wait_any(&mut set).unwrap()), Some(quick));
    let again = set.push(session.get("/").start());
    wait_all(&mut set).unwrap();
    assert_eq!(key(wait_any(&mut set).unwrap()), Some(quick));
    drop(set.remove(quick));
    assert_eq!((key(wait_any(&mut set).unwrap()), set.len()), (Some(again), 1));
}

#[test]
fn a_canceller_ends_the_wait_and_no_fetch() {
    let (_server, session) = echo_session();
    let mut set: FetchSet = FetchSet::new();
    let fetch = set.push(session.get("/?wait_ms=1500").start());
    let canceller = WaitCanceller::new();
    let ended = set.push_canceller(&canceller);
    let used = canceller.clone();
    let cancel = session.get("/").on_done(move |_| used.cancel()).start();
    assert_eq!(key(wait_any(&mut set).unwrap()), Some(ended));
    assert!(canceller.is_cancelled() && set.get(ended).is_none());
    cancel.result().unwrap();
    wait_all(&mut set).unwrap();
    set.get(fetch).unwrap().result().unwrap();
    // In the order of collection the fetch comes first now.
    assert_eq!(key(wait_any(&mut set).unwrap()), Some(fetch));
}

#[test]
fn what_was_never_started_is_not_waited_for() {
    let (_server, session) = echo_session();
    let mut set: FetchSet = [session.get("/").create()].into_iter().collect();
    assert_eq!(wait_any(&mut set).unwrap_err().kind(), ErrorKind::NotStarted);
    assert_eq!(wait_all(&mut set).unwrap_err().kind(), ErrorKind::NotStarted);
    let started = set.push(session.get("/").start());
    assert_eq!(key(wait_any(&mut set).unwrap()), Some(started));
    let results: Vec<_> = as_completed(set).map(|fetch| fetch.result().is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn fetches_come_as_they_complete() {
    let (_server, session) = echo_session();
    let waits = [1_500, 0, 500];
    let start = |wait: &u64| session.get(format!("/?wait_ms={wait}")).data(*wait).start();
    let order: Vec<u64> =
        as_completed(waits.iter().map(start).collect()).map(|fetch| *fetch.data()).collect();
    assert_eq!(order, [0, 500, 1_500]);
    let mut more = as_completed([session.get("/").start()].into_iter().collect::<FetchSet>());
    assert_eq!(more.remaining(), 1);
    assert!(more.next().is_some());
    more.push(session.get("/").start());
    assert!(more.next().is_some() && more.next().is_none());
}

#[test]
fn a_hundred_thousand_handles_are_fine() {
    let (_server, session) = echo_session();
    let held: Vec<Fetch<(), usize>> =
        (0..100_000).map(|number| session.get("/?wait_ms=20000").data(number).create()).collect();
    let mut set: FetchSet<(), usize> = FetchSet::new();
    let finished = Arc::new(Mutex::new(0));
    for fetch in held {
        fetch.start().unwrap();
        set.push(fetch);
    }
    assert_eq!((session.outstanding(), set.len()), (100_000, 100_000));
    let last = session.get("/").data(7).create();
    let counted = Arc::clone(&finished);
    last.on_wait(move |_| *counted.lock().unwrap() += 1);
    assert_eq!(set.iter().filter(|fetch| fetch.cancel()).count(), 100_000);
    last.start().unwrap();
    assert!(last.result().is_ok() && *finished.lock().unwrap() == 1);
    wait_all(&mut set).unwrap();
    drop(set);
    assert!(session.get("/").start().wait(millis(20_000)).unwrap());
    assert_eq!(session.outstanding(), 0);
}
