//! Says what can go wrong with what is durable of a frontier, where, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;

/// Why something in the state folder could not be read or made durable. Every variant but one names its file.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogError {
    /// The disk or the quota is full. What was begun was taken back and what was durable before still is: make room
    /// and call again with the same arguments.
    NoSpace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Even a new file reached the limit of file sizes (EFBIG). Raise the limit and start again.
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A sync failed, or what was half written could not be taken back: what is on the disk is unknown, and every later
    /// call that writes fails. End the process; the next start recovers.
    Sync {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something could not be created, written, read or removed. See the source.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, such as `create`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What was durable cannot be read any more. Nothing was changed: bring the file back from a copy, or start over.
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first byte that cannot be trusted.
        offset: u64,
        /// What is wrong with it.
        what: Cow<'static, str>,
    },
    /// A file is shorter than was made durable of it. Nothing was changed: bring it back from a copy, or start over.
    Shorter {
        /// The file.
        path: PathBuf,
        /// Bytes that were made durable.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A file that was made durable is gone. Nothing was changed: bring it back from a copy, or start over.
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer version. Use that one, or start over.
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        found: u32,
    },
    /// The file belongs to another run. Bring back the one that belongs here, or start over.
    ForeignRun {
        /// The file.
        path: PathBuf,
        /// The run it belongs to.
        found: RunId,
    },
    /// More bytes in one piece than can be read back. Nothing was written: make the piece smaller.
    TooLarge {
        /// What was too large, such as `block`.
        what: &'static str,
        /// Its bytes.
        bytes: u64,
        /// The most there may be.
        bytes_max: u64,
    },
    /// An earlier call failed in a way after which nothing is written any more. End the process; the next start recovers.
    Poisoned {
        /// What failed then.
        path: PathBuf,
    },
}

impl LogError {
    /// Files an error of the system under the variant that says what to do about it.
    pub fn from_io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            io::ErrorKind::FileTooLarge => Self::FileTooLarge { path, source },
            _ => Self::Io { path, action, source },
        }
    }

    /// Whether the same call may succeed later: only when space ran out.
    pub const fn may_retry(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    pub(crate) fn damaged(path: &Path, offset: u64, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, what: what.into() }
    }

    pub(crate) fn sync(path: &Path, source: io::Error) -> Self {
        Self::Sync { path: path.to_owned(), source }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WAYS_OUT: &str =
            "nothing was changed: bring the file back from a copy, or start over with `--fresh`";
        match self {
            Self::NoSpace { path, .. } => write!(f, "no space left to write {}", path.display()),
            Self::FileTooLarge { path, .. } => write!(f, "{} reached the file size limit", path.display()),
            Self::Sync { path, .. } => write!(f, "could not make {} durable", path.display()),
            Self::Io { path, action, .. } => write!(f, "could not {action} {}", path.display()),
            Self::Damaged { path, offset, what } => {
                write!(f, "{} is damaged at byte {offset} ({what}); {WAYS_OUT}", path.display())
            }
            Self::Shorter { path, expected, found } => {
                let path = path.display();
                write!(f, "{path} has {found} bytes where {expected} were made durable; {WAYS_OUT}")
            }
            Self::Missing { path } => write!(f, "{} is gone; {WAYS_OUT}", path.display()),
            Self::NewerVersion { path, found } => write!(
                f,
                "{} was written by a newer version of Dragline (format {found}): use that version, or start over with \
                 `--fresh`",
                path.display()
            ),
            Self::ForeignRun { path, found } => {
                write!(f, "{} belongs to another run ({found}); {WAYS_OUT}", path.display())
            }
            Self::TooLarge { what, bytes, bytes_max } => {
                write!(f, "a {what} of {bytes} bytes is larger than {bytes_max}; nothing was written")
            }
            Self::Poisoned { path } => {
                write!(f, "nothing is written any more since {} failed", path.display())
            }
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSpace { source, .. }
            | Self::FileTooLarge { source, .. }
            | Self::Sync { source, .. }
            | Self::Io { source, .. } => Some(source),
            Self::Damaged { .. }
            | Self::Shorter { .. }
            | Self::Missing { .. }
            | Self::NewerVersion { .. }
            | Self::ForeignRun { .. }
            | Self::TooLarge { .. }
            | Self::Poisoned { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_worth_another_try() {
        let check = |kind: io::ErrorKind, expected: &str, may_retry: bool| {
            let error = LogError::from_io(Path::new("state/log-0000000001"), "write", kind.into());
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.may_retry(), may_retry);
        };
        check(io::ErrorKind::StorageFull, "no space left to write state/log-0000000001", true);
        check(io::ErrorKind::QuotaExceeded, "no space left to write state/log-0000000001", true);
        check(io::ErrorKind::FileTooLarge, "state/log-0000000001 reached the file size limit", false);
        check(io::ErrorKind::PermissionDenied, "could not write state/log-0000000001", false);
    }

    #[test]
    fn damage_says_where_that_nothing_was_changed_and_the_ways_out() {
        let error = LogError::damaged(Path::new("state/log-0000000001"), 64, "a bad checksum");
        assert_eq!(
            error.to_string(),
            "state/log-0000000001 is damaged at byte 64 (a bad checksum); nothing was changed: bring the file back from \
             a copy, or start over with `--fresh`"
        );
    }
}
