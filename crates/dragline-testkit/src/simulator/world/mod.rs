//! Models a web to crawl: hosts and pages drawn from a seed, and what each answers to whom.

mod answer;
mod draw;
mod model;
#[cfg(test)]
mod tests;

pub(super) use answer::HostState;
pub use model::{Failing, PageKind, RobotsKind, RobotsText, Target, Temper, World, WorldHost, WorldPage};
pub(super) use model::{LATENCY_MAX, Place};
