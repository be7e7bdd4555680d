//! Ends crawls before their time: drained, paused, stopped, or because a sink failed.

use std::time::Duration;

use dragline_core::frontier::Drain;
use dragline_engine::{CrawlEnd, CrawlHandle, Problem};
use dragline_testkit::SimWeb;

use crate::support::{
    Fault, MemSink, check_accounts, check_finished, crawl, crawl_with, end_of, run, start, web as web_of,
};

/// One host whose pages take a second each, one at a time.
fn web() -> SimWeb {
    web_of(1, 100, Duration::from_secs(1))
}

/// Lets a crawl run for ten seconds, does something to it, and waits for its end.
async fn interrupted(sink: &MemSink, act: impl AsyncFnOnce(&CrawlHandle)) -> (CrawlEnd, SimWeb) {
    let web = web();
    let running = start(crawl(&web, 1, sink));
    let handle = running.handle();
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    act(&handle).await;
    (end_of(running).await, web)
}

#[actix_rt::test]
async fn a_drain_finishes_what_is_in_flight_and_keeps_the_rest() {
    let sink = MemSink::default();
    let (end, web) = interrupted(&sink, async |handle| handle.drain(Drain::Keep).await).await;
    assert_eq!((end.report.ended.name(), &end.problem), ("drained", &None));
    check_accounts(&end, &sink);
    assert_eq!(end.report.done, web.fetches().len() as u64, "the fetch under way was finished");
    assert!(end.report.pending > 0);
    assert!(end.report.totals.duration < Duration::from_secs(13));
}

#[actix_rt::test]
async fn a_drain_that_drops_leaves_nothing_pending() {
    let sink = MemSink::default();
    let (end, web) = interrupted(&sink, async |handle| handle.drain(Drain::Drop).await).await;
    assert_eq!((end.report.ended.name(), end.report.pending), ("drained", 0));
    check_accounts(&end, &sink);
    assert_eq!(end.report.done, web.fetches().len() as u64);
    assert!(sink.ends().values().any(|end| end == "skipped(drained)"));
}

#[actix_rt::test]
async fn a_pause_leases_nothing_until_it_is_over() {
    let sink = MemSink::default();
    let mut before = 0;
    let (end, web) = interrupted(&sink, async |handle| {
        handle.pause(true).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let status = handle.status().await.unwrap();
        assert!(status.paused && status.in_flight == 0);
        before = status.stats.done;
        handle.pause(false).await;
    })
    .await;
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 100);
    let (longest, _) = web.gaps("h0.test").into_iter().zip(1..).max().unwrap();
    assert!(longest >= Duration::from_secs(599), "{longest:?}");
    assert!(before < 15);
}

#[actix_rt::test]
async fn a_paused_crawl_can_be_drained() {
    let sink = MemSink::default();
    let (end, _) = interrupted(&sink, async |handle| {
        handle.pause(true).await;
        handle.drain(Drain::Keep).await;
    })
    .await;
    assert_eq!(end.report.ended.name(), "drained");
    check_accounts(&end, &sink);
}

#[actix_rt::test]
async fn a_stop_ends_the_crawl_where_it_stands() {
    let sink = MemSink::default();
    let (end, web) = interrupted(&sink, async |handle| {
        handle.stop().await;
    })
    .await;
    assert_eq!((end.report.ended.name(), end.stopped_by), ("stopped", None));
    assert!(end.report.adds_up());
    assert_eq!(end.report.done + 1, web.fetches().len() as u64, "the fetch under way is pending");
    assert!(end.report.totals.duration < Duration::from_millis(10_600));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let fetches = web.fetches();
    assert_eq!(fetches.len() as u64, end.report.done + 1, "nothing is fetched after the end");
    assert!(fetches.iter().all(|fetch| fetch.ended.is_some()), "what was under way is dropped");
}

#[actix_rt::test]
async fn a_crawl_that_nobody_waits_for_any_more_stops_with_all_its_actors() {
    let (web, sink) = (web(), MemSink::default());
    let running = start(crawl(&web, 1, &sink));
    let handle = running.handle();
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    drop(running);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let fetches = web.fetches();
    assert_eq!(fetches.len(), 11, "nothing is fetched any more");
    assert!(fetches.iter().all(|fetch| fetch.ended.is_some()));
    assert_eq!(
        std::sync::Arc::strong_count(handle.telemetry()),
        3,
        "metrics, the handle and its session are left"
    );
}

/// Runs a crawl into a faulty sink and returns its problem.
async fn check_fault(fault: Fault) -> String {
    let (web, sink) = (web_of(1, 50, Duration::from_millis(300)), MemSink::with_fault(fault));
    let (end, _) = run(crawl(&web, 1, &sink)).await;
    assert_eq!(end.report.ended.name(), "failed");
    assert!(end.report.adds_up() && end.report.pending > 0);
    match end.problem {
        Some(Problem::Storage(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[actix_rt::test]
async fn a_sink_that_cannot_write_ends_the_crawl() {
    let what = check_fault(Fault::Write(10)).await;
    assert_eq!(what, "could not write memory: as the test wants");
}

#[actix_rt::test]
async fn a_sink_that_cannot_flush_ends_the_crawl() {
    let what = check_fault(Fault::Flush(10)).await;
    assert_eq!(what, "could not flush memory: as the test wants");
}

#[actix_rt::test]
async fn a_sink_without_space_holds_the_crawl_up_until_there_is_some() {
    let hour = Duration::from_secs(3_600);
    for credits in [1, 4, 256] {
        let web = web_of(1, 50, Duration::from_millis(300));
        let sink = MemSink::with_fault(Fault::Space(10, hour));
        let (end, _) = run(crawl_with(&web, 1, &sink, credits)).await;
        tokio::time::resume();
        check_finished(&end, &sink);
        assert_eq!(end.report.done, 50);
        assert!(end.report.totals.duration >= hour);
        let under_way = web.fetches().iter().filter(|fetch| fetch.began > Duration::from_secs(60)).count();
        assert!(credits > 50 || under_way > 0, "with {credits} credits it stood still");
    }
}

#[actix_rt::test]
async fn a_sink_that_panics_ends_the_crawl() {
    let what = check_fault(Fault::Panic(10)).await;
    assert!(what.contains("a sink died"), "{what}");
}
