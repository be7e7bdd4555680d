//! Decides which outcome a response head, a body's end, or a passed limit is.

use bytes::Bytes;
use dragline_core::fetch::{AtCap, BodyHold, FetchError, FetchLimits, FetchRequest, Phase};
use dragline_core::outcome::Outcome;
use dragline_core::redirect;

use crate::body::{Body, End, Plan};
use crate::head::{FinalHead, Framing};
use crate::transcript::{Passed, Transcript};

/// How the work of a fetch ended; status, fields and timings stand in its transcript.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) body: Bytes,
    pub(crate) wire: u64,
    pub(crate) error: Option<FetchError>,
    pub(crate) hold: Option<BodyHold>,
}

impl Ended {
    pub(crate) fn failed(outcome: Outcome, phase: Phase, message: impl Into<String>) -> Self {
        let error = Some(FetchError { phase, message: message.into() });
        Self { outcome, body: Bytes::new(), wire: 0, error, hold: None }
    }
}

/// What a response head asks of us.
pub(crate) enum Judged {
    /// To read the body; without a fault the outcome is this.
    Read(Result<Plan, Body>, Outcome),
    /// To go elsewhere.
    Moved(Ended, Framing),
}

impl Judged {
    pub(crate) fn new(head: &FinalHead, request: &FetchRequest) -> Self {
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
    match redirect::location_of(head.status, &head.headers, &request.url) {
        Some(Ok(_)) => {
            Ended { outcome: Outcome::Redirect, body: Bytes::new(), wire: 0, error: None, hold: None }
        }
        Some(Err(error)) => unusable(format!("the location cannot be followed: {error}")),
        None => unusable("a redirect without location".into()),
    }
}

/// Joins what the head promised and how the body ended.
pub(crate) fn with_body(body: Body, outcome: Outcome) -> Ended {
    let noted = |message| Some(FetchError { phase: Phase::Body, message });
    let (outcome, error) = match body.end {
        End::Whole => (outcome, None),
        End::Capped(message) if outcome == Outcome::Ok => (Outcome::OkTruncated, noted(message)),
        End::Capped(message) => (outcome, noted(message)),
        End::Failed(outcome, message) => (outcome, noted(message)),
    };
    Ended { outcome, body: body.bytes, wire: body.wire, error, hold: body.hold }
}

/// Says which limit passed. A redirect is one even when its body does not come.
pub(crate) fn timed_out(
    transcript: &Transcript,
    request: &FetchRequest,
    passed: Passed,
    phase: Phase,
) -> Ended {
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
