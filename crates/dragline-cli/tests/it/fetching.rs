//! Tests `dragline fetch`: one record for each URL, through the guards of a crawl.

use std::fs;

use dragline_testkit::{Reply, Server, Site, ports};
use serde_json::Value;

use crate::process::{Ended, Place};

fn server() -> Server {
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /private/\n"))
        .on("/", Reply::html_gzip("<p>home"))
        .on("/moved", Reply::redirect(302, "/moved/again"))
        .on("/moved/again", Reply::redirect(301, "/"))
        .on("/moved/private", Reply::redirect(302, "/private/x"))
        .on("/loop", Reply::redirect(302, "/loop"));
    Server::start(site).expect("a loopback port is free")
}

fn fetch(place: &Place, arguments: &[&str]) -> Ended {
    let usual =
        ["fetch", "--allow-net=127.0.0.0/8", "--set=politeness.delay=0s", "--set=politeness.adaptive=false"];
    place.run(&[&usual, arguments].concat())
}

/// Fetches one URL, asserts the exit code, and returns the record.
fn record(arguments: &[&str], code: i32) -> Value {
    let ended = fetch(&Place::new(), arguments);
    ended.assert(code, &[]);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"))
}

#[test]
fn a_page_becomes_one_record() {
    let server = server();
    let url = server.url("/").to_string();
    let record = record(&[&url], 0);
    assert_eq!((&record["outcome"], &record["status"]), (&"ok".into(), &200.into()));
    assert_eq!((&record["url"], &record["final_url"]), (&url.as_str().into(), &url.as_str().into()));
    assert_eq!((&record["bytes"], &record["robots"]), (&7.into(), &"allowed".into()));
    assert_eq!(record["peer"], server.addresses()[0].to_string());
    assert_eq!(record["content_type"], "text/html; charset=utf-8");
    assert!(record["phases"]["total_ms"].as_f64().is_some_and(|total| total > 0.0), "{record}");
    assert_eq!(record["error"], Value::Null);
}

#[test]
fn what_goes_wrong_is_told_in_the_record_and_by_the_exit_code() {
    let server = server();
    let nobody = format!("http://{}/", ports::free_address().expect("a loopback port is free"));
    let check = |url: &str, outcome: &str, robots: &str, message: &str| {
        let record = record(&[url], 1);
        assert_eq!((&record["outcome"], &record["robots"]), (&outcome.into(), &robots.into()), "{record}");
        assert!(record["error"]["message"].as_str().unwrap_or_default().contains(message), "{record}");
    };
    check(server.url("/missing").as_str(), "http_error", "allowed", "");
    check(server.url("/private/x").as_str(), "robots_denied", "disallowed", "/robots.txt:2 disallows it");
    check(server.url("/moved/private").as_str(), "robots_denied", "disallowed", "/robots.txt:2 disallows it");
    check(server.url("/loop").as_str(), "redirect_error", "allowed", "redirects do not end");
    check(&nobody, "connect_error", "unreachable", "connection refused");
    check("example", "invalid_url", "not_asked", "not an absolute URL");
    assert_eq!(server.log().count_of("/private/x"), 0);
}

#[test]
fn redirects_are_followed_and_named_unless_told_otherwise() {
    let server = server();
    let url = server.url("/moved").to_string();
    let followed = record(&[&url], 0);
    assert_eq!(followed["chain"], serde_json::json!([url, server.url("/moved/again").as_str()]));
    assert_eq!(
        (&followed["final_url"], &followed["status"]),
        (&server.url("/").as_str().into(), &200.into())
    );
    let told = record(&[&url, "--no-follow"], 0);
    assert_eq!((&told["outcome"], &told["status"]), (&"redirect".into(), &302.into()));
    assert_eq!((&told["final_url"], &told["chain"]), (&url.as_str().into(), &serde_json::json!([])));
}

#[test]
fn an_address_of_this_machine_is_refused_and_the_option_is_named() {
    let server = server();
    let place = Place::new();
    for more in [&[][..], &["--ignore-robots"]] {
        let ended = place.run(&[&["fetch", server.url("/").as_str()], more].concat());
        ended.assert(1, &[]);
        let record: Value = serde_json::from_str(&ended.stdout).expect("a record is JSON");
        assert_eq!(record["outcome"], "blocked", "{record}");
        assert!(ended.stdout.contains("--allow-net 127.0.0.0/8"), "{ended}");
    }
    assert_eq!(server.log().connections(), 0);
}

#[test]
fn the_body_goes_where_it_is_wanted() {
    let server = server();
    let (url, place) = (server.url("/").to_string(), Place::new());
    let ended = fetch(&place, &[&url, "--output=-"]);
    ended.assert(0, &[]);
    assert_eq!(ended.stdout, "<p>home", "decoded, and no record");
    let ended = fetch(&place, &[&url, "--output=body"]);
    ended.assert(0, &[]);
    assert_eq!(fs::read(place.path("body")).expect("there is a file"), b"<p>home");
    assert!(ended.stdout.contains("\"status\":200"), "{ended}");
    fetch(&place, &[&url, "--output=missing/body"])
        .assert(6, &["could not write missing/body", "No such file"]);
}

#[test]
fn each_url_has_its_record_and_one_that_fails_is_enough_for_the_exit_code() {
    let server = server();
    let (home, missing) = (server.url("/").to_string(), server.url("/missing").to_string());
    let ended = fetch(&Place::new(), &[&missing, &home, "--head", "--ignore-robots"]);
    ended.assert(1, &[]);
    let statuses =
        ended.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [404, 200].map(Value::from));
    assert!(server.log().requests().iter().all(|request| &*request.method == "HEAD"));
    assert_eq!(server.log().count_of("/robots.txt"), 0);
}

#[test]
fn mistakes_of_the_command_line_are_named() {
    let place = Place::new();
    fetch(&place, &[]).assert(2, &["required arguments were not provided", "<URL>"]);
    fetch(&place, &["http://127.0.0.1/", "--timeout=1x"]).assert(3, &["--timeout", "\"1x\"", "\"250ms\""]);
}
