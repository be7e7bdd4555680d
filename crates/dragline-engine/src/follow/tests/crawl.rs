//! Follows fetches through the gate of a running crawl of a simulated web, under paused time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, Context, Handler, ResponseFuture};
use dragline_core::chance::Chance;
use dragline_core::fetch::{FetchLimits, FetchRequest};
use dragline_core::roster::PoolRules;
use dragline_core::rules::CrawlRules;
use dragline_core::{CanonicalUrl, Handled, Outcome};
use dragline_fetch::TransportFactory;
use dragline_telemetry::Telemetry;
use dragline_telemetry::escape::LoggedUrls;
use dragline_testkit::{SimReply, SimWeb};

use super::super::{CrawlGate, FollowOptions, Followed, Follower, FollowerParts};
use crate::{
    Clock, Crawl, CrawlBuilder, CrawlEnd, HandleError, HandlePage, HandleResult, Placement, Route,
    RunningCrawl, Tasks,
};

const ASK_ROBOTS: FollowOptions = FollowOptions { redirects_max: Some(3), robots: true, attempts_max: 1 };
const FOLLOW: FollowOptions = FollowOptions { robots: false, ..ASK_ROBOTS };

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn request(text: &str, deadline: Duration) -> FetchRequest {
    let limits = FetchLimits { deadline, first_byte_timeout: secs(100), ..FetchLimits::default() };
    FetchRequest::get(CanonicalUrl::parse(text).unwrap(), Arc::new(limits))
}

/// Hosts without end, each with pages `/0` to `/4` that link to the next.
fn web() -> SimWeb {
    SimWeb::new().fallback(|url| {
        let page: u32 = url.path().strip_prefix('/')?.parse().ok()?;
        let next = format!("/{}", page + 1);
        let links = if page < 4 { vec![next.as_str()] } else { Vec::new() };
        Some(SimReply::page("page", &links).after(Duration::from_millis(100)))
    })
}

/// Crawls host `a` with a gap of a second, as `change` wants it, beside a follower that passes its gate.
fn run<T: Future>(
    web: &SimWeb,
    change: impl FnOnce(CrawlBuilder) -> CrawlBuilder,
    test: impl FnOnce(Follower, RunningCrawl) -> T,
) -> T::Output {
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        let builder = Crawl::builder()
            .run_seed(7)
            .placement(Placement::OneArbiter)
            .transport(Arc::new(web.clone()))
            .concurrency(4)
            .delay(secs(1))
            .seed("http://a/0");
        let running = change(builder).build().unwrap().start().unwrap();
        let handle = running.handle();
        let follower = follower(web, handle.gate().clone(), Some(Arc::clone(handle.telemetry())));
        test(follower, running).await
    })
}

fn follower(web: &SimWeb, gate: CrawlGate, telemetry: Option<Arc<Telemetry>>) -> Follower {
    let parts = FollowerParts {
        clock: Clock::start(),
        rules: Arc::new(CrawlRules::default()),
        limits: Arc::default(),
        transport: web.open(),
        cookies: None,
        keyring: None,
        log_urls: LoggedUrls::Full,
        telemetry,
        seed: 7,
    };
    Follower::through(gate, parts)
}

/// A handler that fetches something more of the page's own host, and something of a host of its own, for each page.
struct Curious {
    web: SimWeb,
    gate: Arc<OnceLock<CrawlGate>>,
}

impl Actor for Curious {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Curious {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        let gate = self.gate.get().expect("the crawl has started").clone();
        let follower = follower(&self.web, gate, None);
        Box::pin(async move {
            let number: u32 = page.url.path().trim_start_matches('/').parse()?;
            for text in [format!("http://a/{number}"), format!("http://x{number}/0")] {
                let followed = follower.fetch(request(&text, secs(20)), ASK_ROBOTS).await;
                if followed.response.outcome != Outcome::Ok {
                    return Err(HandleError::new(told(&followed)));
                }
            }
            let mut handled = Handled::default();
            if number < 4 {
                handled.link(&page.url, &format!("/{}", number + 1));
            }
            Ok(handled)
        })
    }
}

async fn end_of(running: RunningCrawl) -> CrawlEnd {
    tokio::time::timeout(secs(3_600), running.wait()).await.expect("the crawl ends")
}

/// Shows how a fetch ended and why.
fn told(followed: &Followed) -> String {
    let error = followed.response.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{}, {}{error}", followed.response.outcome, followed.robots.name())
}

