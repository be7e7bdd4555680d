//! Listens where nobody may come, and counts who came.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Listeners that nobody may reach. A connection waits in the kernel until it is counted, so none is missed.
#[derive(Debug)]
pub(super) struct Canaries {
    listeners: Vec<TcpListener>,
    hits: AtomicUsize,
    /// 127.0.0.2.
    pub(super) v4: SocketAddr,
    /// The port of `[::1]`; the one of 127.0.0.2 where a system has no IPv6.
    pub(super) v6_port: u16,
    /// The port of 127.0.0.1 that is reached by way of `0.0.0.0` and `[::]` only.
    pub(super) own_port: u16,
}

impl Canaries {
    /// Binds them all.
    pub(super) fn bind() -> io::Result<Self> {
        let bind = |address: IpAddr| -> io::Result<TcpListener> {
            let listener = TcpListener::bind((address, 0))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let second = bind(Ipv4Addr::new(127, 0, 0, 2).into())?;
        let own = bind(Ipv4Addr::LOCALHOST.into())?;
        let (v4, own_port) = (second.local_addr()?, own.local_addr()?.port());
        let mut listeners = vec![second, own];
        let mut v6_port = v4.port();
        // A system without IPv6 has no address there that could be dialled either.
        if let Ok(sixth) = bind(Ipv6Addr::LOCALHOST.into()) {
            v6_port = sixth.local_addr()?.port();
            listeners.push(sixth);
        }
        // The port of the one is a canary at the other addresses too, where it is free.
        listeners.extend(bind_at(Ipv4Addr::new(127, 0, 0, 3).into(), v4.port()));
        listeners.extend(bind_at(Ipv6Addr::LOCALHOST.into(), v4.port()));
        Ok(Self { listeners, hits: AtomicUsize::new(0), v4, v6_port, own_port })
    }

    /// Returns how many connections came so far.
    pub(super) fn hits(&self) -> usize {
        for listener in &self.listeners {
            while listener.accept().is_ok() {
                self.hits.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.hits.load(Ordering::Relaxed)
    }
}

fn bind_at(address: IpAddr, port: u16) -> Option<TcpListener> {
    let listener = TcpListener::bind((address, port)).ok()?;
    listener.set_nonblocking(true).ok()?;
    Some(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_is_counted() {
        let canaries = Canaries::bind().unwrap();
        assert_eq!(canaries.hits(), 0);
        for expected in 1..=3 {
            drop(std::net::TcpStream::connect(canaries.v4).unwrap());
            assert_eq!(canaries.hits(), expected);
        }
    }
}
