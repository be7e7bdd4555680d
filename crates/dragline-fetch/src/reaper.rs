//! Closes sockets that idle in awc's pool, which awc itself never does (actix-web#1460).
//!
//! A tap shares its socket with this registry. The reaper takes the stream out; the shell that stays in the pool
//! answers the pool's next check with an end of stream and is skipped.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
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
    /// Whether it stands in the queue of those that idle.
    queued: Cell<bool>,
    counts: Rc<Counts>,
    idle: Rc<Idle>,
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
    pub(crate) fn release(self: &Rc<Self>, now: Instant) {
        self.idle_since.set(now);
        self.leave();
        if self.io.borrow().is_some() && !self.queued.replace(true) {
            self.idle.queue.borrow_mut().push_back((Rc::downgrade(self), now));
        }
        self.idle.bound(&self.counts);
    }

    fn leave(&self) {
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
        self.leave();
    }
}

/// The sockets of one transport.
#[derive(Debug)]
pub(crate) struct Registry {
    sockets: RefCell<Vec<Weak<Socket>>>,
    counts: Rc<Counts>,
    idle: Rc<Idle>,
}

/// The sockets that idle, about in the order in which they began to.
#[derive(Debug)]
struct Idle {
    most: usize,
    queue: RefCell<VecDeque<(Weak<Socket>, Instant)>>,
}

impl Idle {
    /// Closes those that idle longest until no more than allowed are left.
    fn bound(&self, counts: &Counts) {
        while counts.open.get().saturating_sub(counts.busy.get()) > self.most {
            let Some((socket, since)) = self.queue.borrow_mut().pop_front() else { return };
            let Some(socket) = socket.upgrade() else { continue };
            if socket.busy.get() {
                socket.queued.set(false);
            } else if socket.idle_since.get() == since {
                socket.queued.set(false);
                socket.close();
            } else {
                // It served again in the meantime: its turn comes later.
                self.queue.borrow_mut().push_back((Rc::downgrade(&socket), socket.idle_since.get()));
            }
        }
    }
}

impl Registry {
    /// Makes a registry that keeps so many connections while they idle.
    pub(crate) fn new(idle_max: usize) -> Self {
        let idle = Idle { most: idle_max, queue: RefCell::default() };
        Self { sockets: RefCell::default(), counts: Rc::default(), idle: Rc::new(idle) }
    }

    /// Takes a fresh connection in; it is idle until its first request.
    pub(crate) fn adopt(&self, dialed: Dialed, now: Instant) -> Rc<Socket> {
        self.counts.open.set(self.counts.open.get() + 1);
        self.counts.opened.set(self.counts.opened.get() + 1);
        let socket = Rc::new(Socket {
            io: RefCell::new(Some(dialed.io)),
            info: dialed.info,
            busy: Cell::new(false),
            idle_since: Cell::new(now),
            queued: Cell::new(false),
            counts: Rc::clone(&self.counts),
            idle: Rc::clone(&self.idle),
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
        let info = Rc::new(ConnInfo { peer: address, tls: None, http2: false, absolute: None });
        registry.adopt(Dialed { io, info }, now)
    }

    fn check(registry: &Registry, expected: (usize, usize)) {
        let counts = registry.counts();
        assert_eq!((counts.busy, counts.idle), expected);
    }

    #[tokio::test]
    async fn only_what_was_idle_for_long_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Registry::new(100);
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
        let registry = Registry::new(100);
        let socket = adopted(&registry, &listener, clock::now()).await;
        socket.occupy(true);
        drop(socket);
        check(&registry, (0, 0));
        assert_eq!((registry.counts().opened_new, registry.counts().reused), (1, 1));
    }

    #[tokio::test]
    async fn those_that_idle_longest_make_way() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Registry::new(2);
        let now = clock::now();
        let mut sockets = Vec::new();
        for nth in 0..4_u32 {
            let socket = adopted(&registry, &listener, now).await;
            socket.occupy(false);
            socket.release(now + nth * Duration::from_secs(1));
            sockets.push(socket);
            if nth == 1 {
                sockets[0].occupy(true);
                sockets[0].release(now + Duration::from_secs(9));
            }
        }
        let open: Vec<_> = sockets.iter().map(|socket| socket.with_io(|_| ()).is_some()).collect();
        assert_eq!(open, [true, false, false, true]);
        check(&registry, (0, 2));
    }
}
