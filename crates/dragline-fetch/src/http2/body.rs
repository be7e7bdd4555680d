//! Reads the content of a response, frame by frame, and lets the server send as much as was read.

use std::task::{Context, Poll};

use dragline_core::outcome::Outcome;
use h2::RecvStream;

use super::connection::StreamGuard;
use super::exchange::poll_upload;
use super::failure::{Failure, Stage};
use super::upload::Upload;
use crate::body::{More, Source};
use crate::head::Framing;
use crate::transcript::Transcript;

/// The content of a response. Dropped before its end, it resets the stream; the connection goes on.
#[derive(Debug)]
pub(crate) struct Body {
    /// `None` once nothing more is read.
    reading: Option<Reading>,
    announced: Option<u64>,
}

#[derive(Debug)]
struct Reading {
    stream: RecvStream,
    /// Content of the request that the server did not wait for.
    upload: Option<Upload>,
    guard: StreamGuard,
}

impl Body {
    pub(super) fn new(
        stream: RecvStream,
        upload: Option<Upload>,
        framing: Framing,
        mut guard: StreamGuard,
    ) -> Self {
        let announced = match framing {
            Framing::Length(length) => Some(length),
            Framing::Empty | Framing::Chunked | Framing::UntilClose => None,
        };
        if framing == Framing::Empty {
            guard.end();
            return Self { reading: None, announced };
        }
        Self { reading: Some(Reading { stream, upload, guard }), announced }
    }
}

impl Source for Body {
    fn poll_more(&mut self, cx: &mut Context<'_>, transcript: &Transcript) -> Poll<More> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(More::End) };
        if let Poll::Ready(Err(message)) = poll_upload(&mut reading.upload, cx, &reading.guard, transcript) {
            self.reading = None;
            return Poll::Ready(More::Broken(Some((Outcome::Cancelled, message))));
        }
        let end = loop {
            if transcript.inbox.borrow().room() == 0 {
                return Poll::Ready(More::News);
            }
            match reading.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    // What is in the inbox has its memory; the server may fill the window again.
                    let released = reading.stream.flow_control().release_capacity(chunk.len());
                    debug_assert!(released.is_ok(), "what was received was in flight");
                    transcript.received.set(transcript.received.get() + chunk.len() as u64);
                    transcript.inbox.borrow_mut().push(&chunk);
                }
                // The end of the stream, or trailers, which end it too (RFC 9113 section 8.1).
                Poll::Ready(None) => {
                    transcript.whole.set(true);
                    break More::End;
                }
                Poll::Ready(Some(Err(error))) => {
                    let Reading { guard, .. } = reading;
                    let failure =
                        Failure::of(&error, Stage::Body(self.announced), guard.vitals(), guard.seen());
                    if failure.retires {
                        guard.connection.retire();
                    }
                    break More::Broken(Some((failure.outcome, failure.message)));
                }
                Poll::Pending if transcript.inbox.borrow().has_news() => return Poll::Ready(More::News),
                Poll::Pending => return Poll::Pending,
            }
        };
        reading.guard.end();
        self.reading = None;
        Poll::Ready(end)
    }
}
