//! Describes what a run crawls, so that a later start can say what is different.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dragline::config::Plan;
use dragline::core::rules::{ScopeMode, ScopeRules, SeedRedirects};
use dragline::frontier::LogError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::output::counted;

/// Seeds that are kept by name; of more the number and a digest are kept.
const SEEDS_MAX: usize = 10_000;

/// Seeds that are named to people.
const NAMED_MAX: usize = 3;

/// What a run crawls and where it writes. Stands in the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// The first seeds, sorted.
    seeds: Vec<String>,
    /// All of them.
    seed_count: usize,
    /// Tells two long lists apart.
    seed_digest: String,
    /// The keys of `[scope]` that judge URLs, with their values.
    scope: BTreeMap<String, String>,
    /// The output folder, absolute.
    output: PathBuf,
    /// Every sink of the configuration, with what it writes where.
    sinks: BTreeMap<String, String>,
    /// Whether the run was begun with `--fresh`: until its first commit it replaces what is in the output folder.
    pub(crate) replaces: bool,
}

/// How a start differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The run goes on; this is what differs, and what happens.
    Told(String),
    /// The run cannot go on like this.
    Refused(String),
}

impl Description {
    /// Describes what a plan asks for.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut seeds: Vec<String> = plan.seeds.iter().map(|seed| seed.url.as_str().to_owned()).collect();
        seeds.sort_unstable();
        let mut digest = Sha256::new();
        seeds.iter().for_each(|seed| digest.update(format!("{seed}\n")));
        let seed_digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let seed_count = seeds.len();
        seeds.truncate(SEEDS_MAX);
        let output = std::path::absolute(&plan.output.dir).unwrap_or_else(|_| plan.output.dir.clone());
        let sinks = plan.sinks.iter().map(|sink| {
            let path = &sink.path;
            let records = format!("{:?}", sink.records).to_lowercase();
            let kind = format!("{:?}", sink.kind).to_lowercase();
            (sink.name.clone(), format!("{kind} of {records} in {}", output.join(path).display()))
        });
        Self {
            seeds,
            seed_count,
            seed_digest,
            scope: scope(&plan.rules.scope),
            sinks: sinks.collect(),
            output,
            replaces: plan.output.fresh,
        }
    }

    /// Returns the seeds that are kept by name.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = &str> {
        self.seeds.iter().map(String::as_str)
    }

    /// Returns the text that is kept.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// Reads the text that was kept in this file.
    pub(crate) fn read(text: &str, path: &Path) -> Result<Self, LogError> {
        serde_json::from_str(text).map_err(|error| LogError::Damaged {
            path: path.to_owned(),
            offset: 0,
            what: format!("its description of the crawl cannot be read: {error}").into(),
        })
    }

    /// Compares what was asked for when the run began, or went on, with what is asked for now.
    pub(crate) fn changes(&self, now: &Self) -> Vec<Change> {
        let mut changes = self.refusals(now);
        changes.extend(self.seed_changes(now).into_iter().map(Change::Told));
        for (key, value) in &now.scope {
            let before = self.scope.get(key).map_or("unknown", String::as_str);
            if before != value {
                changes.push(Change::Told(format!(
                    "`{key}` was {before} and is {value}: holds for URLs that are discovered from now on"
                )));
            }
        }
        changes
    }

    fn refusals(&self, now: &Self) -> Vec<Change> {
        let mut refusals = Vec::new();
        if self.output != now.output {
            refusals.push(format!(
                "the run of this state folder writes into {}, not into {}: name that folder (--out), choose another \
                 state folder (key `state.dir`), or start over with --fresh",
                self.output.display(),
                now.output.display()
            ));
        } else if self.sinks != now.sinks {
            for name in self.sinks.keys().chain(now.sinks.keys()).collect::<BTreeSet<_>>() {
                let (before, after) = (self.sinks.get(name), now.sinks.get(name));
                let text = |sink: Option<&String>| sink.map_or("not there", String::as_str).to_owned();
                if before != after {
                    refusals.push(format!(
                        "the sink \"{name}\" was {} when the run began and is {}: bring it back as it was, or start \
                         over with --fresh (or in another folder)",
                        text(before),
                        text(after)
                    ));
                }
            }
        }
        refusals.into_iter().map(Change::Refused).collect()
    }

    fn seed_changes(&self, now: &Self) -> Vec<String> {
        if self.seed_digest == now.seed_digest {
            return Vec::new();
        }
        if self.seed_count > SEEDS_MAX || now.seed_count > SEEDS_MAX {
            return vec![format!(
                "the seeds are others ({} before, {} now): new ones are offered now, what the old ones led to stays",
                self.seed_count, now.seed_count
            )];
        }
        let named = |these: &[String], those: &[String]| -> Vec<String> {
            let those: BTreeSet<&String> = those.iter().collect();
            these.iter().filter(|seed| !those.contains(seed)).cloned().collect()
        };
        let (added, removed) = (named(&now.seeds, &self.seeds), named(&self.seeds, &now.seeds));
        let told = |seeds: Vec<String>, what: &str| {
            let count = u64::try_from(seeds.len()).unwrap_or(u64::MAX);
            let more = if seeds.len() > NAMED_MAX { ", ..." } else { "" };
            let names = seeds.get(..NAMED_MAX).unwrap_or(&seeds).join(", ");
            (count > 0).then(|| format!("{} {what} ({names}{more})", counted(count, "seed")))
        };
        let added = told(added, "added").map(|text| format!("{text}: offered now"));
        let removed = told(removed, "removed").map(|text| format!("{text}: what was found by it stays"));
        [added, removed].into_iter().flatten().collect()
    }
}

