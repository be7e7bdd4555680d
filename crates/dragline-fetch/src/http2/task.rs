//! Starts the only tasks of this folder: one for each connection, which ends with it.

/// Runs the work of a connection on this arbiter.
#[expect(
    clippy::disallowed_methods,
    reason = "the audited place: a connection's work ends when the connection is let go, by itself or by its limit"
)]
pub(super) fn run(work: impl Future<Output = ()> + 'static) {
    drop(actix_rt::spawn(work));
}
