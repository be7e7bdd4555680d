//! Decides when a URL is visited again, by whether it had changed at its last visits.

use std::time::Duration;

use crate::disposition::{Disposition, FailKind};
use crate::frontier::{Past, Revisit};
use crate::outcome::Outcome;
use crate::time::Wall;

/// When URLs are visited again by a later run over the same state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RecrawlRules {
    /// Never: a crawl that is finished stays finished.
    #[default]
    Off,
    /// Each after the same interval.
    Fixed(Duration),
    /// Each after its own interval, which follows how often it changes.
    Adaptive(Adaptive),
}

/// An interval that follows how often a URL changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// The interval after the first visit.
    pub first: Duration,
    /// The shortest interval.
    pub min: Duration,
    /// The longest interval.
    pub max: Duration,
    /// What the interval is multiplied by when the URL had changed, below 1.
    pub shorten: f64,
    /// What the interval is multiplied by when the URL had not changed, above 1.
    pub lengthen: f64,
}

impl Default for Adaptive {
    fn default() -> Self {
        let hour = Duration::from_secs(3_600);
        Self { first: 24 * hour, min: hour, max: 30 * 24 * hour, shorten: 0.6, lengthen: 1.6 }
    }
}

/// What a visit found, beside the visit before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// There was no visit before.
    New,
    /// The body differs.
    Changed,
    /// The body is the same, or the server says so (304).
    Unchanged,
    /// The server says that it is not there any more (404, 410).
    Gone,
}

impl Change {
    /// Every change, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::New, Self::Changed, Self::Unchanged, Self::Gone];

    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Gone => "gone",
        }
    }

    /// Compares a visit with the one before; `None` when the visit says nothing about the content: it failed for
    /// another reason, was redirected, or its body was cut.
    ///
    /// `revisit` is what was known before, and is absent at the first visit.
    pub fn of(
        disposition: Disposition,
        status: Option<u16>,
        digest: Option<u128>,
        revisit: Option<&Revisit>,
    ) -> Option<Self> {
        match (disposition, status) {
            (Disposition::Failed(FailKind::Fetch(Outcome::HttpError)), Some(404 | 410)) => {
                Some(if revisit.is_some() { Self::Gone } else { Self::New })
            }
            (Disposition::Done, Some(304)) => Some(Self::Unchanged),
            (Disposition::Done, _) => match (revisit, digest) {
                (None, _) => Some(Self::New),
                (Some(revisit), Some(digest)) => {
                    let is_same = revisit.digest == Some(digest);
                    Some(if is_same { Self::Unchanged } else { Self::Changed })
                }
                (Some(_), None) => None,
            },
            _ => None,
        }
    }
}

