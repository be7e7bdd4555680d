//! Records robots.txt, backoffs, and what pages ask of crawlers.

use dragline_core::frontier::{RobotsTally, Trigger};
use tracing::debug;

use crate::handles::add;
use crate::labels::{Directive, RobotsResult};
use crate::{Telemetry, escape};

/// A host was told to rest.
#[derive(Clone, Copy, Debug)]
pub struct BackoffStarted<'a> {
    /// What made it so.
    pub trigger: Trigger,
    /// The host.
    pub host: &'a str,
}

impl BackoffStarted<'_> {
    /// Counts the backoff and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        add(&telemetry.politeness.backoffs, self.trigger as usize, 1);
        debug!(
            target: "dragline::fetch",
            host = %escape::text(self.host),
            reason = self.trigger.name(),
            "host asked us to back off"
        );
    }
}

/// A robots errand ended (its redirects are not ends).
#[derive(Clone, Copy, Debug)]
pub struct RobotsFetched<'a> {
    /// The host whose rules were asked for.
    pub host: &'a str,
    /// How it ended.
    pub result: RobotsResult,
}

impl RobotsFetched<'_> {
    /// Counts the fetch and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        add(&telemetry.politeness.robots_fetches, self.result as usize, 1);
        debug!(
            target: "dragline::robots",
            host = %escape::text(self.host),
            reason = self.result.name(),
            "robots.txt asked for"
        );
    }
}

/// URLs were judged by robots.txt.
#[derive(Clone, Copy, Debug)]
pub struct RobotsDecided {
    /// How many of each decision.
    pub tally: RobotsTally,
}

impl RobotsDecided {
    /// Counts the decisions.
    pub fn record(&self, telemetry: &Telemetry) {
        let RobotsTally { allowed, disallowed, assumed_allowed, assumed_disallowed } = self.tally;
        let counts = [allowed, disallowed, assumed_allowed, assumed_disallowed];
        for (counter, count) in telemetry.politeness.decisions.iter().zip(counts) {
            counter.inc_by(u64::from(count));
        }
    }
}

/// A page was read for what it asks of crawlers.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageDirectives {
    /// Whether it asks not to be kept.
    pub noindex: bool,
    /// Whether it asks that its links are not followed.
    pub nofollow: bool,
}

impl PageDirectives {
    /// Counts the directives that the page carries.
    pub fn record(&self, telemetry: &Telemetry) {
        for (directive, carried) in [(Directive::Noindex, self.noindex), (Directive::Nofollow, self.nofollow)]
        {
            add(&telemetry.politeness.directives, directive as usize, u64::from(carried));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::{telemetry, value};

    #[test]
    fn politeness_is_counted_by_its_words() {
        let telemetry = telemetry();
        BackoffStarted { trigger: Trigger::Status429, host: "a" }.record(&telemetry);
        RobotsFetched { host: "a", result: RobotsResult::TooManyRedirects }.record(&telemetry);
        let tally = RobotsTally { allowed: 1, disallowed: 2, assumed_allowed: 3, assumed_disallowed: 4 };
        RobotsDecided { tally }.record(&telemetry);
        PageDirectives { noindex: true, nofollow: false }.record(&telemetry);
        telemetry.set_robots_obeyed(true);
        let text = telemetry.gather_text().unwrap();
        let check =
            |series: &str, expected: &str| assert_eq!(value(&text, series), Some(expected), "{series}");
        check("dragline_backoffs_total{trigger=\"status_429\"}", "1");
        check("dragline_robots_fetches_total{result=\"too_many_redirects\"}", "1");
        check("dragline_robots_decisions_total{decision=\"disallowed\"}", "2");
        check("dragline_robots_decisions_total{decision=\"assumed_disallowed\"}", "4");
        check("dragline_page_directives_total{directive=\"noindex\"}", "1");
        check("dragline_page_directives_total{directive=\"nofollow\"}", "0");
        check("dragline_robots_obeyed", "1");
    }
}
