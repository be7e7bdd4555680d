//! Runs the suite of all frontiers against the one in memory, alone and made again of its journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dragline_core::Wall;
use dragline_core::chance::Chance;
use dragline_core::frontier::{
    BlockKind, Epoch, Frontier, JournalBlock, JournalCut, MemFrontier, Past, Rebirth, Restorer, Shelf,
    SnapshotPart,
};
use dragline_core::invariants;
use dragline_core::rules::CrawlRules;
use dragline_testkit::conformance::{KEY, Recovered, Subject, Trial};

/// A frontier that nobody writes down.
struct Mortal(MemFrontier);

impl Subject for Mortal {
    fn frontier(&mut self) -> &mut dyn Frontier {
        &mut self.0
    }

    fn first_broken(&self) -> Option<&'static str> {
        invariants::first_broken(&self.0)
    }

    fn begin_commit(&mut self, _: u64) {}

    fn finish_commit(&mut self) -> bool {
        true
    }

    fn restart(&mut self, _: Wall, _: u64) -> Option<Recovered> {
        None
    }
}

/// Chunks that were committed, by number.
#[derive(Clone, Debug, Default)]
struct MapShelf(Arc<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl Shelf for MapShelf {
    fn fetch(&mut self, _: u64) {}

    fn take(&mut self, chunk: u64) -> Result<Vec<u8>, Arc<str>> {
        let chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.get(&chunk).cloned().ok_or_else(|| "it is not on the shelf".into())
    }
}

/// What a disk would hold after the last commit.
#[derive(Debug, Default)]
struct Saved {
    commit: u64,
    blocks: Vec<JournalBlock>,
    last: u64,
    counts: Vec<u8>,
    snapshot: Vec<SnapshotPart>,
    /// Entries of the history.
    ended: u64,
}

/// A frontier that is written down with each commit.
struct Written {
    frontier: MemFrontier,
    rules: CrawlRules,
    chance: Chance,
    chunk_urls: usize,
    saved: Saved,
    shelf: MapShelf,
    /// The commit that was begun, with the URLs that had ended then.
    cut: Option<(u64, JournalCut, u64)>,
    /// Parts of the next snapshot.
    parts: Vec<SnapshotPart>,
    tally: Arc<Mutex<Tally>>,
}

/// What happened in all runs.
#[derive(Debug, Default)]
struct Tally {
    chunks: usize,
    snapshots: u32,
}

impl Written {
    fn new(rules: &CrawlRules, base: Wall, seed: u64, tally: &Arc<Mutex<Tally>>) -> Self {
        let mut chance = Chance::new(seed);
        let chunk_urls = 1 + usize::try_from(chance.below(4)).expect("a small number");
        let (saved, shelf) = (Saved::default(), MapShelf::default());
        let frontier = remade(rules, &saved, &shelf, base, chunk_urls);
        let (rules, tally) = (rules.clone(), Arc::clone(tally));
        Self { frontier, rules, chance, chunk_urls, saved, shelf, cut: None, parts: Vec::new(), tally }
    }

    fn snapshot_some(&mut self) {
        let done = u32::try_from(self.parts.len()).expect("there are few parts");
        for shard in done..SnapshotPart::COUNT.min(done + 120) {
            self.parts.push(self.frontier.snapshot_part(shard));
        }
    }
}

fn remade(rules: &CrawlRules, saved: &Saved, shelf: &MapShelf, base: Wall, chunk_urls: usize) -> MemFrontier {
    let mut restorer = Restorer::new(KEY);
    for part in &saved.snapshot {
        restorer.load(part).expect("a part that was written is read");
    }
    for block in &saved.blocks {
        restorer.replay(block).expect("a block that was written is read");
    }
    let (shelf, counts) = (Box::new(shelf.clone()), saved.counts.clone());
    let rebirth =
        Rebirth { rules: rules.clone(), seed: 11, base, shelf, chunk_urls, epoch: Epoch(0), counts };
    restorer.finish(rebirth).expect("what was committed is sound")
}

impl Subject for Written {
    fn frontier(&mut self) -> &mut dyn Frontier {
        &mut self.frontier
    }

    fn first_broken(&self) -> Option<&'static str> {
        invariants::first_broken(&self.frontier)
    }

    fn begin_commit(&mut self, number: u64) {
        if self.chance.below(2) == 0 {
            self.snapshot_some();
        }
        let cut = self.frontier.cut_journal();
        for block in cut.blocks.iter().filter(|block| block.kind == BlockKind::Chunk) {
            let mut chunks = self.shelf.0.lock().expect("nobody panics with it");
            chunks.insert(block.first, block.payload.clone());
            self.tally.lock().expect("nobody panics with it").chunks += 1;
        }
        let stats = self.frontier.stats();
        self.cut = Some((number, cut, stats.discovered - stats.pending));
    }

    fn finish_commit(&mut self) -> bool {
        let (number, cut, ended) = self.cut.take().expect("a commit was begun");
        let complete = self.parts.len() == SnapshotPart::COUNT as usize;
        // A commit may name a snapshot only when all its records were durable with the commit before.
        if complete && self.parts.iter().all(|part| part.number <= self.saved.last) {
            self.saved.snapshot = std::mem::take(&mut self.parts);
            let lowest = self.saved.snapshot.iter().map(|part| part.number).min().unwrap_or_default();
            self.saved.blocks.retain(|block| block.first + u64::from(block.count) > lowest + 1);
            self.tally.lock().expect("nobody panics with it").snapshots += 1;
        }
        for entry in &cut.history {
            let past = Past::read(&entry.bytes).expect("what was written is read");
            assert_eq!(KEY.of(&past.url).0, entry.fingerprint);
        }
        self.saved.ended += cut.history.len() as u64;
        self.saved.blocks.extend(cut.blocks);
        (self.saved.commit, self.saved.last, self.saved.counts) = (number, cut.last, cut.counts);
        assert_eq!(ended, self.saved.ended, "each URL that ended did so once");
        true
    }

    fn restart(&mut self, at: Wall, _: u64) -> Option<Recovered> {
        self.parts.clear();
        self.cut = None;
        self.frontier = remade(&self.rules, &self.saved, &self.shelf, at, self.chunk_urls);
        Some(Recovered { commit: self.saved.commit })
    }
}

