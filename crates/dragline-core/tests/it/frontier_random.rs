//! Drives a frontier at random from many seeds, beside a plain model of it.

use std::time::Duration;

use dragline_core::chance::Chance;
use dragline_core::frontier::{
    Admission, Drain, Fetched, Frontier, Lease, MemFrontier, OfferFrom, OfferReport, OfferSource, Purpose,
    RobotsAnswer, SettleReport, SettleResult, Settlement, Token,
};
use dragline_core::rules::{CrawlRules, ScopeMode};
use dragline_core::{CanonicalUrl, Disposition, FailKind, HostKey, LinkRefusal, Origin, Outcome, Time};

use crate::frontier_kit::{Rig, fetched_ok, free_rules, millis, robots_txt, secs, unreachable, url};
use crate::frontier_model::Model;

const DISALLOWED: &str = "/1";

/// A lease that is not settled.
#[derive(Debug)]
struct Open {
    lease: Lease,
    fetched: bool,
    to_handlers: bool,
    /// Of an errand: the origin its result is for.
    origin: Origin,
}

pub(crate) struct Driver {
    pub(crate) rig: Rig,
    pub(crate) model: Model,
    pub(crate) chance: Chance,
    pub(crate) rules: CrawlRules,
    open: Vec<Open>,
    sessions: Vec<HostKey>,
}

fn pick<T: Copy, const N: usize>(chance: &mut Chance, among: [T; N]) -> T {
    among[small(chance.below(N as u64)) as usize]
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a small number")
}

fn random_rules(chance: &mut Chance) -> CrawlRules {
    let mut rules = free_rules();
    rules.scope.mode = if chance.below(2) == 0 { ScopeMode::Any } else { ScopeMode::Host };
    rules.scope.depth_max = 3;
    rules.scope.urls_max = pick(chance, [0, 0, 30]);
    rules.scope.urls_per_host_max = pick(chance, [0, 0, 12]);
    rules.politeness.delay = pick(chance, [millis(0), millis(50), secs(1)]);
    rules.politeness.concurrency = 1 + small(chance.below(3));
    rules.politeness.adaptive = chance.below(2) == 0;
    rules.politeness.jitter = 0.2;
    rules.politeness.give_up_after = pick(chance, [secs(40), secs(4_000)]);
    rules.robots.obey = chance.below(2) == 0;
    rules.robots.cache = pick(chance, [secs(20), secs(86_400)]);
    rules.redirects_max = 3;
    rules
}

