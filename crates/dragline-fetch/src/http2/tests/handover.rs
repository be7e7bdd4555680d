//! Dials are shared, passed on, and not repeated for a server that chose HTTP/1.1.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dragline_core::outcome::Outcome;
use h2::Reason;
use tokio::io::AsyncReadExt;

use super::support::{Ask, Site, run, send_all, spawn, until};
use crate::clock;
use crate::dial::Target;
use crate::http2::Stash;
use crate::route::Route;

/// Counts the connections that ended.
async fn http1(ended: &Rc<Cell<usize>>) -> Site {
    let ended = Rc::clone(ended);
    Site::run(&["http/1.1"], move |mut peer, _| {
        let ended = Rc::clone(&ended);
        async move {
            assert_eq!(peer.read(&mut [0]).await.unwrap(), 0, "the client says goodbye and nothing else");
            ended.set(ended.get() + 1);
        }
    })
    .await
}

#[test]
fn one_request_finds_out_that_a_server_speaks_http1_and_the_connection_is_handed_over() {
    run(async {
        let ended = Rc::new(Cell::new(0));
        let site = http1(&ended).await;
        let pool = site.pool();
        assert!(!pool.is_http1(&site.target()));
        let told = send_all(&pool, (0..10).map(|_| site.get("/"))).await;
        assert!(told.iter().all(|told| told.line == "http1"), "{told:?}");
        assert_eq!(site.connections(), 1);
        assert!(pool.is_http1(&site.target()));
        let now = clock::now();
        let route = Route { http2: false, ..site.target().route };
        let other = Target { route: Route { proxy: Some(1), ..route }, ..site.target() };
        let stash: &Stash = pool.stash();
        assert!(stash.take(&other, now).is_none());
        assert_eq!(pool.counts().idle, 1);
        let dialed = pool.stash().take(&Target { route, ..site.target() }, now).unwrap();
        assert!(!dialed.info.http2);
        assert!(pool.stash().take(&site.target(), now).is_none());
        assert_eq!((pool.counts().idle, ended.get()), (0, 0));
        // The origin is asked again when it may have changed its mind.
        pool.tick(now + Duration::from_secs(601));
        assert!(!pool.is_http1(&site.target()));
    });
}

#[test]
fn a_connection_that_nobody_takes_is_closed_with_a_goodbye() {
    run(async {
        let ended = Rc::new(Cell::new(0));
        let site = http1(&ended).await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "http1");
        let now = clock::now();
        pool.tick(now);
        assert_eq!(pool.counts().idle, 1);
        assert!(pool.stash().take(&site.target(), now + Duration::from_secs(6)).is_none());
        pool.tick(now + Duration::from_secs(6));
        assert_eq!(pool.counts().idle, 0);
        until(|| ended.get() == 1).await;
    });
}

#[test]
fn a_server_may_want_http1_for_one_thing() {
    run(async {
        let site = Site::answering(|mut asked| async move {
            asked.respond.send_reset(Reason::HTTP_1_1_REQUIRED);
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").send(&pool).await.line, "http1");
        assert!(pool.is_http1(&site.target()));
        assert!(pool.stash().take(&site.target(), clock::now()).is_none());
    });
}

#[test]
fn when_the_one_who_dials_is_gone_the_next_one_dials() {
    run(async {
        // The first connection gets no handshake.
        let site = Site::slow_to_greet(|asked| asked.answer(200, &[], "ok")).await;
        let pool = site.pool();
        let dialling = spawn({
            let (ask, pool) = (site.get("/"), Rc::clone(&pool));
            async move { ask.send(&pool).await }
        });
        until(|| site.connections() == 1).await;
        let waiting = spawn({
            let (ask, pool) = (site.get("/"), Rc::clone(&pool));
            async move { ask.send(&pool).await }
        });
        let hasty = site.get("/").within(|limits| limits.connect_timeout = Duration::from_millis(50));
        assert_eq!(hasty.send(&pool).await.line, "timeout connect");
        assert_eq!(site.connections(), 1);
        dialling.abort();
        assert_eq!(waiting.await.unwrap().line, "200 [ok]");
        assert_eq!(site.connections(), 2);
    });
}

#[test]
fn a_dial_that_fails_says_why_and_leaves_nothing_behind() {
    run(async {
        let site = Site::answering(|asked| asked.answer(200, &[], "ok")).await;
        let pool = site.pool();
        let nowhere = Target { port: 1, ..site.target() };
        let told = Ask { target: nowhere, ..site.get("/") }.send(&pool).await;
        assert!(told.line.starts_with(Outcome::ConnectError.name()), "{}", told.line);
        let nobody = Target { host: "10.0.0.1", ..site.target() };
        let told = Ask { target: nobody, ..site.get("/") }.send(&pool).await;
        assert!(told.line.starts_with("blocked connect"), "{}", told.line);
        let stranger = Target { host: "127.0.0.1", ..site.target() };
        let told = Ask { target: stranger, ..site.get("/") }.send(&pool).await;
        assert!(told.line.starts_with("tls_error tls"), "{}", told.line);
        pool.tick(clock::now());
        assert_eq!((pool.counts().idle, pool.counts().opened_new), (0, 0));
    });
}
