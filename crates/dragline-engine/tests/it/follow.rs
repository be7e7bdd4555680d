//! Follows single fetches through a simulated web, under paused time.

use std::sync::Arc;
use std::time::Duration;

use dragline_core::fetch::{FetchLimits, FetchRequest, Method};
use dragline_core::rules::CrawlRules;
use dragline_core::{CanonicalUrl, Outcome, Phase};
use dragline_engine::follow::{FollowOptions, Followed, Follower, FollowerParts};
use dragline_engine::{Clock, Tasks};
use dragline_fetch::TransportFactory;
use dragline_telemetry::escape::LoggedUrls;
use dragline_telemetry::{Telemetry, TelemetryOptions};
use dragline_testkit::{SimReply, SimWeb};

use crate::support::metric;

const FOLLOW: FollowOptions = FollowOptions { redirects_max: Some(3), robots: false, attempts_max: 1 };
const ASK_ROBOTS: FollowOptions = FollowOptions { robots: true, ..FOLLOW };
const TRY_THRICE: FollowOptions = FollowOptions { attempts_max: 3, ..FOLLOW };

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn url(text: &str) -> CanonicalUrl {
    CanonicalUrl::parse(text).expect("a test asks for what can be fetched")
}

fn request(text: &str, deadline: Duration) -> FetchRequest {
    let limits = FetchLimits { deadline, first_byte_timeout: secs(1_000), ..FetchLimits::default() };
    FetchRequest::get(url(text), Arc::new(limits))
}

/// Runs a test under paused time, with a follower that keeps this gap at every host.
fn run<T: Future>(web: &SimWeb, gap: Duration, test: impl FnOnce(Follower) -> T) -> T::Output {
    run_counted(web, gap, None, test)
}

/// As [`run`], with somebody who counts.
fn run_counted<T: Future>(
    web: &SimWeb,
    gap: Duration,
    telemetry: Option<Arc<Telemetry>>,
    test: impl FnOnce(Follower) -> T,
) -> T::Output {
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        let mut rules = CrawlRules::default();
        (rules.politeness.delay, rules.politeness.adaptive) = (gap, false);
        let limits = Arc::new(FetchLimits { deadline: secs(20), ..FetchLimits::default() });
        let (rules, transport) = (Arc::new(rules), web.open());
        let (clock, cookies, keyring, log_urls) = (Clock::start(), None, None, LoggedUrls::Full);
        let seed = 7;
        let parts =
            FollowerParts { clock, rules, limits, transport, cookies, keyring, log_urls, telemetry, seed };
        test(Follower::new(parts)).await
    })
}

/// Shows what came of a fetch in one line.
fn told(followed: &Followed) -> String {
    let Followed { response, url, chain, robots, .. } = followed;
    let status = response.status.map(|status| format!(" {status}")).unwrap_or_default();
    let phase =
        response.error.as_ref().map(|error| format!(" in {}", error.phase.name())).unwrap_or_default();
    let total = response.phases.total.as_secs_f64();
    format!(
        "{}{status}{phase} at {url} after {} hops, {}, {total:.1} s",
        response.outcome,
        chain.len(),
        robots.name()
    )
}

/// Fetches one URL without gaps and checks what came of it.
fn check(web: &SimWeb, text: &str, deadline: u64, options: FollowOptions, expected: &str) {
    let followed = run(web, Duration::ZERO, async |follower| {
        follower.fetch(request(text, secs(deadline)), options).await
    });
    assert_eq!(told(&followed), expected);
}

/// Checks that host `a` was left alone so long between all its fetches; timers have the grain of a millisecond.
fn assert_gaps(web: &SimWeb, gap_secs: u64, count: usize) {
    let gaps = web.gaps("a");
    let is_kept =
        |gap: &Duration| *gap >= secs(gap_secs) && *gap <= secs(gap_secs) + Duration::from_millis(2);
    assert!(gaps.len() == count && gaps.iter().all(is_kept), "{gaps:?}");
}

