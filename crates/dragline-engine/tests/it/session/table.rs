//! Checks the table of what came from URL Fetch, `UserRPC`, asynchttp and requests-futures: a test for each row.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use dragline_core::auth::{Credentials, Secret};
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::{FetchRequest, Method};
use dragline_core::{Handled, Outcome, Phase};
use dragline_engine::session::{
    Any, Close, ErrorKind, Executor, Fetch, FetchSet, FetchState, Session, SessionError, WaitCanceller,
    as_completed, wait_all, wait_any,
};
use dragline_engine::{Crawl, HandlePage, HandleResult, Route};
use dragline_fetch::{ScriptedAnswer, ScriptedTransport};
use dragline_testkit::{HostileSite, Reply, Server, Site, wait_until};
use futures_util::StreamExt;

use super::log::Log;
use super::{echo, echo_session, millis, processes};

const SOON: Duration = Duration::from_secs(20);

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn urlfetch_create_rpc_make_fetch_call_get_result() {
    let (server, session) = echo_session();
    let rpc = session.get("/made").create();
    assert_eq!((rpc.state(), server.asked()), (FetchState::Idle, 0));
    rpc.start().unwrap();
    let result = rpc.result().unwrap();
    assert_eq!((result.status(), server.asked()), (200, 1));
    // At once, however long it takes; and start and result in one.
    let slow = session.get("/?wait_ms=20000").start();
    assert!(slow.try_result().is_none() && !slow.state().has_ended());
    assert!(session.fetch("/one").unwrap().text().starts_with("GET /one"));
}

#[test]
fn urlfetch_deadline_from_the_start_of_the_call_and_the_typed_error_family() {
    let (_server, builder) = echo();
    let session = builder.workers(1).deadline(Duration::from_secs(9)).build().unwrap();
    let _slow = session.get("/?wait_ms=20000").start();
    let queued = session.get("/").deadline(millis(50)).start();
    let error = queued.result().unwrap_err();
    assert!(error.is_timeout() && error.message().contains("lane"), "{error}");
    let (_server, session) = echo_session();
    let check = |url: &str, outcome: Outcome| {
        let fetch = session.get(url).deadline(millis(2_000)).limits(|limits| limits.body_bytes_max = 1_000);
        assert_eq!(fetch.start().result().unwrap_err().outcome(), Some(outcome), "{url}");
    };
    check("ftp://h/", Outcome::InvalidUrl);
    check("http://127.0.0.1:1/", Outcome::ConnectError);
    check("http://10.0.0.1/", Outcome::Blocked);
    check("/?bytes=5000", Outcome::TooLarge);
    check("/?status=302", Outcome::RedirectError);
    let late = session.get("/?wait_ms=20000").deadline(millis(50)).start().result().unwrap_err();
    assert_eq!(late.outcome(), Some(Outcome::Timeout));
    // A status is no error.
    assert_eq!(session.fetch("/?status=500").unwrap().status(), 500);
}

#[test]
fn urlfetch_callback_before_or_after_creation_run_when_waited_for() {
    let (_server, session) = echo_session();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let (seen, waiter) = (Arc::clone(&seen), std::thread::current().id());
        move |fetch: &Fetch| {
            assert_eq!(std::thread::current().id(), waiter);
            fetch.check().unwrap();
            seen.lock().unwrap().push((name, fetch.result().unwrap().status()));
        }
    };
    let before = session.get("/").on_wait(note("before")).start();
    let other = session.get("/").on_wait(note("other")).start();
    let after = session.get("/").create();
    after.on_wait(note("after"));
    after.start().unwrap();
    assert!(wait_until(SOON, || other.state().has_ended() && before.state().has_ended()));
    assert!(seen.lock().unwrap().is_empty(), "nobody has waited");
    before.wait(None).unwrap();
    before.result().unwrap();
    after.check().unwrap();
    assert_eq!(*seen.lock().unwrap(), [("before", 200), ("after", 200)]);
    // The other kind runs by itself.
    let (done, told) = channel();
    let background = session.get("/").on_done(move |_| done.send(thread_name())).start();
    assert!(told.recv().unwrap().starts_with("dragline-call-"));
    background.check().unwrap();
}

