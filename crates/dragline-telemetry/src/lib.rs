//! Names every metric and turns events into metrics and log lines.
//!
//! ```text
//!  engine --- event.record(&telemetry) ---> handles (shared atomics) ---> registry ---> gather_text ---> /metrics
//!         \-- telemetry.sample(..) once a second --> gauges            \-> log line (tracing)
//!  names ---> dashboard.json, rules.yml, rules_test.yml, RUNBOOK.md: one source, so that no query can name a
//!             metric which does not exist
//! ```
//!
//! Observations go through handles that were resolved when [`Telemetry`] was made: no look-up and no message on the
//! way of a fetch. Every child of a closed label set exists from the start, so that `rate()` sees its first step.

mod codes;
pub mod dashboard;
pub mod escape;
pub mod events;
mod handles;
pub mod labels;
mod log_layer;
mod mailbox;
pub mod names;
mod reference;
mod register;
pub mod rules;
mod sample;
mod telemetry;

pub use log_layer::{CountingLayer, LogEvents};
pub use mailbox::MailboxGauge;
pub use reference::metrics_table;
pub use register::LabelId;
pub use sample::{CreditUse, Sample, Totals};
pub use telemetry::{Telemetry, TelemetryOptions};

/// The registry's own crate: users register metrics of their own with these types.
pub use prometheus;
