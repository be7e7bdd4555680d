//! Makes a frontier again of the parts of a snapshot and the records behind them.

use std::fmt;
use std::sync::Arc;

use super::body::Body;
use super::host::{ClockImage, RobotsImage};
use super::journal::{BlockKind, JournalBlock};
use super::note::{HOST_SHARDS, host_shard};
use super::record::{Record, read_host, read_scheme};
use super::shelf::ChunkTitle;
use super::snapshot::{PART_CHUNK, PART_URL, SnapshotPart};
use super::wire::{Malformed, Reader, Strand};
use crate::frontier::seen::{SeenSet, Standing};
use crate::map::{self, Map};
use crate::time::Wall;
use crate::url::{CanonicalUrl, Fingerprint, Fingerprinter, HostKey, Scheme};

/// Standings that are set at once.
const STANDINGS_MAX: usize = 1_024;

/// A frontier in the making: first the parts of a snapshot, then the blocks of the log in order, then
/// [`Restorer::finish`].
#[derive(Debug)]
pub struct Restorer {
    pub(super) fingerprinter: Fingerprinter,
    seen: SeenSet,
    /// What is to be set in the seen set, in order: at once for many, so that memory is not waited for each time.
    standings: Vec<(Fingerprint, Standing)>,
    seen_numbers: Vec<u64>,
    host_numbers: Vec<u64>,
    global_number: u64,
    pub(super) hosts: Vec<PastHost>,
    host_ids: Map<HostKey, usize>,
    /// Boxed: the table moves its entries when it grows.
    pub(super) waiting: Map<(Fingerprint, u8), Box<Waiting>>,
    pub(super) chunks: Map<u64, PastChunk>,
    pub(super) joined: Vec<(CanonicalUrl, CanonicalUrl)>,
    pub(super) adopted: Vec<(Fingerprint, CanonicalUrl)>,
    pub(super) last: u64,
    next_place: u64,
    /// The host of the last URL.
    recent: usize,
}

/// What is known of a host.
#[derive(Debug)]
pub(super) struct PastHost {
    pub(super) key: HostKey,
    shard: u8,
    pub(super) clock: ClockImage,
    pub(super) urls_leased: u64,
    pub(super) origins: Vec<PastOrigin>,
}

/// What is known of an origin.
#[derive(Debug)]
pub(super) struct PastOrigin {
    pub(super) scheme: Scheme,
    pub(super) robots: RobotsImage,
    /// URLs that were never leased, in order; those that are gone are passed over in the end.
    pub(super) parts: Vec<Part>,
}

/// A place in a queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Url { fingerprint: Fingerprint, place: u64 },
    Chunk(u64),
}

/// A URL that waits in memory.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) body: Body,
    pub(super) host: usize,
    /// Tells it from an earlier one of the same fingerprint; in order.
    pub(super) place: u64,
    /// Not before this time, when it was leased before.
    pub(super) returned: Option<Wall>,
}

/// URLs on the shelf.
#[derive(Debug)]
pub(super) struct PastChunk {
    pub(super) host: usize,
    pub(super) count: u32,
    /// Those that ended, or were noted by themselves.
    pub(super) gone: Vec<Fingerprint>,
}

