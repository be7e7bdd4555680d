//! Runs TLS servers on this arbiter, and sends requests to them through a pool.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dragline_core::CanonicalUrl;
use dragline_core::fetch::{FetchLimits, FetchRequest, Method, RequestBody};
use dragline_core::outcome::Outcome;
use h2::server::SendResponse;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::body::{More, Source as _};
use crate::budget::BodyBudget;
use crate::dial::{Dialer, Means, Target};
use crate::http2::{Body, Pool, Request, SendError, Sent};
use crate::options::{Roots, TransportOptions};
use crate::route::Route;
use crate::transcript::Transcript;
use crate::watch::watched;

/// The name of every site.
pub(super) const HOST: &str = "a.site.test";

/// One accepted connection.
pub(super) type Peer = TlsStream<TcpStream>;

/// A server on loopback.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    connections: Rc<Cell<usize>>,
    root: CertificateDer<'static>,
}

/// Runs `work` in a runtime of one thread, with everything that it spawns.
pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(work)
}

#[expect(
    clippy::disallowed_methods,
    reason = "servers and concurrent requests end with the runtime of their test"
)]
pub(super) fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> actix_rt::task::JoinHandle<T> {
    actix_rt::spawn(work)
}

impl Site {
    /// Hands every connection to `serve`, with its number from 1.
    pub(super) async fn run<F>(alpn: &[&str], serve: impl Fn(Peer, usize) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::run_from(1, alpn, serve).await
    }

    /// As `answering`, but the first connection is accepted and then left alone.
    pub(super) async fn slow_to_greet<F>(answer: impl Fn(Asked) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::run_from(2, &["h2"], answered_by(100, answer)).await
    }

    async fn run_from<F>(first: usize, alpn: &[&str], serve: impl Fn(Peer, usize) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
        let root = certificate.der().clone();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], private)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Rc::new(Cell::new(0));
        let counted = Rc::clone(&connections);
        let serve = Rc::new(serve);
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.set(counted.get() + 1);
                let (acceptor, serve, number) = (acceptor.clone(), Rc::clone(&serve), counted.get());
                spawn(async move {
                    if number < first {
                        let _stream = stream;
                        return std::future::pending().await;
                    }
                    if let Ok(peer) = acceptor.accept(stream).await {
                        serve(peer, number).await;
                    }
                });
            }
        });
        Self { address, connections, root }
    }

    /// Answers every request by `answer`, which is given the number of its connection too.
    pub(super) async fn answering<F>(answer: impl Fn(Asked) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::limited(100, answer).await
    }

    /// As `answering`, with so many streams at a time.
    pub(super) async fn limited<F>(streams_max: u32, answer: impl Fn(Asked) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::run(&["h2"], answered_by(streams_max, answer)).await
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    pub(super) fn pool(&self) -> Rc<Pool> {
        Rc::new(Pool::new(Rc::new(self.dialer())))
    }

    fn dialer(&self) -> Dialer {
        let mut options = TransportOptions::new("dragline-test/1", Arc::new(BodyBudget::new(1 << 20)));
        options.guard.allow_networks = vec!["127.0.0.0/8".parse().unwrap()];
        options.dns.hosts = BTreeMap::from([(HOST.to_owned(), vec![self.address.ip()])]);
        options.tls.roots = Roots::Mozilla;
        options.tls.extra_roots = vec![self.root.clone()];
        Dialer::new(Arc::new(Means::new(&options).unwrap()))
    }

    pub(super) const fn target(&self) -> Target<'static> {
        let route = Route { tls: true, http2: true, waiver: None, proxy: None };
        Target { host: HOST, port: self.address.port(), route }
    }

    /// Makes a `GET` of a path, within short limits.
    pub(super) fn get(&self, path: &str) -> Ask {
        let url = format!("https://{HOST}:{}{path}", self.address.port());
        Ask {
            url: CanonicalUrl::parse(&url).unwrap(),
            method: Method::Get,
            body: RequestBody::None,
            limits: Arc::new(FetchLimits { deadline: Duration::from_secs(20), ..FetchLimits::default() }),
            target: self.target(),
        }
    }
}

/// Serves connections with the h2 crate.
fn answered_by<F>(
    streams_max: u32,
    answer: impl Fn(Asked) -> F + 'static,
) -> impl Fn(Peer, usize) -> std::pin::Pin<Box<dyn Future<Output = ()>>>
where
    F: Future<Output = ()> + 'static,
{
    let answer = Rc::new(answer);
    move |peer, connection| {
        let answer = Rc::clone(&answer);
        Box::pin(async move {
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(streams_max);
            let mut accepted = builder.handshake::<_, Bytes>(peer).await.unwrap();
            while let Some(Ok((request, respond))) = accepted.accept().await {
                spawn(answer(Asked { request, respond, connection }));
            }
        })
    }
}

/// A request as a server sees it.
pub(super) struct Asked {
    pub(super) request: http::Request<h2::RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) connection: usize,
}

