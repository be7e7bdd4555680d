//! Makes fetches wait for the memory their bodies need, and takes it back when the bodies are gone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use dragline_core::fetch::BodyHold;

use super::ledger::{Ledger, Reader};

/// Bytes that are asked for at a time while a body is read.
const STEP_BYTES: u64 = 64 << 10;

/// The memory that all bodies of a process may take (`bodies_bytes_max`), from being read to being settled.
///
/// When it is used up, the oldest reading fetch may overdraw up to its own cap; the others stop reading, with all
/// their clocks stopped, until bodies are dropped.
pub struct BodyBudget(Mutex<Shared>);

struct Shared {
    ledger: Ledger,
    wakers: BTreeMap<Reader, Waker>,
}

impl BodyBudget {
    /// Makes a budget of `bodies_bytes_max` bytes.
    pub const fn new(bodies_bytes_max: u64) -> Self {
        Self(Mutex::new(Shared { ledger: Ledger::new(bodies_bytes_max), wakers: BTreeMap::new() }))
    }

    /// Returns the bytes that are held now; above [`BodyBudget::max`] while the oldest fetch overdraws.
    pub fn in_use(&self) -> u64 {
        self.lock().ledger.in_use()
    }

    /// Returns the bytes that may be held.
    pub fn max(&self) -> u64 {
        self.lock().ledger.max()
    }

    /// Whether all of it is held: nothing new should be leased.
    pub fn exhausted(&self) -> bool {
        let shared = self.lock();
        shared.ledger.in_use() >= shared.ledger.max()
    }

    /// Takes the memory of a body that is at hand already; `None` when it would have to be awaited.
    pub(crate) fn take_at_once(self: &Arc<Self>, bytes: u64) -> Option<BodyHold> {
        let granted = self.lock().ledger.take(bytes);
        granted.then(|| BodyHold::new(Hold { budget: Arc::clone(self), bytes }))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ledger and wakes whoever may go on because of it.
    fn change(&self, change: impl FnOnce(&mut Ledger)) {
        let mut shared = self.lock();
        change(&mut shared.ledger);
        if shared.wakers.is_empty() {
            return;
        }
        let ready: Vec<Reader> = shared.ledger.ready().collect();
        let wakers: Vec<Waker> = ready.iter().filter_map(|reader| shared.wakers.remove(reader)).collect();
        drop(shared);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for BodyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyBudget").field("in_use", &self.in_use()).field("max", &self.max()).finish()
    }
}

/// What one reading fetch holds; given back when dropped.
#[derive(Debug)]
pub(crate) struct Credit {
    budget: Arc<BodyBudget>,
    reader: Reader,
    held: u64,
    settled: bool,
}

impl Credit {
    /// Begins to read, holding nothing.
    pub(crate) fn open(budget: &Arc<BodyBudget>) -> Self {
        let reader = budget.lock().ledger.enter();
        Self { budget: Arc::clone(budget), reader, held: 0, settled: false }
    }

    /// Whether `bytes` are held already.
    pub(crate) const fn covers(&self, bytes: u64) -> bool {
        bytes <= self.held
    }

    /// Asks for enough to hold `bytes`; false when they have to be awaited.
    pub(crate) fn try_cover(&mut self, bytes: u64) -> bool {
        let missing = bytes.saturating_sub(self.held).next_multiple_of(STEP_BYTES);
        let granted = missing == 0 || self.budget.lock().ledger.ask(self.reader, missing);
        if granted {
            self.held += missing;
        }
        granted
    }

    /// Waits until `bytes` are held, in steps of 64 KiB.
    ///
    /// # Cancel safety
    /// Dropping the future keeps what was held before.
    pub(crate) async fn cover(&mut self, bytes: u64) {
        std::future::poll_fn(|cx| {
            if self.try_cover(bytes) {
                return Poll::Ready(());
            }
            self.budget.lock().wakers.insert(self.reader, cx.waker().clone());
            // A release between the question and the note would wake nobody.
            if self.try_cover(bytes) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Ends the reading and keeps what a body of `bytes` needs until the result is dropped.
    pub(crate) fn settle(mut self, bytes: u64) -> Option<BodyHold> {
        let kept = bytes.min(self.held);
        let surplus = self.held - kept;
        self.settled = true;
        let (budget, reader) = (Arc::clone(&self.budget), self.reader);
        budget.change(|ledger| {
            ledger.leave(reader);
            ledger.give_back(surplus);
        });
        (kept > 0).then(|| BodyHold::new(Hold { budget, bytes: kept }))
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (reader, held) = (self.reader, self.held);
        self.budget.lock().wakers.remove(&reader);
        self.budget.change(|ledger| {
            ledger.leave(reader);
            ledger.give_back(held);
        });
    }
}

/// The credits of a body that was read.
struct Hold {
    budget: Arc<BodyBudget>,
    bytes: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.change(|ledger| ledger.give_back(self.bytes));
    }
}
