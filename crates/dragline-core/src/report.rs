//! Sums a crawl up: every URL accounted for, for `report.json` and for people.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::disposition::{FailKind, LinkRefusal, SkipReason};
use crate::frontier::{FrontierStats, OfferSource};
use crate::time::Wall;

/// The name under which totals stand among the marks of a commit; no sink may have it.
pub const TOTALS_MARK: &str = "totals";

/// Origins without robots.txt that are named to people; the file names all.
const UNREACHABLE_LINES_MAX: usize = 10;

/// What one crawl did. Written as `report.json` with these field names; shown to people by `Display`.
///
/// `discovered = done + redirected + failed + skipped + pending` ([`Report::adds_up`]).
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How the crawl ended.
    #[serde(serialize_with = "as_name")]
    pub ended: Ended,
    /// Distinct URLs offered.
    pub discovered: u64,
    /// URLs fetched and handled.
    pub done: u64,
    /// URLs that answered with a redirect.
    pub redirected: u64,
    /// URLs given up, by kind; kinds that did not happen are absent.
    #[serde(serialize_with = "by_kind")]
    pub failed: BTreeMap<FailKind, u64>,
    /// URLs skipped, by reason; reasons that did not happen are absent.
    #[serde(serialize_with = "by_reason")]
    pub skipped: BTreeMap<SkipReason, u64>,
    /// URLs not settled.
    pub pending: u64,
    /// Distinct URLs offered, by where they came from; every source is present.
    #[serde(rename = "discovered_by")]
    pub added: BTreeMap<&'static str, u64>,
    /// Links to URLs that were known.
    pub links_seen_again: u64,
    /// Links refused for a reason of the link; every reason is present.
    pub links_refused: BTreeMap<&'static str, u64>,
    /// Hosts known.
    pub hosts: u64,
    /// Hosts that joined the scope because a seed redirected to them.
    pub joined_hosts: Vec<Arc<str>>,
    /// Origins whose robots.txt could not be had; their URLs were skipped.
    pub robots_unreachable: Vec<RobotsUnreachable>,
    /// Answers that came too late and were dropped.
    pub stale_answers: u64,
    /// What the engine counted.
    #[serde(flatten)]
    pub totals: Totals,
}

/// What the engine counts beside the frontier, over all lives of the crawl. When it began and how long it ran are written
/// for people, and are not read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Lives of the crawl: 1, and 1 more each time it was taken up again.
    pub starts: u32,
    /// Fetches of pages, every attempt counted.
    pub fetches: u64,
    /// Fetches of pages that were put off to another attempt.
    pub retries: u64,
    /// Fetches of robots.txt; not among `fetches`.
    pub robots_fetches: u64,
    /// Fetches of sitemaps; not among `fetches`.
    pub sitemap_fetches: u64,
    /// Bytes received, heads and framing included.
    pub received_bytes: u64,
    /// Bytes of bodies after decoding.
    pub body_bytes: u64,
    /// Items handed to sinks.
    pub items: u64,
    /// Skipped URLs that were counted but not listed, because the list had reached its cap.
    pub skipped_not_listed: u64,
    /// Hosts that joined the scope but are not named, because the list had reached its cap.
    pub joined_not_listed: u64,
    /// When the crawl began: its first life.
    #[serde(serialize_with = "as_text", skip_deserializing)]
    pub started_at: Wall,
    /// When the crawl ended.
    #[serde(serialize_with = "as_text", skip_deserializing)]
    pub finished_at: Wall,
    /// How long its lives ran together, by the clock that never jumps; written in seconds.
    #[serde(rename = "duration_secs", serialize_with = "as_secs", skip_deserializing)]
    pub duration: Duration,
}

/// How a crawl ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was left to do.
    Finished,
    /// It was asked to finish what was under way.
    Drained,
    /// It was asked to stop at once.
    Stopped,
    /// It could not go on.
    Failed,
}

impl Ended {
    /// Returns the flat name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Drained => "drained",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An origin whose robots.txt could not be had, which means complete disallow (RFC 9309 2.3.1.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RobotsUnreachable {
    /// The origin.
    pub origin: Arc<str>,
    /// What went wrong.
    pub error: Arc<str>,
}

