//! Targets are reached through proxies, and whose fault it is when they are not is told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline_core::CanonicalUrl;
use dragline_core::fetch::FetchLimits;
use dragline_core::pattern::Pattern;
use dragline_fetch::{
    AwcTransport, Names, PlainHttp, ProxyOptions, ProxyRule, ProxyScheme, Secret, Transport,
    TransportOptions, TransportSetupError,
};

use crate::secure::{Tls, certificate};
use crate::support::{Act, Peer, Server, get, limits, options, send, told, with_limits, with_transport};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CONSENT: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// What a proxy was asked, one line for every connection.
type Log = Arc<Mutex<Vec<String>>>;

/// How a SOCKS5 proxy answers.
#[derive(Clone, Copy)]
struct Socks {
    method: u8,
    authentication: u8,
    reply: u8,
}

const SOCKS: Socks = Socks { method: 0, authentication: 0, reply: 0 };

/// A proxy that plays the targets behind it as well.
struct Proxy {
    server: Server,
    scheme: ProxyScheme,
    log: Log,
}

impl Proxy {
    fn run(
        scheme: ProxyScheme,
        tls: Option<Tls>,
        hear: impl Fn(&mut TcpStream) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let log = Log::default();
        let noted = Arc::clone(&log);
        let accept = move |mut stream: TcpStream| -> Option<Box<dyn Peer>> {
            noted.lock().ok()?.push(hear(&mut stream)?);
            match &tls {
                Some(tls) => tls.accept(stream),
                None => Some(Box::new(stream)),
            }
        };
        let server = Server::run_on(Box::new(accept), |_| vec![send(OK)]);
        Self { server, scheme, log }
    }

    /// An HTTP proxy that answers so.
    fn http(answer: &'static str, tls: Option<Tls>) -> Self {
        Self::run(ProxyScheme::Http, tls, move |stream| {
            let mut head = Vec::new();
            let mut octet = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut octet).ok()?;
                head.push(octet[0]);
            }
            stream.write_all(answer.as_bytes()).ok()?;
            let lines: Vec<String> = String::from_utf8(head).ok()?.lines().map(str::to_owned).collect();
            answer.starts_with("HTTP/1.1 200").then(|| lines.join("|"))
        })
    }

    /// A SOCKS5 proxy that answers so.
    fn socks(socks: Socks, tls: Option<Tls>) -> Self {
        Self::run(ProxyScheme::Socks5, tls, move |stream| hear_socks(socks, stream))
    }

    fn options(&self) -> ProxyOptions {
        proxy(self.server.address, self.scheme)
    }

    fn asked(&self) -> Vec<String> {
        self.log.lock().expect("nobody panicked").clone()
    }
}

