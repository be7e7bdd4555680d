//! Keeps what is learnt about one fetch while it runs, and lets the tap find it without being told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::fetch::{Capture, FetchLimits, FetchRequest, Method, Phase, Phases};
use tokio::time::Instant;

use crate::clock;
use crate::dial::ConnInfo;
use crate::error::Fault;
use crate::head::FinalHead;
use crate::inbox::{Inbox, Tape};
use crate::reaper::Socket;

/// What is known about one fetch.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) method: Method,
    pub(crate) limits: Arc<FetchLimits>,
    started: Instant,
    /// The moment of the present poll.
    pub(crate) now: Cell<Instant>,
    deadline: Cell<Instant>,
    /// The phase, and the moment its limit counts from.
    phase: Cell<(Phase, Instant)>,
    /// When bytes credits began to be awaited; every clock stands still meanwhile.
    paused: Cell<Option<Instant>>,
    pub(crate) dns: Cell<Option<Duration>>,
    pub(crate) connect: Cell<Option<Duration>>,
    pub(crate) tls: Cell<Option<Duration>>,
    written: Cell<Option<Instant>>,
    first_byte: Cell<Option<Instant>>,
    pub(crate) received: Cell<u64>,
    pub(crate) sent: Cell<u64>,
    /// The connection of the present attempt, and whether it had served another request.
    pub(crate) socket: RefCell<Option<Rc<Socket>>>,
    pub(crate) reused: Cell<bool>,
    /// The proxy that the request goes through.
    pub(crate) proxy: RefCell<Option<Arc<str>>>,
    /// The connection of HTTP/2, which many fetches share.
    pub(crate) shared: RefCell<Option<Rc<ConnInfo>>>,
    pub(crate) head: RefCell<Option<FinalHead>>,
    pub(crate) fault: Cell<Option<Fault>>,
    /// Whether the last byte of the body was seen.
    pub(crate) whole: Cell<bool>,
    /// Where the body arrives.
    pub(crate) inbox: RefCell<Inbox>,
    /// What goes over the connection, when that is asked for.
    tape: Option<RefCell<Tape>>,
    pace: Cell<Pace>,
}

/// The stretch over which the rate is taken.
#[derive(Clone, Copy, Debug)]
struct Pace {
    since: Instant,
    /// Bytes received before it.
    received: u64,
    /// Whether the rate does not count yet.
    grace: bool,
}

/// The limit that ended a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// That of the whole fetch.
    Deadline,
    /// That of the phase it was in.
    Phase,
    /// The least rate.
    Rate,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Transcript>>> = const { RefCell::new(None) };
}

/// Runs `note` on the transcript of the fetch that is being polled on this thread.
pub(crate) fn current<T>(note: impl FnOnce(&Transcript) -> T) -> Option<T> {
    CURRENT.with_borrow(|current| current.as_deref().map(note))
}

/// Returns the transcript of the fetch that is being polled on this thread.
pub(crate) fn here() -> Option<Rc<Transcript>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Makes a transcript the current one until the guard is dropped.
pub(crate) struct Scope(Option<Rc<Transcript>>);

impl Scope {
    pub(crate) fn enter(transcript: &Rc<Transcript>) -> Self {
        Self(CURRENT.replace(Some(Rc::clone(transcript))))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        drop(CURRENT.replace(self.0.take()));
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        // A fetch that was dropped, or panicked, while its connection was in the pool already.
        if let Some(socket) = self.socket.take() {
            socket.release(clock::now());
        }
    }
}

