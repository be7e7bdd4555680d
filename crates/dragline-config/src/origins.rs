//! Remembers where each value of a plan was written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dragline_core::Source;

use crate::source::Spot;

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

/// Where every value of a plan was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// By key; elements of lists as `key[index]`, keys of their tables as `key[index].name`.
    spots: BTreeMap<String, Spot>,
}

impl Origins {
    /// Notes where a value was written.
    pub(crate) fn record(&mut self, path: &str, spot: Spot) {
        self.spots.insert(path.into(), spot);
    }

    /// Forgets the elements that a lower layer gave a list.
    pub(crate) fn forget_elements(&mut self, path: &str) {
        // `\\` is the character behind `[`.
        let mut elements = self.spots.split_off(&format!("{path}["));
        let mut others = elements.split_off(&format!("{path}\\"));
        self.spots.append(&mut others);
    }

    pub(crate) fn spot(&self, path: &str) -> Option<&Spot> {
        self.spots.get(path)
    }

    /// Returns where a key was written; elements of lists are named `key[index]`, keys of their tables
    /// `key[index].name`.
    pub fn place(&self, key: &str) -> Place {
        self.spots.get(key).map_or(Place::BuiltIn, Spot::place)
    }

    /// Says where the rule behind a decision was written: `dragline.toml:21`, or `default`.
    pub fn describe(&self, source: &Source) -> String {
        match source {
            Source::Config { key, index: Some(index) } => match self.place(&format!("{key}[{index}]")) {
                Place::BuiltIn => self.place(key).to_string(),
                place => place.to_string(),
            },
            Source::Config { key, index: None } => self.place(key).to_string(),
            Source::BuiltIn | Source::Robots { .. } | Source::Response => source.to_string(),
        }
    }

    /// Returns what was written for a key, as TOML; `None` when it has its default.
    pub fn written(&self, key: &str) -> Option<&str> {
        self.spots.get(key).map(Spot::text)
    }
}
