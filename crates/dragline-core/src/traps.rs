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
    let segments = if path.is_empty() { 0 } else { path.split('/').count() };
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
