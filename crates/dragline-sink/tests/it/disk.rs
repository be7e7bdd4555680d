//! Is a disk in memory that dies, loses what was not synced, fills up and fails, where a test wants it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use dragline_disk::{Disk, DiskFile, Open, Space};
use fastrand::Rng;

/// What goes wrong, by the number of the operation, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies in it: half of an append happens, nothing of any other.
    DiesIn(u64),
    /// The process dies behind it, and never learns how it ended.
    DiesBehind(u64),
    /// It and those behind it fail, so many; an append leaves half of its bytes.
    Fails { at: u64, count: u64, kind: ErrorKind },
}

/// A disk in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// By their own numbers: what readers see, and what survives a power loss.
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// What was done to names since they were synced, oldest first.
    changes: Vec<Change>,
    operations: u64,
    fault: Option<Fault>,
    dead: bool,
    /// The longest file.
    file_bytes_max: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Change {
    from: Option<PathBuf>,
    to: Option<PathBuf>,
    file: usize,
}

#[derive(Debug)]
struct TestFile {
    disk: TestDisk,
    file: usize,
}

/// What becomes of one operation.
enum Fate {
    Happens,
    Nothing(io::Error),
    Half(io::Error),
    Whole(io::Error),
}

impl TestDisk {
    /// Returns a disk with the same contents and no fault.
    pub(crate) fn copy(&self) -> Self {
        let mut state = self.state().clone();
        (state.operations, state.fault, state.dead) = (0, None, false);
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    pub(crate) fn set_file_bytes_max(&self, most: usize) {
        self.state().file_bytes_max = Some(most);
    }

    /// Returns how many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Starts a new process on what a power loss leaves: of each file any part of what was not synced, perhaps as
    /// zeros, and each change of a name or not.
    pub(crate) fn lose_power(&self, rng: &mut Rng) {
        let state = &mut *self.state();
        for content in &mut state.files {
            let (now, durable) = (&content.now, content.durable.as_slice());
            let appended = now.get(durable.len()..).filter(|_| now.starts_with(durable));
            let left = match appended {
                Some(appended) => {
                    let kept = appended.get(..rng.usize(0..=appended.len())).unwrap_or_default();
                    let zeros = vec![0; kept.len()];
                    [durable, if rng.u8(0..4) == 0 { zeros.as_slice() } else { kept }].concat()
                }
                None if rng.bool() => now.clone(),
                None => durable.to_vec(),
            };
            *content = Content { now: left.clone(), durable: left };
        }
        let mut names = state.durable.clone();
        for change in state.changes.drain(..).filter(|_| rng.bool()) {
            change.apply(&mut names);
        }
        (state.names, state.durable) = (names.clone(), names);
    }

    /// Returns the contents of every file by its name.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.state();
        state.names.iter().map(|(path, file)| (path.clone(), state.files[*file].now.clone())).collect()
    }

    /// Puts a durable file there.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let state = &mut *self.state();
        state.files.push(Content { now: bytes.into(), durable: bytes.into() });
        for names in [&mut state.names, &mut state.durable] {
            names.insert(path.into(), state.files.len() - 1);
        }
    }

    /// Takes a file away.
    pub(crate) fn take(&self, path: &str) {
        let state = &mut *self.state();
        for names in [&mut state.names, &mut state.durable] {
            names.remove(Path::new(path));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// Counts an operation and carries it out, or a part of it.
    fn operate<T>(&self, act: impl FnOnce(&mut State, bool) -> io::Result<T>) -> io::Result<T> {
        let state = &mut *self.state();
        match state.fate() {
            Fate::Happens => act(state, false),
            Fate::Nothing(error) => Err(error),
            Fate::Half(error) => {
                // Whatever comes of it, nobody is there to learn of it.
                drop(act(state, true));
                Err(error)
            }
            Fate::Whole(error) => {
                drop(act(state, false));
                Err(error)
            }
        }
    }

    /// Counts an operation that changes nothing, so that it happens or fails.
    fn look<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        self.operate(|state, _| act(state))
    }
}

impl State {
    fn fate(&mut self) -> Fate {
        let number = self.operations;
        self.operations += 1;
        let died = || io::Error::other("the process is dead");
        match self.fault {
            _ if self.dead => Fate::Nothing(died()),
            Some(Fault::DiesIn(at)) if at == number => {
                self.dead = true;
                Fate::Half(died())
            }
            Some(Fault::DiesBehind(at)) if at == number => {
                self.dead = true;
                Fate::Whole(died())
            }
            Some(Fault::Fails { at, count, kind }) if (at..at + count).contains(&number) => {
                Fate::Half(kind.into())
            }
            _ => Fate::Happens,
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(from) = self.from.as_ref().filter(|from| names.get(*from) == Some(&self.file)) {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.file);
        }
    }
}

impl Disk for TestDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>> {
        let file = self.operate(|state, half| match (open, state.file(path)) {
            (Open::New, Ok(_)) => Err(ErrorKind::AlreadyExists.into()),
            (Open::New, Err(_)) if half => Err(ErrorKind::Other.into()),
            (Open::New, Err(_)) => {
                let file = state.files.len();
                state.files.push(Content::default());
                state.change(Change { from: None, to: Some(path.into()), file });
                Ok(file)
            }
            (Open::Read | Open::Append, file) => file,
        })?;
        Ok(Box::new(TestFile { disk: self.clone(), file }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let in_dir = |path: &&PathBuf| path.parent() == Some(dir);
        self.look(|state| Ok(state.names.keys().filter(in_dir).cloned().collect()))
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        self.look(|_| Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state, half| {
            let file = state.file(from)?;
            if !half {
                state.change(Change { from: Some(from.into()), to: Some(to.into()), file });
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|state, half| {
            let file = state.file(path)?;
            if !half {
                state.change(Change { from: Some(path.into()), to: None, file });
            }
            Ok(())
        })
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.operate(|state, half| {
            if !half {
                state.changes.clear();
                state.durable = state.names.clone();
            }
            Ok(())
        })
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        self.look(|_| Ok(Space { free: u64::MAX, total: u64::MAX }))
    }
}

impl DiskFile for TestFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.operate(|state, half| {
            let most = state.file_bytes_max.unwrap_or(usize::MAX);
            let content = &mut state.files[self.file].now;
            let wanted = if half { bytes.len() / 2 } else { bytes.len() };
            let fits = wanted.min(most.saturating_sub(content.len()));
            content.extend_from_slice(&bytes[..fits]);
            if fits < wanted { Err(ErrorKind::FileTooLarge.into()) } else { Ok(()) }
        })
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.disk.look(|state| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let left = state.files[self.file].now.get(start..).unwrap_or_default();
            let read = left.len().min(bytes.len());
            bytes[..read].copy_from_slice(&left[..read]);
            Ok(read)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.look(|state| Ok(state.files[self.file].now.len() as u64))
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.disk.operate(|state, half| {
            if !half {
                state.files[self.file].now.truncate(usize::try_from(len).unwrap_or(usize::MAX));
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.operate(|state, half| {
            if !half {
                let content = &mut state.files[self.file];
                content.durable.clone_from(&content.now);
            }
            Ok(())
        })
    }
}
