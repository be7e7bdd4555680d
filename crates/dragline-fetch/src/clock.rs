//! Reads the clock: the one place of this crate that does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dragline_core::time::Wall;
use tokio::time::Instant;

/// Returns the present moment of the runtime's clock, which tests may pause.
#[inline]
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate; timers and timings share it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns the present wall-clock time, by which cookies expire.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
pub(crate) fn wall() -> Wall {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// Returns the moment `span` after `from`, or one that nobody lives to see when a span is beyond the clock's range.
pub(crate) fn after(from: Instant, span: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    from.checked_add(span).unwrap_or(from + NEVER)
}
