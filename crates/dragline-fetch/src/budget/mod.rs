//! Shares the memory for bodies among the fetches of a process.

mod credits;
mod ledger;

pub use credits::BodyBudget;
pub(crate) use credits::Credit;
