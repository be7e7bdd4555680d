//! Says what every sink must do, and how it may fail.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use dragline_core::frontier::{Epoch, Mark, RunId};

use crate::records::{Record, RecordKind};

/// Where records go. Synchronous: the engine runs it on an I/O thread, never on an actor's arbiter.
///
/// Records come in the order in which URLs were settled; one thread calls at a time.
pub trait Sink: fmt::Debug + Send {
    /// Returns the sink's name: what its marks are filed under; unique within a crawl.
    fn name(&self) -> &str;

    /// Whether the sink wants records of this kind; others are not sent to it.
    fn takes(&self, kind: RecordKind) -> bool;

    /// Starts a run: creates what has a fixed name, empty and durable, and returns the first mark. Called once, before
    /// anything else, unless the sink is rewound to a mark of an earlier life of the run.
    ///
    /// # Errors
    /// When something stands in the way, or cannot be created.
    fn begin(&mut self, run: RunId) -> Result<Mark, SinkError> {
        let _ = run;
        self.flush(Epoch(0))
    }

    /// Takes records. They may stay in memory until the next flush.
    ///
    /// # Errors
    /// When bytes could not be written. The records of this call are kept all the same and are written by a later
    /// call, so they must not be sent again; [`SinkError::may_retry`] says whether a later call can succeed.
    fn write(&mut self, records: &[Record]) -> Result<(), SinkError>;

    /// Writes what was taken before, makes it durable, and returns how far the sink got. With nothing new, returns
    /// the last mark again without a sync.
    ///
    /// # Errors
    /// As [`Sink::write`]. After a failed sync every later call fails too: what is on the disk is then unknown until
    /// a new process has rewound the sink.
    fn flush(&mut self, epoch: Epoch) -> Result<Mark, SinkError>;

    /// Learns that the commit that carries this epoch's mark is durable: what the mark calls sealed may be published
    /// now (renamed, compressed, uploaded), and no earlier. Comes after the flush of that epoch and before the next.
    ///
    /// # Errors
    /// As [`Sink::flush`]; without space, the next call tries again.
    fn committed(&mut self, epoch: Epoch) -> Result<(), SinkError> {
        let _ = epoch;
        Ok(())
    }

    /// Takes up a run where `mark` says: cuts everything behind it as if it had never been written, removes unfinished
    /// files of this run that it does not name, and publishes what it calls sealed. Called before anything else, once
    /// the log is durable; a rewind that was cut short is simply called again.
    ///
    /// # Errors
    /// When the mark belongs to another place, or what it names is missing or shorter than it says.
    fn rewind(&mut self, run: RunId, mark: &Mark) -> Result<(), SinkError>;

    /// Returns how many records were counted but not written because of a cap on rows.
    fn dropped(&self) -> u64 {
        0
    }
}

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
    /// The file reached a size limit (EFBIG). Raise the limit and start again.
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
    /// The mark names something else than this sink's file. Use the output folder of the run that is resumed.
    ForeignMark {
        /// The file.
        path: PathBuf,
        /// The mark's position.
        mark: String,
    },
    /// The file is shorter than its mark says: records that were durable are gone. Bring the file back or start over.
    Shorter {
        /// The file.
        path: PathBuf,
        /// Bytes the mark says.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A record could not be written as JSON. Nothing of it was written.
    Encode {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
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
            | Self::ForeignMark { path, .. }
            | Self::Shorter { path, .. }
            | Self::Encode { path, .. } => path,
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Self::NoSpace { .. } => write!(f, "no space left to write {path}"),
            Self::FileTooLarge { .. } => write!(f, "{path} reached the file size limit"),
            Self::Sync { .. } => write!(f, "could not sync {path}"),
            Self::Io { action, .. } => write!(f, "could not {action} {path}"),
            Self::ForeignMark { mark, .. } => write!(f, "{path} is not the file of the mark `{mark}`"),
            Self::Shorter { expected, found, .. } => {
                write!(f, "{path} has {found} bytes where {expected} were made durable")
            }
            Self::Encode { .. } => write!(f, "could not write a record of {path} as JSON"),
        }
    }
}

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSpace { source, .. }
            | Self::FileTooLarge { source, .. }
            | Self::Sync { source, .. }
            | Self::Io { source, .. } => Some(source),
            Self::Encode { source, .. } => Some(source),
            Self::ForeignMark { .. } | Self::Shorter { .. } => None,
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
