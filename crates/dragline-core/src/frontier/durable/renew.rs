//! Begins a new generation of a URL that had ended.

use std::sync::Arc;

use super::body::{Body, Revisit};
use super::history::Past;
use crate::frontier::mem::MemFrontier;
use crate::frontier::seen::Standing;
use crate::time::Time;
use crate::url::CanonicalUrl;

impl MemFrontier {
    /// Brings the host of a seed into the scope before the seed is offered: whoever renews URLs does so first.
    pub fn name_seed(&mut self, seed: &CanonicalUrl) {
        self.scope.add_seed(seed);
    }

    /// Lets a URL wait again whose last visit is known; `false` when it has not ended, or is not this run's.
    ///
    /// Every count but that of its old disposition stays: it is the same URL. A URL that is out of scope meanwhile, or
    /// at a host that is given up, is left as it stands.
    pub fn renew(&mut self, now: Time, past: &Past, revisit: Revisit) -> bool {
        self.tick(now);
        let fingerprint = self.fingerprinter.of(&past.url);
        let Some(Standing::Ended(disposition)) = self.seen.get(fingerprint) else { return false };
        let key = past.url.host_key();
        if self.judge_new(&past.url, self.table.find(&key)).is_err() {
            return false;
        }
        let id = self.enter_host(&key);
        let body = Body {
            url: past.url.clone(),
            depth: past.depth,
            attempts: 0,
            seed: None,
            label: past.label.clone(),
            data: None,
            referrer: past.referrer.clone(),
            chain: Vec::new(),
            revisit: Some(Arc::new(revisit)),
        };
        let scheme = body.url.scheme();
        let record = self.record_of(body, id, 0);
        self.seen.set(fingerprint, Standing::live(record.depth));
        self.counts.renew(disposition);
        self.journal.note_renewed(&record);
        let number = self.urls.insert(record);
        let entry = self.entry(number, self.now);
        self.queue_fresh(id, scheme, entry);
        self.refresh(id);
        true
    }
}
