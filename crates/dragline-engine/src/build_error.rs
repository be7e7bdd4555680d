//! Names everything that can be wrong with the parts of a crawl.

use std::fmt;

use dragline_core::UrlError;
use dragline_core::report::TOTALS_MARK;

/// Everything that is wrong with the parts of a crawl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildErrors(pub Vec<BuildError>);

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildErrors {}

/// One thing that is wrong with the parts of a crawl.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing to start from. Add one with [`CrawlBuilder::seed`](crate::CrawlBuilder::seed).
    NoSeeds,
    /// A host that is not ours would be crawled by nobody knows whom. Set `rules.agent.contact`, a URL or an e-mail
    /// address. A crawl on a transport of its own needs none.
    NoContact(Box<str>),
    /// A seed that cannot be fetched. Mend its spelling.
    Seed {
        /// The seed as given.
        text: Box<str>,
        /// What is wrong with it.
        error: UrlError,
    },
    /// Not a network. Write it as `127.0.0.0/8`.
    Network {
        /// The network as given.
        text: Box<str>,
    },
    /// A file or secret that the network needs cannot be read; holds which and why.
    Unreadable(Box<str>),
    /// A number that must be at least 1.
    Zero(&'static str),
    /// Two handlers of one name, which metrics could not tell apart. Rename one.
    HandlerTwice(Box<str>),
    /// Two sinks of one name, whose marks could not be told apart. Rename one. The crawl's own totals have a mark too.
    SinkTwice(Box<str>),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeeds => f.write_str("no seeds: there is nothing to start from"),
            Self::NoContact(host) => write!(f, "{host} must be able to reach you: set the agent's contact"),
            Self::Seed { text, error } => write!(f, "seed \"{text}\": {error}"),
            Self::Network { text } => write!(f, "\"{text}\" is not a network (write it as 127.0.0.0/8)"),
            Self::Unreadable(error) => f.write_str(error),
            Self::Zero(what) => write!(f, "{what} must be at least 1"),
            Self::HandlerTwice(name) => write!(f, "two handlers are named \"{name}\""),
            Self::SinkTwice(name) if &**name == TOTALS_MARK => {
                write!(f, "a sink is named \"{name}\", which is the name of the crawl's own totals")
            }
            Self::SinkTwice(name) => write!(f, "two sinks are named \"{name}\""),
        }
    }
}
