//! Names are resolved by name servers, remembered as long as these allow, and dialled at every address they have.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use dragline_core::CanonicalUrl;
use dragline_core::fetch::FetchLimits;
use dragline_fetch::{AwcTransport, ResolverKind, Transport, TransportOptions};

use crate::support::dns::{Dns, Told};
use crate::support::{Server, get, limits, options, send, told, with_limits, with_transport};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn asking(dns: &Dns) -> TransportOptions {
    let mut options = options();
    options.guard.allow_networks.push("::1/128".parse().expect("a network"));
    options.dns.resolver = ResolverKind::Hickory { servers: vec![dns.address] };
    options
}

/// Fetches once from a name that this server of names decides about; returns what came of it.
fn check(dns: &Dns, limits: FetchLimits, expected: &str) {
    let server = Server::sends_and_closes(OK);
    with_transport(asking(dns), async |transport: AwcTransport| {
        let url = server.url_as("http", "a.site.test", "/");
        assert_eq!(told(&transport.fetch(with_limits(&url, limits)).await), expected);
        let counts = transport.dns();
        assert_eq!(counts.cached, 0);
        assert_eq!(counts.resolved, u64::from(expected.starts_with("ok")));
    });
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[test]
fn a_name_is_asked_for_once_and_absolutely() {
    let dns = Dns::gives("127.0.0.1", 3_600);
    let server = Server::sends_and_closes(OK);
    with_transport(asking(&dns), async |transport: AwcTransport| {
        for _ in 0..3 {
            let response = transport.fetch(get(&server.url_as("http", "a.site.test", "/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]");
            assert!(response.phases.dns.is_some());
        }
        let counts = transport.dns();
        assert_eq!((counts.cached, counts.resolved, counts.failed), (2, 1, 0));
    });
    let asked = dns.asked("a.site.test");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_ne!(asked[0].six, asked[1].six);
}

#[test]
fn an_answer_is_forgotten_when_its_time_to_live_has_passed() {
    // 0 counts as 1 s.
    for ttl in [0, 1] {
        let dns = Dns::gives("127.0.0.1", ttl);
        let server = Server::sends_and_closes(OK);
        with_transport(asking(&dns), async |transport: AwcTransport| {
            let mut fetches = 0;
            while dns.asked("a.site.test").len() < 4 {
                let response = transport.fetch(get(&server.url_as("http", "a.site.test", "/"))).await;
                assert_eq!(told(&response), "ok 200 [ok]");
                fetches += 1;
            }
            assert!(fetches > 2);
            assert_eq!(transport.dns().resolved, 2);
        });
    }
}

#[test]
fn names_that_do_not_resolve_are_told_apart() {
    let failed = |words: &str| format!("dns_error - [] | name resolution failed: {words} (in phase dns)");
    check(&Dns::run(|_| Told::Code(3)), limits(), &failed("there is no such name"));
    check(&Dns::run(|_| Told::Code(0)), limits(), &failed("the name has no address"));
    let server_failed = failed("the name server failed: Server Failure");
    check(&Dns::run(|_| Told::Code(2)), limits(), &server_failed);
    let patient = FetchLimits { dns_timeout: Duration::from_secs(9), ..limits() };
    check(&Dns::run(|_| Told::Silence), patient, &failed("no name server answered in time"));
    let short = FetchLimits { dns_timeout: Duration::from_millis(300), ..limits() };
    let passed = "timeout - [] | the limit of 300ms passed (in phase dns)";
    check(&Dns::run(|_| Told::Silence), short, passed);
}

#[test]
fn a_name_that_does_not_resolve_is_remembered_for_a_moment() {
    let dns = Dns::run(|_| Told::Code(3));
    with_transport(asking(&dns), async |transport: AwcTransport| {
        let url = CanonicalUrl::parse("http://gone.site.test/").expect("a url");
        for _ in 0..3 {
            assert_eq!(transport.fetch(get(&url)).await.outcome.name(), "dns_error");
        }
        let counts = transport.dns();
        assert_eq!((counts.cached, counts.resolved, counts.failed), (2, 0, 1));
    });
}

#[test]
fn a_lost_packet_does_not_matter() {
    let dns = Dns::run(|question| match question.nth {
        1 => Told::Silence,
        _ => Told::Addresses(addresses(&["127.0.0.1"]), 60),
    });
    check(&dns, limits(), "ok 200 [ok]");
}

#[test]
fn a_family_without_an_answer_does_not_hold_the_other_up() {
    let dns = Dns::run(|question| match question.six {
        true => Told::Silence,
        false => Told::Addresses(addresses(&["127.0.0.1"]), 60),
    });
    let limits = FetchLimits { dns_timeout: Duration::from_secs(1), ..limits() };
    check(&dns, limits.clone(), "ok 200 [ok]");
    let dns = Dns::run(|question| match question.six {
        true => Told::Code(2),
        false => Told::Addresses(addresses(&["127.0.0.1"]), 60),
    });
    check(&dns, limits, "ok 200 [ok]");
}

#[test]
fn an_answer_that_does_not_fit_is_fetched_over_tcp() {
    let dns = Dns::run(|question| match question.tcp {
        true => Told::Addresses(addresses(&["127.0.0.1"]), 60),
        false => Told::Truncated,
    });
    check(&dns, limits(), "ok 200 [ok]");
    assert!(dns.asked("a.site.test").iter().any(|question| question.tcp));
}

#[test]
fn many_who_ask_for_a_name_at_a_time_share_one_look_up() {
    let dns = Dns::gives("127.0.0.1", 60);
    let server = Server::run(|_| vec![send(OK)]);
    with_transport(asking(&dns), async |transport: AwcTransport| {
        let fetches = (0..20).map(|_| transport.fetch(get(&server.url_as("http", "a.site.test", "/"))));
        let mut fetches: Vec<_> = fetches.collect();
        std::future::poll_fn(|cx| {
            fetches.retain_mut(|fetch| match fetch.as_mut().poll(cx) {
                std::task::Poll::Pending => true,
                std::task::Poll::Ready(response) => {
                    assert_eq!(told(&response), "ok 200 [ok]");
                    false
                }
            });
            if fetches.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    });
    assert_eq!(dns.asked("a.site.test").len(), 2);
}

#[test]
fn fixed_addresses_win_over_every_resolver() {
    let dns = Dns::gives("127.0.0.9", 60);
    let server = Server::sends_and_closes(OK);
    let mut options = asking(&dns);
    options.dns.hosts.insert("A.Site.Test".into(), addresses(&["127.0.0.1"]));
    with_transport(options, async |transport: AwcTransport| {
        for host in ["a.site.test", "a.site.test.", "A.SITE.test"] {
            let response = transport.fetch(get(&server.url_as("http", host, "/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]", "{host}");
        }
    });
    assert!(dns.asked("a.site.test").is_empty());
}

#[test]
fn addresses_that_a_name_server_gives_are_judged() {
    let server = Server::sends_and_closes(OK);
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254"] {
        let dns = Dns::gives(address, 60);
        let mut options = asking(&dns);
        options.guard.allow_networks.clear();
        with_transport(options, async |transport: AwcTransport| {
            let response = transport.fetch(get(&server.url_as("http", "a.site.test", "/"))).await;
            assert_eq!(response.outcome.name(), "blocked", "{address}");
        });
    }
    assert_eq!(server.connections(), 0);
}

/// Binds a listener that takes no further connection: its queue is full. The streams keep it so.
fn full(address: &str) -> (TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v6();
    let socket = if address.contains("::") { socket } else { tokio::net::TcpSocket::new_v4() };
    let socket = socket.expect("a socket");
    socket.bind(SocketAddr::new(address.parse().expect("an address"), 0)).expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let _entered = runtime.enter();
    let listener = socket.listen(0).and_then(tokio::net::TcpListener::into_std).expect("a listener");
    let peer = listener.local_addr().expect("an address");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&peer, Duration::from_millis(100)) {
        waiting.push(stream);
        assert!(waiting.len() < 50, "the queue does not fill");
    }
    (listener, waiting)
}

#[test]
fn an_address_that_does_not_answer_is_not_waited_for() {
    // The first address takes no connection, the second does; a port cannot be had twice, so it is tried for.
    for (dead, alive) in [("127.0.0.1", "127.0.0.2"), ("::1", "127.0.0.1"), ("127.0.0.1", "::1")] {
        let (server, held) = beside(dead, alive);
        let mut options = options();
        options.guard.allow_networks.push("::1/128".parse().expect("a network"));
        options.dns.hosts.insert("two.test".into(), addresses(&[dead, alive]));
        with_transport(options, async |transport: AwcTransport| {
            let response = transport.fetch(get(&server.url_as("http", "two.test", "/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]", "{dead} and {alive}");
            assert_eq!(response.peer, Some(server.address));
        });
        drop(held);
    }
}

/// Runs a server at `alive` on the port at which nothing is taken at `dead`.
fn beside(dead: &str, alive: &str) -> (Server, (TcpListener, Vec<TcpStream>)) {
    for _ in 0..20 {
        let held = full(dead);
        let port = held.0.local_addr().expect("an address").port();
        let at = SocketAddr::new(alive.parse().expect("an address"), port);
        if let Ok(listener) = TcpListener::bind(at) {
            return (Server::run_at(listener, |_| vec![send(OK)]), held);
        }
    }
    panic!("no port is free at both addresses");
}

#[test]
fn addresses_that_never_answer_are_named_when_time_is_up() {
    let held = full("127.0.0.1");
    let at = held.0.local_addr().expect("an address");
    let mut options = options();
    let dead = addresses(&["127.0.0.1"]);
    options.dns.hosts.insert("dead.test".into(), dead.clone());
    options.dns.hosts.insert("refused.test".into(), [addresses(&["127.0.0.2"]), dead].concat());
    with_transport(options, async |transport: AwcTransport| {
        for (host, tried) in [("dead.test", ""), ("refused.test", " (the last of 2 addresses, all failed)")] {
            let limits = FetchLimits { connect_timeout: Duration::from_millis(300), ..limits() };
            let url = CanonicalUrl::parse(&format!("http://{host}:{}/", at.port())).expect("a url");
            let response = transport.fetch(with_limits(&url, limits)).await;
            let expected =
                format!("timeout - [] | connecting to {at} failed: timed out{tried} (in phase connect)");
            assert_eq!(told(&response), expected);
        }
    });
    drop(held);
}

#[test]
fn the_families_of_addresses_are_both_dialled() {
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let server = Server::run_at(listener, |_| vec![send(OK)]);
    let mut options = options();
    options.guard.allow_networks.push("::1/128".parse().expect("a network"));
    options.dns.hosts.insert("two.test".into(), addresses(&["127.0.0.3", "127.0.0.4", "::1"]));
    with_transport(options, async |transport: AwcTransport| {
        for host in ["[::1]", "two.test"] {
            let response = transport.fetch(get(&server.url_as("http", host, "/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]", "{host}");
            assert_eq!(response.peer, Some(server.address));
        }
    });
}
