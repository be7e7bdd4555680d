//! Sends every kind of request, with the defaults of the session and the options of the fetch.

use std::sync::Arc;
use std::time::Duration;

use dragline_core::Outcome;
use dragline_core::auth::{Credentials, Secret};
use dragline_core::cookies::CookieJar;
use dragline_core::fetch::Method;
use dragline_engine::session::{ErrorKind, Session, SessionBuildError};
use dragline_telemetry::escape::LoggedUrls;
use dragline_testkit::{Reply, Server, Site};

use super::log::Log;
use super::{echo, echo_session, millis};

#[test]
fn every_verb_reaches_the_server() {
    let (server, session) = echo_session();
    let begin = [
        (Method::Get, session.get("/a")),
        (Method::Post, session.post("/a")),
        (Method::Put, session.put("/a")),
        (Method::Patch, session.patch("/a")),
        (Method::Delete, session.delete("/a")),
        (Method::Options, session.options("/a")),
    ];
    for (method, builder) in begin {
        let response = builder.start().result().unwrap();
        assert!(response.text().starts_with(&format!("{method} /a HTTP/1.1")), "{}", response.text());
    }
    let head = session.head("/a").start().result().unwrap();
    assert_eq!((head.status(), head.body().len()), (200, 0));
    assert_eq!(server.asked(), 7);
}

#[test]
fn what_a_fetch_sends_is_its_own_before_the_sessions() {
    let (server, builder) = echo();
    let jar = Arc::new(CookieJar::new());
    let token = Credentials::Bearer { token: Secret::new("t0ken") };
    let session = builder
        .header("X-Both", "session")
        .header("X-Session", "1")
        .cookies(&jar)
        .auth(&server.url("/"), token)
        .build()
        .unwrap();
    session.get("/?cookie=a%3Db").start().result().unwrap();
    let fetch = session.post("p?x=1").query("q", "a b").header("x-both", "fetch").json(&[1, 2]).start();
    let response = fetch.result().unwrap();
    let text = response.text();
    for part in
        ["POST /p?x=1&q=a+b HTTP/1.1", "fetch", "1", "a=b", "Bearer t0ken", "application/json", "[1,2]"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("session\r"), "{text}");
    let form = session.put("/f").form(&[("k", "v w")]).start().result().unwrap();
    assert!(form.text().ends_with("k=v+w"), "{}", form.text());
    let basic =
        session.get(server.url("/").replace("http://", "http://me:s3cret@")).start().result().unwrap();
    assert!(basic.text().contains("Basic bWU6czNjcmV0"), "{}", basic.text());
}

#[test]
fn redirects_are_followed_or_are_the_response() {
    let (server, session) = echo_session();
    let response = session.get("/1?status=302&location=/2").start().result().unwrap();
    assert_eq!((response.url().path(), response.redirects().len()), ("/2", 1));
    let stays = session.get("/1?status=302&location=/2").redirects_max(0).start().result().unwrap();
    assert_eq!((stays.status(), stays.header("location")), (302, Some("/2")));
    assert_eq!(server.asked(), 3);
}

#[test]
fn a_body_over_the_limit_is_an_error_or_truncated_by_choice() {
    let (_server, session) = echo_session();
    let big = || session.get("/?bytes=5000").limits(|limits| limits.body_bytes_max = 1_000);
    assert_eq!(big().start().result().unwrap_err().outcome(), Some(Outcome::TooLarge));
    let cut = big().allow_truncated().start().result().unwrap();
    assert_eq!((cut.was_truncated(), cut.body().len()), (true, 1_000));
}

#[test]
fn a_status_of_the_servers_is_a_result_and_an_error_when_asked() {
    let (server, session) = echo_session();
    for status in [404, 500] {
        let fetch = session.get(format!("/?status={status}")).start();
        let response = fetch.result().unwrap();
        assert_eq!((response.status(), response.is_success()), (status, false));
        let error = response.error_for_status().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status(status));
        assert!(error.to_string().contains("requests.rs:"), "{error}");
    }
    session.fetch(server.url("/")).unwrap().error_for_status().unwrap();
}

