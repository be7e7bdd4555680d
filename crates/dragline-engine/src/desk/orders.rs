//! Names what the desk asks the supervisor to carry out, and how a crawl can end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dragline_core::frontier::{
    CommitError, CommitId, Epoch, FetchedReport, Lease, LeaseReport, OfferReport, OfferSource, SettleReport,
    Token,
};
use dragline_core::report::Ended;
use dragline_core::roster::WorkerId;
use dragline_core::{Page, Time};
use dragline_sink::Record;
use dragline_telemetry::labels::RunState;

use super::sessions::{AskId, Reply};

/// How a crawl ended, and why when it had to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// How it ended.
    pub ended: Ended,
    /// Why it could not go on.
    pub problem: Option<Problem>,
}

impl End {
    pub(crate) const fn because(ended: Ended) -> Self {
        Self { ended, problem: None }
    }

    pub(crate) const fn failed(problem: Problem) -> Self {
        Self { ended: Ended::Failed, problem: Some(problem) }
    }
}

/// Why a crawl could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An actor was given up after its restarts, or a promise of ours was broken.
    Internal(String),
    /// Results could not be written.
    Storage(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(what) | Self::Storage(what) => f.write_str(what),
        }
    }
}

/// A frontier's answer, ready or come later.
#[derive(Debug)]
pub(crate) enum Completion {
    Offered { source: OfferSource, report: OfferReport },
    Leased { fetcher: usize, report: LeaseReport },
    Fetched(FetchedReport),
    Settled(SettleReport),
    Drained(LeaseReport),
    Committed(Result<CommitId, CommitError>),
}

impl Completion {
    /// Whether it brings nothing that a sink is told.
    pub(crate) const fn brings_no_record(&self) -> bool {
        matches!(self, Self::Fetched(_) | Self::Committed(_))
    }
}

/// A frontier's answer that its own I/O thread completes.
pub(crate) type Later = Pin<Box<dyn Future<Output = Completion> + Send>>;

/// What the supervisor is to do, in this order.
#[derive(Default)]
pub(crate) struct Orders {
    /// Leases for fetchers.
    pub(crate) assign: Vec<(usize, Vec<Lease>)>,
    /// Pages for workers of routes.
    pub(crate) hand: Vec<Hand>,
    /// Records for sinks, with the credits they hold.
    pub(crate) write: Vec<(usize, Vec<Record>, usize)>,
    /// Sinks are told that this epoch is durable.
    pub(crate) publish: Option<Epoch>,
    /// Sinks flush this epoch.
    pub(crate) flush: Option<Epoch>,
    /// It is the last one: sinks seal what is open.
    pub(crate) seal: bool,
    /// Workers to start, by route, not before a time.
    pub(crate) start: Vec<(usize, WorkerId, Time)>,
    /// Workers whose thread is lost, by route.
    pub(crate) abandon: Vec<(usize, WorkerId)>,
    /// Fetchers to start again, not before a time.
    pub(crate) respawn: Vec<(usize, Time)>,
    /// Answers for sessions.
    pub(crate) admit: Vec<(AskId, Reply)>,
    /// Answers to wait for and bring back.
    pub(crate) later: Vec<Later>,
    /// The crawl went into this state.
    pub(crate) state: Option<RunState>,
    /// The crawl is over.
    pub(crate) ended: Option<End>,
    /// When to call again if nothing else happens.
    pub(crate) wake_at: Option<Time>,
}

/// Pages for one worker.
#[derive(Debug)]
pub(crate) struct Hand {
    pub(crate) route: usize,
    pub(crate) worker: WorkerId,
    pub(crate) pages: Vec<(Token, Arc<Page>)>,
}
