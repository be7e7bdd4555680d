//! Counts the messages in an actor's mailbox, which actix itself does not tell.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::IntCounter;

use crate::handles::{ActorMetrics, saturated};
use crate::register::{LabelId, Named};

/// Counts what goes into and out of one mailbox; clones count the same one.
///
/// The sender calls [`sending`](Self::sending) **before** it sends, so that the count is never below zero, and
/// [`rejected`](Self::rejected) when the send failed; the actor calls [`started`](Self::started) as the first thing
/// of each handler. Whoever owns the actor calls [`close`](Self::close) when it has died: what was left in its
/// mailbox is then no longer counted. Each call is one or two relaxed atomic steps.
#[derive(Clone, Debug)]
pub struct MailboxGauge {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    waiting: AtomicI64,
    capacity: u64,
    closed: AtomicBool,
    messages: IntCounter,
    rejected: IntCounter,
}

impl MailboxGauge {
    /// Counts a message that is about to be sent.
    pub fn sending(&self) {
        self.inner.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes back a message that the mailbox refused, full or closed.
    pub fn rejected(&self) {
        self.inner.waiting.fetch_sub(1, Ordering::Relaxed);
        self.inner.rejected.inc();
    }

    /// Counts a message that the actor has begun to handle.
    pub fn started(&self) {
        self.inner.waiting.fetch_sub(1, Ordering::Relaxed);
        self.inner.messages.inc();
    }

    /// Returns how many messages wait.
    pub fn waiting(&self) -> u64 {
        u64::try_from(self.inner.waiting.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// Ends the instance: neither its messages nor its capacity are counted any more. May be called again.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::Relaxed);
    }
}

/// Every mailbox that is open, with the actor it belongs to.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    open: Mutex<Vec<(LabelId, Arc<Inner>)>>,
}

impl Mailboxes {
    /// Opens the mailbox of one new instance.
    pub(crate) fn open(&self, actor: LabelId, metrics: &ActorMetrics, capacity: u64) -> MailboxGauge {
        let inner = Arc::new(Inner {
            waiting: AtomicI64::new(0),
            capacity,
            closed: AtomicBool::new(false),
            messages: metrics.messages.clone(),
            rejected: metrics.rejected.clone(),
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push((actor, Arc::clone(&inner)));
        MailboxGauge { inner }
    }

    /// Sets the gauges of every actor; forgets mailboxes that were closed or that nobody holds any more.
    pub(crate) fn sample(&self, actors: &Named<ActorMetrics>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, inner)| !inner.closed.load(Ordering::Relaxed) && Arc::strong_count(inner) > 1);
        for (id, _, metrics) in actors.iter() {
            let (mut messages, mut capacity, mut instances) = (0_i64, 0_u64, 0_i64);
            for (_, inner) in open.iter().filter(|(actor, _)| *actor == id) {
                messages = messages.saturating_add(inner.waiting.load(Ordering::Relaxed).max(0));
                capacity = capacity.saturating_add(inner.capacity);
                instances += 1;
            }
            metrics.mailbox_messages.set(messages);
            metrics.mailbox_capacity.set(saturated(capacity));
            metrics.instances.set(instances);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::register::Registrar;

    #[test]
    fn a_mailbox_is_counted_until_it_is_closed_or_dropped() {
        let registry = Registry::new();
        let actors = ActorMetrics::named(Registrar(&registry), &["fetcher".to_owned()]).unwrap();
        let mailboxes = Mailboxes::default();
        let id = actors.id("fetcher").unwrap();
        let metrics = actors.get(id).unwrap();
        let check = |messages, capacity, instances| {
            mailboxes.sample(&actors);
            let gauges = [&metrics.mailbox_messages, &metrics.mailbox_capacity, &metrics.instances];
            assert_eq!(gauges.map(|gauge| gauge.get()), [messages, capacity, instances]);
        };
        check(0, 0, 0);
        let first = mailboxes.open(id, metrics, 10);
        let second = mailboxes.open(id, metrics, 5);
        for _ in 0..3 {
            first.sending();
            second.sending();
        }
        first.started();
        second.rejected();
        check(4, 15, 2);
        assert_eq!((metrics.messages.get(), metrics.rejected.get(), first.waiting()), (1, 1, 2));
        first.close();
        first.sending();
        check(2, 5, 1);
        drop(second);
        check(0, 0, 0);
    }
}
