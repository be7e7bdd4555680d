//! Asks every rule about a URL, in the order in which a crawl asks them.

use dragline::config::{Origins, Plan};
use dragline::core::frontier::RobotsView;
use dragline::core::rules::{ScopeMode, ScopeRules};
use dragline::core::scope::Scope;
use dragline::core::{CanonicalUrl, Decision, SkipReason, Source, traps};
use serde::Serialize;

/// What a rule says of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It may be fetched.
    Ok,
    /// It is not fetched.
    Stop,
    /// Nobody knows yet.
    Unknown,
}

/// One rule, or a few that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) says: String,
    /// Where the rule was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
}

/// The rules of a crawl, with what it has learned.
pub(super) struct Rules<'a> {
    pub(super) plan: &'a Plan,
    pub(super) origins: &'a Origins,
    /// With the hosts of seeds, and those that joined.
    pub(super) scope: &'a Scope,
    /// What robots.txt says; `None` when there is no crawl that could know.
    pub(super) robots: Option<RobotsView>,
}

impl Step {
    const fn new(name: &'static str, verdict: Verdict, says: String) -> Self {
        Self { name, verdict, says, place: None }
    }

    fn at(self, place: String) -> Self {
        Self { place: Some(place), ..self }
    }
}

/// Says that a text is no URL.
pub(super) fn no_url(error: &dyn std::error::Error) -> Step {
    Step::new("url", Verdict::Stop, format!("cannot be fetched: {error}"))
}

