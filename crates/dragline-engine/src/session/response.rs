//! Shows what came of a fetch: the response with the caller's data and the callback's value.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dragline_core::fetch::{FetchResponse, Phases};
use dragline_core::{CanonicalUrl, Headers, Outcome};
use dragline_page::Charset;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::error::{ErrorKind, SessionError};
use crate::follow::Followed;

/// A response under a handle, whatever its status: 4xx and 5xx are responses too. Cheap to clone.
///
/// `D` is the data that was attached to the fetch, `V` the value its callback returned. The body's bytes credits come
/// back when the last clone, and the handle, are dropped.
pub struct Response<V = (), D = ()> {
    call: Arc<Call>,
    kinds: PhantomData<fn() -> (V, D)>,
}

impl<V, D> Clone for Response<V, D> {
    fn clone(&self) -> Self {
        Self { call: Arc::clone(&self.call), kinds: PhantomData }
    }
}

impl<V: Send + Sync + 'static, D: Send + Sync + 'static> Response<V, D> {
    /// For a call whose fetch has brought a response.
    pub(super) fn of(call: &Arc<Call>) -> Self {
        Self { call: Arc::clone(call), kinds: PhantomData }
    }

    /// Returns the data that was attached to the fetch.
    ///
    /// # Panics
    /// Never: the type of the handle is that of its data.
    pub fn data(&self) -> &D {
        self.call.data.downcast_ref().expect("a handle's type is that of its data")
    }

    /// Returns what the callback made of it.
    ///
    /// # Panics
    /// Never: a fetch whose callback has no value is an error.
    pub fn value(&self) -> &V {
        if let Some(unit) = (&() as &dyn Any).downcast_ref() {
            // Without a callback, and within one.
            return unit;
        }
        let value = self.call.value().expect("a response under a handle with a callback has its value");
        value.downcast_ref().expect("a handle's type is that of its callback's value")
    }

    /// Returns what the callback made of it, to be kept apart from the response.
    ///
    /// # Panics
    /// Never, as for [`Response::value`].
    pub fn shared_value(&self) -> Arc<V> {
        let value = match self.call.value() {
            Some(value) if TypeId::of::<V>() != TypeId::of::<()>() => Arc::clone(value),
            _ => Arc::new(()),
        };
        value.downcast().expect("a handle's type is that of its callback's value")
    }

    /// Turns a status of 4xx or 5xx into an error; any other passes.
    ///
    /// # Errors
    /// [`ErrorKind::Status`] with the status.
    pub fn error_for_status(self) -> Result<Self, SessionError> {
        match self.fetched().outcome {
            Outcome::HttpError => {
                let status = self.status();
                Err(self
                    .call
                    .error(ErrorKind::Status(status), format!("the server answered with status {status}")))
            }
            _ => Ok(self),
        }
    }
}

impl<V, D> Response<V, D> {
    fn followed(&self) -> &Followed {
        match self.call.answer() {
            Some(Ok(followed)) => followed,
            _ => unreachable!("responses are made of calls that brought one"),
        }
    }

    /// Returns everything that is known of the last hop.
    pub fn fetched(&self) -> &FetchResponse {
        &self.followed().response
    }

    /// Returns the status of the last hop.
    pub fn status(&self) -> u16 {
        self.fetched().status.unwrap_or_default()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// Returns the fields of the last hop, in the order received.
    pub fn headers(&self) -> &Headers {
        &self.fetched().headers
    }

    /// Returns the first value of a field when it is there and UTF-8; names are compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get_str(name)
    }

    /// Returns the body, its content codings (gzip and the like) undone.
    pub fn body(&self) -> &Bytes {
        &self.fetched().body
    }

    /// Returns the body as text, in the encoding its head, its own declaration or a guess tells; what is damaged is
    /// replaced.
    pub fn text(&self) -> Cow<'_, str> {
        Charset::of_response(self.body(), self.headers(), self.url().host()).decode_body()
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// When it is none, or not what `T` expects.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.body())
    }

    /// Returns what was fetched last: the URL asked for, or the one that redirects led to.
    pub fn url(&self) -> &CanonicalUrl {
        &self.followed().url
    }

    /// Returns the URLs whose redirects led there, oldest first.
    pub fn redirects(&self) -> &[CanonicalUrl] {
        &self.followed().chain
    }

    /// Whether the body was cut at its cap, because the fetch allowed it.
    pub fn was_truncated(&self) -> bool {
        self.fetched().outcome == Outcome::OkTruncated
    }

    /// Returns how long each phase of the last hop took; `total` counts from the start of the call to its last byte,
    /// all waits and hops included.
    pub fn phases(&self) -> &Phases {
        &self.fetched().phases
    }

    /// Returns how long it waited for its lane, for robots.txt and for its turn at hosts.
    pub fn waited(&self) -> Duration {
        self.followed().waited
    }

    /// Returns how often it was sent: 1 unless it was tried again, which
    /// [`SessionBuilder::attempts`](super::SessionBuilder::attempts) allows.
    pub fn attempts(&self) -> u32 {
        self.followed().attempts
    }

    /// Returns the address that was talked to: that of a proxy, if one was; `None` without a network.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.fetched().peer
    }
}

impl<V, D> fmt::Debug for Response<V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("url", &self.url().as_str())
            .field("status", &self.status())
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// A fetch that ended, well or not, as a callback of its end sees it: see
/// [`FetchBuilder::on_end`](super::FetchBuilder::on_end).
pub struct Ended<D = ()> {
    call: Arc<Call>,
    data: PhantomData<fn() -> D>,
}

impl<D: Send + Sync + 'static> Ended<D> {
    pub(super) fn of(call: &Arc<Call>) -> Self {
        Self { call: Arc::clone(call), data: PhantomData }
    }

    /// Returns the response.
    ///
    /// # Errors
    /// Why there is none.
    pub fn result(&self) -> Result<Response<(), D>, SessionError> {
        self.check().map(|()| Response::of(&self.call))
    }

    /// Returns whether there is a response.
    ///
    /// # Errors
    /// Why there is none.
    pub fn check(&self) -> Result<(), SessionError> {
        match self.call.answer() {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Returns the data that was attached to the fetch.
    ///
    /// # Panics
    /// Never: the type of the handle is that of its data.
    pub fn data(&self) -> &D {
        self.call.data.downcast_ref().expect("a handle's type is that of its data")
    }

    /// Returns the URL that was asked for: canonical when it is one, else as it was given.
    pub fn url(&self) -> &str {
        &self.call.url
    }
}

impl<D> fmt::Debug for Ended<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("call", &self.call).finish()
    }
}
