//! Crawls a web in which some hosts are never done, in rounds of which each ends with a commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::{
    CommitError, Epoch, Fetched, Frontier, Lease, Mark, OfferBatch, OfferFrom, RunId, Settle, Settlement,
    Want,
};
use dragline_core::handled::Outlinks;
use dragline_core::rules::{CrawlRules, ScopeMode};
use dragline_core::{Outcome, Time, Wall};
use dragline_disk::Disk;
use dragline_frontier::log::LogOptions;
use dragline_frontier::{Background, Inline, LogFrontier, OpenError, OpenOptions};
use dragline_testkit::conformance::{KEY, KEY_SEED};
use dragline_testkit::disk::{Crash, SimDisk};

pub(crate) const RUN: RunId = RunId(0xc0de);
pub(crate) const DIR: &str = "/state";

/// Hosts whose first URL is not done for long.
pub(crate) const SLOW_HOSTS: u64 = 3;
/// Rounds in each of which every slow host gets a URL.
pub(crate) const SLOW_ROUNDS: u64 = 60;
/// Rounds after which a URL of each slow host but the first is done in each round, so that chunks die which were moved.
const STILL_ROUNDS: u64 = 25;
/// URLs that come and are done in each round.
const FAST_URLS: u64 = 20;
const CHUNK_URLS: usize = 4;
/// Holds the records of about seven rounds.
pub(crate) const SEGMENT_BYTES: u64 = 8_192;
const SNAPSHOT_AFTER_BYTES: u64 = 3_000;

/// A crawl in one of its lives.
#[derive(Debug)]
pub(crate) struct Crawl {
    pub(crate) disk: SimDisk,
    pub(crate) frontier: LogFrontier,
    /// The rounds that are durable.
    pub(crate) round: u64,
    now: Time,
    /// Leases of slow hosts.
    held: Vec<Lease>,
}

/// Returns a new disk with an empty folder.
pub(crate) fn new_disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir(Path::new(DIR)).expect("a new disk works");
    disk
}

/// Returns what the folder of every crawl is opened with.
pub(crate) fn options(background: Arc<dyn Background>) -> OpenOptions {
    let mut rules = CrawlRules::default();
    rules.scope.mode = ScopeMode::Any;
    rules.robots.obey = false;
    (rules.politeness.delay, rules.politeness.adaptive) = (std::time::Duration::ZERO, false);
    let mut options = OpenOptions::new(rules, RUN, KEY_SEED, Wall::from_secs(1_000), background);
    options.chunk_urls = CHUNK_URLS;
    options.log = LogOptions { segment_bytes: SEGMENT_BYTES };
    options.snapshot_after_bytes = SNAPSHOT_AFTER_BYTES;
    options
}

impl Crawl {
    /// Opens the crawl of a disk, or begins one.
    pub(crate) fn open(disk: &SimDisk, options: OpenOptions) -> Result<Self, OpenError> {
        let opened = LogFrontier::open(Arc::new(disk.clone()), Path::new(DIR), options)?;
        let round = opened.marks.as_ref().map_or(0, |marks| marks[0].position.parse().expect("a round"));
        Ok(Self { disk: disk.clone(), frontier: opened.frontier, round, now: Time::ZERO, held: Vec::new() })
    }

