//! Records what becomes of URLs.

use dragline_core::frontier::{OfferReport, OfferSource, Skipped};
use dragline_core::{Disposition, SkipReason};
use tracing::debug;

use crate::Telemetry;
use crate::handles::{FrontierMetrics, add};
use crate::labels::DISPOSITIONS;

/// URLs were offered to the frontier.
#[derive(Clone, Copy, Debug)]
pub struct UrlsOffered<'a> {
    /// Where they came from.
    pub source: OfferSource,
    /// What became of them; each of its skips is recorded too.
    pub report: &'a OfferReport,
}

impl UrlsOffered<'_> {
    /// Counts links and discovered URLs, and records every URL that was skipped at once.
    pub fn record(&self, telemetry: &Telemetry) {
        let frontier = &telemetry.frontier;
        let skipped = u64::try_from(self.report.skipped.len()).unwrap_or(u64::MAX);
        let discovered = u64::from(self.report.new) + skipped;
        add(&frontier.added, self.source as usize, discovered);
        frontier.link_new.inc_by(discovered);
        frontier.link_duplicate.inc_by(u64::from(self.report.duplicate));
        for (counter, count) in frontier.link_refused.iter().zip(self.report.refused) {
            counter.inc_by(u64::from(count));
        }
        for skipped in &self.report.skipped {
            UrlSkipped { skipped }.record(telemetry);
        }
    }
}

/// A URL ended skipped, at its offer or while it waited.
#[derive(Clone, Copy, Debug)]
pub struct UrlSkipped<'a> {
    /// The URL, the reason and the rule.
    pub skipped: &'a Skipped,
}

impl UrlSkipped<'_> {
    /// Counts the skip and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        let decision = &self.skipped.decision;
        count_skip(&telemetry.frontier, decision.verdict);
        debug!(
            target: "dragline::frontier",
            url = %telemetry.log_urls.show(self.skipped.url.as_str()),
            reason = decision.verdict.name(),
            rule = decision.rule,
            "url skipped"
        );
    }
}

/// A URL that was leased ended. A retry is no end: see [`RetryScheduled`](super::RetryScheduled).
#[derive(Clone, Copy, Debug)]
pub struct UrlSettled<'a> {
    /// The URL.
    pub url: &'a str,
    /// How it ended.
    pub disposition: Disposition,
}

impl UrlSettled<'_> {
    /// Counts the end and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        match self.disposition {
            Disposition::Skipped(reason) => count_skip(&telemetry.frontier, reason),
            ended => count_end(&telemetry.frontier, ended),
        }
        debug!(
            target: "dragline::frontier",
            url = %telemetry.log_urls.show(self.url),
            disposition = self.disposition.name(),
            reason = self.disposition.detail(),
            "url settled"
        );
    }
}

/// An answer came for a lease that is no longer held, and was dropped.
#[derive(Clone, Copy, Debug)]
pub struct StaleAnswer;

impl StaleAnswer {
    /// Counts the answer and, at level debug, logs it.
    pub fn record(&self, telemetry: &Telemetry) {
        telemetry.frontier.stale_answers.inc();
        debug!(target: "dragline::frontier", "stale answer dropped");
    }
}

fn count_skip(frontier: &FrontierMetrics, reason: SkipReason) {
    add(&frontier.skipped, reason as usize, 1);
    count_end(frontier, Disposition::Skipped(reason));
}

fn count_end(frontier: &FrontierMetrics, disposition: Disposition) {
    let named = |name: &&str| *name == disposition.name();
    if let Some(index) = DISPOSITIONS.iter().position(named) {
        add(&frontier.finished, index, 1);
    }
}

#[cfg(test)]
mod tests {
    use dragline_core::{CanonicalUrl, Decision, FailKind};

    use super::*;
    use crate::telemetry::tests::{telemetry, value};

    fn skipped(reason: SkipReason) -> Skipped {
        let decision = Decision::built_in(reason, "scope");
        Skipped { url: CanonicalUrl::parse("http://a/").unwrap(), decision, referrer: None }
    }

    #[test]
    fn added_is_new_and_skipped_together() {
        let telemetry = telemetry();
        let report = OfferReport {
            new: 3,
            duplicate: 7,
            refused: [1, 2, 3, 4, 5],
            skipped: vec![skipped(SkipReason::Scope), skipped(SkipReason::Scope), skipped(SkipReason::Trap)],
        };
        UrlsOffered { source: OfferSource::Sitemap, report: &report }.record(&telemetry);
        let text = telemetry.gather_text().unwrap();
        let check =
            |series: &str, expected: &str| assert_eq!(value(&text, series), Some(expected), "{series}");
        check("dragline_frontier_added_total{source=\"sitemap\"}", "6");
        check("dragline_links_total{result=\"new\"}", "6");
        check("dragline_links_total{result=\"duplicate\"}", "7");
        check("dragline_links_total{result=\"depth\"}", "1");
        check("dragline_links_total{result=\"too_long\"}", "4");
        check("dragline_links_total{result=\"memory\"}", "5");
        check("dragline_frontier_skipped_total{reason=\"scope\"}", "2");
        check("dragline_frontier_skipped_total{reason=\"trap\"}", "1");
        check("dragline_frontier_finished_total{disposition=\"skipped\"}", "3");
    }

    #[test]
    fn every_end_is_counted_under_its_disposition() {
        let telemetry = telemetry();
        let ends = [
            Disposition::Done,
            Disposition::Redirected,
            Disposition::Failed(FailKind::HandlerPanic),
            Disposition::Skipped(SkipReason::Drained),
        ];
        for disposition in ends {
            UrlSettled { url: "http://a/", disposition }.record(&telemetry);
            let series =
                format!("dragline_frontier_finished_total{{disposition=\"{}\"}}", disposition.name());
            assert_eq!(value(&telemetry.gather_text().unwrap(), &series), Some("1"), "{disposition}");
        }
        StaleAnswer.record(&telemetry);
        let text = telemetry.gather_text().unwrap();
        assert_eq!(value(&text, "dragline_frontier_skipped_total{reason=\"drained\"}"), Some("1"));
        assert_eq!(value(&text, "dragline_stale_answers_total"), Some("1"));
    }
}
