//! Drives a frontier in memory in few words.

use std::sync::Arc;
use std::time::Duration;

use dragline_core::frontier::{
    Fetched, FetchedReport, Frontier, FrontierStats, Lease, LeaseReport, MemFrontier, OfferBatch, OfferFrom,
    OfferReport, OfferSource, Purpose, RobotsAnswer, RobotsView, Settle, SettleReport, SettleResult,
    Settlement, Token, Want,
};
use dragline_core::handled::Outlinks;
use dragline_core::invariants;
use dragline_core::robots::RobotsTxt;
use dragline_core::rules::{CrawlRules, ScopeMode};
use dragline_core::ticket::Ticket;
use dragline_core::url::Fingerprinter;
use dragline_core::{CanonicalUrl, Outcome, Time};

pub(crate) const KEY: Fingerprinter = Fingerprinter::new(7);

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn url(text: &str) -> CanonicalUrl {
    CanonicalUrl::parse(text).expect("a URL of a test")
}

/// Rules under which nothing but the rule under test matters: every host, no robots.txt, no gap.
pub(crate) fn free_rules() -> CrawlRules {
    let mut rules = CrawlRules { redirects_max: 10, ..CrawlRules::default() };
    rules.scope.mode = ScopeMode::Any;
    rules.robots.obey = false;
    rules.politeness.delay = Duration::ZERO;
    rules.politeness.adaptive = false;
    rules.politeness.jitter = 0.0;
    rules
}

fn ready<T>(ticket: Ticket<T>) -> T {
    ticket.now().unwrap_or_else(|_| panic!("a frontier in memory answers at once"))
}

/// A batch of links, with their fingerprints.
pub(crate) fn batch(texts: &[&str], from: OfferFrom) -> OfferBatch {
    let mut links = Outlinks::default();
    texts.iter().for_each(|text| links.push_canonical(text));
    let fingerprints = texts.iter().map(|text| KEY.of_canonical(text)).collect();
    OfferBatch { links, fingerprints, dropped_duplicates: 0, from }
}

pub(crate) fn links(depth: u32) -> OfferFrom {
    OfferFrom { source: OfferSource::Link, depth, ..OfferFrom::seed() }
}

/// How a fetch ended well.
pub(crate) fn fetched_ok(token: Token, to_handlers: bool) -> Fetched {
    Fetched { token, outcome: Outcome::Ok, status: Some(200), ttfb: None, retry_after: None, to_handlers }
}

/// How a fetch ended with this status.
pub(crate) fn fetched_status(token: Token, status: u16) -> Fetched {
    let outcome = if status < 400 { Outcome::Ok } else { Outcome::HttpError };
    Fetched { outcome, status: Some(status), ..fetched_ok(token, false) }
}

/// A frontier and its clock; every invariant is checked after every call.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) frontier: MemFrontier,
    pub(crate) now: Time,
}

impl Rig {
    pub(crate) fn new(rules: CrawlRules) -> Self {
        Self { frontier: MemFrontier::new(rules, KEY, 11), now: Time::ZERO }
    }

    pub(crate) fn check(&self) {
        assert_eq!(invariants::first_broken(&self.frontier), None, "{:#?}", self.frontier.stats());
    }

    pub(crate) fn pass(&mut self, span: Duration) -> &mut Self {
        self.now += span;
        self
    }

    pub(crate) fn stats(&self) -> FrontierStats {
        self.frontier.stats()
    }

    pub(crate) fn offer(&mut self, texts: &[&str], from: OfferFrom) -> OfferReport {
        let report = ready(self.frontier.offer(self.now, batch(texts, from)));
        self.check();
        report
    }

    pub(crate) fn seeds(&mut self, texts: &[&str]) -> OfferReport {
        self.offer(texts, OfferFrom::seed())
    }

    pub(crate) fn lease_for(&mut self, most: usize, fetcher: usize) -> LeaseReport {
        let report = ready(self.frontier.lease(self.now, Want { most, fetcher }));
        self.check();
        report
    }

    /// Leases all there is.
    pub(crate) fn lease(&mut self) -> Vec<Lease> {
        self.lease_for(1_000, 0).leases
    }

    /// Leases all there is and returns the URLs.
    pub(crate) fn leased_urls(&mut self) -> Vec<String> {
        self.lease().iter().map(|lease| lease.url.to_string()).collect()
    }

    /// Leases the one URL there is.
    pub(crate) fn lease_one(&mut self) -> Lease {
        let mut leases = self.lease();
        assert_eq!(leases.len(), 1, "{leases:?}");
        leases.remove(0)
    }

    pub(crate) fn fetched(&mut self, fetched: Fetched) -> FetchedReport {
        let report = ready(self.frontier.fetched(self.now, vec![fetched]));
        self.check();
        report
    }

    pub(crate) fn settle_with(
        &mut self,
        token: Token,
        settlement: Settlement,
        offers: Vec<OfferBatch>,
    ) -> SettleReport {
        let settle = Settle { token, settlement, offers, visit: None };
        let report = ready(self.frontier.settle(self.now, vec![settle]));
        self.check();
        report
    }

    pub(crate) fn settle(&mut self, token: Token, settlement: Settlement) -> SettleResult {
        self.settle_with(token, settlement, Vec::new()).settled.remove(0).result
    }

    /// Ends a fetch well and settles its URL as done.
    pub(crate) fn finish(&mut self, token: Token) {
        self.fetched(fetched_ok(token, true));
        self.settle(token, Settlement::Done);
    }

    /// What robots.txt says to a session.
    pub(crate) fn robots(&mut self, text: &str) -> RobotsView {
        let view = self.frontier.robots(self.now, &url(text));
        self.check();
        view
    }

    /// Answers the one errand there is.
    pub(crate) fn answer_robots(&mut self, answer: RobotsAnswer) -> Lease {
        let lease = self.lease_one();
        assert_eq!(lease.purpose, Purpose::Robots);
        self.fetched(fetched_ok(lease.token, false));
        self.settle(lease.token, Settlement::Robots(answer));
        lease
    }
}

pub(crate) fn robots_txt(text: &str) -> RobotsAnswer {
    RobotsAnswer::Rules(Arc::new(RobotsTxt::parse(text.as_bytes(), 500 << 10, "dragline")))
}

pub(crate) fn unreachable(status: u16) -> RobotsAnswer {
    let message = format!("status {status}").into();
    RobotsAnswer::Unreachable { outcome: Outcome::HttpError, status: Some(status), message }
}