    /// As [`Crawl::open`], where nothing may be in the way.
    pub(crate) fn opened(disk: &SimDisk) -> Self {
        Self::open(disk, options(Arc::new(Inline))).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Ends the process and opens the crawl again; the recovery is killed once, after so many changes.
    pub(crate) fn reopened(&self, crash: Crash, seed: u64, recovery_dies_after: u64) -> Self {
        let disk = self.disk.crash(crash, seed);
        disk.crash_at(recovery_dies_after);
        let first = Self::open(&disk, options(Arc::new(Inline)));
        assert!(disk.is_dead() || first.is_ok(), "{:?}", first.err());
        Self::opened(&disk.crash(crash, seed + 1))
    }

    /// Offers and settles what belongs to the next round; a life that takes the round up again does the same.
    pub(crate) fn work(&mut self) {
        let round = self.round + 1;
        let mut links = Outlinks::default();
        for at in 0..FAST_URLS {
            links.push_canonical(&format!("http://fast.example/{round}/{at}"));
        }
        for host in (0..SLOW_HOSTS).filter(|_| round <= SLOW_ROUNDS) {
            links.push_canonical(&format!("http://slow{host}.example/{round}"));
        }
        let fingerprints = links.iter().map(|(text, _)| KEY.of_canonical(text)).collect();
        let batch = OfferBatch { links, fingerprints, dropped_duplicates: 0, from: OfferFrom::seed() };
        assert!(self.frontier.offer(self.now, batch).now().is_ok());
        self.lease_all();
        if round > STILL_ROUNDS {
            for lease in std::mem::take(&mut self.held) {
                if lease.url.as_str().contains("//slow0") {
                    self.held.push(lease);
                } else {
                    self.settle(&lease);
                }
            }
            self.lease_all();
        }
    }

    /// Leases what can be, and settles what is no slow host's.
    fn lease_all(&mut self) {
        while let Some(lease) = self.lease() {
            if lease.url.as_str().contains("//slow") {
                self.held.push(lease);
            } else {
                self.settle(&lease);
            }
        }
    }

    /// Commits a round; where there is no space it makes some and tries again. Returns how often it lacked.
    pub(crate) fn commit(&mut self) -> Result<u32, CommitError> {
        let epoch = self.frontier.begin_commit();
        let mut lacked = 0;
        loop {
            match self.commit_once(epoch) {
                Err(CommitError::NoSpace(_)) => {
                    self.disk.set_free(None);
                    lacked += 1;
                }
                result => return result.map(|()| lacked),
            }
        }
    }

    /// Tries once to make a round durable.
    pub(crate) fn commit_once(&mut self, epoch: Epoch) -> Result<(), CommitError> {
        let mark = Mark { sink: "rounds".into(), position: (self.round + 1).to_string().into() };
        let result = self.frontier.commit(epoch, vec![mark]).now();
        result.unwrap_or_else(|_| panic!("inline"))?;
        self.round += 1;
        Ok(())
    }

    /// Runs rounds until so many are durable; `false` when the disk died meanwhile.
    pub(crate) fn run_to(&mut self, round: u64) -> bool {
        while self.round < round {
            self.work();
            let committed = self.commit();
            if self.disk.is_dead() {
                return false;
            }
            assert!(committed.is_ok(), "{committed:?}");
        }
        true
    }

    /// Ends every URL that waits, and asserts that no URL of a slow host was lost, doubled or came out of order.
    pub(crate) fn finish(&mut self) {
        let last = self.round.min(SLOW_ROUNDS);
        let mut expected = BTreeMap::new();
        for host in 0..SLOW_HOSTS {
            let done = if host == 0 { 0 } else { self.round.saturating_sub(STILL_ROUNDS) };
            let waiting: Vec<_> = (done + 1..=last).collect();
            expected.extend((!waiting.is_empty()).then(|| (format!("http://slow{host}.example"), waiting)));
        }
        let served = self.take_all();
        assert_eq!((self.frontier.fault(), self.frontier.pending()), (None, 0));
        assert_eq!(served, expected);
    }

    /// Ends every URL that can be had, and returns those of the slow hosts in the order in which they came.
    pub(crate) fn take_all(&mut self) -> BTreeMap<String, Vec<u64>> {
        let mut served: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        while let Some(lease) = self.held.pop().or_else(|| self.lease()) {
            self.settle(&lease);
            if let Some((host, number)) = lease.url.as_str().rsplit_once('/')
                && host.contains("//slow")
            {
                served.entry(host.to_owned()).or_default().push(number.parse().expect("a round"));
            }
        }
        served
    }

    fn lease(&mut self) -> Option<Lease> {
        self.now += std::time::Duration::from_millis(1);
        let report = self.frontier.lease(self.now, Want { most: 1, fetcher: 0 }).now();
        report.ok()?.leases.pop()
    }

    fn settle(&mut self, lease: &Lease) {
        let token = lease.token;
        let fetched = Fetched {
            token,
            outcome: Outcome::Ok,
            status: Some(200),
            ttfb: None,
            retry_after: None,
            to_handlers: true,
        };
        assert!(self.frontier.fetched(self.now, vec![fetched]).now().is_ok());
        let settle = Settle { token, settlement: Settlement::Done, offers: Vec::new(), visit: None };
        assert!(self.frontier.settle(self.now, vec![settle]).now().is_ok());
    }
}

/// Returns the files of the folder whose names begin like this.
pub(crate) fn files(disk: &SimDisk, prefix: &str) -> Vec<PathBuf> {
    let begins = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{prefix}-")))
    };
    disk.paths().into_iter().filter(begins).collect()
}

/// Returns the bytes in these files.
pub(crate) fn bytes(disk: &SimDisk, prefix: &str) -> u64 {
    let bytes = |path| disk.contents(path).map_or(0, |contents| contents.len() as u64);
    files(disk, prefix).into_iter().map(bytes).sum()
}
