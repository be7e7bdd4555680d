//! Decides everything a crawl decides, as plain values with time and chance as arguments.
//!
//! No async runtime, no clock, no I/O and no threads live here: a decision that went wrong can be replayed from
//! its inputs. The actors of `dragline-engine` own these values and translate messages into calls on them.

pub mod auth;
pub mod chance;
pub mod cookies;
pub mod decision;
pub mod digest;
pub mod disposition;
pub mod fetch;
pub mod frontier;
pub mod guard;
pub mod handled;
pub mod headers;
pub mod hints;
pub mod hop;
pub mod http_fields;
pub mod invariants;
pub mod ledger;
pub mod map;
pub mod outcome;
pub mod page;
pub mod pattern;
pub mod proxy;
pub mod recrawl;
pub mod redirect;
pub mod report;
pub mod restart;
pub mod retry;
pub mod robots;
pub mod roster;
pub mod rules;
pub mod scope;
pub mod session;
pub mod ticket;
pub mod time;
pub mod traps;
pub mod url;

pub use decision::{Decision, Source};
pub use disposition::{Disposition, FailKind, LinkRefusal, SkipReason};
pub use fetch::{FetchError, FetchLimits, FetchRequest, FetchResponse, Phase, Phases};
pub use handled::{Handled, Item, Outlinks, Verdict};
pub use headers::Headers;
pub use outcome::Outcome;
pub use page::Page;
pub use ticket::Ticket;
pub use time::{Time, Wall};
pub use url::{CanonicalUrl, HostKey, Origin, Scheme, UrlError};
