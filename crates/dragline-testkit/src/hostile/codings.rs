//! Writes down bodies in content codings: fine ones, several layers, bombs (RFC 9110 section 8.4).

use std::io;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::{Ask, Sent};
use super::book::Book;
use super::encode::{bombs, brotli, gzip, raw_deflate, zlib, zstd};
use super::row::{BAD_REDIRECT, DAMAGED_OR_LARGE, OK, TOO_LARGE, body_of};

const OK_OR_DAMAGED: &[Outcome] = &[Outcome::Ok, Outcome::DecodeError];

const EMPTY_OR_LIMIT: &[Outcome] = &[Outcome::Ok, Outcome::TooLarge, Outcome::DecodeError];

/// Returns a whole response with a body in a coding.
pub(super) fn coded(status: &str, coding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Returns text that takes some packets and does not repeat itself much.
pub(super) fn long_text(name: &str) -> Vec<u8> {
    let mut state = 1_u32;
    let mut text = format!("{name}\n").into_bytes();
    while text.len() < 60_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{state:x} ").as_bytes());
    }
    text
}

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    fine(book)?;
    layers(book)?;
    odd(book)?;
    empty(book)?;
    explode(book)
}

fn play(book: &mut Book, name: &str, coding: &str, wire: &[u8], accepted: &[Outcome], body: &[u8]) {
    let sent = Sent::Whole(body.to_vec().into());
    book.play(&format!("coding/{name}"), vec![Act::send(coded("200 OK", coding, wire))], accepted, sent);
}

fn fine(book: &mut Book) -> io::Result<()> {
    let text = |name: &str| long_text(&format!("coding/{name}"));
    for (name, coding, wire) in [
        ("gzip", "gzip", gzip(&text("gzip"))?),
        ("x-gzip", "x-gzip", gzip(&text("x-gzip"))?),
        ("odd-case", "GZip", gzip(&text("odd-case"))?),
        ("zlib", "deflate", zlib(&text("zlib"))?),
        ("raw-deflate", "deflate", raw_deflate(&text("raw-deflate"))?),
        ("br", "br", brotli(&text("br"), 22)?),
        ("br-window-16-mib", "br", brotli(&text("br-window-16-mib"), 24)?),
        ("br-window-1-kib", "br", brotli(&text("br-window-1-kib"), 10)?),
        ("zstd", "zstd", zstd(&text("zstd"), 20)?),
        ("zstd-window-8-mib", "zstd", zstd(&text("zstd-window-8-mib"), 23)?),
        ("identity", "identity", text("identity")),
    ] {
        play(book, name, coding, &wire, OK, &text(name));
    }
    let name = "gzip-two-members";
    let whole = [&text(name)[..], b"the second member"].concat();
    let members = [gzip(&text(name))?, gzip(b"the second member")?].concat();
    play(book, name, "gzip", &members, OK, &whole);
    let name = "zstd-two-frames";
    let whole = text(name).repeat(2);
    play(book, name, "zstd", &zstd(&text(name), 20)?.repeat(2), OK, &whole);
    // A frame that is to be skipped (RFC 8878 section 3.1.2) stands before the other.
    let name = "zstd-skippable-frame";
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &zstd(&text(name), 20)?].concat();
    play(book, name, "zstd", &skipped, OK, &text(name));
    for (name, coding, wire) in [
        ("gzip-junk-behind", "gzip", gzip(&text("gzip-junk-behind"))?),
        ("zlib-junk-behind", "deflate", zlib(&text("zlib-junk-behind"))?),
        ("br-junk-behind", "br", brotli(&text("br-junk-behind"), 22)?),
        ("zstd-junk-behind", "zstd", zstd(&text("zstd-junk-behind"), 20)?),
    ] {
        let wire = [&wire[..], b"\0\0\0junk that is no member"].concat();
        play(book, name, coding, &wire, OK_OR_DAMAGED, &text(name));
    }
    let name = "coding/gzip-byte-by-byte";
    let body = body_of(name);
    let wire = coded("200 OK", "gzip", &gzip(body.as_bytes())?);
    book.play(name, vec![Act::Pieces(wire.into(), 1)], OK, Sent::Whole(body.into()));
    let name = "coding/gzip-until-close";
    let body = body_of(name);
    let wire =
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec(), gzip(body.as_bytes())?].concat();
    book.play(name, vec![Act::send(wire), Act::Close], OK, Sent::Whole(body.into()));
    Ok(())
}

