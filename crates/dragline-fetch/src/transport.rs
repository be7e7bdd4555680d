//! Describes the seam between whoever wants a URL and whatever gets it from the network.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use dragline_core::fetch::{FetchRequest, FetchResponse};

/// A fetch under way: always ends in one response, whatever the server does.
pub type Fetching = Pin<Box<dyn Future<Output = FetchResponse>>>;

/// One arbiter's way to the network. Not `Send`: it lives where its connections live.
pub trait Transport: fmt::Debug {
    /// Carries out one request; failures are outcomes of the response, never errors of the call.
    ///
    /// # Cancel safety
    /// Dropping the future closes its connection and returns its bytes credits.
    fn fetch(&self, request: FetchRequest) -> Fetching;

    /// Closes idle sockets and rotates what grows; called about once a second.
    fn tick(&self);

    /// Returns the connections of this transport, as of now.
    fn connections(&self) -> ConnectionCounts {
        ConnectionCounts::default()
    }

    /// Returns how names were resolved since this transport was opened.
    fn dns(&self) -> DnsCounts {
        DnsCounts::default()
    }
}

/// Opens a transport on the calling arbiter.
pub trait TransportFactory: fmt::Debug + Send + Sync {
    /// Opens one; called once on each arbiter that fetches, inside its runtime.
    fn open(&self) -> Rc<dyn Transport>;
}

/// The connections of one transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections that serve a request at this moment.
    pub busy: usize,
    /// Connections kept open for a later request.
    pub idle: usize,
    /// Connections opened since the transport was.
    pub opened_new: u64,
    /// Requests sent over a connection that had served an earlier one.
    pub reused: u64,
}

/// How names were resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DnsCounts {
    /// Look-ups answered from the cache.
    pub cached: u64,
    /// Look-ups answered by the resolver.
    pub resolved: u64,
    /// Look-ups that failed.
    pub failed: u64,
}
