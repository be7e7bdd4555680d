//! Decides whether a failed fetch is tried again, and after how long.

use std::time::Duration;

use crate::chance::Chance;
use crate::decision::{Decision, Source};
use crate::outcome::Outcome;
use crate::rules::RetryRules;

/// Attempts at a URL whose fetcher crashed, whatever `[retry] attempts` says: the second crash may be its doing.
const CRASHED_ATTEMPTS: u32 = 2;

/// One attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Attempts made, this one included, those that were free (see [`Retry::Again`]) not.
    pub made: u32,
    /// How the fetch ended.
    pub outcome: Outcome,
    /// The status, when a head arrived.
    pub status: Option<u16>,
    /// What `Retry-After` asked for, counted from now.
    pub retry_after: Option<Duration>,
}

/// What becomes of a URL whose fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It waits for another attempt.
    Again {
        /// Not leased before this long from now.
        after: Duration,
        /// Whether the attempt that failed is not counted, because the host only asked us to come back later.
        ///
        /// A host that answers 429 for ever is not asked for ever: the host table parks it after
        /// `politeness.give_up_after`, and its URLs end skipped(parked).
        free: bool,
    },
    /// It ends failed with the outcome of this attempt.
    GiveUp,
}

/// Decides what becomes of a URL whose fetch failed.
///
/// The wait is drawn evenly from 0 to base x 2^n, at most `[retry] max` ("full jitter"), but is never shorter than
/// what `Retry-After` asks; of that `backoff_max` is kept, and a host that asks for more is parked by the host table.
/// Outcomes that another attempt cannot better, and statuses outside `[retry] statuses`, are given up at once. Status
/// 429 does not use up an attempt, unless there is only one: then nothing is ever tried again.
///
/// # Source
/// M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015); RFC 9110 section 10.2.3.
pub fn decide(
    rules: &RetryRules,
    attempt: &Attempt,
    backoff_max: Duration,
    chance: &mut Chance,
) -> Decision<Retry> {
    let granted = match (attempt.outcome, attempt.status) {
        (Outcome::HttpError, Some(status)) => {
            match rules.statuses.iter().position(|known| *known == status) {
                Some(index) => Source::Config { key: "retry.statuses", index: Some(index) },
                None => return Decision::by_key(Retry::GiveUp, "retry.statuses"),
            }
        }
        (outcome, _) if outcome.may_retry() => Source::BuiltIn,
        _ => return Decision::built_in(Retry::GiveUp, "retry.outcome"),
    };
    let free = attempt.status == Some(429) && attempt.outcome == Outcome::HttpError && rules.attempts > 1;
    if !free && attempt.made >= rules.attempts {
        return Decision::by_key(Retry::GiveUp, "retry.attempts");
    }
    if attempt.outcome == Outcome::Crashed && attempt.made >= CRASHED_ATTEMPTS {
        return Decision::built_in(Retry::GiveUp, "retry.crashed");
    }
    let drawn = chance.up_to(ceiling(rules, attempt.made));
    let asked = attempt.retry_after.map(|asked| asked.min(backoff_max));
    match asked {
        Some(asked) if asked > drawn => {
            let verdict = Retry::Again { after: asked, free };
            Decision { verdict, rule: "retry_after", source: Source::Response }
        }
        _ => {
            let rule = if granted == Source::BuiltIn { "retry.outcome" } else { "retry.statuses" };
            Decision { verdict: Retry::Again { after: drawn, free }, rule, source: granted }
        }
    }
}

