//! Walks one parsed TOML text along the table of keys, and keeps going after a mistake.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::errors::ConfigError;
use crate::hints;
use crate::origins::Origins;
use crate::schema::{Absent, Field, Fields, all};
use crate::source::{SourceText, Spot};
use crate::values;

/// Reads the elements of a list of tables into their place.
pub(crate) type ReadTables<T> = fn(&mut Reader<'_>, &mut T, &[Spanned<DeValue<'_>>]);

/// Reads one text; values go to their places, their origins and all mistakes are noted.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    source: Arc<SourceText>,
    /// Where the parsed part begins in the text.
    offset: usize,
    /// Lines with a syntax error: what was made of them is not judged again.
    broken_lines: BTreeSet<usize>,
    origins: &'a mut Origins,
    errors: &'a mut Vec<ConfigError>,
}

/// Where in the tree of keys a table stands.
#[derive(Clone, Copy, Debug)]
struct Within<'w> {
    /// The prefix of its keys in the table of keys; empty at the top.
    schema: &'w str,
    /// The prefix of its keys in messages and origins; empty at the top.
    path: &'w str,
    /// Its header, such as `[fetch]` or `[[handler]]`; empty at the top.
    header: &'w str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        source: Arc<SourceText>,
        offset: usize,
        origins: &'a mut Origins,
        errors: &'a mut Vec<ConfigError>,
    ) -> Self {
        Self { source, offset, broken_lines: BTreeSet::new(), origins, errors }
    }

    /// Reads a whole file. Returns whether all of it could be judged; what could be read is read either way.
    pub(crate) fn document<T>(&mut self, fields: Fields<T>, target: &mut T) -> bool {
        let source = Arc::clone(&self.source);
        let (root, mut errors) = DeTable::parse_recoverable(&source.text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            // One mistake often upsets the rest of its line: only the first is told.
            if !self.broken_lines.contains(&source.line_of(span.start)) {
                let hint = hints::unquoted(source.line_text(span.start)).unwrap_or_default();
                self.report("", format!("not TOML: {}", error.message()), span.clone(), hint);
                self.broken_lines.extend(upset_lines(&source, span.start));
            }
        }
        match newer_version(root.get_ref()) {
            Some((version, span)) => {
                let message =
                    format!("`version` is {version}, but this Dragline knows only version 1 of the format");
                self.report("version", message, span, "use a newer Dragline, or write 1".into());
                false
            }
            None => {
                self.table(fields, Within { schema: "", path: "", header: "" }, root.get_ref(), target);
                errors.is_empty()
            }
        }
    }

    fn table<T>(&mut self, fields: Fields<T>, within: Within<'_>, table: &DeTable<'_>, target: &mut T) {
        for (name, value) in table {
            let key = join(within.schema, name.get_ref());
            let path = join(within.path, name.get_ref());
            if let Some(field) = all(fields).find(|field| field.key == key) {
                self.field(field, &path, value, target);
            } else if all(fields).any(|field| is_below(field.key, &key)) {
                match value.get_ref() {
                    DeValue::Table(inner) => {
                        let header = format!("[{key}]");
                        self.table(
                            fields,
                            Within { schema: &key, path: &path, header: &header },
                            inner,
                            target,
                        );
                    }
                    other => {
                        let message = format!("`{path}` is {}, expected a section", values::kind_of(other));
                        self.report(&path, message, value.span(), format!("write [{key}] above its keys"));
                    }
                }
            } else {
                let keys: Vec<&'static str> = all(fields).map(|field| field.key).collect();
                let what =
                    if within.schema.is_empty() && value.get_ref().is_table() { "section" } else { "key" };
                let place =
                    if within.header.is_empty() { String::new() } else { format!(" in {}", within.header) };
                let hint = hints::unknown(&keys, within.schema, name.get_ref());
                self.report(&path, format!("unknown {what} `{}`{place}", name.get_ref()), name.span(), hint);
            }
        }
    }

    /// Reads the value of one key.
    pub(crate) fn field<T>(
        &mut self,
        field: &'static Field<T>,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        target: &mut T,
    ) {
        self.origins.forget_elements(path);
        self.origins.record(path, self.spot(value.span()));
        values::read(self, field, path, value, target);
    }

    /// Reads the tables of a list, each begun by `blank`.
    pub(crate) fn elements<E>(
        &mut self,
        fields: Fields<E>,
        list: &str,
        blank: fn() -> E,
        elements: &[Spanned<DeValue<'_>>],
    ) -> Vec<E> {
        let mut read = Vec::with_capacity(elements.len());
        let header = format!("[[{list}]]");
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{list}[{index}]");
            self.origins.record(&path, self.spot(element.span()));
            let DeValue::Table(table) = element.get_ref() else {
                let message = format!("`{path}` is {}, expected a table", values::kind_of(element.get_ref()));
                self.report(&path, message, element.span(), format!("write {header} above its keys"));
                continue;
            };
            let mut target = blank();
            self.table(fields, Within { schema: "", path: &path, header: &header }, table, &mut target);
            for field in all(fields) {
                let Absent::Required(example) = field.default else { continue };
                if !table.keys().any(|key| key.get_ref() == field.key) {
                    let key = field.key;
                    let hint = format!("add {key} = {example}");
                    self.report(&join(&path, key), format!("{header} without `{key}`"), element.span(), hint);
                }
            }
            read.push(target);
        }
        read
    }

    /// Notes where an element of a list was written.
    pub(crate) fn record_element(&mut self, path: &str, index: usize, span: Range<usize>) {
        self.origins.record(&format!("{path}[{index}]"), self.spot(span));
    }

    /// Notes a mistake, unless its line has a syntax error anyway.
    pub(crate) fn report(&mut self, path: &str, message: String, span: Range<usize>, hint: String) {
        let spot = self.spot(span);
        if !self.broken_lines.contains(&self.source.line_of(spot.span.start)) {
            self.errors.push(ConfigError::new(path, message).at(Some(spot)).hint(hint));
        }
    }

    fn spot(&self, span: Range<usize>) -> Spot {
        Spot { source: Arc::clone(&self.source), span: span.start + self.offset..span.end + self.offset }
    }
}

/// Returns the lines that a syntax error upsets: its own, and below a broken header all up to the next one.
fn upset_lines(source: &SourceText, offset: usize) -> std::ops::Range<usize> {
    let first = source.line_of(offset);
    let mut lines = source.text.lines().skip(first - 1);
    if !lines.next().is_some_and(|line| line.trim_start().starts_with('[')) {
        return first..first + 1;
    }
    first..first + 1 + lines.take_while(|line| !line.trim_start().starts_with('[')).count()
}

/// Finds a format version above 1: nothing else of such a file can be judged.
fn newer_version(root: &DeTable<'_>) -> Option<(u64, Range<usize>)> {
    let (_, value) = root.iter().find(|(name, _)| name.get_ref() == "version")?;
    let version = values::whole(value.get_ref().as_integer()?)?;
    (version > 1).then(|| (version, value.span()))
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.into() } else { format!("{prefix}.{name}") }
}

fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}
