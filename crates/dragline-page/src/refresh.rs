//! Reads the target out of the content of a meta refresh.

/// Returns the URL of `5; url=...`, not resolved; `None` when there is none or the content is no refresh.
///
/// # Source
/// HTML, 4.2.5.3 (the shared declarative refresh steps).
pub(crate) fn refresh_target(content: &str) -> Option<&str> {
    let content = content.trim_ascii_start();
    if !content.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let rest = content.trim_start_matches(|each: char| each.is_ascii_digit() || each == '.');
    if !rest.starts_with(|next: char| next.is_ascii_whitespace() || matches!(next, ';' | ',')) {
        return None;
    }
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim_ascii_start();
    if rest.is_empty() {
        return None;
    }
    let target = match rest.split_at_checked(3) {
        Some((word, behind)) if word.eq_ignore_ascii_case("url") => {
            // Without its equals sign "url" is the beginning of the target.
            behind.trim_ascii_start().strip_prefix('=').map(str::trim_ascii_start)
        }
        _ if rest.starts_with(['u', 'U']) => None,
        _ => Some(rest),
    };
    let Some(target) = target else { return Some(rest) };
    match target
        .strip_prefix('"')
        .map(|rest| (rest, '"'))
        .or_else(|| Some((target.strip_prefix('\'')?, '\'')))
    {
        Some((quoted, quote)) => quoted.split(quote).next(),
        None => Some(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_the_standard_says() {
        let check = |content, expected| assert_eq!(refresh_target(content), expected, "{content}");
        check("0;url=a", Some("a"));
        check(" 5.5 , URL = 'a b' c", Some("a b"));
        check("0;url=\"a", Some("a"));
        check("0 a", Some("a"));
        check("0;'a'", Some("a"));
        check("0;url", Some("url"));
        check("0;urn:x", Some("urn:x"));
        check(".;a", Some("a"));
        check("0;url=", Some(""));
        check("0", None);
        check("0;", None);
        check("0x;a", None);
        check("url=a", None);
        check("", None);
        check("0;é", Some("é"));
    }
}