#[test]
fn urlfetch_payload_method_headers_truncated_redirects_certificate_and_all_verbs() {
    let (_server, session) = echo_session();
    for method in [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options] {
        let fetch = session
            .request(method, "/verb")
            .header("X-One", "2")
            .header("X-One", "1")
            .body("payload")
            .start();
        let text = fetch.result().unwrap().text().into_owned();
        assert!(text.starts_with(&format!("{method} /verb ")) && text.ends_with("payload"), "{text}");
        assert!(text.to_lowercase().contains("x-one: 1"), "{text}");
    }
    let verbs = [session.get("/"), session.post("/"), session.put("/"), session.patch("/")];
    let more = [session.delete("/"), session.options("/"), session.head("/")];
    for verb in verbs.into_iter().chain(more) {
        assert_eq!(verb.start().result().unwrap().status(), 200);
    }
    let big = session.get("/?bytes=5000").limits(|limits| limits.body_bytes_max = 10).allow_truncated();
    let cut = big.start().result().unwrap();
    assert_eq!((cut.was_truncated(), cut.body().len()), (true, 10));
    let moved = || session.get("/?status=302&location=/to");
    assert_eq!(moved().redirects_max(0).start().result().unwrap().status(), 302);
    let followed = moved().start().result().unwrap();
    assert_eq!((followed.url().path(), followed.redirects().len()), ("/to", 1));
    let site = HostileSite::start().unwrap();
    let signed = site.behaviours().iter().find(|behaviour| behaviour.name == "tls/self-signed").unwrap();
    let error = session.fetch(&signed.url).unwrap_err();
    assert_eq!(error.outcome(), Some(Outcome::TlsError), "{error}");
    let trusting = session.get(&signed.url).unverified_certificate().start().result().unwrap();
    let tls = trusting.fetched().tls.as_ref().unwrap();
    assert!(trusting.is_success() && tls.unverified.is_some());
}

#[test]
fn urlfetch_refuses_to_fetch_itself() {
    let (server, builder) = echo();
    let session = builder.own_address(server.address()).build().unwrap();
    for url in [server.url("/"), format!("http://localhost:{}/", server.address().port())] {
        let error = session.fetch(url).unwrap_err();
        assert_eq!(error.outcome(), Some(Outcome::Blocked), "{error}");
    }
    assert_eq!(server.asked(), 0);
}

#[test]
fn urlfetch_development_server_in_order_and_synchronous() {
    let (server, builder) = echo();
    let session = builder.sequential().build().unwrap();
    let fetches: Vec<_> = (0..3).map(|number| session.get(format!("/{number}")).start()).collect();
    assert_eq!((server.asked(), fetches[0].state()), (0, FetchState::Queued));
    fetches[1].result().unwrap();
    assert_eq!((server.asked(), fetches[0].state()), (2, FetchState::Done));
    assert_eq!((fetches[2].state(), server.most_at_once()), (FetchState::Queued, 1));
}

#[test]
fn userrpc_state_one_call_per_object_user_data_deadline() {
    let (_server, session) = echo_session();
    let rpc = session.get("/x?wait_ms=1000").data(vec!["any", "type"]).create();
    assert_eq!((rpc.state(), rpc.deadline()), (FetchState::Idle, None));
    rpc.start().unwrap();
    assert!(matches!(rpc.state(), FetchState::Queued | FetchState::Running));
    assert_eq!(rpc.start().unwrap_err().kind(), ErrorKind::AlreadyStarted);
    let response = rpc.result().unwrap();
    assert_eq!(rpc.state(), FetchState::Done);
    assert_eq!((rpc.data(), response.data()), (&vec!["any", "type"], &vec!["any", "type"]));
    assert!(rpc.url().ends_with("/x?wait_ms=1000") && response.fetched().status == Some(200));
    assert_eq!(session.get("/").deadline(SOON).create().deadline(), Some(SOON));
}

