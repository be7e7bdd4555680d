//! Writes down TLS gone wrong: certificates, handshakes, and connections that end without a word.

use std::io::{self, Cursor};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use dragline_core::Outcome;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::act::{Act, HOLD_MAX};
use super::behaviour::{Ask, Sent};
use super::book::{Book, Door};
use super::certificates::Flaw;
use super::row::Then::{Close, Cut, Hang, Keep, Reset};
use super::row::{Body, CUT, CUT_OR_REFUSED, LATE, OK, REFUSED, Row, TLS, TLS_OR_GONE, body_of, row};
use super::zone::Say;

const OK_OR_CUT: &[Outcome] = &[Outcome::Ok, Outcome::Incomplete];
/// Without HTTP/2 nothing is agreed upon; with it, what comes is none.
const NO_HTTP2: &[Outcome] = &[Outcome::TlsError, Outcome::ProtocolError, Outcome::Incomplete];
const TLS_OR_LATE: &[Outcome] = &[Outcome::TlsError, Outcome::Timeout, Outcome::ConnectError];

/// Responses in TLS: everything of the plain ones holds, and the end is proven by `close_notify`.
const ROWS: &[Row] = &[
    row("length", OK, Body::Whole, "{200}{length}{body}", Keep),
    row("chunked", OK, Body::Whole, "{200}{chunked}{chunk}0\r\n\r\n", Keep),
    row("103", OK, Body::Whole, "HTTP/1.1 103 Early Hints\r\n\r\n{200}{length}{body}", Keep),
    row("until-close-notify", OK, Body::Whole, "{200}Connection: close\r\n\r\n{body}", Close),
    row("until-close-unannounced", OK, Body::Whole, "{200}\r\n{body}", Close),
    row("until-close-without-notify", OK_OR_CUT, Body::Whole, "{200}\r\n{body}", Cut),
    row("length-cut-without-notify", OK, Body::Whole, "{200}{length}{body}", Cut),
    row("length-short-notify", CUT, Body::Never, "{200}{length}{head}", Close),
    row("length-short-cut", CUT, Body::Never, "{200}{length}{head}", Cut),
    row("length-short-reset", CUT, Body::Never, "{200}{length}{head}", Reset),
    row("chunks-short-notify", CUT, Body::Never, "{200}{chunked}{chunk}", Close),
    row("chunks-short-cut", CUT, Body::Never, "{200}{chunked}{chunk}", Cut),
    row("empty-reply-notify", CUT, Body::Never, "", Close),
    row("empty-reply-cut", CUT, Body::Never, "", Cut),
    row(
        "length-and-chunked",
        REFUSED,
        Body::Whole,
        "{200}Content-Length: 5\r\n{chunked}{chunk}0\r\n\r\n",
        Close,
    ),
    row("silence", LATE, Body::Never, "", Hang),
    row("silence-in-body", LATE, Body::Never, "{200}{length}{head}", Hang),
    row(
        "another-response-behind",
        OK,
        Body::Whole,
        "{200}{length}{body}{200}Content-Length: 6\r\n\r\npoison",
        Keep,
    ),
];

