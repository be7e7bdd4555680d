//! Runs crawls whose handlers panic, fail, ask for retries, stop themselves or never come to life.

#![expect(clippy::unwrap_used, reason = "a helper of tests: what cannot be had ends the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::{Actor, ActorContext, Context, Handler, ResponseActFuture, ResponseFuture, WrapFuture};
use dragline_core::restart::RestartRules;
use dragline_core::roster::PoolRules;
use dragline_core::{Handled, Page, Verdict};
use dragline_engine::{HandleError, HandlePage, HandleResult, Problem, Route};
use dragline_testkit::SimWeb;

use crate::support::{MemSink, check_accounts, check_finished, crawl, follow, metric, number, run};

const RESTARTS: &str = "dragline_actor_restarts_total{actor=\"handler\"}";

fn web() -> SimWeb {
    crate::support::web(1, 60, Duration::from_millis(5))
}

/// Whether a page is one of every ten; the first of them has no children.
fn tenth(page: &Page) -> bool {
    number(&page.url).is_some_and(|number| number % 10 == 9 && number > 29)
}

/// The pages of [`tenth`] with this end.
fn tenths(end: &str) -> BTreeMap<u32, String> {
    [39, 49, 59].map(|number| (number, end.to_owned())).into()
}

/// What an actor does with one of every ten pages.
#[derive(Clone, Copy)]
enum Deed {
    Panic,
    PanicInFuture,
    PanicInContext,
    Error,
    Fail,
}

struct Bad(Deed);

impl Actor for Bad {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Bad {
    type Result = ResponseActFuture<Self, HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        let (deed, bad) = (self.0, tenth(&page));
        assert!(!(bad && matches!(deed, Deed::Panic)), "as the test wants");
        let handled = async move {
            assert!(!(bad && matches!(deed, Deed::PanicInContext)), "as the test wants");
            let mut handled = follow(&page, 1);
            match deed {
                Deed::Error if bad => return Err(HandleError::new("no price on this page")),
                Deed::Fail if bad => handled.verdict = Verdict::Failed("not for us".into()),
                _ => {}
            }
            Ok(handled)
        };
        Box::pin(handled.into_actor(self))
    }
}

/// As [`Bad`], with a future that actix runs apart from the actor.
struct BadFuture;

impl Actor for BadFuture {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for BadFuture {
    type Result = ResponseFuture<HandleResult>;

    fn handle(&mut self, HandlePage(page): HandlePage, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(!tenth(&page), "as the test wants");
            Ok(follow(&page, 1))
        })
    }
}

fn bad(deed: Deed) -> Route {
    match deed {
        Deed::PanicInFuture => Route::actor("bad", || BadFuture),
        deed => Route::actor("bad", move || Bad(deed)),
    }
}

/// Runs a crawl with a route and checks how the pages ended that are not done; returns the restarts.
async fn check(route: Route, expected: BTreeMap<u32, String>) -> f64 {
    let (web, sink) = (web(), MemSink::default());
    let (end, handle) = run(crawl(&web, 1, &sink).route(route)).await;
    assert_eq!(check_finished(&end, &sink), expected);
    assert_eq!(end.report.totals.items, end.report.done, "no item of a page that failed, one of each other");
    assert_eq!(web.fetches().len() as u64, end.report.done + end.report.failed_total(), "fetched once each");
    metric(&handle.gather().await.unwrap(), RESTARTS)
}

#[actix_rt::test]
async fn a_closure_that_panics_ends_only_its_pages() {
    let route = Route::closure("bad", |page: &Page| {
        assert!(!tenth(page), "as the test wants");
        follow(page, 1)
    });
    assert_eq!(check(route, tenths("failed(handler_panic)")).await, 0.0);
}

#[actix_rt::test]
async fn an_actor_that_panics_is_replaced_and_only_the_guilty_pages_fail() {
    let restarts = check(bad(Deed::Panic), tenths("failed(handler_panic)")).await;
    assert!(restarts >= 3.0, "each guilty page kills an actor alone: {restarts}");
}

#[actix_rt::test]
async fn an_actor_whose_future_panics_is_replaced_too() {
    let restarts = check(bad(Deed::PanicInFuture), tenths("failed(handler_panic)")).await;
    assert!(restarts >= 3.0, "{restarts}");
}

