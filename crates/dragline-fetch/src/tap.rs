//! Stands between awc and the connection: awc is told where a response ends, and reads none of it.
//!
//! The head that awc parses is made here; status and fields are taken from the raw head, and the body goes straight
//! from the socket to the fetch's inbox. awc is given one byte for it when its last byte was seen, so that its pool
//! learns when the connection is free. So interim heads, folded lines, repeated lengths, long names, odd statuses and
//! broken chunks never reach awc, and no body is copied or cut on its way through.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready};
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::Fault;
use crate::framing::Meter;
use crate::head::{FinalHead, HeadRepair, HeadStep};
use crate::inbox::FIRST_BYTES;
use crate::proxy::rewrite;
use crate::reaper::Socket;
use crate::transcript::{self, Transcript};

/// What awc is given for a body that was read.
const STAND_IN: &[u8] = b".";

thread_local! {
    /// Where heads and chunks are received; one of them is looked at before anything else is read. A body that came
    /// whole with its head may be cut out of it.
    static SCRATCH: RefCell<BytesMut> = RefCell::default();
}

/// The stream that awc is given.
#[derive(Debug)]
pub(crate) struct Tap {
    socket: Rc<Socket>,
    state: State,
    /// What the server is still to be given: the start of a request, when it was rewritten for a proxy.
    outgoing: Vec<u8>,
    /// Whether the server takes no more of the request: its answer may have come all the same.
    refused: bool,
    /// Whether a request was served.
    used: bool,
}

#[derive(Debug)]
enum State {
    /// No request is under way; a read is the pool's check.
    Idle,
    /// A response head is awaited.
    Head(HeadRepair),
    /// A body is being read.
    Body(Meter),
}

impl Tap {
    pub(crate) fn new(socket: Rc<Socket>) -> Self {
        Self { socket, state: State::Idle, outgoing: Vec::new(), refused: false, used: false }
    }

    /// Writes what was rewritten.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let count = ready!(self.socket.poll_write(cx, &self.outgoing))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a part of a request behind its first.
    fn poll_rest(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_outgoing(cx))?;
        self.socket.poll_write(cx, bytes)
    }

    /// Ends the connection for a fault of the peer.
    fn refuse(&mut self, fetch: &Transcript, fault: Fault) -> io::Error {
        fetch.fault.set(Some(fault));
        self.end();
        io::Error::other(fault)
    }

    /// Ends the connection; later reads see its end.
    fn end(&mut self) {
        self.state = State::Idle;
        self.socket.close();
    }

    /// Receives into the scratch buffer and lets `look` at what came; 0 bytes are the end of the connection.
    fn receive<T>(
        &mut self,
        cx: &mut Context<'_>,
        fetch: &Transcript,
        most: usize,
        look: impl FnOnce(&mut Self, &mut BytesMut) -> T,
    ) -> Poll<io::Result<T>> {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.reserve(FIRST_BYTES);
            ready!(self.socket.poll_read_buf(cx, &mut scratch.limit(most.min(FIRST_BYTES))))?;
            fetch.note_received(scratch);
            Poll::Ready(Ok(look(self, scratch)))
        })
    }

    /// Looks at bytes of a head. True when awc was given something.
    fn take_head(
        &mut self,
        fetch: &Transcript,
        input: &mut BytesMut,
        buf: &mut ReadBuf<'_>,
    ) -> Result<bool, Fault> {
        let State::Head(repair) = &mut self.state else { return Ok(false) };
        if input.is_empty() {
            self.end();
            return Ok(true);
        }
        fetch.note_first_byte();
        match repair.push(input)? {
            HeadStep::More => {
                if repair.is_empty() {
                    fetch.forget_first_byte();
                }
                Ok(false)
            }
            HeadStep::Final(used, head) => {
                let mut meter = Meter::new(head.framing);
                let came = input.len() - used;
                let taken = fetch.inbox.borrow_mut().begin(&head, &mut meter, input, used)?;
                let whole = meter.is_whole();
                write_head(buf, &head, whole)?;
                fetch.whole.set(whole);
                fetch.note_head(head);
                self.state = if whole { State::Idle } else { State::Body(meter) };
                if taken < came {
                    // What stands behind a body belongs to nobody, and must not be taken for the next response.
                    self.end();
                }
                Ok(true)
            }
        }
    }

    /// Receives as much of a body as there is room for. Ready when it ended, well or badly.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        fetch: &Transcript,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let State::Body(meter) = &mut self.state else { return Poll::Ready(Ok(())) };
            let room = fetch.inbox.borrow().room();
            if room == 0 {
                // The reader is awake: it polls again when it has made room.
                return Poll::Pending;
            }
            let count = match meter.plain() {
                Some(left) => {
                    let count = ready!(receive_plain(&self.socket, cx, fetch, left))?;
                    meter.pass(count as u64);
                    count
                }
                None => {
                    let taken = self.receive(cx, fetch, room, |tap, input| tap.take_chunks(fetch, input));
                    ready!(taken)?.map_err(|fault| self.refuse(fetch, fault))?
                }
            };
            let State::Body(meter) = &self.state else { return Poll::Ready(Ok(())) };
            if count == 0 && !meter.is_whole() {
                let whole = meter.is_whole_at_close();
                fetch.whole.set(whole);
                if whole {
                    buf.put_slice(STAND_IN);
                }
                self.end();
                return Poll::Ready(Ok(()));
            }
            if meter.is_whole() {
                fetch.whole.set(true);
                self.state = State::Idle;
                buf.put_slice(STAND_IN);
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes bytes in the chunked coding; returns how many came.
    fn take_chunks(&mut self, fetch: &Transcript, input: &[u8]) -> Result<usize, Fault> {
        let State::Body(meter) = &mut self.state else { return Ok(0) };
        let taken = fetch.inbox.borrow_mut().feed(meter, input)?;
        if taken < input.len() {
            self.socket.close();
        }
        Ok(input.len())
    }
}

