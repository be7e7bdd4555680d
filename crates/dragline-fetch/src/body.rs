//! Reads one body under its caps: wire bytes, decoded bytes, ratio, and the memory of the process.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::PayloadError;
use bytes::Bytes;
use dragline_core::fetch::{AtCap, BodyHold, FetchLimits};
use dragline_core::outcome::Outcome;
use futures_core::Stream;

use crate::budget::{BodyBudget, Credit};
use crate::decode::{Damaged, Pipeline, Setup, setup};
use crate::head::{FinalHead, Framing};
use crate::transcript::Transcript;

/// Decoded bytes from which on the ratio is judged.
const RATIO_FROM_BYTES: u64 = 1 << 20;
/// Bytes that are set aside because a server announced them.
const RESERVE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a redirect's body that are read to keep its connection; a longer one costs less to close.
const DRAIN_BYTES_MAX: u64 = 64 << 10;
/// How long such a body is waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);
/// A chunk below this is copied: as it came it would keep a read buffer of at least 8 KiB alive.
const COPY_BELOW_BYTES: usize = 4 << 10;

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
    reserve: usize,
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
        let reserve = usize::try_from(announced.min(cap).min(RESERVE_BYTES_MAX)).unwrap_or_default();
        Ok(Self { cap, at_cap, ratio_max: limits.ratio_max, reserve, pipeline })
    }
}

/// Reads a body to its end, or to where the plan says to stop; then the rest must not be read.
///
/// # Cancel safety
/// Dropping the future gives the credits back.
pub(crate) async fn read<S>(
    mut stream: S,
    plan: Plan,
    transcript: &Transcript,
    budget: &Arc<BodyBudget>,
) -> Body
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut reading = Reading { credit: Credit::open(budget), made: Made::new(plan.reserve), wire: 0, plan };
    let end = loop {
        match next(&mut stream).await {
            Some(Ok(chunk)) => {
                if let Err(end) = reading.take(chunk, transcript).await {
                    break end;
                }
            }
            Some(Err(error)) => break broken(transcript, Some(&error)),
            None if transcript.whole.get() => break reading.end(),
            None => break broken(transcript, None),
        }
    };
    let Reading { credit, made, wire, .. } = reading;
    match end {
        End::Failed(..) => Body { bytes: Bytes::new(), wire, end, hold: None },
        End::Whole | End::Capped(_) => {
            let bytes = made.into_bytes();
            let hold = credit.settle(bytes.len() as u64);
            Body { bytes, wire, end, hold }
        }
    }
}

/// Reads what is left of a body that nobody wants, as far as that is cheaper than a new connection; returns its bytes.
pub(crate) async fn drain<S>(mut stream: S, framing: Framing) -> u64
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let worth_it = match framing {
        Framing::Empty | Framing::Chunked => true,
        Framing::Length(length) => length <= DRAIN_BYTES_MAX,
        Framing::UntilClose => false,
    };
    let mut wire = 0;
    if worth_it {
        let reading = async {
            while let Some(Ok(chunk)) = next(&mut stream).await {
                wire += chunk.len() as u64;
                if wire > DRAIN_BYTES_MAX {
                    break;
                }
            }
        };
        // Whether it ended or took too long is the same to us: dropping the stream closes what is not at its end.
        drop(tokio::time::timeout(DRAIN_TIME_MAX, reading).await);
    }
    wire
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// Says why a stream broke off; the tap knows better than awc.
fn broken(transcript: &Transcript, error: Option<&PayloadError>) -> End {
    if let Some(fault) = transcript.fault.get() {
        return End::Failed(fault.outcome(), fault.message().into());
    }
    match error {
        // What awc says of chunks it does not understand; no socket fails so.
        Some(PayloadError::Incomplete(Some(error))) if error.kind() == ErrorKind::InvalidInput => {
            End::Failed(Outcome::ProtocolError, "the chunked coding is broken".into())
        }
        _ => End::Failed(Outcome::Incomplete, "the connection ended before the body did".into()),
    }
}

/// A body being read.
struct Reading {
    plan: Plan,
    credit: Credit,
    made: Made,
    wire: u64,
}

impl Reading {
    /// Takes what was received.
    async fn take(&mut self, mut chunk: Bytes, transcript: &Transcript) -> Result<(), End> {
        let room = self.plan.cap.saturating_sub(self.wire);
        let over = chunk.len() as u64 > room;
        if over {
            chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.wire += chunk.len() as u64;
        match &mut self.plan.pipeline {
            None => {
                cover(&mut self.credit, self.made.len() + chunk.len() as u64, transcript).await;
                self.made.push(chunk);
            }
            Some(pipeline) => {
                let mut input = chunk.as_ref();
                while let Some(piece) = pipeline.next(&mut input).map_err(damaged)? {
                    let room = self.plan.cap.saturating_sub(self.made.len());
                    let fitting = usize::try_from(room).map_or(piece.len(), |room| room.min(piece.len()));
                    let total = self.made.len() + fitting as u64;
                    cover(&mut self.credit, total, transcript).await;
                    self.made.extend(piece.get(..fitting).unwrap_or_default());
                    if total > RATIO_FROM_BYTES && total > self.wire.saturating_mul(self.plan.ratio_max) {
                        let message = format!("{total} bytes decoded from {}", self.wire);
                        return Err(End::Failed(Outcome::TooLarge, message));
                    }
                    if fitting < piece.len() {
                        return Err(self.plan.capped("decoded"));
                    }
                }
            }
        }
        if over { Err(self.plan.capped("received")) } else { Ok(()) }
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

/// The bytes so far: one chunk as it came, or one buffer that several were copied into.
struct Made {
    first: Bytes,
    joined: Vec<u8>,
    reserve: usize,
}

impl Made {
    const fn new(reserve: usize) -> Self {
        Self { first: Bytes::new(), joined: Vec::new(), reserve }
    }

    fn len(&self) -> u64 {
        (self.first.len() + self.joined.len()) as u64
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = if chunk.len() < COPY_BELOW_BYTES { Bytes::copy_from_slice(&chunk) } else { chunk };
        } else {
            self.extend(&chunk);
        }
    }

    fn extend(&mut self, piece: &[u8]) {
        if self.joined.capacity() == 0 {
            self.joined.reserve_exact(self.reserve.max(self.first.len() + piece.len()));
        }
        if !self.first.is_empty() {
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(piece);
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { Bytes::from(self.joined) }
    }
}
