//! Kills a frontier at random and makes it again of its journal, beside a plain model that was kept aside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dragline_core::frontier::{BlockKind, Epoch, JournalBlock, Past, Rebirth, Restorer, Shelf, SnapshotPart};
use dragline_core::rules::CrawlRules;
use dragline_core::{Time, Wall};

use crate::frontier_kit::KEY;
use crate::frontier_model::Model;
use crate::frontier_random::Driver;

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
    blocks: Vec<JournalBlock>,
    last: u64,
    counts: Vec<u8>,
    snapshot: Vec<SnapshotPart>,
    /// Entries of the history.
    ended: u64,
    /// When the commit was made, in the time of the process that made it.
    at: Time,
}

/// A frontier whose process dies now and then.
struct Mortal {
    driver: Driver,
    saved: Saved,
    /// The model as it was at the last commit.
    model: Model,
    shelf: MapShelf,
    /// Parts of the next snapshot.
    parts: Vec<SnapshotPart>,
    base: Wall,
    chunk_urls: usize,
}

fn rebirth(rules: &CrawlRules, shelf: &MapShelf, base: Wall, chunk_urls: usize, counts: Vec<u8>) -> Rebirth {
    let shelf = Box::new(shelf.clone());
    Rebirth { rules: rules.clone(), seed: 11, base, shelf, chunk_urls, epoch: Epoch(0), counts }
}

impl Mortal {
    fn new(seed: u64) -> Self {
        let mut driver = Driver::new(seed);
        let (shelf, base) = (MapShelf::default(), Wall::from_secs(1_000));
        let chunk_urls = 1 + usize::try_from(driver.chance.below(4)).expect("a small number");
        let first = Restorer::new(KEY).finish(rebirth(&driver.rules, &shelf, base, chunk_urls, Vec::new()));
        let model = driver.model.clone();
        driver.reborn(first.expect("a new frontier is sound"), model.clone());
        Self { driver, saved: Saved::default(), model, shelf, parts: Vec::new(), base, chunk_urls }
    }

    fn commit(&mut self) {
        let cut = self.driver.rig.frontier.cut_journal();
        let complete = self.parts.len() == SnapshotPart::COUNT as usize;
        // A commit may name a snapshot only when all its records were durable with the commit before.
        if complete && self.parts.iter().all(|part| part.number <= self.saved.last) {
            self.saved.snapshot = std::mem::take(&mut self.parts);
            let lowest = self.saved.snapshot.iter().map(|part| part.number).min().unwrap_or_default();
            self.saved.blocks.retain(|block| block.first + u64::from(block.count) > lowest + 1);
        }
        for block in cut.blocks.iter().filter(|block| block.kind == BlockKind::Chunk) {
            let mut chunks = self.shelf.0.lock().expect("nobody panics with it");
            chunks.insert(block.first, block.payload.clone());
        }
        for entry in &cut.history {
            let past = Past::read(&entry.bytes).expect("what was written is read");
            assert_eq!(KEY.of(&past.url).0, entry.fingerprint);
        }
        self.saved.ended += cut.history.len() as u64;
        self.saved.blocks.extend(cut.blocks);
        (self.saved.last, self.saved.counts) = (cut.last, cut.counts);
        (self.model, self.saved.at) = (self.driver.model.clone(), self.driver.rig.now);
    }

    fn snapshot_some(&mut self) {
        let done = u32::try_from(self.parts.len()).expect("there are few parts");
        for shard in done..SnapshotPart::COUNT.min(done + 120) {
            self.parts.push(self.driver.rig.frontier.snapshot_part(shard));
        }
    }

    fn die(&mut self) {
        let mut restorer = Restorer::new(KEY);
        for part in &self.saved.snapshot {
            restorer.load(part).expect("a part that was written is read");
        }
        for block in &self.saved.blocks {
            restorer.replay(block).expect("a block that was written is read");
        }
        let died_at = self.saved.at + Duration::from_millis(self.driver.chance.below(2_000));
        self.base = self.base + died_at.since(Time::ZERO);
        self.model.restart(died_at);
        self.saved.at = Time::ZERO;
        let counts = self.saved.counts.clone();
        let again = rebirth(&self.driver.rules, &self.shelf, self.base, self.chunk_urls, counts);
        let frontier = restorer.finish(again).expect("what was committed is sound");
        self.parts.clear();
        self.driver.reborn(frontier, self.model.clone());
    }
}

#[test]
fn whatever_happens_a_frontier_that_dies_goes_on_from_its_last_commit() {
    let (mut deaths, mut shelved, mut snapshots) = (0, 0, 0);
    for seed in 0..120 {
        println!("seed {seed}");
        let mut mortal = Mortal::new(seed);
        for _ in 0..400 {
            match mortal.driver.chance.below(60) {
                0..6 => mortal.commit(),
                6..14 => mortal.snapshot_some(),
                14 => {
                    mortal.die();
                    deaths += 1;
                }
                _ => mortal.driver.step(),
            }
        }
        mortal.driver.finish();
        mortal.commit();
        mortal.die();
        let stats = mortal.driver.rig.stats();
        assert_eq!((stats.pending, stats.discovered), (0, mortal.saved.ended), "each URL ended once");
        shelved += mortal.shelf.0.lock().expect("nobody panics with it").len();
        snapshots += u32::from(!mortal.saved.snapshot.is_empty());
    }
    assert!(deaths > 300 && shelved > 300 && snapshots > 30, "{deaths} {shelved} {snapshots}");
}