/// Codings of nothing, once and many times: no output, but work for each.
fn empty(book: &mut Book) -> io::Result<()> {
    let many = |piece: Vec<u8>| piece.repeat((1 << 20) / piece.len());
    // A stored block of no bytes, and the last one (RFC 1951 section 3.2.4).
    let blocks = [many(vec![0, 0, 0, 0xff, 0xff]), vec![1, 0, 0, 0xff, 0xff]].concat();
    let skippable = many(vec![0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
    for (name, coding, wire) in [
        ("nothing-in-gzip", "gzip", gzip(b"")?),
        ("nothing-in-zlib", "deflate", zlib(b"")?),
        ("nothing-in-raw-deflate", "deflate", raw_deflate(b"")?),
        ("nothing-in-br", "br", brotli(b"", 22)?),
        ("nothing-in-zstd", "zstd", zstd(b"", 20)?),
        ("empty-gzip-members", "gzip", many(gzip(b"")?)),
        ("empty-zstd-frames", "zstd", many(zstd(b"", 20)?)),
        ("empty-zstd-skippable-frames", "zstd", skippable),
        ("empty-deflate-blocks", "deflate", blocks),
    ] {
        let accepted = if name.starts_with("nothing") { OK } else { EMPTY_OR_LIMIT };
        play(book, name, coding, &wire, accepted, b"");
    }
    // A file name in the header of gzip that takes a megabyte (RFC 1952 section 2.3.1).
    let name = "gzip-long-file-name";
    let text = long_text(&format!("coding/{name}"));
    let mut wire = gzip(&text)?;
    wire.iter_mut().skip(3).take(1).for_each(|flags| *flags = 8);
    let wire =
        [wire.get(..10).unwrap_or_default(), &[b'n'; 1 << 20], &[0], wire.get(10..).unwrap_or_default()]
            .concat();
    play(book, name, "gzip", &wire, OK_OR_DAMAGED, &text);
    Ok(())
}

fn layers(book: &mut Book) -> io::Result<()> {
    let text = |name: &str| long_text(&format!("coding/{name}"));
    let two = |name: &str| -> io::Result<Vec<u8>> { brotli(&gzip(&text(name))?, 22) };
    play(book, "two-layers", "gzip, br", &two("two-layers")?, OK, &text("two-layers"));
    play(
        book,
        "two-layers-and-identity",
        "identity, gzip, , br",
        &two("two-layers-and-identity")?,
        OK,
        &text("two-layers-and-identity"),
    );
    let wire = gzip(&gzip(&text("gzip-twice"))?)?;
    play(book, "gzip-twice", "gzip, gzip", &wire, OK, &text("gzip-twice"));
    let name = "coding/two-fields";
    let body = body_of(name);
    let wire = zstd(&gzip(body.as_bytes())?, 20)?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: zstd\r\nContent-Length: {}\r\n\r\n",
        wire.len()
    );
    book.play(name, vec![Act::send([head.as_bytes(), &wire].concat())], OK, Sent::Whole(body.into()));
    for (name, depth) in [("three-layers", 3), ("ten-layers", 10), ("thousand-layers", 1_000)] {
        let mut wire = text(name);
        // A thousand of them are only announced.
        for _ in 0..depth.min(10) {
            wire = gzip(&wire)?;
        }
        let coding = vec!["gzip"; depth].join(", ");
        let accepted = &[Outcome::TooLarge, Outcome::DecodeError, Outcome::Ok];
        let accepted = if depth == 3 { &accepted[..] } else { &accepted[..2] };
        play(book, name, &coding, &wire, accepted, &text(name));
    }
    Ok(())
}

fn odd(book: &mut Book) -> io::Result<()> {
    for (name, coding) in [
        ("unknown", "banana"),
        ("compress", "compress"),
        ("sdch", "sdch"),
        ("star", "*"),
        ("unknown-over-gzip", "gzip, banana"),
    ] {
        let body = body_of(&format!("coding/{name}"));
        play(book, name, coding, body.as_bytes(), DAMAGED_OR_LARGE, body.as_bytes());
    }
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let name = format!("{coding}-empty-body");
        play(book, &name, coding, b"", OK_OR_DAMAGED, b"");
        let name = format!("coding/{coding}-on-204");
        let head = format!("HTTP/1.1 204 No Content\r\nContent-Encoding: {coding}\r\n\r\n");
        book.play(&name, vec![Act::send(head)], OK, Sent::Whole(Vec::new().into())).statuses = vec![204];
        let name = format!("coding/{coding}-on-head");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: 1000\r\n\r\n");
        book.play(&name, vec![Act::send(head)], OK, Sent::Whole(Vec::new().into())).ask = Ask::Head;
    }
    let name = "empty-value";
    let body = body_of("coding/empty-value");
    play(book, name, "", body.as_bytes(), OK, body.as_bytes());
    let name = "coding/gzip-error-page";
    let body = body_of(name);
    let wire = coded("404 Not Found", "gzip", &gzip(body.as_bytes())?);
    book.play(name, vec![Act::send(wire)], &[Outcome::HttpError], Sent::Whole(body.into())).statuses =
        vec![404];
    Ok(())
}

fn explode(book: &mut Book) -> io::Result<()> {
    for (coding, bomb) in bombs()? {
        let name = format!("bomb/{coding}");
        book.play(&name, vec![Act::send(coded("200 OK", coding, &bomb))], TOO_LARGE, Sent::Never);
        // The bomb is in the body of an error page: the page may be given without it, if it says so.
        let name = format!("bomb/{coding}-error-page");
        let wire = coded("404 Not Found", coding, &bomb);
        let accepted = &[Outcome::TooLarge, Outcome::HttpError];
        book.play(&name, vec![Act::send(wire)], accepted, Sent::Never).statuses = vec![404];
        // The target is fine; the body of the redirect is not to be decoded at all.
        let name = format!("bomb/{coding}-redirect");
        let status = format!("302 Found\r\nLocation: http://{}/redirect/target", book.main);
        let body = body_of("redirect/target");
        book.play(&name, vec![Act::send(coded(&status, coding, &bomb))], OK, Sent::Whole(body.into()));
        let name = format!("bomb/{coding}-redirect-nowhere");
        book.play(&name, vec![Act::send(coded("302 Found", coding, &bomb))], BAD_REDIRECT, Sent::Never);
        let name = format!("bomb/{coding}-twice");
        let twice = if coding == "br" { brotli(&bomb, 22)? } else { gzip(&bomb)? };
        let outer = if coding == "br" { "br, br".to_owned() } else { format!("{coding}, gzip") };
        book.play(&name, vec![Act::send(coded("200 OK", &outer, &twice))], TOO_LARGE, Sent::Never);
    }
    Ok(())
}
