//! Takes offers: each URL is new, a duplicate, skipped for a rule about the URL, or refused as a link.

use std::sync::Arc;

use super::hosts::HostId;
use super::mem::MemFrontier;
use super::queue::Entry;
use super::seen::{Standing, WINDOW};
use super::state::{UrlMove, UrlRecord, UrlState};
use super::types::{OfferBatch, OfferReport, OfferSource, Skipped};
use crate::decision::Decision;
use crate::disposition::{Disposition, LinkRefusal, SkipReason};
use crate::time::Time;
use crate::traps;
use crate::url::{CanonicalUrl, Fingerprint};

/// Bytes of a URL that waits in memory, its text included; measured, rounded up.
const URL_BYTES: usize = 512;
/// Bytes of a host; measured, rounded up.
const HOST_BYTES: usize = 1_024;

/// A URL that was never offered before.
#[derive(Debug)]
pub(super) struct NewUrl {
    pub(super) url: CanonicalUrl,
    pub(super) fingerprint: Fingerprint,
    pub(super) source: OfferSource,
    pub(super) depth: u32,
    pub(super) seed: Option<CanonicalUrl>,
    pub(super) label: Option<Arc<str>>,
    pub(super) data: Option<Arc<str>>,
    pub(super) referrer: Option<CanonicalUrl>,
    pub(super) chain: Arc<[CanonicalUrl]>,
}

impl MemFrontier {
    /// Offers every URL of a batch, in order.
    pub(super) fn offer_batch(&mut self, batch: &OfferBatch, report: &mut OfferReport) {
        assert_eq!(batch.links.len(), batch.fingerprints.len(), "every link has its fingerprint");
        for refusal in LinkRefusal::ALL {
            self.refuse(refusal, batch.links.refused(refusal), report);
        }
        self.count_duplicates(batch.dropped_duplicates, report);
        for (at, ((text, label), fingerprint)) in batch.links.iter().zip(&batch.fingerprints).enumerate() {
            if at % WINDOW == 0 {
                let window = &batch.fingerprints[at..batch.fingerprints.len().min(at + WINDOW)];
                std::hint::black_box(self.seen.warm(window));
            }
            match self.seen.get(*fingerprint) {
                Some(standing) => {
                    self.count_duplicates(1, report);
                    self.lower_depth(*fingerprint, standing, batch.from.depth);
                    if batch.from.source == OfferSource::Seed {
                        self.seed_again(*fingerprint, standing, text);
                    }
                }
                None => self.offer_unknown(batch, text, label, *fingerprint, report),
            }
        }
        self.plan_discovered();
    }

    fn offer_unknown(
        &mut self,
        batch: &OfferBatch,
        text: &str,
        label: Option<&Arc<str>>,
        fingerprint: Fingerprint,
        report: &mut OfferReport,
    ) {
        let from = &batch.from;
        if from.depth > self.rules.scope.depth_max {
            return self.refuse(LinkRefusal::Depth, 1, report);
        }
        if text.len() > self.rules.scope.url_bytes_max {
            return self.refuse(LinkRefusal::TooLong, 1, report);
        }
        if self.is_out_of_memory() {
            return self.refuse(LinkRefusal::Memory, 1, report);
        }
        let Ok(url) = CanonicalUrl::from_canonical(text) else {
            return self.refuse(LinkRefusal::InvalidUrl, 1, report);
        };
        let seed = (from.source == OfferSource::Seed).then(|| url.clone());
        let new = NewUrl {
            url,
            fingerprint,
            source: from.source,
            depth: from.depth,
            seed,
            label: label.cloned(),
            data: from.data.clone(),
            referrer: from.referrer.clone(),
            chain: Arc::clone(&self.no_chain),
        };
        self.discover(new, report);
    }

    /// Enters a URL that was never offered before: it waits, or is skipped at once.
    pub(super) fn discover(&mut self, new: NewUrl, report: &mut OfferReport) {
        if new.source == OfferSource::Seed {
            self.scope.add_seed(&new.url);
        }
        self.counts.discover(new.source);
        let host = self.host_of(&new.url);
        if let Err(decision) = self.judge_new(&new.url, host) {
            let end = Disposition::Skipped(decision.verdict);
            UrlState::Unknown.end(end);
            self.seen.set(new.fingerprint, Standing::Ended(end));
            self.counts.end(end);
            self.note_skip(&new, &decision);
            report.skipped.push(Skipped { url: new.url, decision, referrer: new.referrer });
            return;
        }
        let host = host.unwrap_or_else(|| self.enter_host(&new.url.host_key()));
        self.recent = Some(host);
        let scheme = new.url.scheme();
        let record = UrlRecord {
            fingerprint: new.fingerprint,
            url: new.url,
            host,
            state: UrlState::Unknown.advance(UrlMove::Accept),
            depth: new.depth,
            attempts: 0,
            seed: new.seed,
            label: new.label,
            data: new.data,
            referrer: new.referrer,
            chain: new.chain,
            was_leased: false,
            chunk: 0,
            revisit: None,
        };
        self.seen.set(new.fingerprint, Standing::live(record.depth));
        self.journal.note_new(new.source, &record);
        let number = self.urls.insert(record);
        let entry = self.entry(number, self.now);
        self.queue_fresh(host, scheme, entry);
        report.new += 1;
        // Links of one page are mostly of one host, whose plan is made once for all of them.
        if self.unplanned != Some(host)
            && let Some(earlier) = self.unplanned.replace(host)
        {
            self.refresh(earlier);
        }
    }

