//! Connections are reused when that is safe, and only then.

#![expect(clippy::unwrap_used, reason = "a helper of tests: without the table there is nothing to count")]

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::task::Poll;

use dragline_core::CanonicalUrl;
use dragline_core::outcome::Outcome;
use dragline_fetch::{AwcTransport, Transport, TransportOptions};
use futures_util::future::join_all;

use crate::support::{Act, Server, fetch, get, head, options, send, told, with_transport};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Fetches `/first`, then `/`, and says how both ended and how many connections that took.
fn pair(first: &str, closes: bool) -> (String, String, usize) {
    let first = first.to_owned();
    let server = Server::run(move |asked| {
        if asked.path != "/first" {
            return vec![send(OK)];
        }
        let mut acts = vec![send(&first)];
        acts.extend(closes.then_some(Act::Close));
        acts
    });
    with_transport(options(), async |transport: AwcTransport| {
        let first = transport.fetch(get(&server.url("/first"))).await;
        let second = transport.fetch(get(&server.url("/"))).await;
        assert_eq!(second.reused, server.connections() == 1);
        (told(&first), told(&second), server.connections())
    })
}

fn check(first: &str, expected: &str, connections: usize) {
    let closes = first.starts_with("HTTP/1.1 200 close");
    assert_eq!(
        pair(first, closes),
        (expected.to_owned(), "ok 200 [ok]".to_owned(), connections),
        "{first:?}"
    );
}

#[test]
fn a_connection_serves_again_when_the_response_was_clean() {
    check(OK, "ok 200 [ok]", 1);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok 200 [ok]", 1);
    check("HTTP/1.1 204 No Content\r\n\r\n", "ok 204 []", 1);
    check("HTTP/1.1 304 Not Modified\r\n\r\n", "ok 304 []", 1);
    check("HTTP/1.1 103 Hi\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]", 1);
    check("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]", 1);
    check("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", "http_error 404 [no]", 1);
    check("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nthere", "redirect 302 []", 1);
}

#[test]
fn a_connection_never_serves_again_when_something_was_odd() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", "ok 200 [ok]", 2);
    let stuffed =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 299 stuffed\r\nContent-Length: 0\r\n\r\n";
    check(stuffed, "ok 200 [ok]", 2);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore", "ok 200 []", 2);
    check("HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n", "ok 204 []", 2);
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", "ok 304 []", 2);
    check("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "ok 304 []", 2);
    check("HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]", 2);
    check("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok 200 [ok]", 2);
    check("HTTP/1.1 200 close\r\n\r\nuntil close", "ok 200 [until close]", 2);
    let long =
        format!("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 70000\r\n\r\n{}", "x".repeat(70_000));
    check(&long, "redirect 302 []", 2);
}

