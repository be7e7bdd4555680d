//! Bodies are decoded within their caps.

use std::io::Write;

use dragline_core::fetch::{AtCap, FetchLimits};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::support::{Act, Server, fetch, limits, send, told, with_limits};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(data.len())];
    let len = zstd_safe::compress(out.as_mut_slice(), data, 3).unwrap_or_default();
    out.truncate(len);
    out
}

/// A zstd frame of one raw block that asks for a window of 2^`log` bytes.
fn zstd_window(log: u8, data: &[u8]) -> Vec<u8> {
    let block = u8::try_from(data.len() << 3 | 1).unwrap_or_default();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, block, 0, 0], data].concat()
}

/// Brotli of one stored block (RFC 7932 section 9.2) and an empty last one.
fn brotli(data: &[u8]) -> Vec<u8> {
    let header = u32::try_from((data.len() - 1) << 4 | 1 << 20).unwrap_or_default();
    [&header.to_le_bytes()[..3], data, &[3]].concat()
}

fn check_limited(coding: &str, body: &[u8], limits: &FetchLimits, expected: &str) {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    for slowly in [false, body.len() < 1_000] {
        let (head, body) = (head.clone(), body.to_vec());
        let server = Server::run(move |_| {
            vec![send(&head), if slowly { Act::Slowly(body.clone()) } else { send(&body) }]
        });
        let response = fetch(with_limits(&server.url("/"), limits.clone()));
        let told = told(&response);
        let short =
            if told.len() > 300 { format!("{} {}", response.outcome, response.body.len()) } else { told };
        assert_eq!(short, expected, "{coding}, slowly: {slowly}");
    }
}

fn check(coding: &str, body: &[u8], expected: &str) {
    check_limited(coding, body, &limits(), expected);
}

#[test]
fn every_coding_is_undone() {
    check("gzip", &gzip(b"hello"), "ok 200 [hello]");
    check("X-GZIP", &gzip(b"hello"), "ok 200 [hello]");
    check("deflate", &zlib(b"hello"), "ok 200 [hello]");
    check("deflate", &raw_deflate(b"hello"), "ok 200 [hello]");
    check("br", &brotli(b"hello"), "ok 200 [hello]");
    check("zstd", &zstd(b"hello"), "ok 200 [hello]");
    check("identity", b"hello", "ok 200 [hello]");
    check("", b"hello", "ok 200 [hello]");
    check("gzip, identity", &gzip(b"hello"), "ok 200 [hello]");
    check("gzip, br", &brotli(&gzip(b"hello")), "ok 200 [hello]");
    check("zstd,deflate", &zlib(&zstd(b"hello")), "ok 200 [hello]");
}

#[test]
fn long_bodies_are_undone_in_many_steps() {
    let mut noise: u32 = 1;
    let data: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'a' + u8::try_from(noise >> 28).unwrap_or_default()
    })
    .take(400_000)
    .collect();
    for (coding, body) in [("gzip", gzip(&data)), ("deflate", raw_deflate(&data)), ("zstd", zstd(&data))] {
        check(coding, &body, "ok 400000");
    }
    check("gzip, zstd", &zstd(&gzip(&data)), "ok 400000");
}

#[test]
fn several_members_are_one_body_and_junk_behind_them_is_ignored() {
    check("gzip", &[gzip(b"hel"), gzip(b""), gzip(b"lo")].concat(), "ok 200 [hello]");
    check("gzip", &[gzip(b"hello"), vec![0; 40]].concat(), "ok 200 [hello]");
    check("gzip", &[gzip(b"hello"), vec![0x1f]].concat(), "ok 200 [hello]");
    check("gzip", &[gzip(b"hello"), vec![0x1f, 0x00]].concat(), "ok 200 [hello]");
    check("zstd", &[zstd(b"hel"), zstd(b"lo")].concat(), "ok 200 [hello]");
    check("zstd", &[zstd(b"hello"), vec![0; 40]].concat(), "ok 200 [hello]");
    check("br", &[brotli(b"hello"), vec![0; 40]].concat(), "ok 200 [hello]");
    check("deflate", &[zlib(b"hello"), vec![0; 40]].concat(), "ok 200 [hello]");
    check("gzip", b"", "ok 200 []");
    check("br", b"", "ok 200 []");
}

#[test]
fn a_coded_body_cut_short_is_never_fine() {
    let cut = "incomplete 200 [] | the coded body is cut short (in phase body)";
    for (coding, body) in [
        ("gzip", gzip(b"hello")),
        ("deflate", zlib(b"hello")),
        ("deflate", raw_deflate(b"hello")),
        ("br", brotli(b"hello")),
        ("zstd", zstd(b"hello")),
    ] {
        for missing in 1..body.len() {
            check(coding, &body[..body.len() - missing], cut);
        }
    }
    check("gzip", &[gzip(b"hello"), vec![0x1f, 0x8b, 8]].concat(), cut);
}

#[test]
fn damaged_and_unknown_codings_are_told_apart() {
    let damaged =
        |coding: &str| format!("decode_error 200 [] | the {coding} body is damaged (in phase body)");
    for coding in ["gzip", "deflate", "br", "zstd"] {
        check(coding, b"\xffthis was never compressed", &damaged(coding));
    }
    let mut flipped = gzip(b"hello hello hello");
    let checksum = flipped.len() - 8;
    flipped[checksum] ^= 1;
    check("gzip", &flipped, &damaged("gzip"));
    check(
        "compress",
        b"x",
        "decode_error 200 [] | the content coding \"compress\" is unknown (in phase body)",
    );
    check("zstd", &zstd_window(23, b"ok"), "ok 200 [ok]");
    check("zstd", &zstd_window(24, b"ok"), &damaged("zstd"));
}

#[test]
fn bombs_are_defused() {
    let zeros = vec![0; 4 << 20];
    let ratio = |decoded: usize, wire: usize| {
        format!("too_large 200 [] | {decoded} bytes decoded from {wire} (in phase body)")
    };
    let bomb = gzip(&zeros);
    // The first step past a MiB judges the ratio; all of the bomb had been received.
    check_limited("gzip", &bomb, &limits(), &ratio((1 << 20) + (64 << 10), bomb.len()));
    let capped = FetchLimits { body_bytes_max: 100_000, ..limits() };
    let over = "too_large 200 [] | the body decoded is over its cap of 100000 bytes (in phase body)";
    check_limited("gzip", &bomb, &capped, over);
    check_limited("zstd", &zstd(&zeros), &capped, over);
    check_limited("gzip, zstd", &zstd(&bomb), &capped, over);
    check_limited("gzip", &bomb, &FetchLimits { at_cap: AtCap::Truncate, ..capped }, "ok_truncated 100000");
    let layers = gzip(&gzip(&gzip(b"hello")));
    let many = "too_large 200 [] | more than 2 content codings (in phase body)";
    check("gzip, gzip, gzip", &layers, many);
}
