//! Runs registered functions in processes of their own, where one may crash, hang or eat memory and harm nobody else.
//!
//! ```text
//!   parent                                                  child, in a process group of its own
//!   ProcessWorker::call --- call: name, head, body ------>  reading thread --> main thread: Functions
//!                       <-- hello: names, once ----------   stdin is the socket; what the function prints goes
//!                       <-- answer: value, error, panic -   to the parent's stderr, stdin is empty for it
//! ```
//!
//! Both ends are the same program as a rule: its `main` begins with [`Functions::serve_if_asked`], which returns at once
//! in the parent and serves in a child. A child is started by the first call, is used for all that follow, and is killed
//! and forgotten when it hangs, dies or says what is no answer; the next call starts another.
//!
//! They speak over one pair of sockets that is the child's stdin. So nothing the child prints can be taken for an
//! answer, and when the parent is gone, however it went, its end closes and the child ends at once, in the middle of a
//! function too. What goes over the line is bytes, JSON and names: nothing here knows HTTP.

mod error;
mod frame;
mod life;
mod line;
mod registry;
mod serve;
mod worker;

pub use error::{Part, WorkerError};
pub use frame::{ANSWER_BYTES_MAX, BODY_BYTES_MAX, HEAD_BYTES_MAX};
pub use life::Killer;
pub use registry::{FUNCTIONS_MAX, Functions, Input, NAME_BYTES_MAX};
pub use worker::{ProcessWorker, WorkerOptions};
