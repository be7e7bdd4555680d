//! Undoes gzip (with several members) and deflate (with and without the zlib wrapping).

use flate2::{Decompress, FlushDecompress, Status};

use super::{Damaged, Decode, Progress};

/// The window of zlib and gzip streams.
const WINDOW_BITS: u8 = 15;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Undoes gzip (RFC 1952): members one after another; what follows the last one and is none is ignored, as browsers do.
pub(super) struct Gzip {
    inflate: Decompress,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Member,
    /// Behind a member; holds whether the first byte of another magic was seen.
    Between {
        seen_first: bool,
    },
    Junk,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new_gzip(WINDOW_BITS), place: Place::Start }
    }

    /// Looks whether another member begins; returns the bytes to skip.
    fn between(&mut self, input: &[u8], seen_first: bool) -> Result<Progress, Damaged> {
        let magic = if seen_first { &GZIP_MAGIC[1..] } else { &GZIP_MAGIC[..] };
        if input.iter().zip(magic).any(|(found, expected)| found != expected) {
            self.place = Place::Junk;
            return Ok(Progress { read: input.len(), written: 0 });
        }
        if input.len() < magic.len() {
            self.place = Place::Between { seen_first: seen_first || !input.is_empty() };
            return Ok(Progress { read: input.len(), written: 0 });
        }
        self.inflate = Decompress::new_gzip(WINDOW_BITS);
        self.place = Place::Member;
        if seen_first {
            // The first byte was taken before it was known to begin a member.
            run(&mut self.inflate, &GZIP_MAGIC[..1], &mut [], "gzip")?;
        }
        Ok(Progress::default())
    }
}

impl Decode for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Damaged> {
        let mut skipped = 0;
        loop {
            let rest = input.get(skipped..).unwrap_or_default();
            match self.place {
                Place::Junk => return Ok(Progress { read: input.len(), written: 0 }),
                Place::Between { seen_first } => {
                    let progress = self.between(rest, seen_first)?;
                    skipped += progress.read;
                    if self.place != Place::Member {
                        return Ok(Progress { read: skipped, written: 0 });
                    }
                }
                Place::Start if rest.is_empty() => return Ok(Progress { read: skipped, written: 0 }),
                Place::Start | Place::Member => {
                    self.place = Place::Member;
                    let (progress, ended) = run(&mut self.inflate, rest, output, "gzip")?;
                    if ended {
                        self.place = Place::Between { seen_first: false };
                    }
                    return Ok(Progress { read: skipped + progress.read, written: progress.written });
                }
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.place != Place::Member
    }
}

/// Undoes deflate: the zlib wrapping (RFC 1950) the word stands for, or the bare stream (RFC 1951) that some send.
pub(super) struct Deflate {
    inflate: Option<Decompress>,
    first: Option<u8>,
    ended: bool,
}

impl Deflate {
    pub(super) const fn new() -> Self {
        Self { inflate: None, first: None, ended: false }
    }
}

impl Decode for Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Damaged> {
        if self.ended {
            return Ok(Progress { read: input.len(), written: 0 });
        }
        let Some(inflate) = &mut self.inflate else {
            let (Some(first), Some(second)) =
                (self.first.or(input.first().copied()), second(self.first, input))
            else {
                self.first = self.first.or(input.first().copied());
                return Ok(Progress { read: input.len(), written: 0 });
            };
            let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, second]) % 31 == 0;
            let inflate = self.inflate.insert(Decompress::new(is_zlib));
            if self.first.is_some() {
                run(inflate, &[first], &mut [], "deflate")?;
            }
            return self.step(input, output);
        };
        let (progress, ended) = run(inflate, input, output, "deflate")?;
        self.ended = ended;
        Ok(progress)
    }

    fn is_whole(&self) -> bool {
        self.ended || (self.inflate.is_none() && self.first.is_none())
    }
}

/// Returns the second byte of a stream whose first may have come earlier.
fn second(first: Option<u8>, input: &[u8]) -> Option<u8> {
    input.get(usize::from(first.is_none())).copied()
}

/// Runs zlib once; true when its stream ended.
fn run(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
    coding: &'static str,
) -> Result<(Progress, bool), Damaged> {
    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None).map_err(|_| Damaged(coding))?;
    let grown = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
    let progress = Progress {
        read: grown(inflate.total_in(), before_in),
        written: grown(inflate.total_out(), before_out),
    };
    Ok((progress, status == Status::StreamEnd))
}
