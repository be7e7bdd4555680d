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
mod build_error;
mod builder;
mod builtin;
mod clock;
mod control;
mod crawl;
mod desk;
mod fetcher;
pub mod follow;
mod handle;
mod handler;
mod handler_host;
mod io;
mod lanes;
mod life;
mod life_count;
mod messages;
mod metrics;
mod network;
mod placement;
mod post;
pub mod process;
mod room;
pub mod session;
mod signals;
mod sink_actor;
mod spawn;
mod start_error;
mod supervisor;
mod words;

pub use build_error::{BuildError, BuildErrors};
pub use builder::CrawlBuilder;
pub use clock::Clock;
pub use control::{CrawlEnd, Signal};
pub use crawl::{Crawl, RunningCrawl, fresh_seed};
pub use desk::{End, Problem};
pub use handle::CrawlHandle;
pub use handler::{HandleError, HandlePage, HandleResult, IntoHandled, Route};
pub use io::Io;
pub use life::Opened;
pub use life_count::LifeCount;
pub use messages::Status;
pub use network::{Network, NetworkErrors};
pub use placement::Placement;
pub use signals::outlive_file_size_limits;
pub use spawn::Tasks;
pub use start_error::{StartError, StateError};
