//! Names what a frontier can be made to do wrong, so that those who must find it can be seen to.

/// A fault that is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A snapshot leaves out URLs that are leased or fetched.
    SnapshotOmitsInFlight,
    /// A settlement whose token is not current is applied to the oldest lease.
    StaleTokenAccepted,
}

impl super::MemFrontier {
    /// Switches a fault on.
    pub const fn mutate(&mut self, mutant: Mutant) {
        self.mutant = Some(mutant);
    }
}
