//! Carries out one request by the protocol its host speaks, as often as a dead connection or a challenge of the server asks for.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_http::header::HeaderMap;
use awc::ClientResponse;
use awc::error::{ConnectError, SendRequestError};
use dragline_core::fetch::{FetchRequest, FetchResponse, HttpVersion, Phase};
use dragline_core::outcome::Outcome;
use futures_core::Stream;

use crate::awc_transport::Lane;
use crate::body::{self, More, Source};
use crate::clock;
use crate::dial::Target;
use crate::error::{DialError, ProxyFault, Reply, dial_error};
use crate::head::Framing;
use crate::http2::{self, SendError, Sent};
use crate::request;
use crate::route::Route;
use crate::transcript::Transcript;
use crate::verdict::{Ended, Judged, timed_out, with_body};
use crate::watch::watched;

/// Carries out a request, whose clocks run since its transcript was made.
///
/// # Cancel safety
/// Dropping the future closes the connection and gives back the credits.
pub(crate) async fn run(lane: Rc<Lane>, request: FetchRequest, transcript: Rc<Transcript>) -> FetchResponse {
    let work = pin!(carry_out(&lane, &request, &transcript));
    let ended = match watched(&transcript, work).await {
        Ok(ended) => ended,
        Err((passed, phase)) => timed_out(&transcript, &request, passed, phase),
    };
    let connection = transcript.connection();
    let http2 = connection.as_ref().is_some_and(|info| info.http2);
    let phases = transcript.finish();
    let (status, headers) = match transcript.head.take() {
        Some(head) => (Some(head.status), head.headers),
        None => (None, dragline_core::Headers::default()),
    };
    FetchResponse {
        outcome: ended.outcome,
        status,
        headers,
        body: ended.body,
        body_wire_bytes: ended.wire,
        received_bytes: transcript.received.get(),
        sent_bytes: transcript.sent.get(),
        phases,
        peer: connection.as_ref().map(|info| info.peer),
        reused: transcript.reused.get(),
        version: if http2 { HttpVersion::Http2 } else { HttpVersion::Http1 },
        tls: connection.as_ref().and_then(|info| info.tls.clone()),
        proxy: transcript.proxy.take(),
        capture: transcript.capture().filter(|_| !http2),
        error: ended.error,
        hold: ended.hold,
    }
}

/// A response whose head has come.
struct Answer {
    source: AnySource,
    /// The `Authorization` that the request carried.
    authorization: Option<String>,
    /// The way that the request took.
    route: Route,
}

/// Gets an answer, once more when the server asks who is there, and reads it.
async fn carry_out(lane: &Lane, request: &FetchRequest, transcript: &Transcript) -> Ended {
    let mut may_prove = true;
    loop {
        let Answer { source, authorization, route } = match answer(lane, request, transcript).await {
            Ok(answer) => answer,
            Err(ended) => return ended,
        };
        if let Some(ended) = refused_by_proxy(transcript) {
            lane.routes().report(route, true);
            return ended;
        }
        let Some(heard) = Heard::of(transcript, request, authorization.as_deref()) else {
            return Ended::failed(Outcome::ProtocolError, Phase::Ttfb, "no response head was seen");
        };
        if heard.asks_who && std::mem::take(&mut may_prove) {
            body::drain(source, heard.framing, transcript).await;
            transcript.restart();
            continue;
        }
        return match heard.judged {
            Judged::Read(plan, outcome) => {
                let body = match plan {
                    Ok(plan) => body::read(source, plan, transcript, &lane.budget).await,
                    Err(body) => body,
                };
                with_body(body, outcome)
            }
            Judged::Moved(end, framing) => {
                let wire = body::drain(source, framing, transcript).await;
                Ended { wire, ..end }
            }
        };
    }
}

/// Looks whether the answer is that of a proxy, which was sent the request itself, to our credentials.
fn refused_by_proxy(transcript: &Transcript) -> Option<Ended> {
    let socket = transcript.socket.borrow();
    let info = &socket.as_ref()?.info;
    let status = transcript.head.borrow().as_ref()?.status;
    info.absolute.as_ref().filter(|_| status == 407)?;
    let fault = DialError::Proxy(transcript.proxy.borrow().clone()?, ProxyFault::Auth(Reply::Status(status)));
    Some(Ended::failed(Outcome::ProxyError, Phase::Ttfb, fault.to_string()))
}

/// What a response head says.
struct Heard {
    judged: Judged,
    framing: Framing,
    /// Whether the request is worth sending again with an answer to the server's challenge.
    asks_who: bool,
}

impl Heard {
    /// Reads the head, and keeps its cookies and challenges.
    fn of(transcript: &Transcript, request: &FetchRequest, authorization: Option<&str>) -> Option<Self> {
        let head = transcript.head.borrow();
        let head = head.as_ref()?;
        if let Some(jar) = &request.cookies {
            jar.store(&request.url, &head.headers, clock::wall());
        }
        let asks_who = head.status == 401
            && request
                .keyring
                .as_ref()
                .is_some_and(|keyring| keyring.learn(&request.url, authorization, &head.headers));
        Some(Self { judged: Judged::new(head, request), framing: head.framing, asks_who })
    }
}

