//! Kills crawls whose frontier and sinks are on a simulated disk, and lets them go on: every record is there once.

#![expect(clippy::unwrap_used, reason = "a helper of tests: what cannot be had ends the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dragline_core::frontier::{Drain, Mark, Past, RunId};
use dragline_core::rules::CrawlRules;
use dragline_core::{Page, Wall};
use dragline_disk::{Disk, FileDisk};
use dragline_engine::{
    Clock, Crawl, CrawlBuilder, CrawlEnd, Io, LifeCount, Opened, Placement, Problem, Route, RunningCrawl,
    StartError,
};
use dragline_frontier::history::History;
use dragline_frontier::log::Log;
use dragline_frontier::{Background, CommitBody, LogError, LogFrontier, Meta, OpenError, OpenOptions};
use dragline_sink::{FileSink, RecordKind};
use dragline_testkit::disk::Crash;
use dragline_testkit::{SimDisk, SimWeb, wait_until};

use crate::support::{end_of, follow, metric, web};

const RUN: RunId = RunId(0x7e57);
const LATENCY: Duration = Duration::from_millis(50);
const PAGES: u32 = 15;
const PAGES_MAX: usize = 3;
const UNCOMMITTED_MAX: usize = 4;

/// Where a crawl's files are.
struct Place {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Place {
    fn on(disk: &SimDisk) -> Self {
        Self { disk: Arc::new(disk.clone()), dir: PathBuf::new() }
    }

    fn sink(&self, kind: RecordKind, name: &str) -> FileSink {
        FileSink::jsonl(Arc::clone(&self.disk), self.dir.join("out").join(name), kind)
    }

    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Reads what is known of the run, or writes it down before anything else of it.
    fn meta(&self, state: &Path) -> Result<Meta, LogError> {
        if let Some(meta) = Meta::read(&*self.disk, state)? {
            return Ok(meta);
        }
        let meta = Meta { run: RUN, seed: 5, created: String::new(), lives: 0, crawl: String::new() };
        meta.write(&*self.disk, state)?;
        Ok(meta)
    }

    fn open(&self, io: &Io, background: Arc<dyn Background>) -> Result<Opened, OpenError> {
        let state = self.state();
        for dir in [&state, &self.dir.join("out")] {
            self.disk.create_dir(dir).map_err(|error| {
                let error = LogError::from_io(dir, "create", error);
                OpenError::Log(error)
            })?;
        }
        let meta = self.meta(&state).map_err(OpenError::Log)?;
        let count = Some(LifeCount::new(Arc::clone(&self.disk), state.clone(), meta));
        let (clock, seed) = (Clock::start_at(Wall::from_secs(1_000_000)), 5);
        let options = OpenOptions::new(rules(), RUN, seed, clock.wall_start(), background);
        let opened = LogFrontier::open(Arc::clone(&self.disk), &state, options)?;
        let frontier = Box::new(opened.frontier);
        Ok(Opened { frontier, clock, run: RUN, seed, marks: opened.marks, io: io.clone(), count })
    }

