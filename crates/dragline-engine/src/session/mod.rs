//! Is the futures API: fetches under handles, on the same follower, guards and metrics as everything else.
//!
//! ```text
//!  Session --start--> Call --> Hub (line, in order) --> lane: Follower::fetch --> Call: answer
//!     |                 ^                                                           |
//!  FetchBuilder       Fetch <--- waits, awaits, sets, cancels                       v
//!                       ^                                            Executor: callback, hooks of the end
//!                       +---------------------------- done ------------------------+
//! ```
//!
//! A [`Fetch`] is a promise: it is there at once, whatever is wrong is told when it is asked for its result. One call is
//! shared by handle, line, lane and executor; whoever comes first ends it, and the others see that.
//!
//! Who knows requests-futures, App Engine's URL Fetch or asynchttp finds their words in [`coming_from`].

mod build_error;
mod builder;
mod call;
mod callback;
mod canceller;
pub mod coming_from;
mod completed;
mod crew;
mod ending;
mod error;
mod executor;
mod fetch;
mod front;
mod hooks;
mod hub;
mod in_process;
mod mapped;
mod of_crawl;
mod overdue;
mod request;
mod response;
mod seat;
mod set;
mod wait;
mod watching;

pub use build_error::{SessionBuildError, SessionBuildErrors};
pub use builder::SessionBuilder;
pub use canceller::WaitCanceller;
pub use completed::{AsCompleted, CompletedStream, as_completed, wait_all, wait_any};
pub use dragline_core::session::FetchState;
pub use error::{ErrorKind, SessionError};
pub use executor::{Executor, ExecutorError, ExecutorOptions};
pub use fetch::Fetch;
pub use front::{Close, Closing, Session};
pub use hooks::{CallEnded, HookTaken, Hooks};
pub use in_process::ResponseHead;
pub use mapped::Mapped;
pub(crate) use of_crawl::{CrawlSessions, SessionLine};
pub use request::FetchBuilder;
pub use response::{Ended, Response};
pub use set::{Any, FetchKey, FetchSet};
pub(crate) use wait::block_until;
