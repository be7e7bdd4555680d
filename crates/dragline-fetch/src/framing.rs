//! Finds the end of a body in its bytes, so that a short one is never taken for whole. Pure.

use crate::error::Fault;
use crate::head::Framing;

/// Bytes of the size line of one chunk, its extensions included.
const CHUNK_LINE_BYTES_MAX: u32 = 4 << 10;
/// Bytes of all trailer lines.
const TRAILER_BYTES_MAX: u32 = 8 << 10;

/// Follows a body to its end.
#[derive(Debug)]
pub(crate) enum Meter {
    /// So many bytes are still to come; none when the body is whole.
    Left(u64),
    /// Chunks.
    Chunks(Chunk),
    /// Whatever comes until the connection ends.
    UntilClose,
}

/// Where in the chunked coding the last byte stood (RFC 9112 section 7.1).
#[derive(Debug)]
pub(crate) enum Chunk {
    /// In the digits of a size.
    Size { digits: u32, size: u64 },
    /// Behind the digits, before CR.
    Extension { line: u32, size: u64 },
    /// Behind the CR of a size line.
    SizeEnd { size: u64 },
    /// In the data.
    Data { left: u64 },
    /// Behind the data.
    DataCr,
    /// Behind the CR that follows the data.
    DataLf,
    /// At the start of a trailer line, or the empty line that ends the body.
    TrailerStart { total: u32 },
    /// In a trailer line.
    Trailer { total: u32 },
    /// Behind the CR of a trailer line.
    TrailerLf { total: u32 },
    /// Behind the CR of the empty line.
    EndLf,
    /// The body is whole.
    Whole,
}

impl Meter {
    pub(crate) const fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Left(0),
            Framing::Length(length) => Self::Left(length),
            Framing::Chunked => Self::Chunks(Chunk::Size { digits: 0, size: 0 }),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the last byte of the body has been seen.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Left(0) | Self::Chunks(Chunk::Whole))
    }

    /// Whether the body is whole if the connection ends here.
    pub(crate) const fn is_whole_at_close(&self) -> bool {
        self.is_whole() || matches!(self, Self::UntilClose)
    }

    /// Takes bytes and returns how many of them belong to the body.
    ///
    /// They are fewer than given when the body is whole, or when a line of the chunked coding ends in a bare LF,
    /// which awc would refuse: then [`Meter::respell`] takes the rest.
    ///
    /// # Errors
    /// When the chunked coding is broken or passes a limit.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match self {
            Self::UntilClose => Ok(bytes.len()),
            Self::Left(left) => Ok(advance(left, bytes.len())),
            Self::Chunks(chunk) => {
                let mut used = 0;
                while let Some((octet, rest)) = bytes.get(used..).and_then(<[u8]>::split_first) {
                    match chunk {
                        Chunk::Whole => break,
                        Chunk::Data { left } => {
                            used += advance(left, rest.len() + 1);
                            if *left == 0 {
                                *chunk = Chunk::DataCr;
                            }
                        }
                        _ if *octet == b'\n' && chunk.awaits_cr() => break,
                        _ => {
                            *chunk = chunk.step(*octet)?;
                            used += 1;
                        }
                    }
                }
                Ok(used)
            }
        }
    }

    /// Takes bytes and appends those of the body to `out`, with a CR before every bare LF that ends a line.
    ///
    /// Returns whether there were more bytes than belong to the body.
    ///
    /// # Errors
    /// As [`Meter::feed`].
    pub(crate) fn respell(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
        while !bytes.is_empty() && !self.is_whole() {
            let (taken, rest) = bytes.split_at(self.feed(bytes)?);
            out.extend_from_slice(taken);
            bytes = rest;
            if bytes.first() == Some(&b'\n') && !self.is_whole() {
                self.feed(b"\r")?;
                out.push(b'\r');
            }
        }
        Ok(!bytes.is_empty())
    }
}

/// Takes at most `available` from `left`; returns how much.
fn advance(left: &mut u64, available: usize) -> usize {
    let taken = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= taken as u64;
    taken
}

impl Chunk {
    /// Whether a line may end here.
    const fn awaits_cr(&self) -> bool {
        matches!(
            self,
            Self::Size { digits: 1.., .. }
                | Self::Extension { .. }
                | Self::DataCr
                | Self::TrailerStart { .. }
                | Self::Trailer { .. }
        )
    }

