//! TLS is spoken, and its failures are told apart.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use dragline_core::fetch::{Certificates, FetchRequest};
use dragline_core::pattern::Pattern;
use dragline_fetch::{
    AwcTransport, CertificateDer, ClientIdentity, Roots, TlsOptions, Transport, TransportOptions,
    TransportSetupError,
};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
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
pub(crate) fn certificate(
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

/// The server's side of TLS.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Shows a certificate.
    pub(crate) fn new((certificate, key): (CertificateDer<'static>, KeyPair)) -> Self {
        Self::asking((certificate, key), None)
    }

    /// Shows a certificate, and asks the client for one that this authority signed.
    fn asking(
        (certificate, key): (CertificateDer<'static>, KeyPair),
        authority: Option<&CertificateDer<'static>>,
    ) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key is one");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the versions are known");
        let builder = match authority {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.clone()).expect("the authority is one");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let mut config = builder.with_single_cert(vec![certificate], key).expect("the server can be set up");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    pub(crate) fn accept(&self, stream: TcpStream) -> Option<Box<dyn Peer>> {
        let connection = ServerConnection::new(Arc::clone(&self.0)).ok()?;
        Some(Box::new(StreamOwned::new(connection, stream)))
    }
}

/// Runs a TLS server; returns it with its certificate.
fn server(
    certificate: (CertificateDer<'static>, KeyPair),
    script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
) -> Server {
    server_with(Tls::new(certificate), script)
}

fn server_with(tls: Tls, script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Server {
    Server::run_on(Box::new(move |stream| tls.accept(stream)), script)
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

const LAST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

#[test]
fn what_was_agreed_on_is_told_and_sessions_are_resumed() {
    let certificate = certificate(&["a.site.test"], |_| {});
    let own = certificate.0.clone();
    let options = trusting(&certificate.0);
    let server = server(certificate, |_| vec![send(LAST), Act::Bye, Act::Close]);
    with_transport(options, async |transport: AwcTransport| {
        for resumed in [false, true, true] {
            let response = transport.fetch(get(&server.url_as("https", "a.site.test", "/"))).await;
            assert_eq!(told(&response), "ok 200 [ok]");
            let tls = response.tls.expect("tls was spoken");
            assert_eq!((tls.version, tls.resumed), ("1.3", resumed));
            assert!(tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
            assert_eq!(tls.alpn.as_deref(), Some("http/1.1"));
            assert_eq!(tls.certificate.as_deref(), Some(own.as_ref()));
            assert_eq!(tls.unverified, None);
        }
    });
}

/// Counts the warnings that speak of a certificate.
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text.push_str(&format!("{value:?}"));
        });
        self.0.lock().expect("nobody panicked").push(text);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn what_is_wrong_with_an_insecure_host_is_told_each_time_and_warned_of_once() {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let certificate = certificate(&["a.site.test"], |params| {
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let mut options = trusting(&certificate.0);
    options.tls.insecure_hosts = vec![Pattern::new("a.*.test")];
    let server = server(certificate, |_| vec![send(LAST), Act::Bye, Act::Close]);
    let wrong = "the certificate has expired";
    tracing::subscriber::with_default(Warnings(Arc::clone(&warnings)), || {
        with_transport(options, async |transport: AwcTransport| {
            for resumed in [false, true] {
                let response = transport.fetch(get(&server.url_as("https", "a.site.test", "/"))).await;
                assert_eq!(told(&response), "ok 200 [ok]");
                let tls = response.tls.expect("tls was spoken");
                assert_eq!((tls.resumed, tls.unverified.as_deref()), (resumed, Some(wrong)));
            }
            // No entry, no mercy: not even by the session that began without verification.
            let response = transport.fetch(get(&server.url_as("https", "b.site.test", "/"))).await;
            assert_eq!(response.outcome.name(), "tls_error");
        });
    });
    let expected =
        format!("certificate of a.site.test is not verified, as its entry in insecure_hosts says: {wrong}");
    assert_eq!(*warnings.lock().expect("nobody panicked"), [expected]);
}

/// Fetches unverified, verified, and unverified again from a server whose certificate has expired.
///
/// Each must get what it asked for, over connections and sessions that the other never sees.
fn unverified_once(acts: Vec<Act>, expected: [(bool, bool); 3]) -> Vec<String> {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let certificate = certificate(&["a.site.test"], |params| {
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let options = trusting(&certificate.0);
    let server = server(certificate, move |_| acts.clone());
    tracing::subscriber::with_default(Warnings(Arc::clone(&warnings)), || {
        with_transport(options, async |transport: AwcTransport| {
            let strict = get(&server.url_as("https", "a.site.test", "/"));
            let lax = FetchRequest { certificates: Certificates::Unverified, ..strict.clone() };
            for (reused, resumed) in expected {
                let response = transport.fetch(lax.clone()).await;
                assert_eq!((told(&response).as_str(), response.reused), ("ok 200 [ok]", reused));
                let tls = response.tls.expect("tls was spoken");
                let verdict = tls.unverified.as_deref();
                assert_eq!((tls.resumed, verdict), (resumed, Some("the certificate has expired")));
                let refused =
                    "tls_error - [] | tls failed: the certificate has expired (in phase tls)".to_owned();
                assert_eq!(told(&transport.fetch(strict.clone()).await), refused);
            }
            // Plain http has no certificate to verify: it is asked for as ever.
            let plain = FetchRequest { url: server.url("/"), ..lax };
            assert_ne!(transport.fetch(plain).await.outcome.name(), "tls_error");
        });
    });
    let warnings = warnings.lock().expect("nobody panicked");
    warnings.clone()
}

#[test]
fn one_request_may_waive_verification_and_no_other_gains_by_it() {
    let warning = "certificate of a.site.test is not verified, as the request itself asks: the certificate \
                   has expired";
    let kept = unverified_once(vec![send(OK)], [(false, false), (true, false), (true, false)]);
    assert_eq!(kept, [warning]);
    let closing = vec![send(LAST), Act::Bye, Act::Close];
    let resumed = unverified_once(closing, [(false, false), (false, true), (false, true)]);
    assert_eq!(resumed, [warning]);
}

#[test]
fn what_an_unverified_request_finds_right_is_told_so() {
    let certificate = certificate(&["a.site.test"], |_| {});
    let options = trusting(&certificate.0);
    let server = server(certificate, |_| vec![send(OK)]);
    with_transport(options, async |transport: AwcTransport| {
        let strict = get(&server.url_as("https", "a.site.test", "/"));
        let lax = FetchRequest { certificates: Certificates::Unverified, ..strict.clone() };
        // A right certificate makes no difference to the connections: those of one are not the other's.
        for (request, reused) in [(&lax, false), (&strict, false), (&lax, true), (&strict, true)] {
            let response = transport.fetch(request.clone()).await;
            assert_eq!((told(&response).as_str(), response.reused), ("ok 200 [ok]", reused));
            assert_eq!(response.tls.expect("tls was spoken").unverified, None);
        }
    });
    assert_eq!(server.connections(), 2);
}

/// An authority, and a certificate with its key that it signed.
struct Signed {
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

fn signed(name: &str) -> Signed {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names are names");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key can be made");
    let root = authority.self_signed(&authority_key).expect("a certificate can be signed");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key can be made");
    let leaf = CertificateParams::new(vec![name.to_owned()]).expect("the name is one");
    let certificate = leaf.signed_by(&key, &issuer).expect("a certificate can be signed");
    Signed { authority: root.der().clone(), certificate: certificate.der().clone(), key }
}

#[test]
fn a_client_certificate_is_shown_to_servers_that_ask() {
    let client = signed("client.test");
    let own = certificate(&["a.site.test"], |_| {});
    let mut options = trusting(&own.0);
    options.tls.roots = Roots::Mozilla;
    let server = server_with(Tls::asking(own, Some(&client.authority)), |_| vec![send(OK)]);
    let ask = |options: TransportOptions| {
        with_transport(options, async |transport: AwcTransport| {
            told(&transport.fetch(get(&server.url_as("https", "a.site.test", "/"))).await)
        })
    };
    let refused = "tls_error - [] | tls failed: the server wants a client certificate (in phase ttfb)";
    assert_eq!(ask(options.clone()), refused);
    let identity = |signed: &Signed| ClientIdentity {
        chain: vec![signed.certificate.clone()],
        key: PrivateKeyDer::try_from(signed.key.serialize_der()).expect("the key is one"),
    };
    options.tls.identity = Some(identity(&client));
    assert_eq!(ask(options.clone()), "ok 200 [ok]");
    // A certificate from an authority that the server did not name is not shown at all, or refused.
    options.tls.identity = Some(identity(&signed("client.test")));
    let refused = ask(options.clone());
    assert!(refused.starts_with("tls_error - "), "{refused}");
    options.tls.identity = Some(ClientIdentity { key: identity(&signed("x.test")).key, ..identity(&client) });
    let error = dragline_fetch::AwcTransportFactory::new(options).expect_err("they do not belong together");
    assert!(matches!(error, TransportSetupError::Identity(_)));
}

#[test]
fn trust_and_identity_are_read_from_files() {
    let own = signed("a.site.test");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("trust_and_identity");
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, label: &str, der: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, pem(label, der)).expect("a file");
        path
    };
    let authority = write("authority.pem", "CERTIFICATE", &own.authority);
    let chain = write("chain.pem", "CERTIFICATE", &own.certificate);
    let key = write("key.pem", "PRIVATE KEY", &own.key.serialize_der());
    assert_eq!(TlsOptions::read_ca_file(&authority).expect("certificates"), [own.authority]);
    let identity = ClientIdentity::read(&chain, &key).expect("an identity");
    assert_eq!(
        (identity.chain, identity.key.secret_der()),
        (vec![own.certificate], &*own.key.serialize_der())
    );
    let check = |error: dragline_fetch::PemError, expected: &str| {
        assert_eq!(error.to_string(), format!("{}: {expected}", error.path().display()));
    };
    check(TlsOptions::read_ca_file(&key).expect_err("a key is none"), "it holds no certificate");
    check(
        ClientIdentity::read(&chain, &chain).expect_err("a certificate is none"),
        "it holds no private key",
    );
    let missing = folder.join("missing.pem");
    check(
        ClientIdentity::read(&missing, &key).expect_err("missing"),
        "No such file or directory (os error 2)",
    );
    let cut = folder.join("cut.pem");
    std::fs::write(&cut, "-----BEGIN CERTIFICATE-----\nMIIB\n").expect("a file");
    let error = TlsOptions::read_ca_file(&cut).expect_err("it is cut");
    check(error, "its section CERTIFICATE does not end");
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
