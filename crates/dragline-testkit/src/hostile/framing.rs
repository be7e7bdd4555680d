//! Writes down responses whose end is hard to find: lengths, transfer codings, versions, bodies where none may be.

use super::book::Book;
use super::row::Then::{Close, Hang, Keep, Reset};
use super::row::{Body, CUT, CUT_OR_REFUSED, LATE_OR_REFUSED, OK, OK_OR_REFUSED, REFUSED, Row, row};
use dragline_core::Outcome;

const LENGTH_TOO_LARGE: &[Outcome] = &[Outcome::TooLarge, Outcome::ProtocolError, Outcome::Incomplete];
const UNFINISHED_HEAD: &[Outcome] = &[Outcome::ProtocolError, Outcome::Incomplete, Outcome::TooLarge];
const OK_OR_UNFINISHED: &[Outcome] = &[Outcome::Ok, Outcome::ProtocolError, Outcome::Incomplete];
const CODED: &[Outcome] = &[Outcome::ProtocolError, Outcome::DecodeError];

/// `Content-Length`, right and wrong (RFC 9112 section 6.3).
const LENGTHS: &[Row] = &[
    row("exact", OK, Body::Whole, "{200}{length}{body}", Keep),
    row("zero", OK, Body::Empty, "{200}Content-Length: 0\r\n\r\n", Keep),
    row("twice-same", OK_OR_REFUSED, Body::Whole, "{200}Content-Length: 64\r\n{length}{body}", Keep),
    row("list-same", OK_OR_REFUSED, Body::Whole, "{200}Content-Length: 64, 64\r\n\r\n{body}", Keep),
    row("twice-different", REFUSED, Body::Never, "{200}Content-Length: 20\r\n{length}{body}", Keep),
    row("list-different", REFUSED, Body::Never, "{200}Content-Length: 64, 20\r\n\r\n{body}", Keep),
    row("twice-first-larger", REFUSED, Body::Never, "{200}Content-Length: 65\r\n{length}{body}", Close),
    row("word", REFUSED, Body::Whole, "{200}Content-Length: abc\r\n\r\n{body}", Close),
    row("negative", REFUSED, Body::Whole, "{200}Content-Length: -64\r\n\r\n{body}", Close),
    row("plus", REFUSED, Body::Whole, "{200}Content-Length: +64\r\n\r\n{body}", Close),
    row("hexadecimal", REFUSED, Body::Whole, "{200}Content-Length: 0x40\r\n\r\n{body}", Close),
    row("decimal-point", REFUSED, Body::Whole, "{200}Content-Length: 64.0\r\n\r\n{body}", Close),
    row("exponent", REFUSED, Body::Whole, "{200}Content-Length: 64e0\r\n\r\n{body}", Close),
    row("space-inside", REFUSED, Body::Whole, "{200}Content-Length: 6 4\r\n\r\n{body}", Close),
    row("empty", OK_OR_REFUSED, Body::Whole, "{200}Content-Length:\r\n\r\n{body}", Close),
    row("comma-only", OK_OR_REFUSED, Body::Whole, "{200}Content-Length: ,\r\n\r\n{body}", Close),
    row("full-width-digits", REFUSED, Body::Whole, "{200}Content-Length: ６４\r\n\r\n{body}", Close),
    row(
        "largest",
        LENGTH_TOO_LARGE,
        Body::Never,
        "{200}Content-Length: 18446744073709551615\r\n\r\n{body}",
        Close,
    ),
    row(
        "signed-largest",
        LENGTH_TOO_LARGE,
        Body::Never,
        "{200}Content-Length: 9223372036854775807\r\n\r\n{body}",
        Close,
    ),
    // Modulo 2^64 it is 64.
    row(
        "overflow",
        LENGTH_TOO_LARGE,
        Body::Never,
        "{200}Content-Length: 18446744073709551680\r\n\r\n{body}",
        Close,
    ),
    row("forty-digits", LENGTH_TOO_LARGE, Body::Never, "{200}Content-Length: {9:40}\r\n\r\n{body}", Close),
    row("spaces-around", OK, Body::Whole, "{200}Content-Length: \t 64 \t\r\n\r\n{body}", Keep),
    row(
        "leading-zeros",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}Content-Length: 000000000000000000000064\r\n\r\n{body}",
        Keep,
    ),
    row("odd-case", OK, Body::Whole, "{200}cOnTeNt-LeNgTh: 64\r\n\r\n{body}", Keep),
    row("body-too-short", CUT, Body::Never, "{200}{length}{head}", Close),
    row("one-byte-short", CUT, Body::Never, "{200}Content-Length: 65\r\n\r\n{body}", Close),
    row("no-body", CUT, Body::Never, "{200}{length}", Close),
    row("body-reset", CUT, Body::Never, "{200}{length}{head}", Reset),
    row("body-too-long", OK_OR_REFUSED, Body::Head, "{200}Content-Length: 20\r\n\r\n{head}{tail}", Keep),
    row(
        "another-response-behind",
        OK,
        Body::Whole,
        "{200}{length}{body}{200}Content-Length: 6\r\n\r\npoison",
        Keep,
    ),
    row("zero-and-body", OK_OR_REFUSED, Body::Empty, "{200}Content-Length: 0\r\n\r\n{body}", Keep),
    row("error-too-short", CUT, Body::Never, "HTTP/1.1 404 Not Found\r\n{length}{head}", Close),
];

