//! Asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6).

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Destination;
use crate::error::{ProxyFault, Reply};

/// Bytes of the proxy's answer.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How every answer begins.
const PREFIX: &[u8] = b"HTTP/1.";

/// Asks for a tunnel; `authorization` is sent at once, without waiting for a challenge.
///
/// # Errors
/// What the proxy did wrong, or why it refuses; nothing may be sent over the stream then.
///
/// # Cancel safety
/// None: the stream is useless when this is dropped before its end.
pub(crate) async fn http_connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    destination: Destination<'_>,
    authorization: Option<&str>,
) -> Result<(), ProxyFault> {
    let mut request = format!("CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n");
    if let Some(authorization) = authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(ProxyFault::io)?;
    stream.flush().await.map_err(ProxyFault::io)?;
    let (head, has_more) = read_head(stream).await?;
    let status = status(&head)?;
    match status {
        200..=299 if has_more => Err(ProxyFault::Protocol("it sent bytes behind its consent")),
        200..=299 => Ok(()),
        // tinyproxy answers 401 where 407 is meant.
        401 | 407 => Err(ProxyFault::Auth(Reply::Status(status))),
        500..=599 if blames_name(&head) => Err(ProxyFault::TargetDns(Reply::Status(status))),
        500..=599 => Err(ProxyFault::Target(Reply::Status(status))),
        100..=199 => Err(ProxyFault::Protocol("its answer is an interim one")),
        _ => Err(ProxyFault::Refused(Reply::Status(status))),
    }
}

/// Reads up to the empty line; true when bytes stand behind it.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Vec<u8>, bool), ProxyFault> {
    let mut head = Vec::with_capacity(512);
    loop {
        let from = head.len().saturating_sub(3);
        let room = u64::try_from(HEAD_BYTES_MAX + 1 - head.len()).unwrap_or_default();
        if (&mut *stream).take(room).read_buf(&mut head).await.map_err(ProxyFault::io)? == 0 {
            return Err(ProxyFault::Protocol("it closed the connection before it answered"));
        }
        if !head.iter().zip(PREFIX).all(|(found, expected)| found == expected) {
            return Err(ProxyFault::Protocol("its answer is not http/1"));
        }
        if let Some(end) = head_end(&head, from) {
            let has_more = end < head.len();
            head.truncate(end);
            return Ok((head, has_more));
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(ProxyFault::Protocol("its answer is too long"));
        }
    }
}

/// Finds where the head ends; lines may end in a bare LF.
fn head_end(head: &[u8], from: usize) -> Option<usize> {
    let fresh = head.get(from..)?;
    let strict = memmem::find(fresh, b"\r\n\r\n").map(|at| from + at + 4);
    let bare = memmem::find(fresh, b"\n\n").map(|at| from + at + 2);
    match (strict, bare) {
        (Some(strict), Some(bare)) => Some(strict.min(bare)),
        (found, None) | (None, found) => found,
    }
}

fn status(head: &[u8]) -> Result<u16, ProxyFault> {
    let digits = match head.strip_prefix(PREFIX) {
        Some([b'0'..=b'9', b' ', digits @ ..]) => digits.get(..3),
        _ => None,
    };
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
    digits
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or(ProxyFault::Protocol("its status line is malformed"))
}

/// Whether the proxy says that the target's name did not resolve: by `Proxy-Status` (RFC 9209 section 2.3) or in the
/// way of squid.
fn blames_name(head: &[u8]) -> bool {
    let says = |line: &[u8], name: &[u8], word: &[u8]| {
        let line = line.to_ascii_lowercase();
        line.starts_with(name) && memmem::find(&line, word).is_some()
    };
    head.split(|octet| *octet == b'\n').any(|line| {
        says(line, b"proxy-status:", b"error=dns_") || says(line, b"x-squid-error:", b"err_dns_fail")
    })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::proxy::Host;

    /// Asks a proxy that answers so and closes; says what came of it and what the proxy was asked.
    async fn ask(answer: &str, authorization: Option<&str>) -> (String, String) {
        let destination = Destination { host: Host::Address(IpAddr::from([192, 0, 2, 1])), port: 443 };
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        let proxy = async {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(theirs.read_u8().await.unwrap());
            }
            // A refusal may come before all was taken.
            drop(theirs.write_all(answer.as_bytes()).await);
            drop(theirs);
            String::from_utf8(asked).unwrap()
        };
        let client = async {
            let told = http_connect(&mut ours, destination, authorization).await;
            drop(ours);
            told.map_or_else(|fault| fault.to_string(), |()| "ok".into())
        };
        tokio::join!(client, proxy)
    }

    async fn check(answer: &str, expected: &str) {
        let (told, asked) = ask(answer, None).await;
        assert_eq!(told, expected, "{answer:?}");
        assert_eq!(asked, "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n");
    }

    #[tokio::test]
    async fn consent_opens_the_tunnel() {
        check("HTTP/1.1 200 Connection established\r\n\r\n", "ok").await;
        check("HTTP/1.0 200\r\nVia: x\r\n\r\n", "ok").await;
        check("HTTP/1.1 204 fine\nVia: x\n\n", "ok").await;
        let behind = "protocol error: it sent bytes behind its consent";
        check("HTTP/1.1 200 ok\r\n\r\nx", behind).await;
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        check("HTTP/1.1 407 Auth\r\n\r\n", "it wants other credentials (status 407)").await;
        check("HTTP/1.1 401 Auth\r\n\r\nbody", "it wants other credentials (status 401)").await;
        check("HTTP/1.1 403 No\r\n\r\n", "it refuses (status 403)").await;
        check("HTTP/1.1 302 Go\r\n\r\n", "it refuses (status 302)").await;
        check("HTTP/1.1 500 No\r\n\r\n", "it cannot reach the target (status 500)").await;
        let dns = "it cannot resolve the target's name (status 502)";
        check("HTTP/1.1 502 No\r\nProxy-Status: p; error=dns_error\r\n\r\n", dns).await;
        check("HTTP/1.1 502 No\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\n\r\n", dns).await;
    }

    #[tokio::test]
    async fn what_is_no_proxy_is_found_out() {
        let early = "protocol error: it closed the connection before it answered";
        let other = "protocol error: its answer is not http/1";
        let status = "protocol error: its status line is malformed";
        check("", early).await;
        check("HTTP/1.1 200 ok\r\n", early).await;
        check("SSH-2.0-OpenSSH_9.2\r\n", other).await;
        check("HTTP/2 200\r\n\r\n", other).await;
        check("HTTP/1.1 2x0 ok\r\n\r\n", status).await;
        check("HTTP/1.1 20\r\n\r\n", status).await;
        check("HTTP/1.1  200\r\n\r\n", status).await;
        check("HTTP/1.1 100 Go\r\n\r\n", "protocol error: its answer is an interim one").await;
        let long = format!("HTTP/1.1 200 ok\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        check(&long, "protocol error: its answer is too long").await;
    }

    #[tokio::test]
    async fn credentials_are_sent_unasked() {
        let (told, asked) = ask("HTTP/1.1 200 ok\r\n\r\n", Some("Basic dTpw")).await;
        assert_eq!(told, "ok");
        assert!(asked.contains("\r\nProxy-Authorization: Basic dTpw\r\n"), "{asked}");
    }
}
