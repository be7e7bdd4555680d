//! Names what happens in a crawl; each event is turned into metrics and log lines in one place, its `record`.
//!
//! Events borrow what they tell and cost a few atomic steps. Log lines carry the same field names everywhere and go to
//! six targets: `dragline::fetch`, `dragline::frontier`, `dragline::robots`, `dragline::actor`, `dragline::handler`
//! and `dragline::admin` (the console's own). Text from the network is escaped on the way.

mod actors;
mod commit;
mod fetch;
mod frontier;
mod politeness;

pub use actors::{ActorRestarted, DeadLetter, HandlerFinished, ItemsWritten, StateChanged};
pub use commit::{EpochCommitted, SpaceRanOut, SpaceReturned};
pub use fetch::{FetchFinished, RetryScheduled};
pub use frontier::{StaleAnswer, UrlSettled, UrlSkipped, UrlsOffered};
pub use politeness::{BackoffStarted, PageDirectives, RobotsDecided, RobotsFetched};
