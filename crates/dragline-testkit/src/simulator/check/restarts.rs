//! Checks that no more actors were started again than the restart budget allows.

use std::time::Duration;

use super::{Evidence, Problems};

pub(super) fn check(evidence: &Evidence<'_>, problems: &mut Problems) {
    let most = usize::try_from(evidence.restarts().most).unwrap_or(usize::MAX);
    let conditions = evidence.conditions;
    let fetchers = conditions.fetchers.min(conditions.concurrency);
    check_births(evidence, problems, "fetchers", evidence.fetchers, (fetchers, most));
    // A page that proves guilty gives a charge back.
    let explained = most + 2 * evidence.plan.killers();
    check_births(evidence, problems, "workers", evidence.workers, (conditions.workers, explained));
}

/// Checks the births of one life after the other; the first so many are no restarts.
fn check_births(
    evidence: &Evidence<'_>,
    problems: &mut Problems,
    who: &str,
    births: &[(usize, Duration)],
    (first, most): (usize, usize),
) {
    let within = evidence.restarts().within;
    for life in 0..evidence.lives {
        let again: Vec<_> =
            births.iter().filter(|(of, _)| *of == life).map(|(_, at)| *at).skip(first).collect();
        for (index, at) in again.iter().enumerate() {
            let count = again.iter().take(index + 1).filter(|earlier| **earlier + within > *at).count();
            if count > most {
                problems
                    .add("restarts", format!("{count} {who} were started again by {at:?}, {most} are borne"));
            }
        }
    }
}
