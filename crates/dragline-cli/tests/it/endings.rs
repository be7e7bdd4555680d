//! Tests how a crawl ends when a signal says so.

use std::time::Duration;

use dragline_testkit::{Reply, ScriptedServer, Scripts, Server, Site, Step, wait_until};

use crate::process::{CRAWL, PATIENCE, Place, Running};

/// A site whose home page links to many pages, each slow enough to be in flight when a signal comes.
fn slow_site() -> Server {
    Server::start(site_of_many().delay(Duration::from_millis(100))).expect("a loopback port is free")
}

/// The same, as fast as it can.
fn many_pages() -> Server {
    Server::start(site_of_many()).expect("a loopback port is free")
}

fn site_of_many() -> Site {
    let links: String = (0..500).map(|number| format!("<a href=/page/{number}>x</a>")).collect();
    let site = Site::new().on("/", Reply::html(links));
    site.fallback(|path| path.starts_with("/page/").then(|| Reply::html("page")))
}

/// Starts a crawl and waits until some pages are fetched.
fn start(place: &Place, server: &Server) -> Running {
    let crawl = place.start_crawl(&[server.url("/").as_str(), "--per-host=4"]);
    let begun = wait_until(PATIENCE, || server.log().count() >= 10);
    assert!(begun, "{}", crawl.stderr());
    crawl
}

#[test]
fn one_signal_finishes_what_is_in_flight_and_accounts_for_the_rest() {
    for signal in ["INT", "TERM"] {
        let (place, server) = (Place::new(), slow_site());
        let mut crawl = start(&place, &server);
        crawl.signal(signal);
        crawl
            .wait()
            .assert(0, &["finishing what is in flight; ^C again stops at once", "drained: ", "pending "]);
        let results = place.results();
        assert_eq!(results.report["ended"], "drained");
        assert!(results.count("pending") > 0);
        assert_eq!(results.counts("failed").len(), 0, "what was in flight ended well");
        // All that the server was asked is in the report: nothing in flight was thrown away.
        let asked = results.count("fetches") + results.count("robots_fetches");
        assert_eq!(asked, server.log().count());
        assert_eq!(results.count("done"), results.count("fetches"));
    }
}

#[test]
fn a_second_signal_stops_at_once_with_the_code_of_the_signal() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (place, server) = (Place::new(), hanging_site());
        let mut crawl = place.start_crawl(&[server.url("/").as_str()]);
        assert!(wait_until(PATIENCE, || server.log().count_of("/slow") == 1), "{}", crawl.stderr());
        crawl.signal(signal);
        crawl.wait_for("finishing what is in flight");
        crawl.signal(signal);
        crawl.wait().assert(code, &["stopped: ", " = done 1 "]);
        let results = place.results();
        assert_eq!(results.report["ended"], "stopped");
        assert!(results.count("pending") > 0);
    }
}

#[test]
fn a_limit_of_file_sizes_ends_the_crawl_and_names_the_file() {
    let (place, server) = (Place::new(), many_pages());
    // 32 KiB; a line for each of 500 pages needs several times as much.
    let crawl = place.start_after("ulimit -f 64", &[&CRAWL[..], &[server.url("/").as_str()]].concat());
    crawl.wait().assert(6, &["error: ", "out/pages.jsonl reached the file size limit", "failed: "]);
}

#[test]
fn either_signal_ends_the_wait_for_a_last_scrape() {
    let server = Server::start(Site::new().on("/", Reply::html("home"))).expect("a loopback port is free");
    for signal in ["INT", "TERM"] {
        let place = Place::new();
        let lingering = ["--listen=127.0.0.1:0", "--set=admin.linger=1h"];
        let usual = ["run", "--allow-net=127.0.0.0/8", "--delay=0s", "--out=out", "--progress=off"];
        let mut crawl = place.start(&[&usual[..], &lingering, &[server.url("/").as_str()]].concat());
        crawl.wait_for("metrics stay up for 1h00m00s, for a last scrape; ^C ends that");
        place.results();
        crawl.signal(signal);
        crawl.wait().assert(0, &["finished: "]);
    }
}

/// A site with a page that is never answered: only a second signal ends its fetch.
fn hanging_site() -> ScriptedServer {
    let answer = |text: &str| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", text.len());
        vec![Step::send(head + text)]
    };
    let scripts = Scripts::new()
        .on("/robots.txt", answer(""))
        .on("/", answer("<a href=/slow>slow</a>"))
        .on("/slow", vec![Step::Hang]);
    ScriptedServer::start(scripts).expect("a loopback port is free")
}
