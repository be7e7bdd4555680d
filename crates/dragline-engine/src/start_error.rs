//! Names why a crawl could not start.

use std::error::Error;
use std::fmt;
use std::io;

use dragline_core::frontier::CommitError;
use dragline_fetch::TransportSetupError;
use dragline_frontier::LogError;
use dragline_sink::SinkError;
use dragline_telemetry::prometheus;

/// Why a crawl could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The registry refused a family.
    Metrics(prometheus::Error),
    /// The network could not be set up, such as for want of root certificates.
    Transport(TransportSetupError),
    /// The system gives no thread to write the state on.
    Thread(io::Error),
    /// A sink could not begin, or not take up what it wrote in an earlier life.
    Sink(SinkError),
    /// The crawl's state could not be begun, or does not fit its sinks.
    State(StateError),
}

/// Why a crawl's state could not be begun or taken up. Nothing that was durable is lost.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateError {
    /// The first commit could not be made durable. Make room, or see what is wrong with the disk, and start again.
    Commit(CommitError),
    /// That this life has begun could not be noted. See what is wrong with the folder, and start again.
    Count(LogError),
    /// The run was begun without this sink. Leave it out, or start over.
    NewSink(Box<str>),
    /// The run was begun with this sink. Bring it back, or start over.
    LostSink(Box<str>),
    /// The state tells nothing of the crawl's totals, or nothing that this version can read. Start over.
    Totals(Option<serde_json::Error>),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metrics(_) => f.write_str("the metrics could not be set up"),
            Self::Transport(_) => f.write_str("the network could not be set up"),
            Self::Thread(_) => f.write_str("the thread that writes the state could not be started"),
            Self::Sink(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Metrics(error) => Some(error),
            Self::Transport(error) => Some(error),
            Self::Thread(error) => Some(error),
            Self::Sink(error) => error.source(),
            Self::State(error) => error.source(),
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(_) => f.write_str("the state could not be begun"),
            Self::Count(_) => f.write_str("the start could not be noted"),
            Self::NewSink(name) => write!(
                f,
                "the run was begun without the sink \"{name}\": leave it out, or start over (--fresh, or another folder)"
            ),
            Self::LostSink(name) => write!(
                f,
                "the run was begun with a sink \"{name}\": bring it back, or start over (--fresh, or another folder)"
            ),
            Self::Totals(_) => f.write_str(
                "the state tells nothing of the crawl's totals that this version can read: \
                 use the version that wrote it, or start over (--fresh, or another folder)",
            ),
        }
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Commit(error) => Some(error),
            Self::Count(error) => Some(error),
            Self::Totals(error) => error.as_ref().map(|error| error as _),
            Self::NewSink(_) | Self::LostSink(_) => None,
        }
    }
}

impl From<SinkError> for StartError {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<StateError> for StartError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}
