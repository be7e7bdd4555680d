//! Names ways to break a crawl on purpose, so that the checkers can be checked.

/// One promise that is broken on purpose; a simulation with it must find problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutant {
    /// A sink answers its mark before it has synced.
    MarkBeforeSync,
    /// A sink loses a record now and then.
    RecordLost,
    /// A sink writes a record twice now and then.
    RecordDoubled,
    /// A handler's items are written before its page is settled.
    ItemsEarly,
    /// A handler forgets a link now and then.
    LinkLost,
    /// Hosts are asked again before their gap has passed.
    ShortGap,
    /// Hosts are asked for more at a time than they have slots.
    ExtraSlot,
    /// robots.txt is not asked for.
    RobotsIgnored,
    /// Dead fetchers are started again and again.
    RestartsUnbounded,
    /// A fetch never ends.
    FetchUnending,
    /// A flush overtakes the records that came before it.
    FlushOvertakes,
    /// A file gets its final name before the commit that calls it sealed.
    RenameEarly,
    /// A snapshot is named before its records are durable; only with the feature `mutants`.
    SnapshotAhead,
    /// A snapshot leaves out URLs in flight; only with the feature `mutants`.
    SnapshotOmitsInFlight,
    /// Records are logged before the commit that they belong to; only with the feature `mutants`.
    RecordsEarly,
    /// An answer to a page that was given up is taken for the answer to another.
    StaleAnswerTaken,
}

impl Mutant {
    /// Whether only a crash shows it.
    pub(super) const fn needs_crash(self) -> bool {
        matches!(
            self,
            Self::FlushOvertakes
                | Self::RenameEarly
                | Self::SnapshotAhead
                | Self::SnapshotOmitsInFlight
                | Self::RecordsEarly
        )
    }

    /// Returns the fault of the durable frontier that it is.
    #[cfg(feature = "mutants")]
    pub(super) const fn of_frontier(self) -> Option<dragline_frontier::Mutant> {
        use dragline_frontier::Mutant as Fault;
        match self {
            Self::SnapshotAhead => Some(Fault::SnapshotAhead),
            Self::SnapshotOmitsInFlight => {
                Some(Fault::Machine(dragline_core::frontier::Mutant::SnapshotOmitsInFlight))
            }
            Self::RecordsEarly => Some(Fault::NextEpochEarly),
            _ => None,
        }
    }

    /// Whether it is a fault of a sink.
    pub(super) const fn is_of_sinks(self) -> bool {
        matches!(self, Self::MarkBeforeSync | Self::RecordLost | Self::RecordDoubled)
    }

    /// Every mutant, in the order of declaration.
    pub const ALL: [Self; 16] = [
        Self::MarkBeforeSync,
        Self::RecordLost,
        Self::RecordDoubled,
        Self::ItemsEarly,
        Self::LinkLost,
        Self::ShortGap,
        Self::ExtraSlot,
        Self::RobotsIgnored,
        Self::RestartsUnbounded,
        Self::FetchUnending,
        Self::FlushOvertakes,
        Self::RenameEarly,
        Self::SnapshotAhead,
        Self::SnapshotOmitsInFlight,
        Self::RecordsEarly,
        Self::StaleAnswerTaken,
    ];
}
