//! Runs what blocks on a disk, in order, on a thread of its own.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use dragline_frontier::Background;

use crate::spawn;
use crate::words::panic_message;

/// Jobs that wait: more than the chunks that a frontier reads ahead, with a commit and a look at the disk.
const JOBS_MAX: usize = 8 << 10;

/// What is to be run.
type Job = Box<dyn FnOnce() + Send>;

/// The thread of a durable frontier: what it writes and syncs is run there, so that no actor's arbiter stands still.
///
/// Clones are the same thread; it ends with the last of them, when it has run what was given to it. When a job panics
/// nothing is run any more, and the crawl ends: what is on the disk is then anybody's guess.
#[derive(Clone)]
pub struct Io {
    /// `None`: jobs are run where they are given.
    line: Option<SyncSender<Job>>,
    failure: Arc<OnceLock<Box<str>>>,
}

impl Io {
    /// Starts a thread.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn thread() -> io::Result<Self> {
        let (line, jobs) = sync_channel::<Job>(JOBS_MAX);
        let failure = Arc::default();
        let noted = Arc::clone(&failure);
        let work = move || {
            for job in jobs {
                run_noting(job, &noted);
                if noted.get().is_some() {
                    return;
                }
            }
        };
        if spawn::thread("dragline-io", work) {
            Ok(Self { line: Some(line), failure })
        } else {
            Err(io::Error::other("the system gives no thread"))
        }
    }

    /// Runs each job where it is given, before the call returns: for simulations, which are to take the same course
    /// each time.
    pub fn inline() -> Self {
        Self { line: None, failure: Arc::default() }
    }

    /// Returns what the job said that panicked.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(|what| &**what)
    }
}

impl Background for Io {
    /// Runs a job behind those that were given before. One that comes after a panic is dropped.
    ///
    /// Blocks while more jobs wait than a frontier gives.
    fn run(&self, job: Box<dyn FnOnce() + Send>) {
        let Some(line) = &self.line else {
            if self.failure.get().is_none() {
                run_noting(job, &self.failure);
            }
            return;
        };
        if line.send(job).is_err() {
            tracing::debug!(target: "dragline::actor", "a job for the disk came after its thread had died");
        }
    }
}

/// Runs a job, and notes its panic.
fn run_noting(job: Job, failure: &OnceLock<Box<str>>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
        let what = panic_message(&*panic);
        tracing::error!(target: "dragline::actor", what, "a job for the disk panicked");
        failure.get_or_init(|| what.into());
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (has_thread, failure) = (self.line.is_some(), self.failure());
        f.debug_struct("Io").field("has_thread", &has_thread).field("failure", &failure).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Gives ten jobs, of which the fourth panics, and returns the numbers of those that were run and on which thread.
    fn run_ten(io: &Io) -> Vec<(u32, bool)> {
        let (ran, seen) = channel();
        let here = std::thread::current().id();
        for number in 0..10 {
            let ran = ran.clone();
            io.run(Box::new(move || {
                assert_ne!(number, 3, "as the test wants");
                ran.send((number, std::thread::current().id() == here)).expect("the test waits for it");
            }));
        }
        drop(ran);
        seen.iter().collect()
    }

    #[test]
    fn jobs_run_in_order_until_one_panics() {
        let check = |io: &Io, here: bool| {
            assert_eq!(io.failure(), None);
            assert_eq!(run_ten(io), [(0, here), (1, here), (2, here)]);
            let said = io.failure().expect("the panic is noted");
            assert!(said.contains("as the test wants"), "{said}");
        };
        check(&Io::inline(), true);
        check(&Io::thread().unwrap(), false);
    }

    #[test]
    fn what_was_given_is_run_although_the_owner_is_gone() {
        let (ran, seen) = channel();
        let io = Io::thread().unwrap();
        for number in 0..3 {
            let ran = ran.clone();
            io.run(Box::new(move || ran.send(number).expect("the test waits for it")));
        }
        drop((io, ran));
        assert_eq!(seen.iter().collect::<Vec<u32>>(), [0, 1, 2]);
    }
}
