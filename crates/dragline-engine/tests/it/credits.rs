//! Runs crawls with one credit on every edge, and with handlers and sinks far slower than fetching.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, ResponseFuture};
use dragline_core::roster::PoolRules;
use dragline_engine::{Crawl, CrawlBuilder, HandlePage, HandleResult, Placement, Route};
use dragline_telemetry::labels::Edge;
use dragline_testkit::{Reply, Server, SimReply, SimWeb, Site};

use crate::support::{
    MemSink, check_accounts, check_finished, crawl, crawl_with, end_of, follow, run, start, web,
};

/// A pool with one worker and one credit.
fn one() -> PoolRules {
    PoolRules { workers: 1, credits: 1, ..PoolRules::default() }
}

/// The same crawl with one credit on every edge, and two routes for each page that make three items each.
fn starved(web: &SimWeb, hosts: u32, sink: &MemSink) -> CrawlBuilder {
    crawl_with(web, hosts, sink, 1)
        .concurrency(1)
        .pages_max(1)
        .bodies_bytes_max(1)
        .route(Route::closure("first", |page| follow(page, 3)).pool(one()))
        .route(Route::closure("second", |page| follow(page, 3)).pool(one()))
}

#[actix_rt::test]
async fn one_credit_on_every_edge_is_enough() {
    // Every page has three items from each of two routes, and a link that is skipped.
    let (web, sink) = (web(2, 30, Duration::from_millis(5)), MemSink::default());
    let (end, _) = run(starved(&web, 2, &sink)).await;
    check_finished(&end, &sink);
    assert_eq!((end.report.done, end.report.totals.items), (60, 60 * 6));
    assert_eq!(end.report.skipped_total(), 30, "one URL out of scope for each number, named by both hosts");
    assert_eq!((web.most_at_once("h0.test"), web.most_at_once("h1.test")), (1, 1));
    let overlap = web.fetches().windows(2).any(|pair| pair[0].ended > Some(pair[1].began));
    assert!(!overlap, "one page credit: one fetch at a time");
}

#[actix_rt::test]
async fn a_crawl_in_memory_flushes_its_sinks_once_a_second_whatever_may_be_uncommitted() {
    let (web, sink) = (web(2, 60, Duration::from_millis(300)), MemSink::default());
    let (end, _) = run(crawl(&web, 2, &sink).uncommitted_max(1)).await;
    check_finished(&end, &sink);
    let (seconds, flushes) = (end.report.totals.duration.as_secs(), sink.flushes().len());
    assert!(seconds > 2 && flushes <= usize::try_from(seconds).unwrap() + 1, "{flushes} in {seconds} s");
}

#[actix_rt::test]
async fn a_page_with_more_links_than_any_buffer_does_not_block() {
    let links: Vec<String> = (1..=5_000).map(|number| format!("/{number}")).collect();
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    let web = SimWeb::new()
        .on("http://h0.test/0", SimReply::page("hub", &links))
        .fallback(|_| Some(SimReply::page("leaf", &["http://elsewhere.test/"])));
    let sink = MemSink::default();
    let (end, _) = run(starved(&web, 1, &sink)).await;
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 5_001);
}

/// Answers each page only after this long, without blocking its thread.
struct Slow(Duration);

impl Actor for Slow {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Slow {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        let wait = self.0;
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            Ok(follow(&page, 1))
        })
    }
}

#[actix_rt::test]
async fn a_handler_a_hundred_times_slower_than_fetching_bounds_what_is_in_flight() {
    let (web, sink) = (web(4, 50, Duration::from_millis(10)), MemSink::default());
    let pool = PoolRules { workers: 2, credits: 2, ..PoolRules::default() };
    let route = Route::actor("slow", || Slow(Duration::from_secs(1))).pool(pool);
    let running = start(crawl(&web, 4, &sink).pages_max(6).route(route));
    let handle = running.handle();
    let watch = async {
        let (mut most_pages, mut most_handler) = (0, 0);
        // The last sample is the one at the end, which nothing is in flight at.
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let Some(status) = handle.status().await else { continue };
            let credits = |edge: Edge| status.credits[edge as usize];
            for edge in Edge::ALL {
                assert!(credits(edge).in_use <= credits(edge).max, "{edge:?}: {:?}", status.credits);
            }
            assert!(status.in_flight <= 6);
            most_pages = most_pages.max(status.in_flight);
            most_handler = most_handler.max(credits(Edge::Handler).in_use);
            if status.stats.pending == 0 {
                return (most_pages, most_handler);
            }
        }
    };
    let (end, most) = tokio::join!(end_of(running), watch);
    check_finished(&end, &sink);
    assert_eq!(most, (6, 4), "every credit is used, none is exceeded");
    assert_eq!(end.report.done, 200);
    assert!(end.report.totals.duration >= Duration::from_secs(50), "four at a time, a second each");
}

#[actix_rt::test]
async fn a_slow_handler_with_many_credits_is_not_taken_for_hung() {
    // 40 pages at one worker, one after the other, a second each: the last waits far longer than the timeout.
    let (web, sink) = (web(40, 1, Duration::ZERO), MemSink::default());
    let pool = PoolRules { workers: 1, credits: 40, timeout: Duration::from_secs(3), ..PoolRules::default() };
    let queue = Arc::new(tokio::sync::Semaphore::new(1));
    let route = Route::actor("serial", move || Serial(Arc::clone(&queue))).pool(pool);
    let (end, _) = run(crawl(&web, 40, &sink).concurrency(40).route(route)).await;
    assert_eq!(check_finished(&end, &sink), [].into());
    assert_eq!((end.report.done, end.report.stale_answers), (40, 0));
    assert!(end.report.totals.duration >= Duration::from_secs(40));
}

/// Handles one page at a time, a second each.
struct Serial(Arc<tokio::sync::Semaphore>);

impl Actor for Serial {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Serial {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        let queue = Arc::clone(&self.0);
        Box::pin(async move {
            let _turn = queue.acquire().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(follow(&page, 0))
        })
    }
}

#[test]
fn a_body_larger_than_all_bytes_credits_passes_alone() {
    let big = format!("<title>big</title>{}", "x".repeat(300 << 10));
    let links: String = (0..6).map(|number| format!("<a href=\"/{number}\">x</a>")).collect();
    let mut site = Site::new().on("/", Reply::html(format!("{big}{links}")));
    for number in 0..6 {
        site = site.on(format!("/{number}"), Reply::html(&big));
    }
    let server = Server::start(site).unwrap();
    let sink = MemSink::default();
    let crawl = Crawl::builder()
        .seed(server.url("/").as_str())
        .allow_network("127.0.0.0/8")
        .placement(Placement::Threads)
        .concurrency(4)
        .fetchers(2)
        .bodies_bytes_max(64 << 10)
        .rules(|rules| {
            rules.politeness.delay = Duration::ZERO;
            rules.politeness.adaptive = false;
            rules.politeness.concurrency = 4;
        })
        .sink_with_credits(Box::new(sink.clone()), 1);
    let end = crawl.build().unwrap().run().unwrap();
    check_accounts(&end, &sink);
    assert_eq!((end.report.done, end.report.pending), (7, 0));
    assert!(end.report.totals.received_bytes > 7 * (300 << 10));
}
