//! Checks every sample of a running crawl: the identity holds, credits are not exceeded, and nothing goes backwards.

use std::time::Duration;

use dragline_core::Time;
use dragline_engine::Status;

use super::Problems;

/// How long a crawl with something to do may stand still: longer than every wait that is allowed.
const STUCK_AFTER: Duration = Duration::from_secs(20 * 60);

/// What the samples so far have shown.
#[derive(Debug, Default)]
pub(in crate::simulator) struct Samples {
    last: Option<(Time, u64, u64)>,
    /// What was last seen to move, and since when it has not.
    moved: (u64, Duration),
    /// The most bytes that URLs and hosts took.
    pub(in crate::simulator) memory_bytes_max: u64,
    pub(in crate::simulator) problems: Problems,
}

impl Samples {
    /// Looks at a sample; each is looked at once.
    pub(in crate::simulator) fn look(&mut self, status: &Status, pages_max: usize) {
        let stats = &status.stats;
        self.memory_bytes_max = self.memory_bytes_max.max(stats.memory_bytes);
        let settled = stats.discovered - stats.pending;
        match self.last.replace((status.now, stats.discovered, settled)) {
            Some((at, ..)) if at == status.now => return,
            Some((at, discovered, ended))
                if at > status.now || discovered > stats.discovered || ended > settled =>
            {
                self.problems.add("samples", format!("counts went back: {stats:?} at {:?}", status.now));
            }
            _ => {}
        }
        if !stats.adds_up() {
            self.problems.add("identity", format!("it does not hold at {:?}: {stats:?}", status.now));
        }
        if status.in_flight > pages_max {
            self.problems
                .add("credits", format!("{} pages in flight, {pages_max} are allowed", status.in_flight));
        }
        for (edge, credit) in status.credits.iter().enumerate() {
            // One errand that a session waits for goes beyond the page credits, which come first.
            let beyond = u64::from(edge == 0);
            if credit.in_use > credit.max + beyond {
                self.problems.add("credits", format!("edge {edge}: {credit:?} at {:?}", status.now));
            }
        }
    }

    /// Takes note of how much has been done by now; says whether it has been the same for too long.
    pub(in crate::simulator) fn is_stuck(&mut self, done: u64, now: Duration) -> bool {
        if self.moved.0 != done || self.moved.1.is_zero() {
            self.moved = (done, now);
        }
        now - self.moved.1 > STUCK_AFTER
    }
}