impl Transcript {
    pub(crate) fn new(request: &FetchRequest) -> Self {
        let started = clock::now();
        Self {
            method: request.method,
            started,
            now: Cell::new(started),
            deadline: Cell::new(clock::after(started, request.limits.deadline)),
            limits: Arc::clone(&request.limits),
            phase: Cell::new((Phase::Queue, started)),
            paused: Cell::default(),
            dns: Cell::default(),
            connect: Cell::default(),
            tls: Cell::default(),
            written: Cell::default(),
            first_byte: Cell::default(),
            received: Cell::default(),
            sent: Cell::default(),
            socket: RefCell::default(),
            reused: Cell::default(),
            proxy: RefCell::default(),
            shared: RefCell::default(),
            head: RefCell::default(),
            fault: Cell::default(),
            whole: Cell::default(),
            inbox: RefCell::default(),
            tape: request.capture.then(RefCell::default),
            pace: Cell::new(Pace { since: started, received: 0, grace: true }),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get().0
    }

    pub(crate) fn enter_phase(&self, phase: Phase, now: Instant) {
        self.phase.set((phase, now));
    }

    /// Goes on from connecting to TLS, which share one limit.
    pub(crate) fn enter_tls(&self) {
        self.phase.set((Phase::Tls, self.phase.get().1));
    }

    /// Returns when something is to be looked at: the limit of the present phase, the deadline, or the rate; `None`
    /// while the clocks stand still.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.paused.get().is_some() {
            return None;
        }
        let (phase, since) = self.phase.get();
        let due = self.deadline.get().min(clock::after(since, self.phase_limit()));
        Some(if self.is_rated(phase) { due.min(self.rate_due()) } else { due })
    }

    /// Returns the limit that has passed, if one has. A stretch with a good rate gives way to the next.
    pub(crate) fn passed(&self, now: Instant) -> Option<Passed> {
        let (phase, since) = self.phase.get();
        if self.deadline.get() <= now {
            return Some(Passed::Deadline);
        }
        if clock::after(since, self.phase_limit()) <= now {
            return Some(Passed::Phase);
        }
        if self.is_rated(phase) && self.rate_due() <= now {
            let pace = self.pace.get();
            let least = self.limits.rate_min.saturating_mul(FetchLimits::RATE_WINDOW.as_secs());
            if !pace.grace && self.received.get() - pace.received < least {
                return Some(Passed::Rate);
            }
            self.pace.set(Pace { since: now, received: self.received.get(), grace: false });
        }
        None
    }

    fn is_rated(&self, phase: Phase) -> bool {
        phase == Phase::Body && self.limits.rate_min > 0
    }

    fn rate_due(&self) -> Instant {
        let Pace { since, grace, .. } = self.pace.get();
        since + if grace { FetchLimits::RATE_GRACE } else { FetchLimits::RATE_WINDOW }
    }

    /// Returns the limit of the present phase.
    pub(crate) fn phase_limit(&self) -> Duration {
        match self.phase() {
            Phase::Queue => self.limits.deadline,
            Phase::Dns => self.limits.dns_timeout,
            Phase::Connect | Phase::Tls => self.limits.connect_timeout,
            Phase::Ttfb => self.limits.first_byte_timeout,
            Phase::Body => self.limits.idle_body_timeout,
        }
    }

    /// Stops every clock.
    pub(crate) fn pause(&self) {
        self.paused.set(Some(clock::now()));
    }

    /// Lets the clocks run again where they stood.
    pub(crate) fn resume(&self) {
        if let Some(since) = self.paused.take() {
            let waited = clock::now() - since;
            let (phase, phase_since) = self.phase.get();
            self.deadline.set(self.deadline.get() + waited);
            self.phase.set((phase, phase_since + waited));
            let pace = self.pace.get();
            self.pace.set(Pace { since: pace.since + waited, ..pace });
        }
    }

    /// Notes the first write of a request on a connection.
    pub(crate) fn begin_request(&self, socket: &Rc<Socket>, reused: bool) {
        let now = self.now.get();
        *self.socket.borrow_mut() = Some(Rc::clone(socket));
        self.reused.set(reused);
        self.written.set(Some(now));
        self.first_byte.set(None);
        self.enter_phase(Phase::Ttfb, now);
    }

    /// Notes a request written to a stream of HTTP/2, whose connection has no socket of its own.
    pub(crate) fn begin_stream(&self, reused: bool) {
        let now = clock::now();
        self.reused.set(reused);
        self.written.set(Some(now));
        self.first_byte.set(None);
        self.enter_phase(Phase::Ttfb, now);
    }

    /// Notes bytes that were sent. A request that is long on its way does not use up the time of its answer.
    pub(crate) fn note_sent(&self, bytes: &[u8]) {
        let sent = self.sent.replace(self.sent.get() + bytes.len() as u64);
        if sent > 0 && self.phase() == Phase::Ttfb {
            self.enter_phase(Phase::Ttfb, self.now.get());
        }
        if let Some(tape) = &self.tape {
            tape.borrow_mut().sent.extend_from_slice(bytes);
        }
    }

    /// Notes bytes that the proxy alone is told; they are no part of a capture.
    pub(crate) fn note_sent_to_proxy(&self, count: usize) {
        self.sent.set(self.sent.get() + count as u64);
    }

    /// Notes bytes that were received.
    pub(crate) fn note_received(&self, bytes: &[u8]) {
        self.received.set(self.received.get() + bytes.len() as u64);
        if let Some(tape) = &self.tape {
            tape.borrow_mut().received.extend_from_slice(bytes);
        }
    }

    /// Notes the first byte of a head that may be the final one.
    pub(crate) fn note_first_byte(&self) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(self.now.get()));
        }
    }

    /// Takes that note back: the head was an interim one.
    pub(crate) fn forget_first_byte(&self) {
        self.first_byte.set(None);
    }

    /// Notes the final head.
    pub(crate) fn note_head(&self, head: FinalHead) {
        let since = self.first_byte.get().unwrap_or(self.started);
        self.enter_phase(Phase::Body, since);
        self.pace.set(Pace { since, received: self.received.get(), grace: true });
        *self.head.borrow_mut() = Some(head);
    }

    /// Whether any byte of a response arrived on the present connection.
    pub(crate) fn has_answer(&self) -> bool {
        self.first_byte.get().is_some()
    }

    /// Forgets the present connection: the request is sent once more on another.
    pub(crate) fn restart(&self) {
        if let Some(socket) = self.socket.borrow_mut().take() {
            socket.release(clock::now());
        }
        self.written.set(None);
        self.first_byte.set(None);
        self.reused.set(false);
        drop(self.shared.take());
        self.whole.set(false);
        self.fault.set(None);
        drop(self.head.take());
        if let Some(tape) = &self.tape {
            *tape.borrow_mut() = Tape::default();
        }
        self.enter_phase(Phase::Queue, self.started);
    }

    /// Returns what is known of the connection.
    pub(crate) fn connection(&self) -> Option<Rc<ConnInfo>> {
        let shared = self.shared.borrow().clone();
        shared.or_else(|| self.socket.borrow().as_ref().map(|socket| Rc::clone(&socket.info)))
    }

    /// Takes what was captured.
    pub(crate) fn capture(&self) -> Option<Box<Capture>> {
        let tape = self.tape.as_ref()?.take();
        Some(Box::new(Capture { request: tape.sent.freeze(), response: tape.received.freeze() }))
    }

    /// Ends the fetch: the connection is idle from now on, and the timings are final.
    pub(crate) fn finish(&self) -> Phases {
        let now = clock::now();
        if let Some(socket) = self.socket.borrow_mut().take() {
            socket.release(now);
        }
        let ttfb = self.written.get().zip(self.first_byte.get()).map(|(from, to)| to - from);
        let has_head = self.phase() == Phase::Body;
        Phases {
            dns: self.dns.get(),
            connect: self.connect.get(),
            tls: self.tls.get(),
            ttfb,
            body: self.first_byte.get().filter(|_| has_head).map(|first| now - first),
            total: now - self.started,
        }
    }
}

