//! Stands between awc and the connection: awc is told the framing of a response and nothing it would get wrong.
//!
//! The head that awc parses is made here and says only where the body ends; status and fields are taken from the
//! raw head. So interim heads, folded lines, repeated lengths, long names and odd statuses never reach awc, and the
//! tap itself sees the last byte of every body.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_rt::net::{ActixStream, Ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::Fault;
use crate::framing::Meter;
use crate::head::{FinalHead, Framing, HeadRepair, HeadStep};
use crate::proxy::rewrite;
use crate::reaper::Socket;
use crate::transcript;

/// The stream that awc is given.
#[derive(Debug)]
pub(crate) struct Tap {
    socket: Rc<Socket>,
    state: State,
    /// What awc is still to be given, when its buffer was too small for the made head.
    pending: Vec<u8>,
    /// What the server is still to be given: the start of a request, when it was rewritten for a proxy.
    outgoing: Vec<u8>,
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
        Self { socket, state: State::Idle, pending: Vec::new(), outgoing: Vec::new(), used: false }
    }

    /// Reads from the socket; returns how many bytes were added to `buf`.
    fn read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        ready!(self.socket.poll_read(cx, buf))?;
        let count = buf.filled().len() - before;
        transcript::current(|fetch| fetch.received.set(fetch.received.get() + count as u64));
        Poll::Ready(Ok(count))
    }

    /// Writes what was rewritten.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let count = ready!(self.socket.poll_write(cx, &self.outgoing))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            transcript::current(|fetch| fetch.sent.set(fetch.sent.get() + count as u64));
            self.outgoing.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the connection for a fault of the peer.
    fn refuse(&mut self, fault: Fault) -> io::Error {
        transcript::current(|fetch| fetch.fault.set(Some(fault)));
        self.end();
        io::Error::other(fault)
    }

    /// Ends the connection; later reads see its end.
    fn end(&mut self) {
        self.state = State::Idle;
        self.socket.close();
    }

    /// Looks at the bytes of `buf` behind `before`: part of a head. True when awc has something to read.
    fn take_head(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> Result<bool, Fault> {
        let State::Head(repair) = &mut self.state else { return Ok(false) };
        transcript::current(transcript::Transcript::note_first_byte);
        let input = buf.filled().get(before..).unwrap_or_default();
        match repair.push(input)? {
            HeadStep::More => {
                if repair.is_empty() {
                    transcript::current(transcript::Transcript::forget_first_byte);
                }
                buf.set_filled(before);
                Ok(false)
            }
            HeadStep::Final(used, head) => {
                self.hand_over(buf, before, used, &head)?;
                transcript::current(|fetch| {
                    fetch.note_head(head);
                    fetch.whole.set(matches!(self.state, State::Idle));
                });
                Ok(true)
            }
        }
    }

    /// Puts the made head and the body's first bytes where the raw head and those bytes stood.
    fn hand_over(
        &mut self,
        buf: &mut ReadBuf<'_>,
        before: usize,
        used: usize,
        head: &FinalHead,
    ) -> Result<(), Fault> {
        let mut meter = Meter::new(head.framing);
        let body = buf.filled().get(before + used..).unwrap_or_default();
        let metered = Metered::of(&mut meter, body)?;
        let kept = metered.kept;
        let mut scratch = [0; 96];
        let made = made_head(head, &mut scratch);
        if made.len() <= used {
            self.pending = metered.respelled;
            let room = buf.filled_mut().get_mut(before..).unwrap_or_default();
            room.copy_within(used..used + kept, made.len());
            room.get_mut(..made.len()).unwrap_or_default().copy_from_slice(made);
            buf.set_filled(before + made.len() + kept);
        } else {
            self.pending = [made, body.get(..kept).unwrap_or_default(), &metered.respelled].concat();
            buf.set_filled(before);
            self.put_pending(buf);
        }
        self.state = if meter.is_whole() { State::Idle } else { State::Body(meter) };
        if metered.leftover {
            self.end();
        }
        Ok(())
    }

    fn put_pending(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.pending.len().min(buf.remaining());
        buf.put_slice(self.pending.get(..count).unwrap_or_default());
        self.pending.drain(..count);
    }

    /// Looks at the bytes of `buf` behind `before`: part of a body.
    fn take_body(&mut self, buf: &mut ReadBuf<'_>, before: usize, count: usize) -> Result<(), Fault> {
        let State::Body(meter) = &mut self.state else { return Ok(()) };
        if count == 0 {
            let whole = meter.is_whole_at_close();
            transcript::current(|fetch| fetch.whole.set(whole));
            self.end();
            return Ok(());
        }
        let metered = Metered::of(meter, buf.filled().get(before..).unwrap_or_default())?;
        if meter.is_whole() {
            transcript::current(|fetch| fetch.whole.set(true));
            self.state = State::Idle;
        }
        buf.set_filled(before + metered.kept);
        self.pending = metered.respelled;
        if metered.leftover {
            self.end();
        }
        if metered.kept == 0 {
            self.put_pending(buf);
        }
        Ok(())
    }
}

