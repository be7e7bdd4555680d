//! A frontier so plain that it can be seen to be right: what a real one does is checked against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use dragline_core::frontier::{FrontierStats, Lease, Purpose, RobotsView, Skipped, Token};
use dragline_core::rules::CrawlRules;
use dragline_core::{CanonicalUrl, Disposition, HostKey, Origin, Time};

/// Where a URL stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Waits, and was never leased.
    Fresh,
    /// Waits again, from this time on.
    Again(Time),
    Leased(Token),
    Ended(Disposition),
}

#[derive(Clone, Debug)]
struct Known {
    url: CanonicalUrl,
    stands: Stands,
    /// Its place among those that were never leased, until it is sent back to wait.
    place: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Host {
    in_use: BTreeSet<Token>,
    sessions: u32,
    last_dispatch: Option<Time>,
    leased_urls: u64,
}

/// Every URL by its dedupe key, every host and every origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    rules: CrawlRules,
    urls: BTreeMap<String, Known>,
    hosts: BTreeMap<HostKey, Host>,
    fresh: BTreeMap<Origin, VecDeque<String>>,
    /// Origins whose robots.txt was answered, with the path prefix it disallows.
    robots: BTreeMap<Origin, Option<&'static str>>,
    tokens: BTreeSet<Token>,
}

fn key_of(url: &CanonicalUrl) -> String {
    url.dedupe_key().into_owned()
}

impl Model {
    pub(super) fn new(rules: CrawlRules) -> Self {
        Self { rules, ..Self::default() }
    }

    pub(super) fn knows(&self, url: &CanonicalUrl) -> bool {
        self.urls.contains_key(&key_of(url))
    }

    pub(super) fn add_new(&mut self, url: &CanonicalUrl) {
        self.fresh.entry(url.origin()).or_default().push_back(key_of(url));
        let known = Known { url: url.clone(), stands: Stands::Fresh, place: Some(self.urls.len()) };
        assert!(self.urls.insert(key_of(url), known).is_none(), "{url} is new twice");
    }

    pub(super) fn add_skipped(&mut self, skip: &Skipped) {
        let end = Disposition::Skipped(skip.decision.verdict);
        let known = Known { url: skip.url.clone(), stands: Stands::Ended(end), place: None };
        assert!(self.urls.insert(key_of(&skip.url), known).is_none(), "{} is new twice", skip.url);
    }

    /// A URL that waited was skipped.
    pub(super) fn skip(&mut self, skip: &Skipped) {
        let key = key_of(&skip.url);
        self.unqueue(&skip.url.origin(), &key);
        let known = self.urls.get_mut(&key).expect("the model knows it");
        assert!(matches!(known.stands, Stands::Fresh | Stands::Again(_)), "{known:?} is skipped");
        known.stands = Stands::Ended(Disposition::Skipped(skip.decision.verdict));
    }

    fn unqueue(&mut self, origin: &Origin, key: &str) {
        if let Some(queue) = self.fresh.get_mut(origin) {
            queue.retain(|queued| queued != key);
        }
    }

    /// A lease was granted: the host was due and had a slot, the URL was the next of its origin and is allowed.
    pub(super) fn lease(&mut self, now: Time, lease: &Lease) {
        assert!(self.tokens.insert(lease.token), "{:?} is granted twice", lease.token);
        let (key, origin) = (key_of(&lease.url), lease.url.origin());
        let is_fresh = lease.purpose == Purpose::Page && self.urls[&key].stands == Stands::Fresh;
        self.dispatch(now, &lease.url.host_key());
        let host = self.hosts.get_mut(&lease.url.host_key()).expect("the model knows it");
        host.in_use.insert(lease.token);
        host.leased_urls += u64::from(is_fresh);
        let most = self.rules.scope.urls_per_host_max;
        assert!(most == 0 || host.leased_urls <= most, "more URLs of a host than its budget");
        let slots = self.rules.politeness.concurrency as usize;
        assert!(host.in_use.len() + host.sessions as usize <= slots, "more fetches than slots");
        let most = self.rules.scope.urls_max;
        let leased: u64 = self.hosts.values().map(|host| host.leased_urls).sum();
        assert!(most == 0 || leased <= most, "more URLs than the budget");
        if lease.purpose == Purpose::Robots {
            assert!(self.rules.robots.obey && lease.url.path().starts_with("/robots"));
            return;
        }
        if self.rules.robots.obey {
            let disallowed = self.robots.get(&origin).expect("robots.txt is asked first");
            assert!(disallowed.is_none_or(|prefix| !lease.url.path().starts_with(prefix)), "{}", lease.url);
        }
        if is_fresh {
            assert_eq!(self.fresh[&origin].front(), Some(&key), "first come, first served");
            self.unqueue(&origin, &key);
        }
        let known = self.urls.get_mut(&key).expect("the model knows it");
        assert_eq!(known.url, lease.url, "the newest spelling is fetched");
        match known.stands {
            Stands::Fresh => assert_eq!(lease.attempt, 1),
            Stands::Again(at) => assert!(now >= at, "{} is leased before its time", lease.url),
            other => panic!("{} is leased while {other:?}", lease.url),
        }
        known.stands = Stands::Leased(lease.token);
    }

