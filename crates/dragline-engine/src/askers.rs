//! Keeps the way back to each session that asks, with the credit of its ask until that has ended.

use std::collections::BTreeMap;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::desk::{AskId, Reply};

/// Every ask that has not ended; never more than the credits of sessions.
#[derive(Debug, Default)]
pub(crate) struct Askers(BTreeMap<AskId, Asker>);

#[derive(Debug)]
struct Asker {
    /// Gone once it was used.
    reply: Option<oneshot::Sender<Reply>>,
    _credit: OwnedSemaphorePermit,
}

impl Askers {
    /// Takes note of an ask.
    pub(crate) fn ask(&mut self, id: AskId, reply: oneshot::Sender<Reply>, credit: OwnedSemaphorePermit) {
        self.0.insert(id, Asker { reply: Some(reply), _credit: credit });
    }

    /// Sends answers. A refusal ends its ask; returns the asks that were given a slot and are gone, whose withdrawal
    /// is still on its way.
    pub(crate) fn answer(&mut self, replies: Vec<(AskId, Reply)>) -> Vec<AskId> {
        let mut gone = Vec::new();
        for (id, reply) in replies {
            let Some(sender) = self.0.get_mut(&id).and_then(|asker| asker.reply.take()) else {
                debug_assert!(false, "an ask is answered once, before it ends");
                continue;
            };
            let has_slot = reply.slot.is_ok();
            match (sender.send(reply), has_slot) {
                (Ok(()), true) | (Err(_), false) => {}
                (Ok(()), false) => self.end(id),
                (Err(_), true) => gone.push(id),
            }
        }
        gone
    }

    /// Gives back the credit of an ask that has ended.
    pub(crate) fn end(&mut self, id: AskId) {
        self.0.remove(&id);
    }
}
