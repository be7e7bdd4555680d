//! Runs a crawl as actix actors around the pure core.
//!
//! ```text
//!             Assign{leases}                 HandlePages
//!   Fetcher <---------------- Supervisor -------------------> HandlerHost ---HandlePage---> user's actor
//!      lanes ---------------> Desk (pure) <------------------- credits     <---Handled-----
//!             FetchesDone        |  ^            PagesHandled
//!                  WriteRecords  v  | Flushed{mark}
//!                             SinkActor        Control (signals, end)     Metrics (samples, scrapes)
//! ```
//!
//! Every decision is the [`desk`](crate)'s, a plain value; actors translate messages into calls on it. Every edge has
//! credits, so that no mailbox grows without bound.

mod askers;
mod builder;
mod builtin;
mod clock;
mod control;
mod crawl;
mod desk;
mod fetcher;
pub mod follow;
mod handler;
mod handler_host;
mod lanes;
mod messages;
mod metrics;
mod network;
mod placement;
mod post;
pub mod process;
pub mod session;
mod sink_actor;
mod spawn;
mod supervisor;
mod words;

pub use builder::{BuildError, BuildErrors, CrawlBuilder};
pub use clock::Clock;
pub use control::{CrawlEnd, Signal};
pub use crawl::{Crawl, CrawlHandle, RunningCrawl, StartError, fresh_seed};
pub use desk::{End, Problem};
pub use handler::{HandleError, HandlePage, HandleResult, IntoHandled, Route};
pub use messages::Status;
pub use network::{Network, NetworkErrors};
pub use placement::Placement;
pub use spawn::Tasks;
