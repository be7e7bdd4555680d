//! Reads what a run left in its output folder, and checks that every URL is accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The files of an output folder.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) report: Value,
    pub(crate) pages: Vec<Value>,
    pub(crate) skipped: Vec<Value>,
}

impl Results {
    /// Reads them, and asserts that report and rows agree in every number.
    pub(crate) fn read(dir: &Path) -> Self {
        let report = fs::read(dir.join("report.json")).expect("there is a report");
        let report = serde_json::from_slice(&report).expect("the report is JSON");
        let results =
            Self { report, pages: rows(&dir.join("pages.jsonl")), skipped: rows(&dir.join("skipped.jsonl")) };
        results.assert_identity();
        results.assert_rows();
        results
    }

    /// Returns a number of the report, by its field.
    pub(crate) fn count(&self, field: &str) -> u64 {
        self.report[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {}", self.report))
    }

    /// Returns the numbers of `failed` or `skipped`.
    pub(crate) fn counts(&self, field: &str) -> BTreeMap<String, u64> {
        let counts = self.report[field].as_object().unwrap_or_else(|| panic!("no {field}"));
        counts.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default())).collect()
    }

    /// Returns the row of a URL among the pages.
    pub(crate) fn page(&self, url: &str) -> &Value {
        let row = self.pages.iter().find(|row| row["url"] == url);
        row.unwrap_or_else(|| panic!("no row of {url} in {:#?}", self.pages))
    }

    /// Returns the row of a URL among the skipped.
    pub(crate) fn skip(&self, url: &str) -> &Value {
        let row = self.skipped.iter().find(|row| row["url"] == url);
        row.unwrap_or_else(|| panic!("no row of {url} in {:#?}", self.skipped))
    }

    fn assert_identity(&self) {
        let (failed, skipped) = (self.counts("failed"), self.counts("skipped"));
        let settled = self.count("done")
            + self.count("redirected")
            + failed.values().sum::<u64>()
            + skipped.values().sum::<u64>();
        assert_eq!(self.count("discovered"), settled + self.count("pending"), "{}", self.report);
    }

    fn assert_rows(&self) {
        let (failed, skipped) = (self.counts("failed"), self.counts("skipped"));
        let of =
            |disposition: &str| by(self.pages.iter().filter(|row| row["disposition"] == disposition), "kind");
        assert_eq!(of("done").values().sum::<u64>(), self.count("done"), "{}", self.report);
        assert_eq!(of("redirected").values().sum::<u64>(), self.count("redirected"), "{}", self.report);
        assert_eq!(of("failed"), failed);
        let known = ["done", "redirected", "failed"];
        assert!(self.pages.iter().all(|row| known.iter().any(|known| row["disposition"] == *known)));
        if self.count("skipped_not_listed") == 0 {
            assert_eq!(by(self.skipped.iter(), "reason"), skipped);
        }

        let urls =
            self.pages.iter().chain(&self.skipped).map(|row| row["url"].as_str().expect("a row has a URL"));
        let distinct: BTreeSet<_> = urls.clone().collect();
        assert_eq!(distinct.len(), urls.count(), "each URL ends once");
    }
}

/// Counts rows by the text of a field.
fn by<'a>(rows: impl Iterator<Item = &'a Value>, field: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row[field].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

/// Reads a file of one JSON value a line; the last line must be whole.
pub(crate) fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "{} ends in the middle of a line", path.display());
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}
