//! Carries one request over one connection, up to the head of its response.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use dragline_core::fetch::Phase;
use dragline_core::outcome::Outcome;
use h2::RecvStream;
use h2::client::ResponseFuture;

use super::body::Body;
use super::connection::{Connection, StreamGuard};
use super::failure::{Failure, Repeat, Stage};
use super::frames::Seen;
use super::head::final_head;
use super::request::Request;
use super::upload::{Upload, is_empty};
use crate::clock;
use crate::error::Fault;
use crate::framing::Meter;
use crate::head::Framing;
use crate::transcript::Transcript;

/// Sends a request, and waits for its head; status and fields go to the transcript.
///
/// # Errors
/// What happened, and whether the request may be sent again.
///
/// # Cancel safety
/// Dropping the future resets the stream; the connection goes on.
pub(super) async fn exchange(
    connection: &Rc<Connection>,
    reused: bool,
    request: &Request<'_>,
    transcript: &Transcript,
) -> Result<Body, Failure> {
    let limits = &*transcript.limits;
    let unsent = |error: h2::Error| Failure::of(&error, Stage::Unsent, &connection.vitals, Seen::default());
    let mut sender = connection.sender();
    poll_fn(|cx| sender.poll_ready(cx)).await.map_err(unsent)?;
    let sent = sender.send_request(request.head.clone(), is_empty(request.body));
    let (response, stream) = sent.map_err(unsent)?;
    let mut guard = StreamGuard::open(connection, response.stream_id().as_u32());
    // The server takes so many streams at a time and no more: what is above waits for its turn.
    transcript.enter_phase(Phase::Queue, clock::now());
    // When the connection ends meanwhile, the response knows best what became of the request.
    drop(poll_fn(|cx| sender.poll_ready(cx)).await);
    drop(sender);
    guard.begin();
    transcript.begin_stream(reused);
    transcript.sent.set(transcript.sent.get() + request.head_bytes);
    let mut waiting = Waiting {
        response,
        upload: Upload::new(stream, request.body),
        interim_left: limits.interim_max,
        answered: false,
    };
    let response = poll_fn(|cx| waiting.poll(cx, &guard, transcript)).await.inspect_err(|_| guard.end())?;
    let (parts, stream) = response.into_parts();
    transcript.note_first_byte();
    let ended = stream.is_end_stream();
    let head = final_head(parts.status.as_u16(), &parts.headers, ended, request.method, limits)
        .map_err(Failure::refused)
        .inspect_err(|_| guard.end())?;
    transcript.received.set(transcript.received.get() + head.headers.raw().len() as u64);
    transcript.whole.set(head.framing == Framing::Empty);
    let framing = head.framing;
    let begun = transcript.inbox.borrow_mut().begin(&head, &mut Meter::new(framing), &mut BytesMut::new(), 0);
    begun.map_err(Failure::refused)?;
    transcript.note_head(head);
    Ok(Body::new(stream, waiting.upload, framing, guard))
}

/// A request whose head was sent.
struct Waiting {
    response: ResponseFuture,
    upload: Option<Upload>,
    interim_left: u32,
    /// Whether an interim response came.
    answered: bool,
}

impl Waiting {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        guard: &StreamGuard,
        transcript: &Transcript,
    ) -> Poll<Result<http::Response<RecvStream>, Failure>> {
        if let Poll::Ready(Err(message)) = poll_upload(&mut self.upload, cx, guard, transcript) {
            return Poll::Ready(Err(Failure::never(Outcome::Cancelled, message)));
        }
        let result = ready!(self.poll_response(cx))?;
        Poll::Ready(result.map_err(|error| {
            let stage = Stage::Head(transcript.limits.head_bytes_max);
            let mut failure = Failure::of(&error, stage, guard.vitals(), guard.seen());
            if self.answered && failure.repeat == Repeat::Lost {
                failure.repeat = Repeat::Never;
            }
            failure
        }))
    }

    /// Waits for the final response, counting the interim ones.
    fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Result<http::Response<RecvStream>, h2::Error>, Failure>> {
        while let Poll::Ready(Some(interim)) = self.response.poll_informational(cx) {
            let interim = match interim {
                Ok(interim) => interim,
                Err(error) => return Poll::Ready(Ok(Err(error))),
            };
            self.answered = true;
            if interim.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                let fault = Fault::Protocol("the server switched protocols unasked");
                return Poll::Ready(Err(Failure::refused(fault)));
            }
            let Some(left) = self.interim_left.checked_sub(1) else {
                return Poll::Ready(Err(Failure::refused(Fault::Protocol("too many interim responses"))));
            };
            self.interim_left = left;
        }
        Pin::new(&mut self.response).poll(cx).map(Ok)
    }
}

/// Sends content, if any is left; its progress keeps the limits from passing.
pub(super) fn poll_upload(
    upload: &mut Option<Upload>,
    cx: &mut Context<'_>,
    guard: &StreamGuard,
    transcript: &Transcript,
) -> Poll<Result<(), String>> {
    let Some(uploading) = upload else { return Poll::Ready(Ok(())) };
    let progress = Cell::new(0);
    let polled = uploading.poll(cx, |count| progress.set(progress.get() + count as u64));
    if progress.get() > 0 {
        transcript.sent.set(transcript.sent.get() + progress.get());
        guard.vitals().frames.borrow_mut().note_progress();
        if transcript.phase() == Phase::Ttfb {
            transcript.enter_phase(Phase::Ttfb, clock::now());
        }
    }
    if polled.is_ready() {
        *upload = None;
    }
    polled
}
