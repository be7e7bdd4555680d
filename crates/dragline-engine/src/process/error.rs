//! Says why a worker process gave no value, and what the caller can do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a call of a worker process brought no value. After each of them the worker can be called again.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkerError {
    /// The program cannot be started, or its memory cannot be limited: correct the program, its rights or the limit.
    CannotStart {
        /// What was to be started.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// What was started says no hello, or says what is no answer: let its `main` begin with
    /// [`Functions::serve_if_asked`](super::Functions::serve_if_asked), or give it more time to start.
    NotAWorker {
        /// What was started.
        program: PathBuf,
        /// What it did instead; what it said is escaped and cut.
        saw: String,
    },
    /// The program has no function of that name: correct the name, or register the function.
    UnknownFunction {
        /// The name that was called.
        function: String,
        /// The names it has, sorted.
        known: Vec<String>,
    },
    /// The function returned an error, with this text: as the function says. The worker process goes on.
    Failed(String),
    /// The function panicked, with this text: a bug of the function. The worker process goes on.
    Panicked(String),
    /// The function took longer than this and its process was killed: allow more, or give the input up.
    TimedOut(Duration),
    /// Its process ended in the middle of the call: give the input up, or allow it more memory.
    Died {
        /// How it ended: its code or its signal; `None` when this program lets the system forget its children.
        status: Option<ExitStatus>,
        /// The limit that it may have met, if there is one.
        memory_bytes_max: Option<u64>,
    },
    /// The call or its answer is too large: send or return less, or allow more. The worker process goes on.
    TooLarge {
        /// What is too large.
        part: Part,
        /// How large it may be, in bytes.
        bytes_max: usize,
    },
    /// A [`Killer`](super::Killer) ended the call: as whoever used it says.
    Killed,
}

/// What of a call can be too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The JSON of the call.
    Head,
    /// The body of the call.
    Body,
    /// The JSON of the value.
    Answer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "head",
            Self::Body => "body",
            Self::Answer => "answer",
        })
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotStart { program, .. } => {
                write!(f, "cannot start the worker process {}", program.display())
            }
            Self::NotAWorker { program, saw } => {
                write!(f, "{} is no worker process: {saw}", program.display())
            }
            Self::UnknownFunction { function, known } if known.is_empty() => {
                write!(f, "the worker process has no function, `{function}` neither")
            }
            Self::UnknownFunction { function, known } => {
                let known = known.join("`, `");
                write!(f, "the worker process has no function `{function}`; it has `{known}`")
            }
            Self::Failed(text) => write!(f, "the function failed: {text}"),
            Self::Panicked(text) => write!(f, "the function panicked: {text}"),
            Self::TimedOut(limit) => write!(f, "the function took longer than {limit:?} and was killed"),
            Self::Died { status, memory_bytes_max } => {
                f.write_str("the worker process died")?;
                if let Some(status) = status {
                    write!(f, " ({status})")?;
                }
                let hint = |bytes| write!(f, ", perhaps of its memory limit of {bytes} bytes");
                memory_bytes_max.map_or(Ok(()), hint)
            }
            Self::TooLarge { part, bytes_max } => {
                write!(f, "the {part} of the call is larger than {bytes_max} bytes")
            }
            Self::Killed => f.write_str("the call was ended from outside"),
        }
    }
}

impl std::error::Error for WorkerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CannotStart { error, .. } => Some(error),
            _ => None,
        }
    }
}