    fn dispatch(&mut self, now: Time, host: &HostKey) {
        let host = self.hosts.entry(host.clone()).or_default();
        let gap = host.last_dispatch.map_or(Duration::MAX, |last| now.since(last));
        assert!(gap >= self.rules.politeness.delay, "two dispatches within {gap:?}");
        host.last_dispatch = Some(now);
    }

    pub(super) fn admitted(&mut self, now: Time, host: &HostKey) {
        self.dispatch(now, host);
        self.hosts.get_mut(host).expect("the model knows it").sessions += 1;
    }

    pub(super) fn released(&mut self, host: &HostKey) {
        self.hosts.get_mut(host).expect("the model knows it").sessions -= 1;
    }

    /// A fetch ended: its slot is free.
    pub(super) fn fetched(&mut self, token: Token) {
        for host in self.hosts.values_mut() {
            host.in_use.remove(&token);
        }
    }

    pub(super) fn robots(&mut self, origin: Origin, disallowed: Option<&'static str>) {
        self.robots.insert(origin, disallowed);
    }

    /// A session was told what robots.txt says.
    pub(super) fn view(&self, url: &CanonicalUrl, view: &RobotsView) {
        let known = self.robots.get(&url.origin()).copied();
        let disallowed = |prefix: &str| url.path().starts_with(prefix);
        match view {
            RobotsView::Allowed { .. } => {
                assert!(known.flatten().is_some_and(|prefix| !disallowed(prefix)), "{url}");
            }
            RobotsView::Disallowed { .. } => assert!(known.flatten().is_some_and(disallowed), "{url}"),
            RobotsView::AssumedAllowed => assert_eq!(known, Some(None), "{url}"),
            RobotsView::NotObeyed => assert!(!self.rules.robots.obey),
            RobotsView::Unreachable { .. } | RobotsView::Parked(_) | RobotsView::Unknown => {
                assert!(self.rules.robots.obey);
            }
        }
    }

    pub(super) fn end(&mut self, url: &CanonicalUrl, token: Token, disposition: Disposition) {
        self.settle(url, token, Stands::Ended(disposition));
    }

    pub(super) fn wait(&mut self, url: &CanonicalUrl, token: Token, not_before: Time) {
        self.settle(url, token, Stands::Again(not_before));
        let known = self.urls.get_mut(&key_of(url)).expect("the model knows it");
        (known.url, known.place) = (url.clone(), None);
    }

    /// The process died at `now` and another begins its own time: what was leased waits again, in its old place, and
    /// every host may have been asked in this very moment.
    pub(super) fn restart(&mut self, now: Time) {
        let rebased = |at: Time| Time::ZERO + at.since(now);
        for host in self.hosts.values_mut() {
            host.in_use.clear();
            (host.sessions, host.last_dispatch) = (0, Some(Time::ZERO));
        }
        self.fresh.clear();
        self.tokens.clear();
        let mut fresh = BTreeMap::new();
        for (key, known) in &mut self.urls {
            match (known.stands, known.place) {
                (Stands::Leased(_), Some(_)) => {
                    let host = self.hosts.get_mut(&known.url.host_key()).expect("the model knows it");
                    host.leased_urls -= 1;
                    known.stands = Stands::Fresh;
                }
                (Stands::Leased(_), None) => known.stands = Stands::Again(Time::ZERO),
                (Stands::Again(at), _) => known.stands = Stands::Again(rebased(at)),
                (Stands::Fresh | Stands::Ended(_), _) => {}
            }
            if known.stands == Stands::Fresh {
                fresh.insert(known.place, (known.url.origin(), key.clone()));
            }
        }
        for (origin, key) in fresh.into_values() {
            self.fresh.entry(origin).or_default().push_back(key);
        }
    }

    fn settle(&mut self, url: &CanonicalUrl, token: Token, stands: Stands) {
        self.fetched(token);
        let known = self.urls.get_mut(&key_of(url)).expect("the model knows it");
        assert_eq!(known.stands, Stands::Leased(token), "{url}");
        known.stands = stands;
    }

    /// Compares every count.
    pub(super) fn compare(&self, stats: &FrontierStats) {
        let count =
            |is: &dyn Fn(Stands) -> bool| self.urls.values().filter(|known| is(known.stands)).count() as u64;
        let ended = |is: &dyn Fn(Disposition) -> bool| {
            count(&|stands| matches!(stands, Stands::Ended(end) if is(end)))
        };
        assert_eq!(stats.discovered, self.urls.len() as u64);
        assert_eq!(stats.done, ended(&|end| end == Disposition::Done));
        assert_eq!(stats.redirected, ended(&|end| end == Disposition::Redirected));
        for (kind, failed) in &stats.failed {
            assert_eq!(*failed, ended(&|end| end == Disposition::Failed(*kind)), "{kind}");
        }
        for (reason, skipped) in &stats.skipped {
            assert_eq!(*skipped, ended(&|end| end == Disposition::Skipped(*reason)), "{reason}");
        }
        assert_eq!(stats.urls.in_flight, count(&|stands| matches!(stands, Stands::Leased(_))));
        assert_eq!(stats.pending, count(&|stands| !matches!(stands, Stands::Ended(_))));
    }
}
