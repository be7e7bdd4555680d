//! Brings a frontier back from its state folder, or begins one.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use dragline_core::frontier::{
    BlockKind, Epoch, JournalBlock, Mark, MemFrontier, Rebirth, RestoreError, Restorer, RunId, SnapshotPart,
};
use dragline_core::rules::CrawlRules;
use dragline_core::url::Fingerprinter;
use dragline_core::{Time, Wall};
use dragline_disk::Disk;

use super::background::Background;
use super::body::CommitBody;
use super::compaction::COPIED_BYTES_MAX;
use super::frontier::LogFrontier;
use super::shelf::Chunks;
use super::snapshots::{PLACES, SHELF_PLACES, SNAPSHOT_AFTER_BYTES, Snapshots, weight};
use super::storage::Storage;
use crate::LogError;
use crate::file::Fields;
use crate::history::{History, HistoryOptions};
use crate::log::{BlockFile, Commit, Log, LogOptions, Place, Replay};
use crate::shelf::{Shelves, check_files};
use crate::snapshot::Snapshot;

/// Bytes at which a segment of the log takes no further epoch.
const SEGMENT_BYTES: u64 = 64 << 20;

/// What a frontier is opened with.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The rules of this life of the run.
    pub rules: CrawlRules,
    /// The run, as its [`Meta`](crate::Meta) names it.
    pub run: RunId,
    /// The seed of its fingerprints.
    pub seed: u64,
    /// When the time of this process begins.
    pub base: Wall,
    /// Who waits for the disk.
    pub background: Arc<dyn Background>,
    /// URLs of a chunk.
    pub chunk_urls: usize,
    /// How the log is kept.
    pub log: LogOptions,
    /// How the history is kept.
    pub history: HistoryOptions,
    /// A snapshot is begun when the log behind the last has grown by as much; a record counts as 32 bytes more than it has.
    pub snapshot_after_bytes: u64,
    /// Bytes of chunks that are copied with one commit, out of files in which little else lives.
    pub copied_bytes_max: u64,
}

impl OpenOptions {
    /// Returns options with the defaults for sizes.
    pub fn new(
        rules: CrawlRules,
        run: RunId,
        seed: u64,
        base: Wall,
        background: Arc<dyn Background>,
    ) -> Self {
        Self {
            rules,
            run,
            seed,
            base,
            background,
            chunk_urls: Rebirth::CHUNK_URLS,
            // Small, because a segment goes only when all of it is old.
            log: LogOptions { segment_bytes: SEGMENT_BYTES },
            history: HistoryOptions::default(),
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
            copied_bytes_max: COPIED_BYTES_MAX,
        }
    }
}

/// A frontier that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The frontier.
    pub frontier: LogFrontier,
    /// The marks of the last commit, to which every sink is rewound; `None` at a first start, when sinks begin and the
    /// first commit, of epoch 0, must be durable before the first lease.
    pub marks: Option<Vec<Mark>>,
    /// Bytes of the log that a crash left torn and that were thrown away.
    pub cut_bytes: u64,
}

/// Why a frontier cannot be opened. Nothing was changed but for what a crash left torn.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// A file of the state folder is not what it should be, or cannot be used.
    Log(LogError),
    /// The files are sound, but what stands in them is not.
    Restore(RestoreError),
    /// What stands in the last commit cannot be read.
    Commit(Epoch),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WAYS_OUT: &str =
            "nothing was changed: bring the state folder back from a copy, or start over with `--fresh`";
        match self {
            Self::Log(error) => error.fmt(f),
            // In words that name the file, and the ways out.
            Self::Restore(RestoreError::Shelf(what)) => f.write_str(what),
            Self::Restore(error) => write!(f, "the state folder is damaged: {error}; {WAYS_OUT}"),
            Self::Commit(epoch) => {
                write!(f, "the state folder is damaged: commit {} cannot be read; {WAYS_OUT}", epoch.0)
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Log(error) => error.source(),
            Self::Restore(_) | Self::Commit(_) => None,
        }
    }
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<RestoreError> for OpenError {
    fn from(error: RestoreError) -> Self {
        Self::Restore(error)
    }
}

