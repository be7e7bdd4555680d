//! Makes simulated sites, sinks in memory and crawls of them, and checks that every URL is accounted for once.

#![expect(clippy::unwrap_used, reason = "a helper of tests: what cannot be had ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_core::{CanonicalUrl, Handled, Page};
use dragline_engine::{Crawl, CrawlBuilder, CrawlEnd, CrawlHandle, Placement, RunningCrawl};
use dragline_sink::{Record, RecordKind, Sink, SinkError};
use dragline_testkit::{SimReply, SimWeb};
use tokio::time::Instant;

/// Virtual time after which a crawl under test is taken to hang.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// A sink in memory; clones share what was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemSink {
    written: Arc<Mutex<Written>>,
    fault: Option<Fault>,
}

#[derive(Debug, Default)]
struct Written {
    records: Vec<Record>,
    flushed: usize,
    flushes: Vec<Epoch>,
    threads: BTreeSet<String>,
    full_since: Option<Instant>,
}

/// What goes wrong in a sink once it holds so many records.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Write(usize),
    /// There is no space for this long from the first call on that finds so many records.
    Space(usize, Duration),
    Flush(usize),
    Panic(usize),
}

impl MemSink {
    pub(crate) fn with_fault(fault: Fault) -> Self {
        Self { written: Arc::default(), fault: Some(fault) }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.written.lock().unwrap().records.clone()
    }

    /// How many records the last flush made durable.
    pub(crate) fn flushed(&self) -> usize {
        self.written.lock().unwrap().flushed
    }

    pub(crate) fn flushes(&self) -> Vec<Epoch> {
        self.written.lock().unwrap().flushes.clone()
    }

    /// The threads on which it was called.
    pub(crate) fn threads(&self) -> BTreeSet<String> {
        self.written.lock().unwrap().threads.clone()
    }

    /// How each URL ended, `done` or `skipped(scope)`; fails when one ended twice.
    pub(crate) fn ends(&self) -> BTreeMap<String, String> {
        let mut ends = BTreeMap::new();
        for record in self.records() {
            let (url, end) = match record {
                Record::Page(page) => (page.url, page.disposition.to_string()),
                Record::Skipped(skip) => (skip.url, format!("skipped({})", skip.decision.verdict)),
                Record::Item(_) => continue,
            };
            let earlier = ends.insert(url.to_string(), end);
            assert_eq!(earlier, None, "{url} ended twice");
        }
        ends
    }

    /// The items as (handler, path of the page, JSON), in order.
    pub(crate) fn items(&self) -> Vec<(String, String, String)> {
        let item = |record| match record {
            Record::Item(item) => {
                Some((item.handler.to_string(), item.url.path_and_query().into(), item.item.as_json().into()))
            }
            _ => None,
        };
        self.records().into_iter().filter_map(item).collect()
    }
}

impl Written {
    fn check_space(&mut self, fault: Option<Fault>) -> Result<(), SinkError> {
        let Some(Fault::Space(at, span)) = fault.filter(|_| !self.records.is_empty()) else { return Ok(()) };
        #[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
        let now = Instant::now();
        if self.records.len() < at || now >= *self.full_since.get_or_insert(now) + span {
            return Ok(());
        }
        Err(SinkError::from_io(Path::new("memory"), "write", io::ErrorKind::StorageFull.into()))
    }
}

fn failure(action: &'static str) -> SinkError {
    SinkError::Io { path: Path::new("memory").into(), action, source: io::Error::other("as the test wants") }
}

impl Sink for MemSink {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn takes(&self, _: RecordKind) -> bool {
        true
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        let mut written = self.written.lock().unwrap();
        written.records.extend_from_slice(records);
        let count = written.records.len();
        written.check_space(self.fault)?;
        drop(written);
        match self.fault {
            Some(Fault::Write(at)) if count >= at => Err(failure("write")),
            Some(Fault::Panic(at)) if count >= at => panic!("a bug in a sink, as the test wants"),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, epoch: Epoch) -> Result<Mark, SinkError> {
        let mut written = self.written.lock().unwrap();
        written.check_space(self.fault)?;
        written.flushed = written.records.len();
        written.flushes.push(epoch);
        written.threads.insert(format!("{:?}", std::thread::current().id()));
        match self.fault {
            Some(Fault::Flush(at)) if written.flushed >= at => Err(failure("flush")),
            _ => Ok(Mark { sink: "memory".into(), position: written.flushed.to_string().into() }),
        }
    }

