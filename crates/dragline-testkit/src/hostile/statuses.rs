//! Writes down odd status lines, and statuses that say more than they seem (RFC 9112 section 4).

use std::io;

use dragline_core::Outcome;

use super::behaviour::Ask;
use super::book::{Book, Door};
use super::row::Then::{Close, Keep};
use super::row::{Body, HTTP_ERROR, OK, OK_OR_REFUSED, REFUSED, Row, row};

const ANY: &[Outcome] = &[Outcome::Ok, Outcome::HttpError, Outcome::ProtocolError];
const ERROR_OR_REFUSED: &[Outcome] = &[Outcome::HttpError, Outcome::ProtocolError];

const LINES: &[Row] = &[
    row("no-reason", OK, Body::Whole, "HTTP/1.1 200 \r\n{length}{body}", Keep),
    row("no-reason-no-space", OK_OR_REFUSED, Body::Whole, "HTTP/1.1 200\r\n{length}{body}", Keep),
    row("latin-1-reason", OK, Body::Whole, "HTTP/1.1 200 Tr{octet:232}s bien\r\n{length}{body}", Keep),
    row("nul-in-reason", OK_OR_REFUSED, Body::Whole, "HTTP/1.1 200 O{octet:0}K\r\n{length}{body}", Close),
    row("two-spaces", OK_OR_REFUSED, Body::Whole, "HTTP/1.1  200 OK\r\n{length}{body}", Close),
    row("tab", OK_OR_REFUSED, Body::Whole, "HTTP/1.1\t200\tOK\r\n{length}{body}", Close),
    row("no-space", REFUSED, Body::Whole, "HTTP/1.1200 OK\r\n{length}{body}", Close),
    row("lower-case", OK_OR_REFUSED, Body::Whole, "http/1.1 200 ok\r\n{length}{body}", Close),
    row("shoutcast", OK_OR_REFUSED, Body::Whole, "ICY 200 OK\r\n{length}{body}", Close),
    row("no-version", OK_OR_REFUSED, Body::Whole, "HTTP 200 OK\r\n{length}{body}", Close),
    row("version-1.2", OK_OR_REFUSED, Body::Whole, "HTTP/1.2 200 OK\r\n{length}{body}", Close),
    row("version-1.10", REFUSED, Body::Whole, "HTTP/1.10 200 OK\r\n{length}{body}", Close),
    row("version-0.9", REFUSED, Body::Whole, "HTTP/0.9 200 OK\r\n{length}{body}", Close),
    row("version-2", REFUSED, Body::Whole, "HTTP/2 200\r\n{length}{body}", Close),
    row("version-2.0", REFUSED, Body::Whole, "HTTP/2.0 200 OK\r\n{length}{body}", Close),
    row("version-3", REFUSED, Body::Whole, "HTTP/3 200 OK\r\n{length}{body}", Close),
    row("000", REFUSED, Body::Whole, "HTTP/1.1 000 x\r\n{length}{body}", Close),
    row("099", REFUSED, Body::Whole, "HTTP/1.1 099 x\r\n{length}{body}", Close),
    row("two-digits", REFUSED, Body::Whole, "HTTP/1.1 20 x\r\n{length}{body}", Close),
    row("four-digits", REFUSED, Body::Whole, "HTTP/1.1 2000 x\r\n{length}{body}", Close),
    row("negative", REFUSED, Body::Whole, "HTTP/1.1 -200 x\r\n{length}{body}", Close),
    row("letters", REFUSED, Body::Whole, "HTTP/1.1 abc x\r\n{length}{body}", Close),
    row("missing", REFUSED, Body::Whole, "HTTP/1.1 OK\r\n{length}{body}", Close),
    row("full-width", REFUSED, Body::Whole, "HTTP/1.1 ２００ OK\r\n{length}{body}", Close),
    row("299", OK, Body::Whole, "HTTP/1.1 299 x\r\n{length}{body}", Keep).status(&[299]),
    row(
        "300-without-location",
        &[Outcome::Ok, Outcome::RedirectError],
        Body::Whole,
        "HTTP/1.1 300 Multiple Choices\r\n{length}{body}",
        Keep,
    )
    .status(&[300]),
    row(
        "305",
        ANY,
        Body::Whole,
        "HTTP/1.1 305 Use Proxy\r\nLocation: http://127.0.0.2:{canaryport}/\r\n{length}{body}",
        Keep,
    )
    .status(&[305]),
    row("399", ANY, Body::Whole, "HTTP/1.1 399 x\r\n{length}{body}", Keep).status(&[399]),
    row(
        "401",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\r\n{length}{body}",
        Keep,
    )
    .status(&[401]),
    row("404", HTTP_ERROR, Body::Whole, "HTTP/1.1 404 Not Found\r\n{length}{body}", Keep).status(&[404]),
    row(
        "407-unasked",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n{length}{body}",
        Keep,
    )
    .status(&[407]),
    row(
        "408",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n{length}{body}",
        Close,
    )
    .status(&[408]),
    row("421", HTTP_ERROR, Body::Whole, "HTTP/1.1 421 Misdirected Request\r\n{length}{body}", Keep)
        .status(&[421]),
    row("500-chunked", HTTP_ERROR, Body::Whole, "HTTP/1.1 500 x\r\n{chunked}{chunk}0\r\n\r\n", Keep)
        .status(&[500]),
    row("600", ERROR_OR_REFUSED, Body::Whole, "HTTP/1.1 600 x\r\n{length}{body}", Close).status(&[600]),
    row("999", ERROR_OR_REFUSED, Body::Whole, "HTTP/1.1 999 x\r\n{length}{body}", Close).status(&[999]),
];

/// Answers that ask to be left alone: each from an origin of its own, since whoever obeys asks it nothing else.
const LEAVE_ALONE: &[Row] = &[
    row("429-at-once", HTTP_ERROR, Body::Whole, "HTTP/1.1 429 x\r\nRetry-After: 0\r\n{length}{body}", Keep)
        .status(&[429]),
    row(
        "429-a-week",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 429 x\r\nRetry-After: 604800\r\n{length}{body}",
        Keep,
    )
    .status(&[429]),
    row("503", HTTP_ERROR, Body::Whole, "HTTP/1.1 503 x\r\n{length}{body}", Keep).status(&[503]),
    row(
        "503-until-close",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999\r\n\r\n{body}",
        Close,
    )
    .status(&[503]),
    row(
        "429-retry-negative",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 429 x\r\nRetry-After: -1\r\n{length}{body}",
        Keep,
    )
    .status(&[429]),
    row(
        "429-retry-nonsense",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 429 x\r\nRetry-After: tomorrow\u{fc}\r\n{length}{body}",
        Keep,
    )
    .status(&[429]),
    row(
        "429-retry-long-ago",
        HTTP_ERROR,
        Body::Whole,
        "HTTP/1.1 429 x\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n{length}{body}",
        Keep,
    )
    .status(&[429]),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    book.rows("status", LINES);
    for row in LEAVE_ALONE {
        let address = book.door(Door::Web)?;
        book.rows_at("status", std::slice::from_ref(row), &format!("http://{address}"), Ask::Get);
    }
    Ok(())
}
