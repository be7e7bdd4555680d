//! Builds the Prometheus rules, their tests and the runbook from the names of the metrics.

mod alerts;
mod operation;
mod recordings;
mod runbook;
mod saturation;
mod yaml;

pub use alerts::{Alert, Severity, alerts};
pub use recordings::{Recording, recordings};
pub use runbook::runbook;
pub use yaml::{prometheus, rules, rules_test};
