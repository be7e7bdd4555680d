//! Writes down bodies at their cap and beyond, announced or not.

use std::io;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::{BODY_BYTES_MAX, Book};
use super::encode::gzip;
use super::row::{OK, OK_OR_LARGE, TOO_LARGE};

const ERROR_PAGE: &[Outcome] = &[Outcome::HttpError, Outcome::TooLarge];

/// How the end of a body is told.
#[derive(Clone, Copy)]
enum Framed {
    Length,
    Chunked,
    Close,
}

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    for (framed, word) in
        [(Framed::Length, "length"), (Framed::Chunked, "chunked"), (Framed::Close, "until-close")]
    {
        for (size, what, accepted) in [
            (BODY_BYTES_MAX - 1, "one-below-cap", OK),
            (BODY_BYTES_MAX, "exactly-cap", OK),
            (BODY_BYTES_MAX + 1, "one-above-cap", TOO_LARGE),
            (BODY_BYTES_MAX * 4, "four-times-cap", TOO_LARGE),
        ] {
            let name = format!("size/{word}-{what}");
            let body = filled(&name, size);
            book.play(&name, framed.acts("200 OK", &body), accepted, Sent::Whole(body.into()));
        }
    }
    for (size, what, accepted) in [
        (BODY_BYTES_MAX, "exactly-cap", OK),
        (BODY_BYTES_MAX + 1, "one-above-cap", TOO_LARGE),
        (BODY_BYTES_MAX * 2, "twice-cap", TOO_LARGE),
    ] {
        let name = format!("size/gzip-{what}");
        let body = filled(&name, size);
        let acts = coded(&gzip(&body)?);
        book.play(&name, acts, accepted, Sent::Whole(body.into()));
    }
    // A page of white space: far beyond the ratio, but below the cap.
    let body = vec![b' '; BODY_BYTES_MAX - 1];
    book.play("size/gzip-ratio", coded(&gzip(&body)?), OK_OR_LARGE, Sent::Whole(body.into()));
    let body = vec![b' '; 900 << 10];
    book.play("size/gzip-small-ratio", coded(&gzip(&body)?), OK, Sent::Whole(body.into()));
    let name = "size/error-page-above-cap";
    let body = filled(name, BODY_BYTES_MAX * 4);
    let acts = Framed::Length.acts("500 x", &body);
    book.play(name, acts, ERROR_PAGE, Sent::Whole(body.into())).statuses = vec![500];
    endless(book);
    Ok(())
}

fn endless(book: &mut Book) {
    let piece = "an endless body, line by line, without an end\n".repeat(512);
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    for (name, head, piece) in [
        ("until-close", "HTTP/1.1 200 OK\r\n\r\n", &piece),
        ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk),
        ("announced", "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n", &piece),
        ("http10", "HTTP/1.0 200 OK\r\n\r\n", &piece),
        ("page-of-images", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", &piece),
    ] {
        let acts = vec![Act::send(head), Act::Endless(piece.clone().into())];
        book.play(&format!("size/endless-{name}"), acts, TOO_LARGE, Sent::Never);
    }
    let acts = vec![Act::send("HTTP/1.1 404 x\r\n\r\n"), Act::Endless(piece.clone().into())];
    book.play("size/endless-error-page", acts, ERROR_PAGE, Sent::Never).statuses = vec![404];
    // More than was announced, without an end: what was announced is the body.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", piece.len());
    let acts = vec![Act::send(head), Act::Endless(piece.clone().into())];
    book.play("size/endless-behind-length", acts, OK, Sent::Whole(piece.into()));
}

fn coded(wire: &[u8]) -> Vec<Act> {
    vec![Act::send(super::codings::coded("200 OK", "gzip", wire))]
}

/// Returns a body of so many bytes that compresses to half of them.
fn filled(name: &str, size: usize) -> Vec<u8> {
    let mut state = size as u64;
    let mut body = format!("{name}\n").into_bytes();
    while body.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        body.extend_from_slice(format!("{state:016x}").as_bytes());
    }
    body.truncate(size);
    body
}

impl Framed {
    fn acts(self, status: &str, body: &[u8]) -> Vec<Act> {
        let start = format!("HTTP/1.1 {status}\r\n");
        match self {
            Self::Length => {
                let head = format!("{start}Content-Length: {}\r\n\r\n", body.len());
                vec![Act::send([head.as_bytes(), body].concat())]
            }
            Self::Chunked => {
                let mut wire = format!("{start}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
                for piece in body.chunks(50_000) {
                    wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    wire.extend_from_slice(piece);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
                vec![Act::send(wire)]
            }
            Self::Close => vec![Act::send([start.as_bytes(), b"\r\n", body].concat()), Act::Close],
        }
    }
}
