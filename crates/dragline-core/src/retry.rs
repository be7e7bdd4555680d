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