#[test]
fn redirects_are_followed_to_their_end_or_their_limit() {
    let web = SimWeb::new()
        .on("http://a/1", SimReply::redirect(301, "http://b/2"))
        .on("http://b/2", SimReply::redirect(302, "/3"))
        .on("http://b/3", SimReply::redirect(307, "https://c/4"))
        .on("https://c/4", SimReply::html("fine"))
        .on("http://a/0", SimReply::redirect(301, "/1"))
        .on("http://a/loop", SimReply::redirect(302, "/loop"))
        .on("http://a/lost", SimReply::status(302));
    check(&web, "http://a/1", 60, FOLLOW, "ok 200 at https://c/4 after 3 hops, not_asked, 0.0 s");
    check(
        &web,
        "http://a/0",
        60,
        FOLLOW,
        "redirect_error 307 in ttfb at http://b/3 after 3 hops, not_asked, 0.0 s",
    );
    let none = FollowOptions { redirects_max: None, ..FOLLOW };
    check(&web, "http://a/1", 60, none, "redirect 301 at http://a/1 after 0 hops, not_asked, 0.0 s");
    let zero = FollowOptions { redirects_max: Some(0), ..FOLLOW };
    check(
        &web,
        "http://a/1",
        60,
        zero,
        "redirect_error 301 in ttfb at http://a/1 after 0 hops, not_asked, 0.0 s",
    );
    check(
        &web,
        "http://a/loop",
        60,
        FOLLOW,
        "redirect_error 302 in ttfb at http://a/loop after 1 hops, not_asked, 0.0 s",
    );
    check(
        &web,
        "http://a/lost",
        60,
        FOLLOW,
        "redirect_error 302 at http://a/lost after 0 hops, not_asked, 0.0 s",
    );
}

#[test]
fn one_deadline_holds_over_all_hops_and_waits() {
    let web = SimWeb::new()
        .on("http://a/", SimReply::redirect(302, "http://b/").after(secs(3)))
        .on("http://b/", SimReply::redirect(302, "http://c/").after(secs(3)))
        .on("http://c/", SimReply::html("late").after(secs(3)))
        .on("http://d/robots.txt", SimReply::text("").after(secs(15)))
        .on("http://e/robots.txt", SimReply::hang());
    check(&web, "http://a/", 10, FOLLOW, "ok 200 at http://c/ after 2 hops, not_asked, 9.0 s");
    check(&web, "http://a/", 8, FOLLOW, "timeout in ttfb at http://c/ after 2 hops, not_asked, 8.0 s");
    check(&web, "http://d/", 10, ASK_ROBOTS, "timeout in queue at http://d/ after 0 hops, not_asked, 10.0 s");
    check(&web, "http://d/", 20, ASK_ROBOTS, "http_error 404 at http://d/ after 0 hops, allowed, 15.0 s");
    check(
        &web,
        "http://e/",
        60,
        ASK_ROBOTS,
        "timeout in ttfb at http://e/ after 0 hops, unreachable, 15.0 s",
    );
}

