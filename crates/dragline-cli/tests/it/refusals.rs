//! Tests what the program says, and how it exits, when it is told something that cannot work.

use std::fs;
use std::net::TcpListener;

use dragline_testkit::server::Bound;
use dragline_testkit::{Reply, Server, Site, ports};

use crate::process::Place;

fn one_page() -> Server {
    Server::start(Site::new().on("/", Reply::html("home"))).expect("a loopback port is free")
}

#[test]
fn mistakes_of_the_command_line_and_the_configuration_are_named() {
    let check = |arguments: &[&str], code: i32, words: &[&str]| {
        let place = Place::new();
        place.crawl(arguments).assert(code, words);
        assert!(!place.path("out").exists(), "nothing is written for {arguments:?}");
    };
    check(&[], 3, &["no seeds", "on the command line", "[seeds] urls"]);
    check(
        &["example"],
        3,
        &["not an absolute URL", "command line argument 1", "example", "https://host/path"],
    );
    check(&["http://127.0.0.1/", "ftp://x/"], 3, &["scheme \"ftp\"", "command line argument 2"]);
    check(&["https://example.invalid/"], 3, &["`agent.contact` is missing", "--contact"]);
    check(&["http://127.0.0.1/", "--wat"], 2, &["unexpected argument '--wat'", "Usage: dragline run"]);
    check(
        &["http://127.0.0.1/", "--set=fetch.concurency=3"],
        3,
        &["unknown key `fetch.concurency`", "did you mean `fetch.concurrency`?"],
    );
    check(&["http://127.0.0.1/", "--delay=soon"], 3, &["--delay", "\"soon\"", "write it as \"250ms\""]);
    check(&["-c", "missing.toml"], 3, &["cannot read missing.toml"]);
}

