//! Answers fetches from a simulated web, without sockets, so that whole crawls run under paused time.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dragline_core::fetch::{AtCap, FetchRequest, FetchResponse, Method, Phase, Phases};
use dragline_core::{CanonicalUrl, FetchError, Headers, Outcome, redirect};
use dragline_fetch::transport::{Fetching, Transport, TransportFactory};
use tokio::time::Instant;

/// Answers URLs that are not listed; `None` leaves them to the web's 404.
type Fallback = Arc<dyn Fn(&CanonicalUrl) -> Option<SimReply> + Send + Sync>;

/// How a simulated server answers one request.
#[derive(Clone, Debug)]
pub struct SimReply {
    /// Until the first byte.
    latency: Duration,
    /// From the first byte to the last.
    body_time: Duration,
    answer: Answer,
}

#[derive(Clone, Debug)]
enum Answer {
    Response { status: u16, headers: Headers, body: Bytes },
    Failure { outcome: Outcome, phase: Phase, message: &'static str },
    Hang,
    Panic,
}

/// A web of scripted URLs; clones share it, so that a test can look while a crawl runs.
///
/// It is a [`TransportFactory`]: give it to an engine in place of the network.
#[derive(Clone, Default)]
pub struct SimWeb(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    replies: BTreeMap<String, Vec<SimReply>>,
    asked: BTreeMap<String, usize>,
    fallback: Option<Fallback>,
    started: Option<Instant>,
    fetches: Vec<SimFetch>,
}

/// One fetch, as the simulated web saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFetch {
    /// What was fetched.
    pub url: CanonicalUrl,
    /// When it began, counted from the first fetch.
    pub began: Duration,
    /// When it was answered or cancelled; `None` while it is under way.
    pub ended: Option<Duration>,
    /// Whether it was dropped before it was answered.
    pub cancelled: bool,
}

/// The transport of a [`SimWeb`].
#[derive(Debug)]
pub struct SimTransport {
    web: SimWeb,
}

/// Writes down when a fetch ended, also when it is dropped.
struct EndOfFetch {
    web: SimWeb,
    index: usize,
    answered: bool,
}

impl SimReply {
    /// Answers with a status, fields and a body.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let headers = Headers::from_pairs(headers.iter().copied());
        Self {
            latency: Duration::ZERO,
            body_time: Duration::ZERO,
            answer: Answer::Response { status, headers, body: body.into() },
        }
    }

    /// Answers with a page.
    pub fn html(body: impl Into<Bytes>) -> Self {
        Self::new(200, &[("Content-Type", "text/html; charset=utf-8")], body)
    }

    /// Answers with a page that links to these references and nothing else.
    pub fn page(title: &str, links: &[&str]) -> Self {
        let links: String = links.iter().map(|link| format!("<a href=\"{link}\">{link}</a>\n")).collect();
        Self::html(format!("<!DOCTYPE html>\n<title>{title}</title>\n{links}"))
    }

    /// Answers with plain text, such as a robots.txt.
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self::new(200, &[("Content-Type", "text/plain")], body)
    }

    /// Answers with a status and no body.
    pub fn status(status: u16) -> Self {
        Self::new(status, &[], Bytes::new())
    }

    /// Answers with a status and a `Retry-After` in seconds.
    pub fn retry_after(status: u16, secs: u32) -> Self {
        Self::new(status, &[("Retry-After", &secs.to_string())], Bytes::new())
    }

    /// Answers with a redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, &[("Location", location)], Bytes::new())
    }

    /// Fails before a response head arrives.
    pub const fn failure(outcome: Outcome, phase: Phase, message: &'static str) -> Self {
        Self {
            latency: Duration::ZERO,
            body_time: Duration::ZERO,
            answer: Answer::Failure { outcome, phase, message },
        }
    }

    /// Never answers: the fetch ends `timeout` at its first-byte limit or its deadline.
    pub const fn hang() -> Self {
        Self { latency: Duration::ZERO, body_time: Duration::ZERO, answer: Answer::Hang }
    }

    /// Panics inside the transport: a bug of ours, as a lane must survive it.
    pub const fn panic() -> Self {
        Self { latency: Duration::ZERO, body_time: Duration::ZERO, answer: Answer::Panic }
    }

    /// Answers only after this long.
    #[must_use]
    pub const fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Takes this long from the first byte of the answer to the last.
    #[must_use]
    pub const fn over(mut self, body_time: Duration) -> Self {
        self.body_time = body_time;
        self
    }
}

