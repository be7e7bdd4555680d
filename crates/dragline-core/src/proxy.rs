//! Decides which proxy a host is asked through: rules by host, turns among several, rest for those with faults.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::pattern::Pattern;
use crate::time::Time;

/// How long a proxy rests after its first fault; each further one in a row doubles it.
const REST_MIN: Duration = Duration::from_secs(1);

/// The longest rest of a proxy.
const REST_MAX: Duration = Duration::from_secs(60);

/// Which proxies some hosts are asked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRule {
    /// Patterns of host names as in a URL, but without the brackets of an IPv6 address and the dot that may end a name;
    /// one must match.
    pub hosts: Vec<Pattern>,
    /// Indices of proxies, which take turns (one that stands twice has two); empty: no proxy.
    pub proxies: Vec<usize>,
}

/// The proxies of a crawl or a session, and how they fare.
///
/// The first rule that matches a host decides; a host that none matches is asked without a proxy. Without any rule all
/// hosts are asked through all proxies, in turn.
#[derive(Clone, Debug)]
pub struct ProxyRules {
    /// How each proxy fares, by its index.
    proxies: Vec<Rest>,
    rules: Vec<Rotation>,
}

/// How long a proxy is left out.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    /// When it may be used again.
    until: Time,
    /// How long it rests, once it does; zero when nothing went wrong of late.
    length: Duration,
}

/// A rule and whose turn it is.
#[derive(Clone, Debug)]
struct Rotation {
    rule: ProxyRule,
    /// The place in `rule.proxies` to look at first.
    turn: usize,
}

impl ProxyRules {
    /// Makes the rules of proxies that are told apart by name, in the order of their indices.
    ///
    /// # Errors
    /// When two proxies have one name, or a rule has an index that is no proxy's.
    pub fn new(names: Vec<Box<str>>, rules: Vec<ProxyRule>) -> Result<Self, ProxyRulesError> {
        let proxies = vec![Rest::default(); names.len()];
        let mut known = BTreeSet::new();
        for name in names {
            if known.contains(&name) {
                return Err(ProxyRulesError::NameTwice(name));
            }
            known.insert(name);
        }
        for (rule, ProxyRule { proxies: indices, .. }) in rules.iter().enumerate() {
            if let Some(proxy) = indices.iter().copied().find(|index| *index >= proxies.len()) {
                return Err(ProxyRulesError::NoSuchProxy { rule, proxy });
            }
        }
        let mut rules: Vec<_> = rules.into_iter().map(|rule| Rotation { rule, turn: 0 }).collect();
        if rules.is_empty() {
            let rule = ProxyRule { hosts: vec![Pattern::new("*")], proxies: (0..proxies.len()).collect() };
            rules.push(Rotation { rule, turn: 0 });
        }
        Ok(Self { proxies, rules })
    }

    /// Returns the index of the proxy through which the next request to `host` goes; `None`: it goes without.
    ///
    /// The proxies of a rule take turns; one that rests is passed over. When all rest, the one that is due first is
    /// taken: a proxy that may fail is better than an address of ours that was meant to stay hidden.
    pub fn pick(&mut self, host: &str, now: Time) -> Option<usize> {
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let matches = |rotation: &&mut Rotation| rotation.rule.hosts.iter().any(|name| name.matches(host));
        let Rotation { rule, turn } = self.rules.iter_mut().find(matches)?;
        let count = rule.proxies.len();
        let places = (0..count).map(|ahead| (*turn + ahead) % count);
        let candidates = places.filter_map(|place| {
            let index = *rule.proxies.get(place)?;
            Some((place, index, self.proxies.get(index)?.until))
        });
        // Of equals the first is taken, so those that are due keep their turns.
        let (place, index, _) = candidates.min_by_key(|(_, _, until)| (*until).max(now))?;
        *turn = (place + 1) % count;
        Some(index)
    }

    /// Takes note of how a request through a proxy went: `fault` when the proxy failed, not its target.
    ///
    /// A proxy with a fault rests for a second, then for twice as long each time it fails again, at most a minute; a
    /// success ends that. Faults of requests that were under way together count once.
    pub fn report(&mut self, proxy: usize, fault: bool, now: Time) {
        let Some(rest) = self.proxies.get_mut(proxy) else { return };
        if !fault {
            *rest = Rest::default();
            return;
        }
        if now >= rest.until {
            rest.length = (rest.length * 2).clamp(REST_MIN, REST_MAX);
        }
        rest.until = now + rest.length;
    }

    #[cfg(test)]
    fn resting(&self, now: Time) -> usize {
        self.proxies.iter().filter(|rest| rest.until > now).count()
    }
}

/// Why proxies and rules do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyRulesError {
    /// Two proxies have this name. Give one of them another.
    NameTwice(Box<str>),
    /// A rule has an index that is no proxy's.
    NoSuchProxy {
        /// The rule, counted from 0.
        rule: usize,
        /// The index.
        proxy: usize,
    },
}

impl fmt::Display for ProxyRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTwice(name) => write!(f, "two proxies have the name \"{name}\""),
            Self::NoSuchProxy { rule, proxy } => {
                write!(f, "rule {} of the proxies has no proxy {proxy}", rule + 1)
            }
        }
    }
}

