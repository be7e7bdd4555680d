//! Lays the layers of a configuration over one another, and checks what comes out.

use std::path::{Path, PathBuf};

use crate::build::Build;
use crate::disk;
use crate::errors::ConfigErrors;
use crate::origins::Origins;
use crate::plan::Plan;

/// Gathers where configuration comes from; [`Loader::load`] reads and checks it.
///
/// The layers, the weakest first: defaults, files in the order given, environment, `--set`, flags. A list in a
/// stronger layer replaces the whole list of a weaker one. Seeds of the command line come after those of `[seeds]`.
///
/// ```
/// use dragline_config::Loader;
///
/// let (plan, origins) = Loader::new()
///     .text("dragline.toml", "[seeds]\nurls = [\"http://127.0.0.1:8080/\"]\n[fetch]\nconcurrency = 4\n")
///     .set("fetch.deadline=5s")
///     .load()?;
/// assert_eq!((plan.fetch.concurrency, plan.fetch.pages_max), (4, 8));
/// assert_eq!(origins.place("fetch.concurrency").to_string(), "dragline.toml:4");
/// # Ok::<(), dragline_config::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Loader {
    files: Vec<FileLayer>,
    search: bool,
    environment: Vec<(String, String)>,
    sets: Vec<String>,
    flags: Vec<(String, toml::Value, String)>,
    seeds: Vec<String>,
    seeds_optional: bool,
}

/// A file, or its text.
#[derive(Clone, Debug)]
enum FileLayer {
    Path(PathBuf),
    Text { name: String, text: String },
}

impl Loader {
    /// Begins with the defaults alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks for `/etc/dragline/dragline.toml`, `$XDG_CONFIG_HOME/dragline/dragline.toml` (or `~/.config`) and
    /// `./dragline.toml`; those that exist are layers below every file given by name.
    #[must_use]
    pub const fn search(mut self) -> Self {
        self.search = true;
        self
    }

    /// Adds a file; not being able to read it is an error.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.files.push(FileLayer::Path(path.as_ref().to_owned()));
        self
    }

    /// Adds the text of a file under the name it gets in messages.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.files.push(FileLayer::Text { name: name.into(), text: text.into() });
        self
    }

    /// Adds environment variables, as [`crate::from_environment`] returns them. Those named like
    /// `DRAGLINE_FETCH__CONCURRENCY` are settings; of the others `HOME` and `XDG_CONFIG_HOME` are looked at.
    #[must_use]
    pub fn environment(mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(pairs);
        self
    }

    /// Adds a `--set`: a key, `=`, and a TOML value; a bare word is taken as a string.
    #[must_use]
    pub fn set(mut self, assignment: &str) -> Self {
        self.sets.push(assignment.into());
        self
    }

    /// Adds the value of a flag such as `--concurrency`, which stands for a key.
    #[must_use]
    pub fn flag(mut self, key: &str, value: impl Into<toml::Value>, flag: &str) -> Self {
        self.flags.push((key.into(), value.into(), flag.into()));
        self
    }

    /// Adds a seed named on the command line.
    #[must_use]
    pub fn seed(mut self, url: &str) -> Self {
        self.seeds.push(url.into());
        self
    }

    /// Lets a plan have no seeds, for commands that crawl nothing.
    #[must_use]
    pub const fn seeds_optional(mut self) -> Self {
        self.seeds_optional = true;
        self
    }

    /// Reads every layer and checks the whole. Reads files, and waits for the disk.
    ///
    /// # Errors
    /// Names every mistake of every layer at once.
    pub fn load(&self) -> Result<(Plan, Origins), ConfigErrors> {
        let mut build = Build::default();
        if self.search {
            for path in disk::searched(&self.environment) {
                if path.exists() {
                    build.file(&path);
                }
            }
        }
        for file in &self.files {
            match file {
                FileLayer::Path(path) => build.file(path),
                FileLayer::Text { name, text } => build.text(name, text),
            }
        }
        for (name, value) in &self.environment {
            build.variable(name, value);
        }
        for assignment in &self.sets {
            build.set(assignment);
        }
        for (key, value, flag) in &self.flags {
            build.flag(key, value, flag);
        }
        build.finish(&self.seeds, self.seeds_optional)
    }
}
