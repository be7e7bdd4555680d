//! Collects every mistake of a configuration, and shows each where it was written.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::origins::Place;
use crate::source::Spot;

/// One mistake of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The full key it is about; empty when it is about none.
    pub(crate) key: String,
    message: String,
    hint: String,
    spot: Option<Spot>,
}

impl ConfigError {
    pub(crate) fn new(key: &str, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), hint: String::new(), spot: None }
    }

    pub(crate) fn at(mut self, spot: Option<Spot>) -> Self {
        self.spot = spot;
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub(crate) fn spot(&self) -> Option<&Spot> {
        self.spot.as_ref()
    }

    /// Returns what is wrong: lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what to write instead; empty when there is nothing to say.
    pub fn advice(&self) -> &str {
        &self.hint
    }

    /// Returns where it was written; `None` for something that is missing altogether.
    pub fn place(&self) -> Option<Place> {
        self.spot.as_ref().map(Spot::place)
    }

    fn group(&self) -> Group<'_> {
        let title = Level::ERROR.primary_title(self.message.as_str());
        match &self.spot {
            Some(spot) => {
                let (lines, span) = spot.lines();
                let mark_start = span.start;
                let mark = AnnotationKind::Primary.span(span).label(self.hint.as_str());
                let line = spot.source.line_of(spot.span.start);
                if may_hold_secret(lines) {
                    let column = lines.get(..mark_start).unwrap_or_default().chars().count() + 1;
                    let place = Origin::path(spot.source.name()).line(line).char_column(column);
                    let title = title.element(place);
                    let hint = self.hint.as_str();
                    return if hint.is_empty() { title } else { title.element(Level::HELP.message(hint)) };
                }
                let snippet = Snippet::source(lines).line_start(line).path(spot.source.name());
                title.element(snippet.annotation(mark))
            }
            None if self.hint.is_empty() => Group::with_title(title),
            None => title.element(Level::HELP.message(self.hint.as_str())),
        }
    }
}

/// Whether quoting these lines could show a password: by the name of a key, or in a URL with userinfo.
fn may_hold_secret(lines: &str) -> bool {
    lines.lines().any(|line| {
        let key = line.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let is_secret = |word: &&str| key.contains(*word);
        let mut urls = line.split("://").skip(1);
        let userinfo =
            |rest: &str| rest.split(['/', '"', '\'', ' ']).next().is_some_and(|host| host.contains('@'));
        ["password", "token", "secret", "headers"].iter().any(is_secret) || urls.any(userinfo)
    })
}

/// Prints `dragline.toml:4:1: unknown key ... (did you mean ...?)` on one line.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(Place::File { file, line, column }) => write!(f, "{file}:{line}:{column}: ")?,
            Some(place) => write!(f, "{place}: ")?,
            None => {}
        }
        f.write_str(&self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

/// Every mistake of a configuration: at least one, in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts by place; mistakes without one come last.
    pub(crate) fn new(mut errors: Vec<ConfigError>) -> Self {
        debug_assert!(!errors.is_empty(), "a failure names at least one mistake");
        errors.sort_by_key(|error| match error.spot() {
            Some(spot) => (0, spot.source.rank, spot.span.start),
            None => (1, 0, 0),
        });
        Self(errors)
    }

    /// Returns the mistakes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// Shows every mistake with the line it stands on, then their number on a line of its own.
    ///
    /// With `color` the text holds ANSI escapes; ask for them only when a terminal will show it.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for error in &self.0 {
            text.push_str(&renderer.render(&[error.group()]));
            text.push('\n');
        }
        let plural = if self.0.len() == 1 { "" } else { "s" };
        text.push_str(&format!("{} error{plural}", self.0.len()));
        text
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}