#[test]
fn robots_txt_decides_at_every_hop() {
    let web = SimWeb::new()
        .on("http://a/robots.txt", SimReply::text("User-agent: *\nDisallow: /private\n"))
        .on("http://a/", SimReply::html("fine"))
        .on("http://b/", SimReply::redirect(302, "http://a/private/x"))
        .on("http://c/robots.txt", SimReply::status(503))
        .on("http://d/robots.txt", SimReply::failure(Outcome::DnsError, Phase::Dns, "no such name"))
        .on("http://e/robots.txt", SimReply::redirect(301, "http://a/robots.txt"));
    check(&web, "http://a/", 60, ASK_ROBOTS, "ok 200 at http://a/ after 0 hops, allowed, 0.0 s");
    check(
        &web,
        "http://a/private",
        60,
        ASK_ROBOTS,
        "robots_denied in queue at http://a/private after 0 hops, disallowed, 0.0 s",
    );
    check(
        &web,
        "http://b/",
        60,
        ASK_ROBOTS,
        "robots_denied in queue at http://a/private/x after 1 hops, disallowed, 0.0 s",
    );
    check(
        &web,
        "http://c/",
        60,
        ASK_ROBOTS,
        "deferred in queue at http://c/ after 0 hops, unreachable, 0.0 s",
    );
    check(
        &web,
        "http://d/",
        60,
        ASK_ROBOTS,
        "dns_error in dns at http://d/ after 0 hops, unreachable, 0.0 s",
    );
    check(
        &web,
        "http://e/private",
        60,
        ASK_ROBOTS,
        "robots_denied in queue at http://e/private after 0 hops, disallowed, 0.0 s",
    );
    check(
        &web,
        "http://a/robots.txt",
        60,
        ASK_ROBOTS,
        "ok 200 at http://a/robots.txt after 0 hops, not_asked, 0.0 s",
    );
    assert_eq!(web.count_of("http://a/private/x"), 0);
    let lines = run(&web, Duration::ZERO, async |follower| {
        let mut lines = Vec::new();
        for path in ["http://a/", "http://a/private", "http://c/"] {
            lines.push(follower.fetch(request(path, secs(60)), ASK_ROBOTS).await.robots_line);
        }
        lines
    });
    assert_eq!(lines, [None, Some(2), None]);
    let ignored = FollowOptions { robots: false, ..ASK_ROBOTS };
    check(
        &web,
        "http://a/private",
        60,
        ignored,
        "http_error 404 at http://a/private after 0 hops, not_asked, 0.0 s",
    );
}

#[test]
fn each_origin_is_asked_once_and_every_dispatch_keeps_the_gap() {
    let web = SimWeb::new().fallback(|_| Some(SimReply::html("page").after(Duration::from_millis(100))));
    let web = web.on("http://a/robots.txt", SimReply::text("User-agent: *\nAllow: /\n"));
    let order = run(&web, secs(1), async |follower| {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Tasks::default();
        for number in 0..4 {
            let (follower, sender) = (follower.clone(), sender.clone());
            tasks.spawn(async move {
                let request = request(&format!("http://a/{number}"), secs(60));
                drop(sender.send(follower.fetch(request, ASK_ROBOTS).await));
            });
        }
        let mut order = Vec::new();
        for _ in 0..4 {
            let followed = receiver.recv().await.unwrap();
            assert_eq!(followed.response.outcome, Outcome::Ok, "{followed:?}");
            order.push(followed.url.path().to_owned());
        }
        order
    });
    assert_eq!(order, ["/0", "/1", "/2", "/3"], "who asked first is admitted first");
    assert_eq!(web.count_of("http://a/robots.txt"), 1);
    assert_gaps(&web, 1, 4);
}

#[test]
fn a_deadline_that_passes_in_the_queue_asks_nobody() {
    let web = SimWeb::new().fallback(|_| Some(SimReply::html("page")));
    let (first, second) = run(&web, secs(10), async |follower| {
        let first = follower.fetch(request("http://a/1", secs(5)), FOLLOW).await;
        (first, follower.fetch(request("http://a/2", secs(5)), FOLLOW).await)
    });
    assert_eq!(told(&first), "ok 200 at http://a/1 after 0 hops, not_asked, 0.0 s");
    assert_eq!(told(&second), "timeout in queue at http://a/2 after 0 hops, not_asked, 5.0 s");
    assert_eq!((first.waited, second.waited), (Duration::ZERO, second.response.phases.total));
    assert_eq!(web.fetches().len(), 1);
}