#[test]
fn userrpc_wait_check_success_get_result_with_a_hook() {
    let (_server, session) = echo_session();
    let slow = session.get("/?wait_ms=20000").start();
    assert!(!slow.wait(millis(20)).unwrap(), "it has not ended");
    let rpc = session.get("/word").start();
    assert!(rpc.wait(None).unwrap() && rpc.check().is_ok());
    let here = std::thread::current().id();
    let hooked = rpc.map(move |response| {
        assert_eq!(std::thread::current().id(), here);
        response.text().split(' ').nth(1).map(str::to_owned).ok_or("no path")
    });
    assert_eq!(hooked.result().unwrap(), "/word");
    let refused = session.get("http://127.0.0.1:1/").start();
    assert!(refused.wait(None).unwrap(), "how it ended is no matter of the wait");
    assert_eq!(refused.check().unwrap_err().outcome(), Some(Outcome::ConnectError));
}

#[test]
fn userrpc_wait_any_and_wait_all() {
    let (_server, session) = echo_session();
    let mut set: FetchSet = FetchSet::new();
    assert!(wait_any(&mut set).unwrap().is_none());
    let slow = set.push(session.get("/?wait_ms=1000").start());
    let quick = set.push(session.get("/").start());
    let canceller = WaitCanceller::new();
    let cancelled = set.push_canceller(&canceller);
    let first = |set: &mut FetchSet| match wait_any(set).unwrap() {
        Some(Any::Fetch(key, _) | Any::Cancelled(key)) => key,
        None => panic!("the set is not empty"),
    };
    assert_eq!((first(&mut set), first(&mut set)), (quick, quick));
    drop(set.remove(quick));
    canceller.cancel();
    assert_eq!(first(&mut set), cancelled);
    wait_all(&mut set).unwrap();
    assert_eq!(first(&mut set), slow);
    let order: Vec<u32> = as_completed(
        [500, 0]
            .map(|wait| session.get(format!("/?wait_ms={wait}")).data(wait).start())
            .into_iter()
            .collect(),
    )
    .map(|fetch| *fetch.data())
    .collect();
    assert_eq!(order, [0, 500]);
}

#[test]
fn userrpc_hooks_before_and_after_append_push_unique_key() {
    let (_server, session) = echo_session();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move || seen.lock().unwrap().push(name)
    };
    let pre = |note: Box<dyn Fn() + Send + Sync>| {
        move |_: &mut FetchRequest| {
            note();
            Ok::<_, SessionError>(())
        }
    };
    let hooks = session.hooks();
    hooks.append_pre("second", pre(Box::new(note("second")))).unwrap();
    hooks.push_pre("first", pre(Box::new(note("first")))).unwrap();
    assert!(hooks.append_pre("first", pre(Box::new(|| ()))).is_err());
    let (after, last) = (note("after"), note("last"));
    hooks.append_post("last", move |_| last()).unwrap();
    hooks.push_post("after", move |_| after()).unwrap();
    let all = ["first", "second", "after", "last"];
    session.get("/").on_done(|_| ()).start().check().unwrap();
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), all);
    session.get("http://127.0.0.1:1/").start().check().unwrap_err();
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), all);
    let panics = session.get("/").on_done(|_| panic!("so be it")).start();
    assert!(panics.check().is_err() && panics.result().is_err());
    assert_eq!(*seen.lock().unwrap(), all);
}

#[test]
fn userrpc_stubmap_dependency_injection() {
    let stub = ScriptedTransport::new(|request| match request.url.path() {
        "/down" => ScriptedAnswer::failed(Outcome::DnsError, Phase::Dns, "no such name"),
        path => ScriptedAnswer::new(200, &[], format!("{} {path}", request.method)),
    });
    let session = Session::builder().transport(stub).build().unwrap();
    assert_eq!(session.fetch("http://nowhere.invalid/up").unwrap().text(), "GET /up");
    let error = session.fetch("http://nowhere.invalid/down").unwrap_err();
    assert_eq!(error.outcome(), Some(Outcome::DnsError));
}

