//! Uses sessions inside every kind of runtime, and on threads that must not stand still.

use std::future::Future;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use dragline_engine::session::{Any, Close, ErrorKind, FetchSet, Session, as_completed, wait_all, wait_any};
use dragline_fetch::{ScriptedAnswer, ScriptedTransport};
use futures_util::StreamExt;

use super::{echo, echo_session, millis};

/// Awaits fetches in every way there is.
async fn use_all_forms(session: Session) {
    let response =
        session.get("/one").on_done(|response| response.status()).start().await.expect("it goes well");
    assert_eq!((response.status(), *response.value()), (200, 200));
    let mut kept = session.get("/kept").start();
    assert_eq!((&mut kept).await.expect("it goes well").body(), kept.await.expect("it goes well").body());
    let mapped = session.get("/").start().map(|response| response.text().parse::<u32>());
    assert_eq!(mapped.await.expect_err("it fails").kind(), ErrorKind::CallbackFailed);
    let error = session.get("ftp://h/").start().await.expect_err("it fails");
    assert!(matches!(error.kind(), ErrorKind::Fetch(_)), "{error}");
    assert_eq!(session.get("/").create().await.expect_err("it fails").kind(), ErrorKind::NotStarted);

    let mut set: FetchSet = (0..20).map(|number| session.get(format!("/{number}")).start()).collect();
    assert!(matches!(set.any().await.expect("it goes well"), Some(Any::Fetch(..))));
    set.all().await.expect("it goes well");
    let streamed: Vec<_> = as_completed(set).stream().map(|fetch| fetch.url().len()).collect().await;
    assert_eq!(streamed.len(), 20);
    drop(session.get("/?wait_ms=20000").start());
    session.close(Close::Finish).await;
    assert_eq!(session.outstanding(), 0);
}

#[test]
fn a_session_is_used_without_any_runtime() {
    let (server, session) = echo_session();
    let response = session.fetch(server.url("/plain")).unwrap();
    assert!(response.text().starts_with("GET /plain"));
    assert!(session.close(Close::Finish).wait());
}

/// Runs work on a thread of the runtime that may block.
#[expect(clippy::disallowed_methods, reason = "the handle goes to the caller")]
fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

#[test]
fn a_session_is_used_in_tokio_with_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (_server, session) = echo_session();
        let blocking = session.clone();
        // Threads for blocking work may block.
        let blocked = spawn_blocking(move || blocking.get("/").start().result().unwrap().status());
        assert_eq!(blocked.await.unwrap(), 200);
        use_all_forms(session).await;
    });
}

#[test]
fn a_session_is_used_in_actix_on_its_own_thread_or_on_this_one() {
    actix_rt::System::new().block_on(async {
        use_all_forms(echo_session().1).await;
        let (_server, builder) = echo();
        use_all_forms(builder.workers(4).on_this_arbiter().build().unwrap()).await;
    });
}

#[test]
fn a_session_is_used_in_smol() {
    smol::block_on(async { use_all_forms(echo_session().1).await });
}

/// Asks a session in the middle of an actor's work.
struct Asker(Session);

struct Block;

struct Await;

impl Message for Block {
    type Result = Vec<ErrorKind>;
}

impl Message for Await {
    type Result = u16;
}

impl Actor for Asker {
    type Context = Context<Self>;
}

impl Handler<Block> for Asker {
    type Result = actix::MessageResult<Block>;

    fn handle(&mut self, _: Block, _: &mut Context<Self>) -> Self::Result {
        let slow = || self.0.get("/?wait_ms=20000").start();
        let (fetch, mut set) = (slow(), [slow()].into_iter().collect::<FetchSet>());
        let mut errors = vec![
            fetch.result().expect_err("it fails"),
            fetch.check().expect_err("it fails"),
            fetch.wait(None).expect_err("it fails"),
        ];
        errors.push(wait_any(&mut set).expect_err("it fails"));
        errors.push(wait_all(&mut set).expect_err("it fails"));
        for fetch in as_completed(set) {
            errors.push(fetch.result().expect_err("it fails"));
        }
        assert!(!self.0.close(Close::Finish).wait(), "it says that it did not wait");
        actix::MessageResult(errors.iter().map(|error| error.kind()).collect())
    }
}

impl Handler<Await> for Asker {
    type Result = ResponseFuture<u16>;

    fn handle(&mut self, _: Await, _: &mut Context<Self>) -> ResponseFuture<u16> {
        let fetch = self.0.get("/").start();
        Box::pin(async move { fetch.await.expect("it goes well").status() })
    }
}

#[test]
fn blocking_in_an_actor_is_an_error_and_awaiting_is_not() {
    actix_rt::System::new().block_on(async {
        let (_server, builder) = echo();
        for builder in [builder.workers(4), echo().1.on_this_arbiter()] {
            let session = builder.build().unwrap();
            let asker = Asker(session.clone()).start();
            if session.get("/").start().await.is_ok() {
                assert_eq!(asker.send(Await).await.unwrap(), 200);
            }
            assert_eq!(asker.send(Block).await.unwrap(), [ErrorKind::WouldBlock; 6]);
        }
    });
}

#[test]
fn a_scripted_transport_replaces_the_network() {
    let transport = ScriptedTransport::new(|request| match request.url.path() {
        "/old" => ScriptedAnswer::new(301, &[("Location", "/new")], ""),
        "/slow" => ScriptedAnswer::new(200, &[], "slow").after(millis(20_000)),
        "/never" => ScriptedAnswer::never(),
        path => ScriptedAnswer::new(200, &[("Content-Type", "text/plain")], path.to_owned()),
    });
    let session = Session::builder().transport(transport).deadline(millis(100)).build().unwrap();
    let moved = session.fetch("http://nowhere.invalid/old").unwrap();
    assert_eq!((moved.text().as_ref(), moved.redirects().len()), ("/new", 1));
    for path in ["slow", "never"] {
        let error = session.fetch(format!("http://nowhere.invalid/{path}")).unwrap_err();
        assert!(error.is_timeout() && error.to_string().contains("100ms"), "{error}");
    }
}

#[test]
fn handles_sessions_and_sets_may_go_from_thread_to_thread() {
    fn is_send<T: Send + 'static>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Session>();
    is_sync::<Session>();
    is_send::<dragline_engine::session::Fetch<String, Arc<str>>>();
    is_sync::<dragline_engine::session::Fetch<String, Arc<str>>>();
    is_send::<FetchSet>();
    fn is_send_future<F: Future + Send>(_: &F) {}
    let session = echo_session().1;
    let fetch = session.get("/").start();
    is_send_future(&fetch);
    drop(fetch);
}
