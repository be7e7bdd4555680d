//! Puts waiting URLs of long queues on a shelf outside of memory, and takes them back when they are next.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::body::{self, Body};
use super::record::{read_host, read_scheme, write_host};
use super::wire::{Malformed, Pen, Reader};
use crate::frontier::hosts::HostId;
use crate::frontier::mem::MemFrontier;
use crate::frontier::queue::{Entry, Shelved};
use crate::frontier::state::UrlRecord;
use crate::frontier::{UrlMove, UrlState};
use crate::url::{Fingerprint, Fingerprinter, HostKey, Scheme};

/// How much smaller chunks are when there are many URLs in memory: then short queues go to the shelf too.
const SMALL_CHUNKS: usize = 4;
/// URLs in memory from which chunks are small.
const RESIDENT_URLS_MAX: usize = 1 << 18;
/// URLs left in front of the shelf when the next chunk is asked for.
const FETCH_AHEAD_URLS: usize = 16;

/// Where chunks lie. A chunk is put there by the commit that takes its record.
pub trait Shelf: fmt::Debug + Send {
    /// Says that a chunk is taken soon, so that it can be read meanwhile.
    fn fetch(&mut self, chunk: u64);

    /// Takes a chunk: its payload as it was put there. Waits for the disk when it was not fetched in time.
    ///
    /// # Errors
    /// When it cannot be read, in words that name the file.
    fn take(&mut self, chunk: u64) -> Result<Vec<u8>, Arc<str>>;
}

/// What stands in a chunk.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Each with the chunk it was taken from before, or 0.
    pub(super) bodies: Vec<(u64, Body)>,
}

impl Chunk {
    pub(super) fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        read_host(&mut reader)?;
        read_scheme(&mut reader)?;
        let count = reader.count()?;
        let mut bodies = Vec::with_capacity(count.min(reader.left()));
        for _ in 0..count {
            bodies.push((reader.number()?, Body::read(&mut reader)?));
        }
        if reader.is_done() { Ok(Self { bodies }) } else { Err(Malformed) }
    }
}

/// What a restart needs to know of a chunk.
#[derive(Debug)]
pub(super) struct ChunkTitle {
    pub(super) host: HostKey,
    pub(super) scheme: Scheme,
    /// Each URL with the chunk it was taken from before, or 0.
    pub(super) urls: Vec<(u64, Fingerprint)>,
}

impl ChunkTitle {
    pub(super) fn read(payload: &[u8], fingerprinter: Fingerprinter) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let (host, scheme) = (read_host(&mut reader)?, read_scheme(&mut reader)?);
        let count = reader.count()?;
        let mut urls = Vec::with_capacity(count.min(reader.left()));
        for _ in 0..count {
            urls.push((reader.number()?, body::skim(&mut reader, fingerprinter)?));
        }
        if reader.is_done() { Ok(Self { host, scheme, urls }) } else { Err(Malformed) }
    }
}

impl MemFrontier {
    /// Returns the chunks that lie on the shelf, in no order. One that is not among them never lies there again.
    pub fn shelved(&self) -> impl Iterator<Item = u64> {
        let origins = self.work.iter().flat_map(|work| &work.origins);
        origins.flat_map(|origin| &origin.shelved).map(|chunk| chunk.number)
    }

    /// Adds a URL that was never leased to its queue, and puts a part of the queue on the shelf when it is long.
    pub(in crate::frontier) fn queue_fresh(&mut self, id: HostId, scheme: Scheme, entry: Entry) {
        let origin = self.work[id.index()].origin_mut(scheme);
        origin.push_fresh(entry);
        if self.shelf.is_none() {
            return;
        }
        let many = self.urls.len() > RESIDENT_URLS_MAX;
        let taken =
            origin.take_for_shelf(if many { self.chunk_urls / SMALL_CHUNKS } else { self.chunk_urls }.max(1));
        if let Some(entries) = taken {
            self.shelve(id, scheme, &entries);
        }
    }

    fn shelve(&mut self, id: HostId, scheme: Scheme, entries: &VecDeque<Entry>) {
        let Some(first) = entries.front().copied() else { return };
        let mut pen = Pen::default();
        write_host(&mut pen, self.table.key(id));
        pen.byte(scheme as u8);
        pen.count(entries.len());
        for entry in entries {
            let record = self.urls.remove(entry.url);
            debug_assert_eq!(record.state, UrlState::Waiting);
            pen.number(record.chunk);
            body::write(&mut pen, &record, 0);
        }
        let number = self.journal.note_chunk(pen.take());
        let count = u32::try_from(entries.len()).expect("a queue in memory is short");
        let shelved = Shelved { number, count, order: first.order, since: first.since };
        self.work[id.index()].origin_mut(scheme).shelve(shelved);
    }

    /// Brings a queue forward after URLs were taken from its front.
    pub(in crate::frontier) fn refill(&mut self, id: HostId, at: usize) {
        loop {
            let origin = &mut self.work[id.index()].origins[at];
            if let Some(next) = origin.shelved.front()
                && origin.fresh.len() == FETCH_AHEAD_URLS
                && self.journal.chunk(next.number).is_none()
                && let Some(shelf) = &mut self.shelf
            {
                shelf.fetch(next.number);
            }
            if !origin.fresh.is_empty() {
                return;
            }
            let Some(next) = origin.unshelve() else { return };
            if let Err(fault) = self.unshelve(id, at, next) {
                self.work[id.index()].origins[at].shelve_again(next);
                self.fault.get_or_insert(fault);
                return;
            }
        }
    }

    fn unshelve(&mut self, id: HostId, at: usize, next: Shelved) -> Result<(), Arc<str>> {
        let payload = self.chunk_payload(next.number)?;
        let chunk = Chunk::read(&payload).ok().filter(|chunk| chunk.bodies.len() == next.count as usize);
        let chunk = chunk.ok_or_else(|| Arc::from(format!("chunk {} cannot be read", next.number)))?;
        for (order, (_, body)) in (next.order..).zip(chunk.bodies) {
            let record = self.record_of(body, id, next.number);
            let entry = Entry { since: next.since, order, url: self.urls.insert(record) };
            self.work[id.index()].origins[at].fresh.push_back(entry);
        }
        self.work[id.index()].origins[at].close_up();
        Ok(())
    }

    /// Returns the payload of a chunk, from the journal or from the shelf.
    pub(super) fn chunk_payload(&mut self, number: u64) -> Result<Vec<u8>, Arc<str>> {
        if let Some(payload) = self.journal.chunk(number) {
            return Ok(payload.to_vec());
        }
        match &mut self.shelf {
            Some(shelf) => shelf.take(number),
            None => Err(Arc::from(format!("there is no shelf for chunk {number}"))),
        }
    }

    /// Makes the record of a URL that waits.
    pub(super) fn record_of(&self, body: Body, host: HostId, chunk: u64) -> UrlRecord {
        let chain = if body.chain.is_empty() { Arc::clone(&self.no_chain) } else { body.chain.into() };
        UrlRecord {
            fingerprint: self.fingerprinter.of(&body.url),
            url: body.url,
            host,
            state: UrlState::Unknown.advance(UrlMove::Accept),
            depth: body.depth,
            attempts: body.attempts,
            seed: body.seed,
            label: body.label,
            data: body.data,
            referrer: body.referrer,
            chain,
            was_leased: false,
            chunk,
            revisit: body.revisit,
        }
    }
}
