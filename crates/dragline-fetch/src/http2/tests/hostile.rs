//! Whatever a server sends, a request ends by a limit or with the right words, and nothing panics or grows.

use std::time::Duration;

use dragline_core::fetch::RequestBody;

use super::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PUSH_PROMISE, RST_STREAM, Raw,
    SETTINGS, WINDOW_UPDATE, block, frame,
};
use super::support::{run, until};
use crate::clock;

/// What the server sends once a request came.
#[derive(Clone)]
enum Act {
    Send(Vec<u8>),
    /// Sends this until the client is gone.
    Forever(Vec<u8>),
    Close,
}

use Act::{Close, Forever, Send};

/// Sends one request to a server that answers so; then it holds the connection until the client is gone.
///
/// What is told begins as expected, or ends so when that begins with dots.
fn check(acts: Vec<Act>, expected: &str) {
    run(async move {
        let site = Raw::site(move |mut raw, _| {
            let acts = acts.clone();
            async move {
                if raw.request().await.is_none() {
                    return;
                }
                for act in acts {
                    match act {
                        Send(bytes) => drop(raw.bytes(&bytes).await),
                        Forever(bytes) => while raw.bytes(&bytes).await {},
                        Close => return raw.close().await,
                    }
                }
                raw.hold().await;
            }
        })
        .await;
        let pool = site.pool();
        let ask = site.get("/").within(|limits| match expected {
            "timeout ttfb" => limits.first_byte_timeout = Duration::from_millis(200),
            "timeout body" => limits.idle_body_timeout = Duration::from_millis(200),
            _ => {}
        });
        let told = ask.send(&pool).await;
        let as_expected = match expected.strip_prefix("... ") {
            Some(end) => told.line.ends_with(end),
            None => told.line.starts_with(expected),
        };
        assert!(as_expected, "{} instead of {expected}", told.line);
        assert_eq!(pool.counts().busy, 0);
        assert!(told.transcript.received.get() < 3 << 20);
        pool.tick(clock::now() + Duration::from_secs(60));
        until(|| pool.counts().idle == 0).await;
    });
}

fn head(flags: u8, fields: &[(&str, &str)]) -> Act {
    Send(frame(HEADERS, END_HEADERS | flags, 1, &block(fields)))
}

fn ok() -> Act {
    head(0, &[(":status", "200")])
}

fn data(flags: u8, content: &[u8]) -> Act {
    Send(frame(DATA, flags, 1, content))
}

/// Sends a head that takes more than one frame.
fn long_head(fields: &[(&str, &str)]) -> Act {
    let block = block(fields);
    let mut sent = Vec::new();
    let pieces = block.chunks(16_000);
    let last = pieces.len() - 1;
    for (at, piece) in pieces.enumerate() {
        let kind = if at == 0 { HEADERS } else { CONTINUATION };
        let flags = if at == last { END_HEADERS } else { 0 };
        sent.extend(frame(kind, flags, 1, piece));
    }
    Send(sent)
}

#[test]
fn silence_ends_by_a_limit_wherever_it_falls() {
    check(vec![], "timeout ttfb");
    check(vec![Send(vec![0, 0])], "timeout ttfb");
    check(vec![Send(frame(HEADERS, 0, 1, &block(&[(":status", "200")])))], "timeout ttfb");
    check(vec![Send(vec![0, 64, 0, HEADERS, END_HEADERS, 0, 0, 0, 1, 0])], "timeout ttfb");
    check(vec![ok()], "timeout body");
    check(vec![ok(), data(0, b"part")], "timeout body");
    check(vec![ok(), Send(vec![0, 64, 0, DATA, 0, 0, 0, 0, 1, b'x'])], "timeout body");
    check(vec![head(0, &[(":status", "103")])], "timeout ttfb");
}

#[test]
fn what_is_not_http2_is_a_protocol_error() {
    let broken = "protocol_error ttfb: the server broke the rules of http/2: connection error detected";
    check(vec![Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())], broken);
    check(vec![Send(vec![0xff; 100])], broken);
    check(vec![Send(frame(HEADERS, END_HEADERS, 1, &[0xff; 20]))], broken);
    check(vec![data(0, b"no head")], broken);
    check(vec![Send(frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]))], broken);
    check(vec![Send(frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]))], broken);
    check(vec![Send(frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]))], broken);
    check(vec![Send(frame(CONTINUATION, END_HEADERS, 1, &[]))], broken);
    check(vec![Send(frame(PING, 0, 1, &[0; 8]))], broken);
    check(vec![Send(frame(RST_STREAM, 0, 99, &[0; 4]))], broken);
    check(vec![Send(frame(DATA, 0, 0, b"x"))], broken);
}

