//! Reads one body under its caps: wire bytes, decoded bytes, ratio, and the memory of the process.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dragline_core::fetch::{AtCap, BodyHold, FetchLimits};
use dragline_core::outcome::Outcome;

use crate::budget::{BodyBudget, Credit};
use crate::decode::{Damaged, Pipeline, Setup, setup};
use crate::head::{FinalHead, Framing};
use crate::transcript::Transcript;

/// Decoded bytes from which on the ratio is judged.
const RATIO_FROM_BYTES: u64 = 1 << 20;
/// Bytes that a connection may bring before their memory is asked for.
const ROOM_BYTES: u64 = 64 << 10;
/// Bytes of a redirect's body that are read to keep its connection; a longer one costs less to close.
const DRAIN_BYTES_MAX: u64 = 64 << 10;
/// How long such a body is waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// A body as far as it was read.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) wire: u64,
    pub(crate) end: End,
    pub(crate) hold: Option<BodyHold>,
}

/// How a body ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With its last byte.
    Whole,
    /// At its cap, which was allowed; holds the words for it.
    Capped(String),
    /// Badly.
    Failed(Outcome, String),
}

impl Body {
    fn none(end: End) -> Self {
        Self { bytes: Bytes::new(), wire: 0, end, hold: None }
    }
}

/// Decides how a body is read before the first byte of it.
#[derive(Debug)]
pub(crate) struct Plan {
    cap: u64,
    at_cap: AtCap,
    ratio_max: u64,
    pipeline: Option<Pipeline>,
}

impl Plan {
    /// Makes the plan for a head.
    ///
    /// # Errors
    /// The end of the fetch when the body need not be read to know it.
    pub(crate) fn new(head: &FinalHead, limits: &FetchLimits, at_cap: AtCap) -> Result<Self, Body> {
        let cap = limits.body_bytes_max;
        let announced = match head.framing {
            Framing::Empty => return Err(Body::none(End::Whole)),
            Framing::Length(length) => length,
            Framing::Chunked | Framing::UntilClose => 0,
        };
        if announced > cap && at_cap == AtCap::Fail {
            let message = format!("the body of {announced} bytes is over its cap of {cap}");
            return Err(Body::none(End::Failed(Outcome::TooLarge, message)));
        }
        let pipeline = match setup(&head.headers, limits.coding_layers_max) {
            Setup::Identity => None,
            Setup::Coded(pipeline) => Some(pipeline),
            Setup::Unknown(coding) => {
                let message = format!("the content coding \"{}\" is unknown", coding.escape_default());
                return Err(Body::none(End::Failed(Outcome::DecodeError, message)));
            }
            Setup::TooMany => {
                let message = format!("more than {} content codings", limits.coding_layers_max);
                return Err(Body::none(End::Failed(Outcome::TooLarge, message)));
            }
        };
        Ok(Self { cap, at_cap, ratio_max: limits.ratio_max, pipeline })
    }
}