fn assert_gaps(web: &SimWeb, host: &str, count: usize) {
    let gaps = web.gaps(host);
    assert!(gaps.len() == count && gaps.iter().all(|gap| *gap >= secs(1)), "{gaps:?}");
}

#[test]
fn a_session_shares_the_gap_and_the_robots_txt_of_the_crawl() {
    let web = web().on("http://a/robots.txt", SimReply::text("User-agent: *\nDisallow: /private\n"));
    let (words, end, text) = run(
        &web,
        |crawl| crawl,
        async |follower, running| {
            let mut words = Vec::new();
            for path in ["http://a/4", "http://a/private", "http://a/4", "http://b/0", "http://b/1"] {
                words.push(told(&follower.fetch(request(path, secs(60)), ASK_ROBOTS).await));
            }
            let handle = running.handle();
            (words, end_of(running).await, handle.gather().await.unwrap())
        },
    );
    let denied = "robots_denied, disallowed: http://a/robots.txt:2 disallows it (in phase queue)";
    assert_eq!(words, ["ok, allowed", denied, "ok, allowed", "ok, assumed_allowed", "ok, assumed_allowed"]);
    assert_eq!((end.report.done, end.report.discovered, end.report.totals.fetches), (5, 5, 5));
    assert_eq!(end.report.totals.robots_fetches, 2, "one for each origin");
    assert_eq!(["http://a/robots.txt", "http://b/robots.txt"].map(|url| web.count_of(url)), [1, 1]);
    assert_gaps(&web, "a", 7);
    assert_gaps(&web, "b", 2);
    assert!(text.contains("dragline_fetches_total{class=\"2xx\"} 10"), "sessions are counted: {text}");
}

#[test]
fn a_deadline_or_a_drop_withdraws_and_gives_back_what_was_given() {
    let web = web().on("http://a/slow", SimReply::html("slow").after(secs(50)));
    let end = run(
        &web,
        |crawl| crawl.concurrency(1).rules(|rules| rules.robots.obey = false),
        async |follower, running| {
            let late =
                "timeout, not_asked: the deadline passed while waiting for a turn at a:80 (in phase queue)";
            let slow = follower.fetch(request("http://a/slow", secs(60)), FOLLOW);
            assert!(tokio::time::timeout(secs(10), slow).await.is_err(), "it is dropped under way");
            for _ in 0..20 {
                let held = follower.fetch(request("http://a/4", secs(30)), FOLLOW);
                assert!(tokio::time::timeout(Duration::from_micros(1), held).await.is_err(), "in the queue");
            }
            let slow = follower.fetch(request("http://a/slow", secs(60)), FOLLOW);
            let waits = async {
                tokio::time::sleep(secs(3)).await;
                told(&follower.fetch(request("http://a/4", secs(5)), FOLLOW).await)
            };
            let (slow, waits) = tokio::join!(slow, waits);
            assert_eq!((told(&slow).as_str(), waits.as_str()), ("ok, not_asked", late));
            end_of(running).await
        },
    );
    assert_eq!((end.report.done, end.report.pending, &end.problem), (5, 0, &None));
    assert!(web.gaps("a").iter().all(|gap| *gap >= secs(1)), "{:?}", web.gaps("a"));
}

#[test]
fn sessions_wait_while_the_crawl_is_paused_and_end_with_it() {
    let web = web().on("http://b/robots.txt", SimReply::hang());
    run(
        &web,
        |crawl| crawl,
        async |follower, running| {
            let handle = running.handle();
            handle.pause(true).await;
            let paused = follower.fetch(request("http://c/0", secs(2)), FOLLOW).await;
            assert_eq!(paused.response.outcome, Outcome::Timeout);
            handle.pause(false).await;
            let resumed = follower.fetch(request("http://c/0", secs(2)), FOLLOW).await;
            assert_eq!(told(&resumed), "ok, not_asked");
            let waiting = follower.fetch(request("http://b/0", secs(3_000)), ASK_ROBOTS);
            let (waiting, end) = tokio::join!(waiting, end_of(running));
            let ends =
                "cancelled, not_asked: the crawl ends: no session is admitted any more (in phase queue)";
            assert_eq!((told(&waiting).as_str(), end.report.ended.name()), (ends, "finished"));
            let after = follower.fetch(request("http://a/0", secs(60)), FOLLOW).await;
            assert_eq!(told(&after), "cancelled, not_asked: the crawl has ended (in phase queue)");
        },
    );
}