/// Hears a client of SOCKS5 out; `None` closes the connection.
fn hear_socks(socks: Socks, stream: &mut TcpStream) -> Option<String> {
    let mut said = String::new();
    let [_, methods] = read(stream)?;
    stream.read_exact(&mut vec![0; methods.into()]).ok()?;
    stream.write_all(&[5, socks.method]).ok()?;
    if socks.method == 2 {
        let [_, len] = read(stream)?;
        let user = read_text(stream, len.into())?;
        let [len] = read(stream)?;
        said = format!("{user}/{}@", read_text(stream, len.into())?);
        stream.write_all(&[1, socks.authentication]).ok()?;
    }
    let [_, _, _, kind] = read(stream)?;
    let host = match kind {
        1 => Ipv4Addr::from(read::<4>(stream)?).to_string(),
        4 => std::net::Ipv6Addr::from(read::<16>(stream)?).to_string(),
        _ => {
            let [len] = read(stream)?;
            read_text(stream, len.into())?
        }
    };
    let port = u16::from_be_bytes(read(stream)?);
    stream.write_all(&[5, socks.reply, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    (socks.reply == 0).then(|| format!("{said}{host} {port}"))
}

fn read<const LEN: usize>(stream: &mut TcpStream) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    stream.read_exact(&mut bytes).ok().map(|()| bytes)
}

fn read_text(stream: &mut TcpStream, len: usize) -> Option<String> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

fn proxy(address: SocketAddr, scheme: ProxyScheme) -> ProxyOptions {
    ProxyOptions {
        name: "the proxy".into(),
        scheme,
        host: address.ip().to_string(),
        port: address.port(),
        credentials: None,
        plain_http: PlainHttp::Tunnel,
        names: Names::ResolvedHere,
    }
}

fn through(proxies: impl IntoIterator<Item = ProxyOptions>) -> TransportOptions {
    let mut options = options();
    options.proxies.extend(proxies);
    options.dns.hosts.insert("a.site.test".into(), vec![Ipv4Addr::LOCALHOST.into()]);
    options
}

/// Fetches a URL and says what came of it.
fn ask(options: TransportOptions, url: &str) -> String {
    let url = CanonicalUrl::parse(url).expect("a url");
    let limits = FetchLimits { connect_timeout: Duration::from_secs(1), ..limits() };
    with_transport(options, async |transport: AwcTransport| {
        told(&transport.fetch(with_limits(&url, limits)).await)
    })
}

fn check(proxy: &ProxyOptions, expected: &str) {
    let fault = match expected {
        "ok" => "ok 200 [ok]".to_owned(),
        _ => {
            let (outcome, words) = expected.split_once(' ').expect("an outcome and words");
            format!("{outcome} - [] | proxy \"the proxy\": {words} (in phase connect)")
        }
    };
    assert_eq!(ask(through([proxy.clone()]), "http://a.site.test:8080/"), fault);
}

#[test]
fn targets_are_reached_by_checked_address_and_connections_serve_again() {
    for (proxy, expected) in [
        (Proxy::http(CONSENT, None), "CONNECT 127.0.0.1:8080 HTTP/1.1|Host: 127.0.0.1:8080|"),
        (Proxy::socks(SOCKS, None), "127.0.0.1 8080"),
    ] {
        with_transport(through([proxy.options()]), async |transport: AwcTransport| {
            for nth in 1..=2 {
                let url = CanonicalUrl::parse("http://a.site.test:8080/").expect("a url");
                let response = transport.fetch(get(&url)).await;
                assert_eq!(told(&response), "ok 200 [ok]");
                assert_eq!(response.reused, nth == 2);
                assert_eq!(response.proxy.as_deref(), Some("the proxy"));
                assert_eq!(response.peer, Some(proxy.server.address));
            }
        });
        assert_eq!(proxy.asked(), [expected]);
        assert!(proxy.server.heads().iter().all(|head| head.starts_with("GET / HTTP/1.1\r\n")));
        assert!(proxy.server.heads().iter().all(|head| head.contains("host: a.site.test:8080\r\n")));
    }
}

#[test]
fn ipv6_targets_are_asked_for_in_brackets() {
    for (proxy, expected) in [
        (Proxy::http(CONSENT, None), "CONNECT [::1]:8080 HTTP/1.1|Host: [::1]:8080|"),
        (Proxy::socks(SOCKS, None), "::1 8080"),
    ] {
        let mut options = through([proxy.options()]);
        options.guard.allow_networks.push("::1/128".parse().expect("a network"));
        assert_eq!(ask(options, "http://[::1]:8080/"), "ok 200 [ok]");
        assert_eq!(proxy.asked(), [expected]);
    }
}

#[test]
fn tls_is_spoken_with_the_target_not_with_the_proxy() {
    let good = || certificate(&["a.site.test"], |_| {});
    let expired =
        || certificate(&["a.site.test"], |params| params.not_after = rcgen::date_time_ymd(2002, 1, 1));
    type Run = fn(Tls) -> Proxy;
    let runs: [Run; 2] = [|tls| Proxy::http(CONSENT, Some(tls)), |tls| Proxy::socks(SOCKS, Some(tls))];
    for run in runs {
        for (certificate, expected) in [
            (good(), "ok 200 [ok]"),
            (expired(), "tls_error - [] | tls failed: the certificate has expired (in phase tls)"),
        ] {
            let root = certificate.0.clone();
            let proxy = run(Tls::new(certificate));
            let mut options = through([proxy.options()]);
            options.tls.extra_roots.push(root);
            assert_eq!(ask(options, "https://a.site.test:8443/"), expected);
        }
    }
}

#[test]
fn credentials_are_shown_at_once() {
    let credentials = Some(("me".to_owned(), Secret::new("pass word")));
    let http = Proxy::http(CONSENT, None);
    check(&ProxyOptions { credentials: credentials.clone(), ..http.options() }, "ok");
    assert!(http.asked()[0].contains("|Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk|"), "{:?}", http.asked());
    let socks = Proxy::socks(Socks { method: 2, ..SOCKS }, None);
    check(&ProxyOptions { credentials, ..socks.options() }, "ok");
    assert_eq!(socks.asked(), ["me/pass word@127.0.0.1 8080"]);
}

#[test]
fn faults_of_the_proxy_and_of_the_target_are_told_apart() {
    let wants = |reply: &str| format!("proxy_error it wants other credentials ({reply})");
    for (answer, expected) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", wants("status 407").as_str()),
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", wants("status 401").as_str()),
        ("HTTP/1.1 403 Filtered\r\n\r\n", "proxy_error it refuses (status 403)"),
        ("HTTP/1.1 500 Unable to connect\r\n\r\n", "connect_error it cannot reach the target (status 500)"),
        (
            "HTTP/1.1 502 Bad\r\nProxy-Status: x; error=dns_error\r\n\r\n",
            "dns_error it cannot resolve the target's name (status 502)",
        ),
        ("SSH-2.0-x\r\n", "proxy_error protocol error: its answer is not http/1"),
        ("", "proxy_error protocol error: it closed the connection before it answered"),
        (
            "HTTP/1.1 200 ok\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse",
            "proxy_error protocol error: it sent bytes behind its consent",
        ),
    ] {
        check(&Proxy::http(answer, None).options(), expected);
    }
    for (socks, expected) in [
        (Socks { method: 255, ..SOCKS }, wants("reply 255").as_str()),
        (Socks { method: 2, ..SOCKS }, wants("reply 2").as_str()),
        (Socks { reply: 1, ..SOCKS }, "connect_error it cannot reach the target (reply 1)"),
        (Socks { reply: 2, ..SOCKS }, "proxy_error it refuses (reply 2)"),
        (Socks { reply: 3, ..SOCKS }, "connect_error it cannot reach the target (reply 3)"),
        (Socks { reply: 4, ..SOCKS }, "connect_error it cannot reach the target (reply 4)"),
        (Socks { reply: 5, ..SOCKS }, "connect_error it cannot reach the target (reply 5)"),
        (Socks { reply: 99, ..SOCKS }, "proxy_error protocol error: its reply is unknown"),
    ] {
        check(&Proxy::socks(socks, None).options(), expected);
    }
    let wrong = Proxy::socks(Socks { method: 2, authentication: 2, ..SOCKS }, None);
    let credentials = Some(("me".to_owned(), Secret::new("wrong")));
    check(&ProxyOptions { credentials, ..wrong.options() }, &wants("reply 2"));
    let other = Proxy::http("HTTP/1.1 400 Bad Request\r\n\r\n", None);
    check(&proxy(other.server.address, ProxyScheme::Http), "proxy_error it refuses (status 400)");
}

