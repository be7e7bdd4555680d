//! Lives through every end a fetch and a session can have.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline_core::Outcome;
use dragline_engine::session::{Close, ErrorKind, Executor, FetchState, SessionError};
use dragline_testkit::wait_until;

use super::{echo, echo_session, millis};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_fetch_goes_through_its_states_and_is_one_call() {
    let (_server, session) = echo_session();
    let fetch = session.get("/?wait_ms=1000").data("mine").deadline(Duration::from_secs(9)).create();
    assert_eq!(
        (fetch.state(), *fetch.data(), fetch.deadline()),
        (FetchState::Idle, "mine", Some(Duration::from_secs(9)))
    );
    assert_eq!(fetch.result().unwrap_err().kind(), ErrorKind::NotStarted);
    assert!(fetch.try_result().is_none());
    fetch.start().unwrap();
    assert!(matches!(fetch.state(), FetchState::Queued | FetchState::Running));
    assert_eq!(fetch.start().unwrap_err().kind(), ErrorKind::AlreadyStarted);
    assert!(!fetch.wait(Duration::ZERO).unwrap());
    let response = fetch.result().unwrap();
    assert_eq!((fetch.state(), response.status(), *response.data()), (FetchState::Done, 200, "mine"));
    assert_eq!(fetch.start().unwrap_err().kind(), ErrorKind::AlreadyStarted);
    // Taken again it is the same.
    assert_eq!(fetch.result().unwrap().body(), response.body());
    assert!(fetch.check().is_ok() && fetch.wait(None).unwrap() && fetch.try_result().is_some());
    assert_eq!(session.get("/").create().deadline(), None);
}

#[test]
fn the_deadline_counts_the_time_in_the_line() {
    let (server, builder) = echo();
    let session = builder.workers(1).build().unwrap();
    let slow = session.get("/?wait_ms=20000").start();
    let waits = session.get("/").deadline(millis(60)).start();
    let error = waits.result().unwrap_err();
    assert!(
        error.is_timeout() && error.to_string().contains("60ms") && error.to_string().contains("lane"),
        "{error}"
    );
    assert_eq!(slow.state(), FetchState::Running);
    let late = session.get("/?wait_ms=5000").deadline(millis(80)).start();
    drop(slow);
    let error = late.result().unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("80ms"), "{error}");
    assert!(server.asked() >= 1);
}

#[test]
fn a_fetch_is_cancelled_in_the_line_and_in_flight() {
    let (server, builder) = echo();
    let session = builder.workers(1).build().unwrap();
    let first = session.get("/?wait_ms=20000").start();
    let second = session.get("/second").start();
    assert!(wait_until(SOON, || server.asked() == 1));
    assert!(second.cancel() && !second.cancel());
    assert_eq!((second.state(), second.result().unwrap_err().is_cancelled()), (FetchState::Cancelled, true));
    assert!(first.cancel());
    assert_eq!(first.result().unwrap_err().outcome(), Some(Outcome::Cancelled));
    assert!(wait_until(SOON, || server.closed_early() == 1));
    // The lane is free again, and the cancelled one was never sent.
    session.get("/third").start().result().unwrap();
    assert_eq!((server.asked(), session.outstanding()), (2, 0));
}

#[test]
fn dropping_a_handle_cancels_its_fetch_unless_it_is_detached() {
    let (server, session) = echo_session();
    drop(session.get("/?wait_ms=20000").start());
    let done = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&done);
    session
        .get("/?wait_ms=20")
        .on_done(move |response| counted.fetch_add(usize::from(response.status()), Ordering::SeqCst))
        .start()
        .detach();
    assert!(wait_until(SOON, || done.load(Ordering::SeqCst) == 200));
    assert!(wait_until(SOON, || session.outstanding() == 0));
    assert!(server.asked() <= 2);
}

