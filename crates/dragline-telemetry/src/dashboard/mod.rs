//! Builds the Grafana dashboard from the names of the metrics.

mod model;
mod panels;
mod query;

pub use model::{Dashboard, Panel, Target};
pub use panels::dashboard;
