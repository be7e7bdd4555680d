//! Writes the table of keys out for people: the commented file, and the description of one key.

use std::fmt::Write as _;

use super::draft::Draft;
use super::{crawl, fetch, lists, lists_of_network, manners, network, process};
use crate::schema::{Absent, Field, Fields, Kind, all};
use crate::values;

/// Every key outside lists of tables, in the order of `config/dragline.toml`.
pub(crate) static FIELDS: Fields<Draft> = &[
    crawl::IDENTITY,
    crawl::TRAPS,
    fetch::FIELDS,
    network::FIELDS,
    manners::FIELDS,
    process::OUTPUT,
    process::STATE,
    process::RECRAWL,
    process::LISTS,
    process::UPKEEP,
];

/// The head of the commented file.
const HEAD: &str = "\
# dragline.toml: every key with its default. All keys are optional; unknown keys are errors.
# Durations: \"250ms\" \"1s\" \"5m\" \"2h\". Sizes: \"512B\" \"64KiB\" \"10MiB\".
# Any key can be given as DRAGLINE_FETCH__CONCURRENCY=64 in the environment or --set fetch.concurrency=64.
";

/// The column at which comments begin, when the value leaves room.
const COMMENT_COLUMN: usize = 38;

/// What is known about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The dotted key; keys of lists of tables as `handler[].name`.
    pub key: String,
    /// What it may hold, such as "a duration".
    pub holds: String,
    /// The default as TOML; `None` when the key has none.
    pub default: Option<&'static str>,
    /// What it means, in one sentence.
    pub doc: &'static str,
}

/// Returns every key, in the order of the commented file.
pub fn keys() -> Vec<KeyInfo> {
    let mut found = Vec::new();
    for field in all(FIELDS) {
        found.push(Line::of(field).info(""));
        if let Kind::Tables(_) = field.kind {
            let prefix = format!("{}[].", field.key);
            found.extend(inner(field.key).iter().map(|line| line.info(&prefix)));
        }
    }
    found
}

/// What the table says of one key, whatever its values go into.
struct Line {
    key: &'static str,
    holds: String,
    default: Absent,
    doc: &'static str,
}

impl Line {
    fn of<T>(field: &Field<T>) -> Self {
        Self { key: field.key, holds: values::expected(field), default: field.default, doc: field.doc }
    }

    fn info(&self, prefix: &str) -> KeyInfo {
        let default = match self.default {
            Absent::Value(value) => Some(value),
            Absent::Required(_) | Absent::Nothing(_) | Absent::Instead(_) => None,
        };
        KeyInfo { key: format!("{prefix}{}", self.key), holds: self.holds.clone(), default, doc: self.doc }
    }

    /// Writes the key's line; `mark` stands before what is only an example.
    fn write(&self, text: &mut String, mark: &str, name: &str) {
        let (mark, value) = match self.default {
            // Uncommenting every example must leave a file that is right.
            Absent::Instead(value) => ("# ", value),
            Absent::Value(value) | Absent::Required(value) | Absent::Nothing(value) => (mark, value),
        };
        let setting = format!("{mark}{name} = {value}");
        // Writing to a string cannot fail.
        let written = writeln!(text, "{setting:COMMENT_COLUMN$} # {}", self.doc);
        debug_assert!(written.is_ok(), "a string takes any text");
    }
}

fn lines<T>(fields: Fields<T>) -> Vec<Line> {
    all(fields).map(Line::of).collect()
}

/// Returns the keys of a list of tables.
fn inner(list: &str) -> Vec<Line> {
    match list {
        "politeness.rule" => lines(lists::RULE),
        "handler" => lines(lists::HANDLER),
        "proxy" => lines(lists_of_network::PROXY),
        "route" => lines(lists_of_network::ROUTE),
        "request" => lines(lists_of_network::REQUEST),
        "auth" => lines(lists_of_network::AUTH),
        list => {
            debug_assert_eq!(list, "sink", "every list of tables is named here");
            lines(lists::SINK)
        }
    }
}

/// Writes the commented file: every key with its default and its meaning. It is valid TOML and equals the defaults.
///
/// Lines that begin with `#` and no space are examples of keys that have no default.
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    let mut section = "";
    for field in all(FIELDS) {
        let (home, name) = field.key.rsplit_once('.').unwrap_or(("", field.key));
        if let Kind::Tables(_) = field.kind {
            let mark = if matches!(field.default, Absent::Value("[]")) { "#" } else { "" };
            text.push_str(&format!("\n# {}\n{mark}[[{}]]\n", field.doc, field.key));
            inner(field.key).iter().for_each(|line| line.write(&mut text, mark, line.key));
            continue;
        }
        if home != section {
            section = home;
            text.push_str(&format!("\n[{home}]\n"));
        }
        Line::of(field).write(&mut text, "", name);
    }
    text
}
