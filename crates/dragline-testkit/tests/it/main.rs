//! Checks of the whole repository, and of the hostile site against the transport, and simulated crawls.

mod compaction;
mod compaction_kit;
mod frontier_log;
mod frontier_suite;
mod hostile;
mod simulator;
mod tidy;
mod tree;