#[test]
fn a_response_tells_how_often_it_was_sent() {
    let busy = vec![Reply::status(503), Reply::status(503), Reply::html("well")];
    let server = Server::start(Site::new().on("/", Reply::html("well")).on_each("/busy", busy)).unwrap();
    let builder = Session::builder().allow_network("127.0.0.0/8").base_url(server.url("/").as_str());
    let session = builder.attempts(3).rules(|rules| rules.retry.base = millis(1)).build().unwrap();
    for (path, status, attempts) in [("/", 200, 1), ("/busy", 200, 3), ("/missing", 404, 1)] {
        let response = session.get(path).start().result().unwrap();
        assert_eq!((response.status(), response.attempts()), (status, attempts), "{path}");
    }
    assert_eq!(server.log().count_of("/busy"), 3);
}

#[test]
fn mistakes_of_a_request_are_told_by_its_result() {
    let (_server, session) = echo_session();
    let check = |fetch: dragline_engine::session::Fetch, kind: ErrorKind, words: &str| {
        let error = fetch.result().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let invalid_url = ErrorKind::Fetch(Outcome::InvalidUrl);
    let bare = Session::builder().build().unwrap();
    check(bare.get("no url").start(), invalid_url, "no url");
    check(bare.get("ftp://h/").start(), invalid_url, "ftp");
    check(bare.get("").start(), invalid_url, "");
    check(session.get("/").header("X Y", "z").start(), ErrorKind::InvalidRequest, "X Y");
    check(session.get("/").header("X-Y", "a\r\nb: c").start(), ErrorKind::InvalidRequest, "X-Y");
    check(session.get("/").header("Host", "other").start(), ErrorKind::InvalidRequest, "Host");
    let zero = ErrorKind::Fetch(Outcome::Timeout);
    check(session.get("/").deadline(Duration::ZERO).start(), zero, "deadline of zero");
    let private = bare.get("http://127.0.0.1:1/").start();
    check(private, ErrorKind::Fetch(Outcome::Blocked), "allow");
}

#[test]
fn no_log_line_shows_more_of_a_url_than_it_may() {
    let log = Log::default();
    log.keep(|| {
        actix_rt::System::new().block_on(async {
            let (_server, builder) = echo();
            let session = builder.on_this_arbiter().log_urls(LoggedUrls::NoQuery).build().unwrap();
            let fails = session.get("http://127.0.0.1:1/path?key=s3cret").start();
            assert!(fails.await.unwrap_err().to_string().contains("s3cret"), "its own error has all");
        });
    });
    let lines = log.lines();
    let failed = lines.iter().find(|line| line.contains("fetch failed")).unwrap();
    assert!(failed.contains("/path?\u{2026}") && failed.contains("requests.rs:"), "{failed}");
    assert!(lines.iter().all(|line| !line.contains("s3cret")), "{lines:#?}");
}

#[test]
fn mistakes_of_a_session_are_told_all_at_once() {
    let errors = Session::builder()
        .workers(0)
        .callback_workers(0)
        .per_host(0)
        .deadline(Duration::ZERO)
        .base_url("nowhere")
        .header("a b", "c")
        .allow_network("localhost")
        .on_this_arbiter()
        .build()
        .unwrap_err();
    let zeros: Vec<&str> = errors
        .0
        .iter()
        .filter_map(|error| match error {
            SessionBuildError::Zero(what) => Some(*what),
            _ => None,
        })
        .collect();
    assert_eq!(zeros, ["workers", "per_host", "deadline", "callback_workers"]);
    assert!(errors.0.contains(&SessionBuildError::NoArbiter), "{errors}");
    for words in ["nowhere", "a b", "localhost", "more than zero"] {
        assert!(errors.to_string().contains(words), "{errors}");
    }
}