/// Writes the family down.
pub(super) fn write(book: &mut Book) -> io::Result<()> {
    let secure = format!("https://{}", book.secure);
    book.rows_at("tls", ROWS, &secure, Ask::Get);
    book.zone.say("secure.hostile.test", Say::Addresses(vec![[127, 0, 0, 1].into()]));
    let named = format!("https://secure.hostile.test:{}", book.secure.port());
    book.rows_at("tls-by-name", ROWS.get(..1).unwrap_or_default(), &named, Ask::Get);
    let named = format!("https://other.hostile.test:{}/tls/length", book.secure.port());
    book.zone.say("other.hostile.test", Say::Addresses(vec![[127, 0, 0, 1].into()]));
    book.expect("tls/name-not-in-certificate", named, TLS, Sent::Never);
    for (name, flaw) in [
        ("expired", Flaw::Expired),
        ("not-yet-valid", Flaw::NotYet),
        ("other-host", Flaw::OtherHost),
        ("unknown-issuer", Flaw::UnknownIssuer),
        ("self-signed", Flaw::SelfSigned),
        ("authority-as-leaf", Flaw::AuthorityAsLeaf),
    ] {
        let config = book.authority.server(flaw, &[])?;
        let address = book.door(Door::Tls(config))?;
        book.expect(&format!("tls/{name}"), format!("https://{address}/tls/length"), TLS, Sent::Never);
    }
    let config = book.authority.server(Flaw::OldVersion, &[])?;
    let address = book.door(Door::Tls(config))?;
    let body = Sent::Whole(body_of("tls/length").into());
    book.expect("tls/version-1.2", format!("https://{address}/tls/length"), OK, body);
    let config = book.authority.server(Flaw::OnlyHttp2, &[])?;
    let address = book.door(Door::Tls(config))?;
    book.expect("tls/only-http2", format!("https://{address}/tls/length"), NO_HTTP2, Sent::Never);
    let plain_on_tls = format!("http://{}/tls/length", book.secure);
    book.expect("tls/plain-request", plain_on_tls, CUT_OR_REFUSED, Sent::Never);
    let tls_on_plain = format!("https://{}/length/exact", book.main);
    book.expect("tls/request-to-plain-port", tls_on_plain, TLS_OR_LATE, Sent::Never);
    handshakes(book)
}

fn handshakes(book: &mut Book) -> io::Result<()> {
    let record = |kind: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&[kind, 3, 3][..], &length, body].concat()
    };
    let alert = |code: u8| record(21, &[2, code]);
    let drip = Act::Drip(record(22, &[0; 64]).into(), Duration::from_millis(100));
    let answers: [(&str, Vec<Act>, &[Outcome]); 14] = [
        (
            "http-answer",
            vec![Act::send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), Act::Close],
            TLS,
        ),
        ("garbage", vec![Act::send([0xff; 64]), Act::Close], TLS),
        ("zeros", vec![Act::send([0; 64]), Act::Close], TLS),
        ("close", vec![Act::Close], TLS_OR_GONE),
        ("reset", vec![Act::Reset], TLS_OR_GONE),
        ("silence", vec![Act::Hang], LATE),
        ("drip", vec![drip], TLS_OR_LATE),
        ("alert-handshake-failure", vec![Act::send(alert(40)), Act::Close], TLS),
        ("alert-version", vec![Act::send(alert(70)), Act::Close], TLS),
        ("alert-name", vec![Act::send(alert(112)), Act::Close], TLS),
        ("alert-close", vec![Act::send(record(21, &[1, 0])), Act::Close], TLS_OR_GONE),
        ("endless-warnings", vec![Act::Endless(record(21, &[1, 90]).repeat(100).into())], TLS_OR_LATE),
        (
            "record-too-long",
            vec![Act::send([22, 3, 3, 0xff, 0xff]), Act::Endless([0; 1_000].to_vec().into())],
            TLS,
        ),
        ("application-data-first", vec![Act::send(record(23, b"hello")), Act::Close], TLS),
    ];
    for (name, acts, accepted) in answers {
        let address = book.door(Door::Acts { acts: acts.into(), listens: true })?;
        book.expect(&format!("handshake/{name}"), format!("https://{address}/"), accepted, Sent::Never);
    }
    for bytes in [1, 5, 100, 400] {
        let config = book.authority.server(Flaw::None, &[])?;
        let address = book.door(Door::Cut(config, bytes))?;
        let name = format!("handshake/cut-behind-{bytes}");
        book.expect(&name, format!("https://{address}/"), TLS_OR_GONE, Sent::Never);
    }
    Ok(())
}

/// Answers the client's hello with the first bytes of the server's, and ends the connection.
pub(super) async fn shake_hands_in_part(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    bytes: usize,
) -> io::Result<()> {
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut hello = BytesMut::with_capacity(16 << 10);
    let mut answer = Vec::new();
    while !connection.wants_write() {
        hello.clear();
        if timeout(HOLD_MAX, stream.read_buf(&mut hello)).await?? == 0 {
            return Ok(());
        }
        connection.read_tls(&mut Cursor::new(&hello[..]))?;
        connection.process_new_packets().map_err(io::Error::other)?;
    }
    while connection.wants_write() {
        connection.write_tls(&mut answer)?;
    }
    stream.write_all(answer.get(..bytes).unwrap_or(&answer)).await?;
    stream.shutdown().await
}
