//! Serves a generated site of about 1,000 pages on five loopback hosts, and knows what an honest crawl of it reports.

mod expect;
mod hosts;
mod html;
mod web;

use std::io;

use dragline_core::CanonicalUrl;

pub use self::expect::DemoExpectation;
use self::web::Web;
use crate::log::RequestLog;
use crate::server::{Bound, Server};

/// The seed of [`DemoSite::start`].
const SEED: u64 = 1;
/// How many hosts the demo has.
const HOSTS: u8 = 5;

/// The demo site, being served; dropping it ends that.
///
/// Its hosts are a handbook (compressed pages, `/private/` disallowed), a shop (redirects, a loop, errors), an archive
/// (a crawl delay, files that are no pages), a slow one (20 ms an answer) and a laboratory (traps, a 429, damaged
/// answers, odd spellings). A whole crawl takes seconds.
#[derive(Debug)]
pub struct DemoSite {
    server: Server,
    expected: DemoExpectation,
}

impl DemoSite {
    /// Generates the usual site and serves it.
    ///
    /// # Errors
    /// When no port can be bound or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::start_seeded(SEED)
    }

    /// Generates the site of a seed and serves it. Two sites of one seed differ in their ports only.
    ///
    /// # Errors
    /// As [`DemoSite::start`].
    pub fn start_seeded(seed: u64) -> io::Result<Self> {
        let bound = Bound::hosts(HOSTS)?;
        let web = Web::generate(seed, &bound.origins());
        let expected = DemoExpectation::of(&web);
        Ok(Self { server: bound.serve(web.sites())?, expected })
    }

    /// Returns the seeds: the home page of every host.
    pub fn seeds(&self) -> Vec<CanonicalUrl> {
        (0..usize::from(HOSTS)).map(|host| self.server.url_at(host, "/")).collect()
    }

    /// Returns host and port of every host, as a `Host` field says them.
    pub fn hosts(&self) -> Vec<String> {
        self.server.addresses().iter().map(ToString::to_string).collect()
    }

    /// Returns what an honest crawl from all seeds reports, under the default rules for scope, traps, robots.txt and
    /// retries; politeness changes only how long it takes.
    pub const fn expected(&self) -> &DemoExpectation {
        &self.expected
    }

    /// Returns what was asked.
    pub const fn log(&self) -> &RequestLog {
        self.server.log()
    }
}

#[cfg(test)]
mod tests;
