//! Finds the end of a body in its bytes, so that a short one is never taken for whole. Pure.

use crate::error::Fault;
use crate::head::Framing;

/// Bytes of the size line of one chunk, its extensions included.
const CHUNK_LINE_BYTES_MAX: u32 = 4 << 10;
/// Bytes of extensions that all chunks of a body may have beyond one for each byte of data.
const EXTENSION_BYTES_MAX: u64 = 16 << 10;
/// Bytes of all trailer lines.
const TRAILER_BYTES_MAX: u32 = 8 << 10;

/// Follows a body to its end.
#[derive(Debug)]
pub(crate) enum Meter {
    /// So many bytes are still to come; none when the body is whole.
    Left(u64),
    /// Chunks, and the extension bytes that are still allowed.
    Chunks(Chunk, u64),
    /// Whatever comes until the connection ends.
    UntilClose,
}

/// Where in the chunked coding the last byte stood (RFC 9112 section 7.1).
#[derive(Debug)]
pub(crate) enum Chunk {
    /// In the digits of a size.
    Size { digits: u32, size: u64 },
    /// Behind the digits, in white space before CR or `;`.
    Padding { line: u32, size: u64 },
    /// Behind the `;`, before CR.
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
            Framing::Chunked => Self::Chunks(Chunk::Size { digits: 0, size: 0 }, EXTENSION_BYTES_MAX),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the last byte of the body has been seen.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Left(0) | Self::Chunks(Chunk::Whole, _))
    }

    /// Whether the body is whole if the connection ends here.
    pub(crate) const fn is_whole_at_close(&self) -> bool {
        self.is_whole() || matches!(self, Self::UntilClose)
    }

    /// Returns how many bytes may come that are all of the body; `None` when framing stands between them.
    pub(crate) const fn plain(&self) -> Option<u64> {
        match self {
            Self::Left(left) => Some(*left),
            Self::UntilClose => Some(u64::MAX),
            Self::Chunks(..) => None,
        }
    }

    /// Takes note of bytes that were received elsewhere; at most [`Meter::plain`] of them.
    pub(crate) const fn pass(&mut self, bytes: u64) {
        if let Self::Left(left) = self {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Takes bytes, appends those of the body to `data`, and returns how many belonged to it, framing included.
    ///
    /// They are fewer than given only when the body is whole. Lines of the chunked coding may end in a bare LF.
    ///
    /// # Errors
    /// When the chunked coding is broken or passes a limit.
    pub(crate) fn feed(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, Fault> {
        match self {
            Self::UntilClose => {
                data.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Self::Left(left) => {
                let taken = advance(left, bytes.len());
                data.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                Ok(taken)
            }
            Self::Chunks(chunk, extensions) => {
                let mut used = 0;
                while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
                    match chunk {
                        Chunk::Whole => break,
                        Chunk::Data { left } => {
                            let taken = advance(left, rest.len());
                            data.extend_from_slice(rest.get(..taken).unwrap_or_default());
                            *extensions += taken as u64;
                            used += taken;
                            if *left == 0 {
                                *chunk = Chunk::DataCr;
                            }
                        }
                        _ => {
                            if matches!(chunk, Chunk::Extension { .. }) {
                                *extensions = extensions.checked_sub(1).ok_or(LIMIT)?;
                            }
                            *chunk = chunk.step(*rest.first().unwrap_or(&0))?;
                            used += 1;
                        }
                    }
                }
                Ok(used)
            }
        }
    }
}

/// Takes at most `available` from `left`; returns how much.
fn advance(left: &mut u64, available: usize) -> usize {
    let taken = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= taken as u64;
    taken
}

const BROKEN: Fault = Fault::Protocol("the chunked coding is broken");
const LIMIT: Fault = Fault::Protocol("the chunked coding passes a limit");

impl Chunk {
    /// Moves over one byte that is not data. A line may end in LF alone where CR is awaited.
    fn step(&self, octet: u8) -> Result<Self, Fault> {
        Ok(match (self, octet) {
            (
                Self::Size { digits: 1.., size }
                | Self::Padding { size, .. }
                | Self::Extension { size, .. }
                | Self::SizeEnd { size },
                b'\n',
            ) => match size {
                0 => Self::TrailerStart { total: 0 },
                size => Self::Data { left: *size },
            },
            (
                Self::Size { digits: 1.., size } | Self::Padding { size, .. } | Self::Extension { size, .. },
                b'\r',
            ) => Self::SizeEnd { size: *size },
            (
                Self::Size { digits: line @ 1.., size } | Self::Padding { line, size },
                octet @ (b';' | b' ' | b'\t'),
            ) => {
                let (line, size) = (bounded(*line, CHUNK_LINE_BYTES_MAX)?, *size);
                if octet == b';' { Self::Extension { line, size } } else { Self::Padding { line, size } }
            }
            (Self::Size { digits, size }, octet) => {
                let digit = char::from(octet).to_digit(16).ok_or(BROKEN)?;
                let size = size.checked_mul(16).ok_or(BROKEN)? + u64::from(digit);
                Self::Size { digits: bounded(*digits, CHUNK_LINE_BYTES_MAX)?, size }
            }
            (Self::Extension { line, size }, _) => {
                Self::Extension { line: bounded(*line, CHUNK_LINE_BYTES_MAX)?, size: *size }
            }
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataCr | Self::DataLf, b'\n') => Self::Size { digits: 0, size: 0 },
            (Self::TrailerStart { .. }, b'\r') => Self::EndLf,
            (Self::TrailerStart { .. } | Self::EndLf, b'\n') => Self::Whole,
            (Self::Trailer { total }, b'\r') => Self::TrailerLf { total: *total },
            (Self::Trailer { total } | Self::TrailerLf { total }, b'\n') => {
                Self::TrailerStart { total: bounded(*total + 1, TRAILER_BYTES_MAX)? }
            }
            (Self::TrailerStart { total } | Self::Trailer { total }, _) => {
                Self::Trailer { total: bounded(*total, TRAILER_BYTES_MAX)? }
            }
            _ => return Err(BROKEN),
        })
    }
}

fn bounded(count: u32, max: u32) -> Result<u32, Fault> {
    if count < max { Ok(count + 1) } else { Err(LIMIT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how many bytes belonged to the body, its data, and whether it was whole.
    fn run(framing: Framing, pieces: &[&[u8]]) -> String {
        let mut meter = Meter::new(framing);
        let (mut total, mut data) = (0, Vec::new());
        for piece in pieces {
            match meter.feed(piece, &mut data) {
                Ok(used) => total += used,
                Err(fault) => return fault.to_string(),
            }
        }
        let data = String::from_utf8_lossy(&data);
        format!("{total} {data:?} {} {}", meter.is_whole(), meter.is_whole_at_close())
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
        check(Framing::Empty, "more", "0 \"\" true true");
        check(Framing::Length(3), "abcmore", "3 \"abc\" true true");
        check(Framing::Length(3), "ab", "2 \"ab\" false false");
        check(Framing::UntilClose, "abc", "3 \"abc\" false true");
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nmore", "13 \"abc\" true true");
        check(Framing::Chunked, "00003;x=y\r\nabc\r\n0\t\r\nA: b\r\nC: d\r\n\r\n", "34 \"abc\" true true");
        check(Framing::Chunked, "aB\r\n", "4 \"\" false false");
        check(Framing::Chunked, "3\r\nabc\r\n0\r\n\r", "12 \"abc\" false false");
    }

    #[test]
    fn broken_chunks_are_found_however_the_bytes_arrive() {
        let broken = "the chunked coding is broken";
        for chunks in ["\r\n", "\n", "g\r\n", "3\rx", "3\r\nabcd", "0\r\n\rx", "ffffffffffffffff0"] {
            check(Framing::Chunked, chunks, broken);
        }
    }

    #[test]
    fn lines_may_end_in_line_feeds_alone() {
        check(Framing::Chunked, "3\na\nc\n0\n\n", "9 \"a\\nc\" true true");
        check(Framing::Chunked, "3;x\nabc\r\n0\r\nT: x\n\nmore", "18 \"abc\" true true");
    }

    #[test]
    fn extensions_are_bounded_by_line_and_in_all() {
        let limit = "the chunked coding passes a limit";
        let long = |count: usize| format!("1;{}\r\nx\r\n", "e".repeat(count));
        let run = |chunks: String| run(Framing::Chunked, &[chunks.as_bytes()]);
        assert!(run(long(4_000)).starts_with("4007"));
        assert_eq!(run(long(4_096)), limit);
        assert!(run(long(4_000).repeat(4)).starts_with("16028"));
        assert_eq!(run(long(4_000).repeat(5)), limit);
        assert!(run("1;e\r\nx\r\n".repeat(10_000)).starts_with("80000"));
    }
}
