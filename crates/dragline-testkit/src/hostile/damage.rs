//! Writes down bodies whose coding is damaged, cut short, or needs more memory than it may have.

use std::io;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::Book;
use super::codings::{coded, long_text};
use super::encode::{brotli, gzip, raw_deflate, zlib, zstd};
use super::row::{DAMAGED, DAMAGED_OR_LARGE};

/// A coding that ends too early is damaged, or its body incomplete.
const SHORT: &[Outcome] = &[Outcome::DecodeError, Outcome::Incomplete];

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    let text = long_text("damage");
    let codings = [
        ("gzip", "gzip", gzip(&text)?),
        ("zlib", "deflate", zlib(&text)?),
        ("raw-deflate", "deflate", raw_deflate(&text)?),
        ("br", "br", brotli(&text, 22)?),
        ("zstd", "zstd", zstd(&text, 20)?),
    ];
    for (name, coding, wire) in codings {
        let cut = wire.get(..wire.len() / 2).unwrap_or_default();
        damaged(book, &format!("{name}-half"), coding, cut, SHORT);
        let cut = wire.get(..1).unwrap_or_default();
        damaged(book, &format!("{name}-one-byte"), coding, cut, SHORT);
        let cut = wire.get(..wire.len() - 1).unwrap_or_default();
        damaged(book, &format!("{name}-without-last-byte"), coding, cut, SHORT);
        let mut flipped = wire.clone();
        // In the middle of the data, where it decodes to something else or to nothing.
        let at = wire.len() / 3;
        flipped.iter_mut().skip(at).take(64).for_each(|octet| *octet ^= 0x5a);
        // Neither raw deflate nor br has a checksum: what they decode to is what was sent.
        if matches!(name, "gzip" | "zlib" | "zstd") {
            damaged(book, &format!("{name}-flipped"), coding, &flipped, SHORT);
            let mut flipped = wire.clone();
            let end = wire.len() - if name == "gzip" { 8 } else { 1 };
            flipped.iter_mut().skip(end).take(1).for_each(|octet| *octet ^= 0x5a);
            damaged(book, &format!("{name}-checksum"), coding, &flipped, DAMAGED);
        }
        damaged(book, &format!("{name}-is-text"), coding, b"this is plain text, not a coding at all", SHORT);
        damaged(book, &format!("{name}-is-0xff"), coding, &[0xff; 100], SHORT);
    }
    let mut wrong_size = gzip(&text)?;
    let end = wrong_size.len() - 1;
    wrong_size.iter_mut().skip(end).for_each(|octet| *octet ^= 0x5a);
    damaged(book, "gzip-size", "gzip", &wrong_size, DAMAGED);
    let zlib_of_gzip = gzip(&text)?;
    damaged(book, "gzip-announced-as-br", "br", &zlib_of_gzip, SHORT);
    // A preset dictionary that nobody has (RFC 1950 section 2.2).
    damaged(book, "zlib-dictionary", "deflate", &[0x78, 0xbb, 1, 2, 3, 4, 0x03, 0x00], SHORT);
    windows(book);
    Ok(())
}

/// Headers that ask for windows of half a gigabyte and more.
fn windows(book: &mut Book) {
    // Frame_Header_Descriptor 0, Window_Descriptor with exponent and mantissa, then a raw block (RFC 8878 section 3.1.1).
    let frame = |window: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, window][..], &[0x29, 0, 0], b"hello"].concat();
    damaged(book, "zstd-window-16-mib", "zstd", &frame(14 << 3), DAMAGED_OR_LARGE);
    damaged(book, "zstd-window-512-mib", "zstd", &frame(19 << 3), DAMAGED_OR_LARGE);
    damaged(book, "zstd-window-largest", "zstd", &frame(0xff), DAMAGED_OR_LARGE);
    // A single segment whose content is said to have 2^62 bytes: the window is that large.
    let single =
        [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(1_u64 << 62).to_le_bytes(), &[0x29, 0, 0], b"hello"].concat();
    damaged(book, "zstd-content-2-62", "zstd", &single, DAMAGED_OR_LARGE);
    // Large Window Brotli, which is no `br` (RFC 9841): the reserved pattern 0010001, then 30 bits of window.
    damaged(book, "br-large-window", "br", &[0x11, 0x1e, 0x03, 0x00, 0x00], SHORT);
}

fn damaged(book: &mut Book, name: &str, coding: &str, wire: &[u8], accepted: &[Outcome]) {
    let acts = vec![Act::send(coded("200 OK", coding, wire))];
    book.play(&format!("damage/{name}"), acts, accepted, Sent::Never);
}
