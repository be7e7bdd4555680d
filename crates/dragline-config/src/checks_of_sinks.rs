//! Checks what only the whole configuration can show of sinks: places, numbers and columns that do not go together.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::checks::{Checks, OWN_SINKS, plain};
use crate::plan::{Plan, SinkKind, SinkPlan, SinkRecords};

/// Digits of the number in the name of a numbered file, at least.
const NUMBER_DIGITS: usize = 6;
/// What `compress` appends to names.
const COMPRESSED: [&str; 2] = ["gz", "zst"];

impl Checks<'_> {
    /// Checks where sinks write, and in which columns.
    pub(crate) fn files_of_sinks(&mut self, plan: &Plan) {
        for (index, sink) in plan.sinks.iter().enumerate() {
            let path = format!("sink[{index}]");
            if !sink.path.as_os_str().is_empty() {
                self.place(&format!("{path}.path"), &sink.path);
                self.number(&format!("{path}.path"), &sink.path, plan);
            }
            self.columns(&path, sink);
        }
    }

    fn place(&mut self, key: &str, path: &Path) {
        let shown = path.display();
        if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            self.add(&[key], format!("`{key}`: \"{shown}\" names no file"), "");
        } else if plain(path).components().next() == Some(Component::ParentDir) {
            let message = format!("`{key}`: \"{shown}\" leaves the output folder");
            self.add(&[key], message, "write it as an absolute path");
        } else if path.extension().is_some_and(|ending| COMPRESSED.iter().any(|ours| ending == *ours)) {
            let message = format!("`{key}`: \"{shown}\" ends as compressed files do");
            self.add(&[key], message, "leave the ending out: compress = \"gzip\" or \"zstd\" adds it");
        }
    }

    /// A file may not be called as a numbered one of another sink will be.
    fn number(&mut self, key: &str, path: &Path, plan: &Plan) {
        let Some(base) = without_number(&plain(&plan.output.dir.join(path))) else { return };
        let own = OWN_SINKS.iter().map(|name| (plan.output.dir.join(format!("{name}.jsonl")), String::new()));
        let own = own.filter(|_| plan.output.files.are_numbered());
        let others = plan.sinks.iter().enumerate().filter(|(_, sink)| sink.files.are_numbered());
        let others =
            others.map(|(index, sink)| (plan.output.dir.join(&sink.path), format!("sink[{index}].path")));
        let taken = own.chain(others).find(|(path, _)| plain(path) == base);
        if let Some((_, first)) = taken {
            self.add(&[key], self.taken("sink's file", &path.display(), &first), "give it a file of its own");
        }
    }

    fn columns(&mut self, path: &str, sink: &SinkPlan) {
        let key = format!("{path}.columns");
        let keys = [&*key, &format!("{path}.kind"), &format!("{path}.records")];
        if sink.columns.is_empty() {
            return;
        }
        if sink.kind != SinkKind::Csv {
            let message = format!("`{key}` are columns of CSV, which this sink does not write");
            self.add(&keys, message, "remove them, or set kind = \"csv\"");
        } else if sink.records != SinkRecords::Items {
            let message = format!("`{key}` are keys of items, which this sink does not write");
            self.add(&keys, message, "remove them, or set records = \"items\"");
        }
        let mut seen = BTreeSet::new();
        for (place, column) in sink.columns.iter().enumerate().filter(|(_, column)| !seen.insert(*column)) {
            let element = format!("{key}[{place}]");
            self.add(
                &[&element, &key],
                format!("`{element}`: \"{column}\" stands there twice"),
                "remove one",
            );
        }
    }
}

/// Returns the path that a numbered file belongs to: `items.jsonl` for `items-000001.jsonl`.
fn without_number(path: &Path) -> Option<PathBuf> {
    let (base, number) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let is_number = number.len() >= NUMBER_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    let ending = path.extension().map_or_else(String::new, |text| format!(".{}", text.to_string_lossy()));
    is_number.then(|| path.with_file_name(format!("{base}{ending}")))
}
