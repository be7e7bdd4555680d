//! Says what an error of state or output ends the program with.

use dragline::engine::StartError;
use dragline::frontier::{LockError, LogError, OpenError};
use dragline::sink::OutputError;

use crate::exit::{Exit, Fault};

/// Says what an error of the output folder ends the program with.
pub(crate) fn of_output(error: OutputError) -> Fault {
    let exit = match &error {
        OutputError::File(_) => Exit::Storage,
        _ => Exit::NothingStarted,
    };
    let way_out = matches!(&error, OutputError::Unusable { .. });
    let error = anyhow::Error::new(error);
    let error = if way_out { anyhow::anyhow!("{error:#} (--out DIR chooses another)") } else { error };
    Fault::new(exit, error)
}

/// Says what the program ends with when another process has the state folder, or it cannot be written.
pub(super) fn of_lock(error: LockError) -> Fault {
    Fault::nothing_started(error)
}

/// Says what an error of the state folder ends the program with.
pub(crate) fn of_log(error: LogError) -> Fault {
    Fault::new(of_log_exit(&error), error)
}

/// Says what the program ends with when the frontier cannot be opened.
pub(crate) fn of_open(error: OpenError) -> Fault {
    let exit = match &error {
        OpenError::Log(error) => of_log_exit(error),
        _ => Exit::Storage,
    };
    Fault::new(exit, error)
}

/// Says what the program ends with when the crawl could not start.
pub(crate) fn of_start(error: StartError) -> Fault {
    match error {
        StartError::Sink(error) => of_output(error.into()),
        StartError::State(error) => Fault::new(Exit::Storage, error),
        error => Fault::nothing_started(error),
    }
}

/// A folder that was never usable is none that broke.
fn of_log_exit(error: &LogError) -> Exit {
    match error {
        LogError::NewerVersion { .. } | LogError::ForeignRun { .. } | LogError::Io { .. } => {
            Exit::NothingStarted
        }
        _ => Exit::Storage,
    }
}
