//! Reads robots.txt and decides whether a path may be fetched (RFC 9309).
//!
//! ```text
//!  FetchResponse --answer--> RobotsAnswer::Rules(RobotsTxt) --check(path)--> RobotsMatch { allowed, line }
//!                  |             ^
//!                  |             +-- parse: lines -> groups of our token (else `*`) -> RuleIndex
//!                  +-> Unavailable | Unreachable | Redirect
//! ```

mod answer;
mod index;
mod parse;
mod spelling;
mod txt;

pub use answer::answer;
pub use txt::{RobotsMatch, RobotsTxt};
