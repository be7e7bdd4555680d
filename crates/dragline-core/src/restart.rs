//! Decides whether a dead actor is started again, and when: a budget of restarts within a span, with backoff.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// How many restarts are borne.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRules {
    /// Restarts within `within` that are borne; one more ends the crawl.
    pub most: u32,
    /// The span that is looked at.
    pub within: Duration,
    /// The wait before the first restart of a burst.
    pub backoff_min: Duration,
    /// The longest wait; each restart of a burst doubles it.
    pub backoff_max: Duration,
}

impl Default for RestartRules {
    fn default() -> Self {
        Self {
            most: 10,
            within: Duration::from_secs(60),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// Counts the restarts that nobody answers for.
///
/// A death explained by a page that kills its handler alone is charged to that page and given back here
/// ([`RestartBudget::refund`]): one bad page in ten must not end a crawl, one broken handler must.
#[derive(Clone, Debug)]
pub struct RestartBudget {
    rules: RestartRules,
    charged: VecDeque<Time>,
}

impl RestartBudget {
    /// Starts with the whole budget.
    pub const fn new(rules: RestartRules) -> Self {
        Self { rules, charged: VecDeque::new() }
    }

    /// Charges a death: returns when to start again, or `None` when the budget is used up and the crawl must end.
    pub fn charge(&mut self, now: Time) -> Option<Time> {
        while self.charged.front().is_some_and(|&at| now - at > self.rules.within) {
            self.charged.pop_front();
        }
        let burst = u32::try_from(self.charged.len()).unwrap_or(u32::MAX);
        if burst >= self.rules.most {
            return None;
        }
        self.charged.push_back(now);
        let backoff = self.rules.backoff_min.saturating_mul(1_u32.checked_shl(burst).unwrap_or(u32::MAX));
        Some(now + backoff.min(self.rules.backoff_max))
    }

    /// Gives back the latest charge, after a page proved guilty of the death.
    pub fn refund(&mut self) {
        self.charged.pop_back();
    }

    /// Returns how many restarts are charged at the moment.
    pub fn charged(&self) -> usize {
        self.charged.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(most: u32) -> RestartBudget {
        RestartBudget::new(RestartRules { most, ..RestartRules::default() })
    }

    #[test]
    fn backoff_doubles_and_the_budget_ends() {
        let mut budget = budget(3);
        let waits: Vec<_> = (0..4).map(|_| budget.charge(Time::ZERO).map(Time::as_micros)).collect();
        assert_eq!(waits, [Some(100_000), Some(200_000), Some(400_000), None]);
    }

    #[test]
    fn old_restarts_are_forgotten() {
        let mut budget = budget(1);
        assert!(budget.charge(Time::ZERO).is_some());
        assert!(budget.charge(Time::from_secs(60)).is_none());
        assert!(budget.charge(Time::from_secs(61)).is_some());
    }

    #[test]
    fn a_refund_makes_room() {
        let mut budget = budget(1);
        for _ in 0..100 {
            assert_eq!(budget.charge(Time::ZERO), Some(Time::from_millis(100)));
            budget.refund();
        }
    }
}
