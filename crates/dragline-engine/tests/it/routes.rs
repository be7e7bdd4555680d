//! Runs crawls with several routes: by content type, by label, together, and pages that no route takes.

#![expect(clippy::unwrap_used, reason = "a helper of tests: what cannot be had ends the test")]

use std::sync::Arc;
use std::time::Duration;

use dragline_core::{Handled, Page};
use dragline_engine::Route;
use dragline_telemetry::prometheus::IntCounter;
use dragline_testkit::{SimReply, SimWeb};

use crate::support::{MemSink, check_finished, crawl, end_of, follow, metric, run, start, web};

/// Makes one item that says which label the page had.
fn label(page: &Page) -> Handled {
    let mut handled = Handled::default();
    handled.item(&page.label.as_deref().unwrap_or("none")).unwrap();
    handled
}

fn item(handler: &str, path: &str, json: &str) -> (String, String, String) {
    (handler.into(), path.into(), json.into())
}

#[actix_rt::test]
async fn pages_go_to_the_routes_that_take_their_type_and_label() {
    let web = SimWeb::new()
        .on("http://h0.test/0", SimReply::page("home", &["/plain", "/list", "/image"]))
        .on("http://h0.test/plain", SimReply::new(200, &[("Content-Type", "Text/Plain; charset=x")], "plain"))
        .on("http://h0.test/list", SimReply::page("list", &["/detail"]))
        .on("http://h0.test/detail", SimReply::page("detail", &[]))
        .on("http://h0.test/image", SimReply::new(200, &[("Content-Type", "image/png")], "png"));
    let sink = MemSink::default();
    let links = Route::closure("links", |page: &Page| {
        let mut handled = Handled { title: Some("a title".into()), ..Handled::default() };
        for (link, _) in follow(page, 0).outlinks.iter() {
            let url = page.url.join(link).unwrap();
            match link.ends_with("detail") {
                true => handled.outlinks.push_labelled(&url, "detail"),
                false => handled.outlinks.push(&url),
            }
        }
        handled.item(&"links").unwrap();
        handled
    });
    let builder = crawl(&web, 1, &sink)
        .concurrency(1)
        .route(links.content_type("text/html"))
        .route(Route::closure("text", label).content_type("text/*").content_type("application/json"))
        .route(Route::closure("detail", label).label("detail").label("other"))
        .route(Route::closure("never", label).label("detail").content_type("image/*"));
    let (end, _) = run(builder).await;
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 5, "the image, which no route takes, is done too");
    let expected = [
        item("links", "/0", "\"links\""),
        item("text", "/0", "\"none\""),
        item("text", "/plain", "\"none\""),
        item("links", "/list", "\"links\""),
        item("text", "/list", "\"none\""),
        item("links", "/detail", "\"links\""),
        item("text", "/detail", "\"detail\""),
        item("detail", "/detail", "\"detail\""),
    ];
    assert_eq!(sink.items(), expected, "items of one page stand together, in the order of the routes");
}

#[actix_rt::test]
async fn a_page_that_one_route_fails_is_applied_wholly_or_not_at_all() {
    let (web, sink) = (web(1, 7, Duration::ZERO), MemSink::default());
    let builder = crawl(&web, 1, &sink).route(Route::closure("good", |page: &Page| follow(page, 1))).route(
        Route::closure("bad", |page: &Page| {
            let mut handled = follow(page, 1);
            if page.url.path_and_query() == "/1" {
                handled.verdict = dragline_core::Verdict::Failed("no".into());
            }
            handled
        }),
    );
    let (end, _) = run(builder).await;
    assert_eq!(check_finished(&end, &sink), [(1, "failed(handler_error)".to_owned())].into());
    assert_eq!(end.report.done, 4, "its two children were never offered");
    assert_eq!(end.report.totals.items, 8);
    assert_eq!(sink.items().iter().filter(|(_, path, _)| path == "/1").count(), 0);
}

#[actix_rt::test]
async fn metrics_of_the_user_stand_beside_those_of_the_crawl_and_outlive_it() {
    let (web, sink) = (web(1, 5, Duration::from_millis(10)), MemSink::default());
    let pages = IntCounter::new("shop_pages_total", "Pages of the shop.").unwrap();
    let counted = pages.clone();
    let route = Route::closure("shop", move |page: &Page| {
        counted.inc();
        follow(page, 2)
    });
    let running = start(crawl(&web, 1, &sink).route(route));
    let handle = running.handle();
    handle.telemetry().registry().register(Box::new(pages)).unwrap();
    let end = end_of(running).await;
    check_finished(&end, &sink);
    let text = handle.gather().await.unwrap();
    assert_eq!(metric(&text, "shop_pages_total"), 5.0);
    assert_eq!(metric(&text, "dragline_items_total{sink=\"memory\"}"), 10.0);
    assert_eq!(metric(&text, "dragline_handler_results_total{handler=\"shop\",outcome=\"ok\"}"), 5.0);
    let status = handle.status().await.unwrap();
    assert_eq!((status.stats.done, status.in_flight), (5, 0), "a look after the end shows the last numbers");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        Arc::strong_count(handle.telemetry()),
        3,
        "the actors of the crawl are gone, but for metrics and sessions"
    );
}
