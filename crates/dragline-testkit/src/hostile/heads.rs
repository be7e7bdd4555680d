//! Writes down response heads that are too large, malformed, or no heads at all (RFC 9112 sections 2 to 5).

use std::time::Duration;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::Book;
use super::row::Then::{Close, Hang, Keep, Reset};
use super::row::{
    Body, CUT, CUT_OR_REFUSED, LARGE_OR_REFUSED, LATE, OK, OK_OR_LARGE, OK_OR_REFUSED, REFUSED, Row, body_of,
    row,
};

const OK_OR_LIMIT: &[Outcome] = &[Outcome::Ok, Outcome::TooLarge, Outcome::ProtocolError];
const NO_HTTP: &[Outcome] = &[Outcome::ProtocolError];
const ENDLESS: &[Outcome] = &[Outcome::TooLarge, Outcome::ProtocolError];
const GONE: &[Outcome] = &[Outcome::Incomplete, Outcome::ConnectError];

/// Heads near the limits and beyond: 64 KiB, 128 lines, 16 KiB a line.
const LARGE: &[Row] = &[
    row("hundred-lines", OK, Body::Whole, "{200}{A: b\r\n:100}{length}{body}", Keep),
    row("thousand-lines", OK_OR_LARGE, Body::Whole, "{200}{A: b\r\n:1000}{length}{body}", Close),
    row("many-lines", LARGE_OR_REFUSED, Body::Whole, "{200}{A: b\r\n:100000}{length}{body}", Close),
    row("many-empty-values", LARGE_OR_REFUSED, Body::Whole, "{200}{A:\r\n:100000}{length}{body}", Close),
    row(
        "many-cookies",
        OK_OR_LIMIT,
        Body::Whole,
        "{200}{Set-Cookie: a=b; Path=/\r\n:300}{length}{body}",
        Close,
    ),
    row("line-8-kib", OK, Body::Whole, "{200}A: {b:8000}\r\n{length}{body}", Keep),
    row("line-20-kib", OK_OR_LARGE, Body::Whole, "{200}A: {b:20000}\r\n{length}{body}", Close),
    row("line-70-kib", LARGE_OR_REFUSED, Body::Whole, "{200}A: {b:70000}\r\n{length}{body}", Close),
    row("line-1-mib", LARGE_OR_REFUSED, Body::Whole, "{200}A: {b:1048576}\r\n{length}{body}", Close),
    // Beyond 65,535 bytes the parser below awc panics.
    row("name-70-kib", LARGE_OR_REFUSED, Body::Whole, "{200}{a:70000}: b\r\n{length}{body}", Close),
    row("name-2-kib", OK_OR_LIMIT, Body::Whole, "{200}{a:2000}: b\r\n{length}{body}", Close),
    row("reason-800-bytes", OK_OR_LIMIT, Body::Whole, "HTTP/1.1 200 {x:800}\r\n{length}{body}", Close),
    row("reason-70-kib", LARGE_OR_REFUSED, Body::Whole, "HTTP/1.1 200 {x:70000}\r\n{length}{body}", Close),
    row(
        "folds-without-end",
        LARGE_OR_REFUSED,
        Body::Whole,
        "{200}A: b\r\n{ c\r\n:100000}{length}{body}",
        Close,
    ),
    row(
        "interim-with-large-heads",
        OK_OR_LIMIT,
        Body::Whole,
        "{HTTP/1.1 103 Early Hints\r\nLink: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n:9}{200}{length}{body}",
        Keep,
    ),
];

/// Field lines as they should not be (RFC 9112 section 5).
const FIELDS: &[Row] = &[
    row("nul-in-value", OK_OR_REFUSED, Body::Whole, "{200}A: b{octet:0}c\r\n{length}{body}", Close),
    row("nul-in-name", OK_OR_REFUSED, Body::Whole, "{200}A{octet:0}: b\r\n{length}{body}", Close),
    row("control-in-value", OK_OR_REFUSED, Body::Whole, "{200}A: \u{1}\u{7f}\r\n{length}{body}", Close),
    row("space-in-name", OK_OR_REFUSED, Body::Whole, "{200}A b: c\r\n{length}{body}", Close),
    row("space-before-colon", OK_OR_REFUSED, Body::Whole, "{200}A : b\r\n{length}{body}", Close),
    row(
        "space-before-colon-of-length",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}Content-Length : 64\r\n\r\n{body}",
        Close,
    ),
    row(
        "space-before-colon-of-coding",
        REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding : chunked\r\n{length}{body}",
        Close,
    ),
    row("no-colon", OK_OR_REFUSED, Body::Whole, "{200}nonsense\r\n{length}{body}", Close),
    row("no-name", OK_OR_REFUSED, Body::Whole, "{200}: b\r\n{length}{body}", Close),
    row("colon-only", OK_OR_REFUSED, Body::Whole, "{200}:\r\n{length}{body}", Close),
    row("no-value", OK, Body::Whole, "{200}A:\r\n{length}{body}", Keep),
    row("folded", OK_OR_REFUSED, Body::Whole, "{200}A: b\r\n c\r\n\td\r\n{length}{body}", Keep),
    row("folded-length", OK_OR_REFUSED, Body::Whole, "{200}Content-Length:\r\n 64\r\n\r\n{body}", Keep),
    row("folded-first", REFUSED, Body::Whole, "{200} A: b\r\n{length}{body}", Close),
    row(
        "folded-coding",
        REFUSED,
        Body::Whole,
        "{200}Transfer-Encoding:\r\n chunked\r\n{length}{chunk}0\r\n\r\n",
        Close,
    ),
    row("utf-8", OK, Body::Whole, "{200}A: \u{fc}\u{1f980}\r\n{length}{body}", Keep),
    row("latin-1", OK, Body::Whole, "{200}A: caf{octet:233}\r\n{length}{body}", Keep),
    row("latin-1-name", OK_OR_REFUSED, Body::Whole, "{200}caf{octet:233}: b\r\n{length}{body}", Close),
    row(
        "octets-all",
        OK_OR_REFUSED,
        Body::Whole,
        "{200}A: {octet:128}{octet:255}{octet:254}\r\n{length}{body}",
        Close,
    ),
    row(
        "content-type-twice",
        OK,
        Body::Whole,
        "{200}Content-Type: text/html\r\nContent-Type: image/png\r\n{length}{body}",
        Keep,
    ),
    row("content-type-nonsense", OK, Body::Whole, "{200}Content-Type: ;;;=\"\\\r\n{length}{body}", Keep),
    row("connection-nonsense", OK, Body::Whole, "{200}Connection: ,,x,\"close\",\r\n{length}{body}", Close),
    row(
        "two-heads",
        CUT_OR_REFUSED,
        Body::Never,
        "{200}HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{body}",
        Close,
    ),
];