impl std::error::Error for ProxyRulesError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(hosts: &[&str], proxies: &[usize]) -> ProxyRule {
        ProxyRule { hosts: hosts.iter().map(|host| Pattern::new(host)).collect(), proxies: proxies.to_vec() }
    }

    fn rules(rules: &[ProxyRule]) -> ProxyRules {
        ProxyRules::new(vec!["one".into(), "two".into(), "three".into()], rules.to_vec()).unwrap()
    }

    /// Checks the proxies of the next requests to a host, all at one time in seconds.
    fn check(rules: &mut ProxyRules, secs: u64, host: &str, expected: &[Option<usize>]) {
        for (request, expected) in expected.iter().enumerate() {
            assert_eq!(
                rules.pick(host, Time::from_secs(secs)),
                *expected,
                "request {request} to {host} at {secs}"
            );
        }
    }

    fn fault(rules: &mut ProxyRules, secs: u64, proxy: usize) {
        rules.report(proxy, true, Time::from_secs(secs));
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let intranet = rule(&["*.intranet.example", "intranet.example"], &[]);
        let mut rules = rules(&[intranet, rule(&["a.org"], &[2]), rule(&["*.org", "::*"], &[1])]);
        check(&mut rules, 0, "x.intranet.example", &[None]);
        check(&mut rules, 0, "a.org", &[Some(2), Some(2)]);
        check(&mut rules, 0, "a.org.", &[Some(2)]);
        check(&mut rules, 0, "www.a.org", &[Some(1)]);
        check(&mut rules, 0, "[::1]", &[Some(1)]);
        check(&mut rules, 0, "a.com", &[None]);
    }

    #[test]
    fn without_rules_all_hosts_use_all_proxies() {
        check(&mut rules(&[]), 0, "a.org", &[Some(0), Some(1), Some(2), Some(0)]);
        check(&mut ProxyRules::new(Vec::new(), Vec::new()).unwrap(), 0, "a.org", &[None]);
    }

    #[test]
    fn the_proxies_of_a_rule_take_turns_of_their_own() {
        let mut rules = rules(&[rule(&["*.org"], &[0, 2, 1]), rule(&["*"], &[0, 1])]);
        check(&mut rules, 0, "a.org", &[Some(0), Some(2)]);
        check(&mut rules, 0, "a.com", &[Some(0), Some(1), Some(0)]);
        check(&mut rules, 0, "b.org", &[Some(1), Some(0)]);
    }

    #[test]
    fn a_proxy_with_a_fault_is_passed_over_for_a_while() {
        let mut rules = rules(&[rule(&["*"], &[0, 1, 2])]);
        check(&mut rules, 10, "a", &[Some(0)]);
        fault(&mut rules, 10, 1);
        assert_eq!(rules.resting(Time::from_secs(10)), 1);
        check(&mut rules, 10, "a", &[Some(2), Some(0), Some(2), Some(0)]);
        assert_eq!(rules.resting(Time::from_secs(11)), 0);
        check(&mut rules, 11, "a", &[Some(1), Some(2)]);
    }

    #[test]
    fn rest_doubles_up_to_a_minute_and_a_success_ends_it() {
        let mut rules = rules(&[rule(&["*"], &[0])]);
        let mut now = 100;
        for rest in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            fault(&mut rules, now, 0);
            assert_eq!(rules.resting(Time::from_secs(now + rest - 1)), 1, "{rest}");
            assert_eq!(rules.resting(Time::from_secs(now + rest)), 0, "{rest}");
            now += rest;
        }
        rules.report(0, false, Time::from_secs(now));
        fault(&mut rules, now, 0);
        assert_eq!(rules.resting(Time::from_secs(now + 1)), 0);
        // A success while it rests ends the rest, too: another request got through.
        fault(&mut rules, now + 1, 0);
        rules.report(0, false, Time::from_secs(now + 1));
        assert_eq!(rules.resting(Time::from_secs(now + 1)), 0);
    }

    #[test]
    fn faults_of_requests_under_way_together_count_once() {
        let mut rules = rules(&[rule(&["*"], &[0, 1])]);
        for _ in 0..50 {
            fault(&mut rules, 10, 0);
        }
        assert_eq!(rules.resting(Time::from_secs(11)), 0);
    }

    #[test]
    fn when_all_rest_the_one_that_is_due_first_is_used() {
        let mut rules = rules(&[rule(&["*"], &[0, 1, 2])]);
        fault(&mut rules, 8, 0);
        fault(&mut rules, 9, 0);
        for (secs, proxy) in [(10, 1), (9, 2), (10, 2)] {
            fault(&mut rules, secs, proxy);
        }
        // The first rests until 11, the second until 11, the third, which failed twice, until 12.
        check(&mut rules, 10, "a", &[Some(0), Some(1), Some(0)]);
        fault(&mut rules, 10, 0);
        check(&mut rules, 10, "a", &[Some(1), Some(1)]);
        check(&mut rules, 12, "a", &[Some(2), Some(0), Some(1)]);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let check = |names: &[&str], proxies: &[usize], expected: &str| {
            let names = names.iter().map(|name| (*name).into()).collect();
            let found = ProxyRules::new(names, vec![rule(&["*"], &[]), rule(&["*"], proxies)]);
            assert_eq!(found.map(|_| ()).unwrap_err().to_string(), expected);
        };
        check(&["a", "b", "a"], &[0], "two proxies have the name \"a\"");
        check(&["a"], &[0, 1], "rule 2 of the proxies has no proxy 1");
        check(&[], &[0], "rule 2 of the proxies has no proxy 0");
    }

    #[test]
    fn a_report_of_no_proxy_is_nobodys_fault() {
        let mut rules = rules(&[]);
        fault(&mut rules, 0, 3);
        assert_eq!(rules.resting(Time::ZERO), 0);
    }
}