#[test]
fn heads_that_break_the_rules_are_refused() {
    let status = (":status", "200");
    let malformed = "protocol_error ttfb: the response head breaks the rules of http/2";
    for field in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "1"),
        ("upgrade", "h3"),
        ("proxy-connection", "x"),
        (":status", "200"),
    ] {
        check(vec![head(END_STREAM, &[status, field])], malformed);
    }
    check(vec![head(END_STREAM, &[("x", "y"), status])], malformed);
    check(vec![head(END_STREAM, &[("x", "y")])], malformed);
    check(vec![head(END_STREAM, &[status, ("content-length", "5")])], malformed);
    check(vec![head(0, &[status, ("content-length", "5"), ("content-length", "6")])], malformed);
    check(vec![head(0, &[(":status", "101")])], "protocol_error ttfb: the server switched protocols unasked");
    let interim = head(0, &[(":status", "102")]);
    check(vec![interim; 11], "protocol_error ttfb: too many interim responses");
    check(
        vec![Forever(frame(HEADERS, END_HEADERS, 1, &block(&[(":status", "100")])))],
        "protocol_error ttfb",
    );
}

#[test]
fn heads_over_the_limits_are_too_large() {
    let status = (":status", "200");
    let value = |length: usize| "v".repeat(length);
    check(vec![head(END_STREAM, &[status, ("a", &value(16_000))])], "200 []");
    let line = "too_large ttfb: a line of the response head is too long";
    check(vec![long_head(&[status, ("a", &value(17_000))])], line);
    let many: Vec<_> = [status].into_iter().chain(std::iter::repeat_n(("a", "b"), 200)).collect();
    check(vec![long_head(&many)], "too_large ttfb: the response head has too many lines");
    let long = "too_large ttfb: the response head is too long";
    for size in [15_000, 30_000, 60_000, 250_000] {
        let value = value(size);
        let fields: Vec<_> = [status].into_iter().chain(std::iter::repeat_n(("a", &*value), 5)).collect();
        check(
            vec![long_head(&fields)],
            if size == 30_000 || size == 60_000 { "too_large ttfb" } else { long },
        );
    }
    // Frames that go on for ever, each small and each large.
    let begin = Send(frame(HEADERS, 0, 1, &block(&[status])));
    check(vec![begin.clone(), Forever(frame(CONTINUATION, 0, 1, &[]))], long);
    check(vec![begin.clone(), Forever(frame(CONTINUATION, 0, 1, &block(&[("a", "b")])))], long);
    check(vec![begin, Forever(frame(CONTINUATION, 0, 1, &block(&[("a", &value(16_000))])))], long);
    // One field kept in the compression's memory, and named again and again at a byte each.
    let mut bomb = vec![0x88, 0x40];
    bomb.extend(block(&[("x", &value(3_000))]).get(1..).unwrap());
    bomb.extend([0xbe; 12_000]);
    check(vec![Send(frame(HEADERS, END_HEADERS, 1, &bomb))], long);
}

