//! Starts the only threads of this crate: those that wait for the system resolver.

use std::io;

/// Runs `work` on a thread of its own that nobody waits for, so that a hung look-up never delays the end of a run.
///
/// # Errors
/// When the system refuses another thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the audited place: callers bound the number, nothing is joined"
)]
pub(crate) fn detached(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}
