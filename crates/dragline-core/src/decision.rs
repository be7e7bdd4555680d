//! Carries a verdict together with the rule that gave it, so that every refusal, skip and wait can be explained.

use std::fmt;

use crate::url::Origin;

/// A verdict, the rule that gave it, and where that rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<V> {
    /// What was decided.
    pub verdict: V,
    /// The rule's flat name, such as `scope.mode` or `robots.disallow`.
    pub rule: &'static str,
    /// Where the rule came from.
    pub source: Source,
}

impl<V> Decision<V> {
    /// Decides by a rule that is built in.
    pub const fn built_in(verdict: V, rule: &'static str) -> Self {
        Self { verdict, rule, source: Source::BuiltIn }
    }

    /// Decides by a key of the configuration; `rule` is the dotted key itself.
    pub const fn by_key(verdict: V, key: &'static str) -> Self {
        Self { verdict, rule: key, source: Source::Config { key, index: None } }
    }

    /// Keeps rule and source and replaces the verdict.
    pub fn map<W>(self, change: impl FnOnce(V) -> W) -> Decision<W> {
        Decision { verdict: change(self.verdict), rule: self.rule, source: self.source }
    }
}

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Fixed in Dragline.
    BuiltIn,
    /// A key of the configuration, whose file and line `dragline-config` knows.
    Config {
        /// The dotted key, such as `scope.exclude`.
        key: &'static str,
        /// The entry when the key holds a list, from 0.
        index: Option<usize>,
    },
    /// A line of a host's robots.txt.
    Robots {
        /// The origin whose robots.txt it is.
        origin: Origin,
        /// The line, from 1; `None` when the verdict follows from how fetching robots.txt ended.
        line: Option<u32>,
    },
    /// Something the server answered, such as `Retry-After`.
    Response,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::Config { key, index: None } => f.write_str(key),
            Self::Config { key, index: Some(index) } => write!(f, "{key}[{index}]"),
            Self::Robots { origin, line: Some(line) } => write!(f, "{origin}/robots.txt:{line}"),
            Self::Robots { origin, line: None } => write!(f, "{origin}/robots.txt"),
            Self::Response => f.write_str("the server's answer"),
        }
    }
}
