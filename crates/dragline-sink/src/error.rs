//! Says why a sink could not do what it was asked, and what can be done about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a sink could not do what it was asked. Every variant names its file.
#[derive(Debug)]
#[non_exhaustive]
pub enum SinkError {
    /// The disk or the quota is full. Make room: the file was cut to its last whole record, and a later call writes on.
    NoSpace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file reached a size limit (EFBIG) and cannot go on in another one. Raise the limit, or have the sink rotate,
    /// and start again.
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A sync failed: what is on the disk is unknown. End the process; the next start rewinds.
    Sync {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be created, written, cut or read. See the source.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, such as `create`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is not of this run stands where the sink writes. Move it, choose another place, or start over.
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The mark names something else than this sink's file. Use the output folder of the run that is resumed.
    ForeignMark {
        /// The file.
        path: PathBuf,
        /// The mark's position.
        mark: String,
    },
    /// The sink is set up otherwise than when the run began: its rows or the naming of its files would differ. Resume
    /// with the configuration of the run, or start over.
    Changed {
        /// The file.
        path: PathBuf,
        /// What the run began with.
        was: String,
        /// What it is now.
        now: String,
    },
    /// A file that the mark names is gone. Bring it back or start over.
    Missing {
        /// The file.
        path: PathBuf,
        /// Bytes the mark says.
        expected: u64,
    },
    /// The file is shorter than its mark says: records that were durable are gone. Bring the file back or start over.
    Shorter {
        /// The file.
        path: PathBuf,
        /// Bytes the mark says.
        expected: u64,
        /// Bytes there are; of a compressed file, those that can be read out of it.
        found: u64,
    },
    /// A record could not be written as a row. Nothing of it was written.
    Encode {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: io::Error,
    },
}

impl SinkError {
    /// Files an error of the system under the variant that says what to do about it.
    pub fn from_io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path, source },
            io::ErrorKind::FileTooLarge => Self::FileTooLarge { path, source },
            _ => Self::Io { path, action, source },
        }
    }

    /// Whether the same sink may succeed later without being rewound: only when space ran out.
    pub const fn may_retry(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    /// Returns the file it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::NoSpace { path, .. }
            | Self::FileTooLarge { path, .. }
            | Self::Sync { path, .. }
            | Self::Io { path, .. }
            | Self::InTheWay { path }
            | Self::ForeignMark { path, .. }
            | Self::Changed { path, .. }
            | Self::Missing { path, .. }
            | Self::Shorter { path, .. }
            | Self::Encode { path, .. } => path,
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WAYS_BACK: &str = "bring it back, or start over with --fresh";
        let path = self.path().display();
        match self {
            Self::NoSpace { .. } => write!(f, "no space left to write {path}"),
            Self::FileTooLarge { .. } => write!(f, "{path} reached the file size limit"),
            Self::Sync { .. } => write!(f, "could not sync {path}"),
            Self::Io { action, .. } => write!(f, "could not {action} {path}"),
            Self::InTheWay { .. } => write!(
                f,
                "{path} is in the way: this run has not written it; move it, choose another place, or start over \
                 with --fresh"
            ),
            Self::ForeignMark { mark, .. } => write!(
                f,
                "{path} is not the file of the mark `{mark}`: use the output folder of the run, or start over with \
                 --fresh"
            ),
            Self::Changed { was, now, .. } => write!(
                f,
                "{path} was begun as {was} and cannot go on as {now}: resume with the configuration it was begun \
                 with, or start over with --fresh"
            ),
            Self::Missing { expected, .. } => {
                write!(f, "{path} is gone, with {expected} bytes that were made durable: {WAYS_BACK}")
            }
            Self::Shorter { expected, found, .. } => {
                write!(f, "{path} has {found} bytes where {expected} were made durable: {WAYS_BACK}")
            }
            Self::Encode { .. } => write!(f, "could not write a record as a row of {path}"),
        }
    }
}

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSpace { source, .. }
            | Self::FileTooLarge { source, .. }
            | Self::Sync { source, .. }
            | Self::Io { source, .. }
            | Self::Encode { source, .. } => Some(source),
            Self::InTheWay { .. }
            | Self::ForeignMark { .. }
            | Self::Changed { .. }
            | Self::Missing { .. }
            | Self::Shorter { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_worth_another_try() {
        let check = |kind: io::ErrorKind, expected: &str, may_retry: bool| {
            let error = SinkError::from_io(Path::new("out/pages.jsonl"), "write", kind.into());
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.may_retry(), may_retry);
        };
        check(io::ErrorKind::StorageFull, "no space left to write out/pages.jsonl", true);
        check(io::ErrorKind::QuotaExceeded, "no space left to write out/pages.jsonl", true);
        check(io::ErrorKind::FileTooLarge, "out/pages.jsonl reached the file size limit", false);
        check(io::ErrorKind::PermissionDenied, "could not write out/pages.jsonl", false);
    }
}
