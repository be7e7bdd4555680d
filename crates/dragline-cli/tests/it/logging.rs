//! Tests where log lines go, in which form, and what they say of URLs.

use dragline_testkit::{Reply, Server, Site};
use serde_json::Value;

use crate::process::Place;
use crate::results::rows;

fn server() -> Server {
    let home =
        "<a href='/page?secret=2'>x</a><a href='/moved?secret=3'>y</a><a href='/private?secret=4'>z</a>";
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /private\n"))
        .on("/?secret=1", Reply::html(home))
        .on("/page?secret=2", Reply::html("page"))
        .on("/moved?secret=3", Reply::redirect(302, "/missing?secret=5"));
    Server::start(site).expect("a loopback port is free")
}

#[test]
fn a_query_is_logged_unless_the_operator_says_no() {
    let server = server();
    let check = |urls: &str, level: &str| {
        let place = Place::new();
        let ended =
            place.crawl(&[server.url("/?secret=1").as_str(), level, &format!("--set=log.urls={urls}")]);
        ended.assert(0, &["fetch ended", "url skipped", "url settled", "/page?"]);
        ended.stderr.matches("secret").count()
    };
    assert!(check("full", "-v") > 5);
    assert_eq!(check("no_query", "-v"), 0);
    assert_eq!(check("no_query", "-vv"), 0);
}

#[test]
fn a_log_file_is_appended_to_and_holds_one_json_object_a_line() {
    let server = server();
    let place = Place::new();
    let run = |more: &[&str]| {
        let usual =
            [server.url("/?secret=1").to_string(), "--set=log.file=log".to_owned(), "--fresh".to_owned()];
        let arguments: Vec<_> = usual.iter().map(String::as_str).chain(more.iter().copied()).collect();
        place.crawl(&arguments)
    };
    let ended = run(&[]);
    ended.assert(0, &["discovered "]);
    assert!(!ended.stderr.contains("state changed"), "{ended}");
    let first = rows(&place.path("log"));
    assert!(first.iter().all(|row| row["timestamp"].is_string() && row["level"] == "INFO"), "{first:#?}");
    assert_eq!(first.last().map(|row| &row["state"]), Some(&Value::from("stopped")));
    run(&["-q"]).assert(0, &[]);
    assert_eq!(rows(&place.path("log")).len(), first.len(), "errors only, and there is none");
    run(&[]).assert(0, &[]);
    assert_eq!(rows(&place.path("log")).len(), 2 * first.len());
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let place = Place::new();
    place
        .crawl(&["http://127.0.0.1/", "--set=log.file=missing/log"])
        .assert(4, &["could not open the log file missing/log", "No such file"]);
}

#[test]
fn text_is_for_people_and_has_no_colours_where_there_is_no_terminal() {
    let server = server();
    let ended = Place::new().crawl(&[server.url("/?secret=1").as_str(), "--log-format=text"]);
    ended.assert(0, &["INFO dragline::actor: state changed state=\"running\""]);
    assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
}