/// Where the bytes of a body come from: they go into the transcript's inbox.
pub(crate) trait Source {
    /// Waits for news: bytes in the inbox, no room in it, or the end.
    fn poll_more(&mut self, cx: &mut Context<'_>, transcript: &Transcript) -> Poll<More>;
}

/// What a source has to say.
#[derive(Debug)]
pub(crate) enum More {
    /// There may be something in the inbox, or it has no room.
    News,
    /// Nothing more will come; whether that is the end of the body is in the transcript.
    End,
    /// The connection broke, in the words of the protocol below when it has some.
    Broken(Option<(Outcome, String)>),
}

/// Reads a body to its end, or to where the plan says to stop; then the rest must not be read.
///
/// # Cancel safety
/// Dropping the future gives the credits back.
pub(crate) async fn read(
    mut source: impl Source,
    plan: Plan,
    transcript: &Transcript,
    budget: &Arc<BodyBudget>,
) -> Body {
    // A coding may be `identity`: then the bytes stay in the inbox, and each of them is no news.
    transcript.inbox.borrow_mut().want_at_once(plan.pipeline.is_some());
    if let Some(body) = at_hand(&plan, transcript, budget) {
        return body;
    }
    let mut reading = Reading { credit: Credit::open(budget), decoded: Vec::new(), wire: 0, plan };
    let end = loop {
        if let Err(end) = reading.take(transcript).await {
            break end;
        }
        match poll_fn(|cx| source.poll_more(cx, transcript)).await {
            More::News => {}
            More::End if transcript.whole.get() => match reading.take(transcript).await {
                Ok(()) => break reading.end(),
                Err(end) => break end,
            },
            More::End => break broken(transcript, None),
            More::Broken(said) => break broken(transcript, said),
        }
    };
    let Reading { credit, decoded, wire, plan } = reading;
    match end {
        End::Failed(..) => Body { bytes: Bytes::new(), wire, end, hold: None },
        End::Whole | End::Capped(_) => {
            let bytes = match plan.pipeline {
                Some(_) => Bytes::from(decoded),
                None => transcript.inbox.borrow_mut().finish(),
            };
            let hold = credit.settle(bytes.len() as u64);
            Body { bytes, wire, end, hold }
        }
    }
}

/// Takes a body that came with its head, as most do, when nothing needs to be done to it.
///
/// Its source is not asked again: the connection is free since the head.
fn at_hand(plan: &Plan, transcript: &Transcript, budget: &Arc<BodyBudget>) -> Option<Body> {
    let mut inbox = transcript.inbox.borrow_mut();
    let wire = inbox.len();
    if !transcript.whole.get() || plan.pipeline.is_some() || wire > plan.cap {
        return None;
    }
    let hold = Some(budget.take_at_once(inbox.memory())?);
    Some(Body { bytes: inbox.finish(), wire, end: End::Whole, hold })
}

/// Reads what is left of a body that nobody wants, as far as that is cheaper than a new connection; returns its bytes.
pub(crate) async fn drain(mut source: impl Source, framing: Framing, transcript: &Transcript) -> u64 {
    let worth_it = match framing {
        Framing::Empty | Framing::Chunked => true,
        Framing::Length(length) => length <= DRAIN_BYTES_MAX,
        Framing::UntilClose => false,
    };
    let mut wire = 0;
    if worth_it {
        transcript.inbox.borrow_mut().want_at_once(true);
        let reading = async {
            loop {
                {
                    let mut inbox = transcript.inbox.borrow_mut();
                    wire += inbox.len();
                    inbox.truncate(0);
                    inbox.set_room((DRAIN_BYTES_MAX + 1).saturating_sub(wire));
                }
                if wire > DRAIN_BYTES_MAX {
                    break;
                }
                match poll_fn(|cx| source.poll_more(cx, transcript)).await {
                    More::News => {}
                    More::End | More::Broken(_) => break,
                }
            }
        };
        // Whether it ended or took too long is the same to us: dropping the source closes what is not at its end.
        drop(tokio::time::timeout(DRAIN_TIME_MAX, reading).await);
    }
    wire
}

/// Says why a body broke off; the tap knows better than whoever is above it.
fn broken(transcript: &Transcript, said: Option<(Outcome, String)>) -> End {
    if let Some(fault) = transcript.fault.get() {
        return End::Failed(fault.outcome(), fault.message().into());
    }
    let (outcome, message) =
        said.unwrap_or((Outcome::Incomplete, "the connection ended before the body did".into()));
    End::Failed(outcome, message)
}

/// A body being read.
struct Reading {
    plan: Plan,
    credit: Credit,
    /// What was decoded; bytes without a coding stay in the inbox.
    decoded: Vec<u8>,
    wire: u64,
}

impl Reading {
    /// Takes what is in the inbox, and makes room for more.
    async fn take(&mut self, transcript: &Transcript) -> Result<(), End> {
        let cap = self.plan.cap;
        let in_inbox = transcript.inbox.borrow().len();
        let over = if self.plan.pipeline.is_some() {
            let over = (self.wire + in_inbox).checked_sub(cap).filter(|over| *over > 0);
            if in_inbox > 0 {
                let mut received = transcript.inbox.borrow_mut().take();
                let kept = in_inbox - over.unwrap_or_default();
                self.wire += kept;
                self.decode(received.get(..length(kept)).unwrap_or_default(), transcript).await?;
                received.clear();
                transcript.inbox.borrow_mut().recycle(received);
            }
            over.is_some()
        } else {
            self.wire = in_inbox.min(cap);
            cover(&mut self.credit, self.wire, transcript).await;
            transcript.inbox.borrow_mut().truncate(cap);
            in_inbox > cap
        };
        if over {
            return Err(self.plan.capped("received"));
        }
        if !transcript.whole.get() {
            // One byte more than the cap tells whether the body is over it.
            let room = (cap - self.wire).saturating_add(1).min(ROOM_BYTES);
            if self.plan.pipeline.is_none() {
                cover(&mut self.credit, self.wire + room, transcript).await;
            }
            transcript.inbox.borrow_mut().set_room(room);
        }
        Ok(())
    }

    async fn decode(&mut self, mut input: &[u8], transcript: &Transcript) -> Result<(), End> {
        let Some(pipeline) = &mut self.plan.pipeline else { return Ok(()) };
        while let Some(piece) = pipeline.next(&mut input).map_err(damaged)? {
            let room = self.plan.cap.saturating_sub(self.decoded.len() as u64);
            let fitting = length(room).min(piece.len());
            let total = (self.decoded.len() + fitting) as u64;
            cover(&mut self.credit, total, transcript).await;
            self.decoded.extend_from_slice(piece.get(..fitting).unwrap_or_default());
            if total > RATIO_FROM_BYTES && total > self.wire.saturating_mul(self.plan.ratio_max) {
                let message = format!("{total} bytes decoded from {}", self.wire);
                return Err(End::Failed(Outcome::TooLarge, message));
            }
            if fitting < piece.len() {
                return Err(self.plan.capped("decoded"));
            }
        }
        Ok(())
    }

    /// Judges a body whose last byte was received.
    fn end(&self) -> End {
        match &self.plan.pipeline {
            Some(pipeline) if !pipeline.is_whole() => {
                End::Failed(Outcome::Incomplete, "the coded body is cut short".into())
            }
            _ => End::Whole,
        }
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Plan {
    fn capped(&self, what: &str) -> End {
        let message = format!("the body {what} is over its cap of {} bytes", self.cap);
        match self.at_cap {
            AtCap::Fail => End::Failed(Outcome::TooLarge, message),
            AtCap::Truncate => End::Capped(message),
        }
    }
}

fn damaged(Damaged(coding): Damaged) -> End {
    End::Failed(Outcome::DecodeError, format!("the {coding} body is damaged"))
}

/// Waits for the memory of `bytes`, with all clocks stopped.
async fn cover(credit: &mut Credit, bytes: u64, transcript: &Transcript) {
    if !credit.covers(bytes) && !credit.try_cover(bytes) {
        transcript.pause();
        credit.cover(bytes).await;
        transcript.resume();
    }
}
