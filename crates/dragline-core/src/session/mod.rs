//! Decides about fetches under handles: their life, their turn, and which of several is told of first.
//!
//! These are the plain values behind the engine's `Session`: what waits, wakes and runs is there.

mod finished;
mod state;
mod waiting;

pub use finished::Finished;
pub use state::FetchState;
pub use waiting::{Turn, Waiting};
