//! Names what actors say to each other, grouped by receiver.

use std::sync::Arc;

use actix::Message;
use dragline_core::digest::FetchDone;
use dragline_core::frontier::{Drain as DrainMode, Epoch, Fetched, FrontierStats, Lease, Mark, Token};
use dragline_core::ledger::Answer;
use dragline_core::report::Totals;
use dragline_core::roster::{DiedWhile, WorkerId};
use dragline_core::{Page, Time};
use dragline_sink::{Record, SinkError};
use dragline_telemetry::CreditUse;
use dragline_telemetry::labels::{Edge, RunState};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::control::Signal;
use crate::desk::{Ask, AskId, End, Reply};
use crate::post::Post;
use crate::room::Free;
use crate::supervisor::Supervisor;

macro_rules! message {
    ($($name:ident -> $result:ty),+ $(,)?) => {
        $(impl Message for $name { type Result = $result; })+
    };
}

// To fetchers.

/// Gives a fetcher leases to execute.
#[derive(Debug)]
pub(crate) struct Assign(pub(crate) Vec<Lease>);

// To handler hosts.

/// Gives a worker pages to handle.
#[derive(Debug)]
pub(crate) struct HandlePages(pub(crate) Vec<(Token, Arc<Page>)>);

// To sinks.

/// Gives a sink records in settle order; `groups` credits come back with [`RecordsWritten`].
#[derive(Debug)]
pub(crate) struct WriteRecords {
    pub(crate) records: Vec<Record>,
    pub(crate) groups: usize,
}

/// Asks a sink to make durable what came before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flush {
    pub(crate) epoch: Epoch,
    /// Whether no other comes, so that the sink seals what is open.
    pub(crate) is_last: bool,
}

/// Tells a sink that the commit of an epoch is durable, so that what its mark calls sealed may be published.
#[derive(Debug)]
pub(crate) struct Publish(pub(crate) Epoch);

// To the supervisor.

/// A fetcher's lanes have ended these fetches; each gives back a lane credit.
#[derive(Debug)]
pub(crate) struct FetchesDone {
    pub(crate) fetcher: usize,
    pub(crate) done: Vec<FetchDone>,
}

/// A fetcher has started and takes leases.
#[derive(Debug)]
pub(crate) struct FetcherStarted {
    pub(crate) fetcher: usize,
}

/// A worker has started and takes pages.
#[derive(Debug)]
pub(crate) struct WorkerStarted {
    pub(crate) route: usize,
    pub(crate) worker: WorkerId,
}

/// A worker has answered these pages; each gives back a handler credit.
#[derive(Debug)]
pub(crate) struct PagesHandled {
    pub(crate) route: usize,
    pub(crate) worker: WorkerId,
    pub(crate) answers: Vec<(Token, Answer)>,
}

/// A worker's actor has died, with whatever it held.
#[derive(Debug)]
pub(crate) struct WorkerDied {
    pub(crate) route: usize,
    pub(crate) worker: WorkerId,
    pub(crate) during: DiedWhile,
}

/// A sink has taken records.
#[derive(Debug)]
pub(crate) struct RecordsWritten {
    pub(crate) sink: usize,
    pub(crate) groups: usize,
    /// Records that the sink only counted, since it began.
    pub(crate) dropped: u64,
}

/// A sink has made an epoch durable.
#[derive(Debug)]
pub(crate) struct Flushed {
    pub(crate) sink: usize,
    pub(crate) epoch: Epoch,
    pub(crate) mark: Mark,
}

/// A sink has published what its last commit allows.
#[derive(Debug)]
pub(crate) struct Published;

/// A sink has no space. It tries again by itself.
#[derive(Debug)]
pub(crate) struct SinkRanOut {
    pub(crate) sink: usize,
    pub(crate) what: Arc<str>,
}

/// A sink that had no space has some again.
#[derive(Debug)]
pub(crate) struct SinkHasSpace {
    pub(crate) sink: usize,
}