/// Why a frontier cannot be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// A record is not what a frontier of this version writes.
    Record {
        /// Its number.
        number: u64,
    },
    /// An entry of the history is not what a frontier of this version writes.
    History {
        /// Its number.
        number: u64,
    },
    /// A part of the snapshot is not what a frontier of this version writes.
    Part {
        /// The part.
        shard: u32,
    },
    /// What was counted at the commit is not what was found.
    Counts {
        /// What is counted.
        what: &'static str,
        /// What the commit says.
        expected: u64,
        /// What was found.
        found: u64,
    },
    /// A chunk cannot be read, in the words of the shelf.
    Shelf(Arc<str>),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { number } => write!(f, "record {number} cannot be read"),
            Self::History { number } => write!(f, "entry {number} of the history cannot be read"),
            Self::Part { shard } => write!(f, "part {shard} of the snapshot cannot be read"),
            Self::Counts { what, expected, found } => {
                write!(f, "the last commit counted {expected} {what}, and {found} were found")
            }
            Self::Shelf(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for RestoreError {}

impl Restorer {
    /// Begins with nothing; `fingerprinter` is that of the run.
    pub fn new(fingerprinter: Fingerprinter) -> Self {
        Self {
            fingerprinter,
            seen: SeenSet::default(),
            standings: Vec::with_capacity(STANDINGS_MAX),
            seen_numbers: vec![0; SeenSet::SHARDS],
            host_numbers: vec![0; HOST_SHARDS.into()],
            global_number: 0,
            hosts: Vec::new(),
            host_ids: map::map(0),
            waiting: map::map(1),
            chunks: map::map(2),
            joined: Vec::new(),
            adopted: Vec::new(),
            last: 0,
            next_place: 0,
            recent: 0,
        }
    }

    /// Takes one part of the snapshot.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(&mut self, part: &SnapshotPart) -> Result<(), RestoreError> {
        let failed = |_: Malformed| RestoreError::Part { shard: part.shard };
        self.last = self.last.max(part.number);
        match part.shard.checked_sub(SnapshotPart::FIRST_OF_HOSTS) {
            None => self.load_seen(part).map_err(failed),
            Some(_) if part.shard == SnapshotPart::GLOBAL => self.load_global(part).map_err(failed),
            Some(at) => self.load_hosts(at as usize, part).map_err(failed),
        }
    }

    fn load_seen(&mut self, part: &SnapshotPart) -> Result<(), Malformed> {
        let shard = part.shard as usize;
        let (words, rest) = part.payload.as_chunks::<8>();
        let sound = self.seen.load(shard, words.iter().map(|word| u64::from_le_bytes(*word)));
        self.seen_numbers[shard] = part.number;
        if sound && rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn load_global(&mut self, part: &SnapshotPart) -> Result<(), Malformed> {
        let reader = &mut Reader::new(&part.payload);
        self.global_number = part.number;
        for _ in 0..reader.count()? {
            self.joined.push((reader.url(Strand::Other)?, reader.url(Strand::Other)?));
        }
        for _ in 0..reader.count()? {
            self.adopted.push((Fingerprint(reader.word()?), reader.url(Strand::Other)?));
        }
        Ok(())
    }

    fn load_hosts(&mut self, at: usize, part: &SnapshotPart) -> Result<(), Malformed> {
        *self.host_numbers.get_mut(at).ok_or(Malformed)? = part.number;
        let reader = &mut Reader::new(&part.payload);
        for _ in 0..reader.count()? {
            let host = self.enter(&read_host(reader)?);
            self.hosts[host].clock = ClockImage::read(reader)?;
            self.hosts[host].urls_leased = reader.number()?;
            for _ in 0..reader.count()? {
                self.load_origin(host, reader)?;
            }
        }
        if reader.is_done() { Ok(()) } else { Err(Malformed) }
    }

    fn load_origin(&mut self, host: usize, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let scheme = read_scheme(reader)?;
        self.origin(host, scheme).robots = RobotsImage::read(reader)?;
        for _ in 0..reader.count()? {
            let not_before = reader.wall()?;
            let body = Body::read(reader)?;
            self.wait(host, self.fingerprinter.of(&body.url), body, Some(not_before));
        }
        for _ in 0..reader.count()? {
            match reader.byte()? {
                PART_URL => {
                    let body = Body::read(reader)?;
                    self.wait(host, self.fingerprinter.of(&body.url), body, None);
                }
                PART_CHUNK => {
                    let (number, count) = (reader.number()?, reader.small()?);
                    self.chunks.insert(number, PastChunk { host, count, gone: Vec::new() });
                    self.origin(host, scheme).parts.push(Part::Chunk(number));
                }
                _ => return Err(Malformed),
            }
        }
        Ok(())
    }

    /// Takes the next block of the log.
    ///
    /// # Errors
    /// When a record cannot be read, or does not fit to those before.
    pub fn replay(&mut self, block: &JournalBlock) -> Result<(), RestoreError> {
        self.last = self.last.max(block.first + u64::from(block.count).saturating_sub(1));
        if block.kind == BlockKind::Chunk {
            let title = ChunkTitle::read(&block.payload, self.fingerprinter);
            let applied = title.and_then(|title| self.apply_chunk(block.first, &title));
            return applied.map_err(|Malformed| RestoreError::Record { number: block.first });
        }
        let mut reader = Reader::new(&block.payload);
        for number in (block.first..).take(block.count as usize) {
            let applied = Record::read(&mut reader).and_then(|record| self.apply(number, record));
            applied.map_err(|Malformed| RestoreError::Record { number })?;
        }
        if reader.is_done() { Ok(()) } else { Err(RestoreError::Record { number: self.last }) }
    }

    fn apply(&mut self, number: u64, record: Record) -> Result<(), Malformed> {
        match record {
            Record::New { body, .. } | Record::Renew { body } => {
                let fingerprint = self.fingerprinter.of(&body.url);
                self.stand(number, fingerprint, Standing::live(body.depth));
                let host = self.enter_of(&body.url);
                if number > self.host_numbers[usize::from(self.hosts[host].shard)] {
                    self.wait(host, fingerprint, body, None);
                }
            }
            Record::Skip { fingerprint, reason, .. } => {
                self.stand(number, fingerprint, Standing::Ended(crate::Disposition::Skipped(reason)));
            }
            Record::Depth { fingerprint, depth } => {
                self.stand(number, fingerprint, Standing::Live { depth });
            }
            Record::Adopt { fingerprint, seed } => {
                if number > self.global_number {
                    self.adopted.push((fingerprint, seed));
                }
            }
            Record::Joined { seed, target } => {
                if number > self.global_number {
                    self.joined.push((seed, target));
                }
            }
            Record::Return { from, chunk, not_before, body } => {
                let to = self.enter_of(&body.url);
                let fingerprint = self.fingerprinter.of(&body.url);
                if number > *self.host_numbers.get(usize::from(from)).ok_or(Malformed)? {
                    let (host, is_first) = self.leave(fingerprint, from, chunk)?;
                    self.hosts[host].urls_leased += u64::from(is_first);
                }
                if number > self.host_numbers[usize::from(self.hosts[to].shard)] {
                    self.wait(to, fingerprint, body, Some(not_before));
                }
            }
            Record::End { fingerprint, disposition, was_leased, host_shard, chunk } => {
                self.stand(number, fingerprint, Standing::Ended(disposition));
                if number > *self.host_numbers.get(usize::from(host_shard)).ok_or(Malformed)? {
                    let (host, is_first) = self.leave(fingerprint, host_shard, chunk)?;
                    self.hosts[host].urls_leased += u64::from(is_first && was_leased);
                }
            }
            Record::Host { host, clock } => {
                if number > self.host_numbers[usize::from(host_shard(&host))] {
                    let at = self.enter(&host);
                    self.hosts[at].clock = clock;
                }
            }
            Record::Robots { host, scheme, robots } => {
                if number > self.host_numbers[usize::from(host_shard(&host))] {
                    let at = self.enter(&host);
                    self.origin(at, scheme).robots = robots;
                }
            }
        }
        Ok(())
    }

    fn apply_chunk(&mut self, number: u64, chunk: &ChunkTitle) -> Result<(), Malformed> {
        let shard = host_shard(&chunk.host);
        if number <= self.host_numbers[usize::from(shard)] {
            return Ok(());
        }
        for (earlier, fingerprint) in &chunk.urls {
            self.leave(*fingerprint, shard, *earlier)?;
        }
        let host = self.enter(&chunk.host);
        let count = u32::try_from(chunk.urls.len()).map_err(|_| Malformed)?;
        self.chunks.insert(number, PastChunk { host, count, gone: Vec::new() });
        self.origin(host, chunk.scheme).parts.push(Part::Chunk(number));
        Ok(())
    }

    /// Sets how a URL stands, unless its part of the snapshot knows.
    fn stand(&mut self, number: u64, fingerprint: Fingerprint, standing: Standing) {
        if number > self.seen_numbers[SeenSet::shard_of(fingerprint)] {
            self.standings.push((fingerprint, standing));
            if self.standings.len() >= STANDINGS_MAX {
                self.seen.set_many(&self.standings);
                self.standings.clear();
            }
        }
    }

    /// Returns the seen set, complete.
    pub(super) fn take_seen(&mut self) -> SeenSet {
        self.seen.set_many(&self.standings);
        self.standings.clear();
        std::mem::take(&mut self.seen)
    }

    /// Takes a URL out of where it waits; returns its host, and whether it was never leased before.
    fn leave(&mut self, fingerprint: Fingerprint, shard: u8, chunk: u64) -> Result<(usize, bool), Malformed> {
        if let Some(waiting) = self.waiting.remove(&(fingerprint, shard)) {
            return Ok((waiting.host, waiting.returned.is_none()));
        }
        let chunk = self.chunks.get_mut(&chunk).ok_or(Malformed)?;
        chunk.gone.push(fingerprint);
        Ok((chunk.host, true))
    }

    /// Adds a URL to those that wait, behind all others.
    fn wait(&mut self, host: usize, fingerprint: Fingerprint, body: Body, returned: Option<Wall>) {
        self.next_place += 1;
        let (place, scheme) = (self.next_place, body.url.scheme());
        let shard = self.hosts[host].shard;
        let waiting = Waiting { body, host, place, returned };
        self.waiting.insert((fingerprint, shard), Box::new(waiting));
        let origin = self.origin(host, scheme);
        if returned.is_none() {
            origin.parts.push(Part::Url { fingerprint, place });
        }
    }

    /// Returns the place of a URL's host; that of the last URL costs no look-up.
    fn enter_of(&mut self, url: &CanonicalUrl) -> usize {
        let is_same = |host: &PastHost| host.key.port == url.port() && *host.key.host == *url.host();
        if !self.hosts.get(self.recent).is_some_and(is_same) {
            self.recent = self.enter(&url.host_key());
        }
        self.recent
    }

    fn enter(&mut self, key: &HostKey) -> usize {
        if let Some(at) = self.host_ids.get(key) {
            return *at;
        }
        let at = self.hosts.len();
        self.host_ids.insert(key.clone(), at);
        let (key, clock, shard) = (key.clone(), ClockImage::default(), host_shard(key));
        self.hosts.push(PastHost { key, shard, clock, urls_leased: 0, origins: Vec::new() });
        at
    }

    fn origin(&mut self, host: usize, scheme: Scheme) -> &mut PastOrigin {
        let origins = &mut self.hosts[host].origins;
        let at = origins.iter().position(|origin| origin.scheme == scheme).unwrap_or_else(|| {
            origins.push(PastOrigin { scheme, robots: RobotsImage::Unknown, parts: Vec::new() });
            origins.len() - 1
        });
        &mut origins[at]
    }
}
