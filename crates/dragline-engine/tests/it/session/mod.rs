//! Uses sessions as their callers do, against a real server on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests too: what cannot be had ends the test")]

mod callbacks;
mod ends;
mod log;
mod of_crawl;
mod processes;
mod requests;
mod runtimes;
mod sets;
mod table;

use std::time::Duration;

use dragline_engine::process::Functions;
use dragline_engine::session::{Session, SessionBuilder};
use dragline_testkit::EchoServer;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server, and a builder of sessions that may talk to it.
fn echo() -> (EchoServer, SessionBuilder) {
    let server = EchoServer::start().expect("loopback has a port");
    let builder = Session::builder().allow_network("127.0.0.0/8").base_url(&server.url("/"));
    (server, builder)
}

/// A server, and a session of four workers that may talk to it.
fn echo_session() -> (EchoServer, Session) {
    let (server, builder) = echo();
    (server, builder.workers(4).build().expect("the parts are right"))
}

/// Adds what the tests of callbacks in worker processes call.
pub(crate) fn add_functions(functions: Functions) -> Functions {
    processes::add_functions(functions)
}
