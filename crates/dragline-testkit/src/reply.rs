//! Holds one answer of a server, ready to be sent.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// An answer, written out once and sent as often as it is asked for.
#[derive(Clone, Debug)]
pub struct Reply {
    plain: Encoded,
    gzip: Option<Encoded>,
    close: bool,
}

/// Head and body in one piece, and where the body begins.
#[derive(Clone, Debug)]
struct Encoded {
    bytes: Bytes,
    head_len: usize,
}

impl Reply {
    /// Makes an answer; `Content-Length` is added.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self { plain: Encoded::new(status, headers, body.as_ref()), gzip: None, close: false }
    }

    /// Makes a 200 with a media type.
    pub fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new(200, &[("Content-Type", content_type)], body)
    }

    /// Makes a page.
    pub fn html(body: impl AsRef<[u8]>) -> Self {
        Self::ok("text/html; charset=utf-8", body)
    }

    /// Makes a page that is sent compressed to whoever accepts gzip.
    pub fn html_gzip(body: impl AsRef<[u8]>) -> Self {
        let mut reply = Self::html(body.as_ref());
        let headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Encoding", "gzip"),
            ("Vary", "Accept-Encoding"),
        ];
        reply.gzip = Some(Encoded::new(200, &headers, &gzip(body.as_ref())));
        reply
    }

    /// Makes an answer with a short text that repeats the status.
    pub fn status(status: u16) -> Self {
        Self::new(status, &[("Content-Type", "text/plain")], format!("{status} {}\n", reason(status)))
    }

    /// Makes an answer with a status and a `Retry-After` in seconds.
    pub fn retry_after(status: u16, secs: u32) -> Self {
        Self::new(status, &[("Retry-After", &secs.to_string())], "later\n")
    }

    /// Makes a redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, &[("Location", location)], "")
    }

    /// Makes an answer of these very bytes, after which the connection is closed.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let head_len = bytes.len();
        Self { plain: Encoded { bytes, head_len }, gzip: None, close: true }
    }

    /// Closes the connection after this answer.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// Whether the connection is closed after this answer.
    pub(crate) const fn closes(&self) -> bool {
        self.close
    }

    /// Returns the bytes to send.
    pub(crate) fn bytes(&self, head_only: bool, accepts_gzip: bool) -> Bytes {
        let encoded = self.gzip.as_ref().filter(|_| accepts_gzip).unwrap_or(&self.plain);
        if head_only { encoded.bytes.slice(..encoded.head_len) } else { encoded.bytes.clone() }
    }
}

impl Encoded {
    fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if status != 204 && status != 304 {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        let head_len = bytes.len();
        bytes.extend_from_slice(body);
        Self { bytes: bytes.into(), head_len }
    }
}

/// Compresses with gzip.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing into memory cannot fail")
}

/// Returns the usual words for a status.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &Reply, head_only: bool, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&reply.bytes(head_only, false)), expected);
    }

    #[test]
    fn an_answer_is_a_head_and_a_body() {
        let reply = Reply::new(404, &[("X-A", "b")], "gone");
        check(&reply, false, "HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 4\r\n\r\ngone");
        check(&reply, true, "HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 4\r\n\r\n");
        check(&Reply::new(304, &[], ""), false, "HTTP/1.1 304 Not Modified\r\n\r\n");
        check(&Reply::raw("junk"), false, "junk");
    }

    #[test]
    fn only_who_accepts_gzip_gets_it() {
        let reply = Reply::html_gzip("<p>hello");
        assert!(reply.bytes(false, false).ends_with(b"<p>hello"));
        let zipped = reply.bytes(false, true);
        assert!(memchr::memmem::find(&zipped, b"Content-Encoding: gzip").is_some());
        assert!(memchr::memmem::find(&zipped, b"hello").is_none());
    }
}
