//! Follows one fetch under one handle through admission, robots.txt and redirects to its end.
//!
//! ```text
//! Follower::fetch -> gate: robots (each origin once), admission (host table) -> wire -> judge, hop --+
//!                     ^                                                           |                  |
//!                     +-------------- again, while attempts are left -------------+                  |
//!                     +-------------- the next hop, within the same deadline ------------------------+
//! ```
//!
//! In a crawl each hop is a URL of its own, which the frontier leases; this is for whoever holds one fetch in hand:
//! `dragline fetch`, and sessions. Decisions are those of `dragline-core`; here they are only waited for.

mod admission;
mod again;
mod crawl_gate;
mod follower;
mod gate;
mod next;
mod robots;
#[cfg(test)]
mod tests;
mod wire;

pub use follower::{FollowOptions, Followed, Follower, FollowerParts};
pub use robots::RobotsWord;

pub(crate) use crawl_gate::{CrawlGate, GateCredits};