#[cfg(test)]
mod tests {
    use dragline_core::CanonicalUrl;

    use super::*;
    use crate::head::Framing;

    /// Runs a body that brings `bytes` each second; returns in which second which limit passed.
    async fn run(rate_min: u64, bytes: u64, seconds: u64) -> Option<(u64, Passed)> {
        let limits = FetchLimits { rate_min, deadline: Duration::from_secs(600), ..FetchLimits::default() };
        let url = CanonicalUrl::parse("http://a.org/").unwrap();
        let transcript = Transcript::new(&FetchRequest::get(url, Arc::new(limits)));
        transcript.note_first_byte();
        transcript.note_head(FinalHead {
            status: 200,
            headers: dragline_core::Headers::default(),
            framing: Framing::UntilClose,
            keep_alive: false,
            coded: false,
        });
        for second in 1..=seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            transcript.received.set(transcript.received.get() + bytes);
            transcript.enter_phase(Phase::Body, clock::now());
            if transcript.due().is_some_and(|due| due <= clock::now())
                && let Some(passed) = transcript.passed(clock::now())
            {
                return Some((second, passed));
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_ends_after_the_first_slow_stretch() {
        assert_eq!(run(100, 99, 120).await, Some((30, Passed::Rate)));
        assert_eq!(run(100, 100, 120).await, None);
        assert_eq!(run(0, 1, 120).await, None);
        assert_eq!(run(1, 1, 700).await, Some((600, Passed::Deadline)));
    }
}