    /// Gathers the parts of a life: files of which one is numbered, and a handler that makes an item of each page.
    fn crawl(&self, web: &SimWeb, opened: Opened) -> CrawlBuilder {
        Crawl::builder()
            .rules(|ours| *ours = rules())
            .placement(Placement::OneArbiter)
            .transport(Arc::new(web.clone()))
            .concurrency(2)
            .pages_max(PAGES_MAX)
            .uncommitted_max(UNCOMMITTED_MAX)
            .seed("http://h0.test/0")
            .route(Route::closure("handler", |page: &Page| follow(page, 1)))
            .sink(Box::new(self.sink(RecordKind::Page, "pages.jsonl")))
            .sink(Box::new(self.sink(RecordKind::Item, "items.jsonl").rotate_rows(4)))
            .sink(Box::new(self.sink(RecordKind::Skipped, "skipped.jsonl")))
            .opened(opened)
    }
}

fn rules() -> CrawlRules {
    let mut rules = CrawlRules::default();
    rules.politeness.delay = Duration::ZERO;
    rules.politeness.adaptive = false;
    rules.politeness.concurrency = 2;
    rules.robots.obey = false;
    rules
}

/// Starts a life on one arbiter; `None` when its disk died before that.
fn begin(disk: &SimDisk, web: &SimWeb) -> Option<RunningCrawl> {
    let (place, io) = (Place::on(disk), Io::inline());
    let opened = place.open(&io, Arc::new(io.clone()));
    let started = opened.ok().and_then(|opened| place.crawl(web, opened).build().unwrap().start().ok());
    assert!(started.is_some() || disk.is_dead(), "only a dead disk keeps a crawl from starting");
    started
}

/// The lines of a sink's files by their URL, with `disposition` or `reason` as text.
fn lines(disk: &SimDisk, sink: &str) -> Vec<(String, String)> {
    let is_of = |path: &&PathBuf| path.starts_with("out") && path.to_string_lossy().contains(sink);
    let mut text = String::new();
    for path in disk.paths().iter().filter(is_of) {
        assert_eq!(path.extension().unwrap(), "jsonl", "{} is not published", path.display());
        text.push_str(&String::from_utf8(disk.contents(path).unwrap()).unwrap());
        assert!(text.is_empty() || text.ends_with('\n'), "{} is torn", path.display());
    }
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        (text("url"), format!("{}{}", text("disposition"), text("reason")))
    };
    text.lines().map(line).collect()
}

/// Checks that the crawl is complete, whatever happened to its processes: each URL ended once, each page made one item,
/// and the report of the last life counts all of them.
fn check_complete(disk: &SimDisk, web: &SimWeb, end: &CrawlEnd) {
    let report = &end.report;
    assert_eq!((report.ended.name(), &end.problem, report.pending), ("finished", &None, 0));
    assert!(report.adds_up(), "{report:?}");
    let (pages, items, skipped) = (lines(disk, "pages"), lines(disk, "items"), lines(disk, "skipped"));
    let mut ends = BTreeMap::new();
    for (url, end) in pages.iter().chain(&skipped) {
        assert_eq!(ends.insert(url, end), None, "{url} ended twice");
    }
    let count = |end: &str| ends.values().filter(|found| **found == end).count();
    let all = usize::try_from(PAGES).unwrap();
    assert_eq!((count("done"), count("scope"), items.len(), ends.len()), (all, all, all, 2 * all));
    assert_eq!((report.done, report.skipped_total()), (PAGES.into(), PAGES.into()));
    assert_eq!(report.totals.items, u64::from(PAGES));
    let twice = web.fetches().len() - all;
    assert!(twice < PAGES_MAX + UNCOMMITTED_MAX, "{twice} pages were fetched again");
}

#[actix_rt::test]
async fn a_crawl_that_is_killed_anywhere_goes_on_and_every_record_is_there_once() {
    tokio::time::pause();
    let (mut lives, mut changes, mut again) = (0, 0, 0);
    loop {
        let web = web(1, PAGES, LATENCY);
        let disk = SimDisk::new(changes);
        disk.crash_at(changes);
        let first = match begin(&disk, &web) {
            Some(running) => Some(end_of(running).await),
            None => None,
        };
        if !disk.is_dead() {
            let end = first.expect("its disk lives");
            check_complete(&disk, &web, &end);
            assert_eq!(end.report.totals.starts, 1);
            break;
        }
        let started = first.is_some();
        if let Some(end) = first {
            assert!(matches!(end.problem, Some(Problem::Storage(_))), "{end:?}");
        }
        let crash = if changes % 2 == 0 { Crash::Kill } else { Crash::PowerLoss };
        let next = disk.crash(crash, changes);
        let end = end_of(begin(&next, &web).unwrap()).await;
        check_complete(&next, &web, &end);
        assert!(!started || end.report.totals.starts == 2, "{changes}: {:?}", end.report.totals);
        lives += end.report.totals.starts;
        again += web.fetches().len() - usize::try_from(PAGES).unwrap();
        changes += 1;
    }
    assert!(changes > 100 && again > 100, "{changes} changes, {again} pages fetched again");
    assert!(u64::from(lives) > changes, "{lives} lives remembered an earlier one");
}

