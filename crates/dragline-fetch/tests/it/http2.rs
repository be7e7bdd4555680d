//! HTTP/2 is spoken where both sides want it, with the outcomes and records of any other fetch.

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use dragline_core::CanonicalUrl;
use dragline_core::fetch::{
    AtCap, Certificates, FetchRequest, FetchResponse, HttpVersion, Method, RequestBody,
};
use dragline_fetch::{AwcTransport, Transport as _, TransportOptions};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::secure::certificate;
use crate::support::{
    Asked, Peer, Server, get, head, limits, options, send, told, with_limits, with_transport,
};

const HOST: &str = "a.site.test";

/// A server's configuration that speaks these protocols, and options of a client that trusts it and offers HTTP/2.
fn agreement(protocols: &[&str]) -> (Arc<ServerConfig>, TransportOptions) {
    let (certificate, key) = certificate(&[HOST], |_| {});
    let mut options = options();
    options.http2 = true;
    options.tls.extra_roots.push(certificate.clone());
    options.dns.hosts.insert(HOST.into(), vec!["127.0.0.1".parse().expect("an address")]);
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key is one");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the server can be set up");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    (Arc::new(config), options)
}

#[expect(clippy::disallowed_methods, reason = "what is spawned ends with the runtime of its test")]
fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> actix_rt::task::JoinHandle<T> {
    actix_rt::spawn(work)
}

/// Serves HTTP/2 on this arbiter; counts connections.
async fn serve(config: Arc<ServerConfig>) -> (SocketAddr, Rc<Cell<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Rc::new(Cell::new(0));
    let counted = Rc::clone(&connections);
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.set(counted.get() + 1);
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            spawn(async move {
                let Ok(peer) = acceptor.accept(stream).await else { return };
                let mut accepted = h2::server::handshake(peer).await.expect("a client of http/2");
                while let Some(Ok((request, respond))) = accepted.accept().await {
                    spawn(answer(request, respond));
                }
            });
        }
    });
    (address, connections)
}

/// Answers by the path.
async fn answer(mut request: http::Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let mut content = Vec::new();
    let body = request.body_mut();
    while let Some(Ok(chunk)) = body.data().await {
        content.extend_from_slice(&chunk);
    }
    let response = http::Response::builder();
    let (response, content) = match request.uri().path() {
        "/gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"unpacked").expect("memory takes everything");
            (response.header("content-encoding", "gzip"), encoder.finish().expect("as above"))
        }
        "/moved" => (response.status(302).header("location", "/there"), b"over there".to_vec()),
        "/missing" => (response.status(404), b"no such page".to_vec()),
        "/long" => (response, vec![b'x'; 50_000]),
        "/echo" => {
            let told = ["content-type", "user-agent", "host", "accept-encoding"].map(|name| {
                let value = request.headers().get(name).map_or("-", |value| value.to_str().unwrap_or("?"));
                value.to_owned()
            });
            let content = String::from_utf8_lossy(&content).into_owned();
            (response, format!("{} {} {content}", request.method(), told.join(" ")).into_bytes())
        }
        _ => (response.header("content-length", "2"), b"ok".to_vec()),
    };
    let response = response.body(()).expect("the fields are fields");
    if let Ok(mut stream) = respond.send_response(response, false) {
        // A client that has enough by now is none of our business.
        drop(stream.send_data(content.into(), true));
    }
}

fn url(address: SocketAddr, path: &str) -> CanonicalUrl {
    CanonicalUrl::parse(&format!("https://{HOST}:{}{path}", address.port())).expect("a URL")
}

/// Fetches once over HTTP/2, then `/` on the same connection; checks the first.
fn check(change: impl FnOnce(SocketAddr) -> FetchRequest, expected: &str) -> FetchResponse {
    let (config, options) = agreement(&["h2", "http/1.1"]);
    with_transport(options, async |transport: AwcTransport| {
        let (address, connections) = serve(config).await;
        let response = transport.fetch(FetchRequest { capture: true, ..change(address) }).await;
        assert_eq!(told(&response), expected);
        let again = transport.fetch(get(&url(address, "/"))).await;
        assert_eq!((told(&again).as_str(), again.reused, connections.get()), ("ok 200 [ok]", true, 1));
        assert_eq!(transport.connections().busy, 0);
        response
    })
}

