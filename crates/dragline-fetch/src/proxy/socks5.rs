//! Asks a SOCKS5 proxy for a connection (RFC 1928), with a user name and password when it wants them (RFC 1929).

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Destination, Host};
use crate::error::{ProxyFault, Reply};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 255;
/// The version of the exchange of user name and password.
const AUTHENTICATION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks for a connection to `destination`.
///
/// # Errors
/// What the proxy did wrong, or why it refuses; nothing may be sent over the stream then.
///
/// # Cancel safety
/// None: the stream is useless when this is dropped before its end.
pub(crate) async fn socks5<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    destination: Destination<'_>,
    credentials: Option<(&str, &str)>,
) -> Result<(), ProxyFault> {
    let greeting: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(stream, greeting).await?;
    let [version, method] = receive(stream).await?;
    if version != VERSION {
        return Err(ProxyFault::Protocol("it does not speak socks5"));
    }
    match (method, credentials) {
        (NO_AUTHENTICATION, _) => {}
        (USER_AND_PASSWORD, Some((user, password))) => authenticate(stream, user, password).await?,
        (USER_AND_PASSWORD | NO_METHOD, _) => return Err(ProxyFault::Auth(Reply::Socks(method))),
        _ => return Err(ProxyFault::Protocol("it chose a method of authentication that was not offered")),
    }
    request(stream, destination).await
}

async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    user: &str,
    password: &str,
) -> Result<(), ProxyFault> {
    let mut message = vec![AUTHENTICATION];
    push_text(&mut message, user)?;
    push_text(&mut message, password)?;
    send(stream, &message).await?;
    let [_, status] = receive(stream).await?;
    if status == 0 { Ok(()) } else { Err(ProxyFault::Auth(Reply::Socks(status))) }
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    destination: Destination<'_>,
) -> Result<(), ProxyFault> {
    let mut message = vec![VERSION, CONNECT, 0];
    match destination.host {
        Host::Address(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Host::Name(name) => {
            message.push(NAME);
            push_text(&mut message, name)?;
        }
    }
    message.extend(destination.port.to_be_bytes());
    send(stream, &message).await?;
    let [version, reply] = receive(stream).await?;
    if version != VERSION {
        return Err(ProxyFault::Protocol("it does not speak socks5"));
    }
    let told = Reply::Socks(reply);
    match reply {
        0 => {}
        // Some answer "general failure" for a name that does not resolve.
        1 | 3..=6 => return Err(ProxyFault::Target(told)),
        2 | 7 | 8 => return Err(ProxyFault::Refused(told)),
        _ => return Err(ProxyFault::Protocol("its reply is unknown")),
    }
    let [_, kind] = receive(stream).await?;
    let address_len = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(receive::<1, S>(stream).await?[0]),
        _ => return Err(ProxyFault::Protocol("its bound address is of an unknown kind")),
    };
    // The address it is bound to, and the port: of no use to us, but before the target's bytes.
    let mut bound = vec![0; address_len + 2];
    stream.read_exact(&mut bound).await.map_err(ProxyFault::io)?;
    Ok(())
}

/// Appends a text behind its length.
fn push_text(message: &mut Vec<u8>, text: &str) -> Result<(), ProxyFault> {
    let len = u8::try_from(text.len())
        .map_err(|_| ProxyFault::Protocol("socks5 has no room for such a long text"))?;
    message.push(len);
    message.extend(text.bytes());
    Ok(())
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), ProxyFault> {
    stream.write_all(bytes).await.map_err(ProxyFault::io)?;
    stream.flush().await.map_err(ProxyFault::io)
}

