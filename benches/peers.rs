//! Speaks the format of the rivals' harness: one task of it a run, one line of JSON as the last line of output.
//!
//! Usage: `peers t1 LIST CONCURRENCY` fetches every URL of a file; `peers t2 URL CONCURRENCY` crawls a site; `peers t5 LIST
//! CONCURRENCY [STATE]` crawls many, with a frontier on the disk when it is given a folder. All take the whole path of a
//! real crawl: supervisor, fetchers, handlers, politeness, robots.txt, metrics. `peers t3 URL CALLS
//! CONCURRENCY` and `peers t4 URL CALLS` go through a session: in this runtime, or, as `t3b` and `t4b`, from a thread that
//! blocks.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dragline::core::frontier::RunId;
use dragline::core::rules::CrawlRules;
use dragline::disk::FileDisk;
use dragline::engine::{Clock, Io, Opened};
use dragline::frontier::{LogFrontier, OpenOptions};
use dragline::page::{ExtractRules, link_extractor};
use dragline::prelude::*;
use dragline::session::SessionBuilder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `cargo bench` adds `--bench`; `cargo test` runs the binary without a task.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let numbers: Vec<usize> = arguments.iter().skip(2).filter_map(|number| number.parse().ok()).collect();
    match (arguments.first().map(String::as_str), arguments.get(1), numbers.as_slice()) {
        (Some(task @ ("t1" | "t2" | "t5")), Some(target), [concurrency]) => {
            crawl(task, target, *concurrency, arguments.get(3).map(Path::new));
        }
        (Some(task @ ("t3" | "t3b")), Some(url), [calls, concurrency]) => {
            call_many(url, *calls, *concurrency, task == "t3b");
        }
        (Some(task @ ("t4" | "t4b")), Some(url), [calls]) => call_one_by_one(url, *calls, task == "t4b"),
        _ => println!(
            "usage: peers t1 LIST CONCURRENCY | t2 URL CONCURRENCY | t3 URL CALLS CONCURRENCY | t4 URL CALLS \
             | t5 LIST CONCURRENCY [STATE]"
        ),
    }
}

/// Runs a crawl: of a list without following links, or of one site or more; in memory, or with its state in a folder.
fn crawl(task: &str, target: &str, concurrency: usize, state: Option<&Path>) {
    let seeds: Vec<String> = match task {
        "t2" => vec![target.to_owned()],
        _ => std::fs::read_to_string(target).expect("LIST is readable").lines().map(str::to_owned).collect(),
    };
    let follow = task != "t1";
    let begun = Instant::now();
    let pages = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pages);
    let extract = link_extractor(ExtractRules::default());
    let route = Route::closure("pages", move |page: &Page| {
        counted.fetch_add(u64::from(page.is_html()), Ordering::Relaxed);
        if follow { extract(page) } else { Handled::default() }
    });
    let builder = Crawl::builder()
        .allow_network("127.0.0.0/8")
        .concurrency(concurrency)
        .rules(|ours| *ours = rules(concurrency));
    let builder = match state {
        Some(dir) => builder.opened(open(dir, concurrency)),
        None => builder,
    };
    let builder = seeds.iter().fold(builder, |builder, seed| builder.seed(seed));
    let end = builder.route(route).build().expect("the parts are right").run().expect("the crawl starts");
    let (report, wall) = (&end.report, begun.elapsed().as_secs_f64());
    assert!(report.adds_up(), "{report}");
    println!(
        "{{\"requests\":{},\"ok\":{},\"pages\":{},\"failed\":{},\"seen_again\":{},\"inner_wall\":{wall:.4}}}",
        report.totals.fetches,
        report.done,
        pages.load(Ordering::Relaxed),
        report.failed_total(),
        report.links_seen_again,
    );
}

