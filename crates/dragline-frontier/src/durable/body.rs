//! Spells what a Commit carries beside its numbers: the marks of all sinks, the history's, and counts.

use std::sync::Arc;

use dragline_core::Wall;
use dragline_core::frontier::Mark;

use crate::file::Fields;
use crate::history::HistoryMark;

/// What stands in a Commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBody {
    /// When it was made.
    pub at: Wall,
    /// How far each sink is durable.
    pub marks: Vec<Mark>,
    /// How far the history is.
    pub history: HistoryMark,
    /// The counts of the frontier.
    pub counts: Vec<u8>,
}

impl CommitBody {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.at.as_micros().to_le_bytes());
        bytes.extend_from_slice(&self.history.segment.to_le_bytes());
        bytes.extend_from_slice(&self.history.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.history.next.to_le_bytes());
        put(&mut bytes, &self.counts);
        for mark in &self.marks {
            put(&mut bytes, mark.sink.as_bytes());
            put(&mut bytes, mark.position.as_bytes());
        }
        bytes
    }

    /// Reads what stands in a Commit; `None` when it is not what this version writes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let at = Wall::from_micros(i64::from_le_bytes(fields.array()?));
        let history = HistoryMark { segment: fields.u32()?, bytes: fields.u64()?, next: fields.u64()? };
        let counts = take(&mut fields)?.to_vec();
        let mut marks = Vec::new();
        while !fields.0.is_empty() {
            let mut text = || std::str::from_utf8(take(&mut fields)?).ok().map(Arc::from);
            marks.push(Mark { sink: text()?, position: text()? });
        }
        Some(Self { at, marks, history, counts })
    }
}

/// Writes bytes behind their number.
fn put(bytes: &mut Vec<u8>, value: &[u8]) {
    let len = u32::try_from(value.len()).expect("marks and counts are short");
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(value);
}

fn take<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(fields.u32()?).ok()?;
    let (taken, rest) = fields.0.split_at_checked(len)?;
    fields.0 = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_commit_carries_is_read_as_it_was_written_and_nothing_else_is() {
        let mark = |sink: &str, position: &str| Mark { sink: sink.into(), position: position.into() };
        let body = CommitBody {
            at: Wall::from_secs(7),
            marks: vec![mark("pages.jsonl", "open 12 3 0 out/pages.jsonl"), mark("totals", "{}")],
            history: HistoryMark::default(),
            counts: vec![1, 2, 3],
        };
        let bytes = body.encode();
        assert_eq!(CommitBody::decode(&bytes), Some(body));
        assert!((1..bytes.len()).filter(|len| CommitBody::decode(&bytes[..*len]).is_some()).count() <= 2);
        assert_eq!(CommitBody::decode(&[]), None);
    }
}
