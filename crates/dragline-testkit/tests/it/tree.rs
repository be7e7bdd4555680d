//! Finds the files of the repository, without asking git.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every text file of the repository, by its path from the root with `/` between the parts.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the repository that this crate stands in; what is built, ignored or no text is left out.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let mut left_out: Vec<_> = ignored.lines().map(|line| line.trim_matches('/').to_owned()).collect();
        left_out.push(".git".into());
        let mut files = BTreeMap::new();
        let mut folders = vec![(root, String::new())];
        while let Some((folder, path)) = folders.pop() {
            for (entry, name) in entries(&folder) {
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                if left_out.contains(&path) {
                    continue;
                }
                if entry.is_dir() {
                    folders.push((entry, path));
                } else if let Ok(text) = fs::read_to_string(&entry) {
                    files.insert(path, text);
                }
            }
        }
        Self { files }
    }

    /// Returns (path, text) of every file, by path.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Returns the files of Rust.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Returns the text of a file that must be there.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.get(path).unwrap_or_else(|| panic!("{path} is not in the repository"))
    }

    /// Whether a file, or a folder with a file in it, stands there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// Returns (crate, manifest) of every crate, with the facade's `dragline` as it is.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = (&str, toml::Table)> {
        self.files().filter_map(|(path, text)| {
            let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            let table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
            Some((name, table))
        })
    }
}

fn entries(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let named = |entry: fs::DirEntry| Some((entry.path(), entry.file_name().into_string().ok()?));
    entries.flatten().filter_map(named).collect()
}
