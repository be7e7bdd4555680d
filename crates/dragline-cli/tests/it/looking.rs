//! Tests what `export`, `status` and `explain` tell of a crawl, at rest and while it runs.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use dragline_testkit::{Reply, Server, Site, ports, wait_until};
use serde_json::Value;

use crate::process::{Ended, PATIENCE, Place};

/// A home page that links to a page, one that is gone, one that robots.txt forbids, and to another site.
fn site() -> Server {
    let home = "<a href=/page>p</a><a href=/gone>g</a><a href=/private/x>r</a><a href=http://127.0.0.9/>o</a>\
                <a href=/trap>t</a>";
    let site = Site::new()
        .on("/", Reply::html(home))
        .on("/page", Reply::html("<title>page</title>"))
        .on("/robots.txt", Reply::ok("text/plain", "User-agent: *\nDisallow: /private/\n"));
    Server::start(site).expect("a loopback port is free")
}

/// Crawls the site with a configuration file, so that rules have lines.
fn crawled(server: &Server) -> Place {
    let place = Place::new();
    let text = format!(
        "[seeds]\nurls = ['{}']\n[scope]\nexclude = ['*/trap']\n[security]\nallow_networks = ['127.0.0.0/8']\n\
         [politeness]\ndelay = '0s'\nadaptive = false\n[retry]\nbase = '10ms'\n[output]\ndir = 'out'\n\
         [admin]\nlisten = ''\n",
        server.url("/")
    );
    place.write("dragline.toml", &text);
    place.run(&["run", "--progress=off"]).assert(0, &["finished: "]);
    place
}

