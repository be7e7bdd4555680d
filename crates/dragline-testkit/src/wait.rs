//! Waits for something that a real program does: the one place of the tests that sleeps.

use std::time::{Duration, Instant};

/// How long to sleep between two looks.
const STEP: Duration = Duration::from_millis(5);

/// Asks `happened` again and again until it says yes, or `deadline` has passed; returns whether it said yes.
///
/// Blocks the calling thread. Only for tests with real programs and sockets; those under paused time need no waiting.
pub fn wait_until(deadline: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let started = now();
    loop {
        if happened() {
            return true;
        }
        if now().saturating_duration_since(started) >= deadline {
            return false;
        }
        #[expect(clippy::disallowed_methods, reason = "a test's own thread waits here, never an arbiter")]
        std::thread::sleep(STEP);
    }
}

#[expect(clippy::disallowed_methods, reason = "a real program is waited for by real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_it_is_true_or_too_late() {
        let mut looks = 0;
        let third_time = || {
            looks += 1;
            looks == 3
        };
        assert!(wait_until(Duration::from_secs(60), third_time));
        assert_eq!(looks, 3);
        assert!(!wait_until(Duration::ZERO, || false));
        assert!(wait_until(Duration::ZERO, || true));
    }
}
