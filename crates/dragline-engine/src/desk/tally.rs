//! Keeps what the desk counts over all lives of a crawl, and writes it as a mark of its own.

use std::sync::Arc;
use std::time::Duration;

use dragline_core::frontier::Mark;
use dragline_core::report::{TOTALS_MARK, Totals};
use dragline_core::{Time, Wall};
use serde::{Deserialize, Serialize};

/// Hosts that joined the scope and are named; the rest are counted. All that is named is in each commit.
const JOINED_MAX: usize = 256;

/// Seeds whose fault is told in words; the records name all.
const SEED_FAULTS_MAX: usize = 10;

/// Characters of one such fault.
const SEED_FAULT_CHARS_MAX: usize = 500;

/// What the desk counts over all lives of a crawl.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tally {
    /// The counts; their times stand below.
    pub(super) totals: Totals,
    joined: Vec<Arc<str>>,
    seed_faults: Vec<String>,
    /// When the first life began, in microseconds since the Unix epoch.
    began_micros: i64,
    /// How long the lives before this one ran, in microseconds.
    ran_micros: u64,
}

impl Tally {
    /// Begins to count; `lives` were there before and left nothing.
    pub(crate) fn begin(began: Wall, lives: u32) -> Self {
        let mut tally = Self { began_micros: began.as_micros(), ..Self::default() };
        tally.totals.starts = lives.saturating_add(1);
        tally
    }

    /// Goes on counting where a mark of an earlier life left off; at least `lives` were there before, some of which may
    /// have left no mark.
    ///
    /// # Errors
    /// When it is no mark of a tally.
    pub(crate) fn resume(mark: &Mark, lives: u32) -> Result<Self, serde_json::Error> {
        let mut tally: Self = serde_json::from_str(&mark.position)?;
        tally.totals.starts = tally.totals.starts.max(lives).saturating_add(1);
        // What each sink only counted is in its own mark.
        tally.totals.skipped_not_listed = 0;
        Ok(tally)
    }

    /// Returns how many lives a mark has counted.
    ///
    /// # Errors
    /// When it is no mark of a tally.
    pub(crate) fn lives(mark: &Mark) -> Result<u32, serde_json::Error> {
        let tally: Self = serde_json::from_str(&mark.position)?;
        Ok(tally.totals.starts)
    }

    /// Returns how many lives there were, this one included.
    pub(crate) const fn starts(&self) -> u32 {
        self.totals.starts
    }

    /// Returns the mark of everything counted until `now`.
    pub(crate) fn mark(&self, now: Time) -> Mark {
        let ran = u64::try_from(self.ran(now).as_micros()).unwrap_or(u64::MAX);
        let kept = Self { ran_micros: ran, ..self.clone() };
        let position = serde_json::to_string(&kept).expect("numbers, texts and lists of them are JSON");
        Mark { sink: TOTALS_MARK.into(), position: position.into() }
    }

    /// Returns the counts as they are at `now`, with the times of all lives.
    pub(crate) fn totals(&self, now: Time) -> Totals {
        let started_at = Wall::from_micros(self.began_micros);
        Totals { started_at, duration: self.ran(now), ..self.totals.clone() }
    }

    fn ran(&self, now: Time) -> Duration {
        Duration::from_micros(self.ran_micros) + (now - Time::ZERO)
    }

    /// Names a host that joined the scope.
    pub(super) fn join(&mut self, host: Arc<str>) {
        if self.joined.len() < JOINED_MAX {
            self.joined.push(host);
        } else {
            self.totals.joined_not_listed += 1;
        }
    }

    /// Returns the hosts that joined the scope and are named.
    pub(super) fn joined(&self) -> &[Arc<str>] {
        &self.joined
    }

    /// Whether another fault of a seed would be told.
    pub(super) fn wants_seed_fault(&self) -> bool {
        self.seed_faults.len() < SEED_FAULTS_MAX
    }

    /// Tells of a seed that led to no page.
    pub(super) fn seed_fault(&mut self, fault: &str) {
        if self.wants_seed_fault() {
            self.seed_faults.push(fault.chars().take(SEED_FAULT_CHARS_MAX).collect());
        }
    }

    /// Returns what became of the first seeds that led to no page, in words.
    pub(super) fn seed_faults(&self) -> &[String] {
        &self.seed_faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tally of a life in which something happened.
    fn lived(mut tally: Tally) -> Tally {
        tally.totals.fetches += 5;
        tally.totals.items += 7;
        tally.totals.skipped_not_listed = 3;
        tally.join("b.example".into());
        tally.seed_fault("http://a/ failed(timeout)");
        tally
    }

    #[test]
    fn counts_and_times_go_on_in_the_next_life() {
        let began = Wall::from_micros(1_795_194_003_000_001);
        let first = lived(Tally::begin(began, 0));
        let mark = first.mark(Time::from_micros(2_000_003));
        assert_eq!(&*mark.sink, "totals");
        assert_eq!(Tally::lives(&mark).unwrap(), 1);
        let second = lived(Tally::resume(&mark, 1).unwrap());
        let third = Tally::resume(&second.mark(Time::from_secs(10)), 2).unwrap();
        let totals = third.totals(Time::from_secs(1));
        assert_eq!((totals.starts, totals.fetches, totals.items), (3, 10, 14));
        assert_eq!((totals.started_at, totals.duration), (began, Duration::from_micros(13_000_003)));
        assert_eq!(totals.skipped_not_listed, 0, "the sinks know better");
        assert_eq!((third.joined().len(), third.seed_faults().len()), (2, 2));
    }

    #[test]
    fn lives_that_left_no_mark_are_counted() {
        let mark = Tally::begin(Wall::default(), 2).mark(Time::ZERO);
        let check = |lives: u32, expected: u32| {
            assert_eq!(Tally::resume(&mark, lives).unwrap().starts(), expected, "{lives} were noted");
        };
        check(0, 4);
        check(3, 4);
        check(5, 6);
        check(u32::MAX, u32::MAX);
    }

    #[test]
    fn lists_have_a_cap_and_texts_too() {
        let mut tally = Tally::begin(Wall::default(), 0);
        (0..JOINED_MAX + 3).for_each(|number| tally.join(number.to_string().into()));
        (0..99).for_each(|_| tally.seed_fault(&"ü".repeat(9_999)));
        assert_eq!((tally.joined().len(), tally.totals.joined_not_listed), (JOINED_MAX, 3));
        assert!(tally.seed_faults().len() == SEED_FAULTS_MAX && !tally.wants_seed_fault());
        assert!(tally.mark(Time::ZERO).position.len() < 32 << 10, "a commit stays small");
    }

    #[test]
    fn what_is_no_mark_of_a_tally_is_refused() {
        let check = |position: &str| {
            let mark = Mark { sink: TOTALS_MARK.into(), position: position.into() };
            assert!(Tally::resume(&mark, 0).is_err(), "{position}");
        };
        check("");
        check("open 0 0 0 out/pages.jsonl");
        check(r#"{"totals": {"fetches": -1}}"#);
    }
}
