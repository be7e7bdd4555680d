//! Writes down bodies in chunks: fine ones, broken ones, floods of extensions and trailers (RFC 9112 section 7.1).

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::Book;
use super::row::Then::{Close, Hang, Keep, Reset};
use super::row::{Body, CUT, CUT_OR_REFUSED, LARGE_OR_REFUSED, LATE, OK, OK_OR_REFUSED, REFUSED, Row, row};

const HUGE: &[Outcome] = &[Outcome::Incomplete, Outcome::TooLarge, Outcome::ProtocolError];
const OK_OR_CUT: &[Outcome] = &[Outcome::Ok, Outcome::Incomplete, Outcome::ProtocolError];
const OK_OR_LIMIT: &[Outcome] = &[Outcome::Ok, Outcome::TooLarge, Outcome::ProtocolError];
const ENDLESS: &[Outcome] = &[Outcome::TooLarge, Outcome::ProtocolError, Outcome::Timeout];

const FINE: &[Row] = &[
    row("one", OK, Body::Whole, "{200}{chunked}{chunk}0\r\n\r\n", Keep),
    row("two", OK, Body::Whole, "{200}{chunked}14\r\n{head}\r\n2c\r\n{tail}\r\n0\r\n\r\n", Keep),
    row("none", OK, Body::Empty, "{200}{chunked}0\r\n\r\n", Keep),
    row("upper-case", OK, Body::Whole, "{200}{chunked}14\r\n{head}\r\n2C\r\n{tail}\r\n0\r\n\r\n", Keep),
    row("leading-zeros", OK, Body::Whole, "{200}{chunked}000040\r\n{body}\r\n000\r\n\r\n", Keep),
    row("extension", OK, Body::Whole, "{200}{chunked}40;a=b;c=\"d e\"\r\n{body}\r\n0;last\r\n\r\n", Keep),
    row("empty-extension", OK_OR_REFUSED, Body::Whole, "{200}{chunked}40;\r\n{body}\r\n0\r\n\r\n", Keep),
    row("space-behind-size", OK_OR_REFUSED, Body::Whole, "{200}{chunked}40 \r\n{body}\r\n0 \r\n\r\n", Keep),
    row("trailer", OK, Body::Whole, "{200}Trailer: x\r\n{chunked}{chunk}0\r\nX: y\r\n\r\n", Keep),
    row(
        "trailer-that-frames",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}{chunked}{chunk}0\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\n",
        Keep,
    ),
    row(
        "trailer-without-colon",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}{chunked}{chunk}0\r\nnonsense\r\n\r\n",
        Close,
    ),
    row("bare-lf", OK_OR_REFUSED, Body::Whole, "{200}{chunked}40\n{body}\n0\n\n", Close),
    row(
        "lines-in-data",
        OK,
        Body::Text("a\r\n0\r\n\r\nb\n"),
        "{200}{chunked}a\r\na\r\n0\r\n\r\nb\n\r\n0\r\n\r\n",
        Keep,
    ),
    row("long-zero", OK_OR_REFUSED, Body::Whole, "{200}{chunked}{chunk}{0:40}\r\n\r\n", Close),
    row(
        "another-response-behind",
        OK,
        Body::Whole,
        "{200}{chunked}{chunk}0\r\n\r\n{200}Content-Length: 6\r\n\r\npoison",
        Keep,
    ),
    row(
        "chunks-behind-the-last",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}{chunked}{chunk}0\r\n\r\n6\r\npoison\r\n0\r\n\r\n",
        Keep,
    ),
];

