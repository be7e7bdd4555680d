//! Says how far a history is durable.

use std::fmt;
use std::str::FromStr;

/// How far a history is durable. As text `<segment> <bytes> <next>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryMark {
    /// The number of the last segment; 0 when there is none.
    pub segment: u32,
    /// Its length.
    pub bytes: u64,
    /// The number of the entry that comes next: one more than there are.
    pub next: u64,
}

/// A text that is no mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadMark(
    /// The text.
    pub String,
);

impl Default for HistoryMark {
    /// Returns the mark of a history without entries.
    fn default() -> Self {
        Self { segment: 0, bytes: 0, next: 1 }
    }
}

impl fmt::Display for HistoryMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.segment, self.bytes, self.next)
    }
}

impl FromStr for HistoryMark {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, BadMark> {
        let parse = || {
            let mut numbers = text.split(' ');
            let segment = numbers.next()?.parse().ok()?;
            let mark =
                Self { segment, bytes: numbers.next()?.parse().ok()?, next: numbers.next()?.parse().ok()? };
            (numbers.next().is_none() && mark.next > 0).then_some(mark)
        };
        parse().ok_or_else(|| BadMark(text.to_owned()))
    }
}

impl fmt::Display for BadMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no mark of a history", self.0)
    }
}

impl std::error::Error for BadMark {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_nothing_else_is() {
        let mark = HistoryMark { segment: 3, bytes: 4096, next: 78 };
        assert_eq!(mark.to_string(), "3 4096 78");
        let check = |text: &str, expected: Option<HistoryMark>| {
            assert_eq!(text.parse().ok(), expected, "{text}");
        };
        check("3 4096 78", Some(mark));
        check(&HistoryMark::default().to_string(), Some(HistoryMark::default()));
        for text in
            ["", "3", "3 4096", "3 4096 78 1", "3 4096 0", "3  4096 78", "3 4096 -1", "4294967296 1 1"]
        {
            check(text, None);
        }
    }
}