impl SimWeb {
    /// Makes an empty web: every URL is a 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers a URL always alike.
    ///
    /// # Panics
    /// When `url` is no URL that can be fetched.
    #[must_use]
    pub fn on(self, url: &str, reply: SimReply) -> Self {
        self.on_each(url, vec![reply])
    }

    /// Answers the first fetch of a URL with the first reply, and so on; the last is repeated.
    ///
    /// # Panics
    /// When `url` is no URL that can be fetched.
    #[must_use]
    pub fn on_each(self, url: &str, replies: Vec<SimReply>) -> Self {
        let url = CanonicalUrl::parse(url).expect("a simulated URL can be fetched");
        self.with(|state| state.replies.insert(url.as_str().into(), replies));
        self
    }

    /// Answers what is not listed; `None` leaves it a 404.
    #[must_use]
    pub fn fallback(
        self,
        answer: impl Fn(&CanonicalUrl) -> Option<SimReply> + Send + Sync + 'static,
    ) -> Self {
        self.with(|state| state.fallback = Some(Arc::new(answer)));
        self
    }

    /// Returns every fetch in the order begun.
    pub fn fetches(&self) -> Vec<SimFetch> {
        self.with(|state| state.fetches.clone())
    }

    /// Returns how often a URL was fetched.
    pub fn count_of(&self, url: &str) -> usize {
        self.with(|state| state.fetches.iter().filter(|fetch| fetch.url.as_str() == url).count())
    }

    /// Returns the times between one dispatch to a host and the next; `authority` is the host and, if any, its port.
    pub fn gaps(&self, authority: &str) -> Vec<Duration> {
        let times: Vec<_> = self.of_host(authority).iter().map(|fetch| fetch.began).collect();
        times.iter().zip(times.iter().skip(1)).map(|(one, next)| next.saturating_sub(*one)).collect()
    }

    /// Returns the most fetches of a host that were under way at one time.
    pub fn most_at_once(&self, authority: &str) -> usize {
        let fetches = self.of_host(authority);
        let under_way = |at: Duration| {
            fetches.iter().filter(|other| other.began <= at && other.ended.is_none_or(|end| end > at)).count()
        };
        fetches.iter().map(|fetch| under_way(fetch.began)).max().unwrap_or_default()
    }

    fn of_host(&self, authority: &str) -> Vec<SimFetch> {
        let mut fetches = self.fetches();
        fetches.retain(|fetch| fetch.url.authority() == authority);
        fetches
    }

    /// Chooses the reply to this fetch of the URL and counts it.
    fn begin(&self, url: &CanonicalUrl) -> (SimReply, EndOfFetch) {
        let (fallback, found, index) = self.with(|state| {
            let began = state.elapsed();
            let asked = state.asked.entry(url.as_str().into()).or_default();
            let replies = state.replies.get(url.as_str());
            let found = replies.and_then(|replies| replies.get(*asked).or(replies.last())).cloned();
            *asked += 1;
            state.fetches.push(SimFetch { url: url.clone(), began, ended: None, cancelled: false });
            (state.fallback.clone(), found, state.fetches.len() - 1)
        });
        let found = found.or_else(|| fallback.and_then(|answer| answer(url)));
        let end = EndOfFetch { web: self.clone(), index, answered: false };
        (found.unwrap_or_else(|| SimReply::status(404)), end)
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for SimWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (urls, fetches) = self.with(|state| (state.replies.len(), state.fetches.len()));
        f.debug_struct("SimWeb").field("urls", &urls).field("fetches", &fetches).finish()
    }
}

