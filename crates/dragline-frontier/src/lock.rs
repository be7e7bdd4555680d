//! Decides who owns a state folder: one process at a time.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file's name.
const LOCK_FILE: &str = "lock";
/// The most bytes of the file that are read.
const LOCK_BYTES_MAX: usize = 4 << 10;
/// How often the lock is taken anew because somebody removed its file meanwhile.
const TAKES_MAX: usize = 8;
/// What Linux says when a file system has no locks (ENOLCK), for which the standard library has no name.
const NO_LOCKS: i32 = 37;

/// A process, told apart from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// The boot of the machine on which it runs; empty where the system does not tell.
    pub boot: String,
    /// When it started, in ticks since that boot; 0 where the system does not tell.
    pub started: u64,
    /// Since when it owns the folder, as RFC 3339 text.
    pub since: String,
}

/// A state folder that this process owns until this is dropped, or the process ends in whatever way.
///
/// Not behind [`Disk`](dragline_disk::Disk): what is locked out are other processes, which a simulated disk does not
/// have, and what frees the lock of a dead one is the system.
#[derive(Debug)]
pub struct StateLock {
    /// Rust opens files so that processes we start do not inherit them: the lock ends with us, not with our children.
    file: File,
}

/// Why a state folder cannot be owned.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError {
    /// Another process owns it. Wait for its end, stop it, or choose another folder.
    Held {
        /// The folder.
        dir: PathBuf,
        /// The process; `None` when it has not said yet who it is.
        pid: Option<u32>,
        /// Since when, as RFC 3339 text; empty like that.
        since: String,
    },
    /// The folder cannot be written. Make it writable, or choose another one.
    ReadOnly {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The lock's file cannot be created, read or locked. See the source.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, such as `lock`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Owner {
    /// Returns this process.
    pub fn of_this_process(since: &str) -> Self {
        let pid = std::process::id();
        Self { pid, boot: boot(), started: started(pid).unwrap_or_default(), since: since.to_owned() }
    }

    /// Returns the process that owns a state folder; `None` when nobody does, or it has not said yet who it is.
    ///
    /// # Errors
    /// When the lock's file is there and cannot be read.
    pub fn living(dir: &Path) -> io::Result<Option<Self>> {
        match File::open(dir.join(LOCK_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => Ok(read(&file?)?.filter(Self::lives)),
        }
    }

    /// Whether this process still runs. Where the system does not tell, it does.
    fn lives(&self) -> bool {
        let boot = boot();
        boot.is_empty() || (self.boot == boot && started(self.pid) == Some(self.started))
    }
}

impl StateLock {
    /// Takes a folder, which must exist. That of a process that is dead is taken over at once.
    ///
    /// # Errors
    /// When a process that lives owns it, or the folder cannot be written.
    pub fn take(dir: &Path, me: &Owner) -> Result<Self, LockError> {
        let failed = |action| move |source| LockError::from_io(dir, action, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        for _ in 0..TAKES_MAX {
            let file = options.open(dir.join(LOCK_FILE)).map_err(failed("create"))?;
            if let Some(lock) = Self::take_file(dir, file, me)? {
                return Ok(lock);
            }
        }
        Err(failed("lock")(io::Error::other("its file is removed again and again")))
    }

    /// Takes a folder by its file; `None` when that was removed since it was opened.
    fn take_file(dir: &Path, file: File, me: &Owner) -> Result<Option<Self>, LockError> {
        let failed = |action| move |source| LockError::from_io(dir, action, source);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::held(dir, read(&file).ok().flatten())),
            Err(TryLockError::Error(error)) if cannot_lock(&error) => {
                return Self::compare(dir, file, me).map(Some);
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        if !stands_there(&file, &dir.join(LOCK_FILE)).map_err(failed("read"))? {
            return Ok(None);
        }
        // The lock holds without what is written: that only tells others who we are, and a full disk is for the crawl to
        // wait for.
        write(&file, me).ok();
        Ok(Some(Self { file }))
    }

    /// Takes a folder on a file system that has no locks: from nobody, or from a process that is dead. Two that take it
    /// in the same moment may both believe that they have; nothing on such a file system could tell them.
    fn compare(dir: &Path, file: File, me: &Owner) -> Result<Self, LockError> {
        let failed = |action| move |source| LockError::from_io(dir, action, source);
        let owner = read(&file).map_err(failed("read"))?;
        if let Some(owner) = owner.filter(|owner| owner != me && owner.lives()) {
            return Err(LockError::held(dir, Some(owner)));
        }
        write(&file, me).map_err(failed("write"))?;
        match read(&file).map_err(failed("read"))? {
            Some(owner) if owner == *me => Ok(Self { file }),
            owner => Err(LockError::held(dir, owner)),
        }
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // For file systems without locks; elsewhere it is free anyway. The file stays: whoever waits for it has it open.
        self.file.set_len(0).ok();
    }
}

impl LockError {
    fn held(dir: &Path, owner: Option<Owner>) -> Self {
        let (pid, since) = owner.map_or((None, String::new()), |owner| (Some(owner.pid), owner.since));
        Self::Held { dir: dir.to_owned(), pid, since }
    }

    fn from_io(dir: &Path, action: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { dir: dir.to_owned(), source }
            }
            _ => Self::Io { path: dir.join(LOCK_FILE), action, source },
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { dir, pid, since } => {
                write!(f, "{} is in use by ", dir.display())?;
                match pid {
                    Some(pid) => write!(f, "process {pid}, since {since}")?,
                    None => f.write_str("another process")?,
                }
                f.write_str(": wait for its end, stop it, or choose another folder")
            }
            Self::ReadOnly { dir, .. } => {
                write!(f, "cannot write in {}: make it writable, or choose another folder", dir.display())
            }
            Self::Io { path, action, .. } => write!(f, "could not {action} {}", path.display()),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::ReadOnly { source, .. } | Self::Io { source, .. } => Some(source),
        }
    }
}