#[test]
fn a_proxy_that_is_down_or_silent_is_at_fault() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let down = socket.local_addr().expect("an address");
    let silent = Server::run_on(
        Box::new(|mut stream| {
            while stream.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
            None
        }),
        |_| Vec::<Act>::new(),
    );
    for scheme in [ProxyScheme::Http, ProxyScheme::Socks5] {
        check(&proxy(down, scheme), &format!("proxy_error connecting to {down} failed: connection refused"));
        check(&proxy(silent.address, scheme), "proxy_error it did not connect us within 800ms");
    }
    let unknown = ProxyOptions { host: "nowhere.test".into(), ..proxy(down, ProxyScheme::Http) };
    let mut options = through([unknown]);
    options.dns.hosts.insert("nowhere.test".into(), vec![]);
    let expected = "proxy_error - [] | proxy \"the proxy\": its name does not resolve: the name has no address (in phase connect)";
    assert_eq!(ask(options, "http://a.site.test/"), expected);
}

#[test]
fn the_guard_judges_targets_and_not_the_proxy() {
    for names in [Names::ResolvedHere, Names::ResolvedByProxy] {
        for proxy in [Proxy::http(CONSENT, None), Proxy::socks(SOCKS, None)] {
            let mut options = through([ProxyOptions { names, ..proxy.options() }]);
            options.guard.allow_networks.clear();
            options.dns.hosts.insert("8.site.test".into(), vec![Ipv4Addr::new(8, 8, 8, 8).into()]);
            let localhost = vec![Ipv4Addr::LOCALHOST.into()];
            if names == Names::ResolvedHere {
                options.dns.hosts.insert("localhost".into(), localhost.clone());
                options.dns.hosts.insert("b.localhost".into(), localhost);
            }
            for host in [
                "127.0.0.1",
                "2130706433",
                "[::1]",
                "[::ffff:10.0.0.1]",
                "169.254.169.254",
                "localhost",
                "b.localhost",
                "a.site.test",
            ] {
                let told = ask(options.clone(), &format!("http://{host}/"));
                assert!(told.starts_with("blocked - "), "{host}: {told}");
            }
            assert_eq!(proxy.server.connections(), 0);
            assert_eq!(ask(options, "http://8.site.test/"), "ok 200 [ok]");
        }
    }
}

