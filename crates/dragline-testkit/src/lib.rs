//! Gives tests and the demo something to crawl: loopback sites, a simulated web, and checkers of what was asked.
//!
//! Two kinds of tests use it. Tests of whole crawls in one process use [`SimWeb`] under paused time; tests with real
//! sockets use a [`Server`] or a [`ScriptedServer`] and wait with [`wait_until`]. The two do not mix. What is durable is
//! tested over a [`SimDisk`], which crashes, tears, fills up and fails.

pub mod child;
pub mod conformance;
pub mod demo;
pub mod disk;
pub mod echo;
#[cfg(feature = "hostile")]
pub mod hostile;
pub mod log;
pub mod ports;
pub mod real;
pub mod reply;
pub mod scripted;
pub mod server;
pub mod sim;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod site;
pub mod ten_page;
pub mod wait;

mod thread;
mod trace_hash;

pub use child::ChildGuard;
pub use demo::{DemoExpectation, DemoSite};
pub use disk::SimDisk;
pub use echo::EchoServer;
#[cfg(feature = "hostile")]
pub use hostile::HostileSite;
pub use log::{LoggedRequest, RequestLog};
pub use reply::Reply;
pub use scripted::{ScriptedServer, Scripts, Step};
pub use server::{Bound, Server};
pub use sim::{SimFetch, SimReply, SimTransport, SimWeb};
#[cfg(feature = "simulator")]
pub use simulator::Simulation;
pub use site::Site;
pub use ten_page::TenPages;
pub use wait::wait_until;
