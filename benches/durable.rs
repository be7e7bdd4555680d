//! Measures the durable frontier: offers with four duplicates to each new URL, leases and settles, bytes in memory and on
//! the disk, and how long it takes to come back after a kill.
//!
//! `cargo bench --bench durable [-- URLS [DIR]]`: a million URLs by default, in a folder under the system's temporary one.
//! Rates are per second of CPU time of the frontier's own thread; a commit is made every second of the clock.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use dragline::core::chance::Chance;
use dragline::core::frontier::{
    Fetched, Frontier, Lease, Mark, OfferBatch, OfferFrom, OfferSource, RunId, Settle, Settlement, Visit,
    Want,
};
use dragline::core::rules::{CrawlRules, ScopeMode};
use dragline::core::url::Fingerprinter;
use dragline::core::{CanonicalUrl, Outcome, Outlinks, Ticket, Time, Wall};
use dragline::disk::FileDisk;
use dragline::frontier::{Background, LogFrontier, OpenOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// URLs in one offer: the links of a large page.
const BATCH: usize = 256;
/// Offers that are made before the first of them is given to the frontier: reading the clock costs as much as an offer.
const MADE_AHEAD: usize = 16;
/// Of so many offered URLs one is new.
const OFFERED_TO_NEW: usize = 5;
/// URLs of one host.
const HOST_URLS: usize = 1_000;
/// Leases asked for at once.
const LEASES: usize = 64;

const KEY_SEED: u64 = 7;
const KEY: Fingerprinter = Fingerprinter::new(KEY_SEED);

/// Runs jobs on a thread of its own.
#[derive(Debug)]
struct IoThread(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl IoThread {
    fn start() -> Self {
        let (sender, jobs) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        Self(sender)
    }
}

impl Background for IoThread {
    fn run(&self, job: Box<dyn FnOnce() + Send>) {
        self.0.send(job).expect("the thread lives as long as this");
    }
}

/// What is measured on the way.
#[derive(Debug, Default)]
struct Commits {
    count: u32,
    syncing: Duration,
    begin_max: Duration,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let urls = arguments.next().and_then(|argument| argument.parse().ok()).unwrap_or(1_000_000_usize);
    let folder = match arguments.next() {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder can be made");
    let dir = folder.path();
    let empty = resident();
    let mut frontier = open(dir);
    commit(&mut frontier, &mut Commits::default());

    let mut commits = Commits::default();
    let (wall, cpu) = (Instant::now(), thread_cpu());
    let made = fill(&mut frontier, urls, &mut commits);
    let (offering, wall) = (thread_cpu() - cpu - made, wall.elapsed());
    commit(&mut frontier, &mut commits);
    let stats = frontier.stats();
    let pending = stats.pending;
    let offered = u32::try_from(urls * OFFERED_TO_NEW).expect("few enough");
    println!(
        "{:>12} URLs, {} hosts: {offered} offers in {wall:.1?}, {commits:?}",
        pending, stats.hosts_known
    );
    println!("{:>12.2} M offers a CPU second", f64::from(offered) / offering.as_secs_f64() / 1e6);
    println!("{:>12.1} bytes of seen set a URL", per(frontier.machine().seen().bytes() as u64, pending));
    println!("{:>12.1} bytes of resident memory a URL", per(resident() - empty, pending));
    println!("{:>12.1} bytes on the disk a pending URL", per(bytes_in(dir), pending));

    drop(frontier);
    let mut frontier = reopened(dir, pending);
    let mut commits = Commits::default();
    let (wall, cpu) = (Instant::now(), thread_cpu());
    let made = drain(&mut frontier, &mut commits);
    let (draining, wall) = (thread_cpu() - cpu - made, wall.elapsed());
    commit(&mut frontier, &mut commits);
    let done = frontier.stats().done;
    println!("{done:>12} leased and settled in {wall:.1?}, {commits:?}");
    println!("{:>12.2} M leases and settles a CPU second", per(done, 1) / draining.as_secs_f64() / 1e6);
    println!("{:>12.1} bytes on the disk a settled URL", per(bytes_in(dir), done));
    drop(frontier);
    reopened(dir, 0);
}

/// Opens what was left, as after a kill, and says how long that took.
fn reopened(dir: &Path, pending: u64) -> LogFrontier {
    let before = resident();
    let begun = Instant::now();
    let frontier = open(dir);
    println!("{:>12.2?} to come back, {} MiB more in memory", begun.elapsed(), (resident() - before) >> 20);
    assert_eq!(frontier.stats().pending, pending);
    frontier
}

/// Offers until so many URLs were new; returns the CPU time that the offers themselves took to make.
fn fill(frontier: &mut LogFrontier, urls: usize, commits: &mut Commits) -> Duration {
    let mut chance = Chance::new(3);
    let (mut making, mut next) = (Duration::ZERO, 0);
    let mut last_commit = Instant::now();
    while next < urls {
        let begun = thread_cpu();
        let batches: Vec<OfferBatch> =
            (0..MADE_AHEAD).map(|_| batch(&numbers(&mut chance, &mut next))).collect();
        making += thread_cpu() - begun;
        for batch in batches {
            drop(ready(frontier.offer(Time::ZERO, batch)));
        }
        if last_commit.elapsed() > Duration::from_secs(1) {
            commit(frontier, commits);
            last_commit = Instant::now();
        }
    }
    making
}

/// Draws the URLs of one offer: `next` and what follows are new, the others were offered before.
fn numbers(chance: &mut Chance, next: &mut usize) -> Vec<usize> {
    let from = *next;
    let known = |chance: &mut Chance| usize::try_from(chance.below(from.max(1) as u64)).unwrap_or_default();
    let new = |next: &mut usize| std::mem::replace(next, *next + 1);
    (0..BATCH).map(|at| if at % OFFERED_TO_NEW == 0 { new(next) } else { known(chance) }).collect()
}

/// Leases and settles until nothing waits; returns the CPU time that went into making the answers.
fn drain(frontier: &mut LogFrontier, commits: &mut Commits) -> Duration {
    let mut making = Duration::ZERO;
    let (mut now, mut last_commit) = (Time::ZERO, Instant::now());
    while frontier.pending() > 0 {
        let report = ready(frontier.lease(now, Want { most: LEASES, fetcher: 0 }));
        if report.leases.is_empty() {
            now += Duration::from_millis(1);
        }
        let begun = thread_cpu();
        let fetched = report.leases.iter().map(fetched).collect();
        let settles = report.leases.iter().map(settle).collect();
        making += thread_cpu() - begun;
        drop(ready(frontier.fetched(now, fetched)));
        drop(ready(frontier.settle(now, settles)));
        if last_commit.elapsed() > Duration::from_secs(1) {
            commit(frontier, commits);
            last_commit = Instant::now();
        }
    }
    making
}

fn fetched(lease: &Lease) -> Fetched {
    let ttfb = Some(Duration::from_millis(20));
    Fetched {
        token: lease.token,
        outcome: Outcome::Ok,
        status: Some(200),
        ttfb,
        retry_after: None,
        to_handlers: true,
    }
}

fn settle(lease: &Lease) -> Settle {
    let visit = Visit {
        at: Wall::from_secs(1_800_000_000),
        outcome: Outcome::Ok,
        status: Some(200),
        body_bytes: 14_000,
        etag: Some("\"5f3b-61c0a7b2\"".into()),
        last_modified: None,
        digest: Some(u128::from(lease.token.0) << 64),
    };
    let (settlement, visit) = (Settlement::Done, Some(Box::new(visit)));
    Settle { token: lease.token, settlement, offers: Vec::new(), visit }
}

fn open(dir: &Path) -> LogFrontier {
    let background = Arc::new(IoThread::start());
    let base = Wall::from_secs(1_800_000_000);
    let options = OpenOptions::new(rules(), RunId(1), KEY_SEED, base, background);
    LogFrontier::open(Arc::new(FileDisk), dir, options).expect("the folder is sound").frontier
}

fn rules() -> CrawlRules {
    let mut rules = CrawlRules { redirects_max: 10, ..CrawlRules::default() };
    rules.scope.mode = ScopeMode::Any;
    rules.scope.urls_per_host_max = 0;
    rules.robots.obey = false;
    rules.politeness.delay = Duration::ZERO;
    rules.politeness.adaptive = false;
    rules
}

/// URLs by number, about 70 bytes each, found on a page of their host.
fn batch(numbers: &[usize]) -> OfferBatch {
    let mut links = Outlinks::default();
    let mut fingerprints = Vec::with_capacity(numbers.len());
    for number in numbers {
        let (host, page) = (number / HOST_URLS, number % HOST_URLS);
        let text =
            format!("https://www.host-{host}.example.org/section-{}/articles/page-{page}.html", page % 10);
        fingerprints.push(KEY.of_canonical(&text));
        links.push_canonical(&text);
    }
    let host = numbers.first().map_or(0, |number| number / HOST_URLS);
    let referrer = CanonicalUrl::parse(&format!("https://www.host-{host}.example.org/section-3/")).ok();
    let from = OfferFrom { source: OfferSource::Link, depth: 3, referrer, data: None };
    OfferBatch { links, fingerprints, dropped_duplicates: 0, from }
}

fn commit(frontier: &mut LogFrontier, commits: &mut Commits) {
    let begun = Instant::now();
    let epoch = frontier.begin_commit();
    let mark = Mark { sink: "pages.jsonl".into(), position: "open 123456 1234 0 pages.jsonl".into() };
    let ticket = frontier.commit(epoch, vec![mark]);
    commits.begin_max = commits.begin_max.max(begun.elapsed());
    let begun = Instant::now();
    wait(ticket).expect("the disk works");
    commits.syncing += begun.elapsed();
    commits.count += 1;
}

fn ready<T>(ticket: Ticket<T>) -> T {
    ticket.now().unwrap_or_else(|_| unreachable!("only commits are answered later"))
}

fn wait<T>(ticket: Ticket<T>) -> T {
    match ticket.now() {
        Ok(answer) => answer,
        Err(later) => {
            let mut later = later;
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            loop {
                if let std::task::Poll::Ready(answer) = later.as_mut().poll(&mut context) {
                    return answer;
                }
                std::thread::yield_now();
            }
        }
    }
}

fn per(sum: u64, count: u64) -> f64 {
    let float = |number: u64| {
        f64::from(u32::try_from(number >> 8).unwrap_or(u32::MAX)) * 256.0 + f64::from((number & 0xff) as u8)
    };
    float(sum) / float(count.max(1))
}

fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).expect("the folder is there").flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// Returns the CPU time of this thread.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Returns the resident memory of this process.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4_096
}
