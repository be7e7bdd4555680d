//! Checks what no compiler checks: stories, sizes, arrows, names, promises between files.

use std::collections::BTreeSet;

use dragline_core::Outcome;
use dragline_core::outcome::Meaning;

use crate::tree::Tree;

/// Lines of a file, tests included.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, as the lint `too_many_lines` counts them: neither blank nor comment alone.
const FUNCTION_LINES_MAX: usize = 70;
/// The one file that names metrics.
const METRIC_NAMES: &str = "crates/dragline-telemetry/src/names.rs";

/// Which of our crates each may depend on. A new arrow also needs its sentence in `crates/ARCHITECTURE.md`.
const ARROWS: &[(&str, &[&str])] = &[
    ("dragline-core", &[]),
    ("dragline-disk", &[]),
    ("dragline-config", &["dragline-core"]),
    ("dragline-fetch", &["dragline-core"]),
    ("dragline-page", &["dragline-core"]),
    ("dragline-frontier", &["dragline-core", "dragline-disk"]),
    ("dragline-sink", &["dragline-core", "dragline-disk"]),
    ("dragline-telemetry", &["dragline-core"]),
    (
        "dragline-engine",
        &[
            "dragline-core",
            "dragline-config",
            "dragline-disk",
            "dragline-fetch",
            "dragline-page",
            "dragline-frontier",
            "dragline-sink",
            "dragline-telemetry",
        ],
    ),
    ("dragline-console", &["dragline-core", "dragline-engine", "dragline-telemetry"]),
    (
        "dragline",
        &[
            "dragline-core",
            "dragline-config",
            "dragline-disk",
            "dragline-fetch",
            "dragline-page",
            "dragline-frontier",
            "dragline-sink",
            "dragline-telemetry",
            "dragline-engine",
            "dragline-console",
        ],
    ),
    (
        "dragline-testkit",
        &[
            "dragline-core",
            "dragline-disk",
            "dragline-fetch",
            "dragline-engine",
            "dragline-frontier",
            "dragline-sink",
        ],
    ),
    ("dragline-cli", &["dragline", "dragline-testkit"]),
    ("dragline-examples", &["dragline"]),
];

/// Crates that decide, read or write, and leave waiting to others.
const WITHOUT_RUNTIME: [&str; 5] =
    ["dragline-core", "dragline-config", "dragline-page", "dragline-sink", "dragline-telemetry"];

/// Fails with every offender when there are any.
fn check(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

/// Returns `path:line: text` for every line of Rust that `offends`.
fn lines_of_rust(tree: &Tree, offends: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut offenders = Vec::new();
    for (path, text) in tree.rust() {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| offends(path, line)) {
            offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
        }
    }
    offenders
}

#[test]
fn every_file_opens_with_its_story() {
    let tree = Tree::read();
    let opens = |text: &str| text.starts_with("//! ") || text.starts_with("#![doc = include_str!(");
    let offenders: Vec<_> =
        tree.rust().filter(|(_, text)| !opens(text)).map(|(path, _)| path.to_owned()).collect();
    check("the first line of a file is `//!` and says in one sentence what it decides or does", &offenders);
}

#[test]
fn no_file_is_too_long() {
    let tree = Tree::read();
    let lengths = tree.rust().map(|(path, text)| (path, text.lines().count()));
    let offenders: Vec<_> = lengths
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    check("a file has at most 500 lines: split it by what it decides", &offenders);
}

#[test]
fn no_function_is_too_long() {
    let tree = Tree::read();
    let mut offenders = Vec::new();
    for (path, text) in tree.rust() {
        for (line, name, lines) in functions(text) {
            if lines > FUNCTION_LINES_MAX {
                offenders.push(format!("{path}:{line}: {name} has {lines} lines"));
            }
        }
    }
    check("a function has at most 70 lines", &offenders);
    let clippy: toml::Table = tree.text(".clippy.toml").parse().unwrap();
    assert_eq!(clippy["too-many-lines-threshold"].as_integer(), Some(70), "the lint must count the same");
}

#[test]
fn the_readme_tells_what_every_outcome_means() {
    let readme = Tree::read().text("README.md").to_owned();
    let offenders: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| {
            let Meaning { what, fault, retried, advice } = outcome.meaning();
            format!("| `{outcome}` | {what} | {fault} | {retried} | {advice} |")
        })
        .filter(|row| !readme.lines().any(|line| line == row))
        .collect();
    check("README.md has a row for every outcome, in the words of the code", &offenders);
}

