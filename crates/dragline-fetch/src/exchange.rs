//! Carries out one request through awc, and decides which outcome came of it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use awc::ClientResponse;
use awc::error::{ConnectError, SendRequestError};
use bytes::Bytes;
use dragline_core::fetch::{
    AtCap, BodyHold, FetchError, FetchLimits, FetchRequest, FetchResponse, HttpVersion, Phase,
};
use dragline_core::outcome::Outcome;
use futures_core::Stream;

use crate::awc_transport::Lane;
use crate::body::{self, Body, End, More, Plan, Source};
use crate::error::dial_error;
use crate::head::FinalHead;
use crate::request;
use crate::transcript::{Passed, Transcript};
use crate::watch::watched;

/// How the work of a fetch ended; status, fields and timings stand in its transcript.
struct Ended {
    outcome: Outcome,
    body: Bytes,
    wire: u64,
    error: Option<FetchError>,
    hold: Option<BodyHold>,
}

impl Ended {
    fn failed(outcome: Outcome, phase: Phase, message: impl Into<String>) -> Self {
        let error = Some(FetchError { phase, message: message.into() });
        Self { outcome, body: Bytes::new(), wire: 0, error, hold: None }
    }
}

/// Carries out a request, whose clocks run since its transcript was made.
///
/// # Cancel safety
/// Dropping the future closes the connection and gives back the credits.
pub(crate) async fn run(lane: Rc<Lane>, request: FetchRequest, transcript: Rc<Transcript>) -> FetchResponse {
    let ended = match watched(&transcript, carry_out(&lane, &request, &transcript)).await {
        Ok(ended) => ended,
        Err((passed, phase)) => timed_out(&transcript, &request, passed, phase),
    };
    let connection = transcript.socket.borrow().as_ref().map(|socket| Rc::clone(&socket.info));
    let phases = transcript.finish();
    let (status, headers) = match transcript.head.take() {
        Some(head) => (Some(head.status), head.headers),
        None => (None, dragline_core::Headers::default()),
    };
    FetchResponse {
        outcome: ended.outcome,
        status,
        headers,
        body: ended.body,
        body_wire_bytes: ended.wire,
        received_bytes: transcript.received.get(),
        sent_bytes: transcript.sent.get(),
        phases,
        peer: connection.as_ref().map(|info| info.peer),
        reused: transcript.reused.get(),
        version: HttpVersion::Http1,
        tls: connection.as_ref().and_then(|info| info.tls.clone()),
        proxy: connection.as_ref().and_then(|info| info.proxy.clone()),
        capture: transcript.capture(),
        error: ended.error,
        hold: ended.hold,
    }
}

/// Sends the request, once more when a kept connection turned out dead, and reads the response.
async fn carry_out(lane: &Lane, request: &FetchRequest, transcript: &Transcript) -> Ended {
    let mut may_repeat = true;
    let response = loop {
        let route = lane.routes().choose(&request.url);
        let built = match request::build(&lane.client(), &lane.fields, route, request) {
            Ok(built) => built,
            Err(message) => return Ended::failed(Outcome::InvalidUrl, Phase::Queue, message),
        };
        match built.send().await {
            Ok(response) => break response,
            Err(error) => {
                // The server closed while the request was on its way: without a byte of an answer it was most likely
                // not served, and an idempotent one may be repeated in any case (RFC 9110 section 9.2.2).
                let dead = transcript.reused.get() && !transcript.has_answer();
                let may_repeat = std::mem::take(&mut may_repeat) && request.method.is_idempotent();
                if !(may_repeat && dead) {
                    return not_answered(transcript, &error);
                }
                lane.forget_idle(transcript.socket.borrow().as_ref().map(|socket| socket.info.peer));
                transcript.restart();
            }
        }
    };
    let judged = transcript.head.borrow().as_ref().map(|head| Judged::new(head, request));
    let Some(judged) = judged else {
        return Ended::failed(Outcome::ProtocolError, Phase::Ttfb, "no response head was seen");
    };
    match judged {
        Judged::Read(plan, outcome) => {
            let body = match plan {
                Ok(plan) => body::read(AwcSource(response), plan, transcript, &lane.budget).await,
                Err(body) => body,
            };
            with_body(body, outcome)
        }
        Judged::Moved(end, framing) => {
            let wire = body::drain(AwcSource(response), framing, transcript).await;
            Ended { wire, ..end }
        }
    }
}

