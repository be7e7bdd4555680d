//! Compresses whole files, and checks what compressed files hold, in bounded memory.

use std::io::{self, Read, Write};
use std::path::Path;

use dragline_disk::{DiskFile, Open};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer};

use super::shelf::Shelf;
use crate::error::SinkError;

/// Bytes that are read, and at least written, at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// What the `gzip` and `zstd` programs use unless told otherwise.
const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// How finished files are compressed, each as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// RFC 1952; files end in `.gz`.
    Gzip,
    /// RFC 8878, with checksum and length; files end in `.zst`.
    Zstd,
}

impl Compression {
    /// Every way there is.
    pub(super) const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// Returns what it appends to names.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// Compresses the first `len` bytes of a file into a new one, which is durable when this returns; its name is not.
pub(super) fn compress(
    shelf: &Shelf,
    how: Compression,
    from: &Path,
    len: u64,
    to: &Path,
) -> Result<(), SinkError> {
    let plain = shelf.open_if_there(from, Open::Read)?;
    let plain = plain.ok_or_else(|| SinkError::Missing { path: from.to_owned(), expected: len })?;
    let mut file = shelf.create(to)?;
    let mut put = |bytes: &[u8]| file.append(bytes).map_err(|error| SinkError::from_io(to, "write", error));
    let failed = |error| SinkError::from_io(to, "compress", error);
    let mut coder = Coder::new(how, len).map_err(failed)?;
    let (mut chunk, mut made) = (vec![0; CHUNK_BYTES], Vec::new());
    let mut plain = Reading { file: &*plain, offset: 0 }.take(len);
    let mut taken = 0_u64;
    loop {
        let read = plain.read(&mut chunk).map_err(|error| SinkError::from_io(from, "read", error))?;
        if read == 0 {
            break;
        }
        taken += byte_count(read);
        coder.feed(chunk.get(..read).unwrap_or_default(), &mut made).map_err(failed)?;
        if made.len() >= CHUNK_BYTES {
            put(&made)?;
            made.clear();
        }
    }
    if taken < len {
        return Err(SinkError::Shorter { path: from.to_owned(), expected: len, found: taken });
    }
    coder.finish(&mut made).map_err(failed)?;
    put(&made)?;
    file.sync().map_err(|source| SinkError::Sync { path: to.to_owned(), source })
}

/// Returns how many bytes can be read out of a compressed file; `None` when there is no such file. Of one that ends too
/// early, those before its end count.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(super) fn plain_len(shelf: &Shelf, how: Compression, path: &Path) -> Result<Option<u64>, SinkError> {
    let Some(file) = shelf.open_if_there(path, Open::Read)? else { return Ok(None) };
    let reading = Reading { file: &*file, offset: 0 };
    let (len, read) = match how {
        Compression::Gzip => count(MultiGzDecoder::new(reading)),
        Compression::Zstd => match Frames::new(reading) {
            Ok(frames) => count(frames),
            Err(error) => (0, Err(error)),
        },
    };
    match read {
        Ok(()) => Ok(Some(len)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(len)),
        Err(error) => Err(SinkError::from_io(path, "decompress", error)),
    }
}

/// Reads to the end and counts, up to an error.
fn count(mut reader: impl Read) -> (u64, io::Result<()>) {
    let (mut len, mut chunk) = (0, vec![0; CHUNK_BYTES]);
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return (len, Ok(())),
            Ok(read) => len += byte_count(read),
            Err(error) => return (len, Err(error)),
        }
    }
}

/// A compression under way: bytes in, bytes out.
enum Coder {
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(CCtx<'static>),
}

impl Coder {
    fn new(how: Compression, len: u64) -> io::Result<Self> {
        Ok(match how {
            Compression::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(Box::new(GzEncoder::new(Vec::new(), level)))
            }
            Compression::Zstd => {
                let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                for parameter in [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::ChecksumFlag(true)] {
                    context.set_parameter(parameter).map_err(of_zstd)?;
                }
                context.set_pledged_src_size(Some(len)).map_err(of_zstd)?;
                Self::Zstd(context)
            }
        })
    }

    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                out.append(encoder.get_mut());
            }
            Self::Zstd(context) => {
                let mut input = InBuffer::around(bytes);
                while input.pos() < bytes.len() {
                    drain(out, |made| context.compress_stream(made, &mut input))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => out.append(&mut encoder.finish()?),
            Self::Zstd(mut context) => while drain(out, |made| context.end_stream(made))? > 0 {},
        }
        Ok(())
    }
}

/// Calls zstd with room for its output and appends what it made; returns what the call returned.
fn drain(
    out: &mut Vec<u8>,
    call: impl FnOnce(&mut OutBuffer<'_, [u8]>) -> zstd_safe::SafeResult,
) -> io::Result<usize> {
    let start = out.len();
    out.resize(start + CHUNK_BYTES, 0);
    let mut made = OutBuffer::around(out.get_mut(start..).unwrap_or_default());
    let called = call(&mut made).map_err(of_zstd);
    let end = start + made.pos();
    out.truncate(end);
    called
}

/// Reads the frames of a zstd file one after the other.
struct Frames<R> {
    input: R,
    context: DCtx<'static>,
    chunk: Vec<u8>,
    /// What of the chunk is not read yet.
    left: std::ops::Range<usize>,
    /// Whether a frame has begun and not ended.
    inside: bool,
}

impl<R: Read> Frames<R> {
    fn new(input: R) -> io::Result<Self> {
        let context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { input, context, chunk: vec![0; CHUNK_BYTES], left: 0..0, inside: false })
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.left.is_empty() {
                self.left = 0..self.input.read(&mut self.chunk)?;
            }
            let at_end = self.left.is_empty();
            if at_end && !self.inside {
                return Ok(0);
            }
            let mut input = InBuffer::around(self.chunk.get(self.left.clone()).unwrap_or_default());
            let mut made = OutBuffer::around(&mut *out);
            self.inside = self.context.decompress_stream(&mut made, &mut input).map_err(of_zstd)? > 0;
            self.left.start += input.pos();
            match made.pos() {
                0 if at_end && self.inside => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => {}
                read => return Ok(read),
            }
        }
    }
}

fn of_zstd(code: zstd_safe::ErrorCode) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}

/// Reads a file from its start.
struct Reading<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.offset, bytes)?;
        self.offset += byte_count(read);
        Ok(read)
    }
}

fn byte_count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