impl Driver {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let rules = random_rules(&mut chance);
        let (rig, model) = (Rig::new(rules.clone()), Model::new(rules.clone()));
        Self { rig, model, chance, rules, open: Vec::new(), sessions: Vec::new() }
    }

    pub(crate) fn one_in(&mut self, odds: u64) -> bool {
        self.chance.below(odds) == 0
    }

    /// A URL of a small web: five hosts, one of them with two schemes on one port, some with two spellings.
    fn random_url(&mut self) -> CanonicalUrl {
        let origins =
            ["http://a", "http://b", "https://c", "http://d:81", "https://d:81", "http://e.", "http://e"];
        let origin = pick(&mut self.chance, origins);
        let path = self.chance.below(25);
        let spelling = pick(&mut self.chance, ["/~", "/%7e", "/", "/", "/"]);
        url(&format!("{origin}{spelling}{path}"))
    }

    fn offer(&mut self) {
        let source = if self.one_in(4) { OfferSource::Seed } else { OfferSource::Link };
        let depth = small(self.chance.below(5));
        let urls: Vec<_> = (0..self.chance.below(8)).map(|_| self.random_url()).collect();
        let texts: Vec<_> = urls.iter().map(CanonicalUrl::as_str).collect();
        let report = self.rig.offer(&texts, OfferFrom { source, depth, ..OfferFrom::seed() });
        let refused = report.refused[LinkRefusal::Depth as usize];
        let sum = report.new + report.duplicate + refused + small(report.skipped.len() as u64);
        assert_eq!(sum as usize, urls.len(), "new + duplicate + refused = offered");
        if depth <= self.rules.scope.depth_max {
            assert_eq!(refused, 0);
            urls.iter().for_each(|url| self.note_offer(url, &report));
        } else {
            assert_eq!(report.new, 0);
        }
    }

    fn note_offer(&mut self, url: &CanonicalUrl, report: &OfferReport) {
        if self.model.knows(url) {
            return;
        }
        match report.skipped.iter().find(|skip| skip.url == *url) {
            Some(skip) => self.model.add_skipped(skip),
            None => self.model.add_new(url),
        }
    }

    fn lease(&mut self, most: usize) {
        let fetcher = small(self.chance.below(3)) as usize;
        let report = self.rig.lease_for(most, fetcher);
        assert!(report.leases.len() <= most);
        // The report does not say which came first, but a URL that is skipped goes before those behind it.
        report.skipped.iter().for_each(|skip| self.model.skip(skip));
        report.leases.into_iter().for_each(|lease| self.open(lease));
        let more = self.rig.frontier.next_wakeup().is_some_and(|at| at <= self.rig.now);
        assert!(
            self.open.len() >= most || !more || most == 0 || self.is_full(most),
            "a lease leaves nothing due"
        );
    }

    fn open(&mut self, lease: Lease) {
        self.model.lease(self.rig.now, &lease);
        let origin = lease.chain.first().unwrap_or(&lease.url).origin();
        self.open.push(Open { lease, fetched: false, to_handlers: false, origin });
    }

    /// Whether the last lease may have stopped because it had granted what was asked for.
    fn is_full(&self, most: usize) -> bool {
        let latest = self.open.iter().rev().take(most);
        latest.filter(|open| !open.fetched).count() == most
    }

    fn fetched(&mut self, at: usize) {
        if self.open[at].fetched {
            return;
        }
        let token = self.open[at].lease.token;
        let outcomes = [Outcome::Ok, Outcome::Timeout, Outcome::ConnectError, Outcome::HttpError];
        let outcome = pick(&mut self.chance, outcomes);
        let status = match outcome {
            Outcome::Ok => Some(200),
            Outcome::HttpError => Some(pick(&mut self.chance, [404, 429, 503])),
            _ => None,
        };
        let retry_after = self.one_in(20).then(|| secs(self.chance.below(5_000)));
        let ttfb = Some(millis(self.chance.below(400)));
        let to_handlers = outcome == Outcome::Ok && self.open[at].lease.purpose == Purpose::Page;
        let report = self.rig.fetched(Fetched { token, outcome, status, ttfb, retry_after, to_handlers });
        assert!(report.stale.is_empty());
        self.model.fetched(token);
        (self.open[at].fetched, self.open[at].to_handlers) = (true, to_handlers);
    }

    fn settle(&mut self, at: usize) {
        let open = self.open.swap_remove(at);
        let token = open.lease.token;
        if open.lease.purpose == Purpose::Robots {
            return self.settle_errand(open);
        }
        let failed = |outcome, status| Settlement::FetchFailed { outcome, status, retry_after: None };
        let settlement = match self.chance.below(if open.to_handlers { 3 } else { 8 }) {
            0 => Settlement::Done,
            1 => Settlement::Failed(FailKind::HandlerPanic),
            2 => Settlement::RetryLater(millis(self.chance.below(3_000))),
            3 => Settlement::Redirected(self.random_url()),
            4 => Settlement::RedirectUnusable,
            5 => failed(Outcome::HttpError, Some(429)),
            6 => failed(Outcome::Timeout, None),
            _ => failed(Outcome::TlsError, None),
        };
        let target = match &settlement {
            Settlement::Redirected(target) => Some(target.clone()),
            _ => None,
        };
        let report = self.rig.settle_with(token, settlement, Vec::new());
        self.note_settled(&open.lease, target, &report);
    }

    fn note_settled(&mut self, lease: &Lease, target: Option<CanonicalUrl>, report: &SettleReport) {
        match &report.settled[0].result {
            SettleResult::Final { disposition, target: followed, .. } => {
                self.model.end(&lease.url, lease.token, *disposition);
                assert_eq!(followed.is_some(), *disposition == Disposition::Redirected);
                if let Some(target) = followed {
                    let was_known = self.model.knows(target);
                    assert_eq!(report.targets.duplicate, u32::from(was_known), "{target}");
                    self.note_offer(target, &report.targets);
                }
            }
            SettleResult::Waiting { not_before, retry } => {
                let url = if *retry { lease.url.clone() } else { target.expect("a redirect has a target") };
                self.model.wait(&url, lease.token, *not_before);
            }
            other => panic!("{other:?}"),
        }
    }

    fn settle_errand(&mut self, open: Open) {
        let token = open.lease.token;
        let answer = match self.chance.below(5) {
            0 => unreachable(503),
            1 => RobotsAnswer::Redirect(url("http://b/robots-elsewhere.txt")),
            2 => {
                self.model.robots(open.origin, None);
                RobotsAnswer::Unavailable { too_many_redirects: false }
            }
            _ => {
                self.model.robots(open.origin, Some(DISALLOWED));
                robots_txt("user-agent: *\ndisallow: /1\ncrawl-delay: 0.1")
            }
        };
        let is_hop = matches!(answer, RobotsAnswer::Redirect(_));
        if is_hop && open.lease.chain.len() >= 5 {
            self.model.robots(open.lease.chain[0].origin(), None);
        }
        let result = self.rig.settle(token, Settlement::Robots(answer));
        assert!(matches!(result, SettleResult::Errand));
        self.model.fetched(token);
    }

    fn session(&mut self) {
        if let Some(host) = self.sessions.pop() {
            self.rig.frontier.release(self.rig.now, &host, &fetched_ok(Token(0), false));
            return self.model.released(&host);
        }
        let page = self.random_url();
        if self.one_in(2) {
            let view = self.rig.robots(page.as_str());
            return self.model.view(&page, &view);
        }
        if self.one_in(3) {
            let lease = self.rig.frontier.lease_wanted(self.rig.now, 0);
            return lease.into_iter().for_each(|lease| self.open(lease));
        }
        match self.rig.frontier.admit(self.rig.now, &page) {
            Admission::Now => {
                self.model.admitted(self.rig.now, &page.host_key());
                self.sessions.push(page.host_key());
            }
            Admission::NotBefore(at) | Admission::BackingOff(at) => assert!(at > self.rig.now),
            Admission::Refused(_) => {}
        }
    }

    fn stale(&mut self) {
        let token = Token(1_000_000 + self.chance.below(10));
        assert_eq!(self.rig.fetched(fetched_ok(token, true)).stale, [token]);
        let before = self.rig.stats();
        assert_eq!(self.rig.fetched(fetched_ok(token, true)).stale, [token]);
        assert!(matches!(self.rig.settle(token, Settlement::Done), SettleResult::Stale));
        let mut after = self.rig.stats();
        after.stale -= 2;
        assert_eq!(after, before, "a stale token changes nothing");
    }

    pub(crate) fn step(&mut self) {
        let picked = small(self.chance.below(self.open.len() as u64)) as usize;
        match self.chance.below(20) {
            0 => self.offer(),
            1..=5 => {
                let most = small(self.chance.below(4)) as usize;
                self.lease(most);
            }
            6..=10 if !self.open.is_empty() => self.fetched(picked),
            11..=15 if !self.open.is_empty() => self.settle(picked),
            16 => self.session(),
            17 => self.stale(),
            _ => {
                let span = Duration::from_micros(self.chance.below(400_000));
                self.rig.pass(span);
            }
        }
        self.rig.check();
        self.model.compare(&self.rig.stats());
    }

    /// Goes on with another frontier, after the death of the process: nobody has a lease or a slot.
    pub(crate) fn reborn(&mut self, frontier: MemFrontier, model: Model) {
        (self.rig, self.model) = (Rig { frontier, now: Time::ZERO }, model);
        self.open.clear();
        self.sessions.clear();
        self.rig.check();
        self.model.compare(&self.rig.stats());
    }

    /// Goes on until nothing is left to do; nothing may be forgotten.
    pub(crate) fn finish(&mut self) {
        while let Some(host) = self.sessions.pop() {
            self.rig.frontier.release(self.rig.now, &host, &fetched_ok(Token(0), false));
            self.model.released(&host);
        }
        loop {
            while !self.open.is_empty() {
                self.fetched(0);
                self.settle(0);
            }
            match self.rig.frontier.next_wakeup() {
                Some(at) => self.rig.now = self.rig.now.max(at),
                None => break,
            }
            self.lease(3);
        }
        self.model.compare(&self.rig.stats());
        assert_eq!(self.rig.stats().pending, 0, "a URL is forgotten: {:#?}", self.rig.stats());
    }
}

