//! Guesses what was meant by a word that is not known.

use std::collections::BTreeSet;

/// Returns the word of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(word, candidate);
    let nearest = known.into_iter().min_by_key(distance)?;
    (distance(&nearest) <= 1.max(word.chars().count() / 3)).then_some(nearest)
}

/// Says what may stand in a section in place of an unknown name: a near name, its true section, or all names.
pub(crate) fn unknown(keys: &[&'static str], section: &str, name: &str) -> String {
    let here: BTreeSet<&str> = keys.iter().filter_map(|key| name_within(key, section)).collect();
    if let Some(near) = nearest(name, here.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = keys.iter().filter_map(|key| key.rsplit_once('.')).find(|(_, last)| *last == name);
    if let Some((home, _)) = elsewhere {
        return format!("`{name}` belongs into [{home}]");
    }
    let names: Vec<String> = here.iter().map(|name| format!("`{name}`")).collect();
    format!("known here: {}", names.join(", "))
}

/// Guesses that a line whose value is one bare word lacks quotes.
pub(crate) fn unquoted(line: &str) -> Option<String> {
    let (_, value) = line.split_once('=')?;
    let value = value.split('#').next().unwrap_or_default().trim();
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@*".contains(&byte);
    (!value.is_empty() && value.bytes().all(bare)).then(|| format!("write it in quotes: \"{value}\""))
}

/// Returns the first part of a key below a section.
fn name_within<'k>(key: &'k str, section: &str) -> Option<&'k str> {
    let rest = if section.is_empty() { key } else { key.strip_prefix(section)?.strip_prefix('.')? };
    rest.split('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_comes_before_a_far_one() {
        let keys = ["version", "fetch.deadline", "fetch.accept", "politeness.delay", "politeness.rule"];
        let check = |section, name, expected: &str| assert_eq!(unknown(&keys, section, name), expected);
        check("politeness", "delai", "did you mean `delay`?");
        check("fetch", "delay", "`delay` belongs into [politeness]");
        check("", "fetsh", "did you mean `fetch`?");
        check("fetch", "x", "known here: `accept`, `deadline`");
    }
}
