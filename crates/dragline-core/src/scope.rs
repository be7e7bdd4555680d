//! Decides which URLs belong to the crawl: near enough to a seed, included, and not excluded.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::decision::{Decision, Source};
use crate::disposition::SkipReason;
use crate::rules::{ScopeMode, ScopeRules, SeedRedirects};
use crate::url::{CanonicalUrl, Scheme};

/// The scope of a crawl: its rules, and the hosts that seeds and their redirects brought in.
#[derive(Clone, Debug)]
pub struct Scope {
    rules: ScopeRules,
    /// Where each host was named, by scheme and port; hosts without the dot that may end a name.
    hosts: BTreeMap<Box<str>, Vec<(Scheme, u16)>>,
    /// The registrable domains of the hosts.
    domains: BTreeSet<Box<str>>,
}

impl Scope {
    /// Makes a scope without seeds: unless its mode is `any`, nothing belongs to it.
    pub const fn new(rules: ScopeRules) -> Self {
        Self { rules, hosts: BTreeMap::new(), domains: BTreeSet::new() }
    }

    /// Brings the host of a seed into scope. The seed itself still has to pass the include and exclude patterns.
    pub fn add_seed(&mut self, seed_url: &CanonicalUrl) {
        let host = undotted(seed_url.host());
        let place = (seed_url.scheme(), seed_url.port());
        match self.hosts.get_mut(host) {
            Some(places) if places.contains(&place) => {}
            Some(places) => places.push(place),
            None => {
                self.hosts.insert(host.into(), vec![place]);
            }
        }
        let domain = registrable_domain(host);
        if !self.domains.contains(domain) {
            self.domains.insert(domain.into());
        }
    }

    /// Decides whether a URL belongs to the crawl: mode, then include, then exclude.
    ///
    /// The verdict names the rule that refused it, or the last that it had to meet. Nothing is allocated.
    pub fn check(&self, url: &CanonicalUrl) -> Decision<Result<(), SkipReason>> {
        if !self.reaches(url) {
            return Decision::by_key(Err(SkipReason::Scope), "scope.mode");
        }
        self.filter(url)
    }

    /// Brings the host of a seed's redirect target into scope, when `[scope] seed_redirects` allows it.
    ///
    /// `None` when nothing changes: the target is reached already, it lies on another domain than the rule allows, or a
    /// pattern refuses it anyway. The host joins as if the target were a seed: in mode `exact` its origin alone.
    pub fn join_by_redirect(
        &mut self,
        seed_url: &CanonicalUrl,
        target: &CanonicalUrl,
    ) -> Option<Decision<()>> {
        let permitted = match self.rules.seed_redirects {
            SeedRedirects::Off => false,
            SeedRedirects::Any => true,
            SeedRedirects::Domain => {
                let domain = |url: &CanonicalUrl| registrable_domain(undotted(url.host())).to_owned();
                domain(seed_url) == domain(target)
            }
        };
        if !permitted || self.reaches(target) || self.filter(target).verdict.is_err() {
            return None;
        }
        self.add_seed(target);
        Some(Decision::by_key((), "scope.seed_redirects"))
    }

    /// Returns the hosts that seeds and their redirects brought in, in the order of their names.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(|host| &**host)
    }

    /// Whether the mode reaches a URL from some seed.
    fn reaches(&self, url: &CanonicalUrl) -> bool {
        let host = undotted(url.host());
        let port = url.port();
        let places = || self.hosts.get(host).map(Vec::as_slice);
        match self.rules.mode {
            ScopeMode::Any => true,
            ScopeMode::Domain => self.domains.contains(registrable_domain(host)),
            ScopeMode::Host => places().is_some_and(|places| {
                port == url.scheme().default_port() || places.iter().any(|(_, known)| *known == port)
            }),
            ScopeMode::Exact => places().is_some_and(|places| places.contains(&(url.scheme(), port))),
        }
    }

    /// Asks the patterns.
    fn filter(&self, url: &CanonicalUrl) -> Decision<Result<(), SkipReason>> {
        let text = url.as_str();
        let by_pattern = |verdict, key, index| {
            let source = Source::Config { key, index: Some(index) };
            Decision { verdict, rule: key, source }
        };
        let included = self.rules.include.iter().position(|pattern| pattern.matches(text));
        if included.is_none() && !self.rules.include.is_empty() {
            return Decision::by_key(Err(SkipReason::Filter), "scope.include");
        }
        if let Some(index) = self.rules.exclude.iter().position(|pattern| pattern.matches(text)) {
            return by_pattern(Err(SkipReason::Filter), "scope.exclude", index);
        }
        match included {
            Some(index) => by_pattern(Ok(()), "scope.include", index),
            None => Decision::by_key(Ok(()), "scope.mode"),
        }
    }
}

/// Returns the domain that was registered, one label below a public suffix; of an address, of a name without a dot
/// and of a public suffix the host itself.
///
/// `host` is as in a canonical URL, without the dot that may end a name.
///
/// # Source
/// The Public Suffix List, its private section included: two users of one hosting domain are two domains.
pub fn registrable_domain(host: &str) -> &str {
    if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
        return host;
    }
    psl::domain_str(host).unwrap_or(host)
}

fn undotted(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}
