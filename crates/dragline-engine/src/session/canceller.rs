//! Ends a wait for several fetches without touching them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::set::Bell;

/// Ends the waits of the sets that it is in, from any thread, and leaves their fetches alone; clones are the same one.
///
/// Once used it stays used. See [`FetchSet::push_canceller`](super::FetchSet::push_canceller).
#[derive(Clone, Default)]
pub struct WaitCanceller(Arc<Mutex<Use>>);

#[derive(Default)]
struct Use {
    is_cancelled: bool,
    bells: Vec<(Arc<Bell>, u64)>,
}

impl WaitCanceller {
    /// Makes one that was not used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the waits, those that begin later too.
    pub fn cancel(&self) {
        let bells = {
            let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            used.is_cancelled = true;
            std::mem::take(&mut used.bells)
        };
        bells.into_iter().for_each(|(bell, place)| bell.ring(place));
    }

    /// Whether it was used.
    pub fn is_cancelled(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_cancelled
    }

    pub(super) fn ring_at_use(&self, bell: &Arc<Bell>, place: u64) {
        {
            let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !used.is_cancelled {
                used.bells.push((Arc::clone(bell), place));
                return;
            }
        }
        bell.ring(place);
    }
}

impl fmt::Debug for WaitCanceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCanceller").field("is_cancelled", &self.is_cancelled()).finish()
    }
}