#[test]
fn a_proxy_is_not_asked_for_where_this_program_itself_serves() {
    for names in [Names::ResolvedHere, Names::ResolvedByProxy] {
        for proxy in [Proxy::http(CONSENT, None), Proxy::socks(SOCKS, None)] {
            let mut options = through([ProxyOptions { names, ..proxy.options() }]);
            options.guard.own_addresses =
                ["0.0.0.0:8080", "[::1]:8081"].map(|own| own.parse().expect("an address")).into();
            if names == Names::ResolvedHere {
                let both = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
                options.dns.hosts.insert("localhost".into(), both);
            }
            for host in ["127.0.0.1:8080", "127.0.0.2:8080", "localhost:8080"] {
                let told = ask(options.clone(), &format!("http://{host}/"));
                assert!(told.contains("is where this program itself serves"), "{host}: {told}");
            }
            let told = ask(options.clone(), "http://localhost:8081/");
            // Resolved here, the name has another address that may be asked for.
            assert_eq!(told.starts_with("blocked - "), names == Names::ResolvedByProxy, "{told}");
            assert_eq!(ask(options, "http://localhost:8082/"), "ok 200 [ok]");
        }
    }
}

#[test]
fn names_are_left_to_the_proxy_when_the_operator_says_so() {
    for (proxy, expected) in [
        (Proxy::http(CONSENT, None), "CONNECT far.site.test:80 HTTP/1.1|Host: far.site.test:80|"),
        (Proxy::socks(SOCKS, None), "far.site.test 80"),
    ] {
        let options = through([ProxyOptions { names: Names::ResolvedByProxy, ..proxy.options() }]);
        with_transport(options, async |transport: AwcTransport| {
            let url = CanonicalUrl::parse("http://far.site.test/").expect("a url");
            assert_eq!(told(&transport.fetch(get(&url)).await), "ok 200 [ok]");
            assert_eq!(transport.dns(), Default::default());
        });
        assert_eq!(proxy.asked(), [expected]);
    }
}

#[test]
fn plain_requests_are_put_in_absolute_form_when_the_operator_says_so() {
    let server = Server::sends(OK);
    let credentials = Some(("me".to_owned(), Secret::new("pw")));
    let plain_http = PlainHttp::AbsoluteForm;
    let options = ProxyOptions { plain_http, credentials, ..proxy(server.address, ProxyScheme::Http) };
    with_transport(through([options]), async |transport: AwcTransport| {
        for (nth, url) in ["http://a.site.test:8080/x?y=z", "http://a.site.test:8080/", "http://a.site.test/"]
            .iter()
            .enumerate()
        {
            let response = transport.fetch(get(&CanonicalUrl::parse(url).expect("a url"))).await;
            assert_eq!(told(&response), "ok 200 [ok]");
            assert_eq!(response.reused, nth == 1);
            let heads = server.heads();
            let lines: Vec<&str> = heads[nth].lines().collect();
            assert_eq!(lines[0], format!("GET {url} HTTP/1.1"));
            assert_eq!(lines[1], "proxy-authorization: Basic bWU6cHc=");
        }
    });
}

#[test]
fn a_proxy_that_wants_other_credentials_for_plain_requests_is_at_fault() {
    let server = Server::sends("HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno");
    let plain_http = PlainHttp::AbsoluteForm;
    let faulty = ProxyOptions { plain_http, ..proxy(server.address, ProxyScheme::Http) };
    let good = Proxy::http(CONSENT, None);
    let options = through([faulty, ProxyOptions { name: "good".into(), ..good.options() }]);
    let refused =
        "proxy_error 407 [] | proxy \"the proxy\": it wants other credentials (status 407) (in phase ttfb)";
    with_transport(options, async |transport: AwcTransport| {
        let url = CanonicalUrl::parse("http://a.site.test/").expect("a url");
        for expected in [refused, "ok 200 [ok]", "ok 200 [ok]"] {
            assert_eq!(told(&transport.fetch(get(&url)).await), expected);
        }
    });
}

