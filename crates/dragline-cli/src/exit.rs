//! Lists the exit codes, and the faults that lead to them.

use std::fmt;
use std::process::ExitCode;

/// How the program ends. The codes are documented in `dragline --help` and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for was done.
    Done,
    /// A fetch of `dragline fetch` did not end well.
    NotAllWell,
    /// The command line is wrong, in a way that only shows once files are read.
    Usage,
    /// The configuration is wrong.
    Config,
    /// Nothing could start: port, state or output folder, another configuration, no seed that leads to a page.
    NothingStarted,
    /// An actor gave up after restarts, or a promise of ours was broken.
    Internal,
    /// Results or state could not be written, or are damaged.
    Storage,
    /// SIGINT came twice.
    Interrupted,
    /// SIGTERM came twice.
    Terminated,
}

impl Exit {
    /// Every code, with its meaning.
    pub(crate) const HELP: &str = "Exit codes:
  0        done
  1        finished, but not all was well (fetch: a URL did not end ok)
  2        the command line is wrong
  3        the configuration is wrong
  4        nothing could start: a port or a state folder in use, the output folder, another configuration than the
           run's, no seed that leads to a page
  5        internal: an actor gave up after restarts (simulate: a promise was not kept)
  6        storage: results or state could not be written, or are damaged
  130,143  stopped at once by a second SIGINT or SIGTERM; the first finishes what is in flight";

    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::NotAllWell => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::NothingStarted => 4,
            Self::Internal => 5,
            Self::Storage => 6,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        })
    }
}

/// Why the program cannot do what was asked.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Fault {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    pub(crate) fn nothing_started(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::NothingStarted, error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}