#[test]
fn bodies_that_are_cut_or_wrong_are_never_whole() {
    let announced = |length: &'static str| head(0, &[(":status", "200"), ("content-length", length)]);
    check(vec![announced("5"), data(END_STREAM, b"hello")], "200 [hello]");
    let short = "200 [] incomplete: the body ended before its announced length";
    check(vec![announced("6"), data(END_STREAM, b"hello")], short);
    let long = "200 [] protocol_error: the body is longer than announced";
    check(vec![announced("4"), data(END_STREAM, b"hello")], long);
    check(vec![announced("4"), data(0, b"hello")], long);
    let cut = "incomplete: the connection ended before the body did";
    check(vec![ok(), data(0, b"part"), Close], &format!("200 [part] {cut}"));
    check(vec![announced("9"), data(0, b"part"), Close], &format!("200 [part] {cut}"));
    check(vec![ok(), data(0, b"part"), Send(vec![0, 0, 9, DATA]), Close], &format!("200 [part] {cut}"));
    let reset = |code: u8| Send(frame(RST_STREAM, 0, 1, &[0, 0, 0, code]));
    for (code, name) in [(0, "NO_ERROR"), (2, "INTERNAL_ERROR"), (8, "CANCEL"), (11, "ENHANCE_YOUR_CALM")] {
        let told = format!("incomplete: the server reset the stream: {name}");
        check(vec![ok(), data(0, b"part"), reset(code)], &format!("200 [part] {told}"));
        check(vec![reset(code)], &told.replace(':', " ttfb:").replacen("stream ttfb", "stream", 1));
    }
    check(vec![reset(1)], "protocol_error ttfb: the server reset the stream: PROTOCOL_ERROR");
    check(vec![ok(), reset(5)], "200 [] protocol_error: the server reset the stream: STREAM_CLOSED");
    // Goodbye in the middle: what was begun is served, and what was denied is not whole.
    let goodbye = |last: u8| Send(frame(GOAWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0]));
    check(vec![ok(), goodbye(1), data(END_STREAM, b"all")], "200 [all]");
    check(vec![ok(), goodbye(0), data(END_STREAM, b"all")], "200 [] incomplete: the server goes away");
    // What comes after the end is of no account.
    check(vec![ok(), data(END_STREAM, b"all"), data(0, b"more")], "200 [all]");
    check(vec![head(END_STREAM, &[(":status", "204")]), data(0, b"more")], "204 []");
}

#[test]
fn floods_are_cut_off() {
    let flood = "protocol_error ttfb: the server flooded the connection";
    let many = |frame: Vec<u8>| Forever(frame.repeat(100));
    check(vec![many(frame(PING, 0, 0, &[0; 8]))], flood);
    check(vec![many(frame(SETTINGS, 0, 0, &[]))], flood);
    check(vec![many(frame(0x2, 0, 1, &[0; 5]))], flood);
    check(vec![many(frame(0xee, 0, 0, &[0; 100]))], flood);
    check(vec![many(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))], flood);
    check(
        vec![many(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]))],
        "incomplete ttfb: the server reset the stream: CANCEL",
    );
    // More than the windows allow, and next to nothing in very many frames.
    check(vec![ok(), many(frame(DATA, 0, 1, &[b'x'; 16_000]))], "... flow-control protocol violated");
    check(vec![ok(), many(frame(DATA, 0, 1, &[]))], "200 [] protocol_error");
}

#[test]
fn a_window_that_stays_closed_ends_by_the_limit() {
    run(async {
        let site = Raw::site(|mut raw, _| async move {
            raw.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
            raw.hold().await;
        })
        .await;
        let pool = site.pool();
        let ask = site.get("/").post(RequestBody::bytes("x"));
        let told =
            ask.within(|limits| limits.first_byte_timeout = Duration::from_millis(300)).send(&pool).await;
        assert_eq!(told.line, "timeout ttfb");
    });
}

#[test]
fn arbitrary_frames_never_pass_for_a_response_and_never_panic() {
    run(async {
        let site = Raw::site(|mut raw, number| async move {
            let mut state = u32::try_from(number).unwrap().wrapping_mul(0x9e37_79b9) | 1;
            let mut next = move || {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()
            };
            if raw.request().await.is_none() {
                return;
            }
            for _ in 0..40 {
                let [kind, flags, stream, size] = next();
                let payload: Vec<u8> = (0..size % 40).map(|_| next()[0]).collect();
                // Content that ends where it should is no fault, so a stream never ends here by itself.
                let flags = if kind % 11 <= HEADERS { flags & !END_STREAM } else { flags };
                if !raw.frame(kind % 11, flags, u32::from(stream % 4), &payload).await {
                    return;
                }
            }
            raw.close().await;
        })
        .await;
        let pool = site.pool();
        for _ in 0..100 {
            let ask = site.get("/").within(|limits| limits.deadline = Duration::from_secs(5));
            let told = ask.send(&pool).await;
            let outcome = told.line.split([' ', '[']).next().unwrap_or_default().to_owned();
            assert!(["protocol_error", "incomplete", "too_large"].contains(&&*outcome), "{}", told.line);
        }
        pool.tick(clock::now() + Duration::from_secs(60));
        until(|| pool.counts().idle == 0).await;
    });
}
