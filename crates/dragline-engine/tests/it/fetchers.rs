//! Runs crawls whose transport panics: in one fetch, at its first opening, at every opening, in its tick.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dragline_core::Outcome;
use dragline_core::fetch::FetchRequest;
use dragline_engine::Problem;
use dragline_fetch::{Transport, TransportFactory, transport::Fetching};
use dragline_testkit::{SimReply, SimWeb};

use tokio::time::Instant;

use crate::support::{MemSink, check_accounts, check_finished, crawl, end_of, metric, run, start, web};

const RESTARTS: &str = "dragline_actor_restarts_total{actor=\"fetcher\"}";

#[actix_rt::test]
async fn a_panic_in_one_fetch_is_tried_once_more_and_costs_only_its_url() {
    let web = web(1, 30, Duration::from_millis(5))
        .on("http://h0.test/20", SimReply::panic())
        .on_each("http://h0.test/21", vec![SimReply::panic(), SimReply::page("fine", &[])]);
    let sink = MemSink::default();
    let (end, handle) = run(crawl(&web, 1, &sink)).await;
    assert_eq!(check_finished(&end, &sink), [(20, "failed(crashed)".to_owned())].into());
    assert_eq!((web.count_of("http://h0.test/20"), web.count_of("http://h0.test/21")), (2, 2));
    assert_eq!(end.report.done, 29);
    assert_eq!(metric(&handle.gather().await.unwrap(), RESTARTS), 0.0, "a lane survives it");
}

/// What goes wrong in a transport beside its fetches.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    /// So many openings panic.
    Open(usize),
    /// The ticks of the first so many transports panic.
    Tick(usize),
}

/// Opens transports of a simulated web that are flawed.
#[derive(Debug)]
struct Flawed {
    web: SimWeb,
    flaw: Flaw,
    opened: AtomicUsize,
}

#[derive(Debug)]
struct FlawedTransport {
    inner: Rc<dyn Transport>,
    tick_panics: bool,
}

impl TransportFactory for Flawed {
    fn open(&self) -> Rc<dyn Transport> {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed);
        let tick_panics = match self.flaw {
            Flaw::Open(most) => {
                assert!(opened >= most, "a transport does not open, as the test wants");
                false
            }
            Flaw::Tick(most) => opened < most,
        };
        Rc::new(FlawedTransport { inner: self.web.open(), tick_panics })
    }
}

impl Transport for FlawedTransport {
    fn fetch(&self, request: FetchRequest) -> Fetching {
        self.inner.fetch(request)
    }

    fn tick(&self) {
        assert!(!self.tick_panics, "as the test wants");
    }
}

#[expect(clippy::disallowed_methods, reason = "the paused clock of the test")]
fn now() -> Instant {
    Instant::now()
}

fn flawed(web: &SimWeb, flaw: Flaw) -> Arc<Flawed> {
    Arc::new(Flawed { web: web.clone(), flaw, opened: AtomicUsize::new(0) })
}

#[actix_rt::test]
async fn a_fetcher_that_does_not_open_at_first_is_started_again() {
    let (web, sink) = (web(4, 20, Duration::from_millis(5)), MemSink::default());
    let transport = flawed(&web, Flaw::Open(3));
    let (end, handle) = run(crawl(&web, 4, &sink).fetchers(2).transport(transport)).await;
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 80);
    assert_eq!(metric(&handle.gather().await.unwrap(), RESTARTS), 3.0);
}

#[actix_rt::test]
async fn the_deadline_of_a_session_holds_while_its_fetcher_is_dead() {
    let (web, sink) = (web(1, 20, Duration::from_millis(200)), MemSink::default());
    let builder = crawl(&web, 1, &sink).transport(flawed(&web, Flaw::Open(3)));
    let session = builder.session();
    let running = start(builder);
    let (began, deadline) = (now(), Duration::from_millis(50));
    let late = session.get("http://h0.test/19").deadline(deadline).start();
    let patient = session.get("http://h0.test/19").start();
    let error = late.await.unwrap_err();
    assert_eq!(error.outcome(), Some(Outcome::Timeout), "{error}");
    let waited = now() - began;
    assert!((deadline..deadline * 2).contains(&waited), "answered after {waited:?}");
    assert_eq!(patient.await.unwrap().status(), 200, "what can wait is fetched once there is a fetcher");
    assert!(now() - began > deadline * 2, "the fetcher was dead beyond the deadline");
    check_finished(&end_of(running).await, &sink);
}

#[actix_rt::test]
async fn a_fetcher_that_dies_gives_its_leases_back() {
    // Each fetch takes 700 ms, so that the tick after a second finds some under way.
    let (web, sink) = (web(4, 6, Duration::from_millis(700)), MemSink::default());
    let transport = flawed(&web, Flaw::Tick(2));
    let (end, handle) = run(crawl(&web, 4, &sink).fetchers(2).transport(transport)).await;
    check_finished(&end, &sink);
    assert_eq!(end.report.done, 24);
    assert!(web.fetches().iter().any(|fetch| fetch.cancelled), "what was under way was lost");
    assert_eq!(web.fetches().len() as u64, end.report.totals.fetches, "and counted");
    assert_eq!(metric(&handle.gather().await.unwrap(), RESTARTS), 2.0);
}

#[actix_rt::test]
async fn fetchers_that_never_open_end_the_crawl() {
    let (web, sink) = (web(1, 5, Duration::ZERO), MemSink::default());
    let transport = flawed(&web, Flaw::Open(usize::MAX));
    let (end, _) = run(crawl(&web, 1, &sink).transport(Arc::clone(&transport) as _)).await;
    let Some(Problem::Internal(what)) = &end.problem else { panic!("{:?}", end.problem) };
    assert!(what.contains("fetcher"), "{what}");
    assert_eq!(end.report.ended.name(), "failed");
    assert_eq!((end.report.done, end.report.pending), (0, 1), "nothing was leased that could crash");
    check_accounts(&end, &sink);
}
