//! Tells what happened to a URL in a crawl.

use dragline::core::Disposition;
use dragline::core::frontier::{Past, Standing};

use super::trace::{Step, Verdict};

/// What is known of a URL.
pub(super) struct Story {
    /// Where it stands; `None` when it was never offered, or there is no crawl.
    pub(super) standing: Option<Standing>,
    /// How it ended, the newest first.
    pub(super) past: Vec<Past>,
}

impl Story {
    /// Returns what matters most, in one line.
    pub(super) fn headline(&self, steps: &[Step]) -> String {
        match (self.standing, self.past.first()) {
            (Some(Standing::Live { .. }), _) => "waits to be fetched".into(),
            (Some(Standing::Ended(end)), None) => match end {
                Disposition::Skipped(reason) => format!("not fetched: skipped({})", reason.name()),
                end => end.to_string(),
            },
            (_, Some(past)) => match past.disposition {
                Disposition::Skipped(reason) => format!("not fetched: skipped({})", reason.name()),
                Disposition::Done => "fetched: done".into(),
                end => format!("fetched: {end}"),
            },
            (None, None) => match steps.iter().find(|step| step.verdict == Verdict::Stop) {
                Some(step) => {
                    format!("not known to the crawl, and not to be fetched: {}: {}", step.name, step.says)
                }
                None => "not known to the crawl; nothing here forbids it".into(),
            },
        }
    }

    /// Returns one line for each time it ended, the newest first, and where it was found.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.past.iter().map(ended).collect();
        if let Some(past) = self.past.first() {
            let depth = past.depth;
            lines.push(match &past.referrer {
                Some(referrer) => format!("found on {referrer} (depth {depth})"),
                None => format!("a seed (depth {depth})"),
            });
        }
        if let (Some(Standing::Live { depth }), true) = (self.standing, self.past.is_empty()) {
            lines.push(format!("found (depth {depth}), and not settled at the last commit"));
        }
        lines
    }
}

fn ended(past: &Past) -> String {
    let mut line = format!("{} at {}", past.disposition, past.at);
    if let Some(rule) = &past.rule {
        line.push_str(&format!(" by `{rule}`"));
    }
    if past.attempts > 0 {
        line.push_str(&format!(", attempt {}", past.attempts));
    }
    if let Some(visit) = &past.visit {
        line.push_str(&format!(", {}", visit.outcome.name()));
        if let Some(status) = visit.status {
            line.push_str(&format!(" {status}"));
        }
        line.push_str(&format!(", {} bytes", visit.body_bytes));
    }
    if past.generation > 0 {
        line.push_str(&format!(", visit {}", past.generation + 1));
    }
    line
}
