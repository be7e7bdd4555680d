//! Plays what a hostile server does on one connection, plain or in TLS.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

/// How long a connection is held open for a client that does not close it.
pub const HOLD_MAX: Duration = Duration::from_secs(20);
/// Bytes after which an endless stream ends all the same.
pub const ENDLESS_BYTES_MAX: u64 = 256 << 20;
/// Between two pieces, so that the peer reads them one by one.
const BETWEEN_PIECES: Duration = Duration::from_millis(2);

/// One thing done on a connection.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Sends these bytes in one piece.
    Send(Bytes),
    /// Sends these bytes in pieces of this size.
    Pieces(Bytes, usize),
    /// Sends these bytes again and again, as fast as they are taken.
    Endless(Bytes),
    /// Sends these bytes again and again, one byte at a time with this pause.
    Drip(Bytes, Duration),
    /// Waits.
    Wait(Duration),
    /// Reads and discards until the client closes.
    Hang,
    /// Closes as the protocol wants it: in TLS with `close_notify`.
    Close,
    /// Ends the TCP connection without a word of TLS.
    Cut,
    /// Resets the TCP connection.
    Reset,
}

impl Act {
    /// Sends these bytes in one piece.
    pub(super) fn send(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Send(Bytes::from(bytes.into()))
    }
}

/// Whether a connection goes on after its acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Request,
    End,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Wire {
    /// As it was accepted.
    Plain(TcpStream),
    /// Behind a TLS handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Reads some bytes; 0 when the client has closed.
    pub(super) async fn read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Plays acts one after another.
    pub(super) async fn play(&mut self, acts: &[Act]) -> io::Result<Next> {
        for act in acts {
            match act {
                Act::Send(bytes) => self.write_all(bytes).await?,
                Act::Pieces(bytes, size) => {
                    for piece in bytes.chunks((*size).max(1)) {
                        self.write_all(piece).await?;
                        sleep(BETWEEN_PIECES).await;
                    }
                }
                Act::Endless(bytes) => self.repeat(bytes).await?,
                Act::Drip(bytes, pause) => {
                    drop(timeout(HOLD_MAX, self.drip(bytes, *pause)).await);
                    return Ok(Next::End);
                }
                Act::Wait(span) => sleep(*span).await,
                Act::Hang => {
                    drop(timeout(HOLD_MAX, self.discard()).await);
                    return Ok(Next::End);
                }
                Act::Close => {
                    self.close().await?;
                    // The client may still be sending: closing on unread bytes would be a reset.
                    drop(timeout(BETWEEN_PIECES, self.discard()).await);
                    return Ok(Next::End);
                }
                Act::Cut => return Ok(Next::End),
                Act::Reset => {
                    // What was written must be on its way first, or it would be thrown away.
                    sleep(BETWEEN_PIECES).await;
                    self.tcp().set_zero_linger()?;
                    return Ok(Next::End);
                }
            }
        }
        Ok(Next::Request)
    }

    async fn repeat(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = ENDLESS_BYTES_MAX;
        while let Some(rest) = left.checked_sub((bytes.len() as u64).max(1)) {
            self.write_all(bytes).await?;
            left = rest;
        }
        Ok(())
    }

    async fn drip(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        for octet in bytes.iter().cycle() {
            self.write_all(std::slice::from_ref(octet)).await?;
            sleep(pause).await;
        }
        Ok(())
    }

    async fn discard(&mut self) -> io::Result<()> {
        let mut rest = BytesMut::with_capacity(4 << 10);
        while self.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        Ok(())
    }
}
