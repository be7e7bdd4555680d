//! Serves a site of 3,000 pages, each with a title, and judges what a crawl of it left behind, however often it died.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_testkit::{Reply, Server, Site};
use serde_json::Value;

use crate::process::Place;
use crate::results::{Results, rows};

/// Pages of the site.
const PAGES: usize = 3_000;

/// How long each answer takes.
const ANSWER: Duration = Duration::from_millis(30);

/// Fetches in flight.
const CONCURRENCY: usize = 16;

/// The most pages that a crash may have fetched again: `pages_max` and `uncommitted_max`, both by default.
pub(crate) const AGAIN_MAX: usize = 2 * CONCURRENCY + CONCURRENCY;

/// The site, with what is configured for it.
#[derive(Debug)]
pub(crate) struct LargeSite {
    pub(crate) server: Server,
}

impl LargeSite {
    pub(crate) fn start() -> Self {
        let site = Site::new().fallback(page).delay(ANSWER);
        Self { server: Server::start(site).expect("a loopback port is free") }
    }

    /// Writes the configuration of a crawl of all pages, with titles as items, and returns the arguments that use it.
    pub(crate) fn configure(&self, place: &Place, out: &str, more: &str) -> Vec<String> {
        let seed = self.server.url("/0");
        let text = format!(
            "[seeds]\nurls = ['{seed}']\n[security]\nallow_networks = ['127.0.0.0/8']\n[admin]\nlisten = ''\n[output]\ndir = '{out}'\n\
             [fetch]\nconcurrency = {CONCURRENCY}\nfetchers = 2\n[politeness]\ndelay = '0s'\nadaptive = false\n\
             concurrency = {CONCURRENCY}\n[retry]\nbase = '10ms'\n\
             [[handler]]\nname = 'links'\nkind = 'extract_links'\n\
             [[handler]]\nname = 'titles'\nkind = 'extract_titles'\n{more}"
        );
        place.write("dragline.toml", &text);
        ["run", "-c", "dragline.toml", "--progress=off"].map(str::to_owned).into()
    }

    /// Judges a crawl that finished in `out` after it died so many times: no page is missing, nothing is lost, torn or
    /// doubled, and not more was fetched again than is promised. Returns how many pages were.
    pub(crate) fn judge(&self, out: &std::path::Path, deaths: usize) -> usize {
        let results = Results::read(out);
        assert_eq!(results.report["ended"], "finished");
        assert_eq!(
            (results.count("done"), results.count("pending")),
            (PAGES as u64, 0),
            "{}",
            results.report
        );
        let expected: BTreeMap<String, usize> =
            (0..PAGES).map(|page| (self.server.url(&format!("/{page}")).to_string(), 1)).collect();
        let items = rows(&out.join("items.jsonl"));
        assert!(urls(&results.pages) == expected, "each page has one record");
        assert!(urls(&items) == expected, "each page has one item");
        assert!(
            items
                .iter()
                .all(|item| item["item"]["title"].as_str().is_some_and(|title| title.starts_with("Page ")))
        );
        let asked = self.server.log().counts();
        let host = self.server.addresses()[0];
        let times = |page: usize| asked.get(&format!("{host}/{page}")).copied().unwrap_or_default();
        assert!((0..PAGES).all(|page| times(page) > 0), "the server was asked for each page");
        let again = (0..PAGES).map(times).sum::<usize>() - PAGES;
        assert!(again <= deaths * AGAIN_MAX, "{again} pages were fetched again after {deaths} deaths");
        again
    }
}

/// Counts records by URL.
fn urls(rows: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row["url"].as_str().expect("a record has a URL").to_owned()).or_default() += 1;
    }
    counts
}

/// Makes page `n`, which links to `3n + 1`, `3n + 2` and `3n + 3`, so that each is found, and to a few that are known.
fn page(path: &str) -> Option<Reply> {
    let number: usize = path.strip_prefix('/')?.parse().ok().filter(|number| *number < PAGES)?;
    let others = [3 * number + 1, 3 * number + 2, 3 * number + 3, number / 2, (number * 7 + 11) % PAGES];
    let links = others.iter().filter(|other| **other < PAGES).map(|other| format!("<a href=/{other}>x</a>"));
    let links: String = links.collect();
    Some(Reply::html(format!("<!DOCTYPE html><title>Page {number}</title><p>{links}</p>")))
}
