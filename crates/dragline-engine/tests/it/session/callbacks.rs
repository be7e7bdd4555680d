//! Has callbacks and hooks run where and when they should, and nowhere else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dragline_core::fetch::FetchRequest;
use dragline_engine::session::{ErrorKind, Executor, Fetch, Session, wait_any};
use dragline_engine::session::{FetchSet, SessionError};

use super::{echo, echo_session, millis};

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn a_callback_runs_in_the_background_and_its_value_stays_with_the_response() {
    let (_server, session) = echo_session();
    let fetch = session
        .get("/page")
        .data(42_u32)
        .on_done(|response| (thread_name(), response.body().len(), *response.data()))
        .start();
    let response = fetch.result().unwrap();
    let (name, length, data) = response.value();
    assert!(name.starts_with("dragline-call-"), "{name}");
    assert_eq!((*length, *data, *response.data()), (response.body().len(), 42, 42));
    assert_eq!(response.shared_value().2, 42);
}

#[test]
fn errors_and_panics_of_callbacks_are_results_that_say_where_it_was_started() {
    let (_server, session) = echo_session();
    let check = |error: SessionError, kind: ErrorKind, words: &str| {
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("callbacks.rs:"), "{text}");
    };
    let fails = session.get("/").try_on_done(|_| "x".parse::<u32>()).start();
    check(fails.result().unwrap_err(), ErrorKind::CallbackFailed, "invalid digit");
    let panics = session.get("/").on_done(|response| assert_eq!(response.status(), 1, "not so")).start();
    check(panics.result().unwrap_err(), ErrorKind::CallbackPanicked, "not so");
    // Asked again it says the same; the pool goes on.
    check(panics.result().unwrap_err(), ErrorKind::CallbackPanicked, "not so");
    assert_eq!(*session.get("/").on_done(|_| 7).start().result().unwrap().value(), 7);
}

#[test]
fn a_callback_of_the_end_sees_failures_too() {
    let (_server, session) = echo_session();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for path in ["/", "http://127.0.0.1:1/"] {
        let seen = Arc::clone(&seen);
        let fetch = session.get(path).data(path).on_end(move |ended| {
            let was =
                (*ended.data(), ended.check().is_ok(), ended.result().map(|response| response.status()).ok());
            seen.lock().unwrap().push(was);
            Ok::<_, SessionError>(())
        });
        assert_eq!(fetch.start().check().is_ok(), path == "/");
    }
    assert_eq!(*seen.lock().unwrap(), [("/", true, Some(200)), ("http://127.0.0.1:1/", false, None)]);
}

#[test]
fn a_callback_of_the_wait_runs_once_on_the_thread_that_waits() {
    let (_server, session) = echo_session();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |seen: &Arc<Mutex<Vec<_>>>| {
        let seen = Arc::clone(seen);
        move |fetch: &Fetch| {
            fetch.check().unwrap();
            let status = fetch.result().unwrap().status();
            seen.lock().unwrap().push((thread::current().id(), fetch.url().to_owned(), status));
        }
    };
    let before = session.get("/before").on_wait(note(&seen)).start();
    let after = session.get("/after").start();
    after.on_wait(note(&seen));
    let never = session.get("/never").on_wait(note(&seen)).start();
    before.result().unwrap();
    after.wait(None).unwrap();
    after.result().unwrap();
    let paths: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|(id, url, status)| {
            (*id == thread::current().id(), url.rsplit('/').next().unwrap().to_owned(), *status)
        })
        .collect();
    assert_eq!(paths, [(true, "before".into(), 200), (true, "after".into(), 200)]);
    // Waiting for one never runs another's, not even within a set.
    let mut set: FetchSet = [session.get("/x?wait_ms=20000").start(), never].into_iter().collect();
    wait_any(&mut set).unwrap().unwrap();
    assert_eq!(seen.lock().unwrap().len(), 3);
    let panics = session.get("/").on_wait(|fetch| panic!("at {}", fetch.state())).start();
    let error = panics.result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallbackPanicked);
    assert!(error.to_string().contains("at done"), "{error}");
}

