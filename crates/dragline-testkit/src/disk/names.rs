//! Holds which name leads to which file, and decides which names a power loss leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::state::dir_of;

/// Tells files apart, whatever they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u64);

/// The names of files: those that everybody sees, and those that are durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    now: BTreeMap<PathBuf, FileId>,
    durable: BTreeMap<PathBuf, FileId>,
    /// What was changed since, oldest first.
    changes: Vec<Change>,
}

/// A file got a name, lost it, or both at once.
#[derive(Clone, Debug)]
struct Change {
    file: FileId,
    from: Option<PathBuf>,
    to: Option<PathBuf>,
    /// Folders whose sync makes it durable when none is left.
    unsynced: Vec<PathBuf>,
    /// A sync failed that should have made it durable: no later one will.
    doubtful: bool,
}

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<FileId> {
        self.now.get(path).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PathBuf, FileId)> {
        self.now.iter().map(|(path, file)| (path, *file))
    }

    /// Whether some name leads to the file, or may again after a power loss.
    pub(super) fn may_name(&self, file: FileId) -> bool {
        self.is_named(file)
            || self.durable.values().any(|named| *named == file)
            || self.changes.iter().any(|change| change.file == file)
    }

    pub(super) fn is_named(&self, file: FileId) -> bool {
        self.now.values().any(|named| *named == file)
    }

    /// Gives a file its first name.
    pub(super) fn create(&mut self, path: &Path, file: FileId) {
        self.change(file, None, Some(path));
    }

    /// Gives a file another name and returns the file that had it before.
    pub(super) fn rename(&mut self, file: FileId, from: &Path, to: &Path) -> Option<FileId> {
        if from == to {
            return None;
        }
        let replaced = self.get(to);
        self.change(file, Some(from), Some(to));
        replaced
    }

    pub(super) fn remove(&mut self, file: FileId, path: &Path) {
        self.change(file, Some(path), None);
    }

    /// Makes a name durable that was put there as if it had always been.
    pub(super) fn put(&mut self, path: &Path, file: FileId) {
        self.now.insert(path.to_owned(), file);
        self.durable.insert(path.to_owned(), file);
    }

    fn change(&mut self, file: FileId, from: Option<&Path>, to: Option<&Path>) {
        let dirs = [from, to].into_iter().flatten().map(|path| dir_of(path).to_owned());
        let unsynced = dirs.collect::<BTreeSet<_>>().into_iter().collect();
        let change = Change {
            file,
            from: from.map(Path::to_owned),
            to: to.map(Path::to_owned),
            unsynced,
            doubtful: false,
        };
        change.apply(&mut self.now);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self, dir: &Path) {
        self.changes.iter_mut().for_each(|change| change.unsynced.retain(|unsynced| unsynced != dir));
        while self.changes.first().is_some_and(Change::is_durable) {
            self.changes.remove(0).apply(&mut self.durable);
        }
    }

    /// Leaves open for good whether what was changed in the folder is durable.
    pub(super) fn sync_failed(&mut self, dir: &Path) {
        let of_dir = |change: &&mut Change| change.unsynced.iter().any(|unsynced| unsynced == dir);
        self.changes.iter_mut().filter(of_dir).for_each(|change| change.doubtful = true);
    }

    /// Loses the changes that the seed says, each with what was built on it; what is left is durable.
    ///
    /// Returns the names that were changed and are not as everybody saw them.
    pub(super) fn survive(&mut self, rng: &mut fastrand::Rng) -> Vec<PathBuf> {
        let mut kept = vec![false; self.changes.len()];
        for (index, change) in self.changes.iter().enumerate().rev() {
            let keep = kept.get(index) == Some(&true) || change.is_durable() || rng.bool();
            if !keep {
                continue;
            }
            let before = self.changes.get(..index).unwrap_or_default();
            let of_same_file = before.iter().rposition(|earlier| earlier.file == change.file);
            let made_room =
                before.iter().rposition(|earlier| change.to.is_some() && earlier.from == change.to);
            for index in [Some(index), of_same_file, made_room].into_iter().flatten() {
                kept.get_mut(index).into_iter().for_each(|kept| *kept = true);
            }
        }
        let mut names = std::mem::take(&mut self.durable);
        for (change, _) in self.changes.drain(..).zip(kept).filter(|(_, kept)| *kept) {
            change.apply(&mut names);
        }
        let seen = std::mem::replace(&mut self.now, names.clone());
        let either: BTreeSet<_> = seen.keys().chain(names.keys()).cloned().collect();
        let lost = either.into_iter().filter(|path| seen.get(path) != names.get(path)).collect();
        self.durable = names;
        lost
    }
}

impl Change {
    const fn is_durable(&self) -> bool {
        self.unsynced.is_empty() && !self.doubtful
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, FileId>) {
        if let Some(from) = &self.from
            && names.get(from) == Some(&self.file)
        {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.file);
        }
    }
}
