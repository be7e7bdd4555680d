//! Carries an answer that is ready, or one that the frontier's own I/O thread completes later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// An answer of a [`Frontier`](crate::frontier::Frontier): ready, or a future completed elsewhere.
///
/// Tickets of one frontier complete in call order; dropping one cancels nothing.
pub enum Ticket<T> {
    /// The answer is here.
    Ready(T),
    /// The answer will come.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Ticket<T> {
    /// Returns the answer when it is ready, or the future to wait for.
    ///
    /// # Errors
    /// Returns the future when the answer is not ready.
    pub fn now(self) -> Result<T, Pin<Box<dyn Future<Output = T> + Send>>> {
        match self {
            Self::Ready(answer) => Ok(answer),
            Self::Later(future) => Err(future),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