#[test]
fn a_callback_may_fetch_and_wait_with_one_worker() {
    let (_server, builder) = echo();
    let session = builder.workers(1).callback_workers(1).build().unwrap();
    let (first, second) = (session.clone(), session.clone());
    let outer = session.get("/1").try_on_done(move |_| {
        let inner = first.get("/2").try_on_done(move |_| {
            let mut set: FetchSet<usize> = (0..3).map(|_| second.get("/3").on_done(|_| 1).start()).collect();
            dragline_engine::session::wait_all(&mut set)?;
            let sum: usize = set.iter().map(|fetch| *fetch.result().unwrap().value()).sum();
            Ok::<_, SessionError>(sum)
        });
        inner.start().result().map(|response| *response.value() + 10)
    });
    assert_eq!(*outer.start().result().unwrap().value(), 13);
}

#[test]
fn a_callback_that_blocks_for_ever_is_given_up_and_its_worker_replaced() {
    let (_server, builder) = echo();
    let executor = Executor::threads(1).callback_timeout(millis(1_000)).build().unwrap();
    let session = builder.executor(&executor).build().unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let stuck = session.get("/").on_done(move |_| blocked.lock().unwrap().recv().is_err()).start();
    let behind = session.get("/").on_done(|_| 7).start();
    let error = stuck.result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallbackTimedOut);
    assert!(error.to_string().contains("1s"), "{error}");
    assert_eq!(*behind.result().unwrap().value(), 7);
    drop(release);
    let zero = Executor::threads(0).build().unwrap_err();
    assert!(zero.to_string().contains("at least 1"), "{zero}");
    assert!(Executor::threads(1).callback_timeout(Duration::ZERO).build().is_err());
}

#[test]
fn sessions_may_share_an_executor() {
    let executor = Executor::threads(1).build().unwrap();
    let names: Vec<String> = (0..2)
        .map(|_| {
            let (_server, builder) = echo();
            let session = builder.executor(&executor).build().unwrap();
            session.get("/").on_done(|_| thread_name()).start().result().unwrap().value().clone()
        })
        .collect();
    assert_eq!(names[0], names[1]);
}

#[test]
fn hooks_run_in_order_around_every_call_exactly_once() {
    let (server, session) = echo_session();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |word: String| seen.lock().unwrap().push(format!("{name} {word}"))
    };
    let hooks = session.hooks();
    let told = note("b");
    hooks
        .append_pre("b", move |request| {
            told(request.url.path().to_owned());
            request.headers = [("X-Hook".into(), "b".into())].into();
            Ok::<_, SessionError>(())
        })
        .unwrap();
    let told = note("a");
    hooks
        .push_pre("a", move |request| {
            told(request.url.path().to_owned());
            if request.url.path() == "/refused" { Err("not today") } else { Ok(()) }
        })
        .unwrap();
    let ends = Arc::new(AtomicUsize::new(0));
    let (told, counted) = (note("end"), Arc::clone(&ends));
    hooks
        .append_post("end", move |ended| {
            counted.fetch_add(1, Ordering::SeqCst);
            let what = match (ended.error(), ended.response()) {
                (Some(error), _) => format!("{:?}", error.kind()),
                (None, response) => format!("{:?}", response.and_then(|response| response.status)),
            };
            told(what);
        })
        .unwrap();
    hooks.append_post("panics", |_| panic!("a hook's own fault")).unwrap();
    assert!(hooks.append_pre("a", |_| Ok::<_, SessionError>(())).unwrap_err().to_string().contains("\"a\""));

    let text = session.get("/ok").start().result().unwrap().text().into_owned();
    assert!(text.to_lowercase().contains("x-hook: b"), "{text}");
    let refused = session.get("/refused").start().result().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::HookRefused);
    assert!(refused.to_string().contains("\"a\"") && refused.to_string().contains("not today"), "{refused}");
    session.get("/panic").on_done(|_| panic!("so be it")).start().result().unwrap_err();
    session.get("ftp://h/").start().result().unwrap_err();
    let expected = [
        "a /ok",
        "b /ok",
        "end Some(200)",
        "a /refused",
        "end HookRefused",
        "a /panic",
        "b /panic",
        "end CallbackPanicked",
        "end Fetch(InvalidUrl)",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    let cancelled = session.get("/cancelled?wait_ms=20000").start();
    assert!(cancelled.cancel());
    assert!(dragline_testkit::wait_until(Duration::from_secs(20), || ends.load(Ordering::SeqCst) == 5));
    assert!(hooks.remove("a") && !hooks.remove("a"));
    // The cancelled one may have been sent.
    assert!((2..=3).contains(&server.asked()));
}

