//! Gathers what one fetch asks for, and starts it.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use dragline_config::request_field;
use dragline_core::auth::{Credentials, Keyring};
use dragline_core::fetch::{AtCap, Certificates, FetchLimits, FetchRequest, Method, RequestBody};
use dragline_core::{CanonicalUrl, Outcome, Phase, Time, UrlError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{Call, CallParts, Order};
use super::callback::Callback;
use super::error::{ErrorKind, SessionError};
use super::fetch::{Fetch, OnWait};
use super::front::{Defaults, Session};
use super::hub::Hub;
use super::response::{Ended, Response};
use crate::follow::FollowOptions;
use crate::words::with_causes;

/// What one fetch asks for; made by [`Session::get`] and its kin. Nothing happens before [`FetchBuilder::start`].
///
/// Attach data before callbacks: they are given it. Mistakes are told by the result
/// ([`InvalidRequest`](ErrorKind::InvalidRequest)), never by a panic; the first one counts.
///
/// ```
/// use std::time::Duration;
///
/// use dragline_engine::session::Session;
///
/// # let server = dragline_testkit::EchoServer::start()?;
/// # let url = server.url("/search");
/// let session = Session::builder().allow_network("127.0.0.0/8").build()?;
/// let fetch = session
///     .get(url)
///     .query("q", "a b")
///     .header("Accept-Language", "de")
///     .deadline(Duration::from_secs(5))
///     .data("mine")
///     .on_done(|response| response.body().len())
///     .start();
/// let response = fetch.result()?;
/// assert!(response.text().starts_with("GET /search?q=a+b "));
/// assert_eq!((*response.data(), *response.value()), ("mine", response.body().len()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is fetched before `start`"]
pub struct FetchBuilder<V = (), D = ()> {
    hub: Arc<Hub>,
    defaults: Arc<Defaults>,
    method: Method,
    url: Box<str>,
    query: Vec<(Box<str>, Box<str>)>,
    headers: Vec<(Box<str>, Box<str>)>,
    body: RequestBody,
    fault: Option<String>,
    deadline: Option<Duration>,
    limits: Option<FetchLimits>,
    options: FollowOptions,
    capture: bool,
    certificates: Certificates,
    credentials: Option<Credentials>,
    data: Box<dyn Any + Send + Sync>,
    callback: Option<Callback>,
    on_wait: Option<OnWait<V, D>>,
}

impl FetchBuilder {
    pub(super) fn new(session: &Session, method: Method, url: &str) -> Self {
        Self {
            hub: Arc::clone(&session.hub),
            defaults: Arc::clone(&session.defaults),
            method,
            url: url.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: RequestBody::None,
            fault: None,
            deadline: None,
            limits: None,
            options: session.defaults.options,
            capture: false,
            certificates: Certificates::Verified,
            credentials: None,
            data: Box::new(()),
            callback: None,
            on_wait: None,
        }
    }

    /// Attaches a value of the caller's, which the handle, the response and the callbacks show.
    pub fn data<D: Send + Sync + 'static>(self, data: D) -> FetchBuilder<(), D> {
        self.retyped(|_| (Box::new(data), None))
    }
}

impl<D: Send + Sync + 'static> FetchBuilder<(), D> {
    /// Calls `callback` with the response, on a thread of the session's executor, as soon as it is there. What it
    /// returns is kept with the response ([`Response::value`]). It is not called when there is no response.
    ///
    /// Its panic becomes the result. It may start other fetches and wait for them. One that takes longer than its
    /// executor allows is given up, by default after a minute.
    pub fn on_done<V: Send + Sync + 'static>(
        self,
        callback: impl FnOnce(&Response<(), D>) -> V + Send + 'static,
    ) -> FetchBuilder<V, D> {
        self.retyped(|data| (data, Some(Callback::on_done(callback))))
    }

    /// As [`FetchBuilder::on_done`], for a callback that may fail: its error becomes the result.
    pub fn try_on_done<V, E>(
        self,
        callback: impl FnOnce(&Response<(), D>) -> Result<V, E> + Send + 'static,
    ) -> FetchBuilder<V, D>
    where
        V: Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.retyped(|data| (data, Some(Callback::try_on_done(callback))))
    }

    /// As [`FetchBuilder::try_on_done`], called however the fetch ended, unless it was cancelled. A failed fetch stays
    /// failed, whatever the callback returns.
    pub fn on_end<V, E>(
        self,
        callback: impl FnOnce(&Ended<D>) -> Result<V, E> + Send + 'static,
    ) -> FetchBuilder<V, D>
    where
        V: Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.retyped(|data| (data, Some(Callback::on_end(callback))))
    }

    /// Has a worker process of the session's executor call the function of that name with the response; what it
    /// answers is read as `V` and kept with the response. The fetch itself stays in this process. The function's head
    /// is a [`ResponseHead`](super::ResponseHead), its body that of the response.
    ///
    /// What goes wrong there is the result: [`WorkerFailed`](ErrorKind::WorkerFailed) without such an executor or
    /// function too, [`ValueMismatch`](ErrorKind::ValueMismatch) for an answer that is no `V`.
    pub fn on_done_in_process<V>(self, function: &str) -> FetchBuilder<V, D>
    where
        V: DeserializeOwned + Send + Sync + 'static,
    {
        self.retyped(|data| (data, Some(Callback::in_process::<V>(function))))
    }
}

