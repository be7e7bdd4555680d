//! What a well-behaved server sends arrives, over as few connections as can be.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dragline_core::fetch::Method;
use h2::Reason;

use super::support::{Asked, Site, run, send_all, spawn, until};
use crate::clock;

async fn ok(asked: Asked) {
    asked.answer(200, &[], "ok").await;
}

#[test]
fn a_hundred_cold_requests_share_one_dial() {
    run(async {
        let site = Site::answering(|asked| asked.answer(200, &[], vec![b'x'; 40_000])).await;
        let pool = site.pool();
        let told = send_all(&pool, (0..100).map(|number| site.get(&format!("/{number}")))).await;
        assert!(told.iter().all(|told| told.line == "200 [40000]"), "{told:?}");
        assert_eq!(site.connections(), 1);
        assert_eq!(told.iter().filter(|told| !told.transcript.reused.get()).count(), 1);
        let counts = pool.counts();
        assert_eq!((counts.busy, counts.idle, counts.opened_new, counts.reused), (0, 1, 1, 99));
        // Who dialled has the timings of it, and the others have none.
        let dialled = told.iter().filter(|told| told.transcript.tls.get().is_some()).count();
        assert_eq!(dialled, 1);
    });
}

/// Asks for one answer, twice on the same connection, and checks what came of it.
fn check(
    method: Method,
    status: u16,
    fields: &'static [(&str, &str)],
    content: &'static str,
    expected: &str,
) {
    run(async move {
        let site = Site::answering(move |asked| asked.answer(status, fields, content)).await;
        let pool = site.pool();
        for _ in 0..2 {
            let ask = super::support::Ask { method, ..site.get("/") };
            let told = ask.send(&pool).await;
            assert_eq!(told.line, expected, "{method} {status} {fields:?}");
            let head = told.transcript.head.borrow().clone().unwrap();
            for (name, value) in fields {
                assert!(head.headers.get_all(name).any(|found| found == value.as_bytes()), "{name}");
            }
            let received = head.headers.raw().len() + told.content.len();
            assert_eq!(told.transcript.received.get(), received as u64);
            assert!(told.transcript.sent.get() > 40);
            assert!(told.transcript.finish().ttfb.is_some());
        }
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn heads_and_bodies_arrive_as_they_were_sent() {
    check(Method::Get, 200, &[("x-a", "1"), ("set-cookie", "a=b"), ("set-cookie", "c=d")], "ok", "200 [ok]");
    check(Method::Get, 200, &[("content-length", "2")], "ok", "200 [ok]");
    check(Method::Get, 200, &[("content-length", "0")], "", "200 []");
    check(Method::Get, 404, &[], "no", "404 [no]");
    check(Method::Get, 302, &[("location", "/x")], "", "302 []");
    check(Method::Get, 204, &[], "", "204 []");
    check(Method::Get, 304, &[("content-length", "10"), ("etag", "\"x\"")], "", "304 []");
    check(Method::Head, 200, &[("content-length", "10")], "", "200 []");
    check(Method::Options, 200, &[("allow", "GET")], "", "200 []");
}

#[test]
fn interim_responses_are_skipped_and_trailers_end_the_body() {
    run(async {
        let site = Site::answering(|mut asked| async move {
            for _ in 0..10 {
                let interim = http::Response::builder().status(103).header("link", "</a>");
                asked.respond.send_informational(interim.body(()).unwrap()).unwrap();
            }
            let mut stream = asked.respond.send_response(http::Response::new(()), false).unwrap();
            stream.send_data("ok".into(), false).unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("x-t", http::HeaderValue::from_static("1"));
            stream.send_trailers(trailers).unwrap();
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        let strict = site.get("/").within(|limits| limits.interim_max = 9);
        assert_eq!(strict.send(&pool).await.line, "protocol_error ttfb: too many interim responses");
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn no_more_streams_are_opened_than_the_server_takes() {
    run(async {
        let open = Rc::new(Cell::new(0));
        let most = Rc::new(Cell::new(0));
        let seen = Rc::clone(&most);
        let site = Site::limited(4, move |asked| {
            let (open, most) = (Rc::clone(&open), Rc::clone(&most));
            async move {
                open.set(open.get() + 1);
                most.set(most.get().max(open.get()));
                tokio::task::yield_now().await;
                open.set(open.get() - 1);
                asked.answer(200, &[], "ok").await;
            }
        })
        .await;
        let pool = site.pool();
        let told = send_all(&pool, (0..40).map(|_| site.get("/"))).await;
        assert!(told.iter().all(|told| told.line == "200 [ok]"), "{told:?}");
        assert_eq!(site.connections(), 1);
        assert!((2..=4).contains(&seen.get()), "{}", seen.get());
    });
}

#[test]
fn a_request_that_waits_for_its_turn_waits_in_the_queue() {
    run(async {
        let site = Site::limited(1, |asked| async move {
            if asked.path() == "/held" {
                std::future::pending::<()>().await;
            }
            ok(asked).await;
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        let held = spawn({
            let (ask, pool) = (site.get("/held"), Rc::clone(&pool));
            async move { ask.send(&pool).await }
        });
        until(|| pool.counts().busy == 1).await;
        let hasty = site.get("/").within(|limits| limits.deadline = Duration::from_millis(100));
        assert_eq!(hasty.send(&pool).await.line, "timeout queue");
        held.abort();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn a_cancelled_request_resets_its_stream_and_leaves_the_connection_good() {
    run(async {
        let reset = Rc::new(Cell::new(None));
        let seen = Rc::clone(&reset);
        let site = Site::answering(move |mut asked| {
            let reset = Rc::clone(&reset);
            async move {
                if asked.path() == "/" {
                    return ok(asked).await;
                }
                let mut stream = asked.respond.send_response(http::Response::new(()), false).unwrap();
                stream.send_data("part".into(), false).unwrap();
                let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
                reset.set(Some(reason));
            }
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        let cut = site.get("/held").within(|limits| limits.idle_body_timeout = Duration::from_millis(100));
        assert_eq!(cut.send(&pool).await.line, "timeout body");
        until(|| seen.get().is_some()).await;
        assert_eq!(seen.get(), Some(Reason::CANCEL));
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    run(async {
        let gone = Rc::new(Cell::new(0));
        let counted = Rc::clone(&gone);
        let site = Site::run(&["h2"], move |peer, _| {
            let gone = Rc::clone(&counted);
            async move {
                let mut accepted = h2::server::handshake(peer).await.unwrap();
                while let Some(Ok((request, respond))) = accepted.accept().await {
                    let asked = Asked { request, respond, connection: 1 };
                    if asked.path() == "/" {
                        spawn(ok(asked));
                    } else {
                        spawn(async move {
                            let _asked = asked;
                            std::future::pending::<()>().await;
                        });
                    }
                }
                gone.set(gone.get() + 1);
            }
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        let held = spawn({
            let (ask, pool) = (site.get("/held"), Rc::clone(&pool));
            async move { ask.send(&pool).await }
        });
        until(|| pool.counts().busy == 1).await;
        let later = clock::now() + Duration::from_secs(60);
        pool.tick(later);
        assert_eq!((pool.counts().busy, gone.get()), (1, 0));
        held.abort();
        until(|| pool.counts().busy == 0).await;
        pool.tick(later);
        until(|| gone.get() == 1 && pool.counts().idle == 0).await;
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        assert_eq!(site.connections(), 2);
        // The pool takes its connections with it.
        drop(pool);
        until(|| gone.get() == 2).await;
    });
}

#[test]
fn an_old_connection_serves_what_it_serves_and_no_more() {
    run(async {
        let site = Site::answering(ok).await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        pool.tick(clock::now() + Duration::from_secs(10));
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        assert_eq!(site.connections(), 1);
        pool.tick(clock::now() + Duration::from_secs(601));
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        assert_eq!(site.connections(), 2);
    });
}

#[test]
fn bodies_that_are_left_unread_do_not_use_up_the_connection() {
    run(async {
        let site = Site::answering(|asked| asked.answer(200, &[], vec![b'x'; 3 << 20])).await;
        let pool = site.pool();
        for _ in 0..3 {
            let abandoning: Vec<_> = (0..40)
                .map(|_| {
                    let (ask, pool) = (site.get("/"), Rc::clone(&pool));
                    spawn(async move { ask.abandon(&pool).await })
                })
                .collect();
            for each in abandoning {
                each.await.unwrap();
            }
        }
        assert_eq!(site.get("/").send(&pool).await.line, "200 [3145728]");
        assert_eq!(site.connections(), 1);
    });
}

#[test]
fn a_connection_that_fell_silent_is_not_trusted_with_the_next_request() {
    run(async {
        let site = Site::run(&["h2"], |peer, number| async move {
            let mut accepted = h2::server::handshake(peer).await.unwrap();
            while let Some(Ok((request, respond))) = accepted.accept().await {
                let asked = Asked { request, respond, connection: number };
                if asked.path() == "/silent" {
                    // As when the way is broken: not even frames are answered from now on.
                    let _asked = asked;
                    return std::future::pending().await;
                }
                spawn(ok(asked));
            }
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        let silent =
            site.get("/silent").within(|limits| limits.first_byte_timeout = Duration::from_millis(2_100));
        assert_eq!(silent.send(&pool).await.line, "timeout ttfb");
        assert_eq!(site.get("/").send(&pool).await.line, "200 [ok]");
        assert_eq!(site.connections(), 2);
    });
}