#[actix_rt::test]
async fn a_crawl_that_was_drained_or_stopped_goes_on_in_the_next_life() {
    tokio::time::pause();
    for stops in [false, true] {
        let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
        let running = begin(&disk, &web).unwrap();
        let handle = running.handle();
        tokio::time::sleep(3 * LATENCY).await;
        if stops {
            handle.stop().await;
        } else {
            handle.drain(Drain::Keep).await;
        }
        let first = end_of(running).await;
        assert!(first.report.pending > 0 && first.report.done > 0, "{first:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let end = end_of(begin(&disk, &web).unwrap()).await;
        check_complete(&disk, &web, &end);
        let (totals, before) = (&end.report.totals, &first.report.totals);
        assert_eq!((totals.starts, totals.started_at), (2, before.started_at));
        assert!(totals.fetches > before.fetches && totals.duration > before.duration);
    }
}

#[actix_rt::test]
async fn lives_that_were_killed_before_their_first_commit_are_counted() {
    tokio::time::pause();
    let (web, mut disk) = (web(1, PAGES, Duration::from_secs(10)), SimDisk::new(1));
    for life in 0..4 {
        let running = begin(&disk, &web).unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        disk = disk.crash(if life % 2 == 0 { Crash::Kill } else { Crash::PowerLoss }, life);
        drop(running);
    }
    let end = end_of(begin(&disk, &web).unwrap()).await;
    assert_eq!((end.report.totals.starts, end.report.done), (5, PAGES.into()));
}

#[actix_rt::test]
async fn a_life_that_cannot_be_noted_for_want_of_space_waits_for_it_and_is_counted() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let first = begin(&disk, &web).unwrap();
    let disk = disk.crash(Crash::Kill, 1);
    drop(first);
    disk.set_free(Some(0));
    let running = begin(&disk, &web).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    disk.set_free(None);
    let end = end_of(running).await;
    check_complete(&disk, &web, &end);
    assert_eq!(end.report.totals.starts, 2);
}

#[actix_rt::test]
async fn however_long_opening_took_all_times_are_of_one_clock() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let (place, io) = (Place::on(&disk), Io::inline());
    let opened = place.open(&io, Arc::new(io.clone())).unwrap();
    let clock = opened.clock;
    tokio::time::advance(Duration::from_secs(3_600)).await;
    let before = clock.wall();
    let end = end_of(place.crawl(&web, opened).build().unwrap().start().unwrap()).await;
    let after = clock.wall();
    check_complete(&disk, &web, &end);
    let totals = &end.report.totals;
    assert_eq!(totals.started_at, clock.wall_start());
    assert!(before <= totals.started_at + totals.duration && totals.started_at + totals.duration <= after);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let commit = Log::inspect(Arc::clone(&shared), &place.state(), RUN).unwrap().commit.unwrap();
    let body = CommitBody::decode(&commit.body).unwrap();
    let mut fetched = 0;
    for entry in History::inspect(shared, &place.state(), RUN, body.history).scan(0).unwrap() {
        let past = Past::read(&entry.unwrap().payload).unwrap();
        assert!((before..=after).contains(&past.at), "{past:?}");
        if let Some(visit) = past.visit {
            assert!(before + LATENCY <= visit.at && visit.at <= past.at, "{visit:?} {:?}", past.at);
            fetched += 1;
        }
    }
    assert_eq!(fetched, PAGES);
}

#[actix_rt::test]
async fn sinks_that_are_not_those_of_the_run_are_refused_and_nothing_is_touched() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let running = begin(&disk, &web).unwrap();
    tokio::time::sleep(5 * LATENCY).await;
    let disk = disk.crash(Crash::Kill, 1);
    drop(running);
    let place = Place::on(&disk);
    let check = |change: &dyn Fn(CrawlBuilder) -> CrawlBuilder, expected: &str| {
        let io = Io::inline();
        let opened = place.open(&io, Arc::new(io.clone())).unwrap();
        let changes = disk.counts();
        let error = change(place.crawl(&web, opened)).build().unwrap().start().unwrap_err();
        assert!(matches!(error, StartError::State(_)), "{error:?}");
        let way_out = "or start over (--fresh, or another folder)";
        assert!(error.to_string().contains(expected) && error.to_string().ends_with(way_out), "{error}");
        assert_eq!(disk.counts(), changes);
    };
    let copy = || Box::new(place.sink(RecordKind::Item, "copy.jsonl"));
    check(&|crawl| crawl.sink(copy()), "begun without the sink \"copy.jsonl\"");
    let io = Io::inline();
    let mut opened = place.open(&io, Arc::new(io.clone())).unwrap();
    opened.marks.as_mut().unwrap().push(Mark { sink: "copy".into(), position: "".into() });
    let error = place.crawl(&web, opened).build().unwrap().start().unwrap_err();
    assert!(error.to_string().contains("begun with a sink \"copy\""), "{error}");
    let end = end_of(begin(&disk, &web).unwrap()).await;
    check_complete(&disk, &web, &end);
}

