//! Works out how each URL of a world may end, by walking the world and not the crawl.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dragline_core::fetch::AtCap;
use dragline_core::rules::ScopeMode;

use super::conditions::{Conditions, DEADLINE};
use super::faults::{FaultPlan, HandlerFault, Wish};
use super::world::{Failing, LATENCY_MAX, PageKind, RobotsKind, RobotsText, Target, Temper, World};

/// Times that one segment may stand in a path.
const SEGMENT_REPEATS_MAX: usize = 3;

/// Attempts at a URL whose fetch crashed.
const CRASHED_ATTEMPTS: u32 = 2;

/// The ways in which a URL may end: dispositions such as `done` or `failed(timeout)`.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends(BTreeSet<String>);

/// How a URL may end.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) ends: Ends,
    /// The least depth at which a crawl may come to it.
    pub(super) depth_min: u32,
    /// A crawl that finishes must have come to it.
    pub(super) is_certain: bool,
}

/// Walks a world under the conditions of a crawl.
struct Walk<'a> {
    world: &'a World,
    conditions: &'a Conditions,
    plan: &'a FaultPlan,
    /// The most redirects that lead to a page without another between.
    hops: BTreeMap<Target, u32>,
    /// Hosts that may be given up because they refuse.
    refusing: BTreeSet<usize>,
}

/// Returns how each URL that a crawl can come to may end, by URL.
pub(super) fn walk(world: &World, conditions: &Conditions, plan: &FaultPlan) -> BTreeMap<String, Expected> {
    let mut walk = Walk { world, conditions, plan, hops: BTreeMap::new(), refusing: BTreeSet::new() };
    walk.survey();
    let mut found = walk.reach();
    walk.mark_certain(&mut found);
    found.into_iter().map(|(target, expected)| (world.url(target), expected)).collect()
}

impl Ends {
    /// Adds one that is possible.
    fn may(&mut self, end: &str) {
        self.0.insert(end.to_owned());
    }

    /// Whether it is possible.
    pub(super) fn has(&self, end: &str) -> bool {
        self.0.contains(end)
    }

    /// Whether nothing else is possible.
    fn is_only(&self, end: &str) -> bool {
        self.0.len() == 1 && self.has(end)
    }
}

