//! Names what goes into and comes out of a frontier.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::durable::Revisit;
use crate::decision::{Decision, Source};
use crate::disposition::{Disposition, FailKind, LinkRefusal, SkipReason};
use crate::handled::Outlinks;
use crate::outcome::Outcome;
use crate::robots::RobotsTxt;
use crate::time::{Time, Wall};
use crate::url::{CanonicalUrl, Fingerprint, HostKey};

/// Names one lease; good until its settle. Tokens are never used again within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Where offered URLs came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferSource {
    /// Named by the operator.
    Seed,
    /// Found on a page.
    Link,
    /// Listed in a sitemap.
    Sitemap,
    /// The target of a redirect.
    Redirect,
    /// Added while the crawl ran.
    Api,
}

impl OfferSource {
    /// Every source, in the order of declaration.
    pub const ALL: [Self; 5] = [Self::Seed, Self::Link, Self::Sitemap, Self::Redirect, Self::Api];

    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Link => "link",
            Self::Sitemap => "sitemap",
            Self::Redirect => "redirect",
            Self::Api => "api",
        }
    }
}

/// What all URLs of one batch have in common.
#[derive(Clone, Debug)]
pub struct OfferFrom {
    /// Where they came from.
    pub source: OfferSource,
    /// The depth the URLs get.
    pub depth: u32,
    /// The page that names them.
    pub referrer: Option<CanonicalUrl>,
    /// What is attached to each, for handlers.
    pub data: Option<Arc<str>>,
}

impl OfferFrom {
    /// Offers by the operator: depth 0, no referrer.
    pub const fn seed() -> Self {
        Self { source: OfferSource::Seed, depth: 0, referrer: None, data: None }
    }
}

/// URLs offered together, with the fingerprints of their dedupe keys.
#[derive(Debug)]
pub struct OfferBatch {
    /// The URLs in order.
    pub links: Outlinks,
    /// One fingerprint for each link, in the same order.
    pub fingerprints: Vec<Fingerprint>,
    /// Links of the same page that were dropped before this batch because they had just been seen.
    pub dropped_duplicates: u32,
    /// What they have in common.
    pub from: OfferFrom,
}

/// A URL that ended skipped, or would have, and by which rule.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// The URL.
    pub url: CanonicalUrl,
    /// The reason and the rule that gave it.
    pub decision: Decision<SkipReason>,
    /// The page that named it.
    pub referrer: Option<CanonicalUrl>,
}

/// What became of an offer.
#[derive(Clone, Debug, Default)]
pub struct OfferReport {
    /// URLs that now wait.
    pub new: u32,
    /// Links to URLs that were known.
    pub duplicate: u32,
    /// Links refused for a reason of the link, indexed as [`LinkRefusal::ALL`].
    pub refused: [u32; LinkRefusal::ALL.len()],
    /// URLs that were new and ended skipped at once.
    pub skipped: Vec<Skipped>,
}

impl OfferReport {
    /// Adds the counts and skips of another report.
    pub fn absorb(&mut self, other: Self) {
        self.new += other.new;
        self.duplicate += other.duplicate;
        for (sum, count) in self.refused.iter_mut().zip(other.refused) {
            *sum += count;
        }
        self.skipped.extend(other.skipped);
    }
}

/// Who asks for leases, and for how many.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// The most leases to grant.
    pub most: usize,
    /// The asking fetcher; hosts whose connections it holds are preferred.
    pub fetcher: usize,
}

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A URL of the crawl.
    Page,
    /// An errand for robots.txt: no URL of the frontier, not in the identity.
    Robots,
    /// An errand for a sitemap: no URL of the frontier, not in the identity.
    Sitemap,
}

/// One URL, leased to a fetcher until it is settled.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Names the lease in every answer.
    pub token: Token,
    /// What is fetched.
    pub url: CanonicalUrl,
    /// What it is for.
    pub purpose: Purpose,
    /// Links from the nearest seed.
    pub depth: u32,
    /// This attempt, from 1.
    pub attempt: u32,
    /// Counts how often the URL began anew, from 0.
    pub generation: u32,
    /// What is known of it from an earlier generation, to ask only for what has changed.
    pub revisit: Option<Arc<Revisit>>,
    /// The label under which it was offered.
    pub label: Option<Arc<str>>,
    /// What was attached to it.
    pub data: Option<Arc<str>>,
    /// The page that named it.
    pub referrer: Option<CanonicalUrl>,
    /// The redirects that led here, oldest first.
    pub chain: Arc<[CanonicalUrl]>,
    /// How long it was ready before it was leased.
    pub queue_wait: Duration,
    /// The gap its host keeps at this moment, for the histogram of delays.
    pub gap: Duration,
}

