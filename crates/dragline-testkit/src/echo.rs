//! Answers every request with what it was asked, so that a test sees what a client really sent.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{Bound, read_head};
use crate::thread::{ServerThread, serve_each};

/// The longest content that is read.
const CONTENT_BYTES_MAX: usize = 64 << 20;

/// A server on 127.0.0.1 that answers with request line, fields and content as they came, as `text/plain`.
///
/// The query steers the answer: `status=404`, `wait_ms=50` before it, `bytes=1000` of `x` in place of the echo,
/// `location=/x` for a redirect, `cookie=a%3Db` to set one.
#[derive(Debug)]
pub struct EchoServer {
    address: SocketAddr,
    busy: Arc<Busy>,
    _thread: ServerThread,
}

/// Counts requests.
#[derive(Debug, Default)]
struct Busy {
    asked: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    closed_early: AtomicUsize,
}

impl EchoServer {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When no port can be bound or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let (listener, address) = Bound::hosts(1)?.into_first()?;
        let busy = Arc::new(Busy::default());
        let shared = Arc::clone(&busy);
        let thread = ServerThread::start(vec![listener], move |listeners| {
            serve_each(listeners, move |stream| {
                let busy = Arc::clone(&shared);
                async move {
                    // A client that goes away is what some tests are about.
                    drop(serve(stream, &busy).await);
                }
            })
        })?;
        Ok(Self { address, busy, _thread: thread })
    }

    /// Returns the address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns how many requests were read.
    pub fn asked(&self) -> usize {
        self.busy.asked.load(Ordering::SeqCst)
    }

    /// Returns the most requests that were under way at one time.
    pub fn most_at_once(&self) -> usize {
        self.busy.most.load(Ordering::SeqCst)
    }

    /// Returns how many clients went away before their answer.
    pub fn closed_early(&self) -> usize {
        self.busy.closed_early.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, busy: &Busy) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    while let Some(head) = read_head(&mut stream, &mut buffer).await? {
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = field(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0_usize);
        while buffer.len() < length.min(CONTENT_BYTES_MAX) {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let content = buffer.split_to(length.min(buffer.len()));
        busy.asked.fetch_add(1, Ordering::SeqCst);
        let now = busy.now.fetch_add(1, Ordering::SeqCst) + 1;
        busy.most.fetch_max(now, Ordering::SeqCst);
        let answered = answer(&mut stream, &head, &content, busy).await;
        busy.now.fetch_sub(1, Ordering::SeqCst);
        answered?;
    }
    Ok(())
}

async fn answer(stream: &mut TcpStream, head: &str, content: &[u8], busy: &Busy) -> io::Result<()> {
    let line = head.lines().next().unwrap_or_default();
    let target = line.split(' ').nth(1).unwrap_or_default();
    let number = |name: &str| parameter(target, name).and_then(|value| value.parse::<u64>().ok());
    if let Some(millis) = number("wait_ms") {
        let gone = tokio::time::timeout(Duration::from_millis(millis), stream.peek(&mut [0])).await;
        if matches!(gone, Ok(Ok(0) | Err(_))) {
            busy.closed_early.fetch_add(1, Ordering::SeqCst);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
    let body = match number("bytes") {
        Some(bytes) => vec![b'x'; usize::try_from(bytes).unwrap_or(0)],
        None => [head.as_bytes(), content].concat(),
    };
    let status = number("status").unwrap_or(200);
    let mut reply = format!("HTTP/1.1 {status} Echo\r\nContent-Type: text/plain; charset=utf-8\r\n");
    if let Some(location) = parameter(target, "location") {
        reply.push_str(&format!("Location: {location}\r\n"));
    }
    if let Some(cookie) = parameter(target, "cookie") {
        reply.push_str(&format!("Set-Cookie: {}\r\n", cookie.replace("%3D", "=")));
    }
    reply.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut reply = reply.into_bytes();
    if !line.starts_with("HEAD ") {
        reply.extend_from_slice(&body);
    }
    stream.write_all(&reply).await
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let (_, value) = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

fn parameter<'t>(target: &'t str, name: &str) -> Option<&'t str> {
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn it_says_what_it_was_asked_and_does_what_the_query_says() {
        let server = EchoServer::start().unwrap();
        let check = |request: &str, expected: &[&str]| {
            let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            expected.iter().for_each(|part| assert!(text.contains(part), "{text}"));
        };
        check(
            "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            &["200 Echo", "POST /a HTTP/1.1", "\r\n\r\nabc"],
        );
        check("GET /?status=404&bytes=2 HTTP/1.1\r\n\r\n", &["404 Echo", "\r\n\r\nxx"]);
        check(
            "GET /?status=302&location=/x&cookie=a%3Db HTTP/1.1\r\n\r\n",
            &["Location: /x", "Set-Cookie: a=b"],
        );
        assert_eq!((server.asked(), server.most_at_once()), (3, 1));
    }
}