/// Sends the request by the protocol that its host speaks, and waits for the head of the response.
async fn answer(lane: &Lane, request: &FetchRequest, transcript: &Transcript) -> Result<Answer, Ended> {
    let routes = lane.routes();
    let url = &request.url;
    let of_host = routes.rule(url).map_or(&[][..], |rule| &rule.headers);
    let route = choose(lane, request, transcript);
    let target = Target { host: url.host(), port: url.port(), route };
    if route.http2 && !lane.http2.is_http1(&target) {
        // In a box, so that fetches without it are not larger for it.
        let asking = Box::pin(answer_of_http2(lane, request, target, of_host, transcript));
        if let Some(answer) = asking.await? {
            return Ok(answer);
        }
    }
    // By now the host is known not to speak HTTP/2: its connections are those of whoever does not ask for it.
    let route = Route { http2: false, ..route };
    answer_of_awc(lane, request, route, of_host, transcript).await
}

/// Chooses the way to the host, and notes the proxy on it.
fn choose(lane: &Lane, request: &FetchRequest, transcript: &Transcript) -> Route {
    let route = lane.routes().choose(&request.url, request.certificates);
    if let Some(proxy) = route.proxy.and_then(|index| lane.routes().proxy(index)) {
        *transcript.proxy.borrow_mut() = Some(Arc::clone(&proxy.name));
    }
    route
}

/// Sends the request over HTTP/2; `None` when the host turns out not to speak it.
async fn answer_of_http2(
    lane: &Lane,
    request: &FetchRequest,
    target: Target<'_>,
    of_host: &[(Box<str>, Box<str>)],
    transcript: &Transcript,
) -> Result<Option<Answer>, Ended> {
    let mut headers = HeaderMap::new();
    let fielded = request::fields(&mut headers, &lane.fields, of_host, request).map_err(unsendable)?;
    let authorization = fielded.authorization;
    let fields = headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let built = http2::Request::new(request.method, &request.url, fields, &request.body).map_err(not_sent)?;
    match lane.http2.send(target, built, transcript).await.map_err(not_sent)? {
        Sent::Answer { body, info, reused } => {
            transcript.reused.set(reused);
            *transcript.shared.borrow_mut() = Some(info);
            Ok(Some(Answer { source: AnySource::Http2(body), authorization, route: target.route }))
        }
        Sent::Http1 => Ok(None),
    }
}

/// Sends the request through awc, once more when a kept connection turned out dead.
async fn answer_of_awc(
    lane: &Lane,
    request: &FetchRequest,
    mut route: Route,
    of_host: &[(Box<str>, Box<str>)],
    transcript: &Transcript,
) -> Result<Answer, Ended> {
    let mut may_repeat = request.method.is_idempotent();
    loop {
        let built = request::build(&lane.client(), route, &lane.fields, of_host, request);
        let (built, authorization) = built.map_err(unsendable)?;
        match built.send().await {
            Ok(response) => {
                let source = AnySource::Awc(AwcSource(response));
                return Ok(Answer { source, authorization, route });
            }
            Err(error) => {
                // The server closed while the request was on its way: without a byte of an answer it was most likely
                // not served, and an idempotent one may be repeated in any case (RFC 9110 section 9.2.2).
                let dead = transcript.reused.get() && !transcript.has_answer();
                if !(dead && std::mem::take(&mut may_repeat)) {
                    return Err(not_answered(transcript, &error));
                }
                lane.forget_idle(transcript.socket.borrow().as_ref().map(|socket| socket.info.peer));
                transcript.restart();
                route = Route { http2: false, ..choose(lane, request, transcript) };
            }
        }
    }
}

fn unsendable(message: String) -> Ended {
    Ended::failed(Outcome::InvalidUrl, Phase::Queue, message)
}

fn not_sent(error: SendError) -> Ended {
    Ended::failed(error.outcome, error.phase, error.message)
}

/// A body by either protocol.
enum AnySource {
    Awc(AwcSource),
    Http2(http2::Body),
}

impl Source for AnySource {
    fn poll_more(&mut self, cx: &mut Context<'_>, transcript: &Transcript) -> Poll<More> {
        match self {
            Self::Awc(source) => source.poll_more(cx, transcript),
            Self::Http2(source) => source.poll_more(cx, transcript),
        }
    }
}

/// A body that the tap puts into the inbox while awc waits for the byte that stands for it.
struct AwcSource(ClientResponse);

impl Source for AwcSource {
    fn poll_more(&mut self, cx: &mut Context<'_>, transcript: &Transcript) -> Poll<More> {
        loop {
            match Pin::new(&mut self.0).poll_next(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_))) => return Poll::Ready(More::Broken(None)),
                Poll::Ready(None) => return Poll::Ready(More::End),
                Poll::Pending if transcript.inbox.borrow().has_news() => return Poll::Ready(More::News),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Puts an error of awc in our words; dialler and tap know better than awc what it was.
fn not_answered(transcript: &Transcript, error: &SendRequestError) -> Ended {
    if let Some(fault) = transcript.fault.get() {
        return Ended::failed(fault.outcome(), transcript.phase(), fault.message());
    }
    if let Some(dial) = dial_error(error) {
        let (outcome, phase) = dial.outcome();
        return Ended::failed(outcome, phase, dial.to_string());
    }
    match error {
        SendRequestError::Url(_) | SendRequestError::Http(_) => {
            Ended::failed(Outcome::InvalidUrl, Phase::Queue, error.to_string())
        }
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => {
            Ended::failed(Outcome::Timeout, transcript.phase(), "awc gave up waiting")
        }
        _ => {
            let message = "the connection ended before the response head";
            Ended::failed(Outcome::Incomplete, transcript.phase(), message)
        }
    }
}