#[test]
fn whatever_happens_the_frontier_does_as_its_model() {
    let (mut done, mut skipped) = (0, 0);
    for seed in 0..300 {
        println!("seed {seed}");
        let mut driver = Driver::new(seed);
        for _ in 0..300 {
            driver.step();
        }
        driver.finish();
        let stats = driver.rig.stats();
        done += stats.done;
        skipped += stats.skipped.values().sum::<u64>();
    }
    assert!(done > 1_000 && skipped > 1_000, "the driver reaches both ends: {done} {skipped}");
}

#[test]
fn a_long_run_from_one_seed_does_as_its_model() {
    let mut driver = Driver::new(77_777);
    for _ in 0..5_000 {
        driver.step();
    }
    let drained = driver.rig.frontier.drain(driver.rig.now, Drain::Drop);
    let report = drained.now().unwrap_or_else(|_| panic!("ready"));
    report.skipped.iter().for_each(|skip| driver.model.skip(skip));
    while !driver.open.is_empty() {
        driver.settle(0);
    }
    driver.model.compare(&driver.rig.stats());
    assert_eq!((driver.rig.stats().pending, driver.rig.frontier.next_wakeup()), (0, None));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut driver = Driver::new(seed);
        (0..300).for_each(|_| driver.step());
        (driver.rig.stats(), driver.rig.now)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).1, Time::ZERO);
}