impl Walk<'_> {
    /// Looks at redirects and refusals, which make the end of one URL depend on others.
    fn survey(&mut self) {
        for (host, of_host) in self.world.hosts.iter().enumerate() {
            let refuses = |kind: &PageKind| match kind {
                PageKind::Fails(failing, _) => {
                    matches!(
                        failing,
                        Failing::Status(503) | Failing::Busy(_) | Failing::Hang | Failing::Refused
                    )
                }
                PageKind::Slow(_) => true,
                _ => false,
            };
            if of_host.temper != Temper::Calm || of_host.pages.iter().any(|page| refuses(&page.kind)) {
                self.refusing.insert(host);
            }
            for page in 0..of_host.pages.len() {
                self.follow_redirects(Target::Page { host, page });
            }
        }
    }

    fn follow_redirects(&mut self, from: Target) {
        let mut passed = BTreeSet::from([from]);
        let (mut at, mut hops) = (from, 0);
        while let Some(to) = self.redirect(at) {
            hops += 1;
            let most = self.hops.entry(to).or_default();
            *most = hops.max(*most);
            if !passed.insert(to) {
                // A loop: however long the chain is that leads there.
                self.hops.insert(to, u32::MAX);
                return;
            }
            at = to;
        }
    }

    /// Returns where a target redirects to, but for those that lead to themselves.
    fn redirect(&self, target: Target) -> Option<Target> {
        match self.kind(target)? {
            PageKind::Redirect(to) if to != target => Some(to),
            _ => None,
        }
    }

    fn kind(&self, target: Target) -> Option<PageKind> {
        match target {
            Target::Page { host, page } => self.world.page(host, page).map(|page| page.kind),
            Target::Calendar { .. } | Target::Spiral { .. } => Some(PageKind::Page),
            Target::Elsewhere(_) => None,
        }
    }

    /// Finds every URL that may be come to, with its least depth.
    fn reach(&self) -> BTreeMap<Target, Expected> {
        let mut found: BTreeMap<Target, Expected> = BTreeMap::new();
        let mut waiting: VecDeque<(Target, u32)> =
            self.conditions.seeds.iter().map(|&host| (Target::Page { host, page: 0 }, 0)).collect();
        while let Some((target, depth)) = waiting.pop_front() {
            if found.contains_key(&target) || depth > self.conditions.depth_max {
                continue;
            }
            let ends = self.ends(target);
            if ends.has("redirected") {
                self.redirect(target).into_iter().for_each(|to| waiting.push_front((to, depth)));
            }
            if ends.has("done") {
                waiting.extend(self.world.links(target).into_iter().map(|to| (to, depth.saturating_add(1))));
            }
            found.insert(target, Expected { ends, depth_min: depth, is_certain: false });
        }
        found
    }

    /// Marks what every crawl that finishes comes to: what is behind pages that can only be done.
    fn mark_certain(&self, found: &mut BTreeMap<Target, Expected>) {
        let mut waiting: Vec<Target> =
            self.conditions.seeds.iter().map(|&host| Target::Page { host, page: 0 }).collect();
        while let Some(target) = waiting.pop() {
            let Some(expected) = found.get_mut(&target).filter(|expected| !expected.is_certain) else {
                continue;
            };
            expected.is_certain = true;
            if expected.ends.is_only("redirected") {
                waiting.extend(self.redirect(target));
            }
            // With a limit it depends on the way that was taken first.
            if expected.ends.is_only("done") && !self.conditions.depth_binds() {
                waiting.extend(self.world.links(target));
            }
        }
    }

    /// Returns the ways in which a URL may end once it is offered.
    fn ends(&self, target: Target) -> Ends {
        let mut ends = Ends::default();
        let host = host_of(target);
        if !self.in_scope(host) {
            ends.may("skipped(scope)");
            return ends;
        }
        if matches!(target, Target::Spiral { turns, .. } if turns > SEGMENT_REPEATS_MAX) {
            ends.may("skipped(trap)");
            return ends;
        }
        match (self.conditions.urls_max, self.conditions.urls_per_host_max) {
            (0, 0) => {}
            (_, 0) => ends.may("skipped(budget)"),
            (0, _) => ends.may("skipped(host_limit)"),
            (..) => {
                ends.may("skipped(budget)");
                ends.may("skipped(host_limit)");
            }
        }
        if matches!(self.plan.wish, Some((_, Wish::DrainDrop))) {
            ends.may("skipped(drained)");
        }
        if host.is_none_or(|host| self.refusing.contains(&host)) {
            ends.may("skipped(parked)");
        }
        if self.plan.loses_fetches() {
            ends.may("failed(crashed)");
        }
        self.fetched_ends(target, host, &mut ends);
        ends
    }

    fn in_scope(&self, host: Option<usize>) -> bool {
        let seeds = &self.conditions.seeds;
        let domain = |host: usize| self.world.hosts.get(host).and_then(|host| host.name.split_once('.'));
        match (self.conditions.scope, host) {
            (ScopeMode::Any, _) => true,
            (_, None) => false,
            (ScopeMode::Domain, Some(host)) => {
                let of_host = domain(host).map(|(_, domain)| domain);
                seeds.iter().any(|&seed| domain(seed).map(|(_, domain)| domain) == of_host)
            }
            (ScopeMode::Host | ScopeMode::Exact, Some(host)) => seeds.contains(&host),
        }
    }

    /// Adds what robots.txt, host and page make of a URL in scope.
    fn fetched_ends(&self, target: Target, host: Option<usize>, ends: &mut Ends) {
        let attempts = self.conditions.attempts;
        let temper = host.and_then(|host| self.world.hosts.get(host)).map(|host| host.temper);
        let obeys = self.conditions.robots;
        match temper {
            Some(Temper::Calm) => {}
            Some(Temper::Limited { .. }) => {
                if attempts == 1 {
                    ends.may("failed(http_error)");
                }
                if obeys {
                    ends.may("skipped(robots_unreachable)");
                }
            }
            Some(Temper::Dead) if !obeys => return ends.may("failed(connect_error)"),
            Some(Temper::Nameless) | None if !obeys => return ends.may("failed(dns_error)"),
            Some(Temper::Dead | Temper::Nameless) | None => return ends.may("skipped(robots_unreachable)"),
        }
        let robots = host.and_then(|host| self.world.hosts.get(host)).map(|host| host.robots);
        if obeys && self.plan.loses_fetches() {
            ends.may("skipped(robots_unreachable)");
        }
        let text = match robots.filter(|_| obeys) {
            None | Some(RobotsKind::Absent) => None,
            Some(RobotsKind::Text(text, failures)) => {
                if failures >= attempts {
                    ends.may("skipped(robots_unreachable)");
                    if !self.may_heal(target) {
                        return;
                    }
                }
                Some(text)
            }
            Some(RobotsKind::Moved(_, text)) => Some(text),
            Some(RobotsKind::Unreachable) => return ends.may("skipped(robots_unreachable)"),
        };
        let private = |host: usize, page: usize| self.world.page(host, page).is_some_and(|page| page.private);
        let is_private = matches!(target, Target::Page { host, page } if private(host, page));
        if is_private && text.is_some_and(|RobotsText { private, .. }| private) {
            return ends.may("skipped(robots)");
        }
        self.page_ends(target, ends);
    }

    fn page_ends(&self, target: Target, ends: &mut Ends) {
        let Conditions { attempts, redirects_max, at_cap, .. } = *self.conditions;
        match self.kind(target) {
            None => ends.may("failed(http_error)"),
            Some(PageKind::Circle) => ends.may("failed(redirect_error)"),
            Some(PageKind::Redirect(to)) if to == target => ends.may("failed(redirect_error)"),
            Some(PageKind::Redirect(_)) => {
                ends.may("redirected");
                if self.hops.get(&target).is_some_and(|&hops| hops >= redirects_max) {
                    ends.may("failed(redirect_error)");
                }
            }
            Some(PageKind::Big) if at_cap == AtCap::Fail => ends.may("failed(too_large)"),
            Some(PageKind::Slow(time)) => {
                if time + LATENCY_MAX * 2 > DEADLINE {
                    ends.may("failed(timeout)");
                }
                if time <= DEADLINE {
                    ends.may("done");
                }
            }
            Some(PageKind::Fails(failing, times)) => {
                let tries = if failing == Failing::Crash { attempts.min(CRASHED_ATTEMPTS) } else { attempts };
                let heals = times.is_some_and(|times| times < tries);
                if heals || times.is_some() && self.may_heal(target) {
                    ends.may("done");
                }
                if !heals || self.plan.loses_fetches() {
                    ends.may(fail_kind(failing));
                }
            }
            Some(PageKind::File | PageKind::Big) => ends.may("done"),
            Some(PageKind::Page) => self.handled_ends(target, ends),
        }
    }

    /// Whether what fails at first may be well before the crawl comes to it: a host counts requests that it refused, and
    /// those of an earlier life of the crawl.
    fn may_heal(&self, target: Target) -> bool {
        let limits = |host: usize| {
            self.world.hosts.get(host).is_some_and(|host| matches!(host.temper, Temper::Limited { .. }))
        };
        self.plan.crashes() || host_of(target).is_some_and(limits)
    }

    fn handled_ends(&self, target: Target, ends: &mut Ends) {
        match self.plan.handlers.get(&self.world.url(target)) {
            None | Some(HandlerFault::Stop) => ends.may("done"),
            Some(HandlerFault::Error) => ends.may("failed(handler_error)"),
            Some(HandlerFault::Panic) => ends.may("failed(handler_panic)"),
            Some(HandlerFault::Hang) => ends.may("failed(handler_timeout)"),
            Some(HandlerFault::Late) => {
                ends.may("done");
                ends.may("failed(handler_timeout)");
            }
            Some(HandlerFault::LoseReply) => {
                ends.may("done");
                // Another page that kills or blocks its worker makes this one a suspect before its time.
                if self.plan.killers() > 1 || self.plan.crashes() {
                    ends.may("failed(handler_panic)");
                }
            }
            Some(HandlerFault::Retry) => {
                if self.conditions.attempts > 1 || self.plan.killers() > 0 || self.plan.crashes() {
                    ends.may("done");
                }
                if self.conditions.attempts == 1 || self.plan.loses_fetches() {
                    ends.may("failed(handler_error)");
                }
            }
        }
    }
}

