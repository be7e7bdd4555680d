//! Requests that a server did not process, or whose connection died, are sent again when that is safe, and only then.

use dragline_core::fetch::RequestBody;
use h2::Reason;

use super::raw::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, Raw, block};
use super::support::{Site, run};

/// Answers 200 with no content.
async fn serve(raw: &mut Raw, stream: u32) -> bool {
    raw.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&[(":status", "200")])).await
}

/// Says goodbye: streams above `last` were not processed.
async fn go_away(raw: &mut Raw, last: u32, reason: Reason) -> bool {
    let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
    raw.frame(GOAWAY, 0, 0, &[&payload[..], b"tired"].concat()).await
}

/// What a connection does with a request; at the end of the list the last entry counts.
#[derive(Clone, Copy)]
enum Does {
    Serve,
    /// Closes without a word.
    Close,
    /// Says that it did not process the request, and closes.
    Dismiss(Reason),
    /// Serves the request, says goodbye, and closes.
    ServeLast,
}

/// Sends three requests in a row to connections that do as the lists say; checks what came of the last and of all.
fn check(connections: &'static [&'static [Does]], post: bool, expected: [&str; 3], dials: usize) {
    run(async move {
        let site = Raw::site(move |mut raw, number| async move {
            let script = connections[number.min(connections.len()) - 1];
            for at in 0.. {
                let Some(stream) = raw.request().await else { return };
                match script[at.min(script.len() - 1)] {
                    Does::Serve => assert!(serve(&mut raw, stream).await),
                    Does::Close => return raw.close().await,
                    Does::Dismiss(reason) => {
                        go_away(&mut raw, stream.saturating_sub(2), reason).await;
                        return raw.hold().await;
                    }
                    Does::ServeLast => {
                        go_away(&mut raw, stream, Reason::NO_ERROR).await;
                        serve(&mut raw, stream).await;
                        return raw.hold().await;
                    }
                }
            }
        })
        .await;
        let pool = site.pool();
        for expected in expected {
            let ask = site.get("/");
            let ask = if post { ask.post(RequestBody::bytes("x")) } else { ask };
            assert_eq!(ask.send(&pool).await.line, expected);
        }
        assert_eq!(site.connections(), dials);
    });
}

const OK: &str = "200 []";
const GONE: &str = "incomplete ttfb: the connection ended before the response head";
const DISMISSED: &str = "incomplete ttfb: the server goes away and did not process the request: \
    connection error received: not a result of an error (b\"tired\")";
const CALMED: &str = "incomplete ttfb: the server goes away and did not process the request: \
    connection error received: detected excessive load generating behavior (b\"tired\")";

#[test]
fn a_dead_connection_costs_no_get_but_the_first_may_fail() {
    check(&[&[Does::Serve]], false, [OK; 3], 1);
    check(&[&[Does::Serve, Does::Close], &[Does::Serve]], false, [OK; 3], 2);
    check(&[&[Does::Serve, Does::Close]], false, [OK; 3], 3);
    check(&[&[Does::Close]], false, [GONE; 3], 3);
    check(&[&[Does::Serve, Does::Close], &[Does::Close], &[Does::Serve]], false, [OK, GONE, OK], 3);
}

#[test]
fn a_post_is_not_repeated_unless_the_server_says_that_it_may_be() {
    check(&[&[Does::Serve, Does::Close]], true, [OK, GONE, OK], 2);
    check(&[&[Does::Dismiss(Reason::NO_ERROR)], &[Does::Serve]], true, [OK; 3], 2);
    check(&[&[Does::Serve, Does::Dismiss(Reason::NO_ERROR)]], true, [OK; 3], 3);
}

#[test]
fn what_a_server_that_goes_away_did_not_process_is_sent_again_twice_at_most() {
    check(&[&[Does::Dismiss(Reason::NO_ERROR)], &[Does::Serve]], false, [OK; 3], 2);
    check(&[&[Does::ServeLast]], false, [OK; 3], 3);
    check(&[&[Does::Dismiss(Reason::NO_ERROR)]], false, [DISMISSED; 3], 9);
    check(&[&[Does::Dismiss(Reason::ENHANCE_YOUR_CALM)]], true, [CALMED; 3], 9);
}

#[test]
fn a_connection_that_ended_while_idle_is_not_used() {
    run(async {
        let site = Raw::site(|mut raw, _| async move {
            let stream = raw.request().await.unwrap();
            serve(&mut raw, stream).await;
            raw.close().await;
        })
        .await;
        let pool = site.pool();
        for _ in 0..3 {
            assert_eq!(site.get("/").send(&pool).await.line, OK);
            super::support::until(|| pool.counts().idle == 0).await;
        }
        // Nothing was sent on a dead connection, so that a request of any kind gets through.
        assert_eq!(site.get("/").post(RequestBody::bytes("x")).send(&pool).await.line, OK);
        assert_eq!(site.connections(), 4);
    });
}

#[test]
fn a_refused_stream_is_opened_once_more() {
    run(async {
        let site = Site::answering(|mut asked| async move {
            let first = asked.request.headers().get("content-length").is_some() && asked.connection == 1;
            if asked.path() == "/never" || first && REFUSED.with(|refused| !refused.replace(true)) {
                asked.respond.send_reset(Reason::REFUSED_STREAM);
            } else {
                asked.answer(200, &[], "").await;
            }
        })
        .await;
        let pool = site.pool();
        assert_eq!(site.get("/").post(RequestBody::bytes("x")).send(&pool).await.line, OK);
        let refused = "incomplete ttfb: the server reset the stream: REFUSED_STREAM";
        assert_eq!(site.get("/never").send(&pool).await.line, refused);
        assert_eq!(site.connections(), 1);
    });
}

thread_local! {
    static REFUSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[test]
fn requests_that_wait_for_their_turn_move_on_when_the_server_goes_away() {
    run(async {
        let site = Site::run(&["h2"], |peer, number| async move {
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(1);
            let mut accepted = builder.handshake::<_, bytes::Bytes>(peer).await.unwrap();
            while let Some(Ok((request, respond))) = accepted.accept().await {
                let asked = super::support::Asked { request, respond, connection: number };
                super::support::spawn(asked.answer(200, &[], "ok"));
                if number < 3 {
                    accepted.graceful_shutdown();
                }
            }
        })
        .await;
        let pool = site.pool();
        let told = super::support::send_all(&pool, (0..20).map(|_| site.get("/"))).await;
        assert!(told.iter().all(|told| told.line == "200 [ok]"), "{told:?}");
        assert_eq!(site.connections(), 3);
    });
}
