//! Tests what is crawled and what is not, and that the rest is accounted for with its reason.

use std::time::Duration;

use dragline_testkit::server::Bound;
use dragline_testkit::{Reply, Server, Site};

use crate::process::Place;
use crate::results::rows;

/// A tree: the page `/1` links to `/10` to `/19`, and so on, ten links a page.
fn tree() -> Server {
    let page = |path: &str| {
        let number = path.strip_prefix('/')?;
        number.parse::<u64>().ok()?;
        let links: String = (0..10).map(|digit| format!("<a href=/{number}{digit}>x</a>")).collect();
        Some(Reply::html(format!("<title>page {number}</title>{links}")))
    };
    Server::start(Site::new().fallback(page)).expect("a loopback port is free")
}

#[test]
fn links_beyond_the_depth_are_refused_and_not_discovered() {
    let (server, place) = (tree(), Place::new());
    place.crawl(&[server.url("/1").as_str(), "--depth=2"]).assert(0, &["done 111"]);
    let results = place.results();
    assert_eq!(results.count("discovered"), 111);
    assert_eq!(results.report["links_refused"]["depth"], 1_000);
    assert_eq!(server.log().count(), 112, "with robots.txt");
    assert!(results.pages.iter().all(|row| row["depth"].as_u64().is_some_and(|depth| depth <= 2)));
    assert_eq!(results.page(server.url("/123").as_str())["title"], "page 123");
}

#[test]
fn urls_beyond_the_budget_are_skipped_for_it() {
    let (server, place) = (tree(), Place::new());
    let ended = place.crawl(&[server.url("/1").as_str(), "--depth=2", "--max-urls=20"]);
    ended.assert(0, &["done 20", "budget 91"]);
    assert_eq!(server.log().count(), 21, "with robots.txt");
    let results = place.results();
    assert!(results.skipped.iter().all(|row| row["reason"] == "budget" && row["source"] == "--max-urls"));
}

#[test]
fn excluded_urls_are_skipped_by_the_filter_that_names_them() {
    let (server, place) = (tree(), Place::new());
    let config = "[scope]\nexclude = ['*/nothing*', '*/13*']\ndepth_max = 2\n";
    place.write("dragline.toml", config);
    place.crawl(&[server.url("/1").as_str()]).assert(0, &["done 100", "filter 1"]);
    let results = place.results();
    let skip = results.skip(server.url("/13").as_str());
    assert_eq!((&skip["reason"], &skip["rule"]), (&"filter".into(), &"scope.exclude".into()));
    assert_eq!(skip["source"], "dragline.toml:2");
    assert_eq!(server.log().count_of("/13"), 0);
}

#[test]
fn a_seed_that_redirects_out_of_the_scope_is_named_with_its_target_and_the_key() {
    let bound = Bound::hosts(2).expect("loopback ports are free");
    let origins = bound.origins();
    let away = format!("{}/away", origins[1]);
    let sites =
        vec![Site::new().on("/", Reply::redirect(302, &away)), Site::new().on("/away", Reply::html("far"))];
    let server = bound.serve(sites).expect("the sockets are bound");
    let place = Place::new();
    let ended = place.crawl(&[server.url("/").as_str()]);
    ended.assert(
        4,
        &["no seed led to a page", &format!("{away} skipped(scope)"), "scope.mode", "scope.seed_redirects"],
    );
    assert_eq!(server.log().count_of("/away"), 0);
    let results = place.results();
    assert_eq!(results.page(server.url("/").as_str())["redirect_target"], away.as_str());

    let place = Place::new();
    place.crawl(&[server.url("/").as_str(), "--set=scope.seed_redirects=any"]).assert(0, &["done 1"]);
    assert_eq!(place.results().page(&away)["status"], 200);
}

#[test]
fn sinks_of_the_configuration_get_the_same_rows_as_the_files_of_every_crawl() {
    let (server, place) = (tree(), Place::new());
    let config = "[scope]\ndepth_max = 1\nexclude = ['*/13']\n\
        [[sink]]\nname = 'copy'\nkind = 'jsonl'\nrecords = 'pages'\npath = 'copy.jsonl'\n\
        [[sink]]\nname = 'refused'\nkind = 'jsonl'\nrecords = 'skipped'\npath = 'refused.jsonl'\n\
        [[sink]]\nname = 'table'\nkind = 'csv'\nrecords = 'pages'\npath = 'sub/table.csv'\n";
    place.write("dragline.toml", config);
    place.crawl(&[server.url("/1").as_str()]).assert(0, &["done 10"]);
    let results = place.results();
    assert_eq!(rows(&place.path("out/copy.jsonl")), results.pages);
    assert_eq!(rows(&place.path("out/refused.jsonl")), results.skipped);
    assert_eq!((results.pages.len(), results.skipped.len()), (10, 1));
    let table = std::fs::read_to_string(place.path("out/sub/table.csv")).unwrap();
    let mut lines = table.lines();
    assert!(lines.next().is_some_and(|header| header.starts_with("url,disposition,kind,")), "{table}");
    let urls: Vec<_> = lines.map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(urls, results.pages.iter().map(|row| row["url"].as_str().unwrap()).collect::<Vec<_>>());
}

