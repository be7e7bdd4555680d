//! Is the durable frontier: the core's state machine, with a journal that commits write to a log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dragline_core::frontier::{
    Admission, CommitError, CommitId, Drain, Epoch, Fetched, FetchedReport, Frontier, FrontierStats, Lease,
    LeaseReport, Mark, MemFrontier, OfferBatch, OfferReport, Past, Revisit, RobotsView, Settle, SettleReport,
    Token, Want,
};
use dragline_core::{CanonicalUrl, HostKey, Ticket, Time, Wall};
use futures_channel::oneshot;

use super::background::Background;
use super::shelf::Chunks;
use super::snapshots::{Errand, Snapshots};
use super::storage::{Closed, Storage, block_of, lock};

/// A frontier that survives its process.
///
/// Everything but [`Frontier::commit`] is answered at once, from memory; long queues lie in the log and are read ahead.
/// See [`LogFrontier::open`] for how it is brought back.
#[derive(Debug)]
pub struct LogFrontier {
    pub(super) machine: MemFrontier,
    pub(super) base: Wall,
    pub(super) storage: Arc<Mutex<Storage>>,
    pub(super) chunks: Chunks,
    pub(super) background: Arc<dyn Background>,
    pub(super) snapshots: Snapshots,
    /// The last record of the last commit.
    pub(super) durable: u64,
    /// The epoch that is to be committed next.
    pub(super) closed: Option<Arc<Closed>>,
    #[cfg(feature = "mutants")]
    pub(super) mutant: Option<super::Mutant>,
    /// The latest time any call was given.
    pub(super) now: Time,
}

impl LogFrontier {
    /// Lets a URL wait again whose last visit is known; see [`MemFrontier::renew`].
    pub fn renew(&mut self, now: Time, past: &Past, revisit: Revisit) -> bool {
        self.machine.renew(now, past, revisit)
    }

    /// Returns the state machine.
    pub const fn machine(&self) -> &MemFrontier {
        &self.machine
    }

    #[cfg(feature = "mutants")]
    fn mutated(&mut self, closed: Arc<Closed>) -> Arc<Closed> {
        if self.mutant != Some(super::Mutant::NextEpochEarly) {
            return closed;
        }
        let early = self.close(closed.epoch);
        let mut blocks = closed.blocks.clone();
        blocks.extend(early.blocks);
        let mut history = std::mem::take(&mut *lock(&closed.history));
        history.append(&mut lock(&early.history));
        let errand = Mutex::new(std::mem::take(&mut *lock(&closed.errand)));
        let closed = Arc::new(Closed { blocks, history: Mutex::new(history), errand, ..early });
        self.closed = Some(Arc::clone(&closed));
        closed
    }

    fn close(&mut self, epoch: Epoch) -> Closed {
        let cut = self.machine.cut_journal();
        self.chunks.departs(&cut.blocks);
        Closed {
            epoch,
            blocks: cut.blocks.into_iter().map(block_of).collect(),
            last: cut.last,
            counts: cut.counts,
            at: self.base + self.now.since(Time::ZERO),
            history: Mutex::new(cut.history),
            errand: Mutex::new(Errand::default()),
            is_durable: AtomicBool::new(false),
        }
    }
}

impl Frontier for LogFrontier {
    fn offer(&mut self, now: Time, batch: OfferBatch) -> Ticket<OfferReport> {
        self.machine.offer(now, batch)
    }

    fn lease(&mut self, now: Time, want: Want) -> Ticket<LeaseReport> {
        self.now = self.now.max(now);
        self.machine.lease(now, want)
    }

    fn fetched(&mut self, now: Time, batch: Vec<Fetched>) -> Ticket<FetchedReport> {
        self.machine.fetched(now, batch)
    }

    fn settle(&mut self, now: Time, batch: Vec<Settle>) -> Ticket<SettleReport> {
        self.now = self.now.max(now);
        self.machine.settle(now, batch)
    }

    fn admit(&mut self, now: Time, url: &CanonicalUrl) -> Admission {
        self.machine.admit(now, url)
    }

    fn robots(&mut self, now: Time, url: &CanonicalUrl) -> RobotsView {
        self.machine.robots(now, url)
    }

    fn lease_wanted(&mut self, now: Time, fetcher: usize) -> Option<Lease> {
        self.machine.lease_wanted(now, fetcher)
    }

    fn release(&mut self, now: Time, host: &HostKey, fetched: &Fetched) -> FetchedReport {
        self.machine.release(now, host, fetched)
    }

    fn extend(&mut self, now: Time, tokens: &[Token], until: Time) -> Ticket<u32> {
        self.machine.extend(now, tokens, until)
    }

    fn drain(&mut self, now: Time, drain: Drain) -> Ticket<LeaseReport> {
        self.machine.drain(now, drain)
    }

    fn next_wakeup(&self) -> Option<Time> {
        self.machine.next_wakeup()
    }

    fn pending(&self) -> u64 {
        self.machine.pending()
    }

    /// # Panics
    /// When the epoch before was not committed.
    fn begin_commit(&mut self) -> Epoch {
        if let Some(closed) = self.closed.take() {
            assert!(closed.is_durable.load(Ordering::Acquire), "one commit is outstanding");
            self.durable = closed.last;
        }
        let epoch = self.machine.begin_commit();
        let closed = self.close(epoch);
        let errand = self.snapshots.errand(&self.machine, self.durable, closed.weight());
        *lock(&closed.errand) = errand;
        self.closed = Some(Arc::new(closed));
        epoch
    }

    /// # Panics
    /// When another epoch is to be committed.
    fn commit(&mut self, epoch: Epoch, marks: Vec<Mark>) -> Ticket<Result<CommitId, CommitError>> {
        let closed = self.closed.clone().filter(|closed| closed.epoch == epoch);
        let closed = closed.expect("an epoch is committed after it was closed");
        #[cfg(feature = "mutants")]
        let closed = self.mutated(closed);
        let storage = Arc::clone(&self.storage);
        let (done, mut answer) = oneshot::channel();
        self.background.run(Box::new(move || {
            let result = lock(&storage).commit(&closed, &marks);
            // Nobody asks any more when the crawl has ended.
            drop(done.send(result));
        }));
        let gone = || CommitError::Failed("the thread that writes the state folder died".into());
        match answer.try_recv() {
            Ok(Some(result)) => Ticket::Ready(result),
            Ok(None) => Ticket::Later(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(gone())) })),
            Err(_) => Ticket::Ready(Err(gone())),
        }
    }

    fn uncommitted_bytes(&self) -> u64 {
        self.machine.uncommitted_bytes()
    }

    fn fault(&self) -> Option<Arc<str>> {
        self.machine.fault()
    }

    fn stats(&self) -> FrontierStats {
        self.machine.stats()
    }
}