#[test]
fn a_host_that_asks_for_more_time_than_there_is_is_left_alone_at_once() {
    let web = SimWeb::new().on("http://a/", SimReply::retry_after(429, 100));
    let (first, second, third) = run(&web, Duration::ZERO, async |follower| {
        let first = follower.fetch(request("http://a/", secs(5)), FOLLOW).await;
        let second = follower.fetch(request("http://a/x", secs(5)), FOLLOW).await;
        (first, second, follower.fetch(request("http://a/x", secs(200)), FOLLOW).await)
    });
    assert_eq!(told(&first), "http_error 429 at http://a/ after 0 hops, not_asked, 0.0 s");
    assert_eq!(told(&second), "deferred in queue at http://a/x after 0 hops, not_asked, 0.0 s");
    assert_eq!(told(&third), "http_error 404 at http://a/x after 0 hops, not_asked, 100.0 s");
}

#[test]
fn a_crawl_delay_is_kept() {
    let web = SimWeb::new()
        .fallback(|_| Some(SimReply::html("page")))
        .on("http://a/robots.txt", SimReply::text("User-agent: *\nCrawl-delay: 7\n"));
    run(&web, Duration::ZERO, async |follower| {
        for path in ["http://a/1", "http://a/2"] {
            follower.fetch(request(path, secs(60)), ASK_ROBOTS).await;
        }
    });
    assert_gaps(&web, 7, 2);
}

#[test]
fn a_crash_or_a_dropped_fetch_gives_its_slot_back() {
    let web = SimWeb::new()
        .on("http://a/bug", SimReply::panic())
        .on("http://a/slow", SimReply::html("slow").after(secs(50)))
        .on("http://a/", SimReply::html("fine"));
    let (crashed, fine) = run(&web, Duration::ZERO, async |follower| {
        let crashed = follower.fetch(request("http://a/bug", secs(60)), FOLLOW).await;
        let slow = follower.fetch(request("http://a/slow", secs(60)), FOLLOW);
        assert!(tokio::time::timeout(secs(1), slow).await.is_err(), "it is dropped under way");
        (crashed, follower.fetch(request("http://a/", secs(60)), FOLLOW).await)
    });
    assert_eq!(told(&crashed), "crashed in queue at http://a/bug after 0 hops, not_asked, 0.0 s");
    assert!(crashed.response.error.unwrap().message.contains("a simulated bug"));
    assert_eq!(told(&fine), "ok 200 at http://a/ after 0 hops, not_asked, 0.0 s");
}

#[test]
fn what_failed_is_sent_again_while_attempts_and_time_are_left() {
    let down = || SimReply::failure(Outcome::ConnectError, Phase::Connect, "refused");
    let fine = || SimReply::html("fine");
    let web = SimWeb::new()
        .on_each("http://a/", vec![down(), SimReply::status(503), fine()])
        .on("http://b/", down())
        .on_each("http://c/", vec![SimReply::redirect(302, "http://d/"), fine()])
        .on_each("http://d/", vec![SimReply::panic(), fine()])
        .on("http://e/", SimReply::status(404))
        .on_each("http://f/", vec![SimReply::retry_after(429, 5), SimReply::retry_after(429, 20), fine()]);
    let fetch = |text: &'static str, method: Method, deadline: u64, options: FollowOptions| {
        let request = FetchRequest { method, ..request(text, secs(deadline)) };
        run(&web, Duration::ZERO, async |follower| follower.fetch(request, options).await)
    };
    let sent = |text: &'static str, options: FollowOptions| fetch(text, Method::Get, 60, options);
    let check = |followed: &Followed, attempts: u32, outcome: Outcome, total: Option<u64>| {
        let response = &followed.response;
        assert_eq!((followed.attempts, response.outcome), (attempts, outcome), "{followed:?}");
        assert_eq!(followed.waited, response.phases.total, "{followed:?}");
        if let Some(total) = total {
            assert_eq!(response.phases.total.as_secs(), total, "{followed:?}");
        }
    };
    check(&sent("http://a/", TRY_THRICE), 3, Outcome::Ok, None);
    check(&sent("http://b/", TRY_THRICE), 3, Outcome::ConnectError, None);
    check(&sent("http://b/", FOLLOW), 1, Outcome::ConnectError, Some(0));
    check(&sent("http://c/", TRY_THRICE), 2, Outcome::Ok, None);
    check(&sent("http://e/", TRY_THRICE), 1, Outcome::HttpError, Some(0));
    // The first wait fits into the deadline, the second does not: what was said last is the result.
    let deferred = fetch("http://f/", Method::Get, 10, TRY_THRICE);
    check(&deferred, 2, Outcome::HttpError, Some(5));
    assert_eq!(deferred.response.status, Some(429));
    assert_eq!(["a", "b", "c", "d", "e", "f"].map(|host| web.gaps(host).len() + 1), [3, 4, 1, 2, 1, 2]);
}