/// So much is free where the crawl writes.
#[derive(Debug)]
pub(crate) struct SpaceMeasured(pub(crate) Vec<Free>);

/// A sink cannot go on.
#[derive(Debug)]
pub(crate) struct SinkFailed(pub(crate) SinkError);

/// A session asks whether it may fetch a URL now; the ask ends with a withdrawal, with the release of the slot it was
/// given, or with a refusal.
#[derive(Debug)]
pub(crate) struct AskAdmission {
    pub(crate) id: AskId,
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Reply>,
    /// Comes back when the ask has ended.
    pub(crate) credit: OwnedSemaphorePermit,
}

/// Who asked is gone, and has taken no answer.
#[derive(Debug)]
pub(crate) struct WithdrawAdmission {
    pub(crate) id: AskId,
}

/// A session gives back the slot it was given.
#[derive(Debug)]
pub(crate) struct ReleaseAdmission {
    pub(crate) id: AskId,
    pub(crate) fetched: Fetched,
}

/// Ends what waits; what is in flight is finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain(pub(crate) DrainMode);

/// Stops or resumes leasing; what is in flight is finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause(pub(crate) bool);

/// Asks how the crawl stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GetStatus;

/// Ends the supervisor, and with it every actor below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halt;

/// How the crawl stands.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Time since the run began.
    pub now: Time,
    /// The frontier's counts.
    pub stats: FrontierStats,
    /// The engine's counts.
    pub totals: Totals,
    /// Hosts that joined the scope because a seed redirected to them.
    pub joined: Vec<Arc<str>>,
    /// What became of the first seeds, and redirects of seeds, that led to no page, in words.
    pub seed_faults: Vec<String>,
    /// Leases that are not settled.
    pub in_flight: usize,
    /// Settled pages that are in no durable commit.
    pub uncommitted: usize,
    /// What has no space, which the crawl waits for.
    pub waits_for_space: Option<Arc<str>>,
    /// Credits of each edge, in the order of [`Edge::ALL`].
    pub credits: [CreditUse; Edge::ALL.len()],
    /// Whether leasing was stopped by the operator.
    pub paused: bool,
    /// Whether what waits will not be leased any more.
    pub draining: bool,
}

// To the control actor.

/// The crawl went into another state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateEntered(pub(crate) RunState);

/// The crawl has ended; nothing more will be written.
#[derive(Debug)]
pub(crate) struct CrawlEnded {
    pub(crate) end: End,
    pub(crate) status: Status,
}

/// Ends the crawl where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop;

/// A signal arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupt(pub(crate) Signal);

/// Tells the control and the metrics actor who supervises.
pub(crate) struct Appoint(pub(crate) Post<Supervisor>);

// To the metrics actor.

/// Shows these numbers as the last ones.
#[derive(Debug)]
pub(crate) struct TakeSample(pub(crate) Status);

/// Asks for every metric as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather;

/// Asks for the last sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GetSnapshot;

message!(
    Assign -> (),
    HandlePages -> (),
    WriteRecords -> (),
    Flush -> (),
    Publish -> (),
    FetchesDone -> (),
    FetcherStarted -> (),
    WorkerStarted -> (),
    PagesHandled -> (),
    WorkerDied -> (),
    RecordsWritten -> (),
    Flushed -> (),
    Published -> (),
    SinkRanOut -> (),
    SinkHasSpace -> (),
    SpaceMeasured -> (),
    SinkFailed -> (),
    AskAdmission -> (),
    WithdrawAdmission -> (),
    ReleaseAdmission -> (),
    Drain -> (),
    Pause -> (),
    GetStatus -> Status,
    Halt -> (),
    Interrupt -> (),
    Stop -> (),
    TakeSample -> (),
    Gather -> Result<String, String>,
    GetSnapshot -> Option<Status>,
    StateEntered -> (),
    CrawlEnded -> (),
    Appoint -> (),
);
