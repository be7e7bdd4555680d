//! Remembers where each value of a plan was written.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it is the default.
    #[default]
    BuiltIn,
    /// In a file.
    File {
        /// The file as it was named.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In this environment variable.
    Environment(Arc<str>),
    /// In a `--set` on the command line; holds the key.
    Set(Arc<str>),
    /// By this flag of the command line.
    Flag(Arc<str>),
    /// As this argument of the command line, from 1.
    Argument(usize),
}

/// Prints `dragline.toml:21`, `environment DRAGLINE_X__Y`, `--set x.y`, `--flag`, `command line argument 1`, `default`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("default"),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Set(key) => write!(f, "--set {key}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Argument(number) => write!(f, "command line argument {number}"),
        }
    }
}