#[test]
fn what_may_not_be_done_twice_is_sent_again_only_if_it_was_not_sent() {
    let down = SimReply::failure(Outcome::ConnectError, Phase::Connect, "refused");
    let web = SimWeb::new()
        .on("http://a/", SimReply::failure(Outcome::Incomplete, Phase::Ttfb, "reset"))
        .on_each("http://b/", vec![down, SimReply::html("fine")]);
    let post = |text: &'static str| {
        let request = FetchRequest { method: Method::Post, ..request(text, secs(60)) };
        run(&web, Duration::ZERO, async |follower| follower.fetch(request, TRY_THRICE).await)
    };
    let (lost, fine) = (post("http://a/"), post("http://b/"));
    assert_eq!((lost.attempts, lost.response.outcome), (1, Outcome::Incomplete));
    assert_eq!((fine.attempts, fine.response.outcome), (2, Outcome::Ok));
}

#[test]
fn every_fetch_retry_and_backoff_is_counted() {
    let web = SimWeb::new()
        .on("http://a/robots.txt", SimReply::text("User-agent: *\nDisallow: /private\n"))
        .on_each("http://a/", vec![SimReply::retry_after(503, 3), SimReply::redirect(302, "http://b/")])
        .on("http://b/", SimReply::panic());
    let telemetry = Telemetry::new(TelemetryOptions::default()).expect("the registry takes its own families");
    run_counted(&web, secs(1), Some(Arc::clone(&telemetry)), async |follower| {
        let options = FollowOptions { robots: true, ..TRY_THRICE };
        for path in ["http://a/", "http://a/private"] {
            follower.fetch(request(path, secs(60)), options).await;
        }
    });
    let text = telemetry.gather_text().expect("the families can be written");
    let check = |series: &str, expected: f64| {
        assert!((metric(&text, series) - expected).abs() < 0.001, "{series}: {}", metric(&text, series));
    };
    check("dragline_fetches_total{class=\"2xx\"}", 1.0);
    check("dragline_fetches_total{class=\"3xx\"}", 1.0);
    check("dragline_fetches_total{class=\"4xx\"}", 1.0);
    check("dragline_fetches_total{class=\"5xx\"}", 1.0);
    check("dragline_fetch_errors_total{kind=\"crashed\"}", 1.0);
    check("dragline_fetch_retries_total{reason=\"status\"}", 1.0);
    check("dragline_fetch_retries_total{reason=\"other\"}", 0.0);
    check("dragline_backoffs_total{trigger=\"retry_after\"}", 1.0);
    check("dragline_robots_fetches_total{result=\"successful\"}", 1.0);
    check("dragline_robots_fetches_total{result=\"unavailable\"}", 1.0);
    check("dragline_robots_decisions_total{decision=\"allowed\"}", 2.0);
    check("dragline_robots_decisions_total{decision=\"disallowed\"}", 1.0);
    check("dragline_robots_decisions_total{decision=\"assumed_allowed\"}", 1.0);
    check("dragline_fetch_queue_wait_seconds_count", 5.0);
    check("dragline_politeness_delay_seconds_count", 5.0);
}
