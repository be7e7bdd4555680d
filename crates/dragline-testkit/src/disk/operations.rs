//! Carries out what a program asks of a simulated disk.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use dragline_disk::{Disk, DiskFile, Open, Space};

use super::names::FileId;
use super::sim_disk::SimDisk;
use super::state::{dir_of, is_there};
use super::trace::OpKind;

/// Room on a disk without a limit.
const FREE_BYTES: u64 = 1 << 40;

/// An open file of one life of a disk.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: FileId,
    path: PathBuf,
    open: Open,
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>> {
        let id = self.with(|state| {
            state.alive()?;
            let id = match open {
                Open::Read | Open::Append => state.file(path)?,
                Open::New if is_there(state, path) => return Err(ErrorKind::AlreadyExists.into()),
                Open::New if !state.is_dir(dir_of(path)) => return Err(state.not_a_dir(dir_of(path))),
                Open::New => state.change(OpKind::Create, path, 0, |state| {
                    if state.limits.free == Some(0) {
                        return Err(ErrorKind::StorageFull.into());
                    }
                    let id = state.new_file();
                    state.names.create(path, id);
                    Ok(id)
                })?,
            };
            if open == Open::Append && state.limits.read_only {
                return Err(ErrorKind::ReadOnlyFilesystem.into());
            }
            state.opened(id);
            Ok(id)
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), id, path: path.to_owned(), open }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.with(|state| {
            state.alive()?;
            if !state.is_dir(dir) {
                return Err(state.not_a_dir(dir));
            }
            let of_dir = |path: &&PathBuf| dir_of(path) == dir;
            Ok(state.names.iter().map(|(path, _)| path).filter(of_dir).cloned().collect())
        })
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.with(|state| {
            state.alive()?;
            let missing: Vec<_> = dir.ancestors().take_while(|dir| !state.is_dir(dir)).collect();
            if missing.iter().any(|dir| state.names.get(dir).is_some()) {
                let stands_there = state.names.get(dir).is_some();
                let kind = if stands_there { ErrorKind::AlreadyExists } else { ErrorKind::NotADirectory };
                return Err(kind.into());
            }
            for dir in missing.into_iter().rev() {
                state.change(OpKind::CreateDir, dir, 0, |state| {
                    state.dirs.insert(dir.to_owned());
                    Ok(())
                })?;
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            state.alive()?;
            let id = state.file(from)?;
            if state.is_dir(to) {
                return Err(ErrorKind::IsADirectory.into());
            }
            if !state.is_dir(dir_of(to)) {
                return Err(state.not_a_dir(dir_of(to)));
            }
            state.change(OpKind::Rename, to, 0, |state| {
                if let Some(replaced) = state.names.rename(id, from, to) {
                    state.release(replaced);
                }
                Ok(())
            })
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            state.alive()?;
            let id = state.file(path)?;
            state.change(OpKind::Remove, path, 0, |state| {
                state.names.remove(id, path);
                state.release(id);
                Ok(())
            })
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.with(|state| state.sync_dir(dir))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.with(|state| {
            state.alive()?;
            if !is_there(state, dir) {
                return Err(ErrorKind::NotFound.into());
            }
            let lengths = state.files.values().map(|file| file.content.bytes().len());
            let used =
                lengths.fold(0, |sum: u64, len| sum.saturating_add(len.try_into().unwrap_or(u64::MAX)));
            let free = state.limits.free.unwrap_or(FREE_BYTES);
            Ok(Space { free, total: free.saturating_add(used) })
        })
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.open == Open::Read {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.disk.with(|state| state.append(self.id, &self.path, bytes))
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        self.disk.with(|state| {
            state.alive()?;
            if let Some(kind) = state.limits.unreadable.get(&self.path) {
                return Err((*kind).into());
            }
            let content = state.files.get(&self.id).map(|file| file.content.bytes()).unwrap_or_default();
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
            let found = content.get(from..).unwrap_or_default();
            let read = found.len().min(bytes.len());
            if let (Some(to), Some(from)) = (bytes.get_mut(..read), found.get(..read)) {
                to.copy_from_slice(from);
            }
            Ok(read)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.with(|state| {
            state.alive()?;
            let len = state.files.get(&self.id).map_or(0, |file| file.content.bytes().len());
            Ok(u64::try_from(len).unwrap_or(u64::MAX))
        })
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.disk.with(|state| {
            state.alive()?;
            let had = state.files.get(&self.id).map_or(0, |file| file.content.bytes().len());
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            if len > had || self.open == Open::Read {
                return Err(ErrorKind::InvalidInput.into());
            }
            state.change(OpKind::Cut, &self.path, len, |state| {
                if let Some(file) = state.files.get_mut(&self.id) {
                    file.content.cut(len);
                }
                state.give_room(had - len);
                Ok(())
            })
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.with(|state| state.sync(self.id, &self.path))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.with(|state| state.closed(self.id));
    }
}
