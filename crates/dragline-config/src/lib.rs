//! Turns TOML text into a checked plan, reporting every error at once.

mod origins;
mod plan;

pub use origins::Place;
pub use plan::{
    ActorsPlan, AdminPlan, FetchPlan, HandlerKind, HandlerPlan, LogFormat, LogLevel, LogPlan, LogUrls,
    OutputPlan, Plan, Seed, SinkKind, SinkPlan, SinkRecords,
};
