//! Records commits, and when a disk has no space for one.

use std::time::Duration;

use tracing::{error, info, trace};

use super::fetch::millis;
use crate::Telemetry;

/// A commit became durable.
#[derive(Clone, Copy, Debug)]
pub struct EpochCommitted {
    /// Its number.
    pub epoch: u64,
    /// Fetched URLs whose settles it covers.
    pub urls: u64,
    /// How long it took, from its start on.
    pub took: Duration,
}

impl EpochCommitted {
    /// Counts the commit and, at level trace, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        telemetry.commit.commits.inc();
        telemetry.commit.duration.observe(self.took.as_secs_f64());
        let Self { epoch, urls, took } = *self;
        trace!(target: "dragline::frontier", epoch, urls, took_ms = millis(took), "epoch committed");
    }
}

/// There is no space, so that the crawl stands still until there is.
#[derive(Clone, Copy, Debug)]
pub struct SpaceRanOut<'a> {
    /// Which file or folder has none, and how much it lacks.
    pub what: &'a str,
}

impl SpaceRanOut<'_> {
    /// Logs it at level error.
    pub fn record(&self) {
        let what = self.what;
        error!(target: "dragline::frontier", what, "the crawl stands still until there is space");
    }
}

/// There is space again.
#[derive(Clone, Copy, Debug)]
pub struct SpaceReturned<'a> {
    /// What had none.
    pub what: &'a str,
}

impl SpaceReturned<'_> {
    /// Logs it at level info.
    pub fn record(&self) {
        info!(target: "dragline::frontier", what = self.what, "there is space again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::{telemetry, value};

    #[test]
    fn commits_are_counted_with_their_time() {
        let telemetry = telemetry();
        for millis in [250, 500] {
            let took = Duration::from_millis(millis);
            EpochCommitted { epoch: 3, urls: 12, took }.record(&telemetry);
        }
        let text = telemetry.gather_text().unwrap();
        let check =
            |series: &str, expected: &str| assert_eq!(value(&text, series), Some(expected), "{series}");
        check("dragline_commits_total", "2");
        check("dragline_commit_duration_seconds_count", "2");
        check("dragline_commit_duration_seconds_sum", "0.75");
    }
}