fn values(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn every_url_that_ended_is_exported_and_errors_and_skips_apart() {
    let server = site();
    let place = crawled(&server);
    let results = place.results();
    let export = |what: &str| {
        let ended = place.run(&["export", what]);
        ended.assert(0, &[" of run "]);
        values(&ended)
    };
    let texts = |rows: &[Value], field: &str| -> BTreeSet<String> {
        rows.iter().map(|row| row[field].as_str().expect("it is there").to_owned()).collect()
    };
    let urls = export("urls");
    let listed = texts(&results.pages, "url").into_iter().chain(texts(&results.skipped, "url"));
    assert_eq!(texts(&urls, "url"), listed.collect(), "as the files of the crawl have it");
    assert_eq!(urls.len(), 6);

    let errors = export("errors");
    assert_eq!(texts(&errors, "url"), [server.url("/gone").to_string()].into());
    let error = &errors[0];
    assert_eq!((error["kind"].as_str(), error["outcome"].as_str()), (Some("http_error"), Some("http_error")));
    assert_eq!((error["status"].as_u64(), error["attempts"].as_u64()), (Some(404), Some(1)));
    assert!(error["at"].as_str().is_some_and(|at| at.starts_with("20")), "{error}");
    assert_eq!(error["referrer"].as_str(), Some(server.url("/").as_str()));

    let skipped = export("skipped");
    assert_eq!(texts(&skipped, "reason"), ["filter", "robots", "scope"].map(str::to_owned).into());

    let ended = place.run(&["export", "errors", "--format=csv", "--state=out/state"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("url,disposition,kind,reason,rule,at,outcome,status,"), "{ended}");
    let row = format!("{},failed,http_error,,,20", server.url("/gone"));
    assert!(lines.len() == 2 && lines[1].starts_with(&row), "{ended}");
}

#[test]
fn a_reader_that_goes_away_ends_an_export_quietly() {
    let server = site();
    let place = crawled(&server);
    for form in ["--format=jsonl", "--format=csv"] {
        let (reader, writer) = std::io::pipe().expect("the system has pipes");
        drop(reader);
        let reading = |command: &mut Command| _ = command.stdout(writer);
        let ended = place.start_with(&["export", "urls", form], reading).wait();
        ended.assert(0, &[]);
        assert_eq!(ended.stderr, "", "{ended}");
    }
}

#[test]
fn a_crawl_that_runs_can_be_looked_at() {
    let links: String = (0..999).map(|number| format!("<a href=/page/{number}>x</a>")).collect();
    let site = Site::new().on("/", Reply::html(links)).delay(Duration::from_millis(20));
    let site = site.fallback(|path| path.starts_with("/page/").then(|| Reply::html("page")));
    let server = Server::start(site).expect("a loopback port is free");
    // What was said stands in files of the place, so that who looks has one of its own.
    let (place, looking) = (Place::new(), Place::new());
    let out = format!("--out={}", place.path("out").display());
    let admin = ports::free_address().expect("a loopback port is free").to_string();
    let url = server.url("/").to_string();
    let usual =
        ["run", "--allow-net=127.0.0.0/8", "--delay=0s", "--per-host=4", "--concurrency=4", "--out=out"];
    let mut crawl = place.start(&[&usual[..], &["--listen", &admin, &url]].concat());
    let pid = crawl.pid();
    assert!(wait_until(PATIENCE, || server.log().count() > 40), "{}", crawl.stderr());
    let (mut last, mut answered) = (0, false);
    let enough = wait_until(PATIENCE, || {
        let listen = format!("--set=admin.listen=\"{admin}\"");
        let status = looking.run(&["status", &out, "--json", &listen]);
        status.assert(0, &[]);
        let status = &values(&status)[0];
        let count = |field: &str| status[field].as_u64().unwrap_or_default();
        assert!(count("done") >= last, "what was durable stays so");
        last = count("done");
        let settled = count("done") + count("redirected") + count("failed") + count("skipped");
        assert_eq!(count("discovered"), settled + count("pending"), "{status}");
        assert!(count("pending") == 0 || status["pid"].as_u64() == Some(pid.into()), "{status}");
        if let Some(live) = status["live"].as_object() {
            let live: u64 = live.values().filter_map(Value::as_u64).sum();
            assert!(live >= count("discovered"), "{status}");
            answered = true;
        }
        let rows = values(&looking.run(&["export", "urls", &out]));
        let urls: BTreeSet<_> = rows.iter().map(|row| row["url"].to_string()).collect();
        assert_eq!(urls.len(), rows.len(), "each once");
        assert!(rows.len() >= usize::try_from(last).expect("it is small"), "nothing is missing");
        rows.len() > 60 && answered
    });
    assert!(enough, "nothing is committed, or the crawl itself never answers");
    crawl.wait().assert(0, &["finished: "]);
    let ended = place.run(&["status", "--out=out"]);
    ended.assert(0, &[]);
    for words in
        ["run ", "nobody works on it", "= done 1,000 +", "last commit ", "sink pages.jsonl: 1,000 rows"]
    {
        assert!(ended.stdout.contains(words), "nothing says {words:?}:\n{ended}");
    }
}

#[test]
fn a_url_is_explained_by_each_rule_with_its_line_and_by_what_happened() {
    let server = site();
    let place = crawled(&server);
    let explain = |url: &str, words: &[&str]| {
        let ended = place.run(&["explain", url]);
        ended.assert(0, &[]);
        for words in words {
            assert!(ended.stdout.contains(words), "nothing says {words:?}:\n{ended}");
        }
    };
    let url = |path: &str| server.url(path).to_string();
    let found = format!("found on {} (depth 1)", url("/"));
    explain(
        &url("/trap"),
        &[
            "not fetched: skipped(filter)\n",
            " 2 scope    ok    mode = \"host\", host 127.0.0.1 is that of a seed",
            " 4 exclude  STOP  \"*/trap\" matches",
            "dragline.toml:4\n",
            " - robots   ok    no rule forbids it",
            "skipped(filter) at 20",
            &found,
        ],
    );
    explain(&url("/page"), &["fetched: done\n", "done at 20", ", attempt 1, ok 200, 19 bytes", &found]);
    explain(&url("/gone"), &["fetched: failed(http_error)\n", "attempt 1, http_error 404", &found]);
    let line = format!("{}:2\n", url("/robots.txt"));
    explain(
        &url("/private/x"),
        &["not fetched: skipped(robots)\n", " 7 robots   STOP  disallowed by line 2", &line],
    );
    explain(&url("/unheard"), &["not known to the crawl; nothing here forbids it\n", " 7 robots   ok "]);
    explain(
        "http://127.0.0.9/",
        &["not fetched: skipped(scope)\n", " 2 scope    STOP  mode = \"host\", no seed"],
    );
    explain("mailto:a@b.example", &["not to be fetched: url: cannot be fetched: "]);

    let ended = place.run(&["explain", "--json", &url("/trap")]);
    let value = &values(&ended)[0];
    assert_eq!(value["steps"][3]["verdict"], "stop");
    assert_eq!(value["steps"][3]["place"], "dragline.toml:4");
    assert_eq!(value["history"][0]["reason"], "filter");
}

#[test]
fn without_a_crawl_the_rules_alone_are_told_and_nothing_is_exported() {
    let place = Place::new();
    place.write("dragline.toml", "[seeds]\nurls = ['http://127.0.0.1/']\n");
    let ended = place.run(&["explain", "http://127.0.0.1/x"]);
    ended.assert(0, &[]);
    for words in ["nothing here forbids it", "? ", "`dragline fetch --head", "no crawl's state here"] {
        assert!(ended.stdout.contains(words), "nothing says {words:?}:\n{ended}");
    }
    for command in [&["export", "urls"][..], &["status"]] {
        place.run(command).assert(4, &["no crawl in dragline-out/state", "--out", "--state"]);
    }
    assert!(!place.path("dragline-out").exists(), "nothing is written");
}
