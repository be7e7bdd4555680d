//! Decides which operation on a disk fails, tears, or is the last one.

use std::io::ErrorKind;

use super::trace::OpKind;

/// Faults that are drawn at once, beside a crash.
const FAULTS_PER_DRAW_MAX: usize = 3;

/// What is to go wrong on a disk. Numbers say how many more operations go well before the one that does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Operations that fail, with the kind of error; an append leaves a part of its bytes.
    pub fails: Vec<(u64, ErrorKind)>,
    /// Appends that write this many bytes and fail.
    pub torn: Vec<(u64, usize, ErrorKind)>,
    /// Syncs, of files and folders, that fail; what is durable is then unknown.
    pub failed_syncs: Vec<(u64, ErrorKind)>,
    /// The operation that happens in part and is the last of its process.
    pub crash: Option<u64>,
}

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    Fails(ErrorKind),
    /// Only this many bytes are written.
    Tears(usize, ErrorKind),
    /// It happens in part, and nothing after it.
    Crashes,
}

impl DiskFaults {
    /// Draws a few faults that a program survives or ends at, among so many operations.
    pub fn draw(seed: u64, operations: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut faults = Self::default();
        for _ in 0..rng.usize(0..=FAULTS_PER_DRAW_MAX) {
            let at = rng.u64(0..operations.max(1));
            match rng.u8(0..4) {
                0 => faults.fails.push((at, ErrorKind::StorageFull)),
                1 => faults.torn.push((at, rng.usize(0..4096), ErrorKind::StorageFull)),
                2 => faults.fails.push((at, ErrorKind::Other)),
                _ => faults.failed_syncs.push((at / 4, ErrorKind::Other)),
            }
        }
        faults.crash = rng.bool().then(|| rng.u64(0..operations.max(1)));
        faults
    }

    /// Takes one operation into account and says what becomes of it.
    pub(super) fn next(&mut self, kind: OpKind) -> Fate {
        let crashes = count_down(&mut self.crash);
        let fails = due(&mut self.fails, |(left, error)| (left, *error));
        let torn = match kind {
            OpKind::Append => due(&mut self.torn, |(left, bytes, error)| (left, (*bytes, *error))),
            _ => None,
        };
        let failed_sync = match kind {
            OpKind::Sync | OpKind::SyncDir => due(&mut self.failed_syncs, |(left, error)| (left, *error)),
            _ => None,
        };
        match (crashes, torn, fails.or(failed_sync)) {
            (true, ..) => Fate::Crashes,
            (false, Some((bytes, error)), _) => Fate::Tears(bytes, error),
            (false, None, Some(error)) => Fate::Fails(error),
            (false, None, None) => Fate::Succeeds,
        }
    }
}

/// Whether the operation that is counted down to has come.
fn count_down(left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => {
            *left = None;
            true
        }
        Some(more) => {
            *more -= 1;
            false
        }
        None => false,
    }
}

/// Counts every fault down, takes out those that are due, and returns what the last of them says.
fn due<F, T>(faults: &mut Vec<F>, parts: impl Fn(&mut F) -> (&mut u64, T)) -> Option<T> {
    let mut found = None;
    faults.retain_mut(|fault| {
        let (left, what) = parts(fault);
        if *left == 0 {
            found = Some(what);
            return false;
        }
        *left -= 1;
        true
    });
    found
}
