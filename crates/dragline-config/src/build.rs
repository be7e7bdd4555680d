//! Reads one layer after the other into a draft, then has the whole checked.

use dragline_core::rules::FrontierLimits;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use crate::errors::{ConfigError, ConfigErrors};
use crate::keys::{Draft, FIELDS};
use crate::origins::Origins;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::schema::{Kind, all};
use crate::source::{SourceKind, SourceText, Spot};
use crate::{checks, disk, hints, seeds};

/// A configuration under way.
#[derive(Debug, Default)]
pub(crate) struct Build {
    draft: Draft,
    origins: Origins,
    errors: Vec<ConfigError>,
    /// How many texts were read.
    texts: usize,
    /// Whether some file was not whole TOML: what is missing may stand in the part that could not be read.
    torn: bool,
}

impl Build {
    /// Reads a file.
    pub(crate) fn file(&mut self, path: &Path) {
        match disk::read(path, disk::CONFIG_BYTES_MAX) {
            Ok(text) => self.text(&path.display().to_string(), &text),
            Err(message) => {
                self.torn = true;
                self.errors.push(ConfigError::new("", message));
            }
        }
    }

    /// Reads the text of a file.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        let source = self.source(SourceKind::File(name.into()), text.into());
        let mut reader = Reader::new(source, 0, &mut self.origins, &mut self.errors);
        let whole = reader.document(FIELDS, &mut self.draft);
        self.torn |= !whole;
    }

    /// Reads an environment variable when its name says that it is a setting.
    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        let Some(rest) = name.strip_prefix(disk::PREFIX) else { return };
        let text = format!("{name}={value}");
        let kind = SourceKind::Environment(name.into());
        if rest.contains("__") {
            let key = rest.replace("__", ".").to_ascii_lowercase();
            self.assign(&key, kind, text, name.len() + 1);
        } else if let Some(field) =
            all(FIELDS).find(|field| field.key.replace('.', "_") == rest.to_ascii_lowercase())
        {
            // Others share our prefix by accident: Kubernetes sets DRAGLINE_PORT for a service of that name.
            let spot = Spot { span: 0..name.len(), source: self.source(kind, text) };
            let wanted = field.key.replace('.', "__").to_ascii_uppercase();
            let hint = format!("did you mean `{}{wanted}`?", disk::PREFIX);
            self.errors
                .push(ConfigError::new("", format!("`{name}` sets nothing")).at(Some(spot)).hint(hint));
        }
    }

    /// Reads a `--set`.
    pub(crate) fn set(&mut self, assignment: &str) {
        let Some((key, _)) = assignment.split_once('=') else {
            let spot = Spot {
                span: 0..assignment.len(),
                source: self.source(SourceKind::Set(assignment.into()), assignment.into()),
            };
            let error = ConfigError::new("", format!("--set {assignment:?} has no ="));
            self.errors.push(error.at(Some(spot)).hint("write it as fetch.concurrency=64"));
            return;
        };
        self.assign(key.trim(), SourceKind::Set(key.trim().into()), assignment.into(), key.len() + 1);
    }

    /// Reads the value of a flag.
    pub(crate) fn flag(&mut self, key: &str, value: &toml::Value, flag: &str) {
        self.assign(key, SourceKind::Flag(flag.into()), format!("{flag} {value}"), flag.len() + 1);
    }

    /// Reads one value that begins at `offset` of `text`.
    fn assign(&mut self, key: &str, kind: SourceKind, text: String, offset: usize) {
        let source = self.source(kind, text);
        let padded = source.text.get(offset..).unwrap_or_default();
        let raw = padded.trim();
        let start = offset + (padded.len() - padded.trim_start().len());
        let whole = Spot { source: Arc::clone(&source), span: start..start + raw.len() };
        let Some(field) = all(FIELDS).find(|field| field.key == key) else {
            let hint = hint_for(key);
            let error = ConfigError::new(key, format!("unknown key `{key}`"));
            self.errors.push(error.at(Some(Spot { span: 0..offset.saturating_sub(1), ..whole })).hint(hint));
            return;
        };
        let textual = matches!(field.kind, Kind::Text(_) | Kind::Choice(_));
        let value = match DeValue::parse(raw) {
            // `agent.version=1.0` means the text, although TOML reads a number.
            Ok(value) if !textual || value.get_ref().is_str() => value,
            Err(error) if raw.starts_with(['[', '{', '"', '\'']) => {
                let error = ConfigError::new(key, format!("`{key}` is not TOML: {}", error.message()));
                self.errors.push(error.at(Some(whole)).hint("such as fetch.concurrency=64"));
                return;
            }
            Ok(_) | Err(_) => Spanned::new(0..raw.len(), DeValue::String(raw.into())),
        };
        let mut reader = Reader::new(Arc::clone(&source), start, &mut self.origins, &mut self.errors);
        reader.field(field, key, &value, &mut self.draft);
    }

    fn source(&mut self, kind: SourceKind, text: String) -> Arc<SourceText> {
        self.texts += 1;
        Arc::new(SourceText::new(self.texts, kind, text))
    }

    /// Adds the seeds, then checks what only the whole can show.
    pub(crate) fn finish(
        mut self,
        arguments: &[String],
        seeds_optional: bool,
    ) -> Result<(Plan, Origins), ConfigErrors> {
        let mut gathered = seeds::Gathered::default();
        gathered.listed(&self.draft.seed_urls, &self.origins);
        for (index, file) in self.draft.seed_files.clone().iter().enumerate() {
            let named = self.origins.spot(&format!("seeds.files[{index}]")).cloned();
            match seeds::read_file(file, named.as_ref()) {
                Ok((name, text)) => {
                    let source = self.source(SourceKind::File(name.into()), text);
                    gathered.lines(&source, &mut self.errors);
                }
                Err(message) => self.errors.push(ConfigError::new("seeds.files", message).at(named)),
            }
        }
        for (index, argument) in arguments.iter().enumerate() {
            let source = self.source(SourceKind::Argument(index + 1), argument.clone());
            gathered.argument(&source, &mut self.errors);
        }
        let mut plan = self.draft.plan;
        disk::anchor(&mut plan.network, &self.origins);
        plan.fetch.pages_max = if self.draft.pages_max == 0 {
            plan.fetch.concurrency.saturating_mul(2)
        } else {
            self.draft.pages_max
        };
        plan.rules.limits = FrontierLimits {
            pending_per_host_max: plan.state.pending_per_host_max,
            hosts_max: plan.state.hosts_max,
            memory_max: plan.state.memory_max,
            keep_skips: plan.state.keep_skips,
        };
        plan.state.uncommitted_max =
            if self.draft.uncommitted_max == 0 { plan.fetch.concurrency } else { self.draft.uncommitted_max };
        if !self.torn {
            checks::check(&plan, &gathered, seeds_optional, &self.origins, &mut self.errors);
        }
        plan.seeds = gathered.into_seeds();
        if self.errors.is_empty() { Ok((plan, self.origins)) } else { Err(ConfigErrors::new(self.errors)) }
    }
}

/// Says what an unknown key of an assignment was probably meant to be.
fn hint_for(key: &str) -> String {
    let is_list = |list: &str| key.strip_prefix(list).is_some_and(|rest| rest.starts_with(['.', '[']));
    let mut lists = all(FIELDS).filter(|field| matches!(field.kind, Kind::Tables(_)));
    if let Some(list) = lists.find(|field| is_list(field.key)) {
        return format!("`{0}` is a list of tables: give all of it, as {0}=[{{...}}]", list.key);
    }
    match hints::nearest(key, all(FIELDS).map(|field| field.key)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "keys look like fetch.concurrency".into(),
    }
}
