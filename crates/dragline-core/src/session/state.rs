//! Holds the table of legal moves of a fetch under a handle.

use std::fmt;

/// Where a fetch under a handle stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchState {
    /// Made, not started.
    Idle,
    /// Started; waits for a lane.
    Queued,
    /// Under way: admission, hops, then what is to be done with the response.
    Running,
    /// Ended, well or not; its result stays as it is.
    Done,
    /// Cancelled before it was done.
    Cancelled,
}

impl FetchState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Queued, Self::Running, Self::Done, Self::Cancelled];

    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// Whether a fetch may go from here to `next`.
    ///
    /// A fetch that is refused at its start (a malformed URL, a closed session) is done without having waited.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Idle => matches!(next, Self::Queued | Self::Done | Self::Cancelled),
            Self::Queued => matches!(next, Self::Running | Self::Done | Self::Cancelled),
            Self::Running => matches!(next, Self::Done | Self::Cancelled),
            Self::Done | Self::Cancelled => false,
        }
    }

    /// Makes a move.
    ///
    /// # Panics
    /// When the move is illegal here.
    #[must_use]
    pub fn advance(self, next: Self) -> Self {
        assert!(self.may_become(next), "a fetch that is {self} cannot become {next}");
        next
    }
}

impl fmt::Display for FetchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_one_way_and_ends_once() {
        for from in FetchState::ALL {
            for to in FetchState::ALL {
                assert!(!from.may_become(to) || to > from, "{from} to {to}");
                assert!(!(from.has_ended() && from.may_become(to)), "{from} to {to}");
            }
            assert_eq!(from.may_become(FetchState::Cancelled), !from.has_ended(), "{from}");
        }
    }
}