/// Returns (line, name, lines of code) of every function with a body; relies on rustfmt, which gives the closing brace
/// of a function the indentation of its first line.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, &str, &str, usize)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let indent = line.strip_suffix(code).unwrap_or_default();
        if !code.is_empty() && !code.starts_with("//") {
            open.iter_mut().for_each(|(_, _, _, lines)| *lines += 1);
        }
        if code == "}" && open.last().is_some_and(|(_, of, _, _)| *of == indent) {
            // The closing line is no line of the body.
            found.extend(open.pop().map(|(at, _, name, lines)| (at, name, lines.saturating_sub(1))));
        }
        if let Some(name) = function_name(code)
            && !code.ends_with(['}', ';'])
        {
            open.push((number + 1, indent, name, 0));
        }
    }
    found
}

fn function_name(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("fn ")?;
    let leads =
        |word: &str| word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(&word);
    let is_function = before.split_whitespace().all(leads);
    is_function.then(|| after.split(['(', '<']).next()).flatten()
}

#[test]
fn functions_are_found_with_their_lengths() {
    let text = "fn short() {}\nimpl A {\n    pub(crate) async fn long<T>(\n        a: T,\n    ) {\n        // why\n\n        \
                a();\n    }\n}\n// fn none() {\nconst fn one() {\n    1\n}\ntrait B {\n    fn two(&self);\n}\n";
    assert_eq!(functions(text), [(3, "long", 3), (12, "one", 1)]);
}

#[test]
fn crates_depend_downward_only() {
    let tree = Tree::read();
    let architecture = tree.text("crates/ARCHITECTURE.md");
    let mut offenders = Vec::new();
    for (name, manifest) in tree.manifests() {
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            offenders.push(format!("{name} has no line in ARROWS"));
            continue;
        };
        for to in ours(&manifest, "dependencies") {
            if !allowed.contains(&to.as_str()) {
                offenders.push(format!("{name} -> {to}"));
            }
            let arrow = format!("`{} -> {}`", short(name), short(&to));
            if !architecture.contains(&arrow) {
                offenders.push(format!("{arrow} has no sentence in crates/ARCHITECTURE.md"));
            }
        }
        for to in ours(&manifest, "dev-dependencies") {
            if to != "dragline-testkit" && !allowed.contains(&to.as_str()) {
                offenders.push(format!("{name} -> {to}, in tests"));
            }
        }
    }
    check("crates depend downward only", &offenders);
}

/// Returns our own crates among the dependencies of a table.
fn ours(manifest: &toml::Table, table: &str) -> Vec<String> {
    let names = manifest.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    names.filter(|name| name.starts_with("dragline")).cloned().collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix("dragline-").unwrap_or(name)
}

#[test]
fn what_decides_knows_no_runtime() {
    let tree = Tree::read();
    let mut offenders = Vec::new();
    for (name, manifest) in tree.manifests().filter(|(name, _)| WITHOUT_RUNTIME.contains(name)) {
        let dependencies = manifest["dependencies"].as_table().unwrap();
        let runtimes = dependencies
            .keys()
            .filter(|key| key.starts_with("actix") || ["awc", "tokio"].contains(&key.as_str()));
        offenders.extend(runtimes.map(|key| format!("{name} -> {key}")));
    }
    check("these crates are plain values and plain files", &offenders);
}

#[test]
fn every_crate_obeys_the_lints_and_says_what_it_is() {
    let tree = Tree::read();
    let mut offenders = Vec::new();
    for (name, manifest) in tree.manifests() {
        let inherits = manifest["lints"].get("workspace").and_then(toml::Value::as_bool) == Some(true);
        if !inherits && name != "dragline-examples" {
            offenders.push(format!("{name} does not inherit the lints of the workspace"));
        }
        if manifest["package"].get("description").is_none() {
            offenders.push(format!("{name} has no description"));
        }
        let library = format!("crates/{name}/src/lib.rs");
        let public = tree.has(&library) && name != "dragline-examples";
        let story = || tree.text(&library).lines().take_while(|line| line.starts_with("//!")).count();
        if public && name != "dragline" && story() < 3 {
            offenders.push(format!("{library} tells less than a sentence and a paragraph"));
        }
    }
    check("every crate inherits the lints and says what it is for", &offenders);
    let root: toml::Table = tree.text("Cargo.toml").parse().unwrap();
    let lint = &root["workspace"]["lints"]["clippy"]["too_many_lines"];
    assert_eq!(lint.as_str(), Some("warn"), "the length of functions is linted");
}