#[test]
fn a_head_answer_with_a_body_ends_its_connection() {
    let server = Server::sends(OK);
    with_transport(options(), async |transport: AwcTransport| {
        assert_eq!(told(&transport.fetch(head(&server.url("/"))).await), "ok 200 []");
        assert_eq!(told(&transport.fetch(get(&server.url("/"))).await), "ok 200 [ok]");
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn a_kept_connection_found_dead_is_replaced_once() {
    // The second request on a connection is taken and not answered: the server had given up waiting.
    let server = Server::run(|asked| if asked.nth == 1 { vec![send(OK)] } else { vec![Act::Close] });
    with_transport(options(), async |transport: AwcTransport| {
        for connections in 1..=3 {
            let response = transport.fetch(get(&server.url("/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]");
            assert!(!response.reused);
            assert_eq!(server.connections(), connections);
        }
    });
    assert_eq!(server.heads().len(), 5);
}

#[test]
fn a_fresh_connection_that_dies_is_not_tried_again() {
    let server = Server::run(|_| vec![Act::Close]);
    assert_eq!(fetch(get(&server.url("/"))).outcome, Outcome::Incomplete);
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_answer_that_began_is_not_asked_for_again() {
    let half = "HTTP/1.1 200 OK\r\nContent-";
    let server = Server::run(move |asked| match asked.nth {
        1 => vec![send(OK)],
        _ => vec![send(half), Act::Close],
    });
    with_transport(options(), async |transport: AwcTransport| {
        assert_eq!(told(&transport.fetch(get(&server.url("/"))).await), "ok 200 [ok]");
        let second = transport.fetch(get(&server.url("/"))).await;
        assert_eq!(second.outcome, Outcome::Incomplete);
        assert!(second.reused);
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn connections_are_counted() {
    let server = Server::sends(OK);
    with_transport(options(), async |transport: AwcTransport| {
        for _ in 0..3 {
            let response = transport.fetch(get(&server.url("/"))).await;
            assert_eq!(response.peer, Some(server.address));
            assert_eq!(response.body_wire_bytes, 2);
            assert_eq!(response.received_bytes, OK.len() as u64);
            assert!(response.sent_bytes > 50);
            assert_eq!(response.phases.connect.is_some(), !response.reused);
            assert!(response.phases.ttfb.is_some() && response.phases.body.is_some());
        }
        let counts = transport.connections();
        assert_eq!((counts.busy, counts.idle, counts.opened_new, counts.reused), (0, 1, 1, 2));
        transport.tick();
        assert_eq!(transport.connections().idle, 1);
    });
}

#[test]
fn many_fetches_at_a_time_are_told_apart() {
    let server = Server::run(|asked| {
        let path = &asked.path;
        vec![send(format!(
            "HTTP/1.1 200 OK\r\nX-Path: {path}\r\nContent-Length: {}\r\n\r\n{path}",
            path.len()
        ))]
    });
    with_transport(options(), async |transport: AwcTransport| {
        for round in 0..3 {
            let paths: Vec<String> =
                (0..40).map(|number| format!("/{round}/{}", "x".repeat(number))).collect();
            let mut running: Vec<_> =
                paths.iter().map(|path| (path, transport.fetch(get(&server.url(path))))).collect();
            std::future::poll_fn(|cx| {
                running.retain_mut(|(path, fetch)| match fetch.as_mut().poll(cx) {
                    Poll::Pending => true,
                    Poll::Ready(response) => {
                        assert_eq!(told(&response), format!("ok 200 [{path}]"));
                        assert_eq!(response.headers.get_str("x-path"), Some(path.as_str()));
                        assert_eq!(response.reused, round > 0);
                        false
                    }
                });
                if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        let counts = transport.connections();
        assert_eq!((counts.busy, counts.idle, counts.opened_new, counts.reused), (0, 40, 40, 80));
    });
}

#[test]
fn a_dropped_fetch_closes_its_connection() {
    let server = Server::run(|_| vec![send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Act::Hold]);
    with_transport(options(), async |transport: AwcTransport| {
        let fetch = transport.fetch(get(&server.url("/")));
        let limit = std::time::Duration::from_millis(200);
        assert!(tokio::time::timeout(limit, fetch).await.is_err());
        let counts = transport.connections();
        assert_eq!((counts.busy, counts.idle), (0, 0));
    });
}

#[test]
fn ten_thousand_authorities_leave_few_sockets_behind() {
    const LANES: usize = 64;
    const AUTHORITIES: usize = 10_000;
    // Every address of 127/8 leads here.
    let server = Server::run_everywhere(|_| vec![send(OK)]);
    let options = TransportOptions { idle_max: LANES, ..options() };
    with_transport(options, async |transport: AwcTransport| {
        let next = Cell::new(0);
        let lane = async || {
            while next.get() < AUTHORITIES {
                let nth = next.replace(next.get() + 1);
                let host = Ipv4Addr::from_bits((127 << 24) + 256 + u32::try_from(nth).unwrap());
                let url = CanonicalUrl::parse(&format!("http://{host}:{}/", server.address.port())).unwrap();
                let response = transport.fetch(get(&url)).await;
                assert_eq!(told(&response), "ok 200 [ok]", "{host}");
                let counts = transport.connections();
                assert!(counts.busy <= LANES && counts.idle <= LANES, "{counts:?}");
            }
        };
        join_all((0..LANES).map(|_| lane())).await;
        assert_eq!(transport.connections().opened_new, AUTHORITIES as u64);
        let left = connections_to(server.address.port());
        assert!((1..=2 * LANES).contains(&left), "{left}");
    });
}

/// Counts the connections of this machine to a port.
fn connections_to(port: u16) -> usize {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let to_port = format!(":{port:04X}");
    let is_ours = |line: &&str| {
        let mut columns = line.split_whitespace().skip(2);
        columns.next().is_some_and(|remote| remote.ends_with(&to_port)) && columns.next() == Some(ESTABLISHED)
    };
    table.lines().filter(is_ours).count()
}