/// A body that the tap puts into the inbox while awc waits for the byte that stands for it.
struct AwcSource(ClientResponse);

impl Source for AwcSource {
    fn poll_more(&mut self, cx: &mut Context<'_>, transcript: &Transcript) -> Poll<More> {
        loop {
            match Pin::new(&mut self.0).poll_next(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) => return Poll::Ready(More::Broken(None)),
                Poll::Ready(None) => return Poll::Ready(More::End),
                Poll::Pending if transcript.inbox.borrow().has_news() => return Poll::Ready(More::News),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What a response head asks of us.
enum Judged {
    /// To read the body; without a fault the outcome is this.
    Read(Result<Plan, Body>, Outcome),
    /// To go elsewhere.
    Moved(Ended, crate::head::Framing),
}

impl Judged {
    fn new(head: &FinalHead, request: &FetchRequest) -> Self {
        match head.status {
            301..=303 | 307 | 308 => Self::Moved(moved(head, request), head.framing),
            // An error page is an answer of its own: what is over the cap is left out, whatever `at_cap` says.
            400.. => Self::Read(Plan::new(head, &request.limits, AtCap::Truncate), Outcome::HttpError),
            _ => Self::Read(Plan::new(head, &request.limits, request.limits.at_cap), Outcome::Ok),
        }
    }
}

/// Looks whether a redirect has a target.
fn moved(head: &FinalHead, request: &FetchRequest) -> Ended {
    let unusable = |message: String| Ended::failed(Outcome::RedirectError, Phase::Ttfb, message);
    let Some(location) = head.headers.get("location") else {
        return unusable("a redirect without location".into());
    };
    let Ok(location) = std::str::from_utf8(location) else {
        return unusable("the location is not utf-8".into());
    };
    match request.url.join(location) {
        Ok(_) => Ended { outcome: Outcome::Redirect, body: Bytes::new(), wire: 0, error: None, hold: None },
        Err(error) => unusable(format!("the location cannot be followed: {error}")),
    }
}

fn with_body(body: Body, outcome: Outcome) -> Ended {
    let noted = |message| Some(FetchError { phase: Phase::Body, message });
    let (outcome, error) = match body.end {
        End::Whole => (outcome, None),
        End::Capped(message) if outcome == Outcome::Ok => (Outcome::OkTruncated, noted(message)),
        End::Capped(message) => (outcome, noted(message)),
        End::Failed(outcome, message) => (outcome, noted(message)),
    };
    Ended { outcome, body: body.bytes, wire: body.wire, error, hold: body.hold }
}

/// Puts an error of awc in our words; dialler and tap know better than awc what it was.
fn not_answered(transcript: &Transcript, error: &SendRequestError) -> Ended {
    if let Some(fault) = transcript.fault.get() {
        return Ended::failed(fault.outcome(), transcript.phase(), fault.message());
    }
    if let Some(dial) = dial_error(error) {
        let (outcome, phase) = dial.outcome();
        return Ended::failed(outcome, phase, dial.to_string());
    }
    match error {
        SendRequestError::Url(_) | SendRequestError::Http(_) => {
            Ended::failed(Outcome::InvalidUrl, Phase::Queue, error.to_string())
        }
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => {
            Ended::failed(Outcome::Timeout, transcript.phase(), "awc gave up waiting")
        }
        _ => {
            let message = "the connection ended before the response head";
            Ended::failed(Outcome::Incomplete, transcript.phase(), message)
        }
    }
}

/// Says which limit passed. A redirect is one even when its body does not come.
fn timed_out(transcript: &Transcript, request: &FetchRequest, passed: Passed, phase: Phase) -> Ended {
    if let Some(head) = transcript.head.borrow().as_ref()
        && let Judged::Moved(ended, _) = Judged::new(head, request)
    {
        return ended;
    }
    let limits = &request.limits;
    let message = match passed {
        Passed::Deadline => format!("the deadline of {:?} passed", limits.deadline),
        Passed::Phase => format!("the limit of {:?} passed", transcript.phase_limit()),
        Passed::Rate => {
            format!("fewer than {} bytes a second came in {:?}", limits.rate_min, FetchLimits::RATE_WINDOW)
        }
    };
    Ended::failed(Outcome::Timeout, phase, message)
}
