//! Checks of the whole repository, and of the hostile site against the transport, and simulated crawls.

mod hostile;
mod simulator;
mod tidy;
mod tree;
