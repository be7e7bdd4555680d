//! Serves a site that does everything wrong that a server can do wrong, and judges what a client says of it.
//!
//! ```text
//! HostileSite::start -> families (framing, heads, codings, ...) fill a Book -> server, name server, canaries
//!      |                     |
//!      |                     +-- Behaviour: what to ask, which outcomes are right, which bytes were sent
//!      +-- judge(behaviour, record) -> Right | Survived(why) | SilentLoss(why)
//! ```
//!
//! Everything happens on loopback: sites on 127.0.0.1, canaries on 127.0.0.2 and `::1` that nobody may reach. Every
//! stall ends when the client closes, or after [`HOLD_MAX`]; every endless stream ends after [`ENDLESS_BYTES_MAX`].
//!
//! What is expected holds for a client that gives up after 2 s without a byte and 4 s in all, takes bodies up to
//! [`BODY_BYTES_MAX`], may dial [`ALLOW_NETWORKS`], asks the site's name server, trusts its authority, does not wait
//! between requests, and has no other limit than those of `FetchLimits::default()`.
//!
//! # Examples
//! ```
//! use dragline_testkit::hostile::{HostileSite, Record, Verdict, judge, sha256_of};
//!
//! let site = HostileSite::start()?;
//! let cut = site.behaviours().iter().find(|behaviour| behaviour.name == "length/body-too-short");
//! // What a client says that takes 20 bytes for all of the 64 that were announced.
//! let record = Record {
//!     outcome: "ok".into(),
//!     status: Some(200),
//!     bytes: 20,
//!     sha256: sha256_of(b"length/body-too-shor"),
//!     ..Record::default()
//! };
//! assert!(cut.is_some_and(|cut| matches!(judge(cut, &record), Verdict::SilentLoss(_))));
//! # Ok::<(), std::io::Error>(())
//! ```

mod act;
mod behaviour;
mod book;
mod canary;
mod certificates;
mod chunks;
mod codings;
mod connections;
mod cookies;
mod damage;
mod dns;
mod encode;
mod families;
mod framing;
mod guard;
mod guard_names;
mod heads;
mod judge;
mod names;
mod redirect_traps;
mod redirects;
mod robots;
mod row;
mod server;
mod sizes;
mod statuses;
mod timing;
mod tls;
mod urls;
mod zone;

pub use act::{ENDLESS_BYTES_MAX, HOLD_MAX};
pub use behaviour::{Ask, Behaviour, Sent};
pub use book::{ALLOW_NETWORKS, BODY_BYTES_MAX};
pub use certificates::Trust;
pub use judge::{Record, Tally, Verdict, judge, sha256_of};
pub use server::{HostileSite, SECRET};