impl Asked {
    pub(super) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// Answers with status, fields and content, as far as the client takes it.
    pub(super) async fn answer(mut self, status: u16, fields: &[(&str, &str)], content: impl Into<Bytes>) {
        let mut response = http::Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut content = content.into();
        let ends = content.is_empty();
        let Ok(mut stream) = self.respond.send_response(response.body(()).unwrap(), ends) else { return };
        while !content.is_empty() {
            stream.reserve_capacity(content.len());
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { return };
            let piece = content.split_to(room.min(content.len()));
            let last = content.is_empty();
            if stream.send_data(piece, last).is_err() {
                return;
            }
        }
    }
}

/// A request to be sent.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) url: CanonicalUrl,
    pub(super) method: Method,
    pub(super) body: RequestBody,
    pub(super) limits: Arc<FetchLimits>,
    pub(super) target: Target<'static>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Told {
    /// Status and content, or outcome, phase and words; both when the content failed.
    pub(super) line: String,
    pub(super) transcript: Rc<Transcript>,
    pub(super) content: Vec<u8>,
}

impl Ask {
    pub(super) fn post(self, body: RequestBody) -> Self {
        Self { method: Method::Post, body, ..self }
    }

    pub(super) fn within(self, change: impl FnOnce(&mut FetchLimits)) -> Self {
        let mut limits = (*self.limits).clone();
        change(&mut limits);
        Self { limits: Arc::new(limits), ..self }
    }

    /// Sends the request and reads the response, within its limits.
    pub(super) async fn send(self, pool: &Rc<Pool>) -> Told {
        let request = FetchRequest::get(self.url.clone(), Arc::clone(&self.limits));
        let transcript = Rc::new(Transcript::new(&FetchRequest { method: self.method, ..request }));
        let mut content = Vec::new();
        let work = self.carry_out(pool, &transcript, &mut content);
        let line = match watched(&transcript, pin!(work)).await {
            Ok(line) => line,
            Err((_, phase)) => format!("timeout {}", phase.name()),
        };
        Told { line, transcript, content }
    }

    /// Sends the request, and gives its response up as soon as the head is there.
    pub(super) async fn abandon(self, pool: &Rc<Pool>) {
        let request = FetchRequest::get(self.url.clone(), Arc::clone(&self.limits));
        let transcript = Rc::new(Transcript::new(&request));
        let request = Request::new(self.method, &self.url, [], &self.body).unwrap();
        let work = pin!(pool.send(self.target, request, &transcript));
        let sent = watched(&transcript, work).await;
        assert!(matches!(sent, Ok(Ok(Sent::Answer { .. }))), "{sent:?}");
    }

    async fn carry_out(&self, pool: &Pool, transcript: &Transcript, content: &mut Vec<u8>) -> String {
        let fields = [("user-agent", "dragline-test/1")];
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let request = Request::new(self.method, &self.url, fields, &self.body).unwrap();
        match pool.send(self.target, request, transcript).await {
            Ok(Sent::Http1) => "http1".into(),
            Ok(Sent::Answer { body, info, reused }) => {
                assert!(info.http2);
                assert_eq!(transcript.reused.get(), reused);
                let status = transcript.head.borrow().as_ref().unwrap().status;
                let fault = read(body, transcript, content).await;
                let fault = fault.map(|(outcome, message)| format!(" {outcome}: {message}"));
                assert_eq!(transcript.whole.get(), fault.is_none());
                let text = if content.len() > 100 { content.len().to_string().into() } else { text(content) };
                format!("{status} [{text}]{}", fault.unwrap_or_default())
            }
            Err(SendError { outcome, phase, message }) => format!("{outcome} {}: {message}", phase.name()),
        }
    }
}

fn text(content: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(content)
}

/// Reads as little at a time as a tight budget would.
async fn read(mut body: Body, transcript: &Transcript, content: &mut Vec<u8>) -> Option<(Outcome, String)> {
    loop {
        transcript.inbox.borrow_mut().set_room(10_000);
        let more = std::future::poll_fn(|cx| body.poll_more(cx, transcript)).await;
        let mut inbox = transcript.inbox.borrow_mut();
        content.append(&mut inbox.take());
        match more {
            More::News => assert!(inbox.room() == 0),
            More::End => return None,
            More::Broken(said) => return Some(said.expect("http/2 has words for every fault")),
        }
    }
}

/// Sends requests at the same time; returns what came of them, in order.
pub(super) async fn send_all(pool: &Rc<Pool>, asks: impl IntoIterator<Item = Ask>) -> Vec<Told> {
    let sending: Vec<_> = asks
        .into_iter()
        .map(|ask| {
            let pool = Rc::clone(pool);
            spawn(async move { ask.send(&pool).await })
        })
        .collect();
    let mut told = Vec::new();
    for each in sending {
        told.push(each.await.unwrap());
    }
    told
}

/// Waits until something is so; the test fails after ten seconds.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it never came to be");
}
