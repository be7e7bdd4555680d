//! Runs `dragline fetch` and reads its records, and answers it with what it sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Ended, Place};

/// How long one read of a request may take.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// What loopback tests want: loopback may be dialled, and hosts are not spared.
pub(crate) const USUAL: [&str; 5] = [
    "fetch",
    "--allow-net=127.0.0.0/8",
    "--set=politeness.delay=0s",
    "--set=politeness.adaptive=false",
    "--set=politeness.concurrency=32",
];

/// Fetches and returns what came of it.
pub(crate) fn fetch(place: &Place, arguments: &[&str]) -> Ended {
    place.run(&[&USUAL, arguments].concat())
}

/// Fetches without robots.txt, asserts the exit code, and returns the records.
pub(crate) fn records(place: &Place, arguments: &[&str], code: i32) -> Vec<Value> {
    let ended = fetch(place, &[&["--ignore-robots"], arguments].concat());
    ended.assert(code, &[]);
    parse(&ended.stdout)
}

/// Fetches one URL without robots.txt, asserts the exit code, and returns the record.
pub(crate) fn record(place: &Place, arguments: &[&str], code: i32) -> Value {
    let mut records = records(place, arguments, code);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

/// Reads records, one a line.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(read).collect()
}

/// Fetches with this on standard input and these environment variables.
pub(crate) fn fetch_with(
    place: &Place,
    arguments: &[&str],
    stdin: &str,
    environment: &[(&str, &str)],
) -> Ended {
    let input = place.write("stdin", stdin);
    let running = place.start_with(&[&USUAL[..], &["--ignore-robots"], arguments].concat(), |command| {
        command.stdin(Stdio::from(std::fs::File::open(input).expect("it was just written")));
        command.envs(environment.iter().copied());
    });
    running.wait()
}

/// A server that answers every request with the request itself; `/to/STATUS/URL` redirects to the URL, and every
/// answer sets the cookie `seen=yes`.
#[derive(Debug)]
pub(crate) struct Echo {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    #[expect(clippy::disallowed_methods, reason = "the thread is joined on drop")]
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let serve = move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // One that goes away is no news.
                drop(stream.and_then(|stream| answer(stream, &log)));
            }
        };
        Self { address, asked, stop, thread: Some(std::thread::spawn(serve)) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns every request in the order of arrival, each as its lines: names of fields in lower case.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics while it holds this").clone()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answer(mut stream: TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        match line.split_once(": ").filter(|_| !text.is_empty()) {
            Some((name, value)) => {
                let name = name.to_ascii_lowercase();
                if name == "content-length" {
                    length = value.parse().unwrap_or_default();
                }
                text.push_str(&format!("{name}: {value}\n"));
            }
            None => text.push_str(&format!("{line}\n")),
        }
        if line.is_empty() {
            break;
        }
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content)?;
    text.push_str(&String::from_utf8_lossy(&content));
    log.lock().expect("no test panics while it holds this").push(text.clone());
    let path = text.split(' ').nth(1).unwrap_or_default();
    let redirect = path.strip_prefix("/to/").and_then(|rest| rest.split_once('/'));
    let (status, location) = match redirect {
        Some((status, target)) => (status, format!("Location: {target}\r\n")),
        None => ("200", String::new()),
    };
    let body = if text.starts_with("HEAD") { "" } else { &text };
    write!(
        stream,
        "HTTP/1.1 {status} Answer\r\nContent-Type: text/plain\r\nSet-Cookie: seen=yes; Path=/\r\n{location}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        text.len()
    )
}
