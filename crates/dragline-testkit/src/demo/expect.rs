//! Works out what an honest crawl of the demo must report, by walking the model instead of the network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dragline_core::report::Report;
use dragline_core::rules::{RetryRules, ScopeRules, TrapRules};
use dragline_core::{CanonicalUrl, FailKind, LinkRefusal, Outcome, SkipReason};

use super::web::{Fate, Host, Page, Web};

/// What an honest crawl of the demo reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoExpectation {
    /// Distinct URLs offered, those outside the scope included.
    pub discovered: u64,
    /// URLs fetched and handled.
    pub done: u64,
    /// URLs that answered with a redirect.
    pub redirected: u64,
    /// URLs given up, by kind.
    pub failed: BTreeMap<FailKind, u64>,
    /// URLs skipped, by reason.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Links refused, by reason; a `mailto:` counts as `invalid_url` only for crawlers that count it, so that is left out.
    pub refused: BTreeMap<LinkRefusal, u64>,
    /// Fetches that were second or later attempts, a refusal that asks for patience counted as an attempt.
    pub retries: u64,
}

/// A URL that waits to be looked at.
struct Waiting {
    url: CanonicalUrl,
    depth: u32,
    chain: Vec<String>,
}

/// The state of the walk.
struct Walk<'a> {
    web: &'a Web,
    scope: ScopeRules,
    traps: TrapRules,
    known: BTreeSet<String>,
    waiting: VecDeque<Waiting>,
    counts: DemoExpectation,
}

impl DemoExpectation {
    /// Walks the model from every home page.
    pub(super) fn of(web: &Web) -> Self {
        let mut walk = Walk {
            web,
            scope: ScopeRules::default(),
            traps: TrapRules::default(),
            known: BTreeSet::new(),
            waiting: VecDeque::new(),
            counts: Self::default(),
        };
        for host in &web.hosts {
            if let Ok(url) = CanonicalUrl::parse(&host.origin) {
                walk.offer(url, 0, Vec::new());
            }
        }
        while let Some(next) = walk.waiting.pop_front() {
            walk.settle(next);
        }
        walk.counts
    }

    /// Returns each count in which a report differs, as `name: expected 3, reported 4`; empty when it is honest.
    pub fn differences(&self, report: &Report) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |name: &str, expected: u64, reported: u64| {
            if expected != reported {
                found.push(format!("{name}: expected {expected}, reported {reported}"));
            }
        };
        compare("discovered", self.discovered, report.discovered);
        compare("done", self.done, report.done);
        compare("redirected", self.redirected, report.redirected);
        compare("pending", 0, report.pending);
        compare("retries", self.retries, report.totals.retries);
        for kind in FailKind::all() {
            compare(kind.name(), count(&self.failed, kind), count(&report.failed, kind));
        }
        for reason in SkipReason::ALL {
            compare(reason.name(), count(&self.skipped, reason), count(&report.skipped, reason));
        }
        for refusal in [LinkRefusal::Depth, LinkRefusal::Nofollow, LinkRefusal::TooLong] {
            let reported = report.links_refused.get(refusal.name()).copied().unwrap_or_default();
            compare(refusal.name(), count(&self.refused, refusal), reported);
        }
        found
    }

    /// Whether discovered = done + redirected + failed + skipped.
    pub fn adds_up(&self) -> bool {
        let failed: u64 = self.failed.values().sum();
        let skipped: u64 = self.skipped.values().sum();
        self.discovered == self.done + self.redirected + failed + skipped
    }
}

impl<'a> Walk<'a> {
    fn offer(&mut self, url: CanonicalUrl, depth: u32, chain: Vec<String>) {
        if !self.known.insert(url.dedupe_key().into_owned()) {
            return;
        }
        self.counts.discovered += 1;
        match self.skip_reason(&url) {
            Some(reason) => *self.counts.skipped.entry(reason).or_default() += 1,
            None => self.waiting.push_back(Waiting { url, depth, chain }),
        }
    }