impl Report {
    /// Sums up the frontier's counts, the hosts that joined the scope, and the engine's totals.
    pub fn new(stats: &FrontierStats, totals: Totals, joined_hosts: Vec<Arc<str>>, ended: Ended) -> Self {
        let added = OfferSource::ALL.iter().map(|source| source.name()).zip(stats.added);
        let refused = LinkRefusal::ALL.iter().map(|refusal| refusal.name()).zip(stats.refused);
        let unreachable = stats.robots_unreachable.iter().map(|(origin, error)| RobotsUnreachable {
            origin: Arc::clone(origin),
            error: Arc::clone(error),
        });
        Self {
            ended,
            discovered: stats.discovered,
            done: stats.done,
            redirected: stats.redirected,
            failed: without_zeros(&stats.failed),
            skipped: without_zeros(&stats.skipped),
            pending: stats.pending,
            added: added.collect(),
            links_seen_again: stats.duplicates,
            links_refused: refused.collect(),
            hosts: stats.hosts_known,
            joined_hosts,
            robots_unreachable: unreachable.collect(),
            stale_answers: stats.stale,
            totals,
        }
    }

    /// Returns the URLs given up.
    pub fn failed_total(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns the URLs skipped.
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Whether discovered = done + redirected + failed + skipped + pending.
    pub fn adds_up(&self) -> bool {
        let settled = self.done + self.redirected + self.failed_total() + self.skipped_total();
        self.discovered == settled + self.pending
    }
}

/// One line of counts, then a line for each origin whose robots.txt could not be had.
///
/// ```text
/// done 1,231  failed 10 (timeout 6, tls_error 4)  skipped 821 (scope 790, robots 31)  links seen again 8,001  refused 5 (depth 5)  4m12s
/// ```
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "done {}", grouped(self.done))?;
        if self.redirected > 0 {
            write!(f, "  redirected {}", grouped(self.redirected))?;
        }
        write!(f, "  failed {}", grouped(self.failed_total()))?;
        write_details(f, self.failed.iter().map(|(kind, count)| (kind.name(), *count)))?;
        write!(f, "  skipped {}", grouped(self.skipped_total()))?;
        write_details(f, self.skipped.iter().map(|(reason, count)| (reason.name(), *count)))?;
        if self.pending > 0 {
            write!(f, "  pending {}", grouped(self.pending))?;
        }
        write!(f, "  links seen again {}", grouped(self.links_seen_again))?;
        let refused = self.links_refused.values().sum();
        if refused > 0 {
            write!(f, "  refused {}", grouped(refused))?;
            let reasons = self.links_refused.iter().filter(|(_, count)| **count > 0);
            write_details(f, reasons.map(|(reason, count)| (*reason, *count)))?;
        }
        write!(f, "  {}", short_duration(self.totals.duration))?;
        if self.totals.starts > 1 {
            write!(f, " in {} starts", grouped(self.totals.starts.into()))?;
        }
        for entry in self.robots_unreachable.iter().take(UNREACHABLE_LINES_MAX) {
            write!(f, "\nrobots.txt of {} could not be had, nothing was fetched: ", entry.origin)?;
            write!(f, "{}", entry.error)?;
        }
        match self.robots_unreachable.len().saturating_sub(UNREACHABLE_LINES_MAX) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more origins, named in the report"),
        }
    }
}

/// Writes ` (most 6, fewer 3)`, or nothing when there is nothing to write.
fn write_details<'a>(
    f: &mut fmt::Formatter<'_>,
    counts: impl Iterator<Item = (&'a str, u64)>,
) -> fmt::Result {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by(|(left, fewer), (right, more)| more.cmp(fewer).then(left.cmp(right)));
    for (index, (name, count)) in counts.iter().enumerate() {
        let before = if index == 0 { " (" } else { ", " };
        write!(f, "{before}{name} {}", grouped(*count))?;
    }
    if counts.is_empty() { Ok(()) } else { f.write_str(")") }
}

/// Writes a number with a comma before every third digit: `8,001`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a time span in the two or three units that matter: `250ms`, `12.3s`, `4m12s`, `1h04m12s`.
pub fn short_duration(span: Duration) -> String {
    let secs = span.as_secs();
    let (hours, minutes, rest) = (secs / 3_600, secs / 60 % 60, secs % 60);
    match (hours, minutes) {
        (0, 0) if secs == 0 => format!("{}ms", span.as_millis()),
        (0, 0) => format!("{secs}.{}s", span.subsec_millis() / 100),
        (0, _) => format!("{minutes}m{rest:02}s"),
        _ => format!("{hours}h{minutes:02}m{rest:02}s"),
    }
}

fn without_zeros<K: Copy + Ord>(counts: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    counts.iter().filter(|(_, count)| **count > 0).map(|(key, count)| (*key, *count)).collect()
}

fn by_kind<S: Serializer>(counts: &BTreeMap<FailKind, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(kind, count)| (kind.name(), count)))
}

fn by_reason<S: Serializer>(counts: &BTreeMap<SkipReason, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(reason, count)| (reason.name(), count)))
}

fn as_name<S: Serializer>(ended: &Ended, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(ended.name())
}

fn as_text<S: Serializer>(wall: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(wall)
}

