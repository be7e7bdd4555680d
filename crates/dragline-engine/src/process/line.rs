//! Moves frames over the parent's end of the line: sends and receives at once, until a deadline.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::frame::{Frame, FrameReader};
use crate::clock::Clock;

/// How much of what is no frame is shown.
const QUOTE_BYTES_MAX: usize = 80;
/// How long one wait is at most, so that every deadline can be told to the system.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Why no frame came; the child is to be given up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The other end is closed.
    Ended,
    /// It sent what is no frame, or none that is due.
    Junk(String),
    /// The deadline passed.
    TimedOut,
}

/// The parent's end; reading and writing it never wait but in `poll`.
#[derive(Debug)]
pub(crate) struct Line {
    stream: Arc<UnixStream>,
    reader: FrameReader,
}

impl Line {
    /// Takes an end that does not block.
    pub(crate) const fn new(stream: Arc<UnixStream>, answer_bytes_max: usize) -> Self {
        Self { stream, reader: FrameReader::of_child(answer_bytes_max) }
    }

    /// Whether the child is there and silent, as it should be between calls.
    pub(crate) fn is_idle(&self) -> bool {
        let seen = recv(&*self.stream, &mut [0_u8; 1], RecvFlags::PEEK);
        matches!(seen, Err(Errno::AGAIN))
    }

    /// Sends two pieces, and returns the next frame that comes. Waits for this long at most.
    pub(crate) fn exchange(&mut self, mut pieces: [&[u8]; 2], most: Duration) -> Result<Frame, Broken> {
        let clock = Clock::start();
        let deadline = clock.now() + most;
        loop {
            send_some(&self.stream, &mut pieces)?;
            let all_sent = pieces.iter().all(|piece| piece.is_empty());
            match self.receive()? {
                Some(frame) if all_sent => return Ok(frame),
                Some(_) => return Err(Broken::Junk("it answered before it was asked".into())),
                None => {}
            }
            let left = deadline - clock.now();
            if left.is_zero() {
                return Err(Broken::TimedOut);
            }
            let interest = if all_sent { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            self.wait(interest, left)?;
        }
    }

    /// Says that nothing more will be sent, and waits until the child has gone too, for this long at most.
    pub(crate) fn hang_up(&mut self, most: Duration) {
        // It fails when the child has gone already.
        self.stream.shutdown(std::net::Shutdown::Write).ok();
        // Whatever else comes than its end, it is killed for it.
        drop(self.exchange([&[], &[]], most));
    }

    /// Reads what is there, up to the end of a frame.
    fn receive(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            match (&*self.stream).read(self.reader.room()) {
                Ok(0) => return Err(Broken::Ended),
                Ok(bytes) => match self.reader.came(bytes) {
                    Ok(None) => {}
                    Ok(frame) => return Ok(frame),
                    Err(error) => return Err(Broken::Junk(format!("it said {} ({error})", self.quote()))),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken::Ended),
            }
        }
    }

    fn wait(&self, interest: PollFlags, most: Duration) -> Result<(), Broken> {
        let most = Timespec::try_from(most.min(WAIT_MAX)).map_err(|_| Broken::TimedOut)?;
        match poll(&mut [PollFd::new(&*self.stream, interest)], Some(&most)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(_) => Err(Broken::Ended),
        }
    }

    /// Shows the first bytes of what is no frame, with what else of it has come.
    fn quote(&self) -> String {
        let mut more = [0; QUOTE_BYTES_MAX];
        let count = (&*self.stream).read(&mut more).unwrap_or(0);
        let said = [self.reader.seen(), &more[..count]].concat();
        let shown = said.get(..QUOTE_BYTES_MAX).unwrap_or(&said);
        let mut text = format!("\"{}\"", shown.escape_ascii());
        if said.len() > shown.len() {
            // Writing to a text cannot fail.
            write!(text, " and more").ok();
        }
        text
    }
}

/// Sends as much as the other end has room for; a child that is gone raises no signal here.
fn send_some(stream: &UnixStream, pieces: &mut [&[u8]; 2]) -> Result<(), Broken> {
    for piece in pieces {
        while !piece.is_empty() {
            match send(stream, piece, SendFlags::NOSIGNAL) {
                Ok(sent) => *piece = piece.get(sent..).unwrap_or_default(),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => return Err(Broken::Ended),
            }
        }
    }
    Ok(())
}
