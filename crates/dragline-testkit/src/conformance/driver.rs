//! Drives a frontier at random, beside a plain model of it, and kills it now and then.

use std::sync::Arc;
use std::time::Duration;

use dragline_core::chance::Chance;
use dragline_core::frontier::{
    Admission, Drain, Fetched, FetchedReport, Frontier, FrontierStats, Lease, LeaseReport, OfferBatch,
    OfferFrom, OfferReport, OfferSource, Purpose, RobotsAnswer, Settle, SettleReport, SettleResult,
    Settlement, Token, Want,
};
use dragline_core::handled::Outlinks;
use dragline_core::invariants;
use dragline_core::robots::RobotsTxt;
use dragline_core::rules::{CrawlRules, ScopeMode};
use dragline_core::{
    CanonicalUrl, Disposition, FailKind, HostKey, LinkRefusal, Origin, Outcome, Ticket, Time, Wall,
};

use super::KEY;
use super::model::Model;
use super::subject::{Recovered, Subject};

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

/// A frontier, its model, and what was leased from it.
#[derive(Debug)]
pub(super) struct Driver<S> {
    pub(super) subject: S,
    model: Model,
    chance: Chance,
    rules: CrawlRules,
    open: Vec<Open>,
    sessions: Vec<HostKey>,
    now: Time,
    /// When the time of this life began.
    base: Wall,
    /// The model as it was when each commit was begun, and the time then: that of the last that is durable, and of
    /// those that may have become so.
    commits: Vec<(u64, Model, Wall)>,
    next_commit: u64,
    pub(super) deaths: u32,
}