fn as_secs<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn report() -> Report {
        let stats = FrontierStats {
            discovered: 2_064,
            added: [1, 2_063, 0, 0, 0],
            done: 1_231,
            redirected: 2,
            failed: [
                (Outcome::TlsError, 1),
                (Outcome::Timeout, 6),
                (Outcome::DnsError, 3),
                (Outcome::Crashed, 0),
            ]
            .map(|(outcome, count)| (FailKind::Fetch(outcome), count))
            .into(),
            skipped: [(SkipReason::Robots, 31), (SkipReason::Scope, 790)].into(),
            duplicates: 8_001,
            refused: [4, 0, 1, 0, 0],
            hosts_known: 3,
            ..FrontierStats::default()
        };
        let totals = Totals {
            starts: 1,
            fetches: 1_250,
            started_at: Wall::from_secs(1_795_194_003),
            duration: Duration::from_millis(252_500),
            ..Totals::default()
        };
        Report::new(&stats, totals, vec!["b.example".into()], Ended::Finished)
    }

    #[test]
    fn people_read_one_line_with_the_largest_counts_first() {
        assert_eq!(
            report().to_string(),
            "done 1,231  redirected 2  failed 10 (timeout 6, dns_error 3, tls_error 1)  \
             skipped 821 (scope 790, robots 31)  links seen again 8,001  refused 5 (depth 4, invalid_url 1)  4m12s"
        );
    }

    #[test]
    fn a_crawl_that_was_taken_up_again_says_how_often_it_was_started() {
        let totals = Totals { starts: 3, ..report().totals };
        let text = Report { totals, ..report() }.to_string();
        assert!(text.ends_with("  4m12s in 3 starts"), "{text}");
    }

    #[test]
    fn totals_are_read_back_as_they_were_written_but_for_their_times() {
        let totals = Totals { starts: 2, fetches: u64::MAX, items: 7, ..report().totals };
        let text = serde_json::to_string(&totals).unwrap();
        let found: Totals = serde_json::from_str(&text).unwrap();
        let (started_at, duration) = (Wall::default(), Duration::ZERO);
        assert_eq!(found, Totals { started_at, duration, ..totals });
        let of_another_version = r#"{"fetches": 3, "unheard_of": []}"#;
        let found: Totals = serde_json::from_str(of_another_version).unwrap();
        assert_eq!(found, Totals { fetches: 3, ..Totals::default() });
    }

    #[test]
    fn an_unreachable_robots_txt_is_named_and_the_list_is_bounded() {
        let entry = RobotsUnreachable { origin: "https://a.example".into(), error: "refused".into() };
        let report = Report { pending: 7, robots_unreachable: vec![entry; 12], ..report() };
        let text = report.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("  pending 7  "), "{text}");
        assert_eq!(
            lines[1],
            "robots.txt of https://a.example could not be had, nothing was fetched: refused"
        );
        assert_eq!(lines.len(), 1 + UNREACHABLE_LINES_MAX + 1);
        assert_eq!(lines.last(), Some(&"and 2 more origins, named in the report"));
    }

    #[test]
    fn the_file_has_the_names_of_the_identity() {
        let value = serde_json::to_value(report()).unwrap();
        let check = |pointer: &str, expected: serde_json::Value| {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        };
        check("/discovered", 2_064.into());
        check("/done", 1_231.into());
        check("/redirected", 2.into());
        check("/failed", serde_json::json!({"timeout": 6, "dns_error": 3, "tls_error": 1}));
        check("/skipped", serde_json::json!({"robots": 31, "scope": 790}));
        check("/pending", 0.into());
        check("/links_seen_again", 8_001.into());
        check("/links_refused/depth", 4.into());
        check("/links_refused/nofollow", 0.into());
        check("/discovered_by/link", 2_063.into());
        check("/ended", "finished".into());
        check("/joined_hosts/0", "b.example".into());
        check("/fetches", 1_250.into());
        check("/starts", 1.into());
        check("/started_at", "2026-11-20T17:00:03.000Z".into());
        check("/duration_secs", 252.5.into());
    }

    #[test]
    fn a_lost_url_does_not_add_up() {
        assert!(report().adds_up());
        assert!(!Report { discovered: 2_065, ..report() }.adds_up());
    }

    #[test]
    fn numbers_and_spans_are_short() {
        let check = |found: String, expected: &str| assert_eq!(found, expected);
        check(grouped(0), "0");
        check(grouped(999), "999");
        check(grouped(1_000), "1,000");
        check(grouped(u64::MAX), "18,446,744,073,709,551,615");
        check(short_duration(Duration::from_micros(250_900)), "250ms");
        check(short_duration(Duration::from_millis(12_390)), "12.3s");
        check(short_duration(Duration::from_secs(252)), "4m12s");
        check(short_duration(Duration::from_secs(3_852)), "1h04m12s");
    }
}