#[test]
fn handles_outlive_their_session() {
    let (_server, session) = echo_session();
    let fetches: Vec<_> =
        (0..10).map(|number| session.get(format!("/{number}?wait_ms=20")).start()).collect();
    let idle = session.get("/idle").create();
    drop(session);
    for fetch in &fetches {
        assert_eq!(fetch.result().unwrap().status(), 200);
    }
    idle.start().unwrap();
    assert_eq!(idle.result().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn closing_cancels_the_line_and_waits_for_what_runs_or_cancels_it_too() {
    for (how, runs_to_its_end) in [(Close::Finish, true), (Close::Abort, false)] {
        let (server, builder) = echo();
        let session = builder.workers(1).build().unwrap();
        let running = session.get("/?wait_ms=1500").on_done(|response| response.status()).start();
        assert!(wait_until(SOON, || server.asked() == 1));
        let queued = session.get("/queued").start();
        let closing = session.close(how);
        assert_eq!(closing.cancelled(), if runs_to_its_end { 1 } else { 2 });
        assert!(closing.wait());
        assert_eq!(session.outstanding(), 0);
        assert!(queued.result().unwrap_err().is_cancelled());
        let result = running.try_result().expect("nothing is left to wait for");
        assert_eq!(result.is_ok(), runs_to_its_end);
        let after = session.get("/after").start();
        assert_eq!(after.result().unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(server.asked(), 1);
    }
}

#[test]
fn an_abort_cancels_callbacks_that_run_or_wait_too() {
    for how in [Close::Finish, Close::Abort] {
        let (_server, builder) = echo();
        let (_kept, other) = echo();
        let executor = Executor::threads(1).build().unwrap();
        let session = builder.executor(&executor).build().unwrap();
        let other = other.executor(&executor).build().unwrap();
        let ((entered, entry), (release, released)) = (channel(), channel::<()>());
        let held = Mutex::new(released);
        let runs = session.get("/").on_done(move |_| {
            entered.send(()).unwrap();
            // Given back by a message, or by the end of the test.
            held.lock().unwrap().recv().is_ok()
        });
        let runs = runs.start();
        entry.recv().unwrap();
        let waits = session.get("/").on_done(|_| ()).start();
        let stranger = other.get("/").on_done(|_| 7).start();
        assert!(!waits.wait(millis(50)).unwrap());
        let closing = session.close(how);
        match how {
            Close::Finish => release.send(()).unwrap(),
            Close::Abort => assert_eq!(closing.cancelled(), 2),
        }
        assert!(closing.wait());
        drop(release);
        let expected = if how == Close::Finish { None } else { Some(Outcome::Cancelled) };
        let outcome = |error: SessionError| error.outcome().expect("it is the fetch");
        assert_eq!(runs.result().err().map(outcome), expected);
        assert_eq!(waits.result().err().map(outcome), expected);
        assert_eq!(*stranger.result().unwrap().value(), 7);
    }
}

#[test]
fn no_more_run_at_a_time_than_there_are_workers() {
    let (server, builder) = echo();
    let session = builder.workers(3).build().unwrap();
    let fetches: Vec<_> = (0..12).map(|_| session.get("/?wait_ms=20").start()).collect();
    for fetch in fetches {
        fetch.result().unwrap();
    }
    assert_eq!((server.asked(), server.most_at_once()), (12, 3));
}

#[test]
fn a_sequential_session_runs_in_order_and_only_what_is_waited_for() {
    let (server, builder) = echo();
    let session = builder.sequential().build().unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let fetches: Vec<_> = (0..4_usize)
        .map(|number| {
            let order = Arc::clone(&order);
            let fetch = session.get(format!("/{number}")).data(number);
            fetch.on_done(move |response| order.lock().unwrap().push(*response.data())).start()
        })
        .collect();
    assert!(!fetches[0].wait(millis(50)).unwrap() || server.asked() == 1);
    fetches[2].result().unwrap();
    assert_eq!((server.asked(), fetches[3].state()), (3, FetchState::Queued));
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
    fetches[3].result().unwrap();
    assert_eq!((server.asked(), server.most_at_once()), (4, 1));
}

#[test]
fn a_sequential_fetch_is_carried_out_after_its_session_is_gone() {
    let (server, builder) = echo();
    let session = builder.sequential().build().unwrap();
    let fetch = session.get("/late").start();
    drop(session);
    assert!(!fetch.state().has_ended());
    assert_eq!((fetch.result().unwrap().status(), server.asked()), (200, 1));
}