#[test]
fn hooks_run_when_a_fetch_is_started_and_not_when_it_is_made() {
    let (_server, session) = echo_session();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (before, after) = (Arc::clone(&seen), Arc::clone(&seen));
    let pre = move |_: &mut FetchRequest| {
        before.lock().unwrap().push("pre");
        Ok::<_, SessionError>(())
    };
    session.hooks().append_pre("pre", pre).unwrap();
    session.hooks().append_post("post", move |_| after.lock().unwrap().push("post")).unwrap();
    drop(session.get("/never").create());
    let fetch = session.get("/").create();
    assert!(seen.lock().unwrap().is_empty());
    fetch.start().unwrap();
    assert_eq!(fetch.start().unwrap_err().kind(), ErrorKind::AlreadyStarted);
    fetch.check().unwrap();
    assert_eq!(*seen.lock().unwrap(), ["pre", "post"]);
    // A hook that is added in between is seen, and refuses the start alone.
    let late = session.get("/late").create();
    session.hooks().push_pre("late", |_| Err("not today")).unwrap();
    late.start().unwrap();
    assert_eq!(late.result().unwrap_err().kind(), ErrorKind::HookRefused);
}

#[test]
fn a_map_makes_the_result_on_the_thread_that_asks() {
    let (_server, session) = echo_session();
    let here = thread::current().id();
    let mapped = session.get("/").start().map(move |response| {
        assert_eq!(thread::current().id(), here);
        response.text().lines().next().map(str::to_owned).ok_or("empty")
    });
    assert_eq!(mapped.result().unwrap(), "GET / HTTP/1.1");
    let fails = session.get("/").start().map(|response| response.json::<u32>());
    assert_eq!(fails.result().unwrap_err().kind(), ErrorKind::CallbackFailed);
    let saved = session.get("ftp://h/").start().map_result(|result| Ok::<_, SessionError>(result.is_err()));
    assert!(saved.result().unwrap());
    let panics = session.get("/").start().map(|_| -> Result<(), SessionError> { panic!("in the map") });
    assert_eq!(panics.result().unwrap_err().kind(), ErrorKind::CallbackPanicked);
}

#[test]
fn a_session_without_processes_says_so() {
    let (_server, session): (_, Session) = echo_session();
    let error = session.get("/").on_done_in_process::<u32>("count").start().result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WorkerFailed);
    assert!(error.to_string().contains("\"count\""), "{error}");
}

#[test]
fn a_hook_of_the_end_runs_for_a_fetch_that_was_cancelled_and_forgotten() {
    let (server, builder) = echo();
    let session = builder.callback_workers(1).build().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let busy = session.get("/busy").on_done(move |_| held.lock().unwrap().recv().is_err()).start();
    let ends = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ends);
    session
        .hooks()
        .append_post("count", move |ended| {
            let is_cancelled = ended.error().is_some_and(SessionError::is_cancelled);
            counted.fetch_add(if is_cancelled { 1 } else { 100 }, Ordering::SeqCst);
        })
        .unwrap();
    assert!(dragline_testkit::wait_until(Duration::from_secs(20), || server.asked() == 1));
    // The one worker is busy, so that the hook waits while the handle is cancelled again and dropped.
    let forgotten = session.get("/forgotten?wait_ms=20000").start();
    assert!(forgotten.cancel() && !forgotten.cancel());
    drop(forgotten);
    drop(release);
    assert!(*busy.result().unwrap().value());
    assert!(dragline_testkit::wait_until(Duration::from_secs(20), || ends.load(Ordering::SeqCst) == 101));
}