impl Rules<'_> {
    /// Asks all of them, also those behind one that stops.
    pub(super) fn trace(&self, url: &CanonicalUrl) -> Vec<Step> {
        let mut steps = vec![self.url(url), self.reach(url)];
        steps.extend(self.patterns(url));
        steps.extend([self.traps(url), self.limits(), self.robots(url)]);
        steps
    }

    fn url(&self, url: &CanonicalUrl) -> Step {
        let (bytes, most) = (url.as_str().len(), self.plan.rules.scope.url_bytes_max);
        if bytes > most {
            let says = format!("{bytes} bytes, and at most {most} are taken");
            return Step::new("url", Verdict::Stop, says).at(self.key("scope.url_bytes_max"));
        }
        Step::new("url", Verdict::Ok, format!("normalised: {url}"))
    }

    fn reach(&self, url: &CanonicalUrl) -> Step {
        let mode = match self.plan.rules.scope.mode {
            ScopeMode::Exact => "exact",
            ScopeMode::Host => "host",
            ScopeMode::Domain => "domain",
            ScopeMode::Any => "any",
        };
        let stops = self.scope.check(url).verdict == Err(SkipReason::Scope);
        let host = url.host();
        let why = match (stops, self.plan.rules.scope.mode) {
            (_, ScopeMode::Any) => "every host belongs to the crawl".to_owned(),
            (true, _) => format!("no seed brings in {}", url.origin()),
            (false, _) if self.scope.hosts().any(|known| known == host) => {
                format!("host {host} is that of a seed, or joined by a seed's redirect")
            }
            (false, _) => format!("host {host} is near enough to a seed"),
        };
        let verdict = if stops { Verdict::Stop } else { Verdict::Ok };
        Step::new("scope", verdict, format!("mode = \"{mode}\", {why}")).at(self.key("scope.mode"))
    }

    fn patterns(&self, url: &CanonicalUrl) -> [Step; 2] {
        let rules = &self.plan.rules.scope;
        // The crawl's own judgement, but for the mode, which may have stopped it before.
        let anywhere = ScopeRules { mode: ScopeMode::Any, ..rules.clone() };
        let decision = Scope::new(anywhere.clone()).check(url);
        let named = |key: &'static str| {
            let is_named = decision.rule == key;
            let index = match decision.source {
                Source::Config { index, .. } if is_named => index,
                _ => None,
            };
            (is_named, index)
        };
        let include = match named("scope.include") {
            _ if rules.include.is_empty() => Step::new("include", Verdict::Ok, "no include patterns".into()),
            (true, None) => {
                let says = "none of the include patterns matches".to_owned();
                Step::new("include", Verdict::Stop, says).at(self.key("scope.include"))
            }
            _ => {
                let all = Scope::new(ScopeRules { exclude: Vec::new(), ..anywhere }).check(url);
                self.matching("include", Verdict::Ok, &all, &rules.include)
            }
        };
        let exclude = match named("scope.exclude") {
            _ if rules.exclude.is_empty() => Step::new("exclude", Verdict::Ok, "no exclude patterns".into()),
            (true, _) => self.matching("exclude", Verdict::Stop, &decision, &rules.exclude),
            _ => {
                let excluded = rules.exclude.iter().position(|pattern| pattern.matches(url.as_str()));
                match excluded {
                    // An include pattern that is missing stopped it before.
                    Some(index) => {
                        let source = Source::Config { key: "scope.exclude", index: Some(index) };
                        let decision = Decision { verdict: (), rule: "scope.exclude", source };
                        self.matching("exclude", Verdict::Stop, &decision, &rules.exclude)
                    }
                    None => Step::new("exclude", Verdict::Ok, "no exclude pattern matches".into())
                        .at(self.key("scope.exclude")),
                }
            }
        };
        [include, exclude]
    }

    /// Names the pattern that decided.
    fn matching<V>(
        &self,
        name: &'static str,
        verdict: Verdict,
        decision: &Decision<V>,
        patterns: &[dragline::core::pattern::Pattern],
    ) -> Step {
        let index = match decision.source {
            Source::Config { index, .. } => index,
            _ => None,
        };
        let pattern =
            index.and_then(|index| patterns.get(index)).map_or("a pattern", |pattern| pattern.as_str());
        let place = self.origins.describe(&decision.source);
        Step::new(name, verdict, format!("\"{pattern}\" matches")).at(place)
    }

    fn traps(&self, url: &CanonicalUrl) -> Step {
        match traps::check(&self.plan.rules.traps, url) {
            None => Step::new("traps", Verdict::Ok, "does not look like a trap".into()),
            Some(trap) => Step::new("traps", Verdict::Stop, format!("looks like a trap by `{}`", trap.rule))
                .at(self.origins.describe(&trap.source)),
        }
    }

    /// Limits count what a crawl does, so that none of them stops a URL for ever; a skip by one stands in its story.
    fn limits(&self) -> Step {
        let scope = &self.plan.rules.scope;
        let most = |most: u64| if most == 0 { "any number of".to_owned() } else { format!("at most {most}") };
        let says = format!(
            "{} URLs are fetched, {} of one host, at most {} links from a seed",
            most(scope.urls_max),
            most(scope.urls_per_host_max),
            scope.depth_max
        );
        Step::new("limits", Verdict::Ok, says).at(self.key("scope.urls_max"))
    }

    fn robots(&self, url: &CanonicalUrl) -> Step {
        let file = format!("{}/robots.txt", url.origin());
        let line = |line: Option<u32>| line.map(|line| format!("{file}:{line}"));
        let step = |verdict, says: String| Step::new("robots", verdict, says);
        if !self.plan.rules.robots.obey {
            return step(Verdict::Ok, "robots.txt is not obeyed".into()).at(self.key("robots.obey"));
        }
        match &self.robots {
            Some(RobotsView::Allowed { line: number }) => {
                let says = number.map_or_else(
                    || "no rule forbids it".into(),
                    |number| format!("allowed by line {number}"),
                );
                step(Verdict::Ok, says).at(line(*number).unwrap_or(file))
            }
            Some(RobotsView::AssumedAllowed) => step(Verdict::Ok, "there is no robots.txt".into()).at(file),
            Some(RobotsView::Disallowed { line: number }) => {
                let says = number
                    .map_or_else(|| "disallowed".into(), |number| format!("disallowed by line {number}"));
                step(Verdict::Stop, says).at(line(*number).unwrap_or(file))
            }
            Some(RobotsView::Unreachable { message, .. }) => {
                step(Verdict::Stop, format!("could not be had, which forbids all: {message}")).at(file)
            }
            Some(RobotsView::NotObeyed) => step(Verdict::Ok, "robots.txt is not obeyed".into()),
            Some(RobotsView::Parked(reason)) => {
                step(Verdict::Stop, format!("not known, and the host was given up: {}", reason.name()))
                    .at(file)
            }
            Some(RobotsView::Unknown) | None => {
                step(Verdict::Unknown, format!("not known yet; `dragline fetch --head {url}` asks")).at(file)
            }
        }
    }

    fn key(&self, key: &str) -> String {
        self.origins.place(key).to_string()
    }
}