impl<V, D> FetchBuilder<V, D> {
    /// Changes the types of data and value; callbacks of the wait come after.
    fn retyped<W, E>(
        self,
        change: impl FnOnce(Box<dyn Any + Send + Sync>) -> (Box<dyn Any + Send + Sync>, Option<Callback>),
    ) -> FetchBuilder<W, E> {
        let fault = match &self.on_wait {
            Some(_) => {
                Some("set the callback of the wait after data and the callback in the background".to_owned())
            }
            None => self.fault,
        };
        let (data, callback) = change(self.data);
        FetchBuilder {
            hub: self.hub,
            defaults: self.defaults,
            method: self.method,
            url: self.url,
            query: self.query,
            headers: self.headers,
            body: self.body,
            fault,
            deadline: self.deadline,
            limits: self.limits,
            options: self.options,
            capture: self.capture,
            certificates: self.certificates,
            credentials: self.credentials,
            data,
            callback,
            on_wait: None,
        }
    }

    /// Sends a field, in place of the session's of that name. Of two of one name the last is sent; what is not for the
    /// caller to set, such as `Host`, is an [`InvalidRequest`](ErrorKind::InvalidRequest).
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match request_field(&format!("{name}: {value}")) {
            Ok(field) => self.headers.push(field),
            Err(error) => self.note_fault(format!("field \"{name}\": {error}")),
        }
        self
    }

    /// Adds a parameter to the query of the URL, encoded as a form's is; behind those there are.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sends these bytes, whatever the method; name their type with [`FetchBuilder::header`]. The last content given
    /// counts.
    pub fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.body = RequestBody::bytes(body);
        self
    }

    /// Sends content made in another way, such as a stream.
    pub fn content(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// Sends fields as a form does, with its `Content-Type`.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.body = RequestBody::form(fields.iter().copied());
        self
    }

    /// Sends a value as JSON, with its `Content-Type`.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match RequestBody::json(value) {
            Ok(body) => self.body = body,
            Err(error) => self.note_fault(format!("the content cannot be JSON: {error}")),
        }
        self
    }

    /// Shows these credentials to the URL's own origin, and to no other that a redirect leads to. Those in the URL itself
    /// do the same.
    pub fn auth(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the deadline: from the start, waiting for a lane included, to the last byte, all redirects and attempts
    /// together. What has ended by then stays ended: the time of callbacks is their executor's matter. A deadline of zero
    /// is a [`Timeout`](Outcome::Timeout) at once.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Changes the other limits of this fetch; they begin as those of its session.
    pub fn limits(mut self, change: impl FnOnce(&mut FetchLimits)) -> Self {
        let limits = self.limits.get_or_insert_with(|| (*self.defaults.limits).clone());
        change(limits);
        self
    }

    /// Takes a body at its cap as a truncated result instead of an error: see [`Response::was_truncated`].
    pub fn allow_truncated(self) -> Self {
        self.limits(|limits| limits.at_cap = AtCap::Truncate)
    }

    /// Follows at most this many redirects; one more is a [`RedirectError`](Outcome::RedirectError). 0: a redirect is the
    /// response.
    pub const fn redirects_max(mut self, redirects: u32) -> Self {
        self.options.redirects_max = if redirects == 0 { None } else { Some(redirects) };
        self
    }

    /// Whether robots.txt is asked first; what it disallows is [`RobotsDenied`](Outcome::RobotsDenied).
    pub const fn robots(mut self, obey: bool) -> Self {
        self.options.robots = obey;
        self
    }

    /// Sets how often it is tried in all: see [`SessionBuilder::attempts`](super::SessionBuilder::attempts).
    pub fn attempts(mut self, attempts: u32) -> Self {
        if attempts == 0 {
            self.note_fault("attempts must be more than zero".into());
        }
        self.options.attempts_max = attempts.max(1);
        self
    }

    /// Takes the server's certificate whatever is wrong with it, which [`Response::fetched`] tells; over connections
    /// that no other fetch shares. Whoever is in between can read and change everything.
    pub const fn unverified_certificate(mut self) -> Self {
        self.certificates = Certificates::Unverified;
        self
    }

    /// Keeps the bytes that were sent and received with the response: see [`Response::fetched`].
    pub const fn capture(mut self) -> Self {
        self.capture = true;
        self
    }

    /// Sets what runs on the thread that waits for it: see [`Fetch::on_wait`]. Set it after data and the callback in the
    /// background.
    pub fn on_wait(mut self, callback: impl FnOnce(&Fetch<V, D>) + Send + 'static) -> Self {
        self.on_wait = Some(Box::new(callback));
        self
    }

    fn note_fault(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// Starts it and returns its handle at once. Whatever is wrong is told by the result, which names the place of this
    /// call. The hooks before a fetch run here.
    #[track_caller]
    pub fn start(self) -> Fetch<V, D> {
        let place = Location::caller();
        let fetch = self.make(place);
        // A fetch that was just made starts; what refuses it is its result.
        drop(fetch.start());
        fetch
    }

    /// Makes its handle without starting it: [`Fetch::start`] does. Errors name the place of this call.
    #[track_caller]
    pub fn create(self) -> Fetch<V, D> {
        self.make(Location::caller())
    }

    fn make(self, place: &'static Location<'static>) -> Fetch<V, D> {
        let (url, order, fault) = match self.request() {
            Ok(request) => {
                let url = request.url.shared();
                (url, Some(request), None)
            }
            Err((url, fault)) => (url, None, Some(fault)),
        };
        let deadline = self.deadline.or(self.defaults.deadline);
        let order = order.map(|request| Order { request, options: self.options, began: Time::ZERO });
        let refused = fault.map(|fault| fault.started_at(place));
        let parts = CallParts { deadline, data: self.data, order, callback: self.callback };
        Fetch::new(Call::new(self.hub, url, place, parts), refused, self.on_wait)
    }

    /// Makes the request, or says what is wrong with it.
    fn request(&self) -> Result<FetchRequest, (Arc<str>, SessionError)> {
        let defaults = &self.defaults;
        let given: Arc<str> = Arc::from(&*self.url);
        let url = self.canonical().map_err(|error| {
            let error = dragline_core::FetchError { phase: Phase::Queue, message: error.to_string() };
            let error = SessionError::fetch(&given, Outcome::InvalidUrl, None, Some(&error));
            (Arc::clone(&given), error)
        })?;
        if let Some(fault) = &self.fault {
            let shown = url.shared();
            let error = SessionError::new(ErrorKind::InvalidRequest, &shown, fault.as_str());
            return Err((shown, error));
        }
        let own = self.credentials.clone().or_else(|| Credentials::in_url(&self.url));
        let keyring = match own {
            None => defaults.keyring.clone(),
            Some(own) => {
                if let Err(error) = own.check() {
                    let shown = url.shared();
                    let error = SessionError::new(ErrorKind::InvalidRequest, &shown, with_causes(&error));
                    return Err((shown, error));
                }
                let all = std::iter::once((url.origin(), own)).chain(defaults.credentials.iter().cloned());
                Some(Arc::new(Keyring::new(all.collect())))
            }
        };
        let limits = match (self.deadline, &self.limits) {
            (None, None) => Arc::clone(&defaults.limits),
            (deadline, limits) => {
                let mut limits = limits.clone().unwrap_or_else(|| (*defaults.limits).clone());
                limits.deadline = deadline.unwrap_or(limits.deadline);
                Arc::new(limits)
            }
        };
        Ok(FetchRequest {
            method: self.method,
            headers: defaults.headers_with(&self.headers),
            body: self.body.clone(),
            cookies: defaults.cookies.clone(),
            keyring,
            capture: self.capture,
            certificates: self.certificates,
            ..FetchRequest::get(url, limits)
        })
    }

    /// Reads the URL, against the session's base, with the parameters added to its query.
    fn canonical(&self) -> Result<CanonicalUrl, UrlError> {
        let base = self.defaults.base_url.as_ref();
        let text = match self.query.is_empty() {
            true => std::borrow::Cow::Borrowed(&*self.url),
            false => with_query(&self.url, &self.query).into(),
        };
        match base {
            Some(base) => base.join(&text),
            None => CanonicalUrl::parse(&text),
        }
    }
}

/// Adds parameters to the query of a reference.
fn with_query(reference: &str, query: &[(Box<str>, Box<str>)]) -> String {
    let (before, fragment) =
        reference.split_once('#').map_or((reference, None), |(before, rest)| (before, Some(rest)));
    let RequestBody::Bytes { content, .. } =
        RequestBody::form(query.iter().map(|(name, value)| (&**name, &**value)))
    else {
        return reference.to_owned();
    };
    let joint = match before.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let added = String::from_utf8_lossy(&content);
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{before}{joint}{added}{fragment}")
}

impl<V, D> fmt::Debug for FetchBuilder<V, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchBuilder")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_join_the_query_there_is() {
        let check = |reference: &str, expected: &str| {
            let query = [("a".into(), "1 & 2".into()), ("\u{fc}".into(), "".into())];
            assert_eq!(with_query(reference, &query), expected, "{reference}");
        };
        check("http://h/p", "http://h/p?a=1+%26+2&%C3%BC=");
        check("p?x=y", "p?x=y&a=1+%26+2&%C3%BC=");
        check("p?", "p?a=1+%26+2&%C3%BC=");
        check("p?x&#part", "p?x&a=1+%26+2&%C3%BC=#part");
    }
}
