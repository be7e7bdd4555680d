//! Writes down servers that say nothing, too little, or too slowly, at every stage.

use std::io;
use std::time::Duration;

use dragline_core::Outcome;

use super::act::Act;
use super::behaviour::Sent;
use super::book::{Book, Door};
use super::row::{CUT_OR_UNREACHABLE, LATE, OK, body_of};

const DRIP: Duration = Duration::from_millis(100);
const LATE_OR_UNREACHABLE: &[Outcome] = &[Outcome::Timeout, Outcome::ConnectError];
const UNREACHABLE: &[Outcome] = &[Outcome::ConnectError];
const NO_HTTP: &[Outcome] = &[Outcome::ProtocolError, Outcome::Incomplete];
const TOO_EARLY: &[Outcome] =
    &[Outcome::Ok, Outcome::ProtocolError, Outcome::Incomplete, Outcome::ConnectError];

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    late(book);
    slow(book);
    doors(book)
}

fn late(book: &mut Book) {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let open = "HTTP/1.1 200 OK\r\n\r\n";
    let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\u{1f}";
    let error = "HTTP/1.1 503 x\r\nContent-Length: 1000\r\n\r\nhalf of it";
    let drip = |bytes: &'static str, pause| Act::Drip(bytes.into(), pause);
    for (name, acts) in [
        ("silence", vec![Act::Hang]),
        ("silence-behind-head", vec![Act::send(length), Act::Hang]),
        ("silence-in-body", vec![Act::send(format!("{length}half of it")), Act::Hang]),
        (
            "silence-in-large-body",
            vec![
                Act::send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}",
                    "x".repeat(1_000_000)
                )),
                Act::Hang,
            ],
        ),
        ("silence-in-open-body", vec![Act::send(format!("{open}all of it, but nobody can know")), Act::Hang]),
        ("silence-in-gzip", vec![Act::send(gzip), Act::Hang]),
        ("silence-in-error-page", vec![Act::send(error), Act::Hang]),
        ("drip-in-body", vec![Act::send(length), drip("x", DRIP)]),
        ("drip-in-open-body", vec![Act::send(open), drip("x", DRIP)]),
        ("drip-in-chunks", vec![Act::send(chunked), drip("1\r\nx\r\n", DRIP)]),
        ("drip-in-chunk-size", vec![Act::send(chunked), drip("0", DRIP)]),
        ("drip-in-extension", vec![Act::send(format!("{chunked}1;")), drip("x", DRIP)]),
        ("drip-in-trailers", vec![Act::send(format!("{chunked}0\r\n")), drip("X: y\r\n", DRIP)]),
        ("drip-in-status-line", vec![drip("HTTP/1.1 200 OK ", DRIP)]),
        // Always a little less than the limit between two bytes.
        ("drip-below-idle-limit", vec![Act::send(length), drip("x", DRIP * 8)]),
        (
            "drip-in-huge-announced-body",
            vec![Act::send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n"), drip("x", DRIP)],
        ),
    ] {
        let accepted: &[Outcome] =
            if name == "silence-in-error-page" { &[Outcome::Timeout, Outcome::HttpError] } else { LATE };
        book.play(&format!("time/{name}"), acts, accepted, Sent::Never).statuses = vec![200, 503];
    }
}

/// Slow, but within every limit.
fn slow(book: &mut Book) {
    for (name, before, size) in
        [("late-head", 300, 4_000), ("in-pieces", 0, 3), ("late-and-in-pieces", 200, 7)]
    {
        let name = format!("time/{name}");
        let body = body_of(&name);
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{body}");
        let acts = vec![Act::Wait(Duration::from_millis(before)), Act::Pieces(whole.into(), size)];
        book.play(&name, acts, OK, Sent::Whole(body.into()));
    }
    let name = "time/pause-in-body";
    let body = body_of(name);
    let (one, two) = body.split_at(20);
    let acts = vec![
        Act::send(format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{one}")),
        Act::Wait(Duration::from_millis(300)),
        Act::send(two),
    ];
    book.play(name, acts, OK, Sent::Whole(body.clone().into()));
}

/// Servers that fail before they are asked anything.
fn doors(book: &mut Book) -> io::Result<()> {
    let cases: [(&str, Vec<Act>, bool, &[Outcome]); 5] = [
        ("accept-and-silence", vec![Act::Hang], false, LATE),
        ("accept-and-close", vec![Act::Close], false, CUT_OR_UNREACHABLE),
        ("accept-and-reset", vec![Act::Reset], false, CUT_OR_UNREACHABLE),
        ("close-on-first-byte", vec![Act::Cut], true, CUT_OR_UNREACHABLE),
        ("banner-before-request", vec![Act::send("220 hello\r\n"), Act::Hang], false, NO_HTTP),
    ];
    for (name, acts, listens, accepted) in cases {
        let address = book.door(Door::Acts { acts: acts.into(), listens })?;
        book.expect(&format!("time/{name}"), format!("http://{address}/"), accepted, Sent::Never);
    }
    let name = "time/answer-before-request";
    let body = body_of(name);
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 64\r\nConnection: close\r\n\r\n{body}");
    let acts = [Act::send(page), Act::Close].into();
    let address = book.door(Door::Acts { acts, listens: false })?;
    book.expect(name, format!("http://{address}/"), TOO_EARLY, Sent::Whole(body.into()));
    let refusing = book.refusing()?;
    book.expect("time/refused", format!("http://{refusing}/"), UNREACHABLE, Sent::Never);
    let full = book.full()?;
    book.expect("time/full-queue", format!("http://{full}/"), LATE_OR_UNREACHABLE, Sent::Never);
    Ok(())
}
