//! Checks what only the whole configuration can show: values that do not go together, and what is missing.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use dragline_core::guard;
use dragline_core::report::TOTALS_MARK;

use crate::errors::ConfigError;
use crate::origins::{Origins, Place};
use crate::plan::Plan;
use crate::seeds::Gathered;
use crate::units::HumanDuration;

/// The sinks that every run has, each with its file in `[output] dir`.
pub(crate) const OWN_SINKS: [&str; 3] = ["pages", "items", "skipped"];
/// What stands in `[output] dir` too: the report, what says whose the folder is, and both while they are written.
const OWN_FILES: [&str; 4] = ["report.json", "report.json.tmp", ".dragline", ".dragline.tmp"];

/// Adds every mistake of the whole to `errors`; keys that have one already are not judged again.
pub(crate) fn check(
    plan: &Plan,
    seeds: &Gathered,
    seeds_optional: bool,
    origins: &Origins,
    errors: &mut Vec<ConfigError>,
) {
    let mut found = Checks { origins, found: Vec::new() };
    found.seeds(plan, seeds, seeds_optional);
    found.times(plan);
    found.fetchers(plan);
    found.rules(plan);
    found.network(plan);
    found.handlers(plan);
    found.sinks(plan);
    found.state(plan);
    found.files_of_sinks(plan);
    let bad: Vec<String> = errors.iter().map(|error| error.key.clone()).collect();
    let known = |key: &str| bad.iter().any(|bad| bad == key || is_part(bad, key));
    errors.extend(
        found
            .found
            .into_iter()
            .filter(|(keys, _)| !keys.iter().any(|key| known(key)))
            .map(|(_, error)| error),
    );
}

/// Whether `bad` is an element of the list `key`.
fn is_part(bad: &str, key: &str) -> bool {
    bad.strip_prefix(key).is_some_and(|rest| rest.starts_with('['))
}

/// The mistakes found so far.
pub(crate) struct Checks<'a> {
    pub(crate) origins: &'a Origins,
    /// Each with the keys it was derived from.
    found: Vec<(Vec<String>, ConfigError)>,
}

