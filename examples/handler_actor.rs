//! Crawls ten pages with a handler of its own: an actor that makes an item of each heading and counts them.
//!
//! `cargo run --example handler_actor` needs no network: the pages are served on loopback.

use std::time::Duration;

use dragline::core::frontier::{Epoch, Mark, RunId};
use dragline::prelude::*;
use dragline::sink::{Record, RecordKind, Sink, SinkError};
use dragline::telemetry::prometheus::{IntCounterVec, Opts};
use dragline_testkit::TenPages;
use serde::Serialize;

/// What the handler makes: one item for each heading.
#[derive(Serialize)]
struct Heading<'a> {
    level: u8,
    text: &'a str,
}

/// The handler. Each worker has one, so its state needs no lock; what workers share is shared by handle.
struct Headings {
    rules: ExtractRules,
    found: IntCounterVec,
}

impl Actor for Headings {
    type Context = Context<Self>;
}

/// Handles one page; links and items of the answer are applied together, exactly once.
impl Handler<HandlePage> for Headings {
    type Result = HandleResult;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> HandleResult {
        let mut handled = Handled::from(extract(&page, &self.rules));
        for heading in headings(&text(&page)) {
            self.found.with_label_values(&[&heading.level.to_string()]).inc();
            handled.item(&heading)?;
        }
        Ok(handled)
    }
}

/// Finds `<h1>..</h1>` to `<h6>..</h6>`, as written by people who write simple HTML.
fn headings(html: &str) -> impl Iterator<Item = Heading<'_>> {
    html.split("<h").skip(1).filter_map(|rest| {
        let level = rest.chars().next()?.to_digit(10).and_then(|level| u8::try_from(level).ok())?;
        let text = rest.split_once('>')?.1.split_once("</h")?.0;
        Some(Heading { level, text })
    })
}

/// Prints items as JSON lines. A crawl that must survive its process writes to a file instead: `FileSink`.
#[derive(Debug)]
struct Print;

impl Sink for Print {
    fn name(&self) -> &str {
        "print"
    }

    fn takes(&self, kind: RecordKind) -> bool {
        kind == RecordKind::Item
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        for record in records {
            if let Record::Item(made) = record {
                println!("{} {}", made.url.path(), made.item.as_json());
            }
        }
        Ok(())
    }

    fn flush(&mut self, _: Epoch) -> Result<Mark, SinkError> {
        Ok(Mark { sink: self.name().into(), position: "".into() })
    }

    fn rewind(&mut self, _: RunId, _: &Mark) -> Result<(), SinkError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = TenPages::start()?;
    let found =
        IntCounterVec::new(Opts::new("headings_found_total", "Headings found, by level."), &["level"])?;
    let counter = found.clone();
    let end = Crawl::builder()
        .seed(site.seed().as_str())
        .allow_network("127.0.0.0/8")
        .delay(Duration::ZERO) // our own server: nobody to be polite to
        .metric(found.clone()) // stands on /metrics beside those of the crawl
        .route(
            Route::actor("headings", move || Headings {
                rules: ExtractRules::default(),
                found: counter.clone(),
            })
            .content_type("text/html")
            .workers(2),
        )
        .sink(Box::new(Print))
        .build()?
        .run()?;
    println!("{}", end.report);
    println!("{} headings of level 1", found.with_label_values(&["1"]).get());
    Ok(())
}
