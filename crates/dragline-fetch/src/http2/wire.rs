//! Carries the bytes of one connection, and notes what they tell about its health.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frames::FrameWatch;
use crate::clock;
use crate::dial::Io;

/// What the connections of a pool add up to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) open: Cell<usize>,
    pub(super) busy: Cell<usize>,
    pub(super) opened: Cell<u64>,
    pub(super) reused: Cell<u64>,
}

/// The health of one connection, shared by its task, its streams and the pool.
#[derive(Debug)]
pub(super) struct Vitals {
    pub(super) frames: RefCell<FrameWatch>,
    /// When the last byte arrived.
    pub(super) heard: Cell<Instant>,
    /// Whether the server sent so many frames for nothing that it was cut off.
    pub(super) flooded: Cell<bool>,
    /// Whether the task has ended, and with which words of the network.
    pub(super) ended: RefCell<Option<Option<String>>>,
    pub(super) tally: Rc<Tally>,
}

impl Vitals {
    pub(super) fn new(tally: &Rc<Tally>, now: Instant) -> Self {
        Self {
            frames: RefCell::default(),
            heard: Cell::new(now),
            flooded: Cell::new(false),
            ended: RefCell::default(),
            tally: Rc::clone(tally),
        }
    }
}

/// The stream that the h2 crate is given.
#[derive(Debug)]
pub(super) struct Wire {
    io: Io,
    vitals: Rc<Vitals>,
}

impl Wire {
    pub(super) fn new(io: Io, vitals: &Rc<Vitals>) -> Self {
        let tally = &vitals.tally;
        tally.open.set(tally.open.get() + 1);
        tally.opened.set(tally.opened.get() + 1);
        Self { io, vitals: Rc::clone(vitals) }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let open = &self.vitals.tally.open;
        open.set(open.get() - 1);
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut wire.io).poll_read(cx, buf))?;
        let bytes = buf.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() {
            wire.vitals.heard.set(clock::now());
            if wire.vitals.frames.borrow_mut().feed(bytes).is_err() {
                wire.vitals.flooded.set(true);
                return Poll::Ready(Err(io::Error::other("too many frames that serve nothing")));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
