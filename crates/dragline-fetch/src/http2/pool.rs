//! Finds the one connection of an origin for a request, dials it when there is none, and repeats what was not served.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use dragline_core::fetch::Phase;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::body::Body;
use super::connection::Connection;
use super::exchange::exchange;
use super::failure::{Failure, Repeat, SendError};
use super::known::{Http1Origins, Key};
use super::request::Request;
use super::stash::Stash;
use super::wire::Tally;
use crate::clock;
use crate::dial::{ConnInfo, Dialer, Target};
use crate::transcript::Transcript;
use crate::transport::ConnectionCounts;

/// How long a connection without streams is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a connection takes new requests at all.
const LIFETIME: Duration = Duration::from_secs(600);
/// Connections kept without streams.
const IDLE_MAX: usize = 1_024;
/// How often a request is sent again because the server did not process it, or its connection died.
const REPEATS_MAX: u32 = 2;

/// The HTTP/2 connections of one transport.
#[derive(Debug)]
pub(crate) struct Pool {
    dialer: Rc<Dialer>,
    slots: RefCell<BTreeMap<Key, Rc<Slot>>>,
    http1: RefCell<Http1Origins>,
    stash: Rc<Stash>,
    tally: Rc<Tally>,
}

/// The place of one origin's connection.
#[derive(Debug, Default)]
struct Slot {
    connection: RefCell<Option<Rc<Connection>>>,
    /// Held by the one request that dials.
    dialling: Mutex<()>,
}

/// What became of a request that was sent.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The head of the response is in the transcript.
    Answer {
        /// The content.
        body: Body,
        /// The connection.
        info: Rc<ConnInfo>,
        /// Whether the connection was there already.
        reused: bool,
    },
    /// The server speaks HTTP/1.1; nothing was served. A connection may wait in the [`Stash`].
    Http1,
}

/// A connection for a request, and whether it was there already.
struct Found {
    connection: Rc<Connection>,
    reused: bool,
}

/// How often a request was sent again, and why.
#[derive(Debug, Default)]
struct Repeats {
    all: u32,
    refused: bool,
    lost: bool,
}

impl Repeats {
    /// Whether a request may be sent again after a failure on a connection that was there already, or not.
    fn allow(&mut self, failure: &Failure, reused: bool, request: &Request<'_>) -> bool {
        let allowed = self.all < REPEATS_MAX
            && match failure.repeat {
                Repeat::Unprocessed => true,
                Repeat::Refused => !std::mem::replace(&mut self.refused, true),
                Repeat::Lost => {
                    reused && request.method.is_idempotent() && !std::mem::replace(&mut self.lost, true)
                }
                Repeat::Http1 | Repeat::Never => false,
            };
        self.all += u32::from(allowed);
        allowed
    }
}

impl Slot {
    fn usable(&self) -> Option<Found> {
        let connection = self.connection.borrow();
        let connection = connection.as_ref().filter(|connection| connection.is_usable())?;
        Some(Found { connection: Rc::clone(connection), reused: true })
    }
}

impl Pool {
    pub(crate) fn new(dialer: Rc<Dialer>) -> Self {
        Self {
            dialer,
            slots: RefCell::default(),
            http1: RefCell::default(),
            stash: Rc::default(),
            tally: Rc::default(),
        }
    }

    /// Returns where connections wait on which the server chose HTTP/1.1.
    pub(crate) const fn stash(&self) -> &Rc<Stash> {
        &self.stash
    }

    /// Whether this origin is known to speak HTTP/1.1 only: then there is no need to ask.
    pub(crate) fn is_http1(&self, target: &Target<'_>) -> bool {
        self.http1.borrow().knows(&Key::of(target), clock::now())
    }