/// Returns who is named in the file; `None` when nobody is, or only half.
fn read(file: &File) -> io::Result<Option<Owner>> {
    let mut bytes = [0; LOCK_BYTES_MAX];
    let count = file.read_at(&mut bytes, 0)?;
    Ok(std::str::from_utf8(&bytes[..count]).ok().and_then(|text| toml::from_str(text).ok()))
}

fn write(file: &File, owner: &Owner) -> io::Result<()> {
    let text = toml::to_string(owner).map_err(io::Error::other)?;
    file.set_len(0)?;
    file.write_all_at(text.as_bytes(), 0)
}

/// Whether the file still has the name under which it was opened: a lock of a removed one keeps nobody out.
fn stands_there(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match path.metadata() {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn cannot_lock(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(NO_LOCKS)
}

/// Returns which boot of the machine this is; empty where the system does not tell.
fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

/// Returns when a process that runs was started, in ticks since the boot.
fn started(pid: u32) -> Option<u64> {
    started_by(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Returns field 22 of a stat file. The second one is the program's name, which may hold anything.
fn started_by(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn me() -> Owner {
        Owner::of_this_process("2026-11-29T00:26:00Z")
    }

    /// Returns an owner that was alive a moment ago.
    fn dead() -> Owner {
        let mut child = Command::new("/bin/true").spawn().expect("a program that ends");
        let owner =
            Owner { pid: child.id(), started: started(child.id()).expect("it is not waited for"), ..me() };
        child.wait().expect("it ends");
        owner
    }

    /// Takes a folder as on a file system without locks.
    fn compare(dir: &Path, me: &Owner) -> Result<StateLock, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        StateLock::compare(dir, options.open(dir.join(LOCK_FILE)).expect("the folder is there"), me)
    }

    fn names(dir: &Path) -> Option<Owner> {
        read(&File::open(dir.join(LOCK_FILE)).expect("the file is there")).expect("it is read")
    }

    #[test]
    fn a_process_that_lives_keeps_its_folder() {
        type Take = fn(&Path, &Owner) -> Result<StateLock, LockError>;
        for take in [StateLock::take as Take, compare as Take] {
            let folder = tempfile::tempdir().unwrap();
            let lock = take(folder.path(), &me()).unwrap();
            assert_eq!(names(folder.path()), Some(me()));
            let other = Owner { started: 1, ..me() };
            let error = take(folder.path(), &other).unwrap_err();
            let expected = format!(
                "{} is in use by process {}, since 2026-11-29T00:26:00Z: wait for its end, stop it, or choose another \
                 folder",
                folder.path().display(),
                std::process::id()
            );
            assert_eq!(error.to_string(), expected);
            assert_eq!(Owner::living(folder.path()).unwrap(), Some(me()));
            drop(lock);
            assert_eq!(Owner::living(folder.path()).unwrap(), None);
            take(folder.path(), &other).unwrap();
        }
    }

    #[test]
    fn a_dead_process_loses_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let reused = Owner { started: 1, ..me() };
        let rebooted = Owner { boot: "another boot".to_owned(), ..me() };
        for owner in [dead(), reused, rebooted] {
            let text = toml::to_string(&owner).unwrap();
            std::fs::write(&path, &text).unwrap();
            drop(StateLock::take(folder.path(), &me()).unwrap());
            std::fs::write(&path, &text).unwrap();
            let lock = compare(folder.path(), &me()).unwrap();
            assert_eq!(names(folder.path()), Some(me()));
            drop(lock);
        }
    }

    #[test]
    fn what_cannot_be_read_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let long = "x".repeat(100_000);
        for contents in [b"".as_slice(), b"pid = 1", b"\xff\xfe", long.as_bytes()] {
            std::fs::write(&path, contents).unwrap();
            drop(compare(folder.path(), &me()).unwrap());
            std::fs::write(&path, contents).unwrap();
            let lock = StateLock::take(folder.path(), &me()).unwrap();
            // Its owner was killed while it wrote who it is; another one that lives has not written yet.
            std::fs::write(&path, contents).unwrap();
            let error = StateLock::take(folder.path(), &me()).unwrap_err();
            assert!(error.to_string().contains("is in use by another process"), "{error}");
            drop(lock);
        }
    }

    #[test]
    fn a_file_that_was_removed_is_not_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let create = || File::create_new(&path).expect("it is not there");
        let removed = create();
        std::fs::remove_file(&path).unwrap();
        assert!(StateLock::take_file(folder.path(), removed, &me()).unwrap().is_none());
        let replaced = create();
        std::fs::remove_file(&path).unwrap();
        drop(create());
        assert!(StateLock::take_file(folder.path(), replaced, &me()).unwrap().is_none());
        let _lock = StateLock::take(folder.path(), &me()).unwrap();
        StateLock::take(folder.path(), &me()).unwrap_err();
    }

    #[test]
    fn a_folder_that_cannot_be_written_says_so() {
        let check = |kind: io::ErrorKind, expected: &str| {
            let error = LockError::from_io(Path::new("state"), "create", kind.into());
            assert_eq!(error.to_string(), expected);
        };
        let read_only = "cannot write in state: make it writable, or choose another folder";
        check(io::ErrorKind::PermissionDenied, read_only);
        check(io::ErrorKind::ReadOnlyFilesystem, read_only);
        check(io::ErrorKind::NotFound, "could not create state/lock");
    }

    #[test]
    fn a_process_is_known_by_its_start_whatever_its_name_holds() {
        let stat = |name: &str| {
            let fields = (3..=52).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
            format!("7 ({name}) {fields}\n")
        };
        assert_eq!(started_by(&stat("dragline")), Some(22));
        assert_eq!(started_by(&stat("a ) b) (")), Some(22));
        assert_eq!(started_by("7 (dragline) S 1"), None);
        assert_eq!(started_by(""), None);
        assert_eq!(started(std::process::id()), Some(me().started));
        assert!(me().started > 0 && !me().boot.is_empty(), "this system tells");
        assert!(!dead().lives() && me().lives());
    }
}
