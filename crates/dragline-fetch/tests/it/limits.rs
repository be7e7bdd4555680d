//! Every limit ends a fetch, and says which.

use std::time::Duration;

use dragline_core::fetch::{AtCap, FetchLimits, Phase};
use dragline_core::outcome::Outcome;
use dragline_core::rules::GuardRules;
use dragline_fetch::{AwcTransport, BodyBudget, Transport, TransportOptions};

use crate::support::{Act, Server, fetch, get, limits, options, send, told, with_limits, with_transport};

const SHORT: Duration = Duration::from_millis(300);
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";

fn check(acts: Vec<Act>, limits: FetchLimits, expected: &str) {
    let server = Server::run(move |_| acts.clone());
    assert_eq!(told(&fetch(with_limits(&server.url("/"), limits))), expected);
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let limits = FetchLimits { first_byte_timeout: SHORT, ..limits() };
    check(vec![Act::Hold], limits, "timeout - [] | the limit of 300ms passed (in phase ttfb)");
}

#[test]
fn a_body_that_stops_is_not_waited_for() {
    let limits = FetchLimits { idle_body_timeout: SHORT, ..limits() };
    let expected = "timeout 200 [] | the limit of 300ms passed (in phase body)";
    check(vec![send(HEAD), send("some"), Act::Hold], limits, expected);
}

#[test]
fn a_body_that_drips_ends_at_the_deadline() {
    let limits = FetchLimits { deadline: SHORT, idle_body_timeout: Duration::from_millis(200), ..limits() };
    let expected = "timeout 200 [] | the deadline of 300ms passed (in phase body)";
    check(vec![send(HEAD), Act::Drip], limits.clone(), expected);
    check(vec![send("HTTP/1.1 200 OK\r\n\r\n"), Act::Drip], limits, expected);
}

#[test]
fn a_head_that_drips_ends_at_the_deadline() {
    let limits = FetchLimits { deadline: SHORT, ..limits() };
    let expected = "timeout - [] | the deadline of 300ms passed (in phase ttfb)";
    check(vec![send("HTTP/1.1 200 OK\r\nX-A: "), Act::Drip], limits, expected);
}

#[test]
fn a_redirect_is_one_even_when_its_body_does_not_come() {
    let limits = FetchLimits { idle_body_timeout: SHORT, ..limits() };
    let head = "HTTP/1.1 301 Moved\r\nLocation: /new\r\nContent-Length: 10\r\n\r\n";
    check(vec![send(head), Act::Hold], limits, "redirect 301 []");
}

#[test]
fn a_body_over_its_cap_fails_or_is_cut() {
    let check = |head: &str, at_cap: AtCap, expected: &str| {
        let limits = FetchLimits { body_bytes_max: 4, at_cap, ..limits() };
        check(vec![send(format!("{head}\r\n\r\nabcdef")), Act::Close], limits, expected);
    };
    let known = "HTTP/1.1 200 OK\r\nContent-Length: 6";
    let open = "HTTP/1.1 200 OK\r\nServer: x";
    let over = "the body of 6 bytes is over its cap of 4 (in phase body)";
    let received = "the body received is over its cap of 4 bytes (in phase body)";
    check(known, AtCap::Fail, &format!("too_large 200 [] | {over}"));
    check(open, AtCap::Fail, &format!("too_large 200 [] | {received}"));
    check(known, AtCap::Truncate, &format!("ok_truncated 200 [abcd] | {received}"));
    check(open, AtCap::Truncate, &format!("ok_truncated 200 [abcd] | {received}"));
    let missing = "HTTP/1.1 404 No\r\nContent-Length: 6";
    check(missing, AtCap::Fail, &format!("http_error 404 [abcd] | {received}"));
}