#[actix_rt::test]
async fn nothing_is_fetched_before_the_first_commit_is_durable() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let (place, io) = (Place::on(&disk), Io::inline());
    let opened = place.open(&io, Arc::new(io.clone())).unwrap();
    disk.set_free(Some(10));
    let error = place.crawl(&web, opened).build().unwrap().start().unwrap_err();
    assert_eq!(error.to_string(), "the state could not be begun");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(web.fetches().is_empty());
    disk.set_free(None);
    let end = end_of(begin(&disk, &web).unwrap()).await;
    check_complete(&disk, &web, &end);
    assert_eq!(end.report.totals.starts, 1);
}

#[actix_rt::test]
async fn a_full_disk_holds_the_crawl_up_and_shows_until_there_is_space() {
    tokio::time::pause();
    for left in [0, 50, 500, 5_000] {
        let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(left));
        let running = begin(&disk, &web).unwrap();
        let handle = running.handle();
        tokio::time::sleep(2 * LATENCY).await;
        disk.set_free(Some(left));
        tokio::time::sleep(Duration::from_secs(600)).await;
        let fetched = web.fetches().len();
        assert!(fetched < usize::try_from(PAGES).unwrap(), "{left}: it stood still");
        let status = handle.status().await.unwrap();
        assert!(status.waits_for_space.is_some(), "{left}: {status:?}");
        let text = handle.gather().await.unwrap();
        assert_eq!(metric(&text, "dragline_state{state=\"waiting_for_space\"}"), 1.0);
        assert!(metric(&text, "dragline_uncommitted_urls") > 0.0);
        disk.set_free(None);
        let end = end_of(running).await;
        check_complete(&disk, &web, &end);
        let text = handle.gather().await.unwrap();
        assert_eq!(metric(&text, "dragline_uncommitted_urls"), 0.0);
        assert!(metric(&text, "dragline_commits_total") > 2.0);
        assert!(metric(&text, "dragline_commit_duration_seconds_sum") > 500.0, "the one that waited");
    }
}

#[actix_rt::test]
async fn a_disk_that_fills_up_stops_the_crawl_before_it_is_full() {
    tokio::time::pause();
    let (web, disk) = (web(1, 100, Duration::from_secs(1)), SimDisk::new(1));
    let (place, io) = (Place::on(&disk), Io::inline());
    let opened = place.open(&io, Arc::new(io.clone())).unwrap();
    let folders = ["out", "state"].map(PathBuf::from);
    let crawl =
        place.crawl(&web, opened).watch_space(Arc::new(disk.clone()), folders).disk_free_min(100 << 20);
    let running = crawl.build().unwrap().start().unwrap();
    let handle = running.handle();
    let free = async |mebibytes: u64| {
        disk.set_free(Some(mebibytes << 20));
        tokio::time::sleep(Duration::from_secs(10)).await;
        let before = web.fetches().len();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let status = handle.status().await.unwrap();
        (
            web.fetches().len() > before,
            status.waits_for_space.map(|what| what.to_string()),
            status.uncommitted,
        )
    };
    assert_eq!(free(101).await, (true, None, 0));
    let low = "out has 98 MiB free, `state.disk_free_min` asks for 100";
    assert_eq!(free(99).await, (false, Some(low.into()), 0), "what was in flight is committed");
    assert_eq!(free(105).await, (false, Some(low.into()), 0), "a tenth more is waited for");
    let (goes_on, waits, _) = free(111).await;
    assert_eq!((goes_on, waits), (true, None));
    let end = end_of(running).await;
    assert_eq!((end.report.done, end.problem), (100, None));
}

