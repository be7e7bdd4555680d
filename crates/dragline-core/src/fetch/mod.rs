//! Describes one fetch: what is asked, within which limits, and what came of it.

mod body;
mod limits;
mod phase;
mod request;
mod response;

pub use body::{BodyStream, RequestBody};
pub use limits::{AtCap, FetchLimits};
pub use phase::{FetchError, Phase, Phases};
pub use request::{Certificates, FetchRequest, Method};
pub use response::{BodyHold, Capture, FetchResponse, HttpVersion, TlsInfo};
