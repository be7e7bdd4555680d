//! Asks the admin listener of a running crawl for its numbers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use dragline::telemetry::labels::DISPOSITIONS;

/// How long it may take to connect, and then to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// The metric of the accounting identity, up to the value of its label.
const URLS: &str = "dragline_urls{disposition=\"";

/// Returns how many URLs a crawl counts, by disposition, when one answers there.
///
/// # Errors
/// When nobody answers in time.
pub(crate) fn ask(address: SocketAddr) -> io::Result<Vec<(&'static str, u64)>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0, so that the answer ends with the connection.
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(read(&String::from_utf8_lossy(&answer)))
}

/// Reads the numbers out of an answer; those that are not there are left out.
fn read(answer: &str) -> Vec<(&'static str, u64)> {
    let value = |disposition: &&'static str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(URLS)?.strip_prefix(disposition));
        Some((*disposition, line?.strip_prefix("\"}")?.trim().parse().ok()?))
    };
    DISPOSITIONS.iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_numbers_of_the_identity_are_read() {
        let check = |answer: &str, expected: &[(&str, u64)]| assert_eq!(read(answer), expected, "{answer}");
        check("", &[]);
        check(
            "HTTP/1.0 200 OK\r\n\r\n# HELP dragline_urls x\ndragline_urls{disposition=\"done\"} 7\n\
             dragline_urls{disposition=\"pending\"} 12\ndragline_urls{disposition=\"failed\"} many\n\
             dragline_urls{disposition=\"donee\"} 9\ndragline_frontier_urls{state=\"ready\"} 3\n",
            &[("done", 7), ("pending", 12)],
        );
    }
}
