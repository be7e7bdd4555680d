//! Numbers what changes in a frontier and keeps it until a commit takes it.

use super::wire::Pen;

/// Bytes at which a block is closed; texts are spelt by what they share within a block.
const BLOCK_BYTES: usize = 32 << 10;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Records, one behind the other.
    Records,
    /// One record: URLs that were put on the shelf.
    Chunk,
}

impl BlockKind {
    /// Returns the byte that stands for it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Chunk => 2,
        }
    }

    /// Returns the kind that a byte stands for.
    pub const fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Records),
            2 => Some(Self::Chunk),
            _ => None,
        }
    }
}

/// Records that follow each other, numbered from `first` on without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalBlock {
    /// What it holds.
    pub kind: BlockKind,
    /// The number of its first record, from 1.
    pub first: u64,
    /// How many records there are.
    pub count: u32,
    /// Their bytes.
    pub payload: Vec<u8>,
}

/// How one URL ended, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The fingerprint of the URL.
    pub fingerprint: u64,
    /// The bytes that [`Past::read`](super::Past::read) takes.
    pub bytes: Vec<u8>,
}

/// Everything that one commit makes durable.
#[derive(Debug, Default)]
pub struct JournalCut {
    /// The records of the epoch, in order.
    pub blocks: Vec<JournalBlock>,
    /// The number of the last record that was made, in this epoch or before.
    pub last: u64,
    /// URLs that ended in the epoch.
    pub history: Vec<HistoryEntry>,
    /// The counts of the frontier at this moment, which [`Restorer`](super::Restorer) takes.
    pub counts: Vec<u8>,
}

/// The records that no commit has taken.
#[derive(Debug, Default)]
pub(in crate::frontier) struct Journal {
    /// Whether changes are noted at all.
    is_kept: bool,
    pen: Pen,
    /// Records in the pen.
    open: u32,
    /// The number of the last record.
    last: u64,
    blocks: Vec<JournalBlock>,
    history: Vec<HistoryEntry>,
    /// Bytes in closed blocks and in the history.
    bytes: usize,
}

impl Journal {
    /// Makes a journal that goes on after a record's number.
    pub(super) fn after(last: u64) -> Self {
        Self { is_kept: true, last, ..Self::default() }
    }

    /// Whether changes are noted.
    pub(in crate::frontier) const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns the number of the last record.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Returns the bytes that wait for a commit.
    pub(in crate::frontier) const fn bytes(&self) -> usize {
        self.bytes + self.pen.bytes.len()
    }

    /// Adds a record, unless nothing is noted.
    pub(super) fn note(&mut self, write: impl FnOnce(&mut Pen)) {
        if !self.is_kept {
            return;
        }
        write(&mut self.pen);
        self.open += 1;
        self.last += 1;
        if self.pen.bytes.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    /// Adds a chunk as a block of its own and returns its number.
    pub(super) fn note_chunk(&mut self, payload: Vec<u8>) -> u64 {
        self.close();
        self.last += 1;
        self.bytes += payload.len();
        self.blocks.push(JournalBlock { kind: BlockKind::Chunk, first: self.last, count: 1, payload });
        self.last
    }

    /// Returns the payload of a chunk that no commit has taken.
    pub(super) fn chunk(&self, number: u64) -> Option<&[u8]> {
        let at = self.blocks.binary_search_by_key(&number, |block| block.first).ok()?;
        self.blocks.get(at).filter(|block| block.kind == BlockKind::Chunk).map(|block| &*block.payload)
    }

    /// Adds to the history.
    pub(super) fn remember(&mut self, entry: HistoryEntry) {
        self.bytes += entry.bytes.len();
        self.history.push(entry);
    }

    /// Takes what there is: the next record belongs to the next epoch.
    pub(super) fn cut(&mut self) -> JournalCut {
        self.close();
        self.bytes = 0;
        JournalCut {
            blocks: std::mem::take(&mut self.blocks),
            last: self.last,
            history: std::mem::take(&mut self.history),
            counts: Vec::new(),
        }
    }

    fn close(&mut self) {
        let count = std::mem::take(&mut self.open);
        if count > 0 {
            let payload = self.pen.take();
            self.bytes += payload.len();
            let first = self.last + 1 - u64::from(count);
            self.blocks.push(JournalBlock { kind: BlockKind::Records, first, count, payload });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_numbered_without_a_gap_over_blocks_and_cuts() {
        let mut journal = Journal::after(7);
        journal.note(|pen| pen.byte(1));
        journal.note(|pen| pen.raw(&[0; BLOCK_BYTES]));
        journal.note(|pen| pen.byte(3));
        let chunk = journal.note_chunk(vec![9]);
        assert_eq!((chunk, journal.chunk(chunk), journal.chunk(9)), (11, Some(&[9][..]), None));
        journal.note(|pen| pen.byte(4));
        assert!(journal.bytes() > BLOCK_BYTES);
        let cut = journal.cut();
        let shape: Vec<_> = cut.blocks.iter().map(|block| (block.kind, block.first, block.count)).collect();
        let records = BlockKind::Records;
        assert_eq!(shape, [(records, 8, 2), (records, 10, 1), (BlockKind::Chunk, 11, 1), (records, 12, 1)]);
        assert_eq!((cut.last, journal.bytes(), journal.chunk(chunk)), (12, 0, None));
        assert_eq!(journal.cut().last, 12);
    }

    #[test]
    fn a_journal_that_is_not_kept_costs_nothing() {
        let mut journal = Journal::default();
        journal.note(|_| panic!("nobody reads this"));
        assert_eq!((journal.bytes(), journal.last()), (0, 0));
    }
}