const fn host_of(target: Target) -> Option<usize> {
    match target {
        Target::Page { host, .. } | Target::Calendar { host, .. } | Target::Spiral { host, .. } => Some(host),
        Target::Elsewhere(_) => None,
    }
}

const fn fail_kind(failing: Failing) -> &'static str {
    match failing {
        Failing::Status(_) | Failing::Busy(_) => "failed(http_error)",
        Failing::Hang => "failed(timeout)",
        Failing::Refused => "failed(connect_error)",
        Failing::Cut => "failed(incomplete)",
        Failing::Crash => "failed(crashed)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world of one calm host with a root that links to a page of each kind.
    fn world(kinds: &[PageKind]) -> World {
        let mut world = World::draw(1, 1, 1 + kinds.len());
        for host in &mut world.hosts {
            (host.temper, host.robots, host.endless) = (Temper::Calm, RobotsKind::Absent, false);
            let links = (1..=kinds.len()).map(|page| Target::Page { host: 0, page });
            let root = host.pages.first().cloned().expect("a host has a root");
            let page = |kind, private, links| crate::simulator::world::WorldPage { kind, private, links };
            host.pages = vec![page(root.kind, false, links.collect())];
            host.pages.extend(kinds.iter().map(|kind| page(*kind, true, Vec::new())));
        }
        world
    }

    fn check_with(world: &World, conditions: &Conditions, expected: &[&str]) {
        let found = walk(world, conditions, &FaultPlan::default());
        let root = found.get(&world.url(Target::Page { host: 0, page: 0 }));
        let certain = root.is_some_and(|root| root.ends.is_only("done"));
        for (page, ends) in (1..).zip(expected) {
            let url = world.url(Target::Page { host: 0, page });
            let shown = found.get(&url).map(|expected| {
                assert_eq!((expected.is_certain, expected.depth_min), (certain, 1), "{url}");
                expected.ends.0.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
            });
            assert_eq!(shown.as_deref(), Some(*ends), "{url}: {:?}", world.page(0, page));
        }
    }

    fn check(kinds: &[PageKind], attempts: u32, expected: &[&str]) {
        let world = world(kinds);
        check_with(&world, &Conditions { attempts, ..Conditions::usual(&world) }, expected);
    }

    #[test]
    fn what_is_there_decides_how_a_url_ends() {
        let to = |page| PageKind::Redirect(Target::Page { host: 0, page });
        check(
            &[PageKind::Page, PageKind::File, PageKind::Big, PageKind::Circle, to(1), to(6)],
            3,
            &[
                "done",
                "done",
                "failed(too_large)",
                "failed(redirect_error)",
                "redirected",
                "failed(redirect_error)",
            ],
        );
        let either = "failed(redirect_error) or redirected";
        check(&[to(2), to(1), to(2)], 3, &[either, either, "redirected"]);
        let slow = |secs| PageKind::Slow(std::time::Duration::from_secs(secs));
        let ends = ["done or skipped(parked)", "failed(timeout) or skipped(parked)"];
        check(&[slow(20), slow(31)], 3, &ends);
    }

    #[test]
    fn attempts_decide_whether_what_fails_at_first_is_done() {
        let fails = |failing, times| PageKind::Fails(failing, times);
        let (twice, crash) = (fails(Failing::Status(500), Some(2)), fails(Failing::Crash, Some(1)));
        check(&[twice, crash], 3, &["done", "done"]);
        check(&[twice, crash], 2, &["failed(http_error)", "done"]);
        check(&[twice, crash], 1, &["failed(http_error)", "failed(crashed)"]);
        check(&[fails(Failing::Cut, None)], 3, &["failed(incomplete)"]);
    }

    #[test]
    fn robots_txt_and_scope_come_first() {
        let mut world = world(&[PageKind::Page, PageKind::Circle]);
        let with_robots =
            |world: &mut World, robots| world.hosts.iter_mut().for_each(|host| host.robots = robots);
        let usual = Conditions::usual(&world);
        let text = RobotsText { private: true, crawl_delay_secs: None };
        with_robots(&mut world, RobotsKind::Text(text, 2));
        check_with(&world, &usual, &["skipped(robots)", "skipped(robots)"]);
        let ignored = Conditions { robots: false, ..usual.clone() };
        check_with(&world, &ignored, &["done", "failed(redirect_error)"]);
        with_robots(&mut world, RobotsKind::Text(text, 3));
        let root = world.url(Target::Page { host: 0, page: 0 });
        let found = walk(&world, &usual, &FaultPlan::default());
        let ends = found.get(&root).map(|expected| expected.ends.clone());
        assert!(ends.is_some_and(|ends| ends.is_only("skipped(robots_unreachable)")));
        assert_eq!(found.len(), 1, "nothing is behind a root that is not fetched");
    }
}