/// What a request for leases brought.
#[derive(Debug, Default)]
pub struct LeaseReport {
    /// The leases, in the order granted.
    pub leases: Vec<Lease>,
    /// URLs that were waiting and ended skipped instead.
    pub skipped: Vec<Skipped>,
    /// Robots decisions taken: allowed by rules, disallowed by rules, allowed and disallowed by how the fetch ended.
    pub robots: RobotsTally,
}

/// Robots decisions by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RobotsTally {
    /// Allowed by a rule, or because no rule matched.
    pub allowed: u32,
    /// Disallowed by a rule.
    pub disallowed: u32,
    /// Allowed because robots.txt is unavailable (RFC 9309 2.3.1.3).
    pub assumed_allowed: u32,
    /// Disallowed because robots.txt is unreachable (RFC 9309 2.3.1.4).
    pub assumed_disallowed: u32,
}

/// How the fetch of a lease ended, as far as its host is concerned.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The lease.
    pub token: Token,
    /// How the fetch ended.
    pub outcome: Outcome,
    /// The status, when a head arrived.
    pub status: Option<u16>,
    /// Time to first byte, for the adaptive gap.
    pub ttfb: Option<Duration>,
    /// What `Retry-After` asked for, counted from now.
    pub retry_after: Option<Duration>,
    /// Whether a page goes to handlers, which moves the URL to fetched.
    pub to_handlers: bool,
}

impl Fetched {
    /// Says that a fetch of a session was dropped before it ended.
    pub const fn cancelled() -> Self {
        Self {
            token: Token(0),
            outcome: Outcome::Cancelled,
            status: None,
            ttfb: None,
            retry_after: None,
            to_handlers: false,
        }
    }
}

/// What became of reported fetches.
#[derive(Clone, Debug, Default)]
pub struct FetchedReport {
    /// Answers whose token was not current.
    pub stale: Vec<Token>,
    /// Backoffs that began, with their host and trigger.
    pub backoffs: Vec<(HostKey, Trigger)>,
    /// Whether a host was given up that errands were to be sent to: they ended.
    pub errands_ended: bool,
}

/// What made a host back off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A `Retry-After` was given.
    RetryAfter,
    /// Status 429 without a time.
    Status429,
    /// Status 503 without a time.
    Status503,
    /// Fetches timed out.
    Timeout,
    /// Connections failed.
    Connect,
}

impl Trigger {
    /// Every trigger, in the order of declaration.
    pub const ALL: [Self; 5] =
        [Self::RetryAfter, Self::Status429, Self::Status503, Self::Timeout, Self::Connect];

    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RetryAfter => "retry_after",
            Self::Status429 => "status_429",
            Self::Status503 => "status_503",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
        }
    }
}

/// What a robots errand brought.
#[derive(Clone, Debug)]
pub enum RobotsAnswer {
    /// 2xx: the rules for our product token.
    Rules(Arc<RobotsTxt>),
    /// 4xx but 429, or too many redirects: unavailable, everything may be fetched.
    Unavailable {
        /// Whether it was the redirects.
        too_many_redirects: bool,
    },
    /// 5xx, 429 or no answer: unreachable, nothing may be fetched; retried, then given up.
    Unreachable {
        /// How the fetch ended.
        outcome: Outcome,
        /// The status, when a head arrived.
        status: Option<u16>,
        /// What went wrong, for the report.
        message: Arc<str>,
    },
    /// 3xx: the errand goes on there, and its result holds for the first origin.
    Redirect(CanonicalUrl),
}

/// How a lease is to be settled.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// Every handler has answered.
    Done,
    /// A handler failed it, or it is a dead letter: given up at once.
    Failed(FailKind),
    /// The fetch failed: tried again if outcome, status and attempts allow, else given up.
    FetchFailed {
        /// How the fetch ended.
        outcome: Outcome,
        /// The status, when a head arrived.
        status: Option<u16>,
        /// What `Retry-After` asked for, counted from now.
        retry_after: Option<Duration>,
    },
    /// A handler asked for another attempt, not before this long from now.
    RetryLater(Duration),
    /// The server answered with a redirect to this URL.
    Redirected(CanonicalUrl),
    /// The server answered with a redirect whose target cannot be used.
    RedirectUnusable,
    /// The lease was a robots errand.
    Robots(RobotsAnswer),
}

/// One settlement, with the links found on the page.
#[derive(Debug)]
pub struct Settle {
    /// The lease.
    pub token: Token,
    /// How it is settled.
    pub settlement: Settlement,
    /// The links of the page, offered in the same step; only with [`Settlement::Done`].
    pub offers: Vec<OfferBatch>,
    /// What the last fetch of it brought, for the history; `None` when nothing was fetched.
    pub visit: Option<Box<Visit>>,
}

