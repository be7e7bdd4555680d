//! Checks of the whole repository, and of the hostile site against the transport.

mod frontier_suite;
mod hostile;
mod tidy;
mod tree;
