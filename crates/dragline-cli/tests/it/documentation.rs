//! Crawls the real documentation of a real program from a real nginx, and compares every number with what an
//! independent program and nginx's own log say.
//!
//! Without nginx or the documentation the test says `SKIPPED`, or fails when `DRAGLINE_REQUIRE_REAL` is `1`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use dragline_testkit::{ChildGuard, ports, real, wait_until};

use crate::http::get;
use crate::nginx;
use crate::process::{PATIENCE, Place, Running};
use crate::results::Results;
use crate::walk;

/// Where Debian keeps documentation of hundreds of linked pages; the first that is there is crawled.
const DOCUMENTATION: [&str; 2] = ["/usr/share/doc/python3-doc/html", "/usr/share/doc/postgresql-doc-15/html"];

/// A page with one link of every kind, since documentation has only ordinary ones.
const CORNER: &str = "<!DOCTYPE html><title>corner</title>\n\
    <base href='/corner/'><a href=/>home</a> <A HREF='target?b=2&amp;a=1#part'>query</A>\n\
    <map><area href=area></map><iframe src=frame>no <a href=hidden></a></iframe>\n\
    <meta http-equiv=Refresh content='5; URL=refreshed'><a href=moved>moved</a><a href=folder>folder</a>\n\
    <script>'<a href=scripted>'</script><!-- <a href=comment> --><a href=gone>gone</a><a href='mailto:a@b.c'>mail</a>\n\
    <a href=target?b=2&a=1>again</a><a href=' ./with%20space '>space</a><a href=\u{e4}>umlaut</a>";

/// What that page must come to; 0: it is never asked for.
const CORNERS: [(&str, u16); 12] = [
    ("/", 200),
    ("/corner/area", 200),
    ("/corner/frame", 200),
    ("/corner/refreshed", 200),
    ("/corner/target?b=2&a=1", 200),
    ("/corner/%C3%A4", 200),
    ("/corner/with%20space", 200),
    ("/corner/moved", 301),
    ("/corner/folder", 301),
    ("/corner/gone", 404),
    ("/corner/hidden", 0),
    ("/corner/comment", 0),
];

#[test]
fn every_page_of_real_documentation_is_fetched_once_and_every_number_agrees() {
    let Some(nginx) = Nginx::start() else { return };
    let expected = walk::walk(nginx.address, "/corner/");
    assert!(expected.len() > 400, "the walk finds {} pages only", expected.len());
    for (path, status) in CORNERS {
        assert_eq!(expected.get(path).copied().unwrap_or_default(), status, "{path}");
    }

    let place = Place::new();
    let admin = ports::free_address().expect("a loopback port is free");
    let out = place.path("out");
    let config = format!(
        "[seeds]\nurls = ['http://{}/corner/']\n[output]\ndir = '{}'\n[fetch]\nconcurrency = 16\n\
         [politeness]\ndelay = '0s'\nadaptive = false\nconcurrency = 8\n\
         [security]\nallow_networks = ['127.0.0.0/8']\n[admin]\nlisten = '{admin}'\nlinger = '60s'\n",
        nginx.address,
        out.display()
    );
    let config = place.write("crawl.toml", &config);
    let mut crawl = place.start(&["run".as_ref(), "--config".as_ref(), config.as_os_str()]);
    crawl.wait_for("discovered ");
    let metrics = metrics_at_rest(admin, &crawl);
    crawl.signal("INT");
    crawl.wait().assert(0, &["finished", "discovered "]);

    let requests = nginx.requests();
    let mut fetched = requests.clone();
    let robots = fetched.remove("/robots.txt").unwrap_or_default();
    assert_eq!(robots, [404], "robots.txt is asked for once");
    let twice: Vec<_> = fetched.iter().filter(|(_, statuses)| statuses.len() != 1).collect();
    assert!(twice.is_empty(), "fetched more than once: {twice:?}");
    let fetched: BTreeMap<_, _> =
        fetched.into_iter().filter_map(|(path, statuses)| Some((path, *statuses.first()?))).collect();
    assert_same(&fetched, &expected);

    let results = Results::read(&out);
    check_report(&results, &expected);
    check_rows(&results, &expected, nginx.address);
    check_metrics(&metrics, &results, &requests);
}

