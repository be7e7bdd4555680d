//! Holds the bytes of a body between the connection and whoever reads it; the tap puts in no more than there is room for.

use bytes::{Bytes, BytesMut};

use crate::error::Fault;
use crate::framing::Meter;
use crate::head::{FinalHead, Framing};

/// Bytes of a body that may come together with its head.
pub(crate) const FIRST_BYTES: usize = 16 << 10;
/// Bytes that are set aside because a server announced them.
const RESERVE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a body that is worth its whole receive buffer; a smaller one is copied out of it.
const KEPT_BYTES_MIN: u64 = 8 << 10;
/// Bytes that are set aside for a body of unknown length, each time.
const GROW_BYTES: usize = 16 << 10;

/// The bytes of one body, as received, without framing.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// The whole body, cut out of the buffer that it was received in; then there are no other bytes.
    kept: Option<Bytes>,
    room: usize,
    /// Whether every byte is wanted as soon as it is there: the body is decoded, or only counted.
    eager: bool,
}

impl Inbox {
    /// Begins the body of a response with what is at hand of it: what stands in `input` behind the head's `used`
    /// bytes. Returns how much of that belonged to it.
    ///
    /// # Errors
    /// When its framing is broken.
    pub(crate) fn begin(
        &mut self,
        head: &FinalHead,
        meter: &mut Meter,
        input: &mut BytesMut,
        used: usize,
    ) -> Result<usize, Fault> {
        self.kept = None;
        self.bytes.clear();
        if let Framing::Length(length) = head.framing
            && !head.coded
            && length >= KEPT_BYTES_MIN
            && length <= (input.len() - used) as u64
        {
            meter.pass(length);
            let end = used + usize::try_from(length).unwrap_or_default();
            self.kept = Some(input.split().freeze().slice(used..end));
            return Ok(end - used);
        }
        let part = input.get(used..).unwrap_or_default();
        let announced = match head.framing {
            Framing::Empty => 0,
            Framing::Length(length) => length,
            Framing::Chunked | Framing::UntilClose => part.len() as u64,
        };
        let most = if head.coded { FIRST_BYTES as u64 } else { RESERVE_BYTES_MAX };
        self.bytes.reserve_exact(usize::try_from(announced.min(most)).unwrap_or_default());
        self.eager = head.coded;
        meter.feed(part, &mut self.bytes)
    }

    /// Lets framed bytes in; returns how many of them belonged to the body.
    ///
    /// # Errors
    /// When the framing is broken.
    pub(crate) fn feed(&mut self, meter: &mut Meter, framed: &[u8]) -> Result<usize, Fault> {
        let before = self.bytes.len();
        let taken = meter.feed(framed, &mut self.bytes)?;
        self.took(self.bytes.len() - before);
        Ok(taken)
    }

    /// Says whether every byte is wanted as soon as it is there: only a reader that takes it out may want that.
    pub(crate) const fn want_at_once(&mut self, eager: bool) {
        self.eager = eager;
    }

    /// Says how many bytes may come until the next word.
    pub(crate) fn set_room(&mut self, room: u64) {
        self.room = usize::try_from(room).unwrap_or(usize::MAX);
    }

    /// Returns how many bytes may still come.
    pub(crate) const fn room(&self) -> usize {
        self.room
    }

    /// Whether there is something for the reader to do.
    pub(crate) const fn has_news(&self) -> bool {
        self.room == 0 || (self.eager && !self.bytes.is_empty())
    }

    pub(crate) fn len(&self) -> u64 {
        self.kept.as_ref().map_or(self.bytes.len(), Bytes::len) as u64
    }

    /// Returns the memory that the body takes.
    pub(crate) fn memory(&self) -> u64 {
        if self.kept.is_some() { FIRST_BYTES as u64 } else { self.len() }
    }

    /// Returns the bytes, to which at most `room` may be added, with space for some.
    pub(crate) fn spare(&mut self, expected: u64) -> &mut Vec<u8> {
        if self.bytes.capacity() - self.bytes.len() < GROW_BYTES.min(self.room) {
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            self.bytes.reserve(expected.min(self.room).min(GROW_BYTES));
        }
        &mut self.bytes
    }

    /// Takes note of bytes that were added.
    pub(crate) const fn took(&mut self, count: usize) {
        self.room = self.room.saturating_sub(count);
    }

    /// Adds what came another way, whether or not there is room.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.took(bytes.len());
    }

    /// Takes what came, to be given back with [`Inbox::recycle`].
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Gives back a buffer that was taken, empty.
    pub(crate) fn recycle(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        if self.bytes.is_empty() {
            self.bytes = bytes;
        }
    }

    /// Cuts the bytes to their first `len`.
    pub(crate) fn truncate(&mut self, len: u64) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.bytes.truncate(len);
        if let Some(kept) = &mut self.kept {
            kept.truncate(len);
        }
    }

    /// Ends the body: its bytes, in no more memory than they need.
    pub(crate) fn finish(&mut self) -> Bytes {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let mut bytes = self.take();
        if bytes.capacity() - bytes.len() > GROW_BYTES.max(bytes.len() / 4) {
            bytes.shrink_to_fit();
        }
        Bytes::from(bytes)
    }
}

/// The bytes that went over the connection, when they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) sent: BytesMut,
    pub(crate) received: BytesMut,
}
