//! Decides which actor runs on which thread.

use crate::io::Io;
use crate::spawn::Seat;

/// Where actors run. Handlers never share an arbiter with fetchers or the supervisor, but for tests on one arbiter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// The supervisor, each fetcher, each worker and the sinks have threads of their own.
    #[default]
    Threads,
    /// The supervisor shares the first fetcher's thread: fewer wake-ups where there is one core.
    SharedCore,
    /// Everything on the calling arbiter, so that paused time and seeds decide all: for simulations.
    OneArbiter,
}

impl Placement {
    /// Chooses by the number of cores this process may use.
    pub fn for_cores(cores: usize) -> Self {
        if cores > 1 { Self::Threads } else { Self::SharedCore }
    }

    /// Returns the supervisor's seat.
    pub(crate) fn supervisor(self) -> Seat {
        self.thread()
    }

    /// Returns the fetchers' seats; called on the supervisor's arbiter.
    pub(crate) fn fetchers(self, count: usize) -> Vec<Seat> {
        let seat = |index| match self {
            Self::SharedCore if index == 0 => Seat::here(),
            _ => self.thread(),
        };
        (0..count).map(seat).collect()
    }

    /// Returns a worker's seat; called on the supervisor's arbiter.
    pub(crate) fn worker(self) -> Seat {
        self.thread()
    }

    /// Returns the seat of all sinks; called on the supervisor's arbiter.
    pub(crate) fn sinks(self) -> Seat {
        self.thread()
    }

    /// Returns the thread of the state's disk.
    ///
    /// # Errors
    /// When the system has none to give.
    pub(crate) fn io(self) -> std::io::Result<Io> {
        if self == Self::OneArbiter { Ok(Io::inline()) } else { Io::thread() }
    }

    fn thread(self) -> Seat {
        if self == Self::OneArbiter { Seat::here() } else { Seat::thread() }
    }
}
