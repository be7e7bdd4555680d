//! Crawls a small web of several hosts and checks identity, politeness, records, and that a seed replays the crawl.

#![expect(clippy::unwrap_used, reason = "a helper of tests: what cannot be had ends the test")]

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline_core::Page;
use dragline_core::rules::CrawlRules;
use dragline_engine::Route;
use dragline_fetch::{Transport, TransportFactory};
use dragline_sink::Record;
use dragline_testkit::{SimFetch, SimReply, SimWeb};

use crate::support::{MemSink, check_finished, crawl, end_of, fetched, follow, metric, run, web};

const LATENCY: Duration = Duration::from_millis(50);

fn polite(rules: &mut CrawlRules) {
    rules.politeness.delay = Duration::from_secs(1);
    rules.robots.obey = true;
}

/// Three hosts of ten pages; the first also redirects, fails, hangs once and forbids something.
fn varied() -> SimWeb {
    let flaky = vec![SimReply::status(503), SimReply::page("flaky", &[])];
    web(3, 10, LATENCY)
        .on("http://h0.test/robots.txt", SimReply::text("User-agent: *\nDisallow: /private\n"))
        .on(
            "http://h0.test/0",
            SimReply::page("home", &["/1", "/moved", "/lost", "/flaky", "/private/x", "/hang", "/loop"]),
        )
        .on("http://h0.test/moved", SimReply::redirect(301, "/1"))
        .on("http://h0.test/loop", SimReply::redirect(302, "/loop2"))
        .on("http://h0.test/loop2", SimReply::redirect(302, "/loop"))
        .on("http://h0.test/lost", SimReply::status(404))
        .on("http://h0.test/hang", SimReply::hang())
        .on_each("http://h0.test/flaky", flaky)
}

#[actix_rt::test]
async fn every_url_is_accounted_for_once_and_hosts_are_spared() {
    let (web, sink) = (varied(), MemSink::default());
    let (end, handle) = run(crawl(&web, 3, &sink).rules(polite)).await;
    check_finished(&end, &sink);
    let ends = sink.ends();
    let check = |path: &str, expected: &str| {
        let found = ends.get(&format!("http://h0.test{path}")).map(String::as_str);
        assert_eq!(found, Some(expected), "{path}");
    };
    check("/0", "done");
    check("/moved", "redirected");
    check("/lost", "failed(http_error)");
    check("/flaky", "done");
    check("/hang", "failed(timeout)");
    check("/private/x", "skipped(robots)");
    check("/loop", "redirected");
    check("/loop2", "failed(redirect_error)");
    assert!(!fetched(&web).contains("http://h0.test/private/x"));
    assert!(!fetched(&web).iter().any(|url| url.contains("elsewhere")));
    for host in ["h0.test", "h1.test", "h2.test"] {
        assert_eq!(web.most_at_once(host), 1, "{host}");
        assert!(web.gaps(host).iter().all(|gap| *gap >= Duration::from_secs(1)), "{:?}", web.gaps(host));
    }
    let totals = &end.report.totals;
    assert_eq!(web.fetches().len() as u64, totals.fetches + totals.robots_fetches);
    assert_eq!((totals.robots_fetches, totals.retries), (3, 3), "flaky once, hang twice");
    assert!(totals.received_bytes > totals.body_bytes, "heads are received too");
    assert!(totals.body_bytes > 0);
    let text = handle.gather().await.unwrap();
    for (disposition, count) in [("done", end.report.done), ("failed", end.report.failed_total())] {
        let series = |name: &str| metric(&text, &format!("{name}{{disposition=\"{disposition}\"}}"));
        assert_eq!(series("dragline_urls"), count as f64, "{disposition}");
        assert_eq!(series("dragline_frontier_finished_total"), count as f64, "{disposition}");
    }
}

/// What a crawl did, in the order it did it, run on a system of its own that is born with its time standing still.
fn trace(seed: u64) -> (Vec<SimFetch>, Vec<String>) {
    let paused = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap()
    };
    actix_rt::System::with_tokio_rt(paused).block_on(async {
        let (web, sink) = (varied(), MemSink::default());
        let builder = crawl(&web, 3, &sink).rules(polite).fetchers(3).run_seed(seed);
        let end = end_of(builder.build().unwrap().start().unwrap()).await;
        check_finished(&end, &sink);
        let told = sink.records().into_iter().map(|record| match record {
            Record::Page(page) => format!("{} {} {:?}", page.url, page.disposition, page.phases),
            Record::Skipped(skip) => format!("{} {}", skip.url, skip.decision.verdict),
            Record::Item(item) => format!("{} {:?}", item.url, item.item),
        });
        (web.fetches(), told.collect())
    })
}

#[test]
fn the_same_seed_gives_the_same_trace_of_fetches_and_records() {
    let (first, second, other) = (trace(7), trace(7), trace(8));
    for (one, again) in first.0.iter().zip(&second.0) {
        assert_eq!(one, again);
    }
    assert_eq!(first, second);
    assert_ne!(first, other, "another seed draws other waits before a retry");
}

/// Opens transports of a simulated web, and notes on which threads.
#[derive(Debug)]
struct Watched(SimWeb, Arc<Mutex<BTreeSet<String>>>);

impl TransportFactory for Watched {
    fn open(&self) -> Rc<dyn Transport> {
        note_thread(&self.1);
        self.0.open()
    }
}

fn note_thread(threads: &Mutex<BTreeSet<String>>) {
    let here = format!("{:?}", std::thread::current().id());
    threads.lock().unwrap().insert(here);
}

#[actix_rt::test]
async fn on_one_arbiter_everything_runs_on_the_calling_thread() {
    let (web, sink) = (varied(), MemSink::default());
    let threads = Arc::new(Mutex::new(BTreeSet::new()));
    note_thread(&threads);
    let of_handler = Arc::clone(&threads);
    let route = Route::closure("handler", move |page: &Page| {
        note_thread(&of_handler);
        follow(page, 1)
    });
    let transport = Arc::new(Watched(web, Arc::clone(&threads)));
    let builder = crawl(&transport.0.clone(), 3, &sink).fetchers(3).transport(transport);
    let (end, handle) = run(builder.route(route.workers(2))).await;
    check_finished(&end, &sink);
    assert_eq!(threads.lock().unwrap().len(), 1);
    assert_eq!(sink.threads(), *threads.lock().unwrap());
    assert!(handle.status().await.is_some());
}

#[actix_rt::test]
async fn hosts_take_turns_and_slots_bound_what_is_under_way() {
    let (web, sink) = (web(2, 40, LATENCY), MemSink::default());
    let builder = crawl(&web, 2, &sink).rules(|rules| rules.politeness.concurrency = 3);
    let (end, _) = run(builder).await;
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 80);
    assert_eq!((web.most_at_once("h0.test"), web.most_at_once("h1.test")), (3, 3));
}

#[actix_rt::test]
async fn commits_come_a_second_after_their_first_record_and_at_the_end() {
    let (web, sink) = (web(1, 10, LATENCY), MemSink::default());
    let (end, _) = run(crawl(&web, 1, &sink).rules(polite)).await;
    check_finished(&end, &sink);
    let flushes: Vec<u64> = sink.flushes().iter().map(|epoch| epoch.0).collect();
    let expected: Vec<u64> = (0..sink.flushes().len() as u64).collect();
    assert_eq!(flushes, expected, "epochs are numbered from 0, each flushed once");
    let secs = end.report.totals.duration.as_secs();
    assert!(flushes.len() as u64 <= secs + 2, "{flushes:?} in {secs} s");
    assert!(flushes.len() > 3, "{flushes:?} in {secs} s");
}