    /// Makes the plan of the host that URLs were discovered of last.
    pub(super) fn plan_discovered(&mut self) {
        if let Some(host) = self.unplanned.take() {
            self.refresh(host);
        }
    }

    /// Returns the number of a URL's host, if it is known; that of the last URL costs no look-up.
    fn host_of(&self, url: &CanonicalUrl) -> Option<HostId> {
        let is_same = |id: &HostId| {
            let key = self.table.key(*id);
            key.port == url.port() && *key.host == *url.host()
        };
        self.recent.filter(is_same).or_else(|| self.table.find(&url.host_key()))
    }

    /// Whether the frontier is as large as it may become.
    fn is_out_of_memory(&self) -> bool {
        let most = self.rules.limits.memory_max;
        most > 0 && self.memory_bytes() >= most
    }

    /// Returns the bytes that the frontier takes, in round figures for what is not counted exactly.
    pub fn memory_bytes(&self) -> u64 {
        let urls = self.urls.len() * URL_BYTES + self.table.len() * HOST_BYTES;
        (self.seen.bytes() + urls + self.journal.bytes()) as u64
    }

    /// Makes the entry of a URL that waits until `since`.
    pub(super) fn entry(&mut self, url: u32, since: Time) -> Entry {
        self.next_order += 1;
        Entry { since, order: self.next_order, url }
    }

    /// Decides whether a URL that was never offered may wait at all.
    pub(super) fn judge_new(
        &self,
        url: &CanonicalUrl,
        host: Option<HostId>,
    ) -> Result<(), Decision<SkipReason>> {
        let scope = self.scope.check(url);
        if let Err(reason) = scope.verdict {
            return Err(Decision { verdict: reason, rule: scope.rule, source: scope.source });
        }
        if let Some(trap) = traps::check(&self.rules.traps, url) {
            return Err(trap);
        }
        let limits = &self.rules.limits;
        let over = |limit: u64, used: u64| limit > 0 && used >= limit;
        let full = |key| Err(Decision::by_key(SkipReason::HostLimit, key));
        let doom = match host {
            Some(id) if over(limits.pending_per_host_max, self.work[id.index()].waiting() as u64) => {
                return full("state.pending_per_host_max");
            }
            Some(id) => self.doom(id, url.scheme()),
            None if over(limits.hosts_max, self.table.len() as u64) => return full("state.hosts_max"),
            None => self.crawl_doom(),
        };
        doom.map_or(Ok(()), |doom| Err(doom.decision))
    }

    /// Counts links to URLs that were known.
    pub(super) fn count_duplicates(&mut self, count: u32, report: &mut OfferReport) {
        report.duplicate += count;
        self.counts.duplicates += u64::from(count);
    }

    /// Counts links that are refused for a reason of the link.
    pub(super) fn refuse(&mut self, refusal: LinkRefusal, count: u32, report: &mut OfferReport) {
        report.refused[refusal as usize] += count;
        self.counts.refused[refusal as usize] += u64::from(count);
    }

    /// Lowers the depth of a URL that waits, when a shorter way to it was found.
    pub(super) fn lower_depth(&mut self, fingerprint: Fingerprint, standing: Standing, depth: u32) {
        if let (Standing::Live { depth: known }, Standing::Live { depth }) = (standing, Standing::live(depth))
            && depth < known
        {
            self.seen.set(fingerprint, Standing::Live { depth });
            self.journal.note_depth(fingerprint, depth);
        }
    }

    /// Gives a known URL the standing of a seed. Not noted: seeds are offered at every start.
    fn seed_again(&mut self, fingerprint: Fingerprint, standing: Standing, text: &str) {
        let Ok(url) = CanonicalUrl::from_canonical(text) else { return };
        self.scope.add_seed(&url);
        if matches!(standing, Standing::Live { .. }) {
            self.adopted.entry(fingerprint).or_insert(url);
        }
    }
}