    fn rewind(&mut self, _: RunId, _: &Mark) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A web of hosts `h0.test`, `h1.test` and so on, each with pages `/0`, `/1` and so on: page n links to 2n+1 and 2n+2,
/// to the next host, and to a host out of scope.
pub(crate) fn web(hosts: u32, pages: u32, latency: Duration) -> SimWeb {
    SimWeb::new().fallback(move |url| {
        let host: u32 = url.host().strip_prefix('h')?.strip_suffix(".test")?.parse().ok()?;
        let page = number(url)?;
        if host >= hosts || page >= pages {
            return None;
        }
        let children = [2 * page + 1, 2 * page + 2].into_iter().filter(|child| *child < pages);
        let mut links: Vec<String> = children.map(|child| format!("/{child}")).collect();
        links.push(format!("http://h{}.test/0", (host + 1) % hosts));
        links.push(format!("http://elsewhere.test/{page}"));
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        Some(SimReply::page(&format!("page {page}"), &links).after(latency))
    })
}

/// The number of a page of [`web`].
pub(crate) fn number(url: &CanonicalUrl) -> Option<u32> {
    url.path_and_query().strip_prefix('/')?.parse().ok()
}

/// A crawl of so many hosts of a [`web`], without gaps, on one arbiter.
pub(crate) fn crawl(web: &SimWeb, hosts: u32, sink: &MemSink) -> CrawlBuilder {
    hosts_of(web, hosts).sink(Box::new(sink.clone()))
}

/// As [`crawl`], with so many credits of its sink.
pub(crate) fn crawl_with(web: &SimWeb, hosts: u32, sink: &MemSink, credits: usize) -> CrawlBuilder {
    hosts_of(web, hosts).sink_with_credits(Box::new(sink.clone()), credits)
}

fn hosts_of(web: &SimWeb, hosts: u32) -> CrawlBuilder {
    let mut builder = Crawl::builder()
        .run_seed(7)
        .placement(Placement::OneArbiter)
        .transport(Arc::new(web.clone()))
        .concurrency(8)
        .rules(|rules| {
            rules.politeness.delay = Duration::ZERO;
            rules.politeness.adaptive = false;
            rules.robots.obey = false;
        });
    for host in 0..hosts {
        builder = builder.seed(&format!("http://h{host}.test/0"));
    }
    builder
}

/// Starts a crawl under paused time.
pub(crate) fn start(builder: CrawlBuilder) -> RunningCrawl {
    tokio::time::pause();
    builder.build().unwrap().start().unwrap()
}

/// Waits for the end of a crawl under paused time.
pub(crate) async fn end_of(running: RunningCrawl) -> CrawlEnd {
    let end = tokio::time::timeout(PATIENCE, running.wait()).await;
    end.expect("a crawl ends before hours of virtual time have passed")
}

/// Runs a crawl under paused time.
pub(crate) async fn run(builder: CrawlBuilder) -> (CrawlEnd, CrawlHandle) {
    let running = start(builder);
    let handle = running.handle();
    (end_of(running).await, handle)
}

/// Checks the accounts: the identity holds, and the records are exactly the settled URLs, each once.
pub(crate) fn check_accounts(end: &CrawlEnd, sink: &MemSink) {
    let report = &end.report;
    assert!(report.adds_up(), "{report:?}");
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for disposition in sink.ends().into_values() {
        *counts.entry(disposition).or_default() += 1;
    }
    let mut expected: BTreeMap<String, u64> =
        [("done", report.done), ("redirected", report.redirected)].map(|(name, n)| (name.into(), n)).into();
    expected.extend(report.failed.iter().map(|(kind, count)| (format!("failed({kind})"), *count)));
    expected.extend(report.skipped.iter().map(|(reason, count)| (format!("skipped({reason})"), *count)));
    expected.retain(|_, count| *count > 0);
    assert_eq!(counts, expected, "records and report differ");
    assert_eq!(sink.items().len() as u64, report.totals.items);
    assert_eq!(sink.flushed(), sink.records().len(), "every record was made durable");
}

/// Checks that a crawl of a [`web`] finished with nothing pending, and returns how its pages ended, by number, where
/// it was not `done`.
pub(crate) fn check_finished(end: &CrawlEnd, sink: &MemSink) -> BTreeMap<u32, String> {
    assert_eq!((end.report.ended.name(), &end.problem), ("finished", &None));
    assert_eq!(end.report.pending, 0);
    check_accounts(end, sink);
    let mut ends = sink.ends();
    ends.retain(|_, end| end != "done" && !end.starts_with("skipped"));
    let numbered =
        ends.into_iter().filter_map(|(url, end)| Some((number(&CanonicalUrl::parse(&url).unwrap())?, end)));
    numbered.collect()
}

/// The distinct URLs fetched, as text.
pub(crate) fn fetched(web: &SimWeb) -> BTreeSet<String> {
    web.fetches().into_iter().map(|fetch| fetch.url.to_string()).collect()
}

/// A handler's work: follows the links that [`web`] puts on a page, and makes `items` items.
pub(crate) fn follow(page: &Page, items: u32) -> Handled {
    let mut handled = Handled::default();
    let text = String::from_utf8_lossy(&page.body);
    for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        handled.link(&page.url, link);
    }
    for item in 0..items {
        handled.item(&item).unwrap();
    }
    handled
}

/// The value of a series in Prometheus' text format; 0 when it is not there.
pub(crate) fn metric(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}