    /// Sends a request on the connection of its origin and route, dialling one when there is none.
    ///
    /// The route must offer HTTP/2. Phases, timings, head and bytes are noted in the transcript.
    ///
    /// # Errors
    /// Why there is no response.
    ///
    /// # Cancel safety
    /// Dropping the future resets its stream, or lets the next one dial; nothing else is disturbed.
    pub(crate) async fn send(
        &self,
        target: Target<'_>,
        request: Request<'_>,
        transcript: &Transcript,
    ) -> Result<Sent, SendError> {
        let key = Key::of(&target);
        let mut repeats = Repeats::default();
        loop {
            let Some(Found { connection, reused }) = self.connection(&key, target, transcript).await? else {
                return Ok(Sent::Http1);
            };
            let failure = match exchange(&connection, reused, &request, transcript).await {
                Ok(body) => {
                    if reused {
                        self.tally.reused.set(self.tally.reused.get() + 1);
                    }
                    return Ok(Sent::Answer { body, info: Rc::clone(&connection.info), reused });
                }
                Err(failure) => failure,
            };
            if failure.retires {
                connection.retire();
            }
            if failure.repeat == Repeat::Http1 {
                self.http1.borrow_mut().remember(key, clock::now());
                transcript.restart();
                return Ok(Sent::Http1);
            }
            if !repeats.allow(&failure, reused, &request) {
                let Failure { outcome, message, .. } = failure;
                return Err(SendError { outcome, phase: transcript.phase(), message });
            }
            transcript.restart();
        }
    }

    /// Returns the connection of an origin; one request dials while the others wait. `None` when it speaks HTTP/1.1.
    async fn connection(
        &self,
        key: &Key,
        target: Target<'_>,
        transcript: &Transcript,
    ) -> Result<Option<Found>, SendError> {
        let slot = Rc::clone(self.slots.borrow_mut().entry(key.clone()).or_default());
        if let Some(found) = slot.usable() {
            return Ok(Some(found));
        }
        transcript.enter_phase(Phase::Connect, clock::now());
        let _turn = slot.dialling.lock().await;
        if let Some(found) = slot.usable() {
            return Ok(Some(found));
        }
        if self.http1.borrow().knows(key, clock::now()) {
            return Ok(None);
        }
        let dialed = self.dialer.dial(target).await.map_err(|error| {
            let (outcome, phase) = error.outcome();
            SendError { outcome, phase, message: error.to_string() }
        })?;
        let now = clock::now();
        if !dialed.info.http2 {
            self.http1.borrow_mut().remember(key.clone(), now);
            self.stash.put(&target, dialed, now);
            return Ok(None);
        }
        let connection = Connection::start(dialed, &transcript.limits, &self.tally).await?;
        slot.connection.replace(Some(Rc::clone(&connection)));
        Ok(Some(Found { connection, reused: false }))
    }

    /// Closes what was idle for long or is too old, and forgets what died; called about once a second.
    pub(crate) fn tick(&self, now: Instant) {
        self.stash.sweep(now);
        self.http1.borrow_mut().forget_old(now);
        let mut idle = Vec::new();
        self.slots.borrow_mut().retain(|key, slot| {
            let mut held = slot.connection.borrow_mut();
            let keeps = held.as_ref().is_some_and(|connection| {
                let since = connection.idle_since();
                let idle_for = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                let age = now.saturating_duration_since(connection.opened);
                idle.extend(since.map(|since| (since, key.clone())));
                connection.is_usable() && idle_for <= KEEP_ALIVE && age <= LIFETIME
            });
            if !keeps {
                drop(held.take());
            }
            keeps || Rc::strong_count(slot) > 1
        });
        if let Some(over) = idle.len().checked_sub(IDLE_MAX) {
            idle.sort_unstable();
            for (_, key) in idle.into_iter().take(over) {
                self.slots.borrow_mut().remove(&key);
            }
        }
    }

    /// Returns the connections of this pool, as of now; those that wait in the stash are idle ones.
    pub(crate) fn counts(&self) -> ConnectionCounts {
        let busy = self.tally.busy.get();
        ConnectionCounts {
            busy,
            idle: self.tally.open.get().saturating_sub(busy) + self.stash.len(),
            opened_new: self.tally.opened.get(),
            reused: self.tally.reused.get(),
        }
    }
}
