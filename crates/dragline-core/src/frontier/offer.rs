//! Takes offers: each URL is new, a duplicate, skipped for a rule about the URL, or refused as a link.

use std::sync::Arc;

use super::mem::MemFrontier;
use super::queue::Entry;
use super::seen::Standing;
use super::state::{UrlMove, UrlRecord, UrlState};
use super::types::{OfferBatch, OfferReport, OfferSource, Skipped};
use crate::decision::Decision;
use crate::disposition::{Disposition, LinkRefusal, SkipReason};
use crate::time::Time;
use crate::traps;
use crate::url::{CanonicalUrl, Fingerprint};

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
        for ((text, label), fingerprint) in batch.links.iter().zip(&batch.fingerprints) {
            match self.seen.get(*fingerprint) {
                Some(standing) => {
                    self.count_duplicates(1, report);
                    if let Standing::Live(number) = standing {
                        self.lower_depth(number, batch.from.depth);
                    }
                    if batch.from.source == OfferSource::Seed {
                        self.seed_again(standing, text);
                    }
                }
                None => self.offer_unknown(batch, text, label, *fingerprint, report),
            }
        }
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
        if let Err(decision) = self.judge_new(&new.url) {
            let end = Disposition::Skipped(decision.verdict);
            UrlState::Unknown.end(end);
            self.seen.set(new.fingerprint, Standing::Ended(end));
            self.counts.end(end);
            report.skipped.push(Skipped { url: new.url, decision, referrer: new.referrer });
            return;
        }
        let host = self.enter_host(&new.url.host_key());
        let scheme = new.url.scheme();
        let number = self.urls.insert(UrlRecord {
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
        });
        self.seen.set(new.fingerprint, Standing::Live(number));
        let entry = self.entry(number, self.now);
        self.work[host.index()].origin_mut(scheme).fresh.push_back(entry);
        report.new += 1;
        self.refresh(host);
    }

    /// Makes the entry of a URL that waits until `since`.
    pub(super) fn entry(&mut self, url: u32, since: Time) -> Entry {
        self.next_order += 1;
        Entry { since, order: self.next_order, url }
    }

    /// Decides whether a URL that was never offered may wait at all.
    fn judge_new(&self, url: &CanonicalUrl) -> Result<(), Decision<SkipReason>> {
        let scope = self.scope.check(url);
        if let Err(reason) = scope.verdict {
            return Err(Decision { verdict: reason, rule: scope.rule, source: scope.source });
        }
        if let Some(trap) = traps::check(&self.rules.traps, url) {
            return Err(trap);
        }
        let doom = match self.table.find(&url.host_key()) {
            Some(id) => self.doom(id, url.scheme()),
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
    pub(super) fn lower_depth(&mut self, number: u32, depth: u32) {
        let record = self.urls.at_mut(number);
        if depth < record.depth && record.state == UrlState::Waiting {
            record.depth = depth;
        }
    }

    /// Gives a known URL the standing of a seed.
    fn seed_again(&mut self, standing: Standing, text: &str) {
        let Ok(url) = CanonicalUrl::from_canonical(text) else { return };
        self.scope.add_seed(&url);
        if let Standing::Live(number) = standing {
            self.urls.at_mut(number).seed.get_or_insert(url);
        }
    }
}
