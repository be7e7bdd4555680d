//! Lists the families of behaviours, in the order in which they are reported.

use std::io;

use super::behaviour::Ask;
use super::book::Book;
use super::row::Then::{Close, Keep};
use super::row::{Body, OK, Row, row};
use super::{
    chunks, codings, connections, cookies, damage, framing, guard, guard_names, heads, names, redirect_traps,
    redirects, robots, sizes, statuses, timing, tls, urls,
};

/// Answers to HEAD: they have no body, whatever the head says (RFC 9112 section 6.3).
const HEAD: &[Row] = &[
    row("length", OK, Body::Empty, "{200}{length}", Keep),
    row("chunked", OK, Body::Empty, "{200}{chunked}", Keep),
    row("no-length", OK, Body::Empty, "{200}\r\n", Keep),
    row("until-close", OK, Body::Empty, "{200}Connection: close\r\n\r\n", Close),
    row("huge-length", OK, Body::Empty, "{200}Content-Length: 1099511627776\r\n\r\n", Keep),
    row("with-body", OK, Body::Empty, "{200}{length}{body}", Keep),
    row("with-chunks", OK, Body::Empty, "{200}{chunked}{chunk}0\r\n\r\n", Keep),
    row("with-a-response", OK, Body::Empty, "{200}{length}{200}Content-Length: 6\r\n\r\npoison", Keep),
    row("404", &[dragline_core::Outcome::HttpError], Body::Empty, "HTTP/1.1 404 x\r\n{length}", Keep)
        .status(&[404]),
    row("103", OK, Body::Empty, "HTTP/1.1 103 x\r\n\r\n{200}{length}", Keep),
];

/// Writes every family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    framing::write(book);
    chunks::write(book);
    heads::write(book);
    statuses::write(book)?;
    let origin = format!("http://{}", book.main);
    book.rows_at("head-method", HEAD, &origin, Ask::Head);
    codings::write(book)?;
    damage::write(book)?;
    sizes::write(book)?;
    redirects::write(book);
    redirect_traps::write(book)?;
    timing::write(book)?;
    connections::write(book)?;
    tls::write(book)?;
    names::write(book);
    urls::write(book);
    robots::write(book);
    cookies::write(book);
    guard::write(book);
    guard_names::write(book);
    Ok(())
}
