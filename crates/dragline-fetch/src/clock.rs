//! Reads the clock: the one place of this crate that does.

use tokio::time::Instant;

/// Returns the present moment of the runtime's clock, which tests may pause.
#[inline]
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate; timers and timings share it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
