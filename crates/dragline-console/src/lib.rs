//! Answers admin HTTP for a running crawl: metrics and health.
//!
//! It listens on loopback only, and answers only requests whose `Host` is a loopback name, so that no web page can
//! read it through a name that resolves to 127.0.0.1.

mod host;
mod server;

pub use server::{Console, ConsoleError, Serving};
