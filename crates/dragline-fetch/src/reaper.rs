//! Closes sockets that idle in awc's pool, which awc itself never does (actix-web#1460).
//!
//! A tap shares its socket with this registry. The reaper takes the stream out; the shell that stays in the pool
//! answers the pool's next check with an end of stream and is skipped.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::dial::{ConnInfo, Dialed, Io};
use crate::transport::ConnectionCounts;

/// One connection; the stream is gone once it was closed.
#[derive(Debug)]
pub(crate) struct Socket {
    io: RefCell<Option<Io>>,
    pub(crate) info: Rc<ConnInfo>,
    busy: Cell<bool>,
    idle_since: Cell<Instant>,
    counts: Rc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    open: Cell<usize>,
    busy: Cell<usize>,
    opened: Cell<u64>,
    reused: Cell<u64>,
}

impl Socket {
    /// Marks the connection as serving a request: the reaper leaves it alone.
    pub(crate) fn occupy(&self, reused: bool) {
        if !self.busy.replace(true) {
            self.counts.busy.set(self.counts.busy.get() + 1);
        }
        if reused {
            self.counts.reused.set(self.counts.reused.get() + 1);
        }
    }

    /// Marks the connection as idle.
    pub(crate) fn release(&self, now: Instant) {
        self.idle_since.set(now);
        if self.busy.replace(false) {
            self.counts.busy.set(self.counts.busy.get() - 1);
        }
    }

    /// Closes the connection; whoever reads it next sees its end.
    pub(crate) fn close(&self) {
        if self.io.take().is_some() {
            self.counts.open.set(self.counts.open.get() - 1);
        }
    }

    /// Runs `with` on the stream, unless it was closed.
    pub(crate) fn with_io<T>(&self, with: impl FnOnce(&Io) -> T) -> Option<T> {
        self.io.borrow().as_ref().map(with)
    }

    /// Reads; a closed connection is at its end.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.io.borrow_mut().as_mut() {
            Some(io) => Pin::new(io).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Reads into what `buf` has room for; a closed connection is at its end.
    pub(crate) fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<io::Result<usize>> {
        match self.io.borrow_mut().as_mut() {
            Some(io) => tokio_util::io::poll_read_buf(Pin::new(io), cx, buf),
            None => Poll::Ready(Ok(0)),
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.io.borrow_mut().as_mut() {
            Some(io) => Pin::new(io).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.borrow_mut().as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_flush(cx))
    }

    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.borrow_mut().as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_shutdown(cx))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
        self.release(self.idle_since.get());
    }
}

/// The sockets of one transport.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    sockets: RefCell<Vec<Weak<Socket>>>,
    counts: Rc<Counts>,
}

impl Registry {
    /// Takes a fresh connection in; it is idle until its first request.
    pub(crate) fn adopt(&self, dialed: Dialed, now: Instant) -> Rc<Socket> {
        self.counts.open.set(self.counts.open.get() + 1);
        self.counts.opened.set(self.counts.opened.get() + 1);
        let socket = Rc::new(Socket {
            io: RefCell::new(Some(dialed.io)),
            info: dialed.info,
            busy: Cell::new(false),
            idle_since: Cell::new(now),
            counts: Rc::clone(&self.counts),
        });
        self.sockets.borrow_mut().push(Rc::downgrade(&socket));
        socket
    }

    /// Closes what has been idle for longer than `idle_max`.
    pub(crate) fn reap(&self, now: Instant, idle_max: Duration) {
        self.close_idle(|socket| now.saturating_duration_since(socket.idle_since.get()) > idle_max);
    }

    /// Closes every idle connection to one address: one of them was found dead.
    pub(crate) fn close_idle_to(&self, peer: SocketAddr) {
        self.close_idle(|socket| socket.info.peer == peer);
    }

    fn close_idle(&self, is_due: impl Fn(&Socket) -> bool) {
        self.sockets.borrow_mut().retain(|socket| {
            let Some(socket) = socket.upgrade() else { return false };
            let due = !socket.busy.get() && is_due(&socket);
            if due {
                socket.close();
            }
            !due
        });
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        let busy = self.counts.busy.get();
        ConnectionCounts {
            busy,
            idle: self.counts.open.get().saturating_sub(busy),
            opened_new: self.counts.opened.get(),
            reused: self.counts.reused.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::net::TcpStream;

    use super::*;
    use crate::clock;

    async fn adopted(registry: &Registry, listener: &TcpListener, now: Instant) -> Rc<Socket> {
        let address = listener.local_addr().unwrap();
        let io = Io::Plain(TcpStream::connect(address).await.unwrap());
        let info = Rc::new(ConnInfo { peer: address, tls: None, proxy: None, http2: false, absolute: None });
        registry.adopt(Dialed { io, info }, now)
    }

    fn check(registry: &Registry, expected: (usize, usize)) {
        let counts = registry.counts();
        assert_eq!((counts.busy, counts.idle), expected);
    }

    #[tokio::test]
    async fn only_what_was_idle_for_long_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Registry::default();
        let now = clock::now();
        let limit = Duration::from_secs(15);
        let idle = adopted(&registry, &listener, now).await;
        let busy = adopted(&registry, &listener, now).await;
        busy.occupy(false);
        check(&registry, (1, 1));
        registry.reap(now + limit, limit);
        check(&registry, (1, 1));
        registry.reap(now + 2 * limit, limit);
        check(&registry, (1, 0));
        assert!(idle.with_io(|_| ()).is_none());
        busy.release(now + 2 * limit);
        check(&registry, (0, 1));
        registry.close_idle_to("127.0.0.1:1".parse().unwrap());
        check(&registry, (0, 1));
        registry.close_idle_to(busy.info.peer);
        check(&registry, (0, 0));
        drop((idle, busy));
        check(&registry, (0, 0));
    }

    #[tokio::test]
    async fn a_busy_socket_that_is_dropped_is_counted_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Registry::default();
        let socket = adopted(&registry, &listener, clock::now()).await;
        socket.occupy(true);
        drop(socket);
        check(&registry, (0, 0));
        assert_eq!((registry.counts().opened_new, registry.counts().reused), (1, 1));
    }
}