fn scope(rules: &ScopeRules) -> BTreeMap<String, String> {
    let mode = match rules.mode {
        ScopeMode::Exact => "exact",
        ScopeMode::Host => "host",
        ScopeMode::Domain => "domain",
        ScopeMode::Any => "any",
    };
    let redirects = match rules.seed_redirects {
        SeedRedirects::Domain => "domain",
        SeedRedirects::Any => "any",
        SeedRedirects::Off => "off",
    };
    let patterns = |patterns: &[dragline::core::pattern::Pattern]| {
        let quoted: Vec<String> =
            patterns.iter().map(|pattern| format!("\"{}\"", pattern.as_str())).collect();
        format!("[{}]", quoted.join(", "))
    };
    let keys = [
        ("scope.mode", format!("\"{mode}\"")),
        ("scope.seed_redirects", format!("\"{redirects}\"")),
        ("scope.include", patterns(&rules.include)),
        ("scope.exclude", patterns(&rules.exclude)),
        ("scope.depth_max", rules.depth_max.to_string()),
        ("scope.urls_max", rules.urls_max.to_string()),
        ("scope.urls_per_host_max", rules.urls_per_host_max.to_string()),
        ("scope.url_bytes_max", rules.url_bytes_max.to_string()),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use dragline::config::Loader;

    use super::*;

    fn of(text: &str) -> Description {
        let seed = "[seeds]\nurls = ['http://127.0.0.1/a']\n";
        let text = if text.contains("[seeds]") { text.to_owned() } else { format!("{seed}{text}") };
        let (plan, _) = Loader::new().text("d.toml", &text).load().expect("a good configuration");
        Description::of(&plan)
    }

    #[test]
    fn what_differs_is_named_with_what_happens() {
        let check = |now: &str, expected: &[&str]| {
            let (before, now) = (of("[output]\ndir = '/x'\n"), of(now));
            let told = before.changes(&now).into_iter().map(|change| match change {
                Change::Told(text) => text,
                Change::Refused(text) => format!("refused: {text}"),
            });
            assert_eq!(told.collect::<Vec<_>>(), expected);
        };
        let out = "[output]\ndir = '/x'\n";
        check(out, &[]);
        check(
            &format!("{out}[seeds]\nurls = ['http://127.0.0.1/a', 'http://127.0.0.1/b']"),
            &["1 seed added (http://127.0.0.1/b): offered now"],
        );
        let many = "[seeds]\nurls = ['http://h/1', 'http://h/2', 'http://h/3', 'http://h/4']\n[agent]\ncontact = 'a@b.example'";
        check(
            &format!("{out}{many}"),
            &[
                "4 seeds added (http://h/1, http://h/2, http://h/3, ...): offered now",
                "1 seed removed (http://127.0.0.1/a): what was found by it stays",
            ],
        );
        check(
            &format!("{out}[scope]\nexclude = ['*/b']\ndepth_max = 3"),
            &[
                "`scope.depth_max` was 20 and is 3: holds for URLs that are discovered from now on",
                "`scope.exclude` was [] and is [\"*/b\"]: holds for URLs that are discovered from now on",
            ],
        );
        check(
            "[output]\ndir = '/y'\n",
            &[
                "refused: the run of this state folder writes into /x, not into /y: name that folder (--out), choose \
               another state folder (key `state.dir`), or start over with --fresh",
            ],
        );
        check(
            &format!("{out}[[sink]]\nname = 'copy'\nkind = 'jsonl'\npath = 'copy.jsonl'"),
            &[
                "refused: the sink \"copy\" was not there when the run began and is jsonl of items in /x/copy.jsonl: \
               bring it back as it was, or start over with --fresh (or in another folder)",
            ],
        );
    }

    #[test]
    fn what_was_kept_is_read_back() {
        let path = Path::new("state/state.toml");
        let description = of("[scope]\ninclude = ['\u{fc}*']");
        assert_eq!(Description::read(&description.to_text(), path).unwrap(), description);
        let error = Description::read("{}", path).unwrap_err().to_string();
        assert!(error.starts_with("state/state.toml is damaged") && error.contains("--fresh"), "{error}");
    }

    #[test]
    fn long_lists_of_seeds_are_told_apart_and_stay_short() {
        let many = |first: usize| {
            let mut plan = Plan::default();
            let url = |number: usize| format!("http://127.0.0.1/{number}").parse_seed();
            plan.seeds = (first..first + SEEDS_MAX + 5).map(url).collect();
            Description::of(&plan)
        };
        assert_eq!(many(0).changes(&many(0)), []);
        assert!(many(0).to_text().len() < SEEDS_MAX * 40);
        let changes = many(0).changes(&many(1));
        assert!(matches!(&*changes, [Change::Told(text)] if text.contains("10005 before")), "{changes:?}");
    }

    trait ParseSeed {
        fn parse_seed(&self) -> dragline::config::Seed;
    }

    impl ParseSeed for String {
        fn parse_seed(&self) -> dragline::config::Seed {
            let url = dragline::core::CanonicalUrl::parse(self).expect("it is a URL");
            dragline::config::Seed { url, origin: dragline::config::Place::default() }
        }
    }
}