/// Three hosts on which every feature of a crawl meets the others.
fn everything() -> Server {
    let bound = Bound::hosts(3).expect("loopback ports are free");
    let other = format!("{}/", bound.origins()[1]);
    let home = format!(
        "<base href=/deep/><a href=1>a</a><a href=/private/1>b</a><a href=/private/2>c</a><a href=/moved>d</a>\
         <a href=/loop/a>e</a><a href=/broken>f</a><a href=/calendar/1>h</a><a href='{other}'>i</a>\
         <a href=http://elsewhere.invalid/>j</a><a href=/never rel=nofollow>k</a><a href=http://>l</a>\
         <iframe src=/frame></iframe><meta http-equiv=refresh content='0; url=/refreshed'><a href=/gone#x>m</a>"
    );
    let deep = |path: &str| {
        let number: u32 = path.strip_prefix("/deep/")?.parse().ok()?;
        let next: String = (1..5).map(|step| format!("<a href=/deep/{}>x</a>", number * 2 + step)).collect();
        Some(Reply::html_gzip(format!("<a href=/deep/{number}>self</a>{next}")))
    };
    let site = Site::new()
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /private/\n"))
        .on("/", Reply::html(home))
        .on("/moved", Reply::redirect(301, "/deep/2"))
        .on("/loop/a", Reply::redirect(302, "/loop/b"))
        .on("/loop/b", Reply::redirect(302, "/loop/a"))
        .on_each("/broken", vec![Reply::status(500), Reply::status(500), Reply::html("whole again")])
        .on("/frame", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut"))
        .on("/refreshed", Reply::ok("text/plain", "no page"))
        .fallback(deep)
        // Slow enough that the second host's robots.txt is given up before the budget is used up.
        .delay(Duration::from_millis(40));
    let second = Site::new().on("/robots.txt", Reply::status(500)).on("/", Reply::html("unseen"));
    let third = Site::new().on_each("/", vec![Reply::retry_after(429, 1), Reply::html("at last")]);
    bound.serve(vec![site, second, third]).expect("the sockets are bound")
}

#[test]
fn every_url_is_accounted_for_when_everything_happens_in_one_crawl() {
    let (server, place) = (everything(), Place::new());
    let config = format!(
        "[seeds]\nurls = ['{}', '{}', '{}']\n[scope]\nexclude = ['*/calendar/*']\nurls_max = 40\ndepth_max = 6\n\
         [fetch]\nconcurrency = 4\npages_max = 5\n[[sink]]\nname = 'copy'\nkind = 'jsonl'\nrecords = 'pages'\n\
         path = 'copy.jsonl'\ncredits = 1\n[[handler]]\nname = 'links'\nkind = 'extract_links'\nworkers = 1\n\
         credits = 1\n",
        server.url("/"),
        server.url_at(1, "/"),
        server.url_at(2, "/")
    );
    place.write("dragline.toml", &config);
    place.crawl(&["--per-host=3"]).assert(0, &["finished: "]);
    let results = place.results();
    assert_eq!(results.report["ended"], "finished");
    assert_eq!(results.count("pending"), 0);
    let skipped = results.counts("skipped");
    for reason in ["budget", "filter", "robots", "robots_unreachable", "scope"] {
        assert!(skipped.contains_key(reason), "no {reason} in {skipped:?}");
    }
    let failed = results.counts("failed");
    assert!(failed.contains_key("redirect_error") && failed.contains_key("incomplete"), "{failed:?}");
    assert_eq!(results.report["links_refused"]["nofollow"], 1);
    assert_eq!(results.page(server.url("/broken").as_str())["attempt"], 3);
    assert_eq!(results.count("done") + results.count("redirected") + failed.values().sum::<u64>(), 40);
    let asked = results.count("fetches") + results.count("robots_fetches");
    assert_eq!(asked, server.log().count(), "every request is counted");
    assert_eq!(rows(&place.path("out/copy.jsonl")), results.pages);
}
