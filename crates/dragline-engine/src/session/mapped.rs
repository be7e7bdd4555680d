//! Is the handle of a fetch whose result is made of its response when it is asked for.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::error::{ErrorKind, SessionError};
use super::fetch::Fetch;
use super::response::Response;
use crate::words::{panic_message, with_causes};

type Map<T, V, D> = Box<dyn FnOnce(Result<Response<V, D>, SessionError>) -> Result<T, Failed> + Send>;

/// Why there is no mapped result.
enum Failed {
    /// The fetch's own error.
    Fetch(SessionError),
    /// What the map returned.
    Map(String),
}

/// A fetch whose result is made of its response, on the thread that asks for it, when it is asked for; made by
/// [`Fetch::map`]. The result is made once, and given away. Dropping it cancels the fetch.
///
/// ```
/// use dragline_engine::session::Session;
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// # let url = server.url("/page");
/// let session = Session::builder().allow_network("127.0.0.0/8").build()?;
/// let path = session.get(url).start().map(|response| {
///     response.text().split(' ').nth(1).map(str::to_owned).ok_or("no path")
/// });
/// assert_eq!(path.result()?, "/page");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle cancels the fetch: wait for its result"]
pub struct Mapped<T, V = (), D = ()> {
    fetch: Fetch<V, D>,
    map: Option<Map<T, V, D>>,
}

impl<T, V: Send + Sync + 'static, D: Send + Sync + 'static> Mapped<T, V, D> {
    pub(super) fn of_response<E: Into<Box<dyn Error + Send + Sync>>>(
        fetch: Fetch<V, D>,
        map: impl FnOnce(Response<V, D>) -> Result<T, E> + Send + 'static,
    ) -> Self {
        let map = move |result: Result<Response<V, D>, SessionError>| {
            let response = result.map_err(Failed::Fetch)?;
            map(response).map_err(|error| Failed::Map(with_causes(&*error.into())))
        };
        Self { fetch, map: Some(Box::new(map)) }
    }

    pub(super) fn of_result<E: Into<Box<dyn Error + Send + Sync>>>(
        fetch: Fetch<V, D>,
        map: impl FnOnce(Result<Response<V, D>, SessionError>) -> Result<T, E> + Send + 'static,
    ) -> Self {
        let map = move |result| map(result).map_err(|error| Failed::Map(with_causes(&*error.into())));
        Self { fetch, map: Some(Box::new(map)) }
    }

    /// Returns the handle below, to look at or to cancel.
    pub const fn fetch(&self) -> &Fetch<V, D> {
        &self.fetch
    }

    /// Blocks until the fetch has ended and returns what is made of it.
    ///
    /// # Errors
    /// As [`Fetch::result`]; and what the map returned as an error, or its panic. On the thread of an actor, where it
    /// would block, the handle is gone and the fetch cancelled: await it there.
    pub fn result(mut self) -> Result<T, SessionError> {
        self.fetch.wait(None)?;
        let result = self.fetch.result();
        self.finish(result)
    }

    fn finish(&mut self, result: Result<Response<V, D>, SessionError>) -> Result<T, SessionError> {
        let call = self.fetch.call();
        let Some(map) = self.map.take() else {
            return Err(call.error(ErrorKind::AlreadyStarted, "a mapped result is made once, and was taken"));
        };
        match catch_unwind(AssertUnwindSafe(|| map(result))) {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(Failed::Fetch(error))) => Err(error),
            Ok(Err(Failed::Map(message))) => Err(call.error(ErrorKind::CallbackFailed, message)),
            Err(panic) => {
                let message = format!("the map panicked: {}", panic_message(&*panic));
                Err(call.error(ErrorKind::CallbackPanicked, message))
            }
        }
    }
}

// Nothing in it is pinned.
impl<T, V, D> Unpin for Mapped<T, V, D> {}

/// Waits without blocking, in any runtime; the map runs in the poll that finds the end.
///
/// # Cancel safety
/// Dropping it unfinished cancels the fetch.
impl<T, V: Send + Sync + 'static, D: Send + Sync + 'static> Future for Mapped<T, V, D> {
    type Output = Result<T, SessionError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.fetch).poll(cx));
        Poll::Ready(self.finish(result))
    }
}

impl<T, V, D> fmt::Debug for Mapped<T, V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped").field("fetch", &self.fetch).finish_non_exhaustive()
    }
}