#[test]
fn a_body_of_exactly_its_cap_is_whole() {
    let limits = FetchLimits { body_bytes_max: 4, ..limits() };
    check(vec![send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd")], limits.clone(), "ok 200 [abcd]");
    check(vec![send("HTTP/1.1 200 OK\r\n\r\nabcd"), Act::Close], limits, "ok 200 [abcd]");
}

#[test]
fn redirects_need_a_target() {
    let check = |head: &str, expected: &str| {
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: 2\r\n\r\nno");
        check(vec![send(head)], limits(), expected);
    };
    check("302 Found\r\nLocation: ../b c\u{e9}?d#e", "redirect 302 []");
    check("303 See Other\r\nLocation: //other.test/", "redirect 303 []");
    check("304 Not Modified\r\nLocation: /x", "ok 304 []");
    check("300 Choices", "ok 300 [no]");
    let unusable = |why: &str| format!("redirect_error 302 [] | {why} (in phase ttfb)");
    check("302 Found", &unusable("a redirect without location"));
    let scheme = "scheme \"ftp\" is not fetched (only http and https are)";
    check(
        "302 Found\r\nLocation: ftp://x/",
        &unusable(&format!("the location cannot be followed: {scheme}")),
    );
}

#[test]
fn loopback_is_refused_unless_it_was_opened() {
    let server = Server::sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let mut closed = TransportOptions { guard: GuardRules::default(), ..options() };
    closed.dns.hosts.insert("inside.test".into(), vec![server.address.ip()]);
    with_transport(closed, async |transport: AwcTransport| {
        for (host, shown) in [
            ("127.0.0.1", "127.0.0.1"),
            ("inside.test", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("169.254.169.254", "169.254.169.254"),
        ] {
            let response = transport.fetch(get(&server.url_as("http", host, "/"))).await;
            assert_eq!(response.outcome, Outcome::Blocked, "{host}");
            let error = response.error.unwrap();
            assert_eq!(error.phase, Phase::Connect);
            assert!(error.message.contains(shown), "{}", error.message);
        }
    });
    assert_eq!(server.connections(), 0);
}

#[test]
fn this_program_does_not_fetch_from_itself_whatever_is_opened() {
    let nothing = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (own, other) = (Server::run_everywhere(|_| vec![]), Server::sends(nothing));
    let mut open = options();
    open.guard.own_addresses = vec![own.address];
    open.guard.allow_networks = ["0.0.0.0/0", "::/0"].map(|network| network.parse().unwrap()).into();
    open.guard.allow_hosts = vec!["inside.test".into()];
    open.dns.hosts.insert("inside.test".into(), vec![other.address.ip()]);
    open.http2 = true;
    with_transport(open, async |transport: AwcTransport| {
        for host in ["127.0.0.1", "127.0.0.2", "0.0.0.0", "inside.test", "[::1]", "[::ffff:127.0.0.1]"] {
            for scheme in ["http", "https"] {
                let response = transport.fetch(get(&own.url_as(scheme, host, "/"))).await;
                assert_eq!(response.outcome, Outcome::Blocked, "{scheme} {host}");
                let error = response.error.unwrap();
                let expected = "is where this program itself serves, which nothing opens; exclude the URL";
                assert_eq!(error.phase, Phase::Connect);
                assert!(error.message.contains(expected), "{}", error.message);
            }
        }
        let response = transport.fetch(get(&other.url_as("http", "inside.test", "/"))).await;
        assert_eq!(response.outcome, Outcome::Ok);
    });
    assert_eq!(own.connections(), 0);
}

#[test]
fn a_connection_that_cannot_be_made_is_named() {
    // A socket that is bound and does not listen: nobody else can have its port, and the port refuses.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let mut options = options();
    options
        .dns
        .hosts
        .insert("gone.test".into(), vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()]);
    options.dns.hosts.insert("nowhere.test".into(), vec![]);
    with_transport(options, async |transport: AwcTransport| {
        let ask = async |host: &str| {
            let url = format!("http://{host}:{}/", address.port());
            told(&transport.fetch(get(&dragline_core::CanonicalUrl::parse(&url).unwrap())).await)
        };
        let port = address.port();
        let refused = format!(
            "connecting to 127.0.0.2:{port} failed: connection refused (the last of 2 addresses, all failed)"
        );
        assert_eq!(ask("gone.test").await, format!("connect_error - [] | {refused} (in phase connect)"));
        let unknown = "name resolution failed: the name has no address";
        assert_eq!(ask("nowhere.test").await, format!("dns_error - [] | {unknown} (in phase dns)"));
        assert_eq!(transport.dns().cached, 2);
    });
}

#[test]
fn addresses_are_tried_in_turn_and_only_those_that_are_allowed() {
    let server = Server::sends("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut options = options();
    let address = |text: &str| text.parse().unwrap();
    // Nothing listens on 127.0.0.2, and 10.0.0.1 must not be dialled.
    options.dns.hosts.insert("two.test".into(), vec![address("127.0.0.2"), address("127.0.0.1")]);
    options.dns.hosts.insert("mixed.test".into(), vec![address("10.0.0.1"), address("127.0.0.1")]);
    with_transport(options, async |transport: AwcTransport| {
        for host in ["two.test", "mixed.test"] {
            let response = transport.fetch(get(&server.url_as("http", host, "/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]", "{host}");
            assert_eq!(response.peer, Some(server.address));
        }
    });
}

#[test]
fn a_body_larger_than_the_whole_budget_is_read() {
    let body = "x".repeat(300_000);
    let server = Server::sends(format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{body}"));
    let bodies = std::sync::Arc::new(BodyBudget::new(1));
    let options = TransportOptions { bodies: bodies.clone(), ..options() };
    with_transport(options, async |transport: AwcTransport| {
        let response = transport.fetch(get(&server.url("/"))).await;
        assert_eq!((response.outcome, response.body.len()), (Outcome::Ok, 300_000));
        assert_eq!(bodies.in_use(), 300_000);
        assert!(bodies.exhausted());
        drop(response);
        assert_eq!(bodies.in_use(), 0);
    });
}

#[test]
fn the_clocks_of_a_fetch_stand_still_while_it_waits_for_memory() {
    let server = Server::run(|asked| match asked.path.as_str() {
        "/older" => vec![send(HEAD), send("x".repeat(60_000)), Act::Hold],
        _ => vec![send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
    });
    let bodies = std::sync::Arc::new(BodyBudget::new(50_000));
    let options = TransportOptions { bodies: bodies.clone(), ..options() };
    with_transport(options, async |transport: AwcTransport| {
        let long = FetchLimits { deadline: 3 * SHORT, ..limits() };
        let mut older = transport.fetch(with_limits(&server.url("/older"), long));
        // Until the older fetch holds all there is, and more.
        std::future::poll_fn(|cx| {
            assert!(older.as_mut().poll(cx).is_pending());
            if bodies.exhausted() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        let short = FetchLimits { deadline: SHORT, idle_body_timeout: SHORT, ..limits() };
        let younger = transport.fetch(with_limits(&server.url("/younger"), short));
        let (older, younger) = tokio::join!(older, younger);
        assert_eq!(older.outcome, Outcome::Timeout);
        assert_eq!(told(&younger), "ok 200 [ok]");
        assert!(younger.phases.total > SHORT, "{:?}", younger.phases.total);
        assert_eq!(bodies.in_use(), 2);
    });
}