    fn skip_reason(&self, url: &CanonicalUrl) -> Option<SkipReason> {
        let Some(host) = self.host_of(url) else { return Some(SkipReason::Scope) };
        let segments: Vec<_> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let repeats = |segment: &&str| segments.iter().filter(|other| *other == segment).count();
        let repeating = segments.iter().any(|segment| repeats(segment) > self.traps.segment_repeats_max);
        let long_query = url.query().is_some_and(|query| query.len() > self.traps.query_bytes_max);
        if repeating || long_query || segments.len() > self.traps.path_segments_max {
            return Some(SkipReason::Trap);
        }
        let path = path_of(url);
        let disallowed = host.disallowed.is_some_and(|prefix| path.starts_with(prefix));
        (disallowed && path != "/private/notice.html").then_some(SkipReason::Robots)
    }

    fn settle(&mut self, next: Waiting) {
        let retry = RetryRules::default();
        let fate = self.host_of(&next.url).and_then(|host| host.paths.get(&path_of(&next.url)));
        match fate {
            Some(Fate::Page(page) | Fate::Respelled { page, .. }) => self.read(page, &next),
            Some(Fate::Late(_, page)) => {
                self.counts.retries += 1;
                self.read(page, &next);
            }
            Some(Fate::File(_)) => self.counts.done += 1,
            Some(Fate::Redirect(_, location)) => self.redirect(location, next),
            Some(Fate::Fails { kind, retried, .. }) => {
                self.counts.retries += if *retried { u64::from(retry.attempts) - 1 } else { 0 };
                self.fail(*kind);
            }
            None => self.fail(FailKind::Fetch(Outcome::HttpError)),
        }
    }

    fn redirect(&mut self, location: &str, from: Waiting) {
        let mut chain = from.chain;
        chain.push(from.url.dedupe_key().into_owned());
        match from.url.join(location) {
            Ok(target) if !chain.contains(&target.dedupe_key().into_owned()) => {
                self.counts.redirected += 1;
                self.offer(target, from.depth, chain);
            }
            _ => self.fail(FailKind::Fetch(Outcome::RedirectError)),
        }
    }

    fn read(&mut self, page: &Page, at: &Waiting) {
        self.counts.done += 1;
        let base =
            page.base.as_deref().and_then(|base| at.url.join(base).ok()).unwrap_or_else(|| at.url.clone());
        for link in &page.links {
            if page.nofollow || link.nofollow {
                self.refuse(LinkRefusal::Nofollow);
                continue;
            }
            let Ok(url) = base.join(&link.href) else { continue };
            if url.as_str().len() > self.scope.url_bytes_max {
                self.refuse(LinkRefusal::TooLong);
            } else if at.depth >= self.scope.depth_max {
                self.refuse(LinkRefusal::Depth);
            } else {
                self.offer(url, at.depth + 1, Vec::new());
            }
        }
    }

    fn refuse(&mut self, refusal: LinkRefusal) {
        *self.counts.refused.entry(refusal).or_default() += 1;
    }

    fn fail(&mut self, kind: FailKind) {
        *self.counts.failed.entry(kind).or_default() += 1;
    }

    fn host_of(&self, url: &CanonicalUrl) -> Option<&'a Host> {
        let authority = url.authority();
        self.web.hosts.iter().find(|host| host.origin.strip_prefix("http://") == Some(authority))
    }
}

/// Returns path and query as the model names them.
fn path_of(url: &CanonicalUrl) -> String {
    let key = url.dedupe_key();
    CanonicalUrl::from_canonical(&key).map_or_else(|_| "/".into(), |url| url.path_and_query().into())
}

fn count<K: Copy + Ord>(counts: &BTreeMap<K, u64>, key: K) -> u64 {
    counts.get(&key).copied().unwrap_or_default()
}