/// Lengths and chunks together, and transfer codings (RFC 9112 sections 6.1 and 6.3).
const CODINGS: &[Row] = &[
    row(
        "length-and-chunked",
        REFUSED,
        Body::Whole,
        "{200}Content-Length: 64\r\n{chunked}{chunk}0\r\n\r\n",
        Close,
    ),
    row(
        "chunked-and-length",
        REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{chunk}0\r\n\r\n",
        Close,
    ),
    row(
        "chunked-and-bad-length",
        REFUSED,
        Body::Whole,
        "{200}Content-Length: x\r\n{chunked}{chunk}0\r\n\r\n",
        Close,
    ),
    row("gzip", CODED, Body::Never, "{200}Transfer-Encoding: gzip\r\n\r\n{body}", Close),
    row(
        "gzip-chunked",
        CODED,
        Body::Never,
        "{200}Transfer-Encoding: gzip, chunked\r\n\r\n{chunk}0\r\n\r\n",
        Close,
    ),
    row(
        "chunked-gzip",
        CODED,
        Body::Never,
        "{200}Transfer-Encoding: chunked, gzip\r\n\r\n{chunk}0\r\n\r\n",
        Close,
    ),
    row("identity", OK_OR_REFUSED, Body::Whole, "{200}Transfer-Encoding: identity\r\n{length}{body}", Close),
    row("unknown", REFUSED, Body::Whole, "{200}Transfer-Encoding: banana\r\n\r\n{body}", Close),
    row(
        "chunked-twice",
        REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding: chunked, chunked\r\n\r\n{chunk}0\r\n\r\n",
        Close,
    ),
    row(
        "chunked-two-lines",
        REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding: chunked\r\n{chunked}{chunk}0\r\n\r\n",
        Close,
    ),
    row("odd-case", OK, Body::Whole, "{200}tRANSFER-eNCODING: CHUNKED\r\n\r\n{chunk}0\r\n\r\n", Keep),
    row("tabs-around", OK, Body::Whole, "{200}Transfer-Encoding:\tchunked\t\r\n\r\n{chunk}0\r\n\r\n", Keep),
    row("quoted", REFUSED, Body::Whole, "{200}Transfer-Encoding: \"chunked\"\r\n\r\n{body}", Close),
    row("vertical-tab", REFUSED, Body::Whole, "{200}Transfer-Encoding: \u{b}chunked\r\n\r\n{body}", Close),
    row("empty", OK_OR_REFUSED, Body::Whole, "{200}Transfer-Encoding:\r\n\r\n{body}", Close),
    row(
        "comma-behind",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding: chunked,\r\n\r\n{chunk}0\r\n\r\n",
        Close,
    ),
    row(
        "parameter",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding: chunked;q=1\r\n\r\n{chunk}0\r\n\r\n",
        Close,
    ),
];

/// Bodies that end with the connection, and older versions (RFC 9112 sections 2.3 and 6.3).
const CLOSING: &[Row] = &[
    row("announced", OK, Body::Whole, "{200}Connection: close\r\n\r\n{body}", Close),
    row("unannounced", OK, Body::Whole, "{200}Server: x\r\n\r\n{body}", Close),
    row("no-fields", OK, Body::Whole, "{200}\r\n{body}", Close),
    row("keep-alive-announced", OK, Body::Whole, "{200}Connection: keep-alive\r\n\r\n{body}", Close),
    row("empty", OK, Body::Empty, "{200}Connection: close\r\n\r\n", Close),
    row("reset", CUT, Body::Never, "{200}Connection: close\r\n\r\n{head}", Reset),
    row("reset-at-once", CUT, Body::Never, "{200}Connection: close\r\n\r\n", Reset),
    row("never-closed", LATE_OR_REFUSED, Body::Never, "{200}Server: x\r\n\r\n{body}", Hang),
    row(
        "looks-like-a-response",
        OK,
        Body::Text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "{200}\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        Close,
    ),
    row("http10", OK, Body::Whole, "HTTP/1.0 200 OK\r\n\r\n{body}", Close),
    row("http10-length", OK, Body::Whole, "HTTP/1.0 200 OK\r\n{length}{body}", Close),
    row("http10-too-short", CUT, Body::Never, "HTTP/1.0 200 OK\r\n{length}{head}", Close),
    row(
        "http10-keep-alive",
        OK,
        Body::Whole,
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n{length}{body}",
        Keep,
    ),
    row("http10-chunked", OK_OR_REFUSED, Body::Whole, "HTTP/1.0 200 OK\r\n{chunked}{chunk}0\r\n\r\n", Close),
    row("http09", REFUSED, Body::Never, "{body}", Close),
    row("http09-html", REFUSED, Body::Never, "<html>{body}</html>", Close),
];