impl Checks<'_> {
    /// Adds a mistake; it is shown at the first of `keys` that was written somewhere.
    pub(crate) fn add(&mut self, keys: &[&str], message: String, hint: &str) {
        let spot = keys.iter().find_map(|key| self.origins.spot(key)).cloned();
        let keys = keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let key = keys.first().cloned().unwrap_or_default();
        self.found.push((keys, ConfigError::new(&key, message).at(spot).hint(hint)));
    }

    fn seeds(&mut self, plan: &Plan, seeds: &Gathered, optional: bool) {
        if seeds.iter().next().is_none() && !seeds.failed && !optional {
            let hint = "name URLs on the command line, in [seeds] urls, or in a file of [seeds] files";
            let keys = ["seeds.urls", "seeds.files"];
            self.add(&keys, "no seeds: there is nothing to crawl".into(), hint);
        }
        let most = plan.rules.scope.url_bytes_max;
        for (url, spot) in seeds.iter().filter(|(url, _)| url.as_str().len() > most) {
            let message =
                format!("seed of {} bytes, longer than `scope.url_bytes_max` ({most})", url.as_str().len());
            let error = ConfigError::new("seeds.urls", message).at(spot.cloned());
            self.found.push((vec!["scope.url_bytes_max".into()], error));
        }
        let foreign = seeds.iter().find(|(url, _)| !guard::is_own_host(url.host()));
        if let (Some((url, spot)), None) = (foreign, &plan.rules.agent.contact) {
            let message = format!("`agent.contact` is missing: {} must be able to reach you", url.host());
            let hint = "set it to a URL or e-mail address, or give --contact";
            let error = ConfigError::new("agent.contact", message).at(spot.cloned()).hint(hint);
            self.found.push((vec!["agent.contact".into()], error));
        }
    }

    fn times(&mut self, plan: &Plan) {
        let polite = &plan.rules.politeness;
        if polite.adaptive && polite.delay > polite.delay_max {
            let (least, most) = (HumanDuration(polite.delay), HumanDuration(polite.delay_max));
            let message =
                format!("`politeness.delay` ({least}) is longer than `politeness.delay_max` ({most})");
            self.add(
                &["politeness.delay", "politeness.delay_max"],
                message,
                "raise delay_max, or set adaptive = false",
            );
        }
        let retry = &plan.rules.retry;
        if retry.base > retry.max {
            let (least, most) = (HumanDuration(retry.base), HumanDuration(retry.max));
            let message = format!("`retry.base` ({least}) is longer than `retry.max` ({most})");
            self.add(&["retry.base", "retry.max"], message, "raise max");
        }
        let actors = &plan.actors;
        if actors.backoff_min > actors.backoff_max {
            let (least, most) = (HumanDuration(actors.backoff_min), HumanDuration(actors.backoff_max));
            let message =
                format!("`actors.backoff_min` ({least}) is longer than `actors.backoff_max` ({most})");
            self.add(&["actors.backoff_min", "actors.backoff_max"], message, "raise backoff_max");
        }
    }

    fn fetchers(&mut self, plan: &Plan) {
        let concurrency = plan.fetch.concurrency;
        if let Some(fetchers) = plan.fetch.fetchers.filter(|fetchers| *fetchers > concurrency) {
            let message =
                format!("`fetch.fetchers` ({fetchers}) is more than `fetch.concurrency` ({concurrency})");
            self.add(&["fetch.fetchers", "fetch.concurrency"], message, "the rest would never have work");
        }
    }

    fn rules(&mut self, plan: &Plan) {
        let polite = &plan.rules.politeness;
        for (index, rule) in polite.rules.iter().enumerate() {
            let path = format!("politeness.rule[{index}]");
            let hosts = format!("{path}.hosts");
            if rule.hosts.is_empty() {
                self.add(&[&hosts, &path], format!("`{hosts}` is empty: the rule matches no host"), "");
            }
            if rule.delay.is_none() && rule.concurrency.is_none() {
                self.add(&[&path], format!("`{path}` changes nothing"), "give it a delay or a concurrency");
            }
            if let Some(delay) = rule.delay.filter(|delay| polite.adaptive && *delay > polite.delay_max) {
                let (delay, most) = (HumanDuration(delay), HumanDuration(polite.delay_max));
                let message =
                    format!("`{path}.delay` ({delay}) is longer than `politeness.delay_max` ({most})");
                let keys = [&*format!("{path}.delay"), "politeness.delay_max"];
                self.add(&keys, message, "raise delay_max, or set adaptive = false");
            }
        }
    }

    fn handlers(&mut self, plan: &Plan) {
        let mut seen = BTreeMap::new();
        for (index, handler) in
            plan.handlers.iter().enumerate().filter(|(_, handler)| !handler.name.is_empty())
        {
            let key = format!("handler[{index}].name");
            if let Some(first) = seen.insert(handler.name.as_str(), key.clone()) {
                self.add(&[&key], self.taken("handler", &handler.name, &first), "give it a name of its own");
            }
        }
    }

    fn sinks(&mut self, plan: &Plan) {
        let own = OWN_SINKS.into_iter().chain([TOTALS_MARK]);
        let mut names: BTreeMap<&str, String> = own.map(|name| (name, String::new())).collect();
        let own = OWN_SINKS.iter().map(|name| format!("{name}.jsonl")).chain(OWN_FILES.map(Into::into));
        let mut paths: BTreeMap<_, String> =
            own.map(|file| (plan.output.dir.join(file), String::new())).collect();
        for (index, sink) in plan.sinks.iter().enumerate() {
            let key = format!("sink[{index}].name");
            let first = names.insert(&sink.name, key.clone()).filter(|_| !sink.name.is_empty());
            if let Some(first) = first {
                self.add(&[&key], self.taken("sink", &sink.name, &first), "give it a name of its own");
            }
            let path = &sink.path;
            let key = format!("sink[{index}].path");
            let first = paths.insert(plain(&plan.output.dir.join(path)), key.clone());
            if let Some(first) = first.filter(|_| !path.as_os_str().is_empty()) {
                self.add(
                    &[&key],
                    self.taken("sink's file", &path.display(), &first),
                    "give it a file of its own",
                );
            }
        }
    }

    fn state(&mut self, plan: &Plan) {
        let (output, state) = (plain(&plan.output.dir), plain(&plan.state_dir()));
        if output.starts_with(&state) {
            let message = format!("the state folder ({}) holds the output", state.display());
            self.add(&["state.dir", "output.dir"], message, "give it a folder of its own, such as \"state\"");
        }
        for (index, sink) in plan.sinks.iter().enumerate() {
            let path = &sink.path;
            if plain(&plan.output.dir.join(path)).starts_with(&state) && !output.starts_with(&state) {
                let message = format!(
                    "sink's file \"{}\" is in the state folder ({})",
                    path.display(),
                    state.display()
                );
                let keys = [&*format!("sink[{index}].path"), "state.dir"];
                self.add(&keys, message, "write it elsewhere");
            }
        }
    }

    pub(crate) fn taken(&self, what: &str, name: &dyn std::fmt::Display, first: &str) -> String {
        match self.origins.place(first) {
            Place::BuiltIn => format!("another {what} of this name: \"{name}\" is part of every run"),
            place => format!("another {what} of this name: \"{name}\" stands at {place}"),
        }
    }
}

/// Drops `.` and resolves `..`, so that one file has one spelling.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
