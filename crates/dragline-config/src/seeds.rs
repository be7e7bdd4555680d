//! Gathers the seeds of configuration, files and command line, each with where it was written.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dragline_core::CanonicalUrl;

use crate::disk;
use crate::errors::ConfigError;
use crate::origins::Origins;
use crate::plan::Seed;
use crate::source::{SourceText, Spot};

/// Mistakes told of one file of seeds; the rest are counted.
const MISTAKES_MAX: usize = 20;

/// The seeds so far, each once.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    seeds: Vec<(CanonicalUrl, Option<Spot>)>,
    keys: BTreeSet<Box<str>>,
    /// Whether something that was meant to be a seed was none.
    pub(crate) failed: bool,
}

impl Gathered {
    /// Adds the URLs of `seeds.urls`.
    pub(crate) fn listed(&mut self, urls: &[CanonicalUrl], origins: &Origins) {
        for (index, url) in urls.iter().enumerate() {
            self.add(url.clone(), origins.spot(&format!("seeds.urls[{index}]")).cloned());
        }
    }

    /// Adds the lines of a file; empty lines and those that begin with `#` are skipped.
    pub(crate) fn lines(&mut self, source: &Arc<SourceText>, errors: &mut Vec<ConfigError>) {
        let mut start = 0;
        let mut mistakes = 0_usize;
        for line in source.text.split_inclusive('\n') {
            let text = line.trim();
            let indent = line.len() - line.trim_start().len();
            let span = start + indent..start + indent + text.len();
            start += line.len();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let before = errors.len();
            self.parse(Spot { source: Arc::clone(source), span }, errors);
            mistakes += errors.len() - before;
            if mistakes > MISTAKES_MAX {
                errors.truncate(before);
            }
        }
        if let Some(more) = mistakes.checked_sub(MISTAKES_MAX).filter(|more| *more > 0) {
            errors.push(ConfigError::new(
                "seeds.files",
                format!("{more} more lines of {} are no URLs", source.name()),
            ));
        }
    }

    /// Adds an argument of the command line.
    pub(crate) fn argument(&mut self, source: &Arc<SourceText>, errors: &mut Vec<ConfigError>) {
        self.parse(Spot { source: Arc::clone(source), span: 0..source.text.len() }, errors);
    }

    fn parse(&mut self, spot: Spot, errors: &mut Vec<ConfigError>) {
        match CanonicalUrl::parse(spot.text()) {
            Ok(url) => self.add(url, Some(spot)),
            Err(error) => {
                self.failed = true;
                errors.push(ConfigError::new("seeds.urls", error.to_string()).at(Some(spot)));
            }
        }
    }

    fn add(&mut self, url: CanonicalUrl, spot: Option<Spot>) {
        if self.keys.insert(url.dedupe_key().into()) {
            self.seeds.push((url, spot));
        }
    }

    /// Returns the seeds with their spots, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&CanonicalUrl, Option<&Spot>)> {
        self.seeds.iter().map(|(url, spot)| (url, spot.as_ref()))
    }

    pub(crate) fn into_seeds(self) -> Vec<Seed> {
        let seed = |(url, spot): (CanonicalUrl, Option<Spot>)| {
            let origin = spot.as_ref().map_or_else(Default::default, Spot::place);
            Seed { url, origin }
        };
        self.seeds.into_iter().map(seed).collect()
    }
}

/// Reads a file of seeds; a relative path starts at the configuration file that names it, if a file does.
pub(crate) fn read_file(file: &str, named: Option<&Spot>) -> Result<(String, String), String> {
    let path = disk::beside(named, Path::new(file));
    let text = disk::read(&path, disk::SEEDS_BYTES_MAX)?;
    Ok((path.display().to_string(), text))
}