/// Receives bytes of a body without framing straight into the inbox.
fn receive_plain(
    socket: &Socket,
    cx: &mut Context<'_>,
    fetch: &Transcript,
    left: u64,
) -> Poll<io::Result<usize>> {
    let mut inbox = fetch.inbox.borrow_mut();
    let most = usize::try_from(left).unwrap_or(usize::MAX).min(inbox.room());
    let bytes = inbox.spare(left);
    let before = bytes.len();
    let count = ready!(socket.poll_read_buf(cx, &mut bytes.limit(most)))?;
    fetch.note_received(bytes.get(before..).unwrap_or_default());
    inbox.took(count);
    Poll::Ready(Ok(count))
}

/// Writes the head that awc parses: whether a stand-in follows and whether the connection stays open, no more.
fn write_head(buf: &mut ReadBuf<'_>, head: &FinalHead, whole: bool) -> Result<(), Fault> {
    let made: &[u8] = match (whole, head.keep_alive) {
        (true, true) => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        (true, false) => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        (false, true) => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n",
        (false, false) => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n",
    };
    if buf.remaining() < made.len() {
        return Err(Fault::Protocol("there was no space to announce the response"));
    }
    buf.put_slice(made);
    Ok(())
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = &mut *self;
        if matches!(tap.state, State::Idle) {
            return tap.socket.poll_read(cx, buf);
        }
        let Some(fetch) = transcript::here() else {
            return Poll::Ready(Err(io::Error::other("a response outside any fetch")));
        };
        loop {
            match tap.state {
                State::Idle => return Poll::Ready(Ok(())),
                State::Head(_) => {
                    let step =
                        tap.receive(cx, &fetch, FIRST_BYTES, |tap, input| tap.take_head(&fetch, input, buf));
                    if ready!(step)?.map_err(|fault| tap.refuse(&fetch, fault))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Body(_) => return tap.poll_body(cx, &fetch, buf),
            }
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tap = &mut *self;
        let Some(fetch) = transcript::here() else {
            return Poll::Ready(Err(io::Error::other("a request outside any fetch")));
        };
        if matches!(tap.state, State::Idle) {
            // The first write after a response begins the next request.
            fetch.begin_request(&tap.socket, tap.used);
            tap.socket.occupy(tap.used);
            tap.state = State::Head(HeadRepair::new(fetch.method, &fetch.limits));
            tap.used = true;
            let count = match &tap.socket.info.absolute {
                None => ready!(tap.socket.poll_write(cx, bytes))?,
                Some(absolute) => {
                    tap.outgoing = rewrite(bytes, &absolute.authority, absolute.authorization.as_deref());
                    fetch.note_sent_to_proxy(tap.outgoing.len().saturating_sub(bytes.len()));
                    // The bytes count as taken; what the socket does not take now goes before all that follows.
                    if let Poll::Ready(Err(error)) = tap.poll_outgoing(cx) {
                        return Poll::Ready(Err(error));
                    }
                    bytes.len()
                }
            };
            fetch.note_sent(bytes.get(..count).unwrap_or_default());
            return Poll::Ready(Ok(count));
        }
        if tap.refused {
            return Poll::Ready(Ok(bytes.len()));
        }
        match ready!(tap.poll_rest(cx, bytes)) {
            Ok(count) => {
                fetch.note_sent(bytes.get(..count).unwrap_or_default());
                Poll::Ready(Ok(count))
            }
            // A server may answer before it has read the whole request, and close: awc goes on to read.
            Err(_) => {
                tap.refused = true;
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_outgoing(cx))?;
        self.socket.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_shutdown(cx)
    }
}

impl ActixStream for Tap {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        let ready = self.socket.with_io(|io| ActixStream::poll_read_ready(io.tcp(), cx));
        ready.unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::NotConnected.into())))
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        let ready = self.socket.with_io(|io| ActixStream::poll_write_ready(io.tcp(), cx));
        ready.unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::NotConnected.into())))
    }
}
