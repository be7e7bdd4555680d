//! Runs a scripted server on loopback, and fetches from it.

#![expect(clippy::unwrap_used, reason = "a helper of tests: a server that cannot be run ends the test")]

pub(crate) mod dns;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dragline_core::CanonicalUrl;
use dragline_core::fetch::{FetchLimits, FetchRequest, FetchResponse, Method};
use dragline_core::rules::GuardRules;
use dragline_fetch::{AwcTransport, AwcTransportFactory, BodyBudget, TransportOptions};

/// One thing that the server does once a request head has come.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends these bytes in one write.
    Send(Vec<u8>),
    /// Sends these bytes one by one.
    Slowly(Vec<u8>),
    /// Closes the connection; in TLS without a word.
    Close,
    /// Says that the connection will be closed, where the protocol has words for it.
    Bye,
    /// Does nothing until the client closes.
    Hold,
    /// Sends a byte every 20 ms until the client closes.
    Drip,
}

pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

type Script = Box<dyn Fn(&Asked) -> Vec<Act> + Send + Sync>;

/// What the server was asked.
pub(crate) struct Asked {
    /// The path.
    pub(crate) path: String,
    /// The request on its connection, from 1.
    pub(crate) nth: usize,
    /// The head.
    pub(crate) head: String,
}

/// A stream the server can be run on.
pub(crate) trait Peer: Read + Write {
    /// Announces the end.
    fn bye(&mut self) -> bool {
        true
    }
}

impl Peer for TcpStream {}

/// Wraps an accepted connection, such as in TLS; `None` gives it up.
pub(crate) type Accept = Box<dyn Fn(TcpStream) -> Option<Box<dyn Peer>> + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Script,
    accept: Accept,
    connections: AtomicUsize,
    heads: Mutex<Vec<String>>,
    contents: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Server {
    /// Answers every request by `script`; the connection stays open unless the script closes it.
    pub(crate) fn run(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::run_on(Box::new(|stream| Some(Box::new(stream))), script)
    }

    /// Answers every request with the same bytes.
    pub(crate) fn sends(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::run(move |_| vec![Act::Send(bytes.clone())])
    }

    /// Answers every request with the same bytes and closes.
    pub(crate) fn sends_and_closes(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::run(move |_| vec![Act::Send(bytes.clone()), Act::Close])
    }

    /// As [`Server::run`], at every address of this machine.
    pub(crate) fn run_everywhere(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        Self::run_both(listener, Box::new(|stream| Some(Box::new(stream))), script)
    }

    pub(crate) fn run_on(
        accept: Accept,
        script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::run_both(TcpListener::bind("127.0.0.1:0").unwrap(), accept, script)
    }

    /// Answers what comes to this listener by `script`.
    pub(crate) fn run_at(
        listener: TcpListener,
        script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::run_both(listener, Box::new(|stream| Some(Box::new(stream))), script)
    }

    fn run_both(
        listener: TcpListener,
        accept: Accept,
        script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            accept,
            connections: AtomicUsize::new(0),
            heads: Mutex::default(),
            contents: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&accepting);
                serving.connections.fetch_add(1, Ordering::SeqCst);
                thread(move || serving.serve(stream.unwrap()));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> CanonicalUrl {
        CanonicalUrl::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// Returns the URL of a path under another scheme and host name.
    pub(crate) fn url_as(&self, scheme: &str, host: &str, path: &str) -> CanonicalUrl {
        CanonicalUrl::parse(&format!("{scheme}://{host}:{}{path}", self.address.port())).unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns the heads of all requests, in order.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// Returns the contents of all requests, in order, in the transfer coding in which they came.
    pub(crate) fn contents(&self) -> Vec<String> {
        self.shared.contents.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        let timer = stream.try_clone().unwrap();
        let Some(mut peer) = (self.accept)(stream) else { return };
        let mut nth = 0;
        while let Some(head) = read_head(&mut *peer) {
            nth += 1;
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            // Who asks for a script of `/early` is answered before the content is read.
            let content =
                if path == "/early" { Some(String::new()) } else { read_content(&mut *peer, &head) };
            let Some(content) = content else { return };
            self.heads.lock().unwrap().push(head.clone());
            self.contents.lock().unwrap().push(content);
            for act in (self.script)(&Asked { path, nth, head }) {
                let done = match act {
                    Act::Send(bytes) => peer.write_all(&bytes).and_then(|()| peer.flush()).is_ok(),
                    Act::Slowly(bytes) => {
                        bytes.iter().all(|byte| peer.write_all(&[*byte]).and_then(|()| peer.flush()).is_ok())
                    }
                    Act::Close => false,
                    Act::Bye => peer.bye(),
                    Act::Hold => peer.read(&mut [0]).is_ok_and(|count| count > 0),
                    Act::Drip => drip(&mut *peer, &timer),
                };
                if !done {
                    return;
                }
            }
        }
    }
}

fn drip(peer: &mut dyn Peer, timer: &TcpStream) -> bool {
    timer.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        match peer.read(&mut [0]) {
            Ok(0) => return false,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return false;
            }
            _ if peer.write_all(b"x").is_err() => return false,
            _ => {}
        }
    }
}

