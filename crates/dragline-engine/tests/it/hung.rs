//! Runs crawls on real threads: a handler that blocks its thread, and the lives of actors after the end.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline_core::Page;
use dragline_core::roster::PoolRules;
use dragline_engine::{Placement, Route};

use crate::support::{MemSink, check_finished, crawl, follow, number, web};

#[test]
fn a_hung_handler_is_left_behind_with_its_thread_and_only_its_page_fails() {
    let (release, hung): (_, Receiver<()>) = channel();
    let hung = Arc::new(Mutex::new(hung));
    let route = Route::closure("hung", move |page: &Page| {
        if number(&page.url) == Some(20) {
            // Waits until the test drops its end.
            let ended = hung.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
            assert!(ended.is_err());
        }
        follow(page, 1)
    });
    let pool =
        PoolRules { workers: 2, credits: 4, timeout: Duration::from_millis(500), ..PoolRules::default() };
    let (web, sink) = (web(4, 19, Duration::ZERO), MemSink::default());
    let web = web
        .on("http://h0.test/18", dragline_testkit::SimReply::page("x", &["/20"]))
        .on("http://h0.test/20", dragline_testkit::SimReply::page("hangs", &[]));
    let builder = crawl(&web, 4, &sink).placement(Placement::Threads).route(route.pool(pool));
    let end = builder.build().unwrap().run().unwrap();
    drop(release);
    assert_eq!(check_finished(&end, &sink), [(20, "failed(handler_timeout)".to_owned())].into());
    assert_eq!((end.report.done, end.report.totals.items), (4 * 19, 4 * 19));
}

#[test]
fn the_supervisor_may_share_the_first_fetchers_thread() {
    let (web, sink) = (web(4, 25, Duration::ZERO), MemSink::default());
    let builder = crawl(&web, 4, &sink).placement(Placement::SharedCore).fetchers(2);
    let end = builder.build().unwrap().run().unwrap();
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 100);
}

#[test]
fn the_last_numbers_can_be_scraped_after_the_end() {
    let (web, sink) = (web(1, 10, Duration::ZERO), MemSink::default());
    let builder = crawl(&web, 1, &sink).placement(Placement::Threads);
    let (end, text, status) = actix_rt::System::new().block_on(async {
        let running = builder.build().unwrap().start().unwrap();
        let handle = running.handle();
        let end = running.wait().await;
        (end, handle.gather().await, handle.status().await)
    });
    check_finished(&end, &sink);
    assert!(text.unwrap().contains("dragline_urls{disposition=\"done\"} 10\n"));
    assert_eq!(status.unwrap().stats.done, 10);
}
