//! Sends exactly the bytes a test wants, in exactly the pieces it wants.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dragline_core::CanonicalUrl;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::log::{LoggedRequest, RequestLog};
use crate::server::{Bound, Request, read_head};
use crate::thread::{ServerThread, serve_each};

/// Between two pieces, so that the peer reads them one by one.
const BETWEEN_PIECES: Duration = Duration::from_millis(2);

/// One thing a scripted server does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes in one piece.
    Send(Bytes),
    /// Sends these bytes again and again until the peer closes: an endless body.
    Endless(Bytes),
    /// Waits before the next step.
    Wait(Duration),
    /// Reads nothing and sends nothing until the peer closes.
    Hang,
    /// Closes in both directions; the peer sees the end of the stream.
    Close,
    /// Resets the connection; the peer sees an error.
    Reset,
}

impl Step {
    /// Sends these bytes in one piece.
    pub fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// Sends these bytes in pieces of `size` bytes.
    ///
    /// # Panics
    /// When `size` is 0.
    pub fn send_split(bytes: impl AsRef<[u8]>, size: usize) -> Vec<Self> {
        bytes.as_ref().chunks(size).map(Self::send).collect()
    }
}

/// A server that plays scripts: for each path one, or a list of which the n-th request gets the n-th.
///
/// When a script ends without a close the connection stays open for the next request. A path without a script closes.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    log: RequestLog,
    _thread: ServerThread,
}

/// What a scripted server plays.
#[derive(Debug, Default)]
pub struct Scripts {
    on_accept: Vec<Step>,
    by_path: BTreeMap<String, Script>,
}

#[derive(Debug)]
struct Script {
    plays: Vec<Vec<Step>>,
    asked: AtomicUsize,
}

/// Whether a connection goes on after a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Request,
    End,
}

impl Scripts {
    /// Plays nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays these steps when a connection is accepted, before a request is read.
    #[must_use]
    pub fn on_accept(mut self, steps: Vec<Step>) -> Self {
        self.on_accept = steps;
        self
    }

    /// Plays the same steps for every request of a path.
    #[must_use]
    pub fn on(self, path: impl Into<String>, steps: Vec<Step>) -> Self {
        self.on_each(path, vec![steps])
    }

    /// Plays the first list for the first request of a path, and so on; the last is repeated.
    #[must_use]
    pub fn on_each(mut self, path: impl Into<String>, plays: Vec<Vec<Step>>) -> Self {
        self.by_path.insert(path.into(), Script { plays, asked: AtomicUsize::new(0) });
        self
    }

    fn for_request(&self, path: &str) -> &[Step] {
        let Some(script) = self.by_path.get(path) else { return &[Step::Close] };
        let asked = script.asked.fetch_add(1, Ordering::Relaxed);
        script.plays.get(asked).or(script.plays.last()).map_or(&[], Vec::as_slice)
    }
}

impl ScriptedServer {
    /// Plays scripts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound or the thread cannot be started.
    pub fn start(scripts: Scripts) -> io::Result<Self> {
        let (listener, address) = Bound::hosts(1)?.into_first()?;
        let log = RequestLog::default();
        let shared = Arc::new((scripts, log.clone()));
        let thread = ServerThread::start(vec![listener], move |listeners| {
            serve_each(listeners, move |stream| serve(stream, Arc::clone(&shared)))
        })?;
        Ok(Self { address, log, _thread: thread })
    }

    /// Plays one script for the path `/`.
    ///
    /// # Errors
    /// As [`ScriptedServer::start`].
    pub fn play(steps: Vec<Step>) -> io::Result<Self> {
        Self::start(Scripts::new().on("/", steps))
    }

    /// Returns the address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path.
    ///
    /// # Panics
    /// When `path` does not begin with `/`.
    pub fn url(&self, path: &str) -> CanonicalUrl {
        assert!(path.starts_with('/'), "a path begins with a slash: {path}");
        CanonicalUrl::parse(&format!("http://{}{path}", self.address))
            .expect("an address and a path are a URL")
    }

    /// Returns what was asked; times are not kept.
    pub const fn log(&self) -> &RequestLog {
        &self.log
    }
}

async fn serve(stream: TcpStream, shared: Arc<(Scripts, RequestLog)>) {
    let (scripts, log) = &*shared;
    // A client that goes away in the middle is what many of these scripts are for.
    drop(play_requests(stream, scripts, log).await);
}

async fn play_requests(mut stream: TcpStream, scripts: &Scripts, log: &RequestLog) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = log.add_connection();
    let mut buffer = BytesMut::new();
    if play(&mut stream, &scripts.on_accept).await? == Next::End {
        return Ok(());
    }
    while let Some(head) = read_head(&mut stream, &mut buffer).await? {
        let Some(request) = Request::parse(&head) else { return Ok(()) };
        log.add(LoggedRequest {
            host: request.host.into(),
            method: request.method.into(),
            path: request.path.into(),
            user_agent: request.user_agent.into(),
            at: Duration::ZERO,
            connection,
        });
        if play(&mut stream, scripts.for_request(request.path)).await? == Next::End {
            return Ok(());
        }
    }
    Ok(())
}

async fn play(stream: &mut TcpStream, steps: &[Step]) -> io::Result<Next> {
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Send(bytes) => {
                if index > 0 {
                    tokio::time::sleep(BETWEEN_PIECES).await;
                }
                stream.write_all(bytes).await?;
            }
            Step::Endless(bytes) => loop {
                stream.write_all(bytes).await?;
            },
            Step::Wait(span) => tokio::time::sleep(*span).await,
            Step::Hang => {
                let mut rest = BytesMut::new();
                while stream.read_buf(&mut rest).await? > 0 {
                    rest.clear();
                }
                return Ok(Next::End);
            }
            Step::Close => {
                stream.shutdown().await?;
                return Ok(Next::End);
            }
            Step::Reset => {
                stream.set_zero_linger()?;
                return Ok(Next::End);
            }
        }
    }
    Ok(Next::Request)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn ask(server: &ScriptedServer, path: &str) -> (String, io::Result<usize>) {
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        let end = stream.read_to_string(&mut text);
        (text, end)
    }

    #[test]
    fn the_bytes_arrive_as_written_and_the_script_of_the_request_is_played() {
        let mut split = Step::send_split("HTTP/1.1 200 OK\r\n\r\nabc", 3);
        split.push(Step::Close);
        let scripts = Scripts::new().on_each("/", vec![split, vec![Step::send("again"), Step::Close]]);
        let server = ScriptedServer::start(scripts).unwrap();
        for expected in ["HTTP/1.1 200 OK\r\n\r\nabc", "again", "again"] {
            assert_eq!(ask(&server, "/").0, expected);
        }
        assert_eq!(ask(&server, "/unknown").0, "");
        assert_eq!(server.log().count_of("/"), 3);
        assert_eq!(server.log().connections(), 4);
    }

    #[test]
    fn a_reset_is_an_error_and_not_an_end() {
        let server =
            ScriptedServer::play(vec![Step::send("part"), Step::Wait(BETWEEN_PIECES), Step::Reset]).unwrap();
        let (_, end) = ask(&server, "/");
        assert!(end.is_err(), "{end:?}");
    }

    #[test]
    fn a_script_may_speak_before_it_is_asked() {
        let scripts = Scripts::new().on_accept(vec![Step::send("early"), Step::Hang]);
        let server = ScriptedServer::start(scripts).unwrap();
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut early = [0; 5];
        stream.read_exact(&mut early).unwrap();
        assert_eq!(&early, b"early");
        assert_eq!(server.log().count(), 0);
    }
}