#[test]
fn asynchttp_promises_errors_at_access_callbacks_in_workers_and_logs() {
    let (server, builder) = echo();
    let session = builder.workers(2).callback_workers(1).build().unwrap();
    let promise = session.get("/?wait_ms=20").on_done(|response| (thread_name(), response.body().len()));
    let response = promise.start().result().unwrap();
    assert!(response.value().0.starts_with("dragline-call-") && response.value().1 > 0);
    // No error before it is asked for, and it says where it was started.
    let fails = session.get("/").try_on_done(|_| "no number".parse::<u32>()).start();
    let error = fails.result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallbackFailed);
    assert!(error.place().unwrap().file().ends_with("table.rs"));
    // One that waits in the only worker runs the other's callback, so that its log comes here.
    let (log, inner) = (Log::default(), session.clone());
    let kept = log.clone();
    let outer = session.get("/outer").on_done(move |_| {
        kept.keep(|| inner.get("/inner").on_done(|_| panic!("in the callback")).start().check().is_err())
    });
    assert!(outer.start().result().unwrap().value());
    let line = log.lines().into_iter().find(|line| line.contains("callback failed")).unwrap();
    for part in ["in the callback", "/inner", "started_at=", "table.rs:", "thread=\"dragline-call-0\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let many: FetchSet = (0..6).map(|_| session.get("/?wait_ms=20").start()).collect();
    assert_eq!(as_completed(many).filter(|fetch| fetch.check().is_ok()).count(), 6);
    assert_eq!(server.most_at_once(), 2);
}

