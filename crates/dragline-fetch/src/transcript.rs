//! Keeps what is learnt about one fetch while it runs, and lets the tap find it without being told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dragline_core::fetch::{FetchLimits, Method, Phase, Phases};
use tokio::time::Instant;

use crate::clock;
use crate::error::Fault;
use crate::head::FinalHead;
use crate::reaper::Socket;

/// What is known about one fetch.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) method: Method,
    pub(crate) limits: Arc<FetchLimits>,
    started: Instant,
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
    pub(crate) head: RefCell<Option<FinalHead>>,
    pub(crate) fault: Cell<Option<Fault>>,
    /// Whether the last byte of the body was seen.
    pub(crate) whole: Cell<bool>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Transcript>>> = const { RefCell::new(None) };
}

/// Runs `note` on the transcript of the fetch that is being polled on this thread.
pub(crate) fn current<T>(note: impl FnOnce(&Transcript) -> T) -> Option<T> {
    CURRENT.with_borrow(|current| current.as_deref().map(note))
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
    pub(crate) fn new(method: Method, limits: Arc<FetchLimits>) -> Self {
        let started = clock::now();
        Self {
            method,
            started,
            deadline: Cell::new(clock::after(started, limits.deadline)),
            limits,
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
            head: RefCell::default(),
            fault: Cell::default(),
            whole: Cell::default(),
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

    /// Returns when the limit of the present phase or the deadline passes; `None` while the clocks stand still.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (_, since) = self.phase.get();
        self.paused.get().is_none().then(|| self.deadline.get().min(clock::after(since, self.phase_limit())))
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

    /// Whether the deadline, not only the limit of a phase, has passed.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.get() <= clock::now()
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
        }
    }

    /// Notes the first write of a request on a connection.
    pub(crate) fn begin_request(&self, socket: &Rc<Socket>, reused: bool) {
        let now = clock::now();
        *self.socket.borrow_mut() = Some(Rc::clone(socket));
        self.reused.set(reused);
        self.written.set(Some(now));
        self.first_byte.set(None);
        self.enter_phase(Phase::Ttfb, now);
    }

    /// Notes the first byte of a head that may be the final one.
    pub(crate) fn note_first_byte(&self) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(clock::now()));
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
        self.reused.set(false);
        self.enter_phase(Phase::Queue, self.started);
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