const BROKEN: &[Row] = &[
    row("size-missing", REFUSED, Body::Never, "{200}{chunked}\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-no-digit", REFUSED, Body::Never, "{200}{chunked}zz\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-negative", REFUSED, Body::Never, "{200}{chunked}-40\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-plus", REFUSED, Body::Never, "{200}{chunked}+40\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-0x", REFUSED, Body::Never, "{200}{chunked}0x40\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-space-first", REFUSED, Body::Whole, "{200}{chunked} 40\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-underscore", REFUSED, Body::Never, "{200}{chunked}4_0\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-full-width", REFUSED, Body::Never, "{200}{chunked}４０\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-largest", HUGE, Body::Never, "{200}{chunked}ffffffffffffffff\r\n{body}\r\n0\r\n\r\n", Close),
    // Modulo 2^64 it is 64.
    row("size-overflow", HUGE, Body::Never, "{200}{chunked}10000000000000040\r\n{body}\r\n0\r\n\r\n", Close),
    row("size-4-gib", HUGE, Body::Never, "{200}{chunked}100000000\r\n{body}", Close),
    row("size-signed-largest", HUGE, Body::Never, "{200}{chunked}7fffffffffffffff\r\n{body}", Close),
    row("size-cr-only", REFUSED, Body::Never, "{200}{chunked}40\r{body}\r\n0\r\n\r\n", Close),
    row("extension-lf", CUT_OR_REFUSED, Body::Never, "{200}{chunked}40;a\nbb{body}\r\n0\r\n\r\n", Close),
    row("data-too-long", REFUSED, Body::Never, "{200}{chunked}14\r\n{body}\r\n0\r\n\r\n", Close),
    row("data-too-short", CUT_OR_REFUSED, Body::Never, "{200}{chunked}40\r\n{head}\r\n0\r\n\r\n", Close),
    row("data-not-closed", REFUSED, Body::Never, "{200}{chunked}40\r\n{body}0\r\n\r\n", Close),
    row("no-chunks-at-all", CUT_OR_REFUSED, Body::Never, "{200}{chunked}{body}", Close),
    row("cut-before-size", CUT, Body::Never, "{200}{chunked}", Close),
    row("cut-in-size", CUT, Body::Never, "{200}{chunked}4", Close),
    row("cut-in-size-line", CUT, Body::Never, "{200}{chunked}40\r", Close),
    row("cut-in-data", CUT, Body::Never, "{200}{chunked}40\r\n{head}", Close),
    row("cut-behind-data", CUT, Body::Never, "{200}{chunked}40\r\n{body}", Close),
    row("cut-between-chunks", CUT, Body::Never, "{200}{chunked}{chunk}", Close),
    row("cut-in-last-size", CUT, Body::Never, "{200}{chunked}{chunk}0", Close),
    row("cut-behind-last-size", OK_OR_CUT, Body::Whole, "{200}{chunked}{chunk}0\r\n", Close),
    row("cut-in-trailer", OK_OR_CUT, Body::Whole, "{200}{chunked}{chunk}0\r\nX: y", Close),
    row("reset-in-data", CUT, Body::Never, "{200}{chunked}40\r\n{head}", Reset),
    row("reset-between-chunks", CUT, Body::Never, "{200}{chunked}{chunk}", Reset),
    row("stalled-in-size", LATE, Body::Never, "{200}{chunked}4", Hang),
    row("stalled-in-data", LATE, Body::Never, "{200}{chunked}40\r\n{head}", Hang),
    row("stalled-between-chunks", LATE, Body::Never, "{200}{chunked}{chunk}", Hang),
    row(
        "stalled-in-trailer",
        &[Outcome::Timeout, Outcome::Ok],
        Body::Whole,
        "{200}{chunked}{chunk}0\r\nX: y",
        Hang,
    ),
    row(
        "extension-flood",
        LARGE_OR_REFUSED,
        Body::Whole,
        "{200}{chunked}40;{x:100000}\r\n{body}\r\n0\r\n\r\n",
        Close,
    ),
    row("trailer-flood", OK_OR_LIMIT, Body::Whole, "{200}{chunked}{chunk}0\r\n{X: y\r\n:20000}\r\n", Close),
    row(
        "trailer-long-line",
        OK_OR_LIMIT,
        Body::Whole,
        "{200}{chunked}{chunk}0\r\nX: {y:200000}\r\n\r\n",
        Close,
    ),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) {
    book.rows("chunks", FINE);
    book.rows("chunks", BROKEN);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless = [
        (
            "chunks/endless-extension",
            "1;a=",
            "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        ),
        ("chunks/endless-size", "", "0000000000000000000000000000000000000000000000000000000000000000"),
        (
            "chunks/endless-trailers",
            "1\r\na\r\n0\r\n",
            "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
        ),
        (
            "chunks/endless-trailer-line",
            "1\r\na\r\n0\r\nX: ",
            "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
        ),
        (
            "chunks/endless-chunks",
            "",
            "40\r\nbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
        ),
        // Each byte of the body costs a kilobyte of extensions.
        (
            "chunks/endless-one-byte-chunks",
            "",
            "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nb\r\n",
        ),
    ];
    for (name, start, piece) in endless {
        let acts = vec![Act::send(format!("{head}{start}")), Act::Endless(piece.repeat(512).into())];
        book.play(name, acts, ENDLESS, Sent::Never);
    }
    let name = "chunks/hundred-thousand";
    let body = "b".repeat(100_000);
    let wire = format!("{head}{}0\r\n\r\n", "1\r\nb\r\n".repeat(body.len()));
    book.play(name, vec![Act::send(wire)], OK_OR_LIMIT, Sent::Whole(body.into()));
    let one_by_one: String = super::row::body_of("chunks/byte-by-byte")
        .chars()
        .map(|letter| format!("1\r\n{letter}\r\n"))
        .collect();
    let name = "chunks/byte-by-byte";
    let body = super::row::body_of(name);
    let acts = vec![Act::Pieces(format!("{head}{one_by_one}0\r\n\r\n").into(), 5)];
    book.play(name, acts, OK, Sent::Whole(body.into()));
}
