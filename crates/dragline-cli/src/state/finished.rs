//! Decides whether there is nothing left to do for a run.

use std::path::Path;

use dragline::core::CanonicalUrl;
use dragline::core::frontier::{FrontierStats, MemFrontier, RunId};
use dragline::core::report::grouped;
use dragline::core::url::Fingerprinter;
use dragline::sink::REPORT_FILE;
use serde_json::Value;

use crate::exit::Exit;
use crate::output::tell;

/// A run that ended, with everything written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    run: RunId,
    at: String,
    done: u64,
    failed: u64,
    skipped: u64,
}

impl Finished {
    /// Looks whether a run has ended: every URL is settled, every seed was offered, and its report says so. A run whose
    /// report is missing was cut short while it published its files, so that it has one more life to live.
    pub(super) fn of(
        run: RunId,
        frontier: &MemFrontier,
        stats: &FrontierStats,
        fingerprinter: Fingerprinter,
        mut seeds: impl Iterator<Item = CanonicalUrl>,
        dir: &Path,
    ) -> Option<Self> {
        let offered = |seed: CanonicalUrl| frontier.seen().get(fingerprinter.of(&seed)).is_some();
        if stats.pending > 0 || stats.discovered == 0 || !seeds.all(offered) {
            return None;
        }
        Self::reported(run, stats, &std::fs::read(dir.join(REPORT_FILE)).ok()?)
    }

    /// Compares a report with what is known.
    fn reported(run: RunId, stats: &FrontierStats, report: &[u8]) -> Option<Self> {
        let report: Value = serde_json::from_slice(report).ok()?;
        let is_last = report["ended"] == "finished"
            && report["discovered"] == stats.discovered
            && report["done"] == stats.done;
        is_last.then(|| Self {
            run,
            at: report["finished_at"].as_str().unwrap_or_default().to_owned(),
            done: stats.done,
            failed: stats.failed.values().sum(),
            skipped: stats.skipped.values().sum(),
        })
    }

    /// Says so, and returns what the program ends with.
    pub(crate) fn tell(&self) -> Exit {
        let Self { run, at, done, failed, skipped } = self;
        tell(&format!(
            "finished on {at}: done {}  failed {}  skipped {}  (run {run}; --fresh starts over)",
            grouped(*done),
            grouped(*failed),
            grouped(*skipped),
        ));
        if *done == 0 {
            tell("error: no seed led to a page; --fresh tries again");
            return Exit::NothingStarted;
        }
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_report_of_this_very_end_counts() {
        let stats = FrontierStats { discovered: 3, done: 2, ..FrontierStats::default() };
        let check = |report: &str, expected: bool| {
            assert_eq!(
                Finished::reported(RunId(1), &stats, report.as_bytes()).is_some(),
                expected,
                "{report}"
            );
        };
        check(r#"{"ended": "finished", "discovered": 3, "done": 2, "finished_at": "now"}"#, true);
        check(r#"{"ended": "drained", "discovered": 3, "done": 2}"#, false);
        check(r#"{"ended": "finished", "discovered": 2, "done": 2}"#, false);
        check(r#"{"ended": "finished", "discovered": 3, "done": 1}"#, false);
        check("{", false);
    }
}