fn rules(concurrency: usize) -> CrawlRules {
    let mut rules = CrawlRules::default();
    rules.politeness.delay = Duration::ZERO;
    rules.politeness.adaptive = false;
    rules.politeness.concurrency = u32::try_from(concurrency).expect("CONCURRENCY is small");
    rules.scope.urls_per_host_max = 0;
    rules.scope.depth_max = u32::MAX;
    rules.limits.pending_per_host_max = 0;
    rules
}

/// Begins a run in an empty folder.
fn open(dir: &Path, concurrency: usize) -> Opened {
    let (run, seed, io, clock) = (RunId(1), 7, Io::thread().expect("a thread starts"), Clock::start());
    let options = OpenOptions::new(rules(concurrency), run, seed, clock.wall_start(), Arc::new(io.clone()));
    let opened = LogFrontier::open(Arc::new(FileDisk), dir, options).expect("the folder is empty");
    assert!(opened.marks.is_none(), "{} holds a run", dir.display());
    Opened { frontier: Box::new(opened.frontier), clock, run, seed, marks: None, io, count: None }
}

fn session(workers: usize) -> SessionBuilder {
    Session::builder().allow_network("127.0.0.0/8").workers(workers)
}

/// Makes many calls, all started at once, as futures of other languages are.
fn call_many(url: &str, calls: usize, concurrency: usize, blocking: bool) {
    let begun = Instant::now();
    let ok = if blocking {
        let session = session(concurrency).build().expect("the parts are right");
        let fetches: Vec<Fetch> = (0..calls).map(|_| session.get(url).start()).collect();
        fetches
            .into_iter()
            .map(|fetch| usize::from(fetch.result().is_ok_and(|response| response.is_success())))
            .sum()
    } else {
        let url = url.to_owned();
        dragline::actix::System::new().block_on(async move {
            let session = session(concurrency).on_this_arbiter().build().expect("the parts are right");
            let fetches: Vec<Fetch> = (0..calls).map(|_| session.get(&url).start()).collect();
            // In a task, as actors are: the future that a runtime blocks on is woken at the price of a look at every socket.
            let counted = dragline::actix::spawn(async move {
                let mut ok = 0_usize;
                for fetch in fetches {
                    ok += usize::from(fetch.await.is_ok_and(|response| response.is_success()));
                }
                ok
            });
            counted.await.expect("the task does not panic")
        })
    };
    let wall = begun.elapsed().as_secs_f64();
    println!("{{\"requests\":{calls},\"ok\":{ok},\"inner_wall\":{wall:.4}}}");
}

/// Makes calls one after the other and tells how long each took.
fn call_one_by_one(url: &str, calls: usize, blocking: bool) {
    const WARM_UP: usize = 200;
    let begun = Instant::now();
    let mut took = Vec::with_capacity(calls + WARM_UP);
    if blocking {
        let session = session(1).build().expect("the parts are right");
        for _ in 0..calls + WARM_UP {
            let begun = Instant::now();
            session.get(url).start().result().expect("it is answered");
            took.push(begun.elapsed());
        }
    } else {
        let url = url.to_owned();
        took = dragline::actix::System::new().block_on(async move {
            let session = session(1).on_this_arbiter().build().expect("the parts are right");
            let timed = dragline::actix::spawn(async move {
                for _ in 0..calls + WARM_UP {
                    let begun = Instant::now();
                    session.get(&url).start().await.expect("it is answered");
                    took.push(begun.elapsed());
                }
                took
            });
            timed.await.expect("the task does not panic")
        });
    }
    let mut took = took.split_off(WARM_UP);
    took.sort_unstable();
    let at = |percent: usize| {
        let place = (took.len() - 1) * percent / 100;
        took.get(place).copied().unwrap_or_default().as_secs_f64() * 1e6
    };
    let (p50, p90, p99, wall) = (at(50), at(90), at(99), begun.elapsed().as_secs_f64());
    println!(
        "{{\"requests\":{calls},\"ok\":{calls},\"p50_us\":{p50:.1},\"p90_us\":{p90:.1},\"p99_us\":{p99:.1},\"inner_wall\":{wall:.4}}}"
    );
}
