//! Odd response heads are repaired, oversized ones refused.

use dragline_core::fetch::FetchLimits;

use crate::support::{Act, Server, fetch, get, head, limits, send, told, with_limits};

fn check(sent: &[u8], expected: &str) {
    for slowly in [false, true] {
        let sent = sent.to_vec();
        let server = Server::run(move |_| {
            vec![if slowly { Act::Slowly(sent.clone()) } else { send(&sent) }, Act::Close]
        });
        let response = fetch(get(&server.url("/")));
        assert_eq!(told(&response), expected, "slowly: {slowly}");
    }
}

#[test]
fn interim_heads_are_dropped() {
    check(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "ok 200 [ok]",
    );
    check(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 P\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
        "http_error 404 [no]",
    );
    let eleven = "HTTP/1.1 100 Continue\r\n\r\n".repeat(11);
    let why = "protocol_error - [] | too many interim responses (in phase ttfb)";
    check(format!("{eleven}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").as_bytes(), why);
    let ten = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10);
    check(format!("{ten}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").as_bytes(), "ok 200 [ok]");
}

#[test]
fn odd_heads_are_read() {
    check(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 200 OK\r\nX-A: caf\xe9\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 200 OK\r\nno colon\r\nX A B: c\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]");
    check(b"HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\nno", "http_error 999 [no]");
    check(b"HTTP/1.1 200\n\nok", "ok 200 [ok]");
}

#[test]
fn folded_lines_are_unfolded() {
    let server =
        Server::sends("HTTP/1.1 200 OK\r\nX-A: a\r\n b: c\r\n\td\r\nContent-Length:\r\n 2\r\n\r\nok");
    let response = fetch(get(&server.url("/")));
    assert_eq!(told(&response), "ok 200 [ok]");
    assert_eq!(response.headers.get_str("x-a"), Some("a   b: c  \td"));
    assert_eq!(response.headers.len(), 2);
    let first = b"HTTP/1.1 200 OK\r\n X: folded onto nothing\r\n\r\n";
    check(first, "protocol_error - [] | the first field line begins with white space (in phase ttfb)");
}

#[test]
fn forbidden_octets_are_refused() {
    let why = "protocol_error - [] | a field holds a forbidden octet (in phase ttfb)";
    check(b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok", why);
    check(b"HTTP/1.1 200 OK\r\nX-A: a\rContent-Length: 9\r\nContent-Length: 2\r\n\r\nok", why);
}

#[test]
fn switching_protocols_unasked_is_refused() {
    let why = "protocol_error - [] | the server switched protocols unasked (in phase ttfb)";
    check(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", why);
}

fn limited(fields: &str, limits: FetchLimits, expected: &str) {
    let server = Server::sends(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"));
    let response = fetch(with_limits(&server.url("/"), limits));
    let message = response.error.as_ref().map_or("", |error| &error.message);
    assert_eq!(format!("{} {message}", response.outcome), expected, "{fields:.40}");
}

#[test]
fn heads_over_a_limit_are_refused() {
    let long = "x".repeat(70_000);
    limited(&format!("X-A: {long}\r\n"), limits(), "too_large a line of the response head is too long");
    limited(&format!("{long}: a\r\n"), limits(), "too_large a line of the response head is too long");
    let wide = FetchLimits { head_line_bytes_max: 1 << 20, head_bytes_max: 1 << 20, ..limits() };
    limited(&format!("{long}: a\r\n"), wide.clone(), "too_large a field name is too long");
    limited(&format!("X-A: {long}{long}{long}\r\n"), wide, "ok ");
    limited(&"X-A: b\r\n".repeat(126), limits(), "ok ");
    limited(&"X-A: b\r\n".repeat(127), limits(), "too_large the response head has too many lines");
    let line = format!("X-A: {}\r\n", "y".repeat(10_000));
    limited(&line.repeat(7), limits(), "too_large the response head is too long");
}

#[test]
fn an_endless_head_is_refused() {
    let server = Server::run(|_| vec![send("HTTP/1.1 200 OK\r\n"), send("X-A: b\r\n".repeat(1 << 17))]);
    let response = fetch(get(&server.url("/")));
    assert_eq!(response.outcome.name(), "too_large");
}

#[test]
fn a_head_request_has_no_body_whatever_its_head_says() {
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked", "X: y"] {
        let server = Server::sends(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"));
        assert_eq!(told(&fetch(head(&server.url("/")))), "ok 200 []", "{framing}");
        assert!(server.heads().concat().starts_with("HEAD / HTTP/1.1\r\n"));
    }
}

#[test]
fn the_request_says_what_it_should_and_no_more() {
    let server = Server::sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let mut request = get(&server.url("/a?b"));
    request.headers = [("X-Own".into(), "1".into()), ("accept".into(), "text/plain".into())].into();
    assert_eq!(told(&fetch(request)), "ok 200 []");
    let seen = server.heads().concat();
    let mut lines: Vec<_> = seen.trim_end().lines().filter(|line| !line.starts_with("date: ")).collect();
    assert_eq!(lines.remove(0), "GET /a?b HTTP/1.1");
    lines.sort_unstable();
    let host = format!("host: {}", server.address);
    let expected = [
        "accept-encoding: gzip, deflate, br, zstd",
        "accept: text/plain",
        host.as_str(),
        "user-agent: dragline-test/1",
        "x-own: 1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_field_that_cannot_be_sent_is_named() {
    let server = Server::sends("");
    let check = |name: &str, value: &str, expected: &str| {
        let mut request = get(&server.url("/"));
        request.headers = [(name.into(), value.into())].into();
        assert_eq!(told(&fetch(request)), format!("invalid_url - [] | {expected} (in phase queue)"));
    };
    check("Host", "other.test", "the field \"Host\" is the transport's to set");
    check("Bad Name", "x", "the field \"Bad Name\" cannot be sent");
    check("X-A", "a\r\nb: c", "the field \"X-A\" cannot be sent");
    assert_eq!(server.connections(), 0);
}
