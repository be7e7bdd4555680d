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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    fn scope(mode: ScopeMode, seeds: &[&str]) -> Scope {
        let mut scope = Scope::new(ScopeRules { mode, ..ScopeRules::default() });
        for seed in seeds {
            scope.add_seed(&url(seed));
        }
        scope
    }

    fn check(scope: &Scope, text: &str, expected: bool) {
        let verdict = scope.check(&url(text));
        assert_eq!(verdict.verdict.is_ok(), expected, "{text}: {verdict:?}");
    }

    #[test]
    fn mode_exact_reaches_the_origin() {
        let scope = scope(ScopeMode::Exact, &["http://a.org/x", "http://a.org:81/"]);
        check(&scope, "http://a.org/y", true);
        check(&scope, "http://a.org:81/y", true);
        check(&scope, "https://a.org/y", false);
        check(&scope, "http://www.a.org/y", false);
    }

    #[test]
    fn mode_host_reaches_any_scheme_on_the_port_of_the_seed_or_the_default() {
        let scope = scope(ScopeMode::Host, &["http://a.org:8080/x", "https://b.org/"]);
        check(&scope, "http://a.org:8080/", true);
        check(&scope, "https://a.org:8080/", true);
        check(&scope, "https://a.org/", true);
        check(&scope, "http://a.org/", true);
        check(&scope, "http://a.org:8081/", false);
        check(&scope, "http://b.org/", true);
        check(&scope, "http://b.org./", true);
        check(&scope, "http://b.org:8080/", false);
        check(&scope, "http://www.b.org/", false);
        check(&scope, "http://c.org/", false);
    }

    #[test]
    fn mode_domain_reaches_every_host_of_a_registrable_domain() {
        let scope =
            scope(ScopeMode::Domain, &["http://www.a.co.uk/", "http://x.github.io/", "http://127.0.0.1/"]);
        check(&scope, "https://a.co.uk:99/", true);
        check(&scope, "http://deep.er.a.co.uk/", true);
        check(&scope, "http://b.co.uk/", false);
        check(&scope, "http://y.github.io/", false);
        check(&scope, "http://127.0.0.1/", true);
        check(&scope, "http://126.0.0.1/", false);
    }

    #[test]
    fn mode_any_needs_no_seed() {
        check(&scope(ScopeMode::Any, &[]), "http://a.org/", true);
        check(&scope(ScopeMode::Host, &[]), "http://a.org/", false);
    }

    #[test]
    fn a_registrable_domain_stands_below_a_public_suffix() {
        let check = |host: &str, expected: &str| assert_eq!(registrable_domain(host), expected, "{host}");
        check("www.example.org", "example.org");
        check("www.example.co.uk", "example.co.uk");
        check("co.uk", "co.uk");
        check("localhost", "localhost");
        check("a.b.localhost", "b.localhost");
        check("192.168.0.1", "192.168.0.1");
        check("[::1]", "[::1]");
        check("", "");
    }

    #[test]
    fn the_rule_that_decided_is_named() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
        let mut scope = Scope::new(ScopeRules {
            include: patterns(&["*/docs/*", "*/blog/*"]),
            exclude: patterns(&["*?session=*", "*/old/*"]),
            ..ScopeRules::default()
        });
        scope.add_seed(&url("http://a.org/"));
        let check =
            |text: &str, verdict: Result<(), SkipReason>, rule: &'static str, index: Option<usize>| {
                let expected = Decision { verdict, rule, source: Source::Config { key: rule, index } };
                assert_eq!(scope.check(&url(text)), expected, "{text}");
            };
        check("http://b.org/docs/old/", Err(SkipReason::Scope), "scope.mode", None);
        check("http://a.org/old/", Err(SkipReason::Filter), "scope.include", None);
        check("http://a.org/docs/old/", Err(SkipReason::Filter), "scope.exclude", Some(1));
        check("http://a.org/blog/", Ok(()), "scope.include", Some(1));
        let open = super::tests::scope(ScopeMode::Host, &["http://a.org/"]);
        assert_eq!(open.check(&url("http://a.org/")), Decision::by_key(Ok(()), "scope.mode"));
    }

    #[test]
    fn the_redirect_of_a_seed_brings_its_host_into_scope() {
        let check = |mode, seed_redirects, target: &str, expected: bool| {
            let exclude = vec![Pattern::new("*/login*")];
            let mut scope = Scope::new(ScopeRules { mode, seed_redirects, exclude, ..ScopeRules::default() });
            let seed = url("http://a.org/");
            scope.add_seed(&seed);
            let joined = scope.join_by_redirect(&seed, &url(target));
            assert_eq!(joined.is_some(), expected, "{target}");
            assert!(joined.is_none_or(|decision| decision.rule == "scope.seed_redirects"));
            if expected {
                assert!(scope.check(&url(target)).verdict.is_ok(), "{target}");
                assert!(scope.join_by_redirect(&seed, &url(target)).is_none(), "{target} twice");
            }
        };
        let (host, domain, any) = (ScopeMode::Host, SeedRedirects::Domain, SeedRedirects::Any);
        check(host, domain, "https://www.a.org/", true);
        check(host, domain, "https://b.org/", false);
        check(host, any, "https://b.org/", true);
        check(host, SeedRedirects::Off, "https://www.a.org/", false);
        check(host, domain, "https://a.org/", false);
        check(host, domain, "http://www.a.org/login", false);
        check(ScopeMode::Exact, domain, "https://a.org/", true);
        check(ScopeMode::Domain, domain, "https://www.a.org/", false);
        check(ScopeMode::Domain, any, "https://b.org/", true);
        check(ScopeMode::Any, any, "https://b.org/", false);
    }

    #[test]
    fn hosts_are_listed_once_by_name() {
        let scope = scope(
            ScopeMode::Host,
            &["http://b.org/", "http://a.org:81/", "https://b.org/", "http://b.org./"],
        );
        assert_eq!(scope.hosts().collect::<Vec<_>>(), ["a.org", "b.org"]);
    }
}
