//! Tests `dragline fetch` with many URLs, over hops with one deadline, and with readers that go away.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use dragline_testkit::{ChildGuard, Reply, ScriptedServer, Scripts, Server, Site, Step, ports};

use crate::fetch_kit::{fetch, fetch_with, parse, record};
use crate::process::{PATIENCE, Place};

/// Answers every path but `/missing/..` with itself.
fn server() -> Server {
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nAllow: /\n"))
        .fallback(|path| (!path.starts_with("/missing")).then(|| Reply::html(path)));
    Server::start(site).expect("a loopback port is free")
}

#[test]
fn every_line_of_a_file_has_its_record() {
    let (server, place) = (server(), Place::new());
    let mut text = String::from("\u{feff}# fifty pages\n\n");
    for number in 0..50 {
        text.push_str(&format!("  {}\r\n", server.url(&format!("/{number}"))));
    }
    text.push_str("no url\nhttp://\u{fc}\u{20}x/\n");
    place.write("urls", &text);
    let first = server.url("/first").to_string();
    let ended = fetch(&place, &[&first, "--urls=urls", "--jsonl=out.jsonl"]);
    ended.assert(1, &["53 fetched: ok 51, invalid_url 2"]);
    assert_eq!(ended.stdout, "", "the records are in the file");
    let records = parse(&fs::read_to_string(place.path("out.jsonl")).expect("the records are written"));
    let urls: BTreeSet<&str> = records.iter().filter_map(|record| record["url"].as_str()).collect();
    assert_eq!((records.len(), urls.len()), (53, 53));
    for record in records.iter().filter(|record| record["outcome"] == "ok") {
        let path =
            record["url"].as_str().and_then(|url| url.rsplit_once('/')).map(|(_, path)| path.len() + 1);
        assert_eq!(record["bytes"].as_u64(), path.map(|len| len as u64), "{record}");
    }
    assert!(urls.contains("no url"), "as given");
    assert_eq!(server.log().count_of("/robots.txt"), 1, "asked once for all");
    assert_eq!(server.log().count(), 52);
}

#[test]
fn urls_come_from_standard_input_and_records_say_what_the_body_was() {
    let (server, place) = (server(), Place::new());
    let ended = fetch_with(&place, &["--urls=-"], &format!("{}\n", server.url("/abc")), &[]);
    ended.assert(0, &["1 fetched: ok 1"]);
    let records = parse(&ended.stdout);
    // printf /abc | sha256sum
    let digest = "aaaea3613df9f409e3b79264ca21c3e12e99ad2d7b0f6fc9b4ca2f4610b878a1";
    assert_eq!(records[0]["sha256"], digest);
    assert_eq!((&records[0]["http"], &records[0]["tls"]), (&"1.1".into(), &serde_json::Value::Null));
}

#[test]
fn a_host_is_spared_also_when_many_of_its_urls_are_fetched() {
    let (server, place) = (server(), Place::new());
    let urls: String = (0..8).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    place.write("urls", &urls);
    // Less than the gaps of all together: a URL's time begins when its turn comes.
    let arguments =
        ["--urls=urls", "--timeout=2s", "--set=politeness.delay=400ms", "--set=politeness.concurrency=1"];
    fetch(&place, &arguments).assert(0, &["8 fetched: ok 8"]);
    let asked = server.log().requests();
    assert_eq!((asked.len(), &*asked[0].path), (9, "/robots.txt"));
    let gaps: Duration = server.log().gaps(&server.addresses()[0].to_string()).iter().sum();
    assert!(
        gaps >= Duration::from_millis(2_500),
        "eight gaps of 400 ms, however late each arrives: {gaps:?}"
    );
}

#[test]
fn one_deadline_is_over_all_hops() {
    // Each hop is well within any limit of its own; ten of them are not.
    let mut scripts = Scripts::new();
    for number in 0..10 {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: /{}\r\nContent-Length: 0\r\n\r\n", number + 1);
        scripts =
            scripts.on(format!("/{number}"), vec![Step::Wait(Duration::from_millis(400)), Step::send(head)]);
    }
    let server = ScriptedServer::start(scripts).expect("a loopback port is free");
    let place = Place::new();
    let record = record(&place, &[server.url("/0").as_str(), "--timeout=1s"], 1);
    assert_eq!(record["outcome"], "timeout", "{record}");
    assert!(record["chain"].as_array().is_some_and(|chain| (1..=2).contains(&chain.len())), "{record}");
    assert_eq!(record["error"]["phase"], "ttfb", "{record}");
    let message = "the deadline of 1s for all hops and waits passed";
    assert_eq!(record["error"]["message"], message, "{record}");
}

#[test]
fn people_are_told_on_standard_error_when_they_ask() {
    let (server, place) = (server(), Place::new());
    let ended = fetch(&place, &["--phases", server.url("/x").as_str()]);
    ended.assert(
        0,
        &[
            "200 OK  HTTP/1.1  text/html; charset=utf-8  2 B  from 127.0.0.1\n",
            "  total ",
            "   robots: allowed (line 2)",
        ],
    );
    assert_eq!(parse(&ended.stdout).len(), 1);
    let quiet = fetch(&place, &["-q", server.url("/x").as_str()]);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn body_and_record_go_to_places_of_their_own() {
    let (server, place) = (server(), Place::new());
    let url = server.url("/abc").to_string();
    let ended = fetch(&place, &[&url, "--output=-", "--jsonl=record"]);
    ended.assert(0, &["1 fetched: ok 1"]);
    assert_eq!(ended.stdout, "/abc");
    let read = |name: &str| fs::read_to_string(place.path(name)).expect("it was written");
    assert_eq!(parse(&read("record")).len(), 1);

    fetch(&place, &[&url, "--output=body"]).assert(0, &[]);
    fetch(&place, &[server.url("/missing").as_str(), "--output=missing"]).assert(1, &[]);
    let nobody = format!("http://{}/", ports::free_address().expect("a loopback port is free"));
    fetch(&place, &[&nobody, "--output=body"]).assert(1, &[]);
    assert_eq!(
        (&*read("body"), &*read("missing")),
        ("/abc", "404 Not Found\n"),
        "what is no response is not written"
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (server, place) = (server(), Place::new());
    let urls: String = (0..500).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    place.write("urls", &urls);
    // What never answers is no reason to stay.
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    let address = silent.local_addr().expect("it is bound");
    place.write("urls", &format!("{urls}http://{address}/\n"));
    let script = "\"$0\" fetch --urls=urls --ignore-robots --allow-net=127.0.0.0/8 --set=politeness.delay=0s \
                  --set=politeness.adaptive=false --set=politeness.concurrency=8 2>stderr | head -n 1 >stdout";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_dragline")]).current_dir(place.path(""));
    command.stdin(Stdio::null()).env_clear().env("HOME", place.path("")).env("PATH", "/usr/bin:/bin");
    let mut child = ChildGuard::start(&mut command).expect("a shell runs");
    let status = child.wait(PATIENCE).expect("the system knows its children");
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let read = |name: &str| fs::read_to_string(place.path(name)).expect("it was written");
    assert_eq!(parse(&read("stdout")).len(), 1);
    let stderr = read("stderr");
    assert!(!stderr.contains("error") && !stderr.contains("panic"), "{stderr}");
}
