//! Is a disk in memory that loses what was not synced, fills up, fails and dies when it is told to.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dragline_disk::{Disk, DiskFile, Open, Space};

/// A disk in memory with one folder. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Node>,
    /// What [`MemDisk::lose_power`] leaves.
    durable: BTreeMap<PathBuf, Node>,
    /// Bytes that can still be written; `None` for any number.
    space: Option<u64>,
    /// The limit of file sizes.
    file_bytes_max: Option<u64>,
    /// Changes that still happen before everything fails.
    steps: Option<u64>,
    /// Syncs that still succeed.
    syncs: Option<u64>,
    /// Changes so far.
    done: u64,
}

type Node = Arc<Mutex<Contents>>;

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// What was there before a cut that is not synced: the system may have written it out by itself.
    before_cut: Option<Vec<u8>>,
}

#[derive(Debug)]
struct MemFile {
    disk: MemDisk,
    node: Node,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("files of tests are small")
}

impl MemDisk {
    /// Forgets what was not synced, contents and names.
    pub(crate) fn lose_power(&self) {
        let mut state = lock(&self.0);
        state.files = state.durable.clone();
        for node in state.files.values() {
            let mut contents = lock(node);
            contents.bytes = contents.durable.clone();
            contents.before_cut = None;
        }
    }

    /// Forgets what was not synced, each file and name for itself, wholly, in part or not at all.
    pub(crate) fn lose_some(&self, chance: &mut fastrand::Rng) {
        let mut state = lock(&self.0);
        let names: Vec<_> = state.durable.keys().chain(state.files.keys()).cloned().collect();
        for name in names {
            let durable = state.durable.get(&name).cloned();
            let survives = if chance.bool() { durable } else { state.files.get(&name).cloned() };
            match survives {
                Some(node) => drop(state.files.insert(name, node)),
                None => drop(state.files.remove(&name)),
            }
        }
        for node in state.files.values() {
            let mut contents = lock(node);
            let now = match contents.before_cut.take().filter(|_| chance.bool()) {
                Some(before) => before,
                None => contents.bytes.clone(),
            };
            let durable = &contents.durable;
            let same = now.iter().zip(durable).take_while(|(now, then)| now == then).count();
            let mut left = now;
            if same == durable.len() {
                // All of what was written since, its beginning, or its length without all of its content.
                if chance.bool() {
                    left.truncate(chance.usize(same..=left.len()));
                }
                if chance.bool() {
                    let hole = chance.usize(same..=left.len());
                    let end = chance.usize(hole..=left.len());
                    left[hole..end].fill(0);
                }
            } else if chance.bool() {
                left.clone_from(durable);
            }
            contents.durable = left.clone();
            contents.bytes = left;
        }
        state.durable = state.files.clone();
    }

    /// Writes no more than so many bytes from now on.
    pub(crate) fn leave_space(&self, bytes: Option<u64>) {
        lock(&self.0).space = bytes;
    }

    /// Lets no file grow beyond this length.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        lock(&self.0).file_bytes_max = bytes;
    }

    /// Lets so many changes happen, then fails everything: half of a write still happens.
    pub(crate) fn die_after(&self, steps: Option<u64>) {
        lock(&self.0).steps = steps;
    }

    /// Lets so many syncs succeed, then fails them all.
    pub(crate) fn fail_syncs_after(&self, syncs: Option<u64>) {
        lock(&self.0).syncs = syncs;
    }

    /// Returns how often something was changed or synced.
    pub(crate) fn changes(&self) -> u64 {
        lock(&self.0).done
    }

    /// Returns the files as everybody sees them.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = lock(&self.0);
        state.files.iter().map(|(path, node)| (path.clone(), lock(node).bytes.clone())).collect()
    }

    /// Makes a disk of files that are durable.
    pub(crate) fn of(files: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let disk = Self::default();
        for (path, bytes) in files {
            let contents = Contents { bytes: bytes.clone(), durable: bytes.clone(), before_cut: None };
            lock(&disk.0).files.insert(path.clone(), Arc::new(Mutex::new(contents)));
        }
        let mut state = lock(&disk.0);
        state.durable = state.files.clone();
        drop(state);
        disk
    }

    /// Counts a change; `Err` when it does not happen, with whether it is torn.
    fn step(&self) -> Result<(), io::Error> {
        let mut state = lock(&self.0);
        if state.steps == Some(0) {
            return Err(io::Error::other("the process was killed"));
        }
        state.steps = state.steps.map(|steps| steps - 1);
        state.done += 1;
        Ok(())
    }

    fn sync_step(&self) -> io::Result<()> {
        self.step()?;
        let mut state = lock(&self.0);
        if state.syncs == Some(0) {
            return Err(io::Error::other("the disk does not answer"));
        }
        state.syncs = state.syncs.map(|syncs| syncs - 1);
        Ok(())
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>> {
        if open == Open::New {
            self.step()?;
        }
        let mut state = lock(&self.0);
        let node = match (state.files.get(path), open) {
            (Some(_), Open::New) => return Err(ErrorKind::AlreadyExists.into()),
            (None, Open::Read | Open::Append) => return Err(ErrorKind::NotFound.into()),
            (Some(node), Open::Read | Open::Append) => Arc::clone(node),
            (None, Open::New) => Arc::clone(state.files.entry(path.to_owned()).or_default()),
        };
        Ok(Box::new(MemFile { disk: self.clone(), node }))
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(lock(&self.0).files.keys().cloned().collect())
    }

    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let mut state = lock(&self.0);
        let node = state.files.remove(from).ok_or(ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !lock(&self.0).files.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        self.step()?;
        lock(&self.0).files.remove(path);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.sync_step()?;
        let mut state = lock(&self.0);
        state.durable = state.files.clone();
        Ok(())
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Ok(Space { free: 1 << 40, total: 1 << 40 })
    }
}

impl DiskFile for MemFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let killed = self.disk.step();
        let mut state = lock(&self.disk.0);
        let mut contents = lock(&self.node);
        let mut most = bytes.len() as u64;
        let mut failure = Ok(());
        if let Err(error) = killed {
            (most, failure) = (most / 2, Err(error));
        }
        if let Some(max) = state.file_bytes_max.map(|max| max.saturating_sub(contents.bytes.len() as u64))
            && max < most
        {
            (most, failure) = (max, Err(ErrorKind::FileTooLarge.into()));
        }
        if let Some(space) = state.space.filter(|space| *space < most) {
            (most, failure) = (space, Err(ErrorKind::StorageFull.into()));
        }
        state.space = state.space.map(|space| space - most);
        contents.bytes.extend_from_slice(&bytes[..index(most)]);
        failure
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let contents = lock(&self.node);
        let there = contents.bytes.get(index(offset)..).unwrap_or_default();
        let count = there.len().min(bytes.len());
        bytes[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.node).bytes.len() as u64)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.disk.step()?;
        let mut state = lock(&self.disk.0);
        let mut contents = lock(&self.node);
        let freed = contents.bytes.len() as u64 - len;
        state.space = state.space.map(|space| space + freed);
        let whole = contents.bytes.clone();
        contents.before_cut.get_or_insert(whole);
        contents.bytes.truncate(index(len));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync_step()?;
        let mut contents = lock(&self.node);
        contents.durable = contents.bytes.clone();
        contents.before_cut = None;
        Ok(())
    }
}