#[test]
fn a_fetch_over_http2_has_the_outcomes_of_any_other() {
    let limited = |address, bytes, at_cap| {
        let mut limits = limits();
        limits.body_bytes_max = bytes;
        limits.at_cap = at_cap;
        with_limits(&url(address, "/long"), limits)
    };
    check(|address| get(&url(address, "/")), "ok 200 [ok]");
    check(|address| head(&url(address, "/")), "ok 200 []");
    check(|address| get(&url(address, "/gzip")), "ok 200 [unpacked]");
    check(|address| get(&url(address, "/moved")), "redirect 302 []");
    check(|address| get(&url(address, "/missing")), "http_error 404 [no such page]");
    let cap = "| the body received is over its cap of 10 bytes (in phase body)";
    check(|address| limited(address, 10, AtCap::Fail), &format!("too_large 200 [] {cap}"));
    check(|address| limited(address, 10, AtCap::Truncate), &format!("ok_truncated 200 [xxxxxxxxxx] {cap}"));
    check(
        |address| FetchRequest {
            method: Method::Put,
            body: RequestBody::form([("a", "1")]),
            ..get(&url(address, "/echo"))
        },
        "ok 200 [PUT application/x-www-form-urlencoded dragline-test/1 - gzip, deflate, br, zstd a=1]",
    );
}

#[test]
fn a_record_of_http2_says_so_and_holds_what_there_is() {
    let response = check(|address| get(&url(address, "/")), "ok 200 [ok]");
    assert_eq!(response.version, HttpVersion::Http2);
    assert_eq!(response.headers.raw().as_ref(), b"HTTP/2 200\r\ncontent-length: 2\r\n\r\n");
    assert_eq!(response.tls.as_ref().and_then(|tls| tls.alpn.as_deref()), Some("h2"));
    assert!(response.capture.is_none());
    assert!(!response.reused);
    let phases = response.phases;
    assert!(
        phases.connect.is_some() && phases.tls.is_some() && phases.ttfb.is_some() && phases.body.is_some()
    );
    assert_eq!(response.received_bytes, response.headers.raw().len() as u64 + 2);
    assert_eq!(response.body_wire_bytes, 2);
    assert!(response.sent_bytes > 50);
    assert!(response.peer.is_some());
}

/// Runs a server that speaks HTTP/1.1 only; returns it with options of a client that would rather speak HTTP/2.
fn http1_server() -> (Server, TransportOptions) {
    let (config, options) = agreement(&["http/1.1"]);
    let accept = move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Peer>)
    };
    let script = |_: &Asked| vec![send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")];
    (Server::run_on(Box::new(accept), script), options)
}

#[test]
fn a_host_that_speaks_http1_is_asked_once_and_not_dialled_twice_for_it() {
    let (server, options) = http1_server();
    with_transport(options, async |transport: AwcTransport| {
        let url = url(server.address, "/");
        let first = transport.fetch(get(&url)).await;
        assert_eq!((told(&first).as_str(), server.connections()), ("ok 200 [ok]", 1));
        assert_eq!((first.version, first.reused), (HttpVersion::Http1, false));
        assert!(first.phases.tls.is_some());
        let second = transport.fetch(get(&url)).await;
        assert_eq!((told(&second).as_str(), second.reused), ("ok 200 [ok]", true));
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn many_first_fetches_from_such_a_host_dial_no_more_than_they_use() {
    let (server, options) = http1_server();
    with_transport(options, async |transport: AwcTransport| {
        let url = url(server.address, "/");
        let many: Vec<_> = (0..10).map(|_| spawn(transport.fetch(get(&url)))).collect();
        for each in many {
            let response = each.await.expect("no fetch panics");
            assert_eq!(told(&response), "ok 200 [ok]");
        }
        assert_eq!(server.heads().len(), 10);
        assert!(server.connections() <= 10, "{}", server.connections());
    });
}

#[test]
fn many_fetches_share_the_dial_of_the_first() {
    let (config, options) = agreement(&["h2"]);
    with_transport(options, async |transport: AwcTransport| {
        let (address, connections) = serve(config).await;
        let many: Vec<_> = (0..100).map(|_| spawn(transport.fetch(get(&url(address, "/long"))))).collect();
        for each in many {
            let response = each.await.expect("no fetch panics");
            assert_eq!((response.outcome.name(), response.body.len()), ("ok", 50_000));
        }
        assert_eq!(connections.get(), 1);
        assert_eq!((transport.connections().opened_new, transport.connections().reused), (1, 99));
    });
}

#[test]
fn an_unverified_request_shares_no_connection_of_http2_with_verified_ones() {
    let (config, mut options) = agreement(&["h2"]);
    options.tls.extra_roots.clear();
    with_transport(options, async |transport: AwcTransport| {
        let (address, connections) = serve(config).await;
        let strict = get(&url(address, "/"));
        let lax = FetchRequest { certificates: Certificates::Unverified, ..strict.clone() };
        for reused in [false, true] {
            let response = transport.fetch(lax.clone()).await;
            assert_eq!((told(&response).as_str(), response.reused), ("ok 200 [ok]", reused));
            assert_eq!(response.version, HttpVersion::Http2);
            let tls = response.tls.expect("tls was spoken");
            assert_eq!(tls.unverified.as_deref(), Some("the certificate's issuer is unknown"));
            let refused = "tls_error - [] | tls failed: the certificate's issuer is unknown (in phase tls)";
            assert_eq!(told(&transport.fetch(strict.clone()).await), refused);
        }
        assert_eq!(connections.get(), 3);
    });
}