fn read_head(peer: &mut dyn Peer) -> Option<String> {
    read_while(peer, |head| !head.ends_with(b"\r\n\r\n"))
}

fn read_content(peer: &mut dyn Peer, head: &str) -> Option<String> {
    if head.contains("transfer-encoding: chunked") {
        return read_while(peer, |content| !content.ends_with(b"0\r\n\r\n"));
    }
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    read_while(peer, |content| content.len() < length)
}

fn read_while(peer: &mut dyn Peer, goes_on: impl Fn(&[u8]) -> bool) -> Option<String> {
    let (mut read, mut octet) = (Vec::new(), [0]);
    while goes_on(&read) {
        match peer.read(&mut octet) {
            Ok(1) => read.push(octet[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&read).into_owned())
}

#[expect(clippy::disallowed_methods, reason = "the server needs threads; they end with their connections")]
pub(crate) fn thread(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}

/// Options that may dial loopback.
pub(crate) fn options() -> TransportOptions {
    let guard = GuardRules { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..GuardRules::default() };
    let bodies = Arc::new(BodyBudget::new(64 << 20));
    TransportOptions { guard, ..TransportOptions::new("dragline-test/1", bodies) }
}

pub(crate) fn limits() -> FetchLimits {
    FetchLimits { deadline: Duration::from_secs(10), ..FetchLimits::default() }
}

pub(crate) fn get(url: &CanonicalUrl) -> FetchRequest {
    with_limits(url, limits())
}

pub(crate) fn with_limits(url: &CanonicalUrl, limits: FetchLimits) -> FetchRequest {
    FetchRequest::get(url.clone(), Arc::new(limits))
}

pub(crate) fn head(url: &CanonicalUrl) -> FetchRequest {
    FetchRequest { method: Method::Head, ..get(url) }
}

/// Runs `work` with a transport inside a runtime.
pub(crate) fn with_transport<T>(options: TransportOptions, work: impl AsyncFnOnce(AwcTransport) -> T) -> T {
    actix_rt::System::new().block_on(async move {
        let factory = AwcTransportFactory::new(options).unwrap();
        work(factory.open_awc()).await
    })
}

/// Fetches once.
pub(crate) fn fetch(request: FetchRequest) -> FetchResponse {
    use dragline_fetch::Transport as _;
    with_transport(options(), async |transport| transport.fetch(request).await)
}

/// Says in one line what came of a fetch: outcome, status, body, and phase and words of an error.
pub(crate) fn told(response: &FetchResponse) -> String {
    let status = response.status.map_or("-".to_owned(), |status| status.to_string());
    let body = String::from_utf8_lossy(&response.body);
    let error = response.error.as_ref().map_or(String::new(), |error| format!(" | {error}"));
    format!("{} {status} [{body}]{error}", response.outcome)
}
