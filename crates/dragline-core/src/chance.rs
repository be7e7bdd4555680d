//! Draws the random numbers a decision needs, from a seed the run prints.

use std::time::Duration;

/// A seeded source of chance: the same seed gives the same draws on every machine.
#[derive(Clone, Debug)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// Starts a sequence from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Returns a number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.u64(..bound) }
    }

    /// Returns a duration in `0..=most`, evenly spread (the "full jitter" of exponential backoff).
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(micros.saturating_add(1)))
    }

    /// Returns `base` scaled by a factor drawn evenly from `1 - spread ..= 1 + spread`; `spread` is clamped to 0..=1.
    pub fn jitter(&mut self, base: Duration, spread: f64) -> Duration {
        let spread = spread.clamp(0.0, 1.0);
        base.mul_f64(1.0 - spread + 2.0 * spread * self.0.f64())
    }

    /// Returns a fresh seed, so that a part of the run can draw without disturbing this sequence.
    pub fn fork(&mut self) -> u64 {
        self.0.u64(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..8).map(|_| chance.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn jitter_stays_within_its_spread() {
        let mut chance = Chance::new(1);
        for _ in 0..1_000 {
            let drawn = chance.jitter(Duration::from_secs(10), 0.2);
            assert!(drawn >= Duration::from_secs(8) && drawn <= Duration::from_secs(12), "{drawn:?}");
        }
    }
}