impl RecrawlRules {
    /// Returns the interval after a visit; `None` when there is no other visit.
    ///
    /// `before` is the interval that had passed before the visit, zero at the first.
    pub fn interval(&self, before: Duration, change: Option<Change>) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Fixed(interval) => Some(*interval),
            Self::Adaptive(adaptive) => {
                let start = if before.is_zero() { adaptive.first } else { before };
                let factor = match change {
                    Some(Change::Changed) => adaptive.shorten,
                    Some(Change::Unchanged | Change::Gone) => adaptive.lengthen,
                    Some(Change::New) | None => 1.0,
                };
                let longest = adaptive.max.max(adaptive.min).as_secs_f64();
                let wanted = (start.as_secs_f64() * factor).min(longest);
                Some(Duration::from_secs_f64(wanted.max(adaptive.min.as_secs_f64())))
            }
        }
    }

    /// Returns what the next visit of a URL needs to know, when it is due; `None` when it is not, or is never visited
    /// again: URLs that were skipped or redirected are found again by way of others.
    pub fn due(&self, now: Wall, past: &Past) -> Option<Revisit> {
        let visit = past.visit.as_ref()?;
        if !matches!(past.disposition, Disposition::Done | Disposition::Failed(_)) {
            return None;
        }
        let interval = self.interval(Duration::from_secs(past.interval_secs), past.change())?;
        (visit.at + interval <= now).then(|| Revisit {
            generation: past.generation.saturating_add(1),
            etag: visit.etag.clone(),
            last_modified: visit.last_modified.clone(),
            digest: visit.digest.or(past.digest_before),
            interval_secs: interval.as_secs().max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontier::Visit;
    use crate::url::CanonicalUrl;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn past(visit: Visit, before: Option<&Revisit>) -> Past {
        Past {
            url: CanonicalUrl::parse("http://a/").expect("a URL"),
            disposition: Disposition::Done,
            at: visit.at,
            generation: before.map_or(0, |revisit| revisit.generation),
            depth: 0,
            attempts: 1,
            referrer: None,
            label: None,
            rule: None,
            visit: Some(visit),
            interval_secs: before.map_or(0, |revisit| revisit.interval_secs),
            digest_before: before.and_then(|revisit| revisit.digest),
        }
    }

    fn visit(at: Wall, digest: u128) -> Visit {
        let (etag, last_modified) = (Some("\"e\"".into()), None);
        let digest = Some(digest);
        Visit { at, outcome: Outcome::Ok, status: Some(200), body_bytes: 1, etag, last_modified, digest }
    }

    #[test]
    fn a_visit_is_compared_with_the_one_before() {
        let gone = Disposition::Failed(FailKind::Fetch(Outcome::HttpError));
        let revisit = Revisit { generation: 1, digest: Some(7), ..Revisit::default() };
        let check = |disposition, status, digest, known: bool, expected| {
            let revisit = known.then_some(&revisit);
            assert_eq!(Change::of(disposition, Some(status), digest, revisit), expected, "{status} {known}");
        };
        check(Disposition::Done, 200, Some(7), false, Some(Change::New));
        check(Disposition::Done, 200, Some(7), true, Some(Change::Unchanged));
        check(Disposition::Done, 200, Some(8), true, Some(Change::Changed));
        check(Disposition::Done, 200, None, true, None);
        check(Disposition::Done, 304, None, true, Some(Change::Unchanged));
        check(gone, 404, None, true, Some(Change::Gone));
        check(gone, 410, None, true, Some(Change::Gone));
        check(gone, 404, None, false, Some(Change::New));
        check(gone, 500, None, true, None);
        check(Disposition::Redirected, 301, None, true, None);
    }

    #[test]
    fn a_url_is_due_when_its_interval_has_passed() {
        let rules = RecrawlRules::Fixed(HOUR);
        let first = past(visit(Wall::from_secs(0), 1), None);
        assert_eq!(rules.due(Wall::from_secs(3_599), &first), None);
        let revisit = rules.due(Wall::from_secs(3_600), &first).unwrap();
        assert_eq!((revisit.generation, revisit.digest, revisit.interval_secs), (1, Some(1), 3_600));
        assert_eq!(revisit.etag.as_deref(), Some("\"e\""));
        assert_eq!(RecrawlRules::Off.due(Wall::from_secs(i64::MAX / 2_000_000), &first), None);
        let skipped = Past { visit: None, ..first };
        assert_eq!(rules.due(Wall::from_secs(9_999), &skipped), None);
    }

    /// Visits a page that changes every `period` for ten generations and returns the last intervals.
    fn last_intervals(rules: &RecrawlRules, period: Duration) -> [Duration; 2] {
        let digest = |at: Wall| u128::from(at.as_micros().unsigned_abs() / 1_000_000 / period.as_secs());
        let mut known: Option<Revisit> = None;
        let mut at = Wall::from_secs(0);
        let mut intervals = Vec::new();
        for _ in 0..10 {
            let past = past(visit(at, digest(at)), known.as_ref());
            let far = at + 10_000 * 24 * HOUR;
            let revisit = rules.due(far, &past).expect("every page is visited again");
            let interval = Duration::from_secs(revisit.interval_secs);
            at = at + interval;
            intervals.push(interval);
            known = Some(revisit);
        }
        [intervals[8], intervals[9]]
    }

    #[test]
    fn in_ten_generations_an_interval_converges_to_how_often_its_page_changes() {
        let rules = RecrawlRules::Adaptive(Adaptive::default());
        for hours in [3, 6, 12, 24, 48, 96, 200] {
            let period = hours * HOUR;
            for interval in last_intervals(&rules, period) {
                assert!(interval >= period / 4 && interval <= period * 2, "{hours} h: {interval:?}");
            }
        }
        let Adaptive { min, max, .. } = Adaptive::default();
        assert_eq!(last_intervals(&rules, Duration::from_secs(60)), [min, min]);
        assert_eq!(last_intervals(&rules, 1_000_000 * HOUR)[1], max.min(24 * HOUR * 58));
    }
}
