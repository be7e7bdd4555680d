//! Connects to the first of some addresses that answers (happy eyeballs, RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::clock;
use crate::error::Unreached;

/// How long an attempt goes on alone before the next begins beside it (RFC 8305 section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first address that answers, until `due`; the attempts at the others are given up.
///
/// # Errors
/// When every attempt failed, or none succeeded in time; names the one that failed last.
///
/// # Cancel safety
/// Dropping the future closes what was opened.
pub(super) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    due: Instant,
) -> Result<(TcpStream, SocketAddr), Unreached> {
    let (tcp, peer) = match addresses {
        [address] => {
            let peer = SocketAddr::new(*address, port);
            let connected = tokio::time::timeout_at(due, TcpStream::connect(peer)).await;
            let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            (connected.map_err(|error| Unreached::new(peer, &error, 0))?, peer)
        }
        _ => race(interleaved(addresses), port, due).await?,
    };
    tcp.set_nodelay(true).map_err(|error| Unreached::new(peer, &error, 0))?;
    Ok((tcp, peer))
}

/// Lets the families take turns, beginning with that of the first address (RFC 8305 section 4).
fn interleaved(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let begins_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let family = |first: bool| {
        addresses.iter().copied().filter(move |address| (address.is_ipv6() == begins_v6) == first)
    };
    let (mut leading, mut other) = (family(true), family(false));
    let mut order = Vec::with_capacity(addresses.len());
    loop {
        let (one, two) = (leading.next(), other.next());
        if one.is_none() && two.is_none() {
            return order;
        }
        order.extend(one.into_iter().chain(two));
    }
}

/// One address that is being connected to.
struct Attempt {
    peer: SocketAddr,
    connecting: Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>,
}

impl Attempt {
    fn begin(address: IpAddr, port: u16) -> Self {
        let peer = SocketAddr::new(address, port);
        Self { peer, connecting: Box::pin(TcpStream::connect(peer)) }
    }
}

/// Begins one attempt after the other: when the stagger has passed, or as soon as one fails.
async fn race(order: Vec<IpAddr>, port: u16, due: Instant) -> Result<(TcpStream, SocketAddr), Unreached> {
    let mut waiting = order.into_iter();
    let mut attempts: Vec<Attempt> = Vec::new();
    let unspecified = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), port);
    let mut failed =
        Unreached { last: unspecified, kind: io::ErrorKind::AddrNotAvailable, code: None, tried: 0 };
    let mut timer = pin!(tokio::time::sleep_until(clock::now()));
    let mut end = pin!(tokio::time::sleep_until(due));
    std::future::poll_fn(|cx| {
        loop {
            let before = attempts.len();
            if let Some(connected) = poll_attempts(&mut attempts, &mut failed, cx) {
                return Poll::Ready(Ok(connected));
            }
            if let (Some(latest), Poll::Ready(())) = (attempts.last(), end.as_mut().poll(cx)) {
                let tried = failed.tried + attempts.len();
                return Poll::Ready(Err(Unreached {
                    last: latest.peer,
                    kind: io::ErrorKind::TimedOut,
                    code: None,
                    tried,
                }));
            }
            let is_next =
                attempts.len() < before || attempts.is_empty() || timer.as_mut().poll(cx).is_ready();
            match is_next.then(|| waiting.next()).flatten() {
                Some(address) => {
                    attempts.push(Attempt::begin(address, port));
                    timer.as_mut().reset(clock::after(clock::now(), STAGGER));
                }
                None if attempts.is_empty() => return Poll::Ready(Err(failed)),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// Polls every attempt; those that failed are noted and dropped.
fn poll_attempts(
    attempts: &mut Vec<Attempt>,
    failed: &mut Unreached,
    cx: &mut Context<'_>,
) -> Option<(TcpStream, SocketAddr)> {
    let mut connected = None;
    attempts.retain_mut(|attempt| {
        if connected.is_some() {
            return true;
        }
        match attempt.connecting.as_mut().poll(cx) {
            Poll::Pending => return true,
            Poll::Ready(Ok(tcp)) => connected = Some((tcp, attempt.peer)),
            Poll::Ready(Err(error)) => {
                *failed = Unreached::new(attempt.peer, &error, failed.tried);
            }
        }
        false
    });
    connected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], expected: &[&str]) {
        let parsed: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let order: Vec<String> = interleaved(&parsed).iter().map(ToString::to_string).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn the_families_take_turns() {
        check(&["1.1.1.1", "2.2.2.2", "::1", "::2", "::3"], &["1.1.1.1", "::1", "2.2.2.2", "::2", "::3"]);
        check(&["::1", "::2", "1.1.1.1"], &["::1", "1.1.1.1", "::2"]);
        check(&["::1"], &["::1"]);
        check(&[], &[]);
    }

    #[tokio::test]
    async fn no_address_is_no_connection() {
        assert_eq!(connect(&[], 80, clock::now()).await.unwrap_err().tried, 0);
    }
}
