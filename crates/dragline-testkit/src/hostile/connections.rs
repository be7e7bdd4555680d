//! Writes down connections that outlive their answers: kept open, poisoned while they idle, or one hop too slow.

use std::io;
use std::time::Duration;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::{Ask, Sent};
use super::book::{Book, Door};
use super::redirects::to;
use super::row::Then::{Hang, Reset};
use super::row::{Body, LATE, OK, Row, body_of, row};

const OK_OR_CUT: &[Outcome] = &[Outcome::Ok, Outcome::Incomplete];
/// How long after an answer the server speaks unasked.
const SOON: Duration = Duration::from_millis(50);
/// How long the client is kept elsewhere meanwhile.
const MEANWHILE: Duration = Duration::from_millis(400);

/// Answers that are whole, on connections that then stay open or break: the answer holds.
const KEPT_OPEN: &[Row] = &[
    row("length", OK, Body::Whole, "{200}{length}{body}", Hang),
    row("length-close-announced", OK, Body::Whole, "{200}Connection: close\r\n{length}{body}", Hang),
    row("length-http10", OK, Body::Whole, "HTTP/1.0 200 OK\r\n{length}{body}", Hang),
    row("chunked", OK, Body::Whole, "{200}{chunked}{chunk}0\r\n\r\n", Hang),
    row("length-0", OK, Body::Empty, "{200}Connection: close\r\nContent-Length: 0\r\n\r\n", Hang),
    row("204", OK, Body::Empty, "HTTP/1.1 204 x\r\nConnection: close\r\n\r\n", Hang).status(&[204]),
    row("304", OK, Body::Empty, "HTTP/1.1 304 x\r\nConnection: close\r\n{length}", Hang).status(&[304]),
    row("length-then-reset", OK_OR_CUT, Body::Whole, "{200}{length}{body}", Reset),
    row("chunked-then-reset", OK_OR_CUT, Body::Whole, "{200}{chunked}{chunk}0\r\n\r\n", Reset),
    row(
        "upgrade-offered",
        OK,
        Body::Whole,
        "{200}Upgrade: h2c\r\nConnection: upgrade\r\n{length}{body}",
        Hang,
    ),
];

/// What a server says on an idle connection: the answer to no request.
const UNASKED: &[(&str, &str)] = &[
    ("answer", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
    ("408", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ("interim", "HTTP/1.1 100 Continue\r\n\r\n"),
    ("line-end", "\r\n"),
    ("half-a-head", "HTTP/1.1 200 OK\r\nX-Hidden: "),
];

/// Writes the families down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    for row in KEPT_OPEN {
        // Each at an origin of its own: another request on such a connection would never be answered.
        let address = book.door(Door::Web)?;
        book.rows_at("kept-open", std::slice::from_ref(row), &format!("http://{address}"), Ask::Get);
    }
    for (what, bytes) in UNASKED {
        unasked(book, &format!("unasked/{what}"), vec![Act::send(*bytes), Act::Hang])?;
        unasked(book, &format!("unasked/{what}-then-close"), vec![Act::send(*bytes), Act::Close])?;
    }
    unasked(book, "unasked/close", vec![Act::Close])?;
    unasked(book, "unasked/reset", vec![Act::Reset])?;
    slow_chain(book);
    Ok(())
}

/// An origin whose connection is left idle by a detour, spoken to meanwhile, and then wanted again.
fn unasked(book: &mut Book, name: &str, speech: Vec<Act>) -> io::Result<()> {
    let address = book.door(Door::Web)?;
    let body = body_of(name);
    let detour = format!("http://{}/{name}/detour", book.other);
    let start = [to("302 Found", detour.as_bytes()), Act::Wait(SOON)].into_iter().chain(speech).collect();
    book.script(format!("/{name}"), start);
    let back = format!("http://{address}/{name}/back");
    book.script(format!("/{name}/detour"), vec![Act::Wait(MEANWHILE), to("302 Found", back.as_bytes())]);
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
    book.script(format!("/{name}/back"), vec![Act::send(page)]);
    book.expect(name, format!("http://{address}/{name}"), OK, Sent::Whole(body.into()));
    Ok(())
}

/// Hops that are each within the limit for a first byte, and together beyond the deadline.
fn slow_chain(book: &mut Book) {
    let name = "time/nine-slow-hops";
    let body = body_of(name);
    for hop in 0..9 {
        let path = if hop == 0 { format!("/{name}") } else { format!("/{name}/{hop}") };
        let next = format!("/{name}/{}", hop + 1);
        book.script(path, vec![Act::Wait(Duration::from_millis(900)), to("302 Found", next.as_bytes())]);
    }
    book.script(
        format!("/{name}/9"),
        vec![Act::send(format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}"))],
    );
    let url = format!("http://{}/{name}", book.main);
    book.expect(name, url, LATE, Sent::Whole(body.into()));
}
