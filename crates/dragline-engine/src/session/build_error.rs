//! Says what is wrong with the parts of a session.

use std::fmt;

/// Everything that is wrong with the parts of a session: at least one error, in the order found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionBuildErrors(pub Vec<SessionBuildError>);

impl fmt::Display for SessionBuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for SessionBuildErrors {}

/// One thing that is wrong with the parts of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionBuildError {
    /// A number that must be at least 1, or a time that must not be zero. It names the method that was given 0.
    Zero(&'static str),
    /// A URL that cannot be fetched. Mend its spelling.
    Url {
        /// The URL as given.
        text: Box<str>,
        /// What is wrong with it.
        error: dragline_core::UrlError,
    },
    /// A field that cannot be sent. Mend it, or leave it out.
    Header {
        /// Its name as given.
        name: Box<str>,
        /// What is wrong with it.
        error: Box<str>,
    },
    /// Credentials that cannot be sent, and why. Mend them.
    Credentials(Box<str>),
    /// A network, a file or a secret that cannot be used, and why. Mend its spelling, or the file.
    Network(Box<str>),
    /// The session is to run on the calling arbiter, and none runs here. Build it within an actix system.
    NoArbiter,
    /// The metrics could not be set up: a bug of ours.
    Metrics(Box<str>),
    /// No thread could be started, and why. Try again when the machine has some to give.
    Thread(Box<str>),
}

impl fmt::Display for SessionBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(what) => write!(f, "{what} must be more than zero"),
            Self::Url { text, error } => write!(f, "\"{text}\": {error}"),
            Self::Header { name, error } => write!(f, "field \"{name}\": {error}"),
            Self::Credentials(error) => write!(f, "credentials: {error}"),
            Self::Network(error) => write!(f, "network: {error}"),
            Self::NoArbiter => {
                f.write_str("no arbiter runs on this thread: build the session within an actix system")
            }
            Self::Metrics(error) => write!(f, "metrics: {error}"),
            Self::Thread(error) => write!(f, "no thread could be started: {error}"),
        }
    }
}