#[test]
fn metrics_are_named_in_one_file() {
    let shapes = ["_total", "_seconds", "_bytes", "_info", "_ratio"];
    let names_a_metric = |line: &str| {
        // Behind a colon it is the name of a recording rule.
        let starts = line
            .match_indices("dragline_")
            .filter(|(at, _)| !line.get(..*at).unwrap_or_default().ends_with(':'));
        starts.into_iter().any(|(at, _)| {
            let word = line.get(at..).unwrap_or_default();
            let end = word.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
            let word = word.get(..end.unwrap_or(word.len())).unwrap_or_default();
            shapes.iter().any(|shape| word.ends_with(shape))
        })
    };
    let tree = Tree::read();
    let mut offenders = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| *path != METRIC_NAMES && !path.contains("/tests/")) {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if !line.trim_start().starts_with("//") && names_a_metric(line) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    check("metrics are named in names.rs, and elsewhere by its constants", &offenders);
}

#[test]
fn every_example_is_a_target_and_in_the_readme() {
    let tree = Tree::read();
    let manifest: toml::Table = tree.text("crates/dragline-examples/Cargo.toml").parse().unwrap();
    let readme = tree.text("README.md");
    let mut offenders = Vec::new();
    for (kind, folder) in [("example", "examples"), ("bench", "benches")] {
        let targets = manifest.get(kind).and_then(toml::Value::as_array).into_iter().flatten();
        let targets: BTreeSet<_> = targets.filter_map(|target| target.get("path")?.as_str()).collect();
        for (path, _) in tree.rust().filter(|(path, _)| is_directly_in(path, folder)) {
            if !targets.contains(format!("../../{path}").as_str()) {
                offenders.push(format!("{path} is no target of dragline-examples"));
            }
            let name = path.rsplit('/').next().and_then(|file| file.strip_suffix(".rs")).unwrap_or(path);
            if kind == "example" && !readme.contains(&format!("--example {name}")) {
                offenders.push(format!("{path} is not in README.md"));
            }
        }
    }
    for rest in readme.split("--example ").skip(1) {
        let name =
            rest.split(|letter: char| letter != '_' && !letter.is_alphanumeric()).next().unwrap_or_default();
        if !tree.has(&format!("examples/{name}.rs")) {
            offenders.push(format!("README.md names the example {name}, which is not there"));
        }
    }
    check("examples are targets and stand in the README", &offenders);
}

fn is_directly_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.contains('/'))
}

#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let tree = Tree::read();
    let rules = tree.text("config/rules.yml");
    let sections: Vec<_> =
        tree.text("config/RUNBOOK.md").lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: ")).map(str::trim).collect();
    assert!(!alerts.is_empty(), "config/rules.yml has alerts");
    let mut offenders: Vec<_> =
        alerts.iter().filter(|alert| !sections.contains(alert)).map(ToString::to_string).collect();
    for url in rules.lines().filter_map(|line| line.trim_start().strip_prefix("runbook_url: ")) {
        let anchor = url.trim_matches('\'').rsplit('#').next().unwrap_or_default();
        if !sections.iter().any(|section| section.eq_ignore_ascii_case(anchor)) {
            offenders.push(url.into());
        }
    }
    check("every alert of config/rules.yml has a section in config/RUNBOOK.md", &offenders);
}

#[test]
fn no_test_is_switched_off_and_no_work_left_open() {
    let banned = [
        concat!("#[", "ignore"),
        concat!("#[should_", "panic"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("// TO", "DO"),
    ];
    let offenders =
        lines_of_rust(&Tree::read(), |_, line| banned.iter().any(|pattern| line.contains(pattern)));
    check("tests run, assert what they mean, and nothing is left for later", &offenders);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let allows = |line: &str| {
        line.contains(concat!("[al", "low("))
            || (line.contains(concat!("cfg_", "attr")) && line.contains(", allow"))
    };
    let offenders = lines_of_rust(&Tree::read(), |_, line| allows(line));
    check("write `#[expect(lint, reason = \"...\")]`", &offenders);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let tree = Tree::read();
    let mut offenders = Vec::new();
    for (path, text) in tree.files() {
        for (number, line) in text.lines().enumerate() {
            if ["/work/", "/root/"].iter().any(|folder| names_path(line, folder)) {
                offenders.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    check("the repository stands anywhere", &offenders);
}

/// Whether the folder stands there as the start of a path; a segment of a URL or of a longer path is none.
fn names_path(line: &str, folder: &str) -> bool {
    let inner = |letter: char| letter.is_alphanumeric() || "_.$}".contains(letter);
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + folder.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(inner) && after.is_some_and(char::is_alphanumeric)
    })
}

#[test]
fn links_between_documents_lead_somewhere() {
    let tree = Tree::read();
    let mut offenders = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !tree.has(&resolve(folder, target)) {
                offenders.push(format!("{path}: {link}"));
            }
        }
    }
    check("links between documents lead somewhere", &offenders);
}

/// Returns a path from the root for a link in a folder.
fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "" | "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}
