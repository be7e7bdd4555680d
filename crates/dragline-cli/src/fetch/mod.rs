//! Fetches URLs once through the transport, guards, politeness and robots rules of a crawl.

pub(crate) mod asked;
mod lineup;
mod record;
mod run;
mod writer;

pub(crate) use run::{HELP, run};
