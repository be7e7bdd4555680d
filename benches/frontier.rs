//! Measures offers, leases and settles of the frontier in memory, at 10^4 to 10^7 URLs.
//!
//! `cargo bench --bench frontier [-- LARGEST]`: LARGEST is the largest power of ten, 7 by default (about 2 GiB).

use std::time::{Duration, Instant};

use dragline::core::frontier::{
    Fetched, Frontier, MemFrontier, OfferBatch, OfferFrom, OfferSource, Settle, Settlement, Want,
};
use dragline::core::rules::{CrawlRules, ScopeMode};
use dragline::core::url::Fingerprinter;
use dragline::core::{CanonicalUrl, Outcome, Outlinks, Ticket, Time};

/// URLs in one offer: the links of a large page.
const BATCH: usize = 256;

/// Leases asked for at once.
const LEASES: usize = 64;

const KEY: Fingerprinter = Fingerprinter::new(7);

fn main() {
    let largest = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(7_u32);
    println!("{:>10}  {:>14} {:>14} {:>14} {:>14}", "URLs", "new/s", "duplicate/s", "lease/s", "settle/s");
    for power in 4..=largest {
        measure(10_usize.pow(power));
    }
}

fn measure(urls: usize) {
    let mut frontier = MemFrontier::new(rules(), KEY, 7);
    let batches: usize = urls.div_ceil(BATCH);
    let fresh = timed(batches, |number| {
        let batch = batch(number);
        let begun = Instant::now();
        drop(ready(frontier.offer(Time::ZERO, batch)));
        begun.elapsed()
    });
    let sample = batches.min(4_096);
    let again = timed(sample, |number| {
        let batch = batch(number * (batches / sample));
        let begun = Instant::now();
        drop(ready(frontier.offer(Time::ZERO, batch)));
        begun.elapsed()
    });
    let rounds = (urls / LEASES).min(16_384);
    let (mut leasing, mut settling) = (Duration::ZERO, Duration::ZERO);
    let mut leased = 0;
    for round in 0..rounds {
        let now = Time::from_millis(u64::try_from(round).expect("few rounds"));
        let begun = Instant::now();
        let report = ready(frontier.lease(now, Want { most: LEASES, fetcher: 0 }));
        leasing += begun.elapsed();
        leased += report.leases.len();
        let fetched = report.leases.iter().map(|lease| Fetched {
            token: lease.token,
            outcome: Outcome::Ok,
            status: Some(200),
            ttfb: Some(Duration::from_millis(20)),
            retry_after: None,
            to_handlers: true,
        });
        let fetched: Vec<_> = fetched.collect();
        let settles = report.leases.iter();
        let settles = settles.map(|lease| Settle {
            token: lease.token,
            settlement: Settlement::Done,
            offers: Vec::new(),
            visit: None,
        });
        let settles: Vec<_> = settles.collect();
        let begun = Instant::now();
        drop(ready(frontier.fetched(now, fetched)));
        drop(ready(frontier.settle(now, settles)));
        settling += begun.elapsed();
    }
    assert!(frontier.stats().adds_up());
    let rate = |count: usize, span: Duration| count as f64 / span.as_secs_f64();
    println!(
        "{urls:>10}  {:>14.0} {:>14.0} {:>14.0} {:>14.0}",
        rate(batches * BATCH, fresh),
        rate(sample * BATCH, again),
        rate(leased, leasing),
        rate(leased, settling),
    );
}

/// No gaps, many slots, robots.txt not asked: the state machine alone.
fn rules() -> CrawlRules {
    let mut rules = CrawlRules::default();
    rules.scope.mode = ScopeMode::Any;
    rules.scope.urls_per_host_max = 0;
    rules.robots.obey = false;
    rules.politeness.delay = Duration::ZERO;
    rules.politeness.adaptive = false;
    rules.politeness.concurrency = 8;
    rules
}

/// The same number gives the same URLs: of about a thousand hosts, those of one batch of one host.
fn batch(number: usize) -> OfferBatch {
    let mut links = Outlinks::default();
    let mut fingerprints = Vec::with_capacity(BATCH);
    let mut text = String::new();
    for index in 0..BATCH {
        use std::fmt::Write;
        text.clear();
        write!(text, "http://host-{}.example/section/{}/article-{index}.html", number % 1_009, number)
            .expect("a string takes all");
        fingerprints.push(KEY.of_canonical(&text));
        links.push_canonical(&text);
    }
    let referrer = CanonicalUrl::parse("http://host-0.example/").expect("a URL");
    let from = OfferFrom { source: OfferSource::Link, depth: 1, referrer: Some(referrer), data: None };
    OfferBatch { links, fingerprints, dropped_duplicates: 0, from }
}

fn timed(rounds: usize, mut round: impl FnMut(usize) -> Duration) -> Duration {
    (0..rounds).map(&mut round).sum()
}

fn ready<T>(ticket: Ticket<T>) -> T {
    ticket.now().map_err(drop).expect("the frontier in memory answers at once")
}
