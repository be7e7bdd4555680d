//! Turns what was restored into a frontier that works, and checks it against what the last commit counted.

use super::counts;
use super::host::{ClockImage, RobotsImage};
use super::journal::Journal;
use super::restore::{Part, PastChunk, PastHost, PastOrigin, RestoreError, Restorer, Waiting};
use super::shelf::{Chunk, Shelf};
use crate::disposition::Disposition;
use crate::frontier::counts::Counts;
use crate::frontier::hosts::HostId;
use crate::frontier::queue::{Entry, RobotsState, Shelved};
use crate::frontier::seen::Standing;
use crate::frontier::{Epoch, MemFrontier};
use crate::rules::CrawlRules;
use crate::time::{Time, Wall};
use crate::url::Scheme;

/// What a restored frontier is given for its life in this process.
#[derive(Debug)]
pub struct Rebirth {
    /// The rules, which may differ from those of the life before.
    pub rules: CrawlRules,
    /// For chance and the order of maps.
    pub seed: u64,
    /// When the time of this process begins.
    pub base: Wall,
    /// Where the chunks lie.
    pub shelf: Box<dyn Shelf>,
    /// URLs of a chunk, at least 1; a queue keeps up to three times as many in memory.
    pub chunk_urls: usize,
    /// The epoch that is open: behind that of the last commit, or 0.
    pub epoch: Epoch,
    /// The counts of the last commit, as its [`JournalCut`](super::JournalCut) had them; empty at the first start.
    pub counts: Vec<u8>,
}

impl Rebirth {
    /// URLs of a chunk, unless a test wants fewer.
    pub const CHUNK_URLS: usize = 64;
}

impl Restorer {
    /// Makes the frontier; its journal goes on behind the last record.
    ///
    /// # Errors
    /// When the counts differ from those of the commit, or a chunk cannot be read.
    pub fn finish(mut self, rebirth: Rebirth) -> Result<MemFrontier, RestoreError> {
        let Rebirth { rules, seed, base, shelf, chunk_urls, epoch, counts } = rebirth;
        let mut frontier = MemFrontier::new(rules, self.fingerprinter, seed);
        frontier.base = base;
        frontier.epoch = epoch;
        if !counts.is_empty() {
            frontier.table.take_all_as_asked(Time::ZERO);
        }
        frontier.journal = Journal::after(self.last);
        frontier.shelf = Some(shelf);
        frontier.chunk_urls = chunk_urls.max(1);
        frontier.seen = self.take_seen();
        for (_, target) in &self.joined {
            frontier.scope.add_seed(target);
        }
        frontier.joined = std::mem::take(&mut self.joined);
        for (fingerprint, seed) in std::mem::take(&mut self.adopted) {
            if matches!(frontier.seen.get(fingerprint), Some(Standing::Live { .. })) {
                frontier.adopted.insert(fingerprint, seed);
            }
        }
        let mut returned: Vec<Vec<Box<Waiting>>> = self.hosts.iter().map(|_| Vec::new()).collect();
        for host in std::mem::take(&mut self.hosts) {
            let id = enter(&mut frontier, &host);
            for origin in host.origins {
                self.settle_origin(&mut frontier, id, origin)?;
            }
        }
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            if waiting.returned.is_some() {
                let host = waiting.host;
                returned[host].push(waiting);
            }
        }
        for (at, mut waiting) in (0..).zip(returned) {
            waiting.sort_unstable_by_key(|waiting| (waiting.returned, waiting.place));
            waiting.into_iter().for_each(|waiting| queue_returned(&mut frontier, HostId(at), *waiting));
        }
        frontier.counts = recount(&frontier, &counts)?;
        for id in (0..).take(frontier.work.len()).map(HostId) {
            frontier.refresh(id);
        }
        if frontier.budget_is_spent() {
            frontier.sweep = Some(0);
        }
        Ok(frontier)
    }

    /// Brings the queue of an origin into the form of a frontier at work: URLs in memory, chunks, URLs in memory.
    fn settle_origin(
        &mut self,
        frontier: &mut MemFrontier,
        id: HostId,
        origin: PastOrigin,
    ) -> Result<(), RestoreError> {
        let PastOrigin { scheme, robots, parts } = origin;
        let state = robots_state(frontier, robots);
        let crawl_delay = match &state {
            RobotsState::Known(rules, _) => rules.crawl_delay(),
            _ => None,
        };
        let queue = frontier.work[id.index()].origin_mut(scheme);
        (queue.robots, queue.crawl_delay) = (state, crawl_delay);
        let parts: Vec<Part> = parts.into_iter().filter(|part| self.is_there(frontier, id, *part)).collect();
        let is_whole = |part: &Part| match part {
            Part::Chunk(number) => self.chunks.get(number).is_some_and(|chunk| chunk.gone.is_empty()),
            Part::Url { .. } => false,
        };
        // Chunks behind the last URL that stands before a chunk stay where they are, when nothing was taken of them; the
        // first URLs are in memory.
        let tail = parts.iter().rposition(|part| matches!(part, Part::Chunk(_))).map_or(0, |last| last + 1);
        let head = parts[..tail].iter().rposition(|part| !is_whole(part)).map_or(0, |last| last + 1);
        let head = head.max(1).min(tail);
        for part in &parts[..head] {
            self.bring_in(frontier, id, scheme, *part)?;
        }
        for part in &parts[head..tail] {
            self.leave_on_shelf(frontier, id, scheme, *part);
        }
        for part in &parts[tail..] {
            self.bring_in(frontier, id, scheme, *part)?;
        }
        Ok(())
    }

    /// Whether something of a place in a queue is still there.
    fn is_there(&self, frontier: &MemFrontier, id: HostId, part: Part) -> bool {
        match part {
            Part::Url { fingerprint, place } => {
                let shard = frontier.work[id.index()].shard;
                let found = self.waiting.get(&(fingerprint, shard));
                found.is_some_and(|waiting| waiting.place == place && waiting.returned.is_none())
            }
            Part::Chunk(number) => {
                self.chunks.get(&number).is_some_and(|chunk| chunk.gone.len() < chunk.count as usize)
            }
        }
    }

    /// Adds what stands at a place to the queue in memory.
    fn bring_in(
        &mut self,
        frontier: &mut MemFrontier,
        id: HostId,
        scheme: Scheme,
        part: Part,
    ) -> Result<(), RestoreError> {
        let shard = frontier.work[id.index()].shard;
        match part {
            Part::Url { fingerprint, .. } => {
                if let Some(waiting) = self.waiting.remove(&(fingerprint, shard)) {
                    let record = frontier.record_of(waiting.body, id, 0);
                    queue(frontier, id, scheme, record);
                }
                Ok(())
            }
            Part::Chunk(number) => {
                let payload = frontier.chunk_payload(number).map_err(RestoreError::Shelf)?;
                let chunk = Chunk::read(&payload).map_err(|_| RestoreError::Record { number })?;
                let gone = self.chunks.remove(&number).map(|PastChunk { gone, .. }| gone).unwrap_or_default();
                for (_, body) in chunk.bodies {
                    if !gone.contains(&self.fingerprinter.of(&body.url)) {
                        let record = frontier.record_of(body, id, number);
                        queue(frontier, id, scheme, record);
                    }
                }
                Ok(())
            }
        }
    }

    fn leave_on_shelf(&self, frontier: &mut MemFrontier, id: HostId, scheme: Scheme, part: Part) {
        if let Part::Chunk(number) = part
            && let Some(chunk) = self.chunks.get(&number)
        {
            let shelved =
                Shelved { number, count: chunk.count, order: frontier.next_order + 1, since: Time::ZERO };
            frontier.next_order += u64::from(chunk.count);
            frontier.work[id.index()].origin_mut(scheme).shelve(shelved);
        }
    }
}