#[test]
fn a_handler_may_wait_for_a_session_though_every_credit_is_one() {
    let (web, gate) = (web(), Arc::new(OnceLock::new()));
    let (made, told) = (Arc::clone(&gate), web.clone());
    let make = move || Curious { web: told.clone(), gate: Arc::clone(&made) };
    let pool = PoolRules { workers: 1, credits: 1, ..PoolRules::default() };
    let route = Route::actor("curious", make).pool(pool);
    let change = |crawl: CrawlBuilder| crawl.concurrency(1).pages_max(1).route(route);
    let end = run(&web, change, async |_, running| {
        drop(gate.set(running.handle().gate().clone()));
        end_of(running).await
    });
    assert_eq!((end.report.done, end.report.pending, &end.problem), (5, 0, &None), "{:?}", end.report.failed);
    assert_gaps(&web, "a", 10);
    assert_eq!(end.report.totals.robots_fetches, 6);
}

#[test]
fn however_sessions_come_and_go_no_slot_and_no_credit_is_lost() {
    let web = web().on("http://slow/4", SimReply::html("it keeps the crawl").after(secs(14)));
    let gap = Duration::from_millis(20);
    let change = |crawl: CrawlBuilder| crawl.concurrency(2).delay(gap).seed("http://slow/4");
    let (last, end) = run(&web, change, async |follower, running| {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Tasks::default();
        for task in 0..20 {
            let (follower, sender, mut chance) = (follower.clone(), sender.clone(), Chance::new(task));
            tasks.spawn(async move {
                for _ in 0..30 {
                    let host = if chance.below(3) == 0 { "a" } else { "b" };
                    let patience = chance.up_to(Duration::from_millis(400));
                    let request = request(&format!("http://{host}/0"), chance.up_to(secs(1)));
                    let fetch = follower.fetch(request, ASK_ROBOTS);
                    let outcome =
                        tokio::time::timeout(patience, fetch).await.map(|followed| followed.response.outcome);
                    sender.send(outcome.ok()).expect("the test waits for every task");
                }
            });
        }
        drop(sender);
        let mut outcomes = Vec::new();
        while let Some(outcome) = receiver.recv().await {
            outcomes.push(outcome);
        }
        for outcome in [None, Some(Outcome::Ok), Some(Outcome::Timeout)] {
            assert!(outcomes.contains(&outcome), "{outcome:?} of {outcomes:?}");
        }
        assert!(!outcomes.contains(&Some(Outcome::Cancelled)), "the crawl has not ended");
        // Deadlines that passed made the host back off for a while.
        let last = follower.fetch(request("http://b/0", secs(5)), ASK_ROBOTS).await;
        (told(&last), end_of(running).await)
    });
    assert_eq!((last.as_str(), end.report.done, &end.problem), ("ok, assumed_allowed", 6, &None));
    for host in ["a", "b"] {
        assert_eq!(web.most_at_once(host), 1);
        assert!(web.gaps(host).iter().all(|kept| *kept >= gap), "{:?}", web.gaps(host));
    }
}

#[test]
fn asks_come_from_other_threads_than_the_supervisors() {
    let web =
        web().on("http://slow/4", SimReply::html("it keeps the crawl").after(Duration::from_millis(300)));
    let end = actix_rt::System::new().block_on(async {
        let builder = Crawl::builder()
            .placement(Placement::Threads)
            .transport(Arc::new(web.clone()))
            .concurrency(2)
            .delay(Duration::ZERO)
            .seed("http://slow/4");
        let running = builder.build().unwrap().start().unwrap();
        let follower = follower(&web, running.handle().gate().clone(), None);
        let mut tasks = Tasks::default();
        for task in 0..20 {
            let (follower, mut chance) = (follower.clone(), Chance::new(task));
            tasks.spawn(async move {
                loop {
                    let request = request(&format!("http://h{}/missing", chance.below(3)), secs(5));
                    let patience = chance.up_to(Duration::from_millis(3));
                    let fetch = follower.fetch(request, FOLLOW);
                    if let Ok(followed) = tokio::time::timeout(patience, fetch).await
                        && followed.response.outcome == Outcome::Cancelled
                    {
                        return;
                    }
                }
            });
        }
        running.wait().await
    });
    assert_eq!((end.report.done, &end.problem), (1, &None));
    assert!(["h0", "h1", "h2"].iter().all(|host| web.most_at_once(host) == 1));
}
