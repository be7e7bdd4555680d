//! Names what a durable frontier can be made to do wrong, so that those who must find it can be seen to.

/// A fault that is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Records of the next epoch are logged before the commit of this one.
    NextEpochEarly,
    /// A commit names a snapshot as soon as it is complete, before its records are durable.
    SnapshotAhead,
    /// A fault of the state machine.
    Machine(dragline_core::frontier::Mutant),
}

impl super::LogFrontier {
    /// Switches a fault on.
    pub const fn mutate(&mut self, mutant: Mutant) {
        if let Mutant::Machine(mutant) = mutant {
            self.machine.mutate(mutant);
        }
        self.snapshots.is_hasty = matches!(mutant, Mutant::SnapshotAhead);
        self.mutant = Some(mutant);
    }
}
