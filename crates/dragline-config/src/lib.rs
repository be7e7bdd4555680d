//! Turns TOML text into a checked plan, reporting every error at once.
//!
//! Start with [`Loader`]. Layers are laid over one another (defaults, files, environment, `--set`, flags), each is
//! checked alone against one table of keys, then the whole is checked for values that do not go together. The result
//! is a [`Plan`] and its [`Origins`], or [`ConfigErrors`] that show every mistake on the line it stands on.

mod build;
mod checks;
mod checks_of_network;
mod checks_of_sinks;
mod disk;
mod errors;
mod fields;
mod hints;
mod keys;
mod loader;
mod network;
mod origins;
mod plan;
mod reader;
mod schema;
mod seeds;
mod source;
mod units;
mod values;

pub use disk::from_environment;
pub use errors::{ConfigError, ConfigErrors};
pub use fields::request_field;
pub use keys::{KeyInfo, keys, reference};
pub use loader::Loader;
pub use network::{
    AuthKind, AuthPlan, DnsPlan, NetworkPlan, PlainHttpPlan, ProxyPlan, ProxySchemePlan, RequestPlan,
    ResolverPlan, RootsPlan, RoutePlan, SecretPlan, TlsPlan,
};
pub use origins::{Origins, Place};
pub use plan::{
    ActorsPlan, AdminPlan, CompressPlan, FetchPlan, FilesPlan, HandlerKind, HandlerPlan, LogFormat, LogLevel,
    LogPlan, LogUrls, OutputPlan, Plan, Seed, SinkKind, SinkPlan, SinkRecords, StatePlan,
};
pub use units::{ByteSize, HumanDuration, UnitError};
