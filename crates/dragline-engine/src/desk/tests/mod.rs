//! Drives a desk by hand: messages in, orders out, without any actor.

mod bench;
mod commits;
mod decisions;
mod disorder;
mod sessions;
