//! Writes the table of keys out for people: the commented file, and the description of one key.

use std::fmt::Write as _;

use super::draft::Draft;
use super::{crawl, lists, manners, process};
use crate::schema::{Absent, Field, Fields, Kind, all};
use crate::values;

/// Every key outside lists of tables, in the order of `config/dragline.toml`.
pub(crate) static FIELDS: Fields<Draft> =
    &[crawl::IDENTITY, crawl::TRAPS, process::FETCH, manners::FIELDS, process::RESULTS, process::UPKEEP];

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
        found.push(info(field, ""));
        match field.key {
            "politeness.rule" => {
                found.extend(all(lists::RULE).map(|inner| info(inner, "politeness.rule[].")));
            }
            "handler" => {
                found.extend(all(lists::HANDLER).map(|inner| info(inner, "handler[].")));
            }
            "sink" => {
                found.extend(all(lists::SINK).map(|inner| info(inner, "sink[].")));
            }
            _ => {}
        }
    }
    found
}

fn info<T>(field: &Field<T>, prefix: &str) -> KeyInfo {
    let default = match field.default {
        Absent::Value(value) => Some(value),
        Absent::Required(_) | Absent::Nothing(_) => None,
    };
    KeyInfo { key: format!("{prefix}{}", field.key), holds: values::expected(field), default, doc: field.doc }
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
            write_list(&mut text, field);
            continue;
        }
        if home != section {
            section = home;
            text.push_str(&format!("\n[{home}]\n"));
        }
        write_key(&mut text, "", name, field);
    }
    text
}

fn write_list(text: &mut String, field: &Field<Draft>) {
    let mark = if matches!(field.default, Absent::Value("[]")) { "#" } else { "" };
    text.push_str(&format!("\n# {}\n{mark}[[{}]]\n", field.doc, field.key));
    match field.key {
        "politeness.rule" => all(lists::RULE).for_each(|inner| write_key(text, mark, inner.key, inner)),
        "handler" => all(lists::HANDLER).for_each(|inner| write_key(text, mark, inner.key, inner)),
        _ => all(lists::SINK).for_each(|inner| write_key(text, mark, inner.key, inner)),
    }
}

fn write_key<T>(text: &mut String, mark: &str, name: &str, field: &Field<T>) {
    let (Absent::Value(value) | Absent::Required(value) | Absent::Nothing(value)) = field.default;
    let setting = format!("{mark}{name} = {value}");
    // Writing to a string cannot fail.
    let written = writeln!(text, "{setting:COMMENT_COLUMN$} # {}", field.doc);
    debug_assert!(written.is_ok(), "a string takes any text");
}