#[test]
fn requests_futures_workers_executor_session_callback_processes_close() {
    let (server, builder) = echo();
    let executor = Executor::processes(1, processes::options()).build().unwrap();
    let jar = Arc::new(CookieJar::new());
    let token = Credentials::Bearer { token: Secret::new("t0ken") };
    let session = builder
        .workers(3)
        .executor(&executor)
        .header("X-Session", "yes")
        .cookies(&jar)
        .auth(&server.url("/"), token)
        .build()
        .unwrap();
    session.fetch("/?cookie=a%3Db").unwrap();
    let text = session.fetch("relative").unwrap().text().to_lowercase();
    for part in ["get /relative", "x-session: yes", "cookie: a=b", "bearer t0ken"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let kept = session.get("/").on_done(|response| response.status()).start().result().unwrap();
    assert_eq!(*kept.value(), 200);
    let there = session.get("/").on_done_in_process::<(u32, u16, String, usize)>("summary").start();
    assert_ne!(there.result().unwrap().value().0, std::process::id());
    // Both run on the executor's one thread.
    let other = echo();
    let shares = other.1.executor(&executor).build().unwrap();
    let names = [&session, &shares].map(|session| session.get("/").on_done(|_| thread_name()).start());
    let names = names.map(|fetch| fetch.result().unwrap().value().clone());
    assert_eq!(names[0], names[1]);
    let running: Vec<_> = (0..3).map(|_| session.get("/?wait_ms=1000").start()).collect();
    assert!(wait_until(SOON, || server.most_at_once() == 3));
    let queued = session.get("/").start();
    let closing = session.close(Close::Finish);
    assert!(closing.cancelled() == 1 && closing.wait());
    assert!(queued.result().unwrap_err().is_cancelled());
    assert!(running.iter().all(|fetch| fetch.result().is_ok()));
    assert_eq!(session.fetch("/").unwrap_err().kind(), ErrorKind::Closed);
    assert!(shares.get("/").on_done(|_| ()).start().check().is_ok(), "the executor is still there");
    let hangs = shares.get("/?wait_ms=20000").start();
    assert!(shares.close(Close::Abort).wait() && hangs.check().unwrap_err().is_cancelled());
}

#[test]
fn asyncio_gist_many_calls_at_a_bounded_rate_with_progress_and_retries() {
    let flaky = vec![Reply::status(503), Reply::ok("application/json", "{\"id\": 7}")];
    let site = Site::new().on_each("/7", flaky).fallback(|path| {
        let number = path.trim_start_matches('/');
        Some(Reply::ok("application/json", format!("{{\"id\": {number}}}")))
    });
    let server = Server::start(site).unwrap();
    let session = Session::builder()
        .allow_network("127.0.0.0/8")
        .base_url(server.url("/").as_str())
        .workers(8)
        .gap(millis(2))
        .attempts(3)
        .rules(|rules| rules.retry.base = millis(1))
        .build()
        .unwrap();
    let calls: FetchSet<serde_json::Value> = (0..40)
        .map(|id| session.get(format!("/{id}")).try_on_done(|response| response.json()).start())
        .collect();
    let mut completed = as_completed(calls);
    let (mut lines, mut progress) = (Vec::new(), Vec::new());
    while let Some(fetch) = completed.next() {
        lines.push(fetch.result().unwrap().value().to_string());
        progress.push(completed.remaining());
    }
    lines.sort_unstable();
    assert_eq!((lines.len(), lines[0].as_str()), (40, "{\"id\":0}"));
    assert!(progress.iter().copied().eq((0..40).rev()));
    assert_eq!((server.log().count(), server.log().count_of("/7")), (41, 2));
}

/// Waits for a fetch in an actor, as it must not.
struct Blocks(Session);

struct Ask;

impl Message for Ask {
    type Result = Result<u16, SessionError>;
}

impl Actor for Blocks {
    type Context = Context<Self>;
}

impl Handler<Ask> for Blocks {
    type Result = Result<u16, SessionError>;

    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> Self::Result {
        self.0.get("/?wait_ms=20000").start().result().map(|response| response.status())
    }
}

#[test]
fn none_of_them_cancels_in_flight_or_by_dropping_streams_and_runs_everywhere() {
    let (server, session) = echo_session();
    let flight = session.get("/?wait_ms=20000").start();
    assert!(wait_until(SOON, || server.asked() == 1));
    assert!(flight.cancel() && wait_until(SOON, || server.closed_early() == 1));
    let dropped = session.get("/?wait_ms=20000").start();
    assert!(wait_until(SOON, || server.asked() == 2));
    drop(dropped);
    assert!(wait_until(SOON, || server.closed_early() == 2));
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ended);
    let detached = session.get("/").on_done(move |_| counted.fetch_add(1, Ordering::SeqCst)).start();
    detached.detach();
    assert!(wait_until(SOON, || ended.load(Ordering::SeqCst) == 1));

    let uses = |session: Session| async move {
        assert_eq!(session.get("/").start().await.unwrap().status(), 200);
        let set: FetchSet = (0..3).map(|_| session.get("/").start()).collect();
        assert_eq!(
            as_completed(set)
                .stream()
                .filter(|fetch| std::future::ready(fetch.check().is_ok()))
                .count()
                .await,
            3
        );
    };
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio.block_on(uses(session.clone()));
    smol::block_on(uses(session.clone()));
    actix_rt::System::new().block_on(async {
        uses(session.clone()).await;
        let error = Blocks(session.clone()).start().send(Ask).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
    assert_eq!(session.fetch("/blocking").unwrap().status(), 200);
}

/// Fetches beside the page, by the rules of its crawl, and notes how that ended.
struct Asks(Session, Arc<Mutex<Vec<Option<Outcome>>>>);

impl Actor for Asks {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Asks {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        let fetches = ["/api", "/secret"].map(|path| {
            let url = page.url.join(path).map(|url| url.as_str().to_owned());
            self.0.get(url.unwrap_or_default()).start()
        });
        let ends = Arc::clone(&self.1);
        Box::pin(async move {
            for fetch in fetches {
                let end = fetch.await.err().and_then(|error| error.outcome());
                ends.lock().unwrap().push(end);
            }
            Ok(Handled::default())
        })
    }
}

#[test]
fn none_of_them_shares_the_rules_of_a_running_crawl() {
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /secret\n"))
        .on("/", Reply::html("home"))
        .on("/api", Reply::ok("text/plain", "12345"));
    let server = Server::start(site).unwrap();
    let builder = Crawl::builder()
        .seed(server.url("/").as_str())
        .allow_network("127.0.0.0/8")
        .delay(millis(20))
        .concurrency(1);
    let (session, ends) = (builder.session(), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&ends);
    let route = Route::actor("asks", move || Asks(session.clone(), Arc::clone(&noted)));
    let end = builder.route(route).build().unwrap().run().unwrap();
    assert_eq!((end.report.discovered, end.report.done), (1, 1), "{}", end.report);
    assert_eq!(*ends.lock().unwrap(), [None, Some(Outcome::RobotsDenied)]);
    let log = server.log();
    assert_eq!((log.count_of("/robots.txt"), log.count_of("/api"), log.count_of("/secret")), (1, 1, 0));
}
