//! Runs the suite over many seeds.

use dragline_core::Wall;
use dragline_core::rules::CrawlRules;

use super::driver::Driver;
use super::subject::Subject;

/// How much is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The seeds; each is one run.
    pub seeds: std::ops::Range<u64>,
    /// Steps of each run.
    pub steps: u32,
    /// Of sixty steps, how many are commits.
    pub commits: u64,
    /// Of sixty steps, how many are deaths.
    pub deaths: u64,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// URLs that were done.
    pub done: u64,
    /// URLs that were skipped.
    pub skipped: u64,
    /// Deaths that were survived.
    pub deaths: u64,
}

impl Trial {
    /// Runs the suite; `make` is given rules, the time at which the frontier's begins, and a seed.
    ///
    /// # Panics
    /// When a promise is broken; the seed is printed before.
    pub fn run<S: Subject>(&self, mut make: impl FnMut(&CrawlRules, Wall, u64) -> S) -> Verdict {
        let mut verdict = Verdict::default();
        for seed in self.seeds.clone() {
            announce(seed);
            let mut driver = Driver::new(seed, &mut make);
            for _ in 0..self.steps {
                driver.any_step(self.commits, self.deaths);
            }
            if seed % 4 == 3 {
                driver.drain();
            } else {
                driver.finish();
            }
            driver.commit();
            if self.deaths > 0 {
                driver.die();
            }
            let stats = driver.subject.frontier().stats();
            verdict.done += stats.done;
            verdict.skipped += stats.skipped.values().sum::<u64>();
            verdict.deaths += u64::from(driver.deaths);
        }
        verdict
    }
}

#[expect(clippy::print_stdout, reason = "a seed that fails must be known")]
fn announce(seed: u64) {
    println!("seed {seed}");
}