async fn receive<const LEN: usize, S: AsyncRead + Unpin>(stream: &mut S) -> Result<[u8; LEN], ProxyFault> {
    let mut bytes = [0; LEN];
    stream.read_exact(&mut bytes).await.map_err(ProxyFault::io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speaks with a proxy that sends these bytes whatever it is told; returns what came of it and what it was told.
    async fn ask(host: Host<'_>, credentials: Option<(&str, &str)>, answers: &[u8]) -> (String, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(4_096);
        theirs.write_all(answers).await.unwrap();
        theirs.shutdown().await.unwrap();
        let told = socks5(&mut ours, Destination { host, port: 0x1234 }, credentials).await;
        let told = match told {
            Ok(()) => {
                let mut rest = String::new();
                ours.read_to_string(&mut rest).await.unwrap();
                format!("ok {rest}")
            }
            Err(fault) => fault.to_string(),
        };
        drop(ours);
        let mut asked = Vec::new();
        theirs.read_to_end(&mut asked).await.unwrap();
        (told, asked)
    }

    async fn check(answers: &[u8], expected: &str) {
        let (told, _) = ask(Host::Name("a.test"), Some(("user", "secret")), answers).await;
        assert_eq!(told, expected, "{answers:?}");
    }

    #[tokio::test]
    async fn every_kind_of_host_is_asked_for_as_the_protocol_says() {
        let yes = [5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
        let check = async |host, expected: &[u8]| {
            let (told, asked) = ask(host, None, &yes).await;
            assert_eq!((told.as_str(), asked.as_slice()), ("ok ", expected));
        };
        check(Host::Address(IpAddr::from([192, 0, 2, 1])), &[5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0x12, 0x34])
            .await;
        let six = [5, 1, 0, 5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x12, 0x34];
        check(Host::Address("2001:db8::1".parse().unwrap()), &six).await;
        check(Host::Name("a.b"), b"\x05\x01\x00\x05\x01\x00\x03\x03a.b\x12\x34").await;
        let (told, asked) =
            ask(Host::Name("a"), Some(("me", "pw")), &[&[5, 2, 1, 0], &yes[2..]].concat()).await;
        assert_eq!(told, "ok ");
        assert_eq!(asked, b"\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x03\x01a\x12\x34");
    }

    #[tokio::test]
    async fn the_targets_bytes_are_left_on_the_stream() {
        check(&[5, 0, 5, 0, 0, 3, 2, b'h', b'i', 0, 80, b'x'], "ok x").await;
        let six = [&[5, 0, 5, 0, 0, 4][..], &[0; 18], b"hello"].concat();
        check(&six, "ok hello").await;
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        check(&[5, 255], "it wants other credentials (reply 255)").await;
        check(&[5, 2, 1, 2], "it wants other credentials (reply 2)").await;
        let target = |reply: u8| format!("it cannot reach the target (reply {reply})");
        for reply in [1, 3, 4, 5, 6] {
            check(&[5, 0, 5, reply], &target(reply)).await;
        }
        for reply in [2, 7, 8] {
            check(&[5, 0, 5, reply, 0, 1, 0], &format!("it refuses (reply {reply})")).await;
        }
        let (told, _) = ask(Host::Name("a"), None, &[5, 2]).await;
        assert_eq!(told, "it wants other credentials (reply 2)");
    }

    #[tokio::test]
    async fn what_is_no_proxy_is_found_out() {
        let broke = "the connection broke: unexpected end of file";
        check(b"", broke).await;
        check(&[5, 0, 5], broke).await;
        check(&[5, 0, 5, 0, 0, 1, 127], broke).await;
        check(b"HTTP/1.1 400 Bad\r\n\r\n", "protocol error: it does not speak socks5").await;
        check(&[5, 0, 4, 0], "protocol error: it does not speak socks5").await;
        check(&[5, 1], "protocol error: it chose a method of authentication that was not offered").await;
        check(&[5, 0, 5, 9], "protocol error: its reply is unknown").await;
        check(&[5, 0, 5, 0, 0, 2], "protocol error: its bound address is of an unknown kind").await;
        let long = "x".repeat(256);
        let (told, _) = ask(Host::Name(&long), None, &[5, 0]).await;
        assert_eq!(told, "protocol error: socks5 has no room for such a long text");
    }
}
