//! Serves sites over HTTP/1.1 on loopback, from one thread.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use dragline_core::CanonicalUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::log::{LoggedRequest, RequestLog};
use crate::site::Site;
use crate::thread::ServerThread;

/// Connections open at one time, all hosts together; one more is closed at once.
const CONNECTIONS_MAX: usize = 4_096;
/// Bytes of a request head; a longer one ends the connection.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Loopback sockets that listen, before it is known what they serve: links between hosts need the ports.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<StdListener>,
    addresses: Vec<SocketAddr>,
}

/// Sites on loopback; dropping it closes every socket.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    log: RequestLog,
    _thread: ServerThread,
}

/// What the tasks of a server share.
#[derive(Debug)]
struct Shared {
    log: RequestLog,
    started: Instant,
    open: AtomicUsize,
}

impl Bound {
    /// Binds `count` hosts to free ports: 127.0.0.1, 127.0.0.2 and so on, or all to 127.0.0.1 where a system has
    /// only that one.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn hosts(count: u8) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for number in 1..=count {
            let own = StdListener::bind((Ipv4Addr::new(127, 0, 0, number), 0));
            listeners.push(own.or_else(|_| StdListener::bind((Ipv4Addr::LOCALHOST, 0)))?);
        }
        Self::of(listeners)
    }

    /// Binds one host to a free port of this loopback address.
    ///
    /// # Errors
    /// When the address is none of loopback, or no port can be bound.
    pub fn at(address: IpAddr) -> io::Result<Self> {
        if !address.is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a test server serves loopback only"));
        }
        Self::of(vec![StdListener::bind((address, 0))?])
    }

    fn of(listeners: Vec<StdListener>) -> io::Result<Self> {
        let addresses = listeners.iter().map(StdListener::local_addr).collect::<io::Result<_>>()?;
        Ok(Self { listeners, addresses })
    }

    /// Returns the origin of each host, such as `http://127.0.0.1:4711`.
    pub fn origins(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}")).collect()
    }

    /// Gives up the first socket to a server of another kind.
    pub(crate) fn into_first(self) -> io::Result<(StdListener, SocketAddr)> {
        let both = self.listeners.into_iter().zip(self.addresses).next();
        both.ok_or_else(|| io::Error::other("no socket was bound"))
    }

    /// Serves one site on each host, in order; hosts without a site answer 404.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn serve(self, sites: Vec<Site>) -> io::Result<Server> {
        let log = RequestLog::default();
        let shared = Shared { log: log.clone(), started: now(), open: AtomicUsize::new(0) };
        let mut sites: Vec<_> = sites.into_iter().map(Arc::new).collect();
        sites.resize_with(self.listeners.len(), Arc::default);
        let serve = move |listeners| serve_all(listeners, sites, Arc::new(shared));
        let thread = ServerThread::start(self.listeners, serve)?;
        Ok(Server { addresses: self.addresses, log, _thread: thread })
    }
}

impl Server {
    /// Serves one site on 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound or the thread cannot be started.
    pub fn start(site: Site) -> io::Result<Self> {
        Bound::hosts(1)?.serve(vec![site])
    }

    /// Returns the address of each host.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the URL of a path on the first host.
    ///
    /// # Panics
    /// When `path` does not begin with `/`.
    pub fn url(&self, path: &str) -> CanonicalUrl {
        self.url_at(0, path)
    }

    /// Returns the URL of a path on a host, counted from 0.
    ///
    /// # Panics
    /// When `path` does not begin with `/`, or there is no such host.
    pub fn url_at(&self, host: usize, path: &str) -> CanonicalUrl {
        assert!(path.starts_with('/'), "a path begins with a slash: {path}");
        let address = self.addresses.get(host).expect("a server has at least this many hosts");
        CanonicalUrl::parse(&format!("http://{address}{path}")).expect("an address and a path are a URL")
    }

    /// Returns what was asked; the value goes on to grow while the server runs.
    pub const fn log(&self) -> &RequestLog {
        &self.log
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock place of the server: when requests came is what it is asked"
)]
fn now() -> Instant {
    Instant::now()
}

async fn serve_all(listeners: Vec<TcpListener>, sites: Vec<Arc<Site>>, shared: Arc<Shared>) {
    let mut hosts = JoinSet::new();
    for (listener, site) in listeners.into_iter().zip(sites) {
        hosts.spawn(serve_host(listener, site, Arc::clone(&shared)));
    }
    while hosts.join_next().await.is_some() {}
}

async fn serve_host(listener: TcpListener, site: Arc<Site>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of file descriptors: wait for connections to end instead of spinning.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                if shared.open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
                    shared.log.add_refused();
                    continue;
                }
                shared.open.fetch_add(1, Ordering::Relaxed);
                connections.spawn(serve_connection(stream, Arc::clone(&site), Arc::clone(&shared)));
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, site: Arc<Site>, shared: Arc<Shared>) {
    // A client that goes away in the middle is no news to a test server.
    drop(answer_requests(stream, &site, &shared).await);
    shared.open.fetch_sub(1, Ordering::Relaxed);
}

