//! Is the simulated disk as tests hold it: they break it, kill its process, and look at what is left.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::content::{Content, Survival};
use super::faults::DiskFaults;
use super::state::{State, dir_of};
use super::trace::{DiskCounts, DiskOp};

/// A disk in memory; clones are the same disk. Folders `/` and `.` are there from the beginning.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    /// What the crash before this life left of each file.
    survived: Arc<[Survived]>,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: everything it did stands. What is not durable can still be lost to a power loss later.
    Kill,
    /// The machine stops: what is not durable survives as the seed has it.
    PowerLoss,
}

/// What a power loss left of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Survived {
    /// A file whose name survived, and what of its bytes did.
    Bytes {
        /// Its name.
        path: PathBuf,
        /// What became of them.
        survival: Survival,
    },
    /// A name that does not lead where it led before.
    OldName {
        /// The name.
        path: PathBuf,
    },
}

impl SimDisk {
    /// Makes an empty disk; the seed says what torn writes and failed syncs leave.
    pub fn new(seed: u64) -> Self {
        Self::of(State::new(seed), Vec::new())
    }

    fn of(state: State, survived: Vec<Survived>) -> Self {
        Self { state: Arc::new(Mutex::new(state)), survived: survived.into() }
    }

    /// Ends the process and returns the disk as the next one finds it. Every operation on this one fails from now on.
    #[must_use]
    pub fn crash(&self, crash: Crash, seed: u64) -> Self {
        self.with(|state| {
            state.kill();
            let mut next = state.reborn(seed);
            let mut survived = Vec::new();
            if crash == Crash::PowerLoss {
                let mut rng = fastrand::Rng::with_seed(seed);
                let lost = next.names.survive(&mut rng);
                survived.extend(lost.into_iter().map(|path| Survived::OldName { path }));
                let named: Vec<_> = next.names.iter().map(|(path, file)| (path.clone(), file)).collect();
                for (path, id) in named {
                    if let Some(file) = next.files.get_mut(&id) {
                        let survival = file.content.survive(&mut rng);
                        survived.push(Survived::Bytes { path, survival });
                    }
                }
                next.files.retain(|id, _| next.names.is_named(*id));
            }
            Self::of(next, survived)
        })
    }

    /// Returns what the power loss before this life left of each file; nothing when there was none.
    pub fn survived(&self) -> &[Survived] {
        &self.survived
    }

    /// Lets so many more changes succeed; the one after happens in part, and the disk is dead. [`SimDisk::crash`] says
    /// what is left.
    pub fn crash_at(&self, changes: u64) {
        self.with(|state| state.faults.crash = Some(changes));
    }

    /// Calls this once when the disk dies, from whoever made the last change.
    pub fn on_crash(&self, call: impl FnOnce() + Send + 'static) {
        self.with(|state| state.on_crash = Some(Box::new(call)));
    }

    /// Whether the process has ended.
    pub fn is_dead(&self) -> bool {
        self.with(|state| state.dead)
    }

    /// Lets so many more changes succeed and fails the one after; of an append a part is written.
    pub fn fail_at(&self, changes: u64, kind: ErrorKind) {
        self.with(|state| state.faults.fails.push((changes, kind)));
    }

    /// Lets so many more appends succeed, and of the one after only the first bytes.
    pub fn tear_at(&self, appends: u64, bytes: usize, kind: ErrorKind) {
        self.with(|state| state.faults.torn.push((appends, bytes, kind)));
    }

    /// Lets so many more syncs, of files and folders, succeed and fails the one after: what of it is durable is unknown,
    /// and no later sync makes it so.
    pub fn fail_sync_at(&self, syncs: u64, kind: ErrorKind) {
        self.with(|state| state.faults.failed_syncs.push((syncs, kind)));
    }

    /// Sets everything that is to go wrong from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.with(|state| state.faults = faults);
    }

    /// Sets how many bytes may still be written; `None` means without limit. Cuts and removals make room.
    pub fn set_free(&self, bytes: Option<u64>) {
        self.with(|state| state.limits.free = bytes);
    }

    /// Returns how many bytes may still be written; `None` means without limit.
    pub fn free(&self) -> Option<u64> {
        self.with(|state| state.limits.free)
    }

    /// Sets how long a file may become.
    pub fn set_file_bytes_max(&self, bytes: Option<u64>) {
        self.with(|state| state.limits.file_bytes_max = bytes);
    }

    /// Refuses every change, or takes them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.with(|state| state.limits.read_only = read_only);
    }

    /// Fails every read of a file, or lets it be read again.
    pub fn set_unreadable(&self, path: impl Into<PathBuf>, kind: Option<ErrorKind>) {
        let path = path.into();
        self.with(|state| match kind {
            Some(kind) => drop(state.limits.unreadable.insert(path, kind)),
            None => drop(state.limits.unreadable.remove(&path)),
        });
    }

    /// Inverts one bit of a file, counted from its first byte's lowest; says whether there is such a bit.
    pub fn flip(&self, path: impl AsRef<Path>, bit: usize) -> bool {
        self.with(|state| {
            let id = state.names.get(path.as_ref());
            let file = id.and_then(|id| state.files.get_mut(&id));
            file.and_then(|file| file.content.flip(bit)).is_some()
        })
    }

    /// Puts a file there as if it had always been, with the folders above it.
    pub fn put(&self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) {
        let path = path.as_ref();
        self.with(|state| {
            let dirs = dir_of(path).ancestors().filter(|dir| !state.is_dir(dir));
            let dirs: Vec<_> = dirs.map(Path::to_owned).collect();
            state.dirs.extend(dirs);
            let id = state.names.get(path).unwrap_or_else(|| state.new_file());
            state.names.put(path, id);
            state.files.entry(id).or_default().content = Content::durable(bytes.into());
        });
    }

    /// Returns what readers see of a file.
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.with(|state| {
            let id = state.names.get(path.as_ref())?;
            state.files.get(&id).map(|file| file.content.bytes().to_vec())
        })
    }

    /// Returns every file's name, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.with(|state| state.names.iter().map(|(path, _)| path.clone()).collect())
    }

    /// Returns how much was done in this life.
    pub fn counts(&self) -> DiskCounts {
        self.with(|state| state.trace.counts())
    }

    /// Returns the last operations of this life.
    pub fn trace(&self) -> Vec<DiskOp> {
        self.with(|state| state.trace.last())
    }

    /// Returns a hash of every operation of this life, in order.
    pub fn trace_hash(&self) -> u64 {
        self.with(|state| state.trace.hash())
    }

    /// Uses the state under its lock, and tells of the disk's death when it is free again.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let (value, call) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let value = work(&mut state);
            let call = if state.dead { state.on_crash.take() } else { None };
            (value, call)
        };
        if let Some(call) = call {
            call();
        }
        value
    }
}