    /// Moves over one byte that is not data.
    fn step(&self, octet: u8) -> Result<Self, Fault> {
        const BROKEN: Fault = Fault::Protocol("the chunked coding is broken");
        Ok(match (self, octet) {
            (Self::Size { digits: 1.., size } | Self::Extension { size, .. }, b'\r') => {
                Self::SizeEnd { size: *size }
            }
            (Self::Size { digits: digits @ 1.., size }, b';' | b' ' | b'\t') => {
                Self::Extension { line: *digits, size: *size }
            }
            (Self::Size { digits, size }, octet) => {
                let digit = char::from(octet).to_digit(16).ok_or(BROKEN)?;
                let size = size.checked_mul(16).ok_or(BROKEN)? + u64::from(digit);
                Self::Size { digits: bounded(*digits, CHUNK_LINE_BYTES_MAX)?, size }
            }
            (Self::Extension { line, size }, _) => {
                Self::Extension { line: bounded(*line, CHUNK_LINE_BYTES_MAX)?, size: *size }
            }
            (Self::SizeEnd { size: 0 }, b'\n') => Self::TrailerStart { total: 0 },
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: *size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::TrailerStart { .. }, b'\r') => Self::EndLf,
            (Self::Trailer { total }, b'\r') => Self::TrailerLf { total: *total },
            (Self::TrailerStart { total } | Self::Trailer { total }, _) => {
                Self::Trailer { total: bounded(*total, TRAILER_BYTES_MAX)? }
            }
            (Self::TrailerLf { total }, b'\n') => {
                Self::TrailerStart { total: bounded(*total + 1, TRAILER_BYTES_MAX)? }
            }
            (Self::EndLf, b'\n') => Self::Whole,
            _ => return Err(BROKEN),
        })
    }
}

fn bounded(count: u32, max: u32) -> Result<u32, Fault> {
    if count < max { Ok(count + 1) } else { Err(Fault::Protocol("the chunked coding passes a limit")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how many bytes belonged to the body, and whether it was whole.
    fn run(framing: Framing, pieces: &[&[u8]]) -> String {
        let mut meter = Meter::new(framing);
        let mut total = 0;
        for piece in pieces {
            match meter.feed(piece) {
                Ok(used) => total += used,
                Err(fault) => return fault.to_string(),
            }
        }
        format!("{total} {} {}", meter.is_whole(), meter.is_whole_at_close())
    }

    fn check(framing: Framing, input: &str, expected: &str) {
        let input = input.as_bytes();
        assert_eq!(run(framing, &[input]), expected, "{:?}", String::from_utf8_lossy(input));
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(run(framing, &bytes), expected);
        for at in 0..=input.len() {
            let (one, two) = input.split_at(at);
            assert_eq!(run(framing, &[one, two]), expected, "split at {at}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_found_however_the_bytes_arrive() {
        check(Framing::Empty, "more", "0 true true");
        check(Framing::Length(3), "abcmore", "3 true true");
        check(Framing::Length(3), "ab", "2 false false");
        check(Framing::UntilClose, "abc", "3 false true");
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nmore", "13 true true");
        check(Framing::Chunked, "00003;x=y\r\nabc\r\n0\t\r\nA: b\r\nC: d\r\n\r\n", "34 true true");
        check(Framing::Chunked, "aB\r\n", "4 false false");
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r", "12 false false");
    }

    #[test]
    fn broken_chunks_are_found_however_the_bytes_arrive() {
        let broken = "the chunked coding is broken";
        for chunks in ["\r\n", "g\r\n", "3\rx", "3\r\nabcd", "0\r\n\rx", "ffffffffffffffff0"] {
            check(Framing::Chunked, chunks, broken);
        }
    }

    #[test]
    fn bare_line_feeds_are_respelled_however_the_bytes_arrive() {
        let check = |input: &str, expected: &str, more: bool| {
            for at in 0..=input.len() {
                let mut meter = Meter::new(Framing::Chunked);
                let mut out = Vec::new();
                let (one, two) = input.as_bytes().split_at(at);
                let early = meter.respell(one, &mut out).unwrap();
                let late = meter.respell(two, &mut out).unwrap();
                assert_eq!((String::from_utf8_lossy(&out).as_ref(), early || late), (expected, more), "{at}");
                assert!(meter.is_whole());
            }
        };
        check("3\na\nc\n0\n\n", "3\r\na\nc\r\n0\r\n\r\n", false);
        check("3;x\nabc\r\n0\r\nT: x\n\nmore", "3;x\r\nabc\r\n0\r\nT: x\r\n\r\n", true);
        check("1\r\na\r\n0\r\n\r\n", "1\r\na\r\n0\r\n\r\n", false);
    }
}