#[cfg(test)]
mod tests {
    use dragline::config::Loader;

    use super::*;

    /// Explains a URL by a configuration, and returns what each step says.
    fn check(text: &str, url: &str, expected: &[(&str, Verdict, &str); 7]) {
        let text = format!("[seeds]\nurls = ['http://127.0.0.1/']\n{text}");
        let (plan, origins) = Loader::new().text("d.toml", &text).load().expect("a good configuration");
        let mut scope = Scope::new(plan.rules.scope.clone());
        plan.seeds.iter().for_each(|seed| scope.add_seed(&seed.url));
        let rules = Rules { plan: &plan, origins: &origins, scope: &scope, robots: None };
        let url = CanonicalUrl::parse(url).expect("it is a URL");
        let steps = rules.trace(&url);
        let found = steps.iter().map(|step| (step.name, step.verdict, step.place.as_deref().unwrap_or("")));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{url}");
        // The crawl itself stops where the first of these steps does.
        let stops = |names: &[&str]| {
            steps.iter().any(|step| names.contains(&step.name) && step.verdict == Verdict::Stop)
        };
        assert_eq!(scope.check(&url).verdict.is_err(), stops(&["scope", "include", "exclude"]));
    }

    #[test]
    fn each_step_names_where_its_rule_was_written() {
        use Verdict::{Ok, Stop, Unknown};
        let robots = ("robots", Unknown, "http://127.0.0.1/robots.txt");
        let rest = |exclude| {
            [
                ("url", Ok, ""),
                ("scope", Ok, "default"),
                ("include", Ok, ""),
                exclude,
                ("traps", Ok, ""),
                ("limits", Ok, "default"),
                robots,
            ]
        };
        check("", "http://127.0.0.1/a", &rest(("exclude", Ok, "")));
        let exclude = "[scope]\nexclude = ['*/a', '*/b']";
        check(exclude, "http://127.0.0.1/b", &rest(("exclude", Stop, "d.toml:4")));
        check(exclude, "http://127.0.0.1/c", &rest(("exclude", Ok, "d.toml:4")));
        check(
            "[scope]\nmode = 'exact'\ninclude = ['*/x*', '*/y*']\nexclude = ['*z']\ndepth_max = 3\nurls_max = 4",
            "http://127.0.0.2/yz",
            &[
                ("url", Ok, ""),
                ("scope", Stop, "d.toml:4"),
                ("include", Ok, "d.toml:5"),
                ("exclude", Stop, "d.toml:6"),
                ("traps", Ok, ""),
                ("limits", Ok, "d.toml:8"),
                ("robots", Unknown, "http://127.0.0.2/robots.txt"),
            ],
        );
        check(
            "[scope]\ninclude = ['*/x*']\n[traps]\nquery_bytes_max = 3\n[robots]\nobey = false",
            "http://127.0.0.1/?long",
            &[
                ("url", Ok, ""),
                ("scope", Ok, "default"),
                ("include", Stop, "d.toml:4"),
                ("exclude", Ok, ""),
                ("traps", Stop, "d.toml:6"),
                ("limits", Ok, "default"),
                ("robots", Ok, "d.toml:8"),
            ],
        );
    }
}