fn enter(frontier: &mut MemFrontier, host: &PastHost) -> HostId {
    let id = frontier.enter_host(&host.key);
    let base = frontier.base;
    frontier.table.clock_mut(id).restore(Time::ZERO, &host.clock, base);
    let work = &mut frontier.work[id.index()];
    work.urls_leased = host.urls_leased;
    work.noted = (host.clock != ClockImage::default()).then(|| Box::new(host.clock.clone()));
    id
}

fn robots_state(frontier: &MemFrontier, robots: RobotsImage) -> RobotsState {
    if !frontier.rules.robots.obey {
        return RobotsState::Unknown;
    }
    match robots {
        RobotsImage::Unknown => RobotsState::Unknown,
        RobotsImage::Known(rules, expires) => RobotsState::Known(rules, frontier.time(expires)),
        RobotsImage::Unavailable(expires) => RobotsState::Unavailable(frontier.time(expires)),
        RobotsImage::Unreachable(outcome, message) => RobotsState::Unreachable(outcome, message),
    }
}

fn queue(frontier: &mut MemFrontier, id: HostId, scheme: Scheme, record: crate::frontier::state::UrlRecord) {
    let number = frontier.urls.insert(record);
    let entry = frontier.entry(number, Time::ZERO);
    frontier.work[id.index()].origin_mut(scheme).push_fresh(entry);
}

fn queue_returned(frontier: &mut MemFrontier, id: HostId, waiting: Waiting) {
    let since = waiting.returned.map_or(Time::ZERO, |at| frontier.time(at));
    let scheme = waiting.body.url.scheme();
    let mut record = frontier.record_of(waiting.body, id, 0);
    record.was_leased = true;
    let number = frontier.urls.insert(record);
    let entry: Entry = frontier.entry(number, since);
    frontier.work[id.index()].origin_mut(scheme).later.insert(entry);
}

/// Counts the URLs anew and takes the other counts from the commit.
fn recount(frontier: &MemFrontier, written: &[u8]) -> Result<Counts, RestoreError> {
    let mut counts = match written {
        [] => Counts::default(),
        _ => counts::read(written).map_err(|_| RestoreError::Counts {
            what: "fields",
            expected: 1,
            found: 0,
        })?,
    };
    let (live, ended) = frontier.seen.tally();
    let origins = || frontier.work.iter().flat_map(|work| &work.origins);
    let queued: usize = origins().map(crate::frontier::queue::OriginQueue::len).sum();
    let check = |what, expected, found| {
        if expected == found { Ok(()) } else { Err(RestoreError::Counts { what, expected, found }) }
    };
    check("URLs", counts.discovered, frontier.seen.len() as u64)?;
    check("pending URLs", counts.pending, live)?;
    check("pending URLs in queues", counts.pending, queued as u64)?;
    for (disposition, count) in ended {
        match disposition {
            Disposition::Done => counts.done = count,
            Disposition::Redirected => counts.redirected = count,
            Disposition::Failed(kind) => _ = counts.failed.insert(kind, count),
            Disposition::Skipped(reason) => _ = counts.skipped.insert(reason, count),
        }
    }
    Ok(counts)
}