async fn answer_requests(mut stream: TcpStream, site: &Site, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = shared.log.add_connection();
    let own_host = stream.local_addr()?.to_string();
    let mut agent: Arc<str> = "".into();
    let mut buffer = BytesMut::with_capacity(4 << 10);
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await? else { return Ok(()) };
        let Some(request) = Request::parse(&head) else { return stream.shutdown().await };
        if *agent != *request.user_agent {
            agent = request.user_agent.into();
        }
        shared.log.add(LoggedRequest {
            host: if request.host.is_empty() { &own_host } else { request.host }.into(),
            method: request.method.into(),
            path: request.path.into(),
            user_agent: Arc::clone(&agent),
            at: now().saturating_duration_since(shared.started),
            connection,
        });
        if !site.answer_delay().is_zero() {
            tokio::time::sleep(site.answer_delay()).await;
        }
        let reply = site.reply(request.path);
        let head_only = request.method == "HEAD";
        stream.write_all(&reply.bytes(head_only, request.accepts_gzip)).await?;
        if reply.closes() || request.close {
            return stream.shutdown().await;
        }
    }
}

/// Reads up to the empty line that ends a request head; `None` when the client has closed or the head is too long.
pub(crate) async fn read_head(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            return Ok(Some(buffer.split_to(end + 4)));
        }
        if buffer.len() > HEAD_BYTES_MAX || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// The parts of a request head that matter here.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) accepts_gzip: bool,
    pub(crate) close: bool,
}

impl<'a> Request<'a> {
    pub(crate) fn parse(head: &'a [u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let mut request = Self { method: words.next()?, path: words.next()?, ..Self::default() };
        request.close = words.next()? == "HTTP/1.0";
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("host") {
                request.host = value;
            } else if name.eq_ignore_ascii_case("user-agent") {
                request.user_agent = value;
            } else if name.eq_ignore_ascii_case("accept-encoding") {
                request.accepts_gzip = value.contains("gzip");
            } else if name.eq_ignore_ascii_case("connection") {
                request.close |= value.eq_ignore_ascii_case("close");
            }
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::reply::Reply;

    fn connect(server: &Server) -> std::net::TcpStream {
        let stream = std::net::TcpStream::connect(server.addresses()[0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn get(path: &str, more: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: test\r\nUser-Agent: agent/1\r\n{more}\r\n")
    }

    fn rest_of(mut stream: std::net::TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn one_connection_serves_many_requests_and_all_are_logged_in_order() {
        let site = Site::new().on("/a", Reply::html("A")).on("/b?q=1", Reply::html("B"));
        let server = Server::start(site).unwrap();
        let mut stream = connect(&server);
        // Sent in one piece: requests that wait in the buffer are answered too.
        let requests = [get("/a", ""), get("/b?q=1", ""), get("/c", "Connection: close\r\n")].concat();
        stream.write_all(requests.as_bytes()).unwrap();
        let text = rest_of(stream);
        let statuses: Vec<_> = text.matches("HTTP/1.1 ").collect();
        assert_eq!(statuses.len(), 3, "{text}");
        assert!(text.ends_with("404 Not Found\n"), "{text}");

        let asked = server.log().requests();
        let paths: Vec<_> = asked.iter().map(|request| &*request.path).collect();
        assert_eq!(paths, ["/a", "/b?q=1", "/c"]);
        assert!(asked.iter().all(|request| &*request.user_agent == "agent/1" && request.connection == 1));
        assert!(asked.iter().all(|request| &*request.host == "test"));
        assert!(asked.is_sorted_by_key(|request| request.at));
        assert_eq!(server.log().connections(), 1);
    }

    #[test]
    fn a_head_request_gets_no_body() {
        let server = Server::start(Site::new().on("/", Reply::html("body"))).unwrap();
        let mut stream = connect(&server);
        stream.write_all(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let text = rest_of(stream);
        assert!(text.contains("Content-Length: 4\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_dropped_server_no_longer_listens() {
        let server = Server::start(Site::new()).unwrap();
        let address = server.addresses()[0];
        drop(server);
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[test]
    fn nonsense_ends_the_connection_and_not_the_server() {
        let server = Server::start(Site::new().on("/", Reply::html("fine"))).unwrap();
        for nonsense in ["\r\n\r\n", "GET\r\n\r\n", "\u{1}\u{2} \u{3}\r\n\r\n"] {
            let mut stream = connect(&server);
            stream.write_all(nonsense.as_bytes()).unwrap();
            assert_eq!(rest_of(stream), "", "{nonsense:?}");
        }
        let mut stream = connect(&server);
        stream.write_all(get("/", "Connection: close\r\n").as_bytes()).unwrap();
        assert!(rest_of(stream).ends_with("fine"));
    }

    #[test]
    fn only_loopback_is_served() {
        assert!(Bound::at(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).is_err());
    }
}
