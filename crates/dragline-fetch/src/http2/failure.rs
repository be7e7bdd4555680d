//! Decides what an error of the h2 crate means: outcome, words, and whether the request may be sent again.

use dragline_core::fetch::Phase;
use dragline_core::outcome::Outcome;
use h2::Reason;

use super::frames::Seen;
use super::wire::Vitals;
use crate::error::Fault;

/// Characters of a peer's words that are kept.
const WORDS_MAX: usize = 200;

/// Why a request has no response.
#[derive(Debug)]
pub(crate) struct SendError {
    pub(crate) outcome: Outcome,
    /// The phase it ended in.
    pub(crate) phase: Phase,
    /// What happened, for people.
    pub(crate) message: String,
}

impl SendError {
    /// Makes the error of a request that cannot be sent at all.
    pub(super) const fn unsent(outcome: Outcome, message: String) -> Self {
        Self { outcome, phase: Phase::Queue, message }
    }
}

/// Whether a request that failed may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The server did not process it: any method, on another connection (RFC 9113 section 8.7).
    Unprocessed,
    /// The server refused its stream: any method, on any connection.
    Refused,
    /// The connection died before a byte of an answer: when doing it twice is as good as once.
    Lost,
    /// The server wants HTTP/1.1 for this.
    Http1,
    /// Not at all.
    Never,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) message: String,
    pub(super) repeat: Repeat,
    /// Whether the connection is of no more use.
    pub(super) retires: bool,
}

/// Where in the response the failure happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before anything was sent.
    Unsent,
    /// Before the final head, which may have so many bytes.
    Head(usize),
    /// In the content, of which so many bytes were announced.
    Body(Option<u64>),
}

impl Stage {
    const fn missing(self) -> &'static str {
        match self {
            Self::Unsent => "the connection ended before the request was sent",
            Self::Head(_) => "the connection ended before the response head",
            Self::Body(_) => "the connection ended before the body did",
        }
    }
}

impl Failure {
    /// Judges an error of a stream.
    pub(super) fn of(error: &h2::Error, stage: Stage, vitals: &Vitals, seen: Seen) -> Self {
        let mut failure = if error.is_io() {
            Self::io(error, stage, vitals)
        } else if error.is_go_away() {
            Self::go_away(error)
        } else {
            Self::reset(error, stage, seen)
        };
        match stage {
            // Whatever it was, the server never saw the request.
            Stage::Unsent => {
                failure.repeat = Repeat::Unprocessed;
                failure.retires = true;
            }
            Stage::Head(_) => {}
            Stage::Body(_) => failure.repeat = Repeat::Never,
        }
        failure
    }

    /// Makes the failure of a response that we refused.
    pub(super) fn refused(fault: Fault) -> Self {
        Self::never(fault.outcome(), fault.message().into())
    }

    pub(super) const fn never(outcome: Outcome, message: String) -> Self {
        Self { outcome, message, repeat: Repeat::Never, retires: false }
    }

    fn io(error: &h2::Error, stage: Stage, vitals: &Vitals) -> Self {
        if vitals.flooded.get() {
            let message = "the server flooded the connection with frames that serve nothing".into();
            return Self { outcome: Outcome::ProtocolError, message, repeat: Repeat::Never, retires: true };
        }
        let mut message = stage.missing().to_owned();
        // The task saw the end first; streams are only told of a broken pipe.
        let words = vitals.ended.borrow().clone().flatten();
        if let Some(words) = words.or_else(|| words_of(error)) {
            message.push_str(": ");
            message.push_str(&words);
        }
        Self { outcome: Outcome::Incomplete, message, repeat: Repeat::Lost, retires: true }
    }

    fn go_away(error: &h2::Error) -> Self {
        let words = clipped(&error.to_string());
        if error.is_remote() {
            let message = format!("the server goes away and did not process the request: {words}");
            return Self {
                outcome: Outcome::Incomplete,
                message,
                repeat: Repeat::Unprocessed,
                retires: true,
            };
        }
        // The h2 crate has no other way to say which limit it was.
        let outcome =
            if words.contains("header_list_way_too_large") || words.contains("too_many_continuations") {
                Outcome::TooLarge
            } else {
                Outcome::ProtocolError
            };
        let message = match outcome {
            Outcome::TooLarge => "the response head is too long".into(),
            _ => format!("the server broke the rules of http/2: {words}"),
        };
        Self { outcome, message, repeat: Repeat::Lost, retires: true }
    }

    fn reset(error: &h2::Error, stage: Stage, seen: Seen) -> Self {
        let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
        if error.is_remote() {
            let message = format!("the server reset the stream: {reason:?}");
            return match reason {
                Reason::REFUSED_STREAM => {
                    Self { outcome: Outcome::Incomplete, message, repeat: Repeat::Refused, retires: false }
                }
                Reason::HTTP_1_1_REQUIRED => {
                    Self { outcome: Outcome::ProtocolError, message, repeat: Repeat::Http1, retires: false }
                }
                // What the server says that we did wrong is not better the next time.
                Reason::PROTOCOL_ERROR
                | Reason::FLOW_CONTROL_ERROR
                | Reason::FRAME_SIZE_ERROR
                | Reason::COMPRESSION_ERROR
                | Reason::STREAM_CLOSED
                | Reason::INADEQUATE_SECURITY => Self::never(Outcome::ProtocolError, message),
                _ => Self::never(Outcome::Incomplete, message),
            };
        }
        match (reason, stage) {
            // The h2 crate says the same of a head over its limit and of a malformed one. A long head has a long
            // block: Huffman codes have five bits at least (RFC 7541 appendix B).
            (Reason::PROTOCOL_ERROR, Stage::Head(bytes_max))
                if seen.block_bytes.saturating_mul(8) / 5 >= bytes_max as u64 =>
            {
                Self::refused(Fault::TooLarge("the response head is too long"))
            }
            (Reason::PROTOCOL_ERROR, Stage::Head(_)) => {
                Self::refused(Fault::Protocol("the response head breaks the rules of http/2"))
            }
            (Reason::PROTOCOL_ERROR, Stage::Body(Some(announced))) if seen.data_bytes < announced => {
                Self::never(Outcome::Incomplete, "the body ended before its announced length".into())
            }
            (Reason::PROTOCOL_ERROR, Stage::Body(Some(announced))) if seen.data_bytes > announced => {
                Self::never(Outcome::ProtocolError, "the body is longer than announced".into())
            }
            _ => {
                let words = clipped(&error.to_string());
                Self::never(Outcome::ProtocolError, format!("the server broke the rules of http/2: {words}"))
            }
        }
    }
}

/// Returns what is worth telling of the error that ended a connection: not that it ended.
pub(super) fn words_of(error: &h2::Error) -> Option<String> {
    let only_ended = error.get_io().is_some_and(|io| {
        use std::io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
        };
        matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
    });
    (!only_ended).then(|| clipped(&error.to_string()))
}

/// Keeps the words of a peer short.
pub(super) fn clipped(words: &str) -> String {
    words.chars().take(WORDS_MAX).collect()
}