impl TransportFactory for SimWeb {
    fn open(&self) -> Rc<dyn Transport> {
        Rc::new(SimTransport { web: self.clone() })
    }
}

impl Transport for SimTransport {
    /// Answers after the reply's latency, by the runtime's clock, paused or not.
    fn fetch(&self, request: FetchRequest) -> Fetching {
        let web = self.web.clone();
        Box::pin(async move {
            let (reply, mut end) = web.begin(&request.url);
            let response = answer(reply, &request).await;
            end.answered = true;
            response
        })
    }

    fn tick(&self) {}
}

impl State {
    fn elapsed(&mut self) -> Duration {
        #[expect(
            clippy::disallowed_methods,
            reason = "the runtime's own clock, which the engine's clock follows too"
        )]
        let now = Instant::now();
        now.saturating_duration_since(*self.started.get_or_insert(now))
    }
}

impl Drop for EndOfFetch {
    fn drop(&mut self) {
        let (index, cancelled) = (self.index, !self.answered);
        self.web.with(|state| {
            let now = state.elapsed();
            if let Some(fetch) = state.fetches.get_mut(index) {
                fetch.ended = Some(now);
                fetch.cancelled = cancelled;
            }
        });
    }
}

/// Waits as long as the reply says, or until a limit of the request passes, and judges the response as a transport does.
pub(crate) async fn answer(reply: SimReply, request: &FetchRequest) -> FetchResponse {
    let limits = &request.limits;
    let patience = limits.first_byte_timeout.min(limits.deadline);
    if matches!(reply.answer, Answer::Hang) || reply.latency > patience {
        tokio::time::sleep(patience).await;
        let mut response = FetchResponse::failed(Outcome::Timeout, Phase::Ttfb, "no first byte in time");
        response.phases.total = patience;
        return response;
    }
    if !reply.latency.is_zero() {
        tokio::time::sleep(reply.latency).await;
    }
    let patience = limits.deadline.saturating_sub(reply.latency);
    if !reply.body_time.is_zero() {
        tokio::time::sleep(reply.body_time.min(patience)).await;
    }
    let total = reply.latency + reply.body_time.min(patience);
    let phases = Phases { ttfb: Some(reply.latency), total, ..Phases::default() };
    if reply.body_time > patience {
        let late = FetchResponse::failed(Outcome::Timeout, Phase::Body, "the body did not end in time");
        return FetchResponse { phases, ..late };
    }
    match reply.answer {
        Answer::Response { status, headers, body } => respond(status, headers, body, phases, request),
        Answer::Failure { outcome, phase, message } => {
            FetchResponse { phases, ..FetchResponse::failed(outcome, phase, message) }
        }
        Answer::Hang => unreachable!("a hanging reply has ended in a timeout"),
        // Without a word to the panic hook: it is not news.
        Answer::Panic => std::panic::resume_unwind(Box::new("a simulated bug in the transport")),
    }
}

fn respond(
    status: u16,
    headers: Headers,
    body: Bytes,
    phases: Phases,
    request: &FetchRequest,
) -> FetchResponse {
    let mut body = if request.method == Method::Head { Bytes::new() } else { body };
    let cap = usize::try_from(request.limits.body_bytes_max).unwrap_or(usize::MAX);
    let over = body.len() > cap;
    let mut outcome = redirect::outcome(status, &headers, &request.url);
    let mut error = None;
    match request.limits.at_cap {
        _ if !over => {}
        AtCap::Truncate => {
            body.truncate(cap);
            outcome = if outcome == Outcome::Ok { Outcome::OkTruncated } else { outcome };
        }
        AtCap::Fail => {
            body.clear();
            outcome = Outcome::TooLarge;
            error = Some(FetchError { phase: Phase::Body, message: "the body is over its cap".into() });
        }
    }
    let body_wire_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let head_bytes = u64::try_from(headers.raw().len()).unwrap_or(u64::MAX);
    FetchResponse {
        outcome,
        status: Some(status),
        headers,
        body,
        body_wire_bytes,
        received_bytes: body_wire_bytes + head_bytes,
        sent_bytes: 0,
        phases,
        error,
        ..FetchResponse::failed(outcome, Phase::Body, "")
    }
}