#[actix_rt::test]
async fn a_crawl_on_a_disk_that_is_too_full_begins_by_waiting() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let (place, io) = (Place::on(&disk), Io::inline());
    let opened = place.open(&io, Arc::new(io.clone())).unwrap();
    disk.set_free(Some(5 << 20));
    let room: Arc<dyn Disk> = Arc::new(disk.clone());
    let crawl = place.crawl(&web, opened).watch_space(room, [PathBuf::from("out")]).disk_free_min(10 << 20);
    let running = crawl.build().unwrap().start().unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(web.fetches().is_empty());
    disk.set_free(None);
    check_complete(&disk, &web, &end_of(running).await);
}

/// Panics instead of running one job.
#[derive(Debug)]
struct PanicAt {
    io: Io,
    jobs: AtomicU32,
}

impl Background for PanicAt {
    fn run(&self, job: Box<dyn FnOnce() + Send>) {
        let panics = self.jobs.fetch_sub(1, Ordering::Relaxed) == 0;
        self.io.run(Box::new(move || {
            assert!(!panics, "a bug below the log, as the test wants");
            job();
        }));
    }
}

#[actix_rt::test]
async fn a_panic_on_the_thread_of_the_disk_ends_the_crawl() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let (place, io) = (Place::on(&disk), Io::inline());
    let background = Arc::new(PanicAt { io: io.clone(), jobs: AtomicU32::new(3) });
    let opened = place.open(&io, background).unwrap();
    let end = end_of(place.crawl(&web, opened).build().unwrap().start().unwrap()).await;
    assert!(matches!(end.problem, Some(Problem::Storage(_))), "{end:?}");
    let next = disk.crash(Crash::Kill, 1);
    let end = end_of(begin(&next, &web).unwrap()).await;
    check_complete(&next, &web, &end);
}

#[actix_rt::test]
async fn a_panic_of_another_job_there_ends_it_too() {
    tokio::time::pause();
    let (web, disk) = (web(1, PAGES, LATENCY), SimDisk::new(1));
    let (place, io) = (Place::on(&disk), Io::inline());
    let opened = place.open(&io, Arc::new(io.clone())).unwrap();
    let running = place.crawl(&web, opened).build().unwrap().start().unwrap();
    tokio::time::sleep(2 * LATENCY).await;
    io.run(Box::new(|| panic!("as the test wants")));
    match end_of(running).await.problem {
        Some(Problem::Storage(what)) => assert!(what.ends_with("a bug: as the test wants"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn on_real_threads_and_a_real_disk_a_crawl_is_stopped_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let web = web(1, PAGES, Duration::from_millis(10));
    let place = Place { disk: Arc::new(FileDisk), dir: folder.path().to_owned() };
    let live = |interrupted: bool| {
        actix_rt::System::new().block_on(async {
            let io = Io::thread().unwrap();
            let opened = place.open(&io, Arc::new(io.clone())).unwrap();
            let crawl = place.crawl(&web, opened).placement(Placement::Threads);
            let running = crawl.build().unwrap().start().unwrap();
            let handle = running.handle();
            if interrupted {
                let deadline = Duration::from_secs(30);
                assert!(wait_until(deadline, || web.fetches().len() >= 5), "pages are fetched");
                handle.drain(Drain::Keep).await;
            }
            running.wait().await
        })
    };
    let first = live(true);
    assert_eq!((first.report.ended.name(), &first.problem), ("drained", &None));
    let end = live(false);
    let report = &end.report;
    assert_eq!((report.done, report.pending, report.totals.starts), (PAGES.into(), 0, 2));
    let files = FileDisk.list(&folder.path().join("out")).unwrap();
    let of_items = files.iter().filter(|path| path.to_string_lossy().contains("items-"));
    let lines = of_items.map(|path| std::fs::read_to_string(path).unwrap().lines().count());
    assert_eq!(lines.sum::<usize>(), usize::try_from(PAGES).unwrap());
}
