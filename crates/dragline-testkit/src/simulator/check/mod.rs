//! Checks what a simulated crawl did against what it promises.

mod accounts;
mod expectations;
mod politeness;
mod restarts;
mod samples;

use dragline_core::restart::RestartRules;
use dragline_engine::CrawlEnd;

use super::conditions::Conditions;
use super::faults::FaultPlan;
use super::output::Output;
use super::web::LoggedFetch;
use super::world::World;

pub(super) use samples::Samples;

/// Problems of one kind that are told in full.
const PROBLEMS_PER_KIND_MAX: usize = 5;

/// Everything that is known of a simulation that has ended.
pub(super) struct Evidence<'a> {
    pub(super) world: &'a World,
    pub(super) conditions: &'a Conditions,
    pub(super) plan: &'a FaultPlan,
    /// Lives of the crawl.
    pub(super) lives: usize,
    pub(super) fetches: &'a [LoggedFetch],
    /// When fetchers and workers were born, with the life.
    pub(super) fetchers: &'a [(usize, std::time::Duration)],
    pub(super) workers: &'a [(usize, std::time::Duration)],
    pub(super) output: &'a Output,
    pub(super) end: &'a CrawlEnd,
    /// Every metric as text, at the end.
    pub(super) metrics: &'a str,
}

/// Gathers problems; of each kind the first ones in words, the others as a number.
#[derive(Debug, Default)]
pub(super) struct Problems(std::collections::BTreeMap<&'static str, (usize, Vec<String>)>);

impl Problems {
    /// Adds a problem of a kind.
    pub(super) fn add(&mut self, kind: &'static str, what: impl Into<String>) {
        let (count, told) = self.0.entry(kind).or_default();
        *count += 1;
        if told.len() < PROBLEMS_PER_KIND_MAX {
            told.push(what.into());
        }
    }

    /// Adds a problem unless two numbers are equal.
    pub(super) fn compare(&mut self, kind: &'static str, what: &str, expected: u64, found: u64) {
        if expected != found {
            self.add(kind, format!("{what}: {found} where {expected} are right"));
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds all problems of another gathering.
    pub(super) fn absorb(&mut self, other: Self) {
        for (kind, (count, told)) in other.0 {
            let more = count - told.len();
            told.into_iter().for_each(|what| self.add(kind, what));
            self.0.entry(kind).or_default().0 += more;
        }
    }

    /// Returns them all in words.
    pub(super) fn into_words(self) -> Vec<String> {
        let mut words = Vec::new();
        for (kind, (count, told)) in self.0 {
            let more = count.saturating_sub(told.len());
            words.extend(told.into_iter().map(|what| format!("{kind}: {what}")));
            if more > 0 {
                words.push(format!("{kind}: and {more} more"));
            }
        }
        words
    }
}

impl Evidence<'_> {
    /// Checks everything.
    pub(super) fn check(&self, problems: &mut Problems) {
        accounts::check(self, problems);
        expectations::check(self, problems);
        politeness::check(self, problems);
        restarts::check(self, problems);
    }

    /// Whether nothing may keep the crawl from finishing.
    pub(super) fn must_finish(&self) -> bool {
        use super::faults::Wish;
        let stays = !matches!(self.plan.wish, Some((_, Wish::DrainKeep | Wish::DrainDrop | Wish::Stop)));
        stays && self.plan.write_fails.is_none() && !self.plan.fetchers.every_tick
    }

    /// Whether the files hold everything that the report tells of: the last commit was not given up.
    pub(super) fn is_committed(&self) -> bool {
        use super::faults::Wish;
        let stopped = matches!(self.plan.wish, Some((_, Wish::Stop)));
        let full = stopped && self.plan.no_space.is_some();
        !full && !matches!(self.end.problem, Some(dragline_engine::Problem::Storage(_)))
    }

    /// Returns how many restarts are borne.
    const fn restarts(&self) -> &RestartRules {
        &self.conditions.restarts
    }
}
