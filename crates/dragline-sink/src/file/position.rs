//! Says what stands in a mark of files, and reads it again, strictly.

use serde::{Deserialize, Serialize};

use super::compress::Compression;

/// What a position begins with; another number is another form.
const VERSION: &str = "files/1 ";

/// How far a sink of files got. As text it is `files/1` and a JSON object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// The sink's path, as it was set up.
    pub(super) path: String,
    /// Whether there is a file for each number.
    pub(super) numbered: bool,
    /// What stands before the rows of each file.
    pub(super) header: String,
    /// The number of the next file.
    pub(super) next: u64,
    /// Rows in all files.
    pub(super) rows: u64,
    /// Records that were counted and not written.
    pub(super) dropped: u64,
    /// Files that are full and may not be published yet, oldest first.
    pub(super) sealed: Vec<SealedAt>,
    /// The file that is written to.
    pub(super) open: Option<OpenAt>,
}

/// A file that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedAt {
    pub(super) number: u64,
    /// How it is compressed when it is published.
    pub(super) compress: Option<Compression>,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

/// A file that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenAt {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// When the first of its rows was taken, in microseconds since the Unix epoch; none for a file of fixed name, and for a
    /// sink that is told no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since_micros: Option<i64>,
}

impl OpenAt {
    /// Names a file in which nothing was written.
    pub(super) const fn empty(number: u64) -> Self {
        Self { number, bytes: 0, rows: 0, since_micros: None }
    }
}

impl Position {
    /// Writes the position as it stands in a mark.
    pub(super) fn text(&self) -> String {
        // Texts and numbers can be written as JSON; an empty position would be refused, not misread.
        let json = serde_json::to_string(self);
        debug_assert!(json.is_ok(), "a position is JSON: {json:?}");
        format!("{VERSION}{}", json.unwrap_or_default())
    }

    /// Reads a position; `None` when it is none of this form.
    pub(super) fn read(text: &str) -> Option<Self> {
        let position: Self = serde_json::from_str(text.strip_prefix(VERSION)?).ok()?;
        position.is_sound().then_some(position)
    }

    /// Whether numbers rise, and lie where a sink would have put them.
    fn is_sound(&self) -> bool {
        let sealed = self.sealed.iter().map(|file| file.number);
        let numbers: Vec<u64> = sealed.chain(self.open.map(|file| file.number)).collect();
        let rise = numbers.is_sorted_by(|one, next| one < next);
        match (self.numbered, self.open) {
            (true, _) => rise && numbers.iter().all(|number| *number < self.next),
            (false, Some(open)) => self.sealed.is_empty() && (open.number, self.next) == (0, 0),
            (false, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        let sealed = |number, compress| SealedAt { number, compress, bytes: 70, rows: 5 };
        Position {
            path: "out/a \"b\"\n.csv".into(),
            numbered: true,
            header: "url,item".into(),
            next: 4,
            rows: 12,
            dropped: 3,
            sealed: vec![sealed(1, None), sealed(2, Some(Compression::Gzip))],
            open: Some(OpenAt { bytes: 30, rows: 2, ..OpenAt::empty(3) }),
        }
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let text = position().text();
        assert_eq!(
            text,
            r#"files/1 {"path":"out/a \"b\"\n.csv","numbered":true,"header":"url,item","next":4,"rows":12,"dropped":3,"sealed":[{"number":1,"compress":null,"bytes":70,"rows":5},{"number":2,"compress":"gzip","bytes":70,"rows":5}],"open":{"number":3,"bytes":30,"rows":2}}"#
        );
        assert_eq!(Position::read(&text), Some(position()));
        let since = OpenAt { bytes: 30, rows: 2, since_micros: Some(-7), ..OpenAt::empty(3) };
        let aged = Position { open: Some(since), ..position() };
        assert_eq!(aged.text(), text.replace("\"rows\":2", "\"rows\":2,\"since_micros\":-7"));
        assert_eq!(Position::read(&aged.text()), Some(aged));
    }

    #[test]
    fn what_a_sink_would_not_have_written_is_refused() {
        let text = position().text();
        for bad in [
            String::new(),
            "0 0 0 out/items.jsonl".into(),
            text.replace("files/1", "files/2"),
            text.replace("\"dropped\":3", "\"dropped\":-3"),
            text.replace("\"dropped\":3,", ""),
            text.replace("\"dropped\":3", "\"dropped\":3,\"more\":1"),
            text.replace("\"rows\":2", "\"rows\":2,\"since_micros\":1.5"),
            text.replace("gzip", "brotli"),
            text.replace("\"next\":4", "\"next\":3"),
            text.replace("\"number\":2", "\"number\":1"),
            text.replace("\"numbered\":true", "\"numbered\":false"),
            format!("{text} "),
            format!("{text}x"),
        ] {
            let expected = bad == format!("{text} ");
            assert_eq!(Position::read(&bad).is_some(), expected, "{bad}");
        }
    }
}
