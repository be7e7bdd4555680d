//! Answers fetches as a test says, without a network.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dragline_core::fetch::{FetchRequest, FetchResponse};
use dragline_core::{Headers, Outcome, Phase};

use crate::transport::{Fetching, Transport, TransportFactory};

type Script = Arc<dyn Fn(&FetchRequest) -> ScriptedAnswer + Send + Sync>;

/// A transport whose answers are made by a function: give it to a session or a crawl in place of the network.
///
/// No address is dialled, so that no guard is asked; robots.txt, politeness, redirects, deadlines and retries are those
/// of a real fetch.
///
/// # Examples
/// ```
/// use dragline_fetch::{ScriptedAnswer, ScriptedTransport};
///
/// let transport = ScriptedTransport::new(|request| match request.url.path() {
///     "/" => ScriptedAnswer::new(200, &[("Content-Type", "text/plain")], "hello"),
///     _ => ScriptedAnswer::new(404, &[], ""),
/// });
/// # let _ = transport;
/// ```
#[derive(Clone)]
pub struct ScriptedTransport(Script);

/// What a scripted server does with one request.
#[derive(Debug)]
pub struct ScriptedAnswer {
    answer: Answer,
    /// `None`: never.
    after: Option<Duration>,
}

#[derive(Debug)]
enum Answer {
    Response { status: u16, headers: Headers, body: Bytes },
    Ended(Box<FetchResponse>),
}

impl ScriptedAnswer {
    /// Answers with a status, fields and a body.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let headers = Headers::from_pairs(headers.iter().copied());
        let answer = Answer::Response { status, headers, body: body.into() };
        Self { answer, after: Some(Duration::ZERO) }
    }

    /// Ends the fetch without a response.
    pub fn failed(outcome: Outcome, phase: Phase, message: &str) -> Self {
        Self::of(FetchResponse::failed(outcome, phase, message))
    }

    /// Ends the fetch with this.
    pub fn of(response: FetchResponse) -> Self {
        Self { answer: Answer::Ended(Box::new(response)), after: Some(Duration::ZERO) }
    }

    /// Never answers: the fetch ends at its deadline.
    pub fn never() -> Self {
        Self {
            after: None,
            ..Self::failed(Outcome::Timeout, Phase::Ttfb, "the deadline passed without an answer")
        }
    }

    /// Answers after this long; a deadline that passes before ends the fetch.
    #[must_use]
    pub const fn after(mut self, wait: Duration) -> Self {
        self.after = Some(wait);
        self
    }
}

impl ScriptedTransport {
    /// Answers every request with what `script` makes of it; it runs on the thread that fetches.
    pub fn new(script: impl Fn(&FetchRequest) -> ScriptedAnswer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Arc::new(script)))
    }
}

impl TransportFactory for ScriptedTransport {
    fn open(&self) -> Rc<dyn Transport> {
        Rc::new(self.clone())
    }
}

impl Transport for ScriptedTransport {
    fn fetch(&self, request: FetchRequest) -> Fetching {
        let script = Arc::clone(&self.0);
        Box::pin(async move {
            let deadline = request.limits.deadline;
            let ScriptedAnswer { answer, after } = script(&request);
            let in_time = after.filter(|wait| *wait <= deadline);
            let wait = in_time.unwrap_or(deadline);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let mut response = match (in_time, answer) {
                (Some(_), Answer::Response { status, headers, body }) => {
                    FetchResponse::whole(&request.url, status, headers, body)
                }
                (Some(_), Answer::Ended(response)) => *response,
                (None, _) => {
                    let message = format!("the deadline of {deadline:?} passed");
                    FetchResponse::failed(Outcome::Timeout, Phase::Ttfb, message)
                }
            };
            response.phases.total = wait;
            response
        })
    }

    fn tick(&self) {}
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedTransport")
    }
}
