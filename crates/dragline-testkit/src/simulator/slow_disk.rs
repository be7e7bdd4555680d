//! Is the I/O thread of a simulation: runs what waits for the disk in order, each job some simulated time after the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dragline_frontier::Background;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Job = Box<dyn FnOnce() + Send>;

/// A disk that takes its time once it is told to. What was given to it and not begun is lost when the life ends, as it is
/// with a process. Clones are the same disk.
#[derive(Clone, Debug)]
pub(super) struct SlowDisk {
    line: UnboundedSender<Job>,
    takes_time: Arc<AtomicBool>,
}

impl SlowDisk {
    /// Makes a disk each job of which takes up to twice this long; called inside the runtime of a life.
    pub(super) fn new(latency: Duration, seed: u64) -> Self {
        let (line, mut jobs) = unbounded_channel::<Job>();
        let mut rng = fastrand::Rng::with_seed(seed);
        #[expect(clippy::disallowed_methods, reason = "it ends with the runtime of its life")]
        actix_rt::spawn(async move {
            while let Some(job) = jobs.recv().await {
                tokio::time::sleep(latency.mul_f64(2.0 * rng.f64())).await;
                job();
            }
        });
        Self { line, takes_time: Arc::default() }
    }

    /// Lets jobs take time from now on. Before, a start may wait for them, with the clock standing still.
    pub(super) fn take_time(&self) {
        self.takes_time.store(true, Ordering::Relaxed);
    }
}

impl Background for SlowDisk {
    fn run(&self, job: Job) {
        if self.takes_time.load(Ordering::Relaxed) {
            // Nobody listens any more when the life has ended.
            drop(self.line.send(job));
        } else {
            job();
        }
    }
}