/// A file with a mistake of every kind.
const MISTAKES: &str = "\
[fetch]
concurency = 4
deadline = \"5 parsecs\"
[politeness]
concurrency = \"many\"
[scope]
mode = \"planet\"
[security]
allow_networks = [\"127.0.0.0/99\"]
";

#[test]
fn every_mistake_of_a_file_is_named_at_once_with_its_place() {
    let place = Place::new();
    place.write("bad.toml", MISTAKES);
    let words = [
        "bad.toml:2:1",
        "did you mean `concurrency`?",
        "bad.toml:3:",
        "parsecs",
        "bad.toml:5:",
        "bad.toml:7:",
        "planet",
        "bad.toml:9:",
        "127.0.0.0/99",
        "5 errors",
    ];
    place.run(&["config", "check", "-c", "bad.toml"]).assert(3, &words);
    place.crawl(&["-c", "bad.toml", "http://127.0.0.1/"]).assert(3, &words);
}

#[test]
fn a_good_configuration_is_called_good() {
    let place = Place::new();
    place.write("good.toml", "[seeds]\nurls = ['http://127.0.0.1/']\n[agent]\nname = 'Checked'\n");
    let ended = place.run(&["config", "check", "-c", "good.toml"]);
    ended.assert(0, &[]);
    assert!(ended.stdout.starts_with("ok: 1 seed, agent Checked/"), "{ended}");
}

#[test]
fn a_host_that_refuses_connections_is_named_with_the_cause() {
    let nobody = ports::free_address().expect("a loopback port is free");
    let url = format!("http://{nobody}/");
    for robots in ["true", "false"] {
        let place = Place::new();
        let ended = place.crawl(&[&url, &format!("--set=robots.obey={robots}")]);
        ended.assert(
            4,
            &["no seed led to a page", &url, &format!("connecting to {nobody} failed: connection refused")],
        );
        place.results();
    }
}

#[test]
fn an_address_of_this_machine_is_refused_by_default_and_the_option_is_named() {
    let server = one_page();
    let url = server.url("/").to_string();
    let place = Place::new();
    let ended = place.run(&["run", &url, "--listen=", "--out=out"]);
    ended.assert(4, &["--allow-net 127.0.0.0/8", "loopback", &url, "no seed led to a page"]);
    place.results();
    assert_eq!(server.log().connections(), 0);
}

#[test]
fn a_page_that_leads_to_the_admin_server_of_its_own_crawl_leads_nowhere() {
    let bound = Bound::hosts(1).expect("a loopback port is free");
    let seed = format!("{}/", bound.origins()[0]);
    let place = Place::new();
    // The port is the system's choice, so that the page can only be written once the crawl has said it.
    let config =
        "[scope]\nmode = 'any'\n[robots]\nobey = false\n[security]\nallow_networks = ['127.0.0.0/8']\n";
    place.write("dragline.toml", config);
    let mut crawl = place.start(&["run", &seed, "--listen=127.0.0.1:0", "--out=out", "--delay=0s"]);
    crawl.wait_for("/metrics\n");
    let said = crawl.stderr();
    let admin = said.split("metrics http://").nth(1).and_then(|rest| rest.split("/metrics").next());
    let admin = admin.expect("it says where its metrics are");
    let port = admin.rsplit(':').next().expect("an address has a port");
    let links = [format!("http://{admin}/metrics"), format!("http://0x7f.1:{port}/healthz")];
    let home: String = links.iter().map(|link| format!("<a href='{link}'>x</a>")).collect();
    let site = Site::new().on("/", Reply::html(home));
    let _server = bound.serve(vec![site]).expect("the socket is bound");
    crawl.wait().assert(0, &["done 1"]);
    let results = place.results();
    assert_eq!(results.counts("failed"), [("blocked".to_owned(), 2)].into());
    let error = &results.page(&links[0])["error"];
    let words = format!("{admin} is where this program itself serves");
    assert!(error.to_string().contains(&words), "{error}");
}

#[test]
fn an_admin_port_in_use_is_named_before_anything_is_written() {
    let server = one_page();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let place = Place::new();
    let ended = place.run(&["run", server.url("/").as_str(), "--out=out", "--listen", &address]);
    ended.assert(4, &[&address, "in use", "--listen 127.0.0.1:0", "--listen \"\""]);
    assert!(!place.path("out").exists());
    assert_eq!(server.log().connections(), 0);
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named_with_the_cause() {
    let server = one_page();
    let place = Place::new();
    place.write("file", "in the way");
    let ended = place.run(&["run", server.url("/").as_str(), "--listen=", "--out=file/sub"]);
    ended.assert(4, &["cannot use the output folder file/sub", "Not a directory", "--out DIR"]);
    assert_eq!(fs::read_to_string(place.path("file")).expect("it is there"), "in the way");
}

#[test]
fn results_without_their_state_are_refused_unless_they_are_to_be_replaced() {
    let server = one_page();
    let (url, place) = (server.url("/").to_string(), Place::new());
    place.crawl(&[&url]).assert(0, &[]);
    let report = fs::read(place.path("out/report.json")).expect("there is a report");
    place.write("out/mine.txt", "not of the crawl");
    place.write("out/state/mine.txt", "not of the crawl");
    fs::rename(place.path("out/state"), place.path("elsewhere")).expect("it can be moved");

    let ended = place.crawl(&[&url]);
    ended.assert(4, &["the output folder out holds an earlier run", "--fresh"]);
    assert_eq!(
        fs::read(place.path("out/report.json")).expect("there is a report"),
        report,
        "nothing changed"
    );
    assert!(!place.path("out/state").exists(), "nothing was written");
    assert_eq!(server.log().count_of("/"), 1);

    fs::rename(place.path("elsewhere"), place.path("out/state")).expect("it can be moved");
    place.crawl(&[&url, "--fresh"]).assert(0, &[]);
    assert_eq!(place.results().count("done"), 1);
    for mine in ["out/mine.txt", "out/state/mine.txt"] {
        assert_eq!(fs::read_to_string(place.path(mine)).expect("it is there"), "not of the crawl");
    }
}
