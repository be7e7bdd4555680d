//! Decides whether a URL looks like a crawl trap: a site that invents paths without end.

use std::collections::BTreeMap;

use crate::decision::Decision;
use crate::disposition::SkipReason;
use crate::rules::TrapRules;
use crate::url::CanonicalUrl;

/// Paths of at most this many segments are searched for repeats without a map.
const SMALL: usize = 64;

/// Returns the rule by which a URL looks like a trap; `None` when it does not.
///
/// Segments are what stands between slashes, an empty one at the end not counted. Empty segments count towards the
/// length of a path but repeat nothing.
///
/// # Source
/// Heritrix: `TooManyPathSegmentsDecideRule`, `PathologicalPathDecideRule`.
pub fn check(rules: &TrapRules, url: &CanonicalUrl) -> Option<Decision<SkipReason>> {
    let trap = |key| Some(Decision::by_key(SkipReason::Trap, key));
    let path = url.path().strip_prefix('/').unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    let slashes = path.bytes().filter(|&byte| byte == b'/').count();
    let segments = if path.is_empty() { 0 } else { slashes + 1 };
    if segments > rules.path_segments_max {
        return trap("traps.path_segments_max");
    }
    if segments > rules.segment_repeats_max && most_repeats(path, segments) > rules.segment_repeats_max {
        return trap("traps.segment_repeats_max");
    }
    if url.query().map_or(0, str::len) > rules.query_bytes_max {
        return trap("traps.query_bytes_max");
    }
    None
}

/// Returns how often the commonest segment that is not empty stands in a path.
fn most_repeats(path: &str, segments: usize) -> usize {
    let filled = || path.split('/').filter(|segment| !segment.is_empty());
    if segments <= SMALL {
        filled().map(|segment| filled().filter(|other| *other == segment).count()).max().unwrap_or(0)
    } else {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for segment in filled() {
            *counts.entry(segment).or_default() += 1;
        }
        counts.into_values().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: TrapRules =
        TrapRules { path_segments_max: 5, segment_repeats_max: 2, query_bytes_max: 4, links_per_page_max: 1 };

    fn check(rules: &TrapRules, path: &str, expected: Option<&str>) {
        let url = CanonicalUrl::parse(&format!("http://a.org{path}")).unwrap();
        let found = super::check(rules, &url);
        assert_eq!(found.as_ref().map(|decision| decision.rule), expected, "{path}");
        assert!(found.is_none_or(|decision| decision.verdict == SkipReason::Trap));
    }

    #[test]
    fn a_trap_is_named_by_the_limit_it_passes() {
        check(&RULES, "", None);
        check(&RULES, "/", None);
        check(&RULES, "/1/2/3/4/5", None);
        check(&RULES, "/1/2/3/4/5/", None);
        check(&RULES, "/1/2/3/4/5/6", Some("traps.path_segments_max"));
        check(&RULES, "//////////", Some("traps.path_segments_max"));
        check(&RULES, "/a/b/a/b", None);
        check(&RULES, "/a/b/a/c/a", Some("traps.segment_repeats_max"));
        check(&RULES, "/a/b/A/c/a", None);
        check(&RULES, "/b////", None);
        check(&RULES, "/?1234", None);
        check(&RULES, "/?12345", Some("traps.query_bytes_max"));
        check(&RULES, "/?", None);
    }

    #[test]
    fn a_limit_of_zero_is_a_limit() {
        let none = TrapRules {
            path_segments_max: 0,
            segment_repeats_max: 0,
            query_bytes_max: 0,
            links_per_page_max: 0,
        };
        check(&none, "/", None);
        check(&none, "/a", Some("traps.path_segments_max"));
        check(&none, "/?a", Some("traps.query_bytes_max"));
    }

    #[test]
    fn long_paths_are_searched_with_a_map() {
        let wide = TrapRules { path_segments_max: 10_000, ..RULES };
        let distinct: String = (0..5_000).map(|at| format!("/{at}")).collect();
        check(&wide, &distinct, None);
        check(&wide, &format!("{distinct}/7/7"), Some("traps.segment_repeats_max"));
    }
}
