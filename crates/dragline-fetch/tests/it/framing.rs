//! A response that is called fine is the response the server sent.

use crate::support::{Server, fetch, get, told};

fn check(sent: &str, expected: &str) {
    let server = Server::sends_and_closes(sent);
    let response = fetch(get(&server.url("/")));
    assert_eq!(told(&response), expected, "{sent:?}");
}

#[test]
fn whole_bodies_are_read_whatever_their_framing() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "ok 200 [hello]");
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "ok 200 []");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "ok 200 [hello]");
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nhe\r\n003 \r\nllo\r\n0\r\nX: y\r\nZ: \r\n\r\n",
        "ok 200 [hello]",
    );
    check("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", "ok 200 [hello]");
    check("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5;a\nhello\n0\nX: y\n\n", "ok 200 [hello]");
    check("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil close", "ok 200 [until close]");
    check("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nuntil close", "ok 200 [until close]");
    check("HTTP/1.0 200 OK\r\n\r\nuntil close", "ok 200 [until close]");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nuntil close", "ok 200 [until close]");
    check("HTTP/1.1 200 OK\r\n\r\n", "ok 200 []");
}

#[test]
fn a_body_cut_short_is_never_fine() {
    let cut = "the connection ended before the body did (in phase body)";
    check("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly-part", &format!("incomplete 200 [] | {cut}"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for rest in ["", "5", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "0\r\nX: y\r\n"]
    {
        check(&format!("{chunked}{rest}"), &format!("incomplete 200 [] | {cut}"));
    }
}

#[test]
fn contradictions_are_refused() {
    let broken = |head: &str, why: &str| {
        let sent = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        check(&sent, &format!("protocol_error - [] | {why} (in phase ttfb)"));
    };
    let both = "both content-length and transfer-encoding are given";
    broken("Content-Length: 2\r\nTransfer-Encoding: chunked", both);
    broken("Content-Length: 2\r\nContent-Length: 3", "content-length is given twice and differs");
    broken("Content-Length: 2, 3", "content-length is given twice and differs");
    broken("Content-Length: +2", "content-length is not a number");
    broken("Content-Length:", "content-length is not a number");
    broken("Content-Length: 99999999999999999999999", "content-length is not a number");
    broken("Transfer-Encoding: gzip, chunked", "the transfer coding is unknown");
    broken("Transfer-Encoding: chunked, chunked", "chunked is given twice");
}

#[test]
fn broken_chunks_are_refused() {
    let broken = |chunks: &str, why: &str| {
        let sent = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let server = Server::sends_and_closes(&sent);
        let response = fetch(get(&server.url("/")));
        assert_eq!(response.outcome.name(), "protocol_error", "{chunks:.40}");
        assert_eq!(response.error.unwrap().message, why, "{chunks:.40}");
    };
    for chunks in ["zz\r\n", "\r\n", "-1\r\nx", "5\r\nhelloo\r\n", "11111111111111111\r\nx", "1 1\r\nx"] {
        broken(chunks, "the chunked coding is broken");
    }
    broken(&format!("1;{}\r\nx", "e".repeat(5_000)), "the chunked coding passes a limit");
    broken(&format!("0\r\n{}", "T: x\r\n".repeat(2_000)), "the chunked coding passes a limit");
}

#[test]
fn what_is_no_http_is_refused() {
    let not_http = "protocol_error - [] | the answer is not http/1 (in phase ttfb)";
    check("<html>http 0.9</html>", not_http);
    check("HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", not_http);
    check("SSH-2.0-OpenSSH\r\n", not_http);
    let malformed = "protocol_error - [] | the status line is malformed (in phase ttfb)";
    check("HTTP/1.1 2x0 OK\r\n\r\n", malformed);
    check("HTTP/1.1 099 Low\r\n\r\n", malformed);
    check("HTTP/1.1 2000 OK\r\n\r\n", malformed);
    let gone = "incomplete - [] | the connection ended before the response head (in phase ttfb)";
    check("", gone);
    check("HTTP/1.1 200 OK\r\nContent-Le", gone);
}