#[cfg(test)]
mod tests {
    use dragline_core::FetchLimits;

    use super::*;

    fn request(url: &str) -> FetchRequest {
        let limits = FetchLimits { body_bytes_max: 100, ..FetchLimits::default() };
        FetchRequest::get(CanonicalUrl::parse(url).unwrap(), Arc::new(limits))
    }

    async fn check(web: &SimWeb, url: &str, outcome: Outcome, status: Option<u16>) -> FetchResponse {
        let response = web.open().fetch(request(url)).await;
        assert_eq!((response.outcome, response.status), (outcome, status), "{url}");
        response
    }

    #[tokio::test(start_paused = true)]
    async fn each_reply_becomes_the_outcome_of_a_transport() {
        let web = SimWeb::new()
            .on("http://a/", SimReply::page("home", &["/x"]))
            .on("http://a/moved", SimReply::redirect(301, "/"))
            .on("http://a/lost", SimReply::status(302))
            .on("http://a/big", SimReply::html("x".repeat(101)))
            .on("http://a/hang", SimReply::hang())
            .on("http://a/slow", SimReply::html("slow").over(Duration::from_secs(59)))
            .on("http://a/slower", SimReply::html("slow").over(Duration::from_secs(61)))
            .on("http://a/dns", SimReply::failure(Outcome::DnsError, Phase::Dns, "no such name"))
            .on_each("http://a/flaky", vec![SimReply::retry_after(503, 1), SimReply::html("fine")])
            .fallback(|url| (url.host() == "any").then(|| SimReply::html("any")));
        let home = check(&web, "http://a/", Outcome::Ok, Some(200)).await;
        assert!(home.body.ends_with(b"<a href=\"/x\">/x</a>\n"));
        check(&web, "http://a/moved", Outcome::Redirect, Some(301)).await;
        check(&web, "http://a/lost", Outcome::RedirectError, Some(302)).await;
        check(&web, "http://a/big", Outcome::TooLarge, Some(200)).await;
        check(&web, "http://a/hang", Outcome::Timeout, None).await;
        check(&web, "http://a/slow", Outcome::Ok, Some(200)).await;
        let late = check(&web, "http://a/slower", Outcome::Timeout, None).await;
        assert_eq!(late.phases.total, Duration::from_secs(60));
        check(&web, "http://a/dns", Outcome::DnsError, None).await;
        let refused = check(&web, "http://a/flaky", Outcome::HttpError, Some(503)).await;
        assert_eq!(refused.headers.get_str("retry-after"), Some("1"));
        check(&web, "http://a/flaky", Outcome::Ok, Some(200)).await;
        check(&web, "http://any/thing", Outcome::Ok, Some(200)).await;
        check(&web, "http://a/absent", Outcome::HttpError, Some(404)).await;
        assert_eq!(web.count_of("http://a/flaky"), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_knows_what_was_under_way_and_when() {
        let slow = SimReply::html("slow").after(Duration::from_secs(5));
        let web =
            SimWeb::new().on("http://a/1", slow.clone()).on("http://a/2", slow.clone()).on("http://b/", slow);
        let transport = web.open();
        let first = transport.fetch(request("http://a/1"));
        let second = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            transport.fetch(request("http://a/2")).await
        };
        let dropped = tokio::time::timeout(Duration::from_secs(1), transport.fetch(request("http://b/")));
        let (_, _, cut) = tokio::join!(first, second, dropped);
        assert!(cut.is_err());
        assert_eq!(web.gaps("a"), [Duration::from_secs(2)]);
        assert_eq!((web.most_at_once("a"), web.most_at_once("b"), web.most_at_once("c")), (2, 1, 0));
        let ends: Vec<_> = web.fetches().iter().map(|fetch| (fetch.ended, fetch.cancelled)).collect();
        let at = |secs| Some(Duration::from_secs(secs));
        assert_eq!(ends, [(at(5), false), (at(1), true), (at(7), false)]);
    }
}
