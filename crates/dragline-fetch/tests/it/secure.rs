//! TLS is spoken, and its failures are told apart.

use std::net::TcpStream;
use std::sync::Arc;

use dragline_fetch::{AwcTransport, CertificateDer, Transport, TransportOptions};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Act, Asked, Peer, Server, get, options, send, told, with_transport};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

impl Peer for StreamOwned<ServerConnection, TcpStream> {
    fn bye(&mut self) -> bool {
        self.conn.send_close_notify();
        std::io::Write::flush(self).is_ok()
    }
}

/// Makes a self-signed certificate for `names`, changed by `change`.
fn certificate(
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateDer<'static>, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are names");
    change(&mut params);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.self_signed(&key).expect("a certificate can be signed");
    (certificate.der().clone(), key)
}

/// Runs a TLS server; returns it with its certificate.
fn server(
    (certificate, key): (CertificateDer<'static>, KeyPair),
    script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
) -> Server {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key is one");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .expect("the server can be set up");
    let config = Arc::new(config);
    let accept = move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Peer>)
    };
    Server::run_on(Box::new(accept), script)
}

fn trusting(root: &CertificateDer<'static>) -> TransportOptions {
    let mut options = options();
    options.tls.extra_roots.push(root.clone());
    for name in ["a.site.test", "b.site.test"] {
        options.dns.hosts.insert(name.into(), vec!["127.0.0.1".parse().expect("an address")]);
    }
    options
}

/// Fetches from a server whose certificate is trusted and right.
fn check(acts: Vec<Act>, expected: &str) {
    let certificate = certificate(&["a.site.test"], |_| {});
    let options = trusting(&certificate.0);
    let server = server(certificate, move |_| acts.clone());
    with_transport(options, async |transport: AwcTransport| {
        let response = transport.fetch(get(&server.url_as("https", "a.site.test", "/"))).await;
        assert_eq!(told(&response), expected);
        assert!(response.phases.tls.is_some() && response.phases.dns.is_some());
    });
    let host = format!("host: a.site.test:{}\r\n", server.address.port());
    assert!(server.heads().concat().contains(&host));
}

#[test]
fn responses_are_repaired_over_tls_as_well() {
    check(vec![send(OK)], "ok 200 [ok]");
    let open = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nuntil close";
    check(vec![send(open), Act::Bye, Act::Close], "ok 200 [until close]");
    check(vec![send(open), Act::Close], "ok 200 [until close]");
    check(vec![send("HTTP/1.1 103 Hi\r\n\r\n"), send(OK)], "ok 200 [ok]");
    let cut = "incomplete 200 [] | the connection ended before the body did (in phase body)";
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort";
    check(vec![send(long), Act::Close], cut);
    check(vec![send(long), Act::Bye, Act::Close], cut);
    let gone = "incomplete - [] | the connection ended before the response head (in phase ttfb)";
    check(vec![Act::Close], gone);
}

#[test]
fn a_tls_connection_serves_again_and_is_kept_apart_from_plain_ones() {
    let certificate = certificate(&["127.0.0.1"], |_| {});
    let options = trusting(&certificate.0);
    let server = server(certificate, |_| vec![send(OK)]);
    with_transport(options, async |transport: AwcTransport| {
        let url = server.url_as("https", "127.0.0.1", "/");
        assert!(!transport.fetch(get(&url)).await.reused);
        let second = transport.fetch(get(&url)).await;
        assert_eq!((told(&second).as_str(), second.reused), ("ok 200 [ok]", true));
        let plain = transport.fetch(get(&server.url("/"))).await;
        assert_ne!(plain.outcome.name(), "ok");
        assert!(!plain.reused);
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Trust {
    Issuer,
    Nobody,
}

fn refused(made: (CertificateDer<'static>, KeyPair), trust: Trust, url_host: &str, expected: &str) {
    let mut options = trusting(&made.0);
    if trust == Trust::Nobody {
        options.tls.extra_roots.clear();
    }
    let server = server(made, |_| vec![send(OK)]);
    with_transport(options, async |transport: AwcTransport| {
        let response = transport.fetch(get(&server.url_as("https", url_host, "/"))).await;
        assert_eq!(told(&response), format!("tls_error - [] | tls failed: {expected} (in phase tls)"));
    });
    assert!(server.heads().is_empty());
}

#[test]
fn certificates_that_are_not_right_are_told_apart() {
    let good = || certificate(&["a.site.test"], |_| {});
    refused(good(), Trust::Nobody, "a.site.test", "the certificate's issuer is unknown");
    refused(good(), Trust::Issuer, "b.site.test", "the certificate is for another host");
    let aged = |from: i32, to: i32| {
        certificate(&["a.site.test"], |params| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        })
    };
    refused(aged(2001, 2002), Trust::Issuer, "a.site.test", "the certificate has expired");
    refused(aged(2990, 2999), Trust::Issuer, "a.site.test", "the certificate is not valid yet");
    let authority = certificate(&["a.site.test"], |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    refused(
        authority,
        Trust::Issuer,
        "a.site.test",
        "the certificate's issuer is unknown (it is self-signed)",
    );
}

#[test]
fn a_plain_server_on_a_tls_port_is_a_tls_error() {
    let server = Server::run_on(
        Box::new(|mut stream: TcpStream| {
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").ok()?;
            Some(Box::new(stream))
        }),
        |_| vec![],
    );
    with_transport(options(), async |transport: AwcTransport| {
        let response = transport.fetch(get(&server.url_as("https", "127.0.0.1", "/"))).await;
        assert_eq!(response.outcome.name(), "tls_error");
    });
}
