//! Reads robots.txt and decides whether a path may be fetched (RFC 9309).

use std::time::Duration;

/// The rules of one robots.txt for one product token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RobotsTxt {}

impl RobotsTxt {
    /// Returns the crawl delay the group asks for.
    pub const fn crawl_delay(&self) -> Option<Duration> {
        None
    }
}
