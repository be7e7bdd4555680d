//! Points at stretches of what the operator wrote, so that every value and every mistake has a place.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::origins::Place;

/// One text the operator wrote: a file, an environment variable, or a part of the command line.
#[derive(Debug)]
pub(crate) struct SourceText {
    /// The rank among all texts of one load: errors are reported in this order.
    pub(crate) rank: usize,
    /// What kind of text it is.
    pub(crate) kind: SourceKind,
    /// The text.
    pub(crate) text: String,
    /// The offset of every line, found when first asked for.
    lines: OnceLock<Vec<usize>>,
}

impl PartialEq for SourceText {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank && self.kind == other.kind && self.text == other.text
    }
}

impl Eq for SourceText {}

/// What kind of text it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// A file of this name.
    File(Arc<str>),
    /// This environment variable, written `NAME=value`.
    Environment(Arc<str>),
    /// A `--set` of this key, written `key=value`.
    Set(Arc<str>),
    /// This flag, written `--flag value`.
    Flag(Arc<str>),
    /// The argument of this number.
    Argument(usize),
}

impl SourceText {
    /// Keeps a text; `rank` orders it among the others.
    pub(crate) const fn new(rank: usize, kind: SourceKind, text: String) -> Self {
        Self { rank, kind, text, lines: OnceLock::new() }
    }

    /// Returns the name that stands above a quoted line.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match &self.kind {
            SourceKind::File(name) => Cow::Borrowed(name),
            SourceKind::Environment(_) => Cow::Borrowed("environment"),
            SourceKind::Set(_) | SourceKind::Flag(_) => Cow::Borrowed("command line"),
            SourceKind::Argument(number) => Cow::Owned(format!("command line argument {number}")),
        }
    }

    /// Returns the line of an offset, from 1.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.line_starts().partition_point(|start| *start <= offset)
    }

    /// Returns the line of an offset, without what ends it.
    pub(crate) fn line_text(&self, offset: usize) -> &str {
        let rest = self.text.get(self.line_start(offset)..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }

    /// Returns where the line of an offset begins.
    fn line_start(&self, offset: usize) -> usize {
        let index = self.line_of(offset).saturating_sub(1);
        self.line_starts().get(index).copied().unwrap_or_default()
    }

    fn line_starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }
}

/// A stretch of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The text.
    pub(crate) source: Arc<SourceText>,
    /// The stretch, in bytes.
    pub(crate) span: Range<usize>,
}

impl Spot {
    /// Returns the stretch itself; empty when it is out of range.
    pub(crate) fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default()
    }

    /// Returns the whole lines of the stretch, without the last line's end, and the stretch within them, widened
    /// to whole characters.
    pub(crate) fn lines(&self) -> (&str, Range<usize>) {
        let text = self.source.text.as_str();
        let whole = |at: &usize| text.is_char_boundary(*at);
        let start = (0..=self.span.start.min(text.len())).rev().find(whole).unwrap_or(0);
        let end = (self.span.end.clamp(start, text.len())..=text.len()).find(whole).unwrap_or(text.len());
        let first = self.source.line_start(start);
        let rest = text.get(end..).unwrap_or_default();
        let last = rest.find('\n').map_or(text.len(), |at| end + at);
        (text.get(first..last).unwrap_or_default(), start - first..end - first)
    }

    /// Returns the place for people and programs.
    pub(crate) fn place(&self) -> Place {
        match &self.source.kind {
            SourceKind::File(file) => {
                let (lines, span) = self.lines();
                let column = lines.get(..span.start).unwrap_or_default().chars().count() + 1;
                Place::File { file: Arc::clone(file), line: self.source.line_of(self.span.start), column }
            }
            SourceKind::Environment(variable) => Place::Environment(Arc::clone(variable)),
            SourceKind::Set(key) => Place::Set(Arc::clone(key)),
            SourceKind::Flag(flag) => Place::Flag(Arc::clone(flag)),
            SourceKind::Argument(number) => Place::Argument(*number),
        }
    }
}
