//! Speaks the format of the rivals' harness: one task of it a run, one line of JSON as the last line of output.
//!
//! Usage: `peers t1 LIST CONCURRENCY` fetches every URL of a file; `peers t2 URL CONCURRENCY` crawls a site. Both take
//! the whole path of a real crawl: supervisor, fetchers, handlers, politeness, robots.txt, metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dragline::page::{ExtractRules, link_extractor};
use dragline::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // `cargo bench` adds `--bench`; `cargo test` runs the binary without a task.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [task, target, concurrency] = arguments.as_slice() else {
        println!("usage: peers t1 LIST CONCURRENCY | peers t2 URL CONCURRENCY");
        return;
    };
    let concurrency: usize = concurrency.parse().expect("CONCURRENCY is a number");
    let seeds: Vec<String> = match task.as_str() {
        "t1" => {
            std::fs::read_to_string(target).expect("LIST is readable").lines().map(str::to_owned).collect()
        }
        "t2" => vec![target.clone()],
        other => panic!("task {other} is none of t1, t2"),
    };
    let follow = task == "t2";
    let begun = Instant::now();
    let pages = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pages);
    let extract = link_extractor(ExtractRules::default());
    let route = Route::closure("pages", move |page: &Page| {
        counted.fetch_add(u64::from(page.is_html()), Ordering::Relaxed);
        if follow { extract(page) } else { Handled::default() }
    });
    let builder = Crawl::builder().allow_network("127.0.0.0/8").concurrency(concurrency).rules(|rules| {
        rules.politeness.delay = Duration::ZERO;
        rules.politeness.adaptive = false;
        rules.politeness.concurrency = u32::try_from(concurrency).expect("CONCURRENCY is small");
        rules.scope.urls_per_host_max = 0;
        rules.scope.depth_max = u32::MAX;
    });
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
