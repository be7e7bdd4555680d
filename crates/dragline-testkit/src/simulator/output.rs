//! Reads what a simulated crawl has written, line by line, as any reader of its files would.

use std::path::{Path, PathBuf};

use dragline_sink::{ITEMS_FILE, PAGES_FILE, SKIPPED_FILE};
use serde_json::Value;

use super::sink::OUT;
use crate::disk::SimDisk;
use crate::trace_hash::TraceHash;

/// Everything that stands in the files of a crawl.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// Lines of `pages.jsonl`.
    pub(super) pages: Vec<PageLine>,
    /// Lines of `items.jsonl`: handler, URL and item.
    pub(super) items: Vec<(String, String, String)>,
    /// Lines of `skipped.jsonl`: URL and reason.
    pub(super) skipped: Vec<(String, String)>,
    /// Files that are missing, and lines that are none.
    pub(super) damage: Vec<String>,
    is_numbered: bool,
}

/// A URL that was settled by a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageLine {
    pub(super) url: String,
    /// Such as `done` or `failed(timeout)`.
    pub(super) end: String,
    pub(super) depth: u64,
    pub(super) attempt: u64,
    pub(super) redirect_target: Option<String>,
}

impl Output {
    /// Reads the files of a disk; numbered ones are there only when they have rows.
    pub(super) fn read(disk: &SimDisk, is_numbered: bool) -> Self {
        let mut output = Self { is_numbered, ..Self::default() };
        for line in output.lines(disk, PAGES_FILE) {
            let end = match (text(&line, "disposition"), text(&line, "kind")) {
                (disposition, kind) if kind.is_empty() => disposition,
                (disposition, kind) => format!("{disposition}({kind})"),
            };
            let number = |name: &str| line.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX);
            output.pages.push(PageLine {
                url: text(&line, "url"),
                end,
                depth: number("depth"),
                attempt: number("attempt"),
                redirect_target: line.get("redirect_target").and_then(Value::as_str).map(str::to_owned),
            });
        }
        for line in output.lines(disk, ITEMS_FILE) {
            let item = line.get("item").map(Value::to_string).unwrap_or_default();
            output.items.push((text(&line, "handler"), text(&line, "url"), item));
        }
        for line in output.lines(disk, SKIPPED_FILE) {
            output.skipped.push((text(&line, "url"), text(&line, "reason")));
        }
        output
    }

    /// Returns every URL that ended, with its end, in the order written; skipped ones come last.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&str, String)> {
        let pages = self.pages.iter().map(|page| (page.url.as_str(), page.end.clone()));
        pages.chain(self.skipped.iter().map(|(url, reason)| (url.as_str(), format!("skipped({reason})"))))
    }

    /// Adds everything to a hash but the times of day, which no seed decides.
    pub(super) fn note(disk: &SimDisk, hash: &mut TraceHash) {
        let mut output = Self::default();
        for file in [PAGES_FILE, ITEMS_FILE, SKIPPED_FILE] {
            for mut line in output.lines(disk, file) {
                line.as_object_mut().into_iter().for_each(|fields| drop(fields.remove("fetched_at")));
                hash.note(&line.to_string());
            }
        }
    }

    fn lines(&mut self, disk: &SimDisk, file: &str) -> Vec<Value> {
        let stem = file.strip_suffix(".jsonl").unwrap_or(file);
        // Numbered files sort as they were written.
        let is_of_file = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.parent() == Some(Path::new(OUT)) && name.starts_with(stem)
        };
        let paths: Vec<PathBuf> = disk.paths().into_iter().filter(is_of_file).collect();
        // Numbered files are made for rows.
        if paths.is_empty() && !self.is_numbered {
            self.damage.push(format!("{file} is missing"));
        }
        paths.iter().flat_map(|path| self.lines_of(disk, path)).collect()
    }

    fn lines_of(&mut self, disk: &SimDisk, path: &Path) -> Vec<Value> {
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            self.damage.push(format!("{} is left behind", path.display()));
            return Vec::new();
        }
        let bytes = disk.contents(path).unwrap_or_default();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            self.damage.push(format!("{} ends within a line", path.display()));
        }
        let mut lines = Vec::new();
        for (number, line) in
            bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
        {
            match serde_json::from_slice(line) {
                Ok(line) => lines.push(line),
                Err(error) => self.damage.push(format!("{}:{}: {error}", path.display(), number + 1)),
            }
        }
        lines
    }
}

fn text(line: &Value, name: &str) -> String {
    line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
