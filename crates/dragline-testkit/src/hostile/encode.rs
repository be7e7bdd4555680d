//! Encodes bodies for the wire: gzip, deflate, br and zstd, and bombs of each.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use zstd_safe::{CCtx, CParameter};

/// Bytes that a bomb decodes to.
pub(super) const BOMB_BYTES: usize = 64 << 20;
/// Bytes of zeros that are encoded at a time.
const STEP_BYTES: usize = 1 << 20;
const FAST: Compression = Compression::new(6);

pub(super) fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), FAST);
    encoder.write_all(body)?;
    encoder.finish()
}

pub(super) fn zlib(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), FAST);
    encoder.write_all(body)?;
    encoder.finish()
}

pub(super) fn raw_deflate(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), FAST);
    encoder.write_all(body)?;
    encoder.finish()
}

/// Encodes by brotli with a window of 2 to this power.
pub(super) fn brotli(body: &[u8], window_bits: u32) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, 64 << 10, 5, window_bits);
    encoder.write_all(body)?;
    encoder.flush()?;
    drop(encoder);
    Ok(out)
}

/// Encodes by zstd with a window of 2 to this power and a checksum.
pub(super) fn zstd(body: &[u8], window_bits: u32) -> io::Result<Vec<u8>> {
    let failed = |code| io::Error::other(zstd_safe::get_error_name(code));
    let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    for parameter in [CParameter::WindowLog(window_bits), CParameter::ChecksumFlag(true)] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    let mut out = vec![0; zstd_safe::compress_bound(body.len())];
    let length = context.compress2(out.as_mut_slice(), body).map_err(failed)?;
    out.truncate(length);
    Ok(out)
}

/// Makes small bodies that decode to [`BOMB_BYTES`], by coding.
pub(super) fn bombs() -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let zeros = vec![0; STEP_BYTES];
    let steps = BOMB_BYTES / STEP_BYTES;
    let mut gz = GzEncoder::new(Vec::new(), FAST);
    let mut zl = ZlibEncoder::new(Vec::new(), FAST);
    let mut br_out = Vec::new();
    let mut br = brotli::CompressorWriter::new(&mut br_out, 64 << 10, 5, 22);
    for _ in 0..steps {
        gz.write_all(&zeros)?;
        zl.write_all(&zeros)?;
        br.write_all(&zeros)?;
    }
    br.flush()?;
    drop(br);
    // Frames one after another decode to one body.
    let frames = zstd(&zeros, 20)?.repeat(steps);
    Ok(vec![("gzip", gz.finish()?), ("deflate", zl.finish()?), ("br", br_out), ("zstd", frames)])
}