/// Bytes that were received, judged.
struct Metered {
    /// How many of them stay as they are.
    kept: usize,
    /// Those behind, respelled for awc: empty unless lines of the chunked coding end in a bare LF.
    respelled: Vec<u8>,
    /// Whether some belong to no body.
    leftover: bool,
}

impl Metered {
    fn of(meter: &mut Meter, bytes: &[u8]) -> Result<Self, Fault> {
        let kept = meter.feed(bytes)?;
        let mut metered = Self { kept, respelled: Vec::new(), leftover: kept < bytes.len() };
        if metered.leftover && !meter.is_whole() {
            let rest = bytes.get(kept..).unwrap_or_default();
            metered.leftover = meter.respell(rest, &mut metered.respelled)?;
        }
        Ok(metered)
    }
}

/// Makes the head that awc parses: where the body ends and whether the connection stays open, no more.
fn made_head<'a>(head: &FinalHead, scratch: &'a mut [u8; 96]) -> &'a [u8] {
    use std::io::Write as _;
    let close = if head.keep_alive { "" } else { "connection: close\r\n" };
    let mut rest = scratch.as_mut_slice();
    let written = match head.framing {
        Framing::Empty => write!(rest, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{close}\r\n"),
        Framing::Length(length) => write!(rest, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{close}\r\n"),
        Framing::Chunked => write!(rest, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{close}\r\n"),
        // awc reads to the end of the connection only in HTTP/1.0 (actix-web#2287).
        Framing::UntilClose => write!(rest, "HTTP/1.0 200 OK\r\n\r\n"),
    };
    debug_assert!(written.is_ok(), "the longest made head is 78 bytes");
    let unused = rest.len();
    scratch.get(..scratch.len() - unused).unwrap_or_default()
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = &mut *self;
        loop {
            if !tap.pending.is_empty() {
                tap.put_pending(buf);
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            let count = ready!(tap.read(cx, buf))?;
            match &tap.state {
                State::Idle => return Poll::Ready(Ok(())),
                State::Head(_) if count == 0 => {
                    tap.end();
                    return Poll::Ready(Ok(()));
                }
                State::Head(_) => {
                    if tap.take_head(buf, before).map_err(|fault| tap.refuse(fault))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Body(_) => {
                    let taken = tap.take_body(buf, before, count);
                    return Poll::Ready(taken.map_err(|fault| tap.refuse(fault)));
                }
            }
        }
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tap = &mut *self;
        if matches!(tap.state, State::Idle) {
            // The first write after a response begins the next request.
            let begun = transcript::current(|fetch| {
                fetch.begin_request(&tap.socket, tap.used);
                HeadRepair::new(fetch.method, &fetch.limits)
            });
            let Some(repair) = begun else {
                return Poll::Ready(Err(io::Error::other("a request outside any fetch")));
            };
            tap.socket.occupy(tap.used);
            tap.state = State::Head(repair);
            tap.used = true;
            if let Some(absolute) = &tap.socket.info.absolute {
                tap.outgoing = rewrite(bytes, &absolute.authority, absolute.authorization.as_deref());
                // The bytes count as taken; what the socket does not take now goes before all that follows.
                return match tap.poll_outgoing(cx) {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
                };
            }
        }
        ready!(tap.poll_outgoing(cx))?;
        let count = ready!(tap.socket.poll_write(cx, bytes))?;
        transcript::current(|fetch| fetch.sent.set(fetch.sent.get() + count as u64));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