#[test]
fn whatever_happens_the_frontier_does_as_its_model() {
    let trial = Trial { seeds: 0..300, steps: 300, commits: 0, deaths: 0 };
    let verdict = trial.run(|rules, _, seed| Mortal(MemFrontier::new(rules.clone(), KEY, seed)));
    assert!(verdict.done > 1_000 && verdict.skipped > 1_000, "both ends are reached: {verdict:?}");
}

#[test]
fn a_long_run_from_one_seed_does_as_its_model() {
    let trial = Trial { seeds: 77_779..77_780, steps: 5_000, commits: 0, deaths: 0 };
    trial.run(|rules, _, seed| Mortal(MemFrontier::new(rules.clone(), KEY, seed)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let trial = Trial { seeds: seed..seed + 3, steps: 300, commits: 6, deaths: 1 };
        trial.run(|rules, base, seed| Written::new(rules, base, seed, &Arc::default()))
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_frontier_that_dies_goes_on_from_its_last_commit() {
    let tally = Arc::default();
    let trial = Trial { seeds: 0..120, steps: 400, commits: 6, deaths: 1 };
    let verdict = trial.run(|rules, base, seed| Written::new(rules, base, seed, &tally));
    let Tally { chunks, snapshots } = *tally.lock().expect("nobody panics with it");
    assert!(verdict.deaths > 500 && chunks > 300 && snapshots > 200, "{verdict:?} {chunks} {snapshots}");
}
