//! Reads meaning out of the bytes of a page: its links, title, charset, and what it asks of robots.
//!
//! ```text
//!  Page --> sniff: HTML? --> charset: scan as it is, or decode first
//!                               |
//!             scanner: one pass over the bytes, tags of interest with raw values
//!                               |
//!             extract: gathers references, base, title, directives
//!                               |                                  resolve: splice plain references,
//!                               +-- at the end, base known ------> parse unusual ones --> Outlinks
//! ```
//!
//! No tree is built. Nothing here panics on any input, and every step is linear in the size of the body.

pub mod charset;
mod date;
pub mod directives;
pub mod extract;
mod refresh;
pub mod resolve;
pub mod scanner;
pub mod sniff;
mod splice;
#[cfg(test)]
mod testing;
pub mod value;

pub use charset::{Charset, text};
pub use directives::Directives;
pub use extract::{ExtractRules, Extraction, extract, link_extractor};
pub use resolve::{Resolver, Unresolvable};
pub use scanner::{Scanner, Tag, TagKind};
pub use sniff::is_html;