fn url(text: &str) -> CanonicalUrl {
    CanonicalUrl::parse(text).expect("a URL of the suite")
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fetched_ok(token: Token, to_handlers: bool) -> Fetched {
    Fetched { token, outcome: Outcome::Ok, status: Some(200), ttfb: None, retry_after: None, to_handlers }
}

fn robots_txt(text: &str) -> RobotsAnswer {
    RobotsAnswer::Rules(Arc::new(RobotsTxt::parse(text.as_bytes(), 500 << 10, "dragline")))
}

fn unreachable() -> RobotsAnswer {
    let message = "status 503".into();
    RobotsAnswer::Unreachable { outcome: Outcome::HttpError, status: Some(503), message }
}

fn pick<T: Copy, const N: usize>(chance: &mut Chance, among: [T; N]) -> T {
    among[small(chance.below(N as u64)) as usize]
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a small number")
}

fn random_rules(chance: &mut Chance) -> CrawlRules {
    let mut rules = CrawlRules { redirects_max: 10, ..CrawlRules::default() };
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

impl<S: Subject> Driver<S> {
    pub(super) fn new(seed: u64, make: impl FnOnce(&CrawlRules, Wall, u64) -> S) -> Self {
        let mut chance = Chance::new(seed);
        let rules = random_rules(&mut chance);
        let base = Wall::from_secs(1_000);
        let model = Model::new(rules.clone());
        let commits = vec![(0, model.clone(), base)];
        Self {
            subject: make(&rules, base, chance.fork()),
            model,
            chance,
            rules,
            open: Vec::new(),
            sessions: Vec::new(),
            now: Time::ZERO,
            base,
            commits,
            next_commit: 1,
            deaths: 0,
        }
    }

    fn frontier(&mut self) -> &mut dyn Frontier {
        self.subject.frontier()
    }

    fn ready<T>(&self, ticket: Ticket<T>) -> T {
        self.subject.wait(ticket)
    }

    fn stats(&mut self) -> FrontierStats {
        self.frontier().stats()
    }

    fn check(&mut self) {
        let stats = self.stats();
        assert!(invariants::identity_holds(&stats), "{stats:#?}");
        assert!(invariants::gauges_sum_to_pending(&stats), "{stats:#?}");
        assert_eq!(self.subject.first_broken(), None, "{stats:#?}");
    }

    fn offer_urls(&mut self, texts: &[&str], from: OfferFrom) -> OfferReport {
        let mut links = Outlinks::default();
        texts.iter().for_each(|text| links.push_canonical(text));
        let fingerprints = texts.iter().map(|text| KEY.of_canonical(text)).collect();
        let now = self.now;
        let ticket =
            self.frontier().offer(now, OfferBatch { links, fingerprints, dropped_duplicates: 0, from });
        let report = self.ready(ticket);
        self.check();
        report
    }

    fn lease_for(&mut self, most: usize, fetcher: usize) -> LeaseReport {
        let now = self.now;
        let ticket = self.frontier().lease(now, Want { most, fetcher });
        let report = self.ready(ticket);
        self.check();
        report
    }

    fn tell_fetched(&mut self, fetched: Fetched) -> FetchedReport {
        let now = self.now;
        let ticket = self.frontier().fetched(now, vec![fetched]);
        let report = self.ready(ticket);
        self.check();
        report
    }

    fn settle_as(&mut self, token: Token, settlement: Settlement) -> SettleReport {
        let now = self.now;
        let settle = Settle { token, settlement, offers: Vec::new(), visit: None };
        let ticket = self.frontier().settle(now, vec![settle]);
        let report = self.ready(ticket);
        self.check();
        report
    }

    fn one_in(&mut self, odds: u64) -> bool {
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
        let report = self.offer_urls(&texts, OfferFrom { source, depth, ..OfferFrom::seed() });
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
        let report = self.lease_for(most, fetcher);
        assert!(report.leases.len() <= most);
        // The report does not say which came first, but a URL that is skipped goes before those behind it.
        report.skipped.iter().for_each(|skip| self.model.skip(skip));
        report.leases.into_iter().for_each(|lease| self.open(lease));
        let more = self.frontier().next_wakeup().is_some_and(|at| at <= self.now);
        assert!(
            self.open.len() >= most || !more || most == 0 || self.is_full(most),
            "a lease leaves nothing due"
        );
    }

    fn open(&mut self, lease: Lease) {
        self.model.lease(self.now, &lease);
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
        let report = self.tell_fetched(Fetched { token, outcome, status, ttfb, retry_after, to_handlers });
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
        let report = self.settle_as(token, settlement);
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
            0 => unreachable(),
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
        let report = self.settle_as(token, Settlement::Robots(answer));
        assert!(matches!(report.settled[0].result, SettleResult::Errand));
        self.model.fetched(token);
    }

    fn session(&mut self) {
        if let Some(host) = self.sessions.pop() {
            let now = self.now;
            self.frontier().release(now, &host, &fetched_ok(Token(0), false));
            return self.model.released(&host);
        }
        let page = self.random_url();
        if self.one_in(2) {
            let now = self.now;
            let view = self.frontier().robots(now, &page);
            self.check();
            return self.model.view(&page, &view);
        }
        if self.one_in(3) {
            let now = self.now;
            let lease = self.frontier().lease_wanted(now, 0);
            return lease.into_iter().for_each(|lease| self.open(lease));
        }
        let now = self.now;
        match self.frontier().admit(now, &page) {
            Admission::Now => {
                self.model.admitted(self.now, &page.host_key());
                self.sessions.push(page.host_key());
            }
            Admission::NotBefore(at) | Admission::BackingOff(at) => assert!(at > self.now),
            Admission::Refused(_) => {}
        }
    }

    fn stale(&mut self) {
        let token = Token(1_000_000 + self.chance.below(10));
        assert_eq!(self.tell_fetched(fetched_ok(token, true)).stale, [token]);
        let before = self.stats();
        assert_eq!(self.tell_fetched(fetched_ok(token, true)).stale, [token]);
        let report = self.settle_as(token, Settlement::Done);
        assert!(matches!(report.settled[0].result, SettleResult::Stale), "a stale token is accepted");
        let mut after = self.stats();
        after.stale -= 2;
        assert_eq!(after, before, "a stale token changes nothing");
    }

    /// Does anything: an operation, or one time in so many a commit or a death.
    pub(super) fn any_step(&mut self, commits: u64, deaths: u64) {
        match self.chance.below(60) {
            at if at < commits => self.commit(),
            at if at < commits + deaths => self.die(),
            _ => self.step(),
        }
    }

    fn step(&mut self) {
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
                self.now += span;
            }
        }
        self.check();
        let stats = self.stats();
        self.model.compare(&stats);
    }

    /// Begins a commit and makes it durable, or dies in the middle of that.
    pub(super) fn commit(&mut self) {
        let number = self.next_commit;
        self.next_commit += 1;
        let at = self.base + self.now.since(Time::ZERO);
        let mut model = self.model.clone();
        model.restart(self.now);
        self.commits.push((number, model, at));
        self.subject.begin_commit(number);
        // The crawl goes on while a commit is under way; what happens belongs to the next one.
        for _ in 0..self.chance.below(6) {
            self.step();
        }
        if self.subject.finish_commit() {
            self.commits.retain(|(kept, ..)| *kept == number);
        } else {
            self.die();
        }
    }

    /// Dies, and goes on with what was durable.
    pub(super) fn die(&mut self) {
        self.deaths += 1;
        let gone = self.base + self.now.since(Time::ZERO) + millis(self.chance.below(2_000));
        let seed = self.chance.fork();
        let Some(Recovered { commit }) = self.subject.restart(gone, seed) else { return };
        let known = self.commits.iter().position(|(number, ..)| *number == commit);
        let (_, model, at) =
            self.commits.swap_remove(known.expect("a commit that was acknowledged is there"));
        self.model = model.clone();
        // The model stands at the moment of the commit; its clock goes on to the moment of the restart.
        self.model.restart(Time::ZERO + gone.since(at));
        self.commits = vec![(commit, model, at)];
        (self.base, self.now) = (gone, Time::ZERO);
        self.open.clear();
        self.sessions.clear();
        self.check();
        let stats = self.stats();
        self.model.compare(&stats);
    }

    /// Ends what waits, and checks that nothing is left.
    pub(super) fn drain(&mut self) {
        let now = self.now;
        let ticket = self.frontier().drain(now, Drain::Drop);
        let report = self.ready(ticket);
        report.skipped.iter().for_each(|skip| self.model.skip(skip));
        while !self.open.is_empty() {
            self.settle(0);
        }
        let stats = self.stats();
        self.model.compare(&stats);
        assert_eq!((stats.pending, self.frontier().next_wakeup()), (0, None));
    }

    /// Goes on until nothing is left to do; nothing may be forgotten.
    pub(super) fn finish(&mut self) {
        while let Some(host) = self.sessions.pop() {
            let now = self.now;
            self.frontier().release(now, &host, &fetched_ok(Token(0), false));
            self.model.released(&host);
        }
        loop {
            while !self.open.is_empty() {
                self.fetched(0);
                self.settle(0);
            }
            match self.frontier().next_wakeup() {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.lease(3);
        }
        let stats = self.stats();
        self.model.compare(&stats);
        assert_eq!(stats.pending, 0, "a URL is forgotten: {stats:#?}");
    }
}