/// Returns the longest wait after so many attempts: base x 2^(made - 1), at most `[retry] max`.
fn ceiling(rules: &RetryRules, made: u32) -> Duration {
    let factor = 1_u32.checked_shl(made.saturating_sub(1)).unwrap_or(u32::MAX);
    rules.base.saturating_mul(factor).min(rules.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF_MAX: Duration = Duration::from_secs(100);

    /// What comes out: the rule, and for another attempt whether it is free.
    type Expected = (&'static str, Option<bool>);

    fn decided(rules: &RetryRules, attempt: &Attempt, seed: u64) -> Decision<Retry> {
        decide(rules, attempt, BACKOFF_MAX, &mut Chance::new(seed))
    }

    fn check(made: u32, outcome: Outcome, status: Option<u16>, expected: Expected) {
        let attempt = Attempt { made, outcome, status, retry_after: None };
        let found = decided(&RetryRules::default(), &attempt, 1);
        let free = match found.verdict {
            Retry::Again { free, .. } => Some(free),
            Retry::GiveUp => None,
        };
        assert_eq!((found.rule, free), expected, "{attempt:?}");
    }

    #[test]
    fn outcome_status_and_attempts_decide() {
        check(1, Outcome::Timeout, None, ("retry.outcome", Some(false)));
        check(2, Outcome::ConnectError, None, ("retry.outcome", Some(false)));
        check(3, Outcome::ConnectError, None, ("retry.attempts", None));
        check(1, Outcome::Incomplete, Some(200), ("retry.outcome", Some(false)));
        check(1, Outcome::TlsError, None, ("retry.outcome", None));
        check(1, Outcome::Ok, Some(200), ("retry.outcome", None));
        check(1, Outcome::RedirectError, Some(302), ("retry.outcome", None));
        check(1, Outcome::HttpError, Some(503), ("retry.statuses", Some(false)));
        check(3, Outcome::HttpError, Some(503), ("retry.attempts", None));
        check(1, Outcome::HttpError, Some(404), ("retry.statuses", None));
        check(1, Outcome::HttpError, None, ("retry.outcome", None));
    }

    #[test]
    fn a_429_does_not_eat_an_attempt_unless_there_is_only_one() {
        check(1, Outcome::HttpError, Some(429), ("retry.statuses", Some(true)));
        check(3, Outcome::HttpError, Some(429), ("retry.statuses", Some(true)));
        let attempt = Attempt { made: 1, outcome: Outcome::HttpError, status: Some(429), retry_after: None };
        let once = RetryRules { attempts: 1, ..RetryRules::default() };
        assert_eq!(decided(&once, &attempt, 1), Decision::by_key(Retry::GiveUp, "retry.attempts"));
        let never = RetryRules { statuses: vec![503], ..RetryRules::default() };
        assert_eq!(decided(&never, &attempt, 1), Decision::by_key(Retry::GiveUp, "retry.statuses"));
    }

    #[test]
    fn a_crash_is_tried_again_once() {
        check(1, Outcome::Crashed, None, ("retry.outcome", Some(false)));
        check(2, Outcome::Crashed, None, ("retry.crashed", None));
    }

    #[test]
    fn a_status_is_named_by_its_place_in_the_list() {
        let attempt = Attempt { made: 1, outcome: Outcome::HttpError, status: Some(502), retry_after: None };
        let source = decided(&RetryRules::default(), &attempt, 1).source;
        assert_eq!(source, Source::Config { key: "retry.statuses", index: Some(3) });
    }

    #[test]
    fn the_wait_is_spread_below_a_doubling_ceiling() {
        let check = |made: u32, ceiling_secs: u64| {
            let rules = RetryRules { attempts: u32::MAX, ..RetryRules::default() };
            let attempt = Attempt { made, outcome: Outcome::Timeout, status: None, retry_after: None };
            let ceiling = Duration::from_secs(ceiling_secs);
            let (mut below, mut above) = (0, 0);
            for seed in 0..200 {
                let Retry::Again { after, .. } = decided(&rules, &attempt, seed).verdict else {
                    panic!("{attempt:?}")
                };
                assert!(after <= ceiling, "{after:?} after {made}");
                *(if after < ceiling / 2 { &mut below } else { &mut above }) += 1;
            }
            assert!(below > 50 && above > 50, "{below} {above} after {made}");
        };
        check(0, 1);
        check(1, 1);
        check(2, 2);
        check(4, 8);
        check(7, 60);
        check(1_000, 60);
    }

    #[test]
    fn retry_after_is_a_least_wait_up_to_the_longest_backoff() {
        let check = |asked_secs: u64, expected: Option<u64>| {
            let retry_after = Some(Duration::from_secs(asked_secs));
            let attempt = Attempt { made: 1, outcome: Outcome::HttpError, status: Some(503), retry_after };
            let found = decided(&RetryRules::default(), &attempt, 1);
            let Retry::Again { after, free } = found.verdict else { panic!("{attempt:?}") };
            assert!(!free);
            match expected {
                Some(secs) => {
                    assert_eq!((found.rule, found.source), ("retry_after", Source::Response));
                    assert_eq!(after, Duration::from_secs(secs));
                }
                None => assert_eq!(found.rule, "retry.statuses"),
            }
        };
        check(0, None);
        check(30, Some(30));
        check(100, Some(100));
        check(5_000, Some(100));
    }
}
