//! Is one life of a simulated disk: its files and names, what is to go wrong, and what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::content::Content;
use super::faults::{DiskFaults, Fate};
use super::names::{FileId, Names};
use super::trace::{DiskTrace, OpKind};

/// Called once when the disk dies.
pub(super) type OnCrash = Box<dyn FnOnce() + Send>;

/// Everything of one life.
pub(super) struct State {
    pub(super) files: BTreeMap<FileId, File>,
    pub(super) names: Names,
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) limits: Limits,
    pub(super) faults: DiskFaults,
    pub(super) trace: DiskTrace,
    /// Nothing can be done any more.
    pub(super) dead: bool,
    pub(super) on_crash: Option<OnCrash>,
    pub(super) rng: fastrand::Rng,
    next_file: u64,
}

/// One file, whatever it is called.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) content: Content,
    handles: usize,
}

/// What a disk refuses until it is allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// Bytes that may still be written.
    pub(super) free: Option<u64>,
    pub(super) file_bytes_max: Option<u64>,
    pub(super) read_only: bool,
    pub(super) unreadable: BTreeMap<PathBuf, ErrorKind>,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            names: Names::default(),
            dirs: BTreeSet::new(),
            limits: Limits::default(),
            faults: DiskFaults::default(),
            trace: DiskTrace::default(),
            dead: false,
            on_crash: None,
            rng: fastrand::Rng::with_seed(seed),
            next_file: 0,
        }
    }

    /// Returns what the next life finds: files, names and folders as they stand here, without anybody who has them open.
    pub(super) fn reborn(&self, seed: u64) -> Self {
        let mut files = self.files.clone();
        files.values_mut().for_each(|file| file.handles = 0);
        let mut next = Self {
            files,
            names: self.names.clone(),
            dirs: self.dirs.clone(),
            next_file: self.next_file,
            ..Self::new(seed)
        };
        next.files.retain(|id, _| next.names.may_name(*id));
        next
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.dead { Err(crashed()) } else { Ok(()) }
    }

    pub(super) fn kill(&mut self) {
        self.dead = true;
    }

    /// Does what happens whole or not at all, unless a fault says otherwise.
    pub(super) fn change<T>(
        &mut self,
        kind: OpKind,
        path: &Path,
        len: usize,
        apply: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        self.alive()?;
        let result = match self.faults.next(kind) {
            _ if self.limits.read_only => Err(ErrorKind::ReadOnlyFilesystem.into()),
            Fate::Succeeds | Fate::Tears(..) => apply(self),
            Fate::Fails(error) => Err(error.into()),
            Fate::Crashes => {
                if self.rng.bool() {
                    drop(apply(self));
                }
                self.kill();
                Err(crashed())
            }
        };
        self.trace.note(kind, path, len, result.is_ok());
        result
    }

    /// Appends as much as faults and limits let through.
    pub(super) fn append(&mut self, id: FileId, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.alive()?;
        let part = self.rng.usize(0..=bytes.len());
        let (most, error) = match self.faults.next(OpKind::Append) {
            _ if self.limits.read_only => (0, Some(ErrorKind::ReadOnlyFilesystem.into())),
            Fate::Succeeds => (bytes.len(), None),
            Fate::Fails(error) => (part, Some(error.into())),
            Fate::Tears(most, error) => (most.min(bytes.len()), Some(error.into())),
            Fate::Crashes => {
                self.kill();
                (part, Some(crashed()))
            }
        };
        let file = self.files.entry(id).or_default();
        let below_max = self.limits.file_bytes_max.map_or(usize::MAX, |max| {
            usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(file.content.bytes().len())
        });
        let free = self.limits.free.map_or(usize::MAX, |free| usize::try_from(free).unwrap_or(usize::MAX));
        let room = free.min(below_max);
        let written = most.min(room);
        file.content.append(bytes.get(..written).unwrap_or_default());
        self.take_room(written);
        let result = match error {
            Some(error) => Err(error),
            None if written == bytes.len() => Ok(()),
            None if below_max <= free => Err(ErrorKind::FileTooLarge.into()),
            None => Err(ErrorKind::StorageFull.into()),
        };
        self.trace.note(OpKind::Append, path, bytes.len(), result.is_ok());
        result
    }

    /// Syncs a file; a sync that fails leaves any mixture on the disk, one that crashes leaves everything open.
    pub(super) fn sync(&mut self, id: FileId, path: &Path) -> io::Result<()> {
        self.alive()?;
        let file = self.files.entry(id).or_default();
        let result = match self.faults.next(OpKind::Sync) {
            Fate::Succeeds | Fate::Tears(..) => {
                file.content.sync();
                Ok(())
            }
            Fate::Fails(error) => {
                file.content.sync_failed(&mut self.rng);
                Err(error.into())
            }
            Fate::Crashes => {
                self.kill();
                Err(crashed())
            }
        };
        self.trace.note(OpKind::Sync, path, 0, result.is_ok());
        result
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.alive()?;
        if !self.is_dir(dir) {
            return Err(self.not_a_dir(dir));
        }
        let result = match self.faults.next(OpKind::SyncDir) {
            Fate::Succeeds | Fate::Tears(..) => {
                self.names.sync(dir);
                Ok(())
            }
            Fate::Fails(error) => {
                self.names.sync_failed(dir);
                Err(error.into())
            }
            Fate::Crashes => {
                self.kill();
                Err(crashed())
            }
        };
        self.trace.note(OpKind::SyncDir, dir, 0, result.is_ok());
        result
    }

    pub(super) fn new_file(&mut self) -> FileId {
        self.next_file += 1;
        let id = FileId(self.next_file);
        self.files.insert(id, File::default());
        id
    }

    pub(super) fn opened(&mut self, id: FileId) {
        self.files.entry(id).or_default().handles += 1;
    }

    pub(super) fn closed(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(&id) {
            file.handles = file.handles.saturating_sub(1);
        }
        self.release(id);
    }

    /// Gives back the room of a file that has neither a name nor anybody who has it open.
    pub(super) fn release(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        if file.handles == 0 && !self.names.is_named(id) {
            self.give_room(file.content.bytes().len());
            if !self.names.may_name(id) {
                self.files.remove(&id);
            }
        }
    }

    fn take_room(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.limits.free = self.limits.free.map(|free| free.saturating_sub(bytes));
    }

    pub(super) fn give_room(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.limits.free = self.limits.free.map(|free| free.saturating_add(bytes));
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        is_top(path) || self.dirs.contains(path)
    }

    /// Returns the file of a name, or why there is none.
    pub(super) fn file(&self, path: &Path) -> io::Result<FileId> {
        if self.is_dir(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.names.get(path).ok_or_else(|| self.not_a_dir(dir_of(path)))
    }

    /// Says why a path leads to no folder, or to nothing in it.
    pub(super) fn not_a_dir(&self, path: &Path) -> io::Error {
        let is_file = path.ancestors().any(|above| self.names.get(above).is_some());
        let kind = if is_file { ErrorKind::NotADirectory } else { ErrorKind::NotFound };
        kind.into()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names.iter().map(|(path, _)| path).collect();
        f.debug_struct("State").field("names", &names).field("dead", &self.dead).finish_non_exhaustive()
    }
}

/// Returns the folder that a name stands in.
pub(super) fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file or a folder has this name.
pub(super) fn is_there(state: &State, path: &Path) -> bool {
    state.is_dir(path) || state.names.get(path).is_some()
}

/// Whether the folder is always there.
fn is_top(path: &Path) -> bool {
    path == Path::new(".") || path == Path::new("/") || path.as_os_str().is_empty()
}

pub(super) fn crashed() -> io::Error {
    io::Error::other("crashed")
}