impl LogFrontier {
    /// Opens the frontier of a state folder, which must exist and be owned by this process: recovers the log, cuts the
    /// history back to the last commit, and replays. Killed half-way, it is simply called again.
    ///
    /// # Errors
    /// When something is damaged, belongs to another run, or was written by a newer version.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: OpenOptions) -> Result<Opened, OpenError> {
        let run = options.run;
        let opened = Log::open(Arc::clone(&disk), dir, run, options.log)?;
        let commit = opened.commit;
        let body = match &commit {
            Some(commit) => Some(CommitBody::decode(&commit.body).ok_or(OpenError::Commit(commit.epoch))?),
            None => None,
        };
        let history_mark = body.as_ref().map(|body| body.history);
        let history = History::open(Arc::clone(&disk), dir, run, history_mark, options.history)?;
        let chunks = Chunks::new(opened.log.reader(), Arc::clone(&options.background));
        let named = commit.as_ref().and_then(|commit| commit.snapshot);
        let (machine, grown) =
            restore(&*disk, dir, &options, &chunks, commit.as_ref().zip(body.as_ref()), opened.replay)?;
        let shelves = Shelves::open(Arc::clone(&disk), dir, run, &chunks.places())?;
        let storage = Storage {
            disk,
            dir: dir.to_owned(),
            run,
            log: opened.log,
            history,
            chunks: chunks.clone(),
            shelves,
            shelf_bytes: options.log.segment_bytes,
            copied_bytes_max: options.copied_bytes_max,
            named,
            writing: None,
            is_short: false,
        };
        let frontier = Self {
            machine,
            base: options.base,
            storage: Arc::new(Mutex::new(storage)),
            chunks,
            background: options.background,
            snapshots: Snapshots::new(options.snapshot_after_bytes, named.map(|named| named.id), grown),
            durable: commit.as_ref().map_or(0, |commit| commit.last),
            closed: None,
            #[cfg(feature = "mutants")]
            mutant: None,
            now: Time::ZERO,
        };
        Ok(Opened { frontier, marks: body.map(|body| body.marks), cut_bytes: opened.cut_bytes })
    }
}

/// Makes the state machine again as it was at a commit. Returns it with the weight of what was replayed behind its snapshot.
pub(super) fn restore(
    disk: &dyn Disk,
    dir: &Path,
    options: &OpenOptions,
    chunks: &Chunks,
    commit: Option<(&Commit, &CommitBody)>,
    replay: Replay,
) -> Result<(MemFrontier, u64), OpenError> {
    let mut restorer = Restorer::new(Fingerprinter::new(options.seed));
    if let Some(named) = commit.and_then(|(commit, _)| commit.snapshot) {
        load(&mut restorer, chunks, Snapshot::open(disk, dir, options.run, named.id)?)?;
        check_files(disk, dir, options.run, &chunks.places())?;
    }
    let mut grown = 0;
    for block in replay {
        let (place, block) = block?;
        grown += weight(place.len.into(), block.count.into());
        let kind = BlockKind::of_code(block.kind).ok_or(RestoreError::Record { number: block.first })?;
        if kind == BlockKind::Chunk {
            chunks.arrived(std::iter::once((block.first, place)));
        }
        let (first, count, payload) = (block.first, block.count, block.payload);
        restorer.replay(&JournalBlock { kind, first, count, payload })?;
    }
    let machine = restorer.finish(Rebirth {
        rules: options.rules.clone(),
        seed: options.seed,
        base: options.base,
        shelf: Box::new(chunks.clone()),
        chunk_urls: options.chunk_urls,
        epoch: commit.map_or(Epoch(0), |(commit, _)| Epoch(commit.epoch.0 + 1)),
        counts: commit.map(|(_, body)| body.counts.clone()).unwrap_or_default(),
    })?;
    Ok((machine, grown))
}

/// Loads the parts of a snapshot.
fn load(restorer: &mut Restorer, chunks: &Chunks, snapshot: Snapshot) -> Result<(), OpenError> {
    for shard in snapshot {
        let shard = shard?;
        let file = match shard.shard {
            PLACES => Some(BlockFile::Segment as fn(u32) -> BlockFile),
            SHELF_PLACES => Some(BlockFile::Shelf as fn(u32) -> BlockFile),
            _ => None,
        };
        if let Some(file) = file {
            let place = |bytes: &[u8]| {
                let mut fields = Fields(bytes);
                Some((fields.u64()?, Place::decode(fields.array()?, file)?))
            };
            let (entries, rest) = shard.payload.as_chunks::<{ 8 + Place::BYTES }>();
            if !rest.is_empty() {
                return Err(RestoreError::Part { shard: shard.shard }.into());
            }
            chunks.arrived(entries.iter().filter_map(|entry| place(entry)));
        } else {
            let (number, payload) = (shard.number, shard.payload);
            restorer.load(&SnapshotPart { shard: shard.shard, number, payload })?;
        }
    }
    Ok(())
}