/// What one fetch of a URL brought, as far as it is kept: to tell how the URL ended, and whether it has changed when it
/// is fetched again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When the fetch ended.
    pub at: Wall,
    /// How it ended.
    pub outcome: Outcome,
    /// The status, when a head arrived.
    pub status: Option<u16>,
    /// Bytes of the body as decoded.
    pub body_bytes: u64,
    /// The `ETag` as it came.
    pub etag: Option<Box<str>>,
    /// The `Last-Modified` as it came.
    pub last_modified: Option<Box<str>>,
    /// The digest of the decoded body (XXH3, 128 bits); `None` when there was none or it was cut.
    pub digest: Option<u128>,
}

/// What became of one settlement.
#[derive(Clone, Debug)]
pub enum SettleResult {
    /// The URL ended.
    Final {
        /// How it ended.
        disposition: Disposition,
        /// The rule that gave it up, when one did.
        rule: Option<(&'static str, Source)>,
        /// Where it was redirected to.
        target: Option<CanonicalUrl>,
    },
    /// The URL waits again.
    Waiting {
        /// Not leased before this time.
        not_before: Time,
        /// Whether it waits for another attempt (`false`: for another spelling after a redirect to itself).
        retry: bool,
    },
    /// An errand ended; it is no URL of the frontier.
    Errand,
    /// The token was not current: nothing was applied.
    Stale,
}

/// One settlement's result.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The lease.
    pub token: Token,
    /// What became of it.
    pub result: SettleResult,
}

/// What became of a batch of settlements.
#[derive(Debug, Default)]
pub struct SettleReport {
    /// One entry for each settlement, in order.
    pub settled: Vec<Settled>,
    /// What became of all the offers made with them.
    pub offers: OfferReport,
    /// What became of the targets of redirects.
    pub targets: OfferReport,
    /// Hosts that joined the scope because a seed redirected to them, with the seed.
    pub joined: Vec<(Arc<str>, CanonicalUrl)>,
}

/// What a drain does with what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// It stays pending.
    Keep,
    /// It ends skipped(drained).
    Drop,
}

/// URLs that are not settled, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlGauge {
    /// Could be leased now but for want of lanes.
    pub ready: u64,
    /// Wait for their host's next time, slot or robots.txt.
    pub delayed: u64,
    /// Wait for another attempt.
    pub retry_wait: u64,
    /// Leased or fetched.
    pub in_flight: u64,
}

/// Hosts with unsettled URLs, by what they are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostGauge {
    /// Due, with a free slot and a waiting URL.
    pub ready: u64,
    /// Wait for their gap to pass.
    pub waiting: u64,
    /// Wait for a penalty or a `Retry-After` to pass.
    pub backing_off: u64,
    /// Wait for robots.txt.
    pub robots_pending: u64,
    /// Have every slot in use.
    pub busy: u64,
    /// Were given up after only refusing for too long.
    pub parked: u64,
}

/// The counts of the accounting identity, and the gauges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontierStats {
    /// Distinct URLs offered.
    pub discovered: u64,
    /// Distinct URLs offered, by source, indexed as [`OfferSource::ALL`].
    pub added: [u64; OfferSource::ALL.len()],
    /// URLs done.
    pub done: u64,
    /// URLs redirected.
    pub redirected: u64,
    /// URLs given up, by kind.
    pub failed: BTreeMap<FailKind, u64>,
    /// URLs skipped, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// URLs not settled.
    pub pending: u64,
    /// Links to URLs that were known.
    pub duplicates: u64,
    /// Links refused, indexed as [`LinkRefusal::ALL`].
    pub refused: [u64; LinkRefusal::ALL.len()],
    /// Answers whose token was not current.
    pub stale: u64,
    /// Hosts known.
    pub hosts_known: u64,
    /// Errands under way or due.
    pub errands: u64,
    /// URLs by what they wait for.
    pub urls: UrlGauge,
    /// Hosts by what they are doing.
    pub hosts: HostGauge,
    /// How long the URL that has been ready longest has waited.
    pub oldest_ready: Duration,
    /// Bytes that URLs and hosts take in memory, in round figures; `[state] memory_max` bounds them.
    pub memory_bytes: u64,
    /// Origins whose robots.txt could not be had, with the error.
    pub robots_unreachable: Vec<(Arc<str>, Arc<str>)>,
}

impl FrontierStats {
    /// Whether discovered = done + redirected + failed + skipped + pending.
    pub fn adds_up(&self) -> bool {
        let failed: u64 = self.failed.values().sum();
        let skipped: u64 = self.skipped.values().sum();
        self.discovered == self.done + self.redirected + failed + skipped + self.pending
    }
}