/// Scrapes until the numbers no longer move: the crawl has stopped and its last sample is taken.
fn metrics_at_rest(admin: SocketAddr, crawl: &Running) -> Metrics {
    let mut metrics = Metrics(String::new());
    let stopped = wait_until(PATIENCE, || {
        if let Ok(answer) = get(admin, "/metrics", "tests") {
            metrics = Metrics(String::from_utf8_lossy(&answer.body).into_owned());
        }
        metrics.value("dragline_state{state=\"stopped\"}") == Some(1)
    });
    assert!(stopped, "the crawl does not stop:\n{}", crawl.stderr());
    metrics
}

/// Names the paths that only one side has, or that have another status: whole sets are unreadable.
fn assert_same(fetched: &BTreeMap<String, u16>, expected: &BTreeMap<String, u16>) {
    let missing: Vec<_> =
        expected.iter().filter(|(path, status)| fetched.get(*path) != Some(status)).collect();
    let surplus: Vec<_> = fetched.iter().filter(|(path, _)| !expected.contains_key(*path)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing or other: {missing:?}\nsurplus: {surplus:?}");
}

fn count(statuses: &BTreeMap<String, u16>, class: u16) -> u64 {
    statuses.values().map(|status| u64::from(status / 100 == class)).sum()
}

fn check_report(results: &Results, expected: &BTreeMap<String, u16>) {
    assert_eq!(results.report["ended"], "finished");
    assert_eq!(results.count("done"), count(expected, 2));
    assert_eq!(results.count("redirected"), count(expected, 3));
    assert_eq!(results.counts("failed"), BTreeMap::from([("http_error".into(), count(expected, 4))]));
    assert_eq!(results.count("pending"), 0);
    // Links to other hosts are the only skips.
    let skipped = results.counts("skipped");
    assert!(skipped.keys().all(|reason| reason == "scope"), "{skipped:?}");
    assert_eq!(results.count("fetches"), u64::try_from(expected.len()).unwrap_or(u64::MAX));
    assert_eq!(results.count("robots_fetches"), 1);
    assert_eq!(results.count("retries"), 0);
}

fn check_rows(results: &Results, expected: &BTreeMap<String, u16>, address: SocketAddr) {
    let prefix = format!("http://{address}");
    let path = |row: &serde_json::Value| row["url"].as_str()?.strip_prefix(&prefix).map(str::to_owned);
    let status =
        |row: &serde_json::Value| row["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let rows: BTreeMap<_, _> =
        results.pages.iter().filter_map(|row| Some((path(row)?, status(row)?))).collect();
    assert_same(&rows, expected);
    assert_eq!(rows.len(), results.pages.len());
}

fn check_metrics(metrics: &Metrics, results: &Results, requests: &BTreeMap<String, Vec<u16>>) {
    for (disposition, expected) in [
        ("done", results.count("done")),
        ("redirected", results.count("redirected")),
        ("failed", results.counts("failed").values().sum()),
        ("skipped", results.counts("skipped").values().sum()),
        ("pending", 0),
    ] {
        let urls = metrics.value(&format!("dragline_urls{{disposition=\"{disposition}\"}}"));
        assert_eq!(urls, Some(expected), "dragline_urls of {disposition}");
        let name = format!("dragline_frontier_finished_total{{disposition=\"{disposition}\"}}");
        assert_eq!(metrics.value(&name).unwrap_or_default(), expected, "{name}");
    }
    assert_eq!(metrics.sum("dragline_urls"), results.count("discovered"));
    let asked = u64::try_from(requests.values().map(Vec::len).sum::<usize>()).unwrap_or(u64::MAX);
    assert_eq!(metrics.sum("dragline_fetches_total"), asked);
    assert_eq!(metrics.sum("dragline_responses_total"), asked);
    assert_eq!(
        metrics.sum("dragline_connections_total"),
        asked,
        "each fetch opened a connection or reused one"
    );
    let ok: u64 = requests.values().flatten().map(|status| u64::from(*status == 200)).sum();
    assert_eq!(metrics.value("dragline_responses_total{code=\"200\"}"), Some(ok));
    assert_eq!(metrics.sum("dragline_frontier_added_total"), results.count("discovered"));
    let skipped: u64 = results.counts("skipped").values().sum();
    assert_eq!(metrics.sum("dragline_frontier_skipped_total"), skipped);
    assert_eq!(metrics.sum("dragline_fetch_errors_total"), 0);
}

/// The text of `/metrics`.
struct Metrics(String);

impl Metrics {
    /// Returns the value of one series.
    fn value(&self, series: &str) -> Option<u64> {
        self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Returns the sum of a family's series.
    fn sum(&self, family: &str) -> u64 {
        let series = self.0.lines().filter_map(|line| line.strip_prefix(family));
        let values =
            series.filter(|rest| rest.starts_with(['{', ' '])).filter_map(|rest| rest.rsplit_once(' '));
        values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
    }
}

/// An nginx of our own that serves the documentation; killed on drop.
struct Nginx {
    _process: ChildGuard,
    address: SocketAddr,
    place: Place,
}

impl Nginx {
    /// Starts it; `None` when nginx or the documentation is not installed.
    fn start() -> Option<Self> {
        let program = real::require("nginx")?;
        let root = documentation()?;
        let place = Place::new();
        let address = ports::free_address().expect("a loopback port is free");
        // The documentation's index is linked from the corner: the seed reaches everything.
        fs::create_dir_all(place.path("corner/folder")).expect("the folder can be written");
        place.write("corner/index.html", CORNER);
        for name in ["area", "frame", "refreshed", "target", "with space", "\u{e4}", "folder/index.html"] {
            place.write(&format!("corner/{name}"), "<p><a href='/corner/area'>back</a>");
        }
        for name in ["hidden", "scripted", "comment"] {
            place.write(&format!("corner/{name}"), "<p>only what is no link leads here");
        }
        let config = config(address, &root, &place);
        let _process =
            nginx::serve(program, &place, &config, || get(address, "/corner/", walk::AGENT).is_ok());
        Some(Self { _process, address, place })
    }

    /// Returns the statuses of each path and query the crawler asked for, oldest first.
    fn requests(&self) -> BTreeMap<String, Vec<u16>> {
        let log = fs::read_to_string(self.place.path("access.log")).expect("nginx keeps a log");
        let mut requests: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for line in log.lines() {
            let mut words = line.splitn(4, ' ');
            let (status, method, path) = (words.next(), words.next(), words.next());
            if words.next() == Some(walk::AGENT) {
                continue;
            }
            assert_eq!(method, Some("GET"), "{line}");
            let status =
                status.and_then(|status| status.parse().ok()).expect("a line begins with the status");
            requests.entry(path.expect("a line has a path").to_owned()).or_default().push(status);
        }
        requests
    }
}

/// Returns the folder of the documentation, behind its links.
fn documentation() -> Option<PathBuf> {
    let found = DOCUMENTATION.iter().find_map(|folder| Path::new(folder).canonicalize().ok());
    if found.is_none() {
        // Says that the test is skipped, or fails where nothing may be skipped.
        real::require("python3-doc or postgresql-doc-15 (their HTML)");
    }
    found
}

/// One process without a master, so that killing it leaves no worker behind.
fn config(address: SocketAddr, root: &Path, place: &Place) -> String {
    let folder = place.path("");
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("  {name}_temp_path {folder}/temp;\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
         events {{ worker_connections 256; }}\nhttp {{\n{temporary}\
         \x20 types {{ text/html html; text/plain txt; text/css css; application/javascript js; image/png png; }}\n\
         \x20 default_type text/html;\n\
         \x20 log_format plain '$status $request_method $request_uri $http_user_agent';\n\
         \x20 access_log {folder}/access.log plain;\n\
         \x20 server {{\n    listen {address};\n    root {};\n    index index.html;\n\
         \x20   location /corner/ {{ root {folder}; }}\n\
         \x20   location = /corner/moved {{ return 301 /corner/target?b=2&a=1; }}\n\
         \x20 }}\n}}\n",
        root.display()
    )
}