/// Answers that are no HTTP/1, and those that break off.
const NOT_HTTP: &[Row] = &[
    row("ssh", NO_HTTP, Body::Never, "SSH-2.0-OpenSSH_9.2\r\n", Hang),
    row("smtp", NO_HTTP, Body::Never, "220 mail.example.org ESMTP\r\n", Hang),
    row("ftp", NO_HTTP, Body::Never, "220 (vsFTPd 3.0.3)\r\n", Close),
    row("redis", NO_HTTP, Body::Never, "-ERR unknown command 'GET'\r\n", Close),
    row(
        "http2-preface",
        NO_HTTP,
        Body::Never,
        "{octet:0}{octet:0}{octet:18}{octet:4}{octet:0}{octet:0}{octet:0}{octet:0}{octet:0}",
        Close,
    ),
    row(
        "tls-alert",
        NO_HTTP,
        Body::Never,
        "{octet:21}{octet:3}{octet:1}{octet:0}{octet:2}{octet:2}{octet:70}",
        Close,
    ),
    row(
        "tls-hello",
        NO_HTTP,
        Body::Never,
        "{octet:22}{octet:3}{octet:3}{octet:0}{octet:80}{octet:2}{x:80}",
        Hang,
    ),
    row("json", NO_HTTP, Body::Never, "{\"error\": \"no\"}\n", Close),
    row("binary", NO_HTTP, Body::Never, "{octet:255}{octet:0}{octet:254}{octet:1}{octet:128}", Close),
    row("line-ends", CUT_OR_REFUSED, Body::Never, "\r\n\r\n\r\n", Close),
    row("nothing", GONE, Body::Never, "", Close),
    row("reset", GONE, Body::Never, "", Reset),
    row("cut-in-version", CUT_OR_REFUSED, Body::Never, "HTTP/1.", Close),
    row("cut-in-status", CUT_OR_REFUSED, Body::Never, "HTTP/1.1 20", Close),
    row("cut-behind-status-line", CUT_OR_REFUSED, Body::Never, "{200}", Close),
    row("cut-in-fields", CUT, Body::Never, "{200}Content-Le", Close),
    row("cut-before-empty-line", CUT, Body::Never, "{200}Content-Length: 64\r\n", Close),
    row("cut-in-empty-line", CUT, Body::Never, "{200}Content-Length: 64\r\n\r", Close),
    row("reset-in-fields", CUT, Body::Never, "{200}Content-Le", Reset),
    row("stalled-in-status", LATE, Body::Never, "HTTP/1.1 20", Hang),
    row("stalled-in-fields", LATE, Body::Never, "{200}Content-Le", Hang),
    row("stalled-before-empty-line", LATE, Body::Never, "{200}Content-Length: 64\r\n", Hang),
];

/// Writes the families down.
pub(super) fn write(book: &mut Book) {
    book.rows("head", LARGE);
    book.rows("field", FIELDS);
    book.rows("not-http", NOT_HTTP);
    let endless = [
        ("head/endless-lines", "HTTP/1.1 200 OK\r\n", "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
        ("head/endless-line", "HTTP/1.1 200 OK\r\nA: ", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        ("head/endless-name", "HTTP/1.1 200 OK\r\n", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
        ("head/endless-status-line", "HTTP/1.1 200 ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("head/endless-digits", "HTTP/1.1 ", "2222222222222222222222222222222222222222"),
        ("head/endless-interim", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        (
            "head/endless-line-ends",
            "HTTP/1.1 200 OK\r\nA: b\r",
            "\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r",
        ),
        ("head/endless-zeros", "", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    for (name, start, piece) in endless {
        let acts = vec![Act::send(start), Act::Endless(piece.repeat(512).into())];
        book.play(name, acts, ENDLESS, Sent::Never);
    }
    let name = "head/byte-by-byte";
    let body = body_of(name);
    let whole = format!("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 64\r\n\r\n{body}");
    book.play(name, vec![Act::Pieces(whole.into(), 1)], OK, Sent::Whole(body.into()));
    let drip = Act::Drip("A: b\r\n".into(), Duration::from_millis(100));
    book.play("head/drip", vec![Act::send("HTTP/1.1 200 OK\r\n"), drip], LATE, Sent::Never);
    let drip = Act::Drip("HTTP/1.1 102 x\r\n\r\n".into(), Duration::from_millis(100));
    book.play("head/drip-interim", vec![drip], LATE, Sent::Never);
}
