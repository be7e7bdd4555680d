//! Spells numbers and texts as bytes, texts by what they share with the last of their kind.

use std::sync::Arc;

use crate::time::Wall;
use crate::url::CanonicalUrl;

/// The kinds of texts whose neighbours resemble each other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Strand {
    /// URLs that wait or are done with.
    Url,
    /// Pages that name them.
    Referrer,
    /// Labels and data.
    Note,
    /// Seeds, and URLs of redirect chains.
    Other,
}

const STRANDS: usize = 4;

/// Writes values one behind the other.
#[derive(Debug, Default)]
pub(super) struct Pen {
    pub(super) bytes: Vec<u8>,
    last: [Vec<u8>; STRANDS],
}

impl Pen {
    /// Takes what was written; what follows can be read without it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.last.iter_mut().for_each(Vec::clear);
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes a number in seven bits a byte.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// Writes eight bytes: for numbers that have no small ones.
    pub(super) fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    pub(super) fn wall(&mut self, at: Wall) {
        self.bytes.extend_from_slice(&at.as_micros().to_le_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a text as how much of the last one of its kind it begins with, and the rest.
    pub(super) fn text(&mut self, strand: Strand, text: &str) {
        let last = &mut self.last[strand as usize];
        let text = text.as_bytes();
        let shared = shared_prefix(last, text);
        last.truncate(shared);
        last.extend_from_slice(&text[shared..]);
        self.count(shared);
        self.raw(&text[shared..]);
    }

    /// Writes whether there is a value, and the value.
    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Returns how many bytes two texts have in common, from their beginning.
fn shared_prefix(one: &[u8], other: &[u8]) -> usize {
    const STEP: usize = 16;
    let whole =
        one.chunks_exact(STEP).zip(other.chunks_exact(STEP)).take_while(|(a, b)| a == b).count() * STEP;
    let rest = one[whole..].iter().zip(&other[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
}

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a record cannot be read")
    }
}

impl std::error::Error for Malformed {}

/// Reads what a [`Pen`] wrote. Nothing in the bytes can make it panic, or allocate more than they are long.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    last: [Vec<u8>; STRANDS],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, last: Default::default() }
    }

    /// Whether everything was read.
    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns how many bytes are left, which bounds how many values can be.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    pub(super) fn small(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| Malformed)
    }

    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed)
    }

    pub(super) fn word(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?))
    }

    pub(super) fn wall(&mut self) -> Result<Wall, Malformed> {
        Ok(Wall::from_micros(i64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?)))
    }

    pub(super) fn raw(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count()?;
        self.take(len)
    }

    pub(super) fn text(&mut self, strand: Strand) -> Result<&str, Malformed> {
        let shared = self.count()?;
        let rest = self.raw()?;
        let last = &mut self.last[strand as usize];
        if shared > last.len() {
            return Err(Malformed);
        }
        last.truncate(shared);
        last.extend_from_slice(rest);
        std::str::from_utf8(last).map_err(|_| Malformed)
    }

    pub(super) fn shared(&mut self, strand: Strand) -> Result<Arc<str>, Malformed> {
        self.text(strand).map(Arc::from)
    }

    pub(super) fn url(&mut self, strand: Strand) -> Result<CanonicalUrl, Malformed> {
        CanonicalUrl::from_canonical(self.text(strand)?).map_err(|_| Malformed)
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn what_was_written_is_read_again() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let texts =
            ["http://a/one", "http://a/one/two", "", "http://a/one/three", "http://ä/", "http://a/one"];
        let mut pen = Pen::default();
        for number in numbers {
            pen.number(number);
            pen.word(number);
        }
        texts.iter().for_each(|text| pen.text(Strand::Url, text));
        pen.wall(Wall::from_micros(-5));
        pen.option(Some("x"), |pen, text| pen.text(Strand::Note, text));
        pen.option(None::<()>, |_, ()| {});
        let bytes = pen.take();
        let mut reader = Reader::new(&bytes);
        for number in numbers {
            assert_eq!((reader.number(), reader.word()), (Ok(number), Ok(number)));
        }
        texts.iter().for_each(|text| assert_eq!(reader.text(Strand::Url), Ok(*text)));
        assert_eq!(reader.wall(), Ok(Wall::from_micros(-5)));
        assert_eq!(reader.option(|reader| reader.shared(Strand::Note)), Ok(Some("x".into())));
        assert_eq!(reader.option(Reader::byte), Ok(None));
        assert!(reader.is_done());
        assert_eq!(reader.byte(), Err(Malformed));
    }

    #[test]
    fn a_text_costs_what_it_does_not_share() {
        let mut pen = Pen::default();
        pen.text(Strand::Url, "http://example.org/a/long/path/to/page-1");
        let first = pen.bytes.len();
        pen.text(Strand::Url, "http://example.org/a/long/path/to/page-2");
        assert_eq!(pen.bytes.len() - first, 3);
    }

    #[test]
    fn arbitrary_bytes_are_refused_and_nothing_panics() {
        let mut chance = Chance::new(9);
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..chance.below(40)).map(|_| chance.below(256).to_le_bytes()[0]).collect();
            let mut reader = Reader::new(&bytes);
            while !reader.is_done() {
                let read = match chance.below(4) {
                    0 => reader.number().map(drop),
                    1 => reader.text(Strand::Url).map(drop),
                    2 => reader.option(Reader::raw).map(drop),
                    _ => reader.url(Strand::Url).map(drop),
                };
                if read.is_err() {
                    break;
                }
            }
        }
    }
}
