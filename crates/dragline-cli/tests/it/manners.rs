//! Judges the crawler's manners by the server's own log: robots.txt, gaps, and requests to come back later.

use std::time::Duration;

use dragline_testkit::{Reply, Server, Site};

use crate::process::Place;

fn start(site: Site) -> Server {
    Server::start(site).expect("a loopback port is free")
}

fn robots(text: &str) -> Reply {
    Reply::ok("text/plain", text)
}

#[test]
fn what_robots_txt_disallows_is_never_requested() {
    let home =
        "<a href=/open>a</a><a href=/private/1>b</a><a href='/open?secret=1'>c</a><a href=/private/ok>d</a>";
    let rules = "User-agent: other\nDisallow: /\n\nUser-agent: dragline\nDisallow: /private/\nAllow: /private/ok\n\
                 Disallow: /*?secret\n";
    let site = Site::new()
        .on("/robots.txt", robots(rules))
        .on("/", Reply::html(home))
        .on("/open", Reply::html("<a href=/private/2>e</a>"))
        .on("/private/ok", Reply::html("allowed"));
    let (server, place) = (start(site), Place::new());
    place.crawl(&[server.url("/").as_str()]).assert(0, &["robots 3"]);
    let asked: Vec<_> = server.log().counts().into_keys().collect();
    let host = server.addresses()[0];
    assert_eq!(asked, ["/", "/open", "/private/ok", "/robots.txt"].map(|path| format!("{host}{path}")));
    let results = place.results();
    let skip = results.skip(server.url("/private/2").as_str());
    assert_eq!(skip["reason"], "robots");
    assert_eq!(skip["source"], format!("{}:5", server.url("/robots.txt")));
    assert_eq!(skip["referrer"], server.url("/open").as_str());
}

#[test]
fn robots_txt_that_cannot_be_had_means_that_nothing_is_requested() {
    let site = Site::new().on("/robots.txt", Reply::status(500)).on("/", Reply::html("home"));
    let (server, place) = (start(site), Place::new());
    let ended = place.crawl(&[server.url("/").as_str()]);
    let origin = format!("http://{}", server.addresses()[0]);
    ended.assert(4, &["no seed led to a page", "robots_unreachable", &origin, "500"]);
    assert_eq!(server.log().count_of("/"), 0);
    assert_eq!(server.log().count_of("/robots.txt"), 3, "it is tried as often as [retry] attempts says");
    let results = place.results();
    assert_eq!(results.report["robots_unreachable"][0]["origin"], origin.as_str());
    assert_eq!(results.count("fetches"), 0);
}

#[test]
fn the_agent_and_its_contact_are_in_every_request() {
    let (server, place) = (start(Site::new().on("/", Reply::html("home"))), Place::new());
    let more = ["--contact=https://bot.invalid/", "--set=agent.name=Silk"];
    place.crawl(&[&[server.url("/").as_str()], more.as_slice()].concat()).assert(0, &["Silk/"]);
    let requests = server.log().requests();
    assert!(requests.len() == 2 && requests.iter().all(|request| request.user_agent.starts_with("Silk/")));
    assert!(
        requests.iter().all(|request| request.user_agent.contains("+https://bot.invalid/")),
        "{requests:?}"
    );
}

#[test]
fn the_gap_between_two_requests_is_never_shorter_than_the_delay() {
    let home: String = (0..5).map(|number| format!("<a href=/{number}>x</a>")).collect();
    let site = Site::new().on("/", Reply::html(home)).fallback(|_| Some(Reply::html("page")));
    let (server, place) = (start(site), Place::new());
    place.crawl(&[server.url("/").as_str(), "--delay=300ms", "--per-host=4"]).assert(0, &["done 6"]);
    let gaps = server.log().gaps(&server.addresses()[0].to_string());
    assert_eq!(gaps.len(), 6);
    // A request may be longer on its way than the next one.
    let least = Duration::from_millis(300 - 100);
    assert!(gaps.iter().all(|gap| *gap >= least), "{gaps:?}");
    assert!(gaps.iter().sum::<Duration>() >= Duration::from_millis(6 * 300 - 100), "{gaps:?}");
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    // A 429 asks for patience and takes no attempt; a 503 is a failure too.
    for (status, attempt) in [(429, 1), (503, 2)] {
        let site = Site::new().on_each("/", vec![Reply::retry_after(status, 1), Reply::html("now")]);
        let (server, place) = (start(site), Place::new());
        place.crawl(&[server.url("/").as_str()]).assert(0, &["done 1"]);
        let requests = server.log().requests();
        let asked: Vec<_> = requests.iter().filter(|request| &*request.path == "/").collect();
        assert_eq!(asked.len(), 2);
        let gap = asked[1].at.saturating_sub(asked[0].at);
        assert!(gap >= Duration::from_secs(1), "came back after {gap:?}");
        assert_eq!(place.results().page(server.url("/").as_str())["attempt"], attempt);
    }
}

#[test]
fn an_error_of_the_server_is_tried_again_as_often_as_configured() {
    let site = Site::new().on("/", Reply::html("<a href=/error>x</a>")).on("/error", Reply::status(500));
    let (server, place) = (start(site), Place::new());
    place.crawl(&[server.url("/").as_str(), "--set=retry.attempts=2"]).assert(0, &["http_error 1"]);
    assert_eq!(server.log().count_of("/error"), 2);
    let results = place.results();
    let row = results.page(server.url("/error").as_str());
    assert_eq!(
        (&row["status"], &row["kind"], &row["attempt"]),
        (&500.into(), &"http_error".into(), &2.into())
    );
    assert_eq!(results.count("retries"), 1);
}
