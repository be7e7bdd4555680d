//! Says what the suite needs of a frontier that it tries.

use dragline_core::frontier::Frontier;
use dragline_core::{Ticket, Wall};

/// What a frontier that was killed came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The number of the commit that it goes on from; 0 when it began anew.
    pub commit: u64,
}

/// A frontier under trial, with what keeps it.
pub trait Subject {
    /// Returns the frontier.
    fn frontier(&mut self) -> &mut dyn Frontier;

    /// Waits for an answer.
    ///
    /// # Panics
    /// Unless it is ready, by default.
    fn wait<T>(&self, ticket: Ticket<T>) -> T {
        ticket.now().unwrap_or_else(|_| panic!("this frontier answers at once"))
    }

    /// Returns the name of the first promise that the frontier knows to be broken, if it can look.
    fn first_broken(&self) -> Option<&'static str> {
        None
    }

    /// Begins a commit of everything so far under a number of the suite's; what follows belongs to the next.
    fn begin_commit(&mut self, number: u64);

    /// Makes durable what was begun; `false` when the process died meanwhile.
    fn finish_commit(&mut self) -> bool;

    /// Dies, and comes back at a time; `None` when it cannot die. `seed` is for what a crash leaves to chance.
    fn restart(&mut self, at: Wall, seed: u64) -> Option<Recovered>;
}
