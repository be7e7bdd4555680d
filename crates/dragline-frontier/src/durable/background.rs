//! Names who runs what waits for a disk.

use std::fmt;

/// Runs jobs that block, one after the other, in the order in which they were given.
pub trait Background: fmt::Debug + Send + Sync {
    /// Takes a job. Returns at once, or when it is done.
    fn run(&self, job: Box<dyn FnOnce() + Send>);
}

/// Runs each job where it is given: for simulations, where all that happens happens in one order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Background for Inline {
    fn run(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }
}
