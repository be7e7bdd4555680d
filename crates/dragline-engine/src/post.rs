//! Sends messages between actors so that none is lost unseen and every mailbox is counted.

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Actor, Addr, Handler, MailboxError, Message};
use dragline_telemetry::{MailboxGauge, Telemetry};

/// The one address under which an actor is sent messages, with the count of its mailbox.
///
/// Credits bound what can be outstanding, and the mailbox is as large as their sum: a full mailbox is a bug of ours.
pub(crate) struct Post<A: Actor> {
    addr: Addr<A>,
    mailbox: Mailbox,
}

impl<A: Actor> Clone for Post<A> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), mailbox: self.mailbox.clone() }
    }
}

impl<A: Actor> Post<A> {
    pub(crate) const fn new(addr: Addr<A>, mailbox: Mailbox) -> Self {
        Self { addr, mailbox }
    }

    /// Sends a message; one to an actor that is gone is dropped, since its death is noticed and handled elsewhere.
    pub(crate) fn send<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        self.mailbox.sending();
        match self.addr.try_send(message) {
            Ok(()) => {}
            Err(SendError::Closed(_)) => self.mailbox.rejected(),
            Err(SendError::Full(_)) => {
                self.mailbox.rejected();
                tracing::error!(target: "dragline::actor", mailbox = ?self.mailbox, "mailbox full: a message was lost");
                debug_assert!(false, "credits bound what a mailbox holds");
            }
        }
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// When the actor is gone.
    ///
    /// # Cancel safety
    /// The actor may have taken the request when it is dropped.
    pub(crate) async fn ask<M>(&self, request: M) -> Result<M::Result, MailboxError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        self.mailbox.sending();
        let reply = self.addr.send(request).await;
        if reply.is_err() {
            self.mailbox.rejected();
        }
        reply
    }

    /// Whether the actor lives.
    pub(crate) fn connected(&self) -> bool {
        self.addr.connected()
    }

    /// Returns the address.
    pub(crate) const fn addr(&self) -> &Addr<A> {
        &self.addr
    }
}

/// The count of one actor's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(Option<MailboxGauge>);

impl Mailbox {
    /// Opens the mailbox of a new instance of a kind of actor.
    pub(crate) fn open(telemetry: &Telemetry, actor: &str, capacity: usize) -> Self {
        Self(telemetry.open_mailbox(actor, capacity))
    }

    /// Notes that the actor has begun to handle a message: the first thing every handler does.
    pub(crate) fn started(&self) {
        if let Some(gauge) = &self.0 {
            gauge.started();
        }
    }

    fn sending(&self) {
        if let Some(gauge) = &self.0 {
            gauge.sending();
        }
    }

    fn rejected(&self) {
        if let Some(gauge) = &self.0 {
            gauge.rejected();
        }
    }
}

impl<A: Actor> std::fmt::Debug for Post<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}
