//! Reads the clocks, once for the whole engine: everything else is handed its `now`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dragline_core::{Time, Wall};
use tokio::time::Instant;

/// The run's clock. Copies of one clock agree; under `tokio::time::pause` it follows the paused time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall_start: Wall,
}

impl Clock {
    /// Starts the run's time at zero.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Self { start: Instant::now(), wall_start: Wall::from_micros(micros) }
    }

    /// Starts the run's time at zero, at a wall time that somebody made up: for simulations.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn start_at(wall: Wall) -> Self {
        Self { start: Instant::now(), wall_start: wall }
    }

    /// Returns the time since the run began.
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// Returns the wall time at which the run began.
    pub const fn wall_start(&self) -> Wall {
        self.wall_start
    }

    /// Returns the wall time; it advances with [`Clock::now`] and never jumps.
    pub fn wall(&self) -> Wall {
        self.wall_at(self.now())
    }

    /// Returns the wall time at a time of the run.
    pub fn wall_at(&self, time: Time) -> Wall {
        self.wall_start + (time - Time::ZERO)
    }
}