#[test]
fn a_proxy_may_have_a_name_and_an_ipv6_address() {
    let listener = TcpListener::bind("[::1]:0").expect("a port");
    let server = Server::run_at(listener, |_| vec![send(OK)]);
    let plain_http = PlainHttp::AbsoluteForm;
    let options = ProxyOptions { plain_http, ..proxy(server.address, ProxyScheme::Http) };
    for host in ["proxy.test", "::1", "[::1]"] {
        let mut options = through([ProxyOptions { host: host.into(), ..options.clone() }]);
        options.dns.hosts.insert("proxy.test".into(), vec![server.address.ip()]);
        assert_eq!(ask(options, "http://a.site.test/"), "ok 200 [ok]", "{host}");
    }
}

#[test]
fn proxies_take_turns_and_rest_after_a_fault() {
    let (one, two) = (Proxy::http(CONSENT, None), Proxy::http(CONSENT, None));
    let faulty = Proxy::http("HTTP/1.1 403 No\r\n\r\n", None);
    let direct = Server::sends(OK);
    let mut options = through([
        ProxyOptions { name: "one".into(), ..one.options() },
        ProxyOptions { name: "two".into(), ..two.options() },
        ProxyOptions { name: "faulty".into(), ..faulty.options() },
    ]);
    let rule = |host: &str, proxies: &[usize]| ProxyRule {
        hosts: vec![Pattern::new(host)],
        proxies: proxies.to_vec(),
    };
    options.proxy_rules = vec![rule("127.0.0.1", &[]), rule("turns.*", &[0, 1]), rule("rests.*", &[2, 0])];
    for host in ["turns.site.test", "rests.site.test"] {
        options.dns.hosts.insert(host.into(), vec![Ipv4Addr::LOCALHOST.into()]);
    }
    with_transport(options, async |transport: AwcTransport| {
        let ask = async |url: &str| {
            let response = transport.fetch(get(&CanonicalUrl::parse(url).expect("a url"))).await;
            format!("{} {}", response.outcome, response.proxy.as_deref().unwrap_or("-"))
        };
        for expected in ["ok one", "ok two", "ok one", "ok two"] {
            assert_eq!(ask("http://turns.site.test/").await, expected);
        }
        // Faults are said without a connection, so without the proxy's name.
        assert_eq!(ask("http://rests.site.test/").await, "proxy_error faulty");
        assert_eq!(ask("http://rests.site.test/").await, "ok one");
        assert_eq!(ask("http://rests.site.test/").await, "ok one");
        assert_eq!(ask(direct.url("/").as_str()).await, "ok -");
        assert_eq!(ask("http://127.0.0.1.site.test/").await.split(' ').nth(1), Some("-"));
    });
}

#[test]
fn proxies_that_cannot_be_used_are_named_beforehand() {
    let check = |change: fn(&mut ProxyOptions), expected: &str| {
        let mut options = proxy("127.0.0.1:1".parse().expect("an address"), ProxyScheme::Http);
        change(&mut options);
        let error = dragline_fetch::AwcTransportFactory::new(through([options])).expect_err(expected);
        assert!(matches!(error, TransportSetupError::Proxy(..)));
        assert_eq!(error.to_string(), format!("proxy \"the proxy\" cannot be used: {expected}"));
    };
    check(|proxy| proxy.host.clear(), "it needs a host and a port");
    check(|proxy| proxy.port = 0, "it needs a host and a port");
    check(
        |proxy| proxy.credentials = Some(("a:b".into(), Secret::new("c"))),
        "its user name holds a colon, which Basic cannot carry",
    );
    check(
        |proxy| proxy.credentials = Some(("a".into(), Secret::new("c\r\nX: y"))),
        "its credentials hold control characters",
    );
    check(
        |proxy| {
            proxy.scheme = ProxyScheme::Socks5;
            proxy.plain_http = PlainHttp::AbsoluteForm;
        },
        "socks5 has no absolute form",
    );
    check(
        |proxy| {
            proxy.scheme = ProxyScheme::Socks5;
            proxy.credentials = Some(("x".repeat(256), Secret::new("c")));
        },
        "socks5 takes a user name of 1 to 255 bytes and a password of up to 255",
    );
}