#[actix_rt::test]
async fn an_actor_whose_own_future_panics_is_replaced_too() {
    let restarts = check(bad(Deed::PanicInContext), tenths("failed(handler_panic)")).await;
    assert!(restarts >= 3.0, "{restarts}");
}

#[actix_rt::test]
async fn an_error_and_a_failed_verdict_end_their_pages() {
    assert_eq!(check(bad(Deed::Error), tenths("failed(handler_error)")).await, 0.0);
    tokio::time::resume();
    assert_eq!(check(bad(Deed::Fail), tenths("failed(handler_error)")).await, 0.0);
}

#[actix_rt::test]
async fn guilty_pages_do_not_use_up_the_restart_budget() {
    let (web, sink) = (web(), MemSink::default());
    let restarts = RestartRules { most: 2, ..RestartRules::default() };
    let pool = PoolRules { credits: 8, restarts, ..PoolRules::default() };
    let route = Route::closure("fine", |_: &Page| Handled::default());
    let builder = crawl(&web, 1, &sink).route(bad(Deed::Panic).pool(pool)).route(route);
    let (end, _) = run(builder).await;
    assert_eq!(check_finished(&end, &sink), tenths("failed(handler_panic)"));
}

#[actix_rt::test]
async fn an_actor_that_never_comes_to_life_ends_the_crawl() {
    let (web, sink) = (web(), MemSink::default());
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let route = Route::actor("stillborn", move || -> BadFuture {
        count.fetch_add(1, Ordering::Relaxed);
        panic!("as the test wants")
    });
    let (end, _) = run(crawl(&web, 1, &sink).route(route)).await;
    let Some(Problem::Internal(what)) = &end.problem else { panic!("{:?}", end.problem) };
    assert!(what.contains("stillborn"), "{what}");
    assert_eq!((end.report.ended.name(), end.report.done), ("failed", 0));
    assert!(end.report.pending > 0);
    check_accounts(&end, &sink);
    assert_eq!(made.load(Ordering::Relaxed), 11, "the first and every restart of the budget");
}

/// Stops itself after every fifth page, with its answer given.
#[derive(Default)]
struct Quitter(u32);

impl Actor for Quitter {
    type Context = Context<Self>;
}

impl Handler<HandlePage> for Quitter {
    type Result = HandleResult;

    fn handle(&mut self, HandlePage(page): HandlePage, ctx: &mut Context<Self>) -> HandleResult {
        self.0 += 1;
        if self.0 == 5 {
            ctx.stop();
        }
        Ok(follow(&page, 1))
    }
}

#[actix_rt::test]
async fn an_actor_that_stops_itself_costs_no_page() {
    let restarts = RestartRules { most: 20, ..RestartRules::default() };
    let pool = PoolRules { credits: 8, restarts, ..PoolRules::default() };
    let restarts = check(Route::actor("quitter", Quitter::default).pool(pool), BTreeMap::new()).await;
    assert!(restarts >= 60.0 / 5.0 - 1.0, "{restarts}");
}

#[actix_rt::test]
async fn a_wish_to_retry_fetches_the_page_again_and_uses_up_its_attempts() {
    let (web, sink) = (web(), MemSink::default());
    let route = Route::closure("retry", |page: &Page| {
        let mut handled = follow(page, 1);
        let again = match number(&page.url) {
            Some(20) => page.attempt == 1,
            Some(21) => true,
            _ => false,
        };
        if again {
            handled.verdict = Verdict::Retry(Duration::from_secs(30));
        }
        handled
    });
    let (end, _) = run(crawl(&web, 1, &sink).route(route)).await;
    assert_eq!(check_finished(&end, &sink), [(21, "failed(handler_error)".to_owned())].into());
    let count = |number: u32| web.count_of(&format!("http://h0.test/{number}"));
    assert_eq!((count(19), count(20), count(21)), (1, 2, 3));
    assert_eq!(
        (end.report.totals.retries, end.report.totals.items),
        (3, 57),
        "its two links are lost with it"
    );
    assert!(end.report.totals.duration >= Duration::from_secs(60), "two waits of the page that always asks");
}
