//! Measures the actors alone: a crawl over a network that answers at once, so that what is left is our own work.
//!
//! `cargo bench --bench dispatch [-- URLS]`: microseconds a URL from lease to settle, by placement and handler.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline::core::fetch::{FetchRequest, FetchResponse, Phase};
use dragline::core::{Headers, Outcome};
use dragline::engine::Placement;
use dragline::fetch::{Transport, TransportFactory};
use dragline::prelude::*;

fn main() {
    let urls = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(50_000_usize);
    println!("{urls} URLs, 64 lanes");
    for (name, placement) in [("threads", Placement::Threads), ("shared core", Placement::SharedCore)] {
        for handled in [false, true] {
            let span = crawl(urls, placement, handled);
            let micros = span.as_secs_f64() * 1e6 / urls as f64;
            let handler = if handled { "with a handler" } else { "no handler" };
            println!("{name:<12} {handler:<15} {micros:>7.2} us a URL");
        }
    }
}

fn crawl(urls: usize, placement: Placement, handled: bool) -> Duration {
    let builder =
        Crawl::builder().concurrency(64).fetchers(1).placement(placement).transport(Arc::new(Instantly));
    let builder = builder.rules(|rules| {
        rules.politeness.delay = Duration::ZERO;
        rules.politeness.adaptive = false;
        rules.politeness.concurrency = 64;
        rules.robots.obey = false;
        rules.scope.urls_per_host_max = 0;
    });
    let content_type = if handled { "text/html" } else { "none/none" };
    let route = Route::closure("count", |_: &Page| Handled::default()).content_type(content_type);
    let builder =
        (0..urls).fold(builder, |builder, number| builder.seed(&format!("http://host.example/{number}")));
    let crawl = builder.route(route).build().expect("the parts are right");
    let begun = Instant::now();
    let end = crawl.run().expect("the crawl starts");
    assert_eq!(end.report.done, u64::try_from(urls).expect("few URLs"));
    begun.elapsed()
}

/// A network that answers every request at once with the same small page.
#[derive(Debug)]
struct Instantly;

impl Transport for Instantly {
    fn fetch(&self, _: FetchRequest) -> Pin<Box<dyn Future<Output = FetchResponse>>> {
        Box::pin(async {
            // A real response is never there within the same turn.
            others_first().await;
            FetchResponse {
                status: Some(200),
                headers: Headers::from_pairs([("Content-Type", "text/html")]),
                body: "<p>".into(),
                error: None,
                ..FetchResponse::failed(Outcome::Ok, Phase::Body, "")
            }
        })
    }

    fn tick(&self) {}
}

impl TransportFactory for Instantly {
    fn open(&self) -> Rc<dyn Transport> {
        Rc::new(Self)
    }
}

/// Lets every other task of the arbiter run once.
async fn others_first() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
