//! Fetches one URL and never calls a broken response fine.

pub mod transport;

pub use transport::{ConnectionCounts, DnsCounts, Transport, TransportFactory};