/// How lines of a head end.
const LINES: &[Row] = &[
    row("bare-lf", OK, Body::Whole, "HTTP/1.1 200 OK\nContent-Length: 64\n\n{body}", Keep),
    row("mixed", OK, Body::Whole, "HTTP/1.1 200 OK\nContent-Length: 64\r\nA: b\n\r\n{body}", Keep),
    row("mixed-end", OK, Body::Whole, "{200}Content-Length: 64\r\n\n{body}", Keep),
    row("bare-cr", UNFINISHED_HEAD, Body::Never, "HTTP/1.1 200 OK\rContent-Length: 64\r\r{body}", Close),
    row("cr-in-value", OK_OR_REFUSED, Body::Whole, "{200}A: b\rContent-Length: 5\r\n{length}{body}", Close),
    row("cr-cr-lf", OK_OR_UNFINISHED, Body::Whole, "{200}Content-Length: 64\r\r\n\r\r\n{body}", Close),
    row("empty-line-first", OK_OR_REFUSED, Body::Whole, "\r\n{200}{length}{body}", Close),
    row("many-empty-lines-first", CUT_OR_REFUSED, Body::Whole, "{\r\n:500}{200}{length}{body}", Close),
    row("space-first", REFUSED, Body::Whole, " {200}{length}{body}", Close),
    row("nul-first", REFUSED, Body::Whole, "{octet:0}{200}{length}{body}", Close),
    row("byte-order-mark-first", REFUSED, Body::Whole, "\u{feff}{200}{length}{body}", Close),
];

/// Responses that have no body, and interim ones (RFC 9110 sections 15.2, 15.3.5 and 15.4.5).
const WITHOUT_BODY: &[Row] = &[
    row("204", OK, Body::Empty, "HTTP/1.1 204 No Content\r\n\r\n", Keep).status(&[204]),
    row("204-length", OK, Body::Empty, "HTTP/1.1 204 No Content\r\n{length}", Keep).status(&[204]),
    row("204-body", OK_OR_REFUSED, Body::Empty, "HTTP/1.1 204 No Content\r\n{length}{body}", Keep)
        .status(&[204]),
    row(
        "204-chunked",
        OK_OR_REFUSED,
        Body::Empty,
        "HTTP/1.1 204 No Content\r\n{chunked}{chunk}0\r\n\r\n",
        Keep,
    )
    .status(&[204]),
    row("304", OK, Body::Empty, "HTTP/1.1 304 Not Modified\r\n\r\n", Keep).status(&[304]),
    row("304-length", OK, Body::Empty, "HTTP/1.1 304 Not Modified\r\n{length}", Keep).status(&[304]),
    row("304-body", OK_OR_REFUSED, Body::Empty, "HTTP/1.1 304 Not Modified\r\n{length}{body}", Keep)
        .status(&[304]),
    row("205-body", OK_OR_REFUSED, Body::EmptyOrWhole, "HTTP/1.1 205 Reset Content\r\n{length}{body}", Close)
        .status(&[205]),
    row(
        "206-unasked",
        OK_OR_REFUSED,
        Body::Whole,
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-63/1000\r\n{length}{body}",
        Keep,
    )
    .status(&[206]),
    row(
        "101",
        REFUSED,
        Body::Never,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{body}",
        Close,
    ),
    row(
        "101-then-200",
        REFUSED,
        Body::Never,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n{200}{length}{body}",
        Close,
    ),
    row("100-then-200", OK, Body::Whole, "HTTP/1.1 100 Continue\r\n\r\n{200}{length}{body}", Keep),
    row(
        "103-then-200",
        OK,
        Body::Whole,
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n{200}{length}{body}",
        Keep,
    ),
    row(
        "103-with-length",
        OK_OR_REFUSED,
        Body::Whole,
        "HTTP/1.1 103 Early Hints\r\n{length}{200}{length}{body}",
        Keep,
    ),
    row("199-then-200", OK_OR_REFUSED, Body::Whole, "HTTP/1.1 199 x\r\n\r\n{200}{length}{body}", Keep),
    row("ten-interim", OK, Body::Whole, "{HTTP/1.1 102 Processing\r\n\r\n:10}{200}{length}{body}", Keep),
    row(
        "hundred-interim",
        OK_OR_REFUSED,
        Body::Whole,
        "{HTTP/1.1 102 Processing\r\n\r\n:100}{200}{length}{body}",
        Close,
    ),
    row("interim-then-close", CUT, Body::Never, "HTTP/1.1 100 Continue\r\n\r\n", Close),
    row("interim-then-reset", CUT, Body::Never, "HTTP/1.1 103 Early Hints\r\n\r\n", Reset),
    row("interim-then-silence", LATE_OR_REFUSED, Body::Never, "HTTP/1.1 100 Continue\r\n\r\n", Hang),
    row("interim-then-garbage", REFUSED, Body::Never, "HTTP/1.1 100 Continue\r\n\r\n{body}", Close),
];

/// Writes the families down.
pub(super) fn write(book: &mut Book) {
    book.rows("length", LENGTHS);
    book.rows("transfer-coding", CODINGS);
    book.rows("until-close", CLOSING);
    book.rows("line-ends", LINES);
    book.rows("no-body", WITHOUT_BODY);
}
