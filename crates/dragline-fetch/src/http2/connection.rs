//! Keeps one HTTP/2 connection: its task, how many streams it serves, and whether it may serve another.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dragline_core::fetch::{FetchLimits, Phase};
use dragline_core::outcome::Outcome;
use h2::client::{Builder, SendRequest};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::failure::{SendError, clipped, words_of};
use super::head;
use super::task;
use super::wire::{Tally, Vitals, Wire};
use crate::clock;
use crate::dial::{ConnInfo, Dialed};

/// What a server may send of one response, and of all together, before we read it.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// How long a connection that nobody wants has for its goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
/// A connection on which nothing came for so long while a response was awaited, in vain, serves no more.
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// A connection and the means to open streams on it; it says goodbye when the last one who holds it is gone.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    pub(super) info: Rc<ConnInfo>,
    pub(super) vitals: Rc<Vitals>,
    pub(super) opened: Instant,
    streams: Cell<usize>,
    idle_since: Cell<Instant>,
    retired: Cell<bool>,
    #[expect(dead_code, reason = "held only to be dropped: the task sees that nobody wants the connection")]
    wanted: oneshot::Sender<Infallible>,
}

impl Connection {
    /// Begins to speak HTTP/2 on a fresh connection.
    ///
    /// # Errors
    /// When the connection breaks at the first words.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(super) async fn start(
        dialed: Dialed,
        limits: &FetchLimits,
        tally: &Rc<Tally>,
    ) -> Result<Rc<Self>, SendError> {
        let opened = clock::now();
        let vitals = Rc::new(Vitals::new(tally, opened));
        let wire = Wire::new(dialed.io, &vitals);
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(head::list_bytes_max(limits))
            // Until the server says how many streams it takes, one; then none is refused for being too many.
            .initial_max_send_streams(1)
            .handshake::<_, Bytes>(wire)
            .await
            .map_err(|error| SendError {
                outcome: Outcome::ConnectError,
                phase: Phase::Connect,
                message: format!(
                    "the connection broke at the start of http/2: {}",
                    clipped(&error.to_string())
                ),
            })?;
        let (wanted, unwanted) = oneshot::channel();
        task::run(drive(connection, unwanted, Rc::clone(&vitals)));
        Ok(Rc::new(Self {
            sender,
            info: dialed.info,
            vitals,
            opened,
            streams: Cell::new(0),
            idle_since: Cell::new(opened),
            retired: Cell::new(false),
            wanted,
        }))
    }

    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Lets no other request begin on this connection; those under way go on.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    /// Whether another request may begin.
    pub(super) fn is_usable(&self) -> bool {
        !self.retired.get() && self.vitals.ended.borrow().is_none()
    }

    /// Returns since when no stream is open; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }
}

/// Does the work of a connection until it ends, or nobody wants it any more.
async fn drive(
    connection: h2::client::Connection<Wire, Bytes>,
    unwanted: oneshot::Receiver<Infallible>,
    vitals: Rc<Vitals>,
) {
    let mut connection = pin!(connection);
    let mut unwanted = pin!(unwanted);
    let mut goodbye: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let result = std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if goodbye.is_none() && unwanted.as_mut().poll(cx).is_ready() {
            goodbye = Some(Box::pin(tokio::time::sleep(GOODBYE_MAX)));
        }
        match &mut goodbye {
            Some(timer) => {
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    })
    .await;
    *vitals.ended.borrow_mut() = Some(result.err().and_then(|error| words_of(&error)));
}

/// One stream of a connection, from its request to its last byte.
#[derive(Debug)]
pub(super) struct StreamGuard {
    pub(super) connection: Rc<Connection>,
    id: u32,
    since: Instant,
    ended: bool,
}

impl StreamGuard {
    pub(super) fn open(connection: &Rc<Connection>, id: u32) -> Self {
        connection.vitals.frames.borrow_mut().open(id);
        if connection.streams.replace(connection.streams.get() + 1) == 0 {
            let busy = &connection.vitals.tally.busy;
            busy.set(busy.get() + 1);
        }
        Self { connection: Rc::clone(connection), id, since: clock::now(), ended: false }
    }

    pub(super) fn vitals(&self) -> &Vitals {
        &self.connection.vitals
    }

    pub(super) fn seen(&self) -> super::frames::Seen {
        self.vitals().frames.borrow().seen(self.id)
    }

    /// Notes that the stream ended as it should, or with an error that was told.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// Notes that the request is on its way from now on.
    pub(super) fn begin(&mut self) {
        self.since = clock::now();
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.vitals.frames.borrow_mut().close(self.id);
        let now = clock::now();
        // A request was given up while not one byte came: the way may be dead, and the next one must not wait for it.
        let heard = connection.vitals.heard.get().max(self.since);
        if !self.ended && now.saturating_duration_since(heard) >= SILENCE_MAX {
            connection.retire();
        }
        connection.streams.set(connection.streams.get() - 1);
        if connection.streams.get() == 0 {
            connection.idle_since.set(now);
            let busy = &connection.vitals.tally.busy;
            busy.set(busy.get() - 1);
        }
    }
}
