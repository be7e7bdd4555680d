//! Decides which Commit is the last good one, and whether what stands behind it is torn or damaged.

use std::borrow::Cow;

use super::commit::{Chain, Commit, CommitAt};
use super::place::last_of;

/// Judges a log by what a scan of it finds, in order.
///
/// A Commit is **good** when every record above the lowest number of its snapshot, up to its own number, stands before
/// it, whole, nothing between them is broken, and the blocks of its epoch are those that it was made of. Because the
/// Commit of an epoch is written only when that of the epoch before is durable, a crash can spoil no more than one epoch
/// behind the last good Commit. Whatever shows that there was a second one was spoilt by something else.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The segment that was begun last.
    segment: u32,
    /// What must come next; `None` before the first segment and right behind what cannot be read.
    next: Option<Next>,
    /// Records above this number stand whole up to here, and nothing between them is broken. It only grows.
    below: u64,
    /// What the blocks since the last Commit come to; `None` when some of them could not be read.
    chain: Option<Chain>,
    good: Option<Good>,
    /// The highest epoch of a Commit behind the last good one.
    behind: Option<u64>,
    /// The first thing behind the last good Commit that is not as it was written.
    fault: Option<Fault>,
}

/// The last good Commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Good {
    pub(super) commit: Commit,
    /// Its segment.
    pub(super) segment: u32,
    /// The first byte behind it.
    pub(super) end: u64,
}

/// What became of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is good up to here; what stands behind was never acknowledged.
    Good(Good),
    /// Nothing in it was ever acknowledged.
    Nothing,
    /// Something that was acknowledged cannot be read any more.
    Damaged(Fault),
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) what: Cow<'static, str>,
}

/// What comes next where nothing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    record: u64,
    epoch: u64,
}

impl Judge {
    /// A segment begins, with this number for its first record, and this epoch.
    pub(super) fn segment(&mut self, segment: u32, first: u64, epoch: u64) {
        let begins = Next { record: first, epoch };
        let adjoins = segment == self.segment.saturating_add(1);
        self.segment = segment;
        match self.next {
            Some(next) if adjoins && next.record == first && next.epoch != epoch => {
                self.broken(0, format!("epoch {epoch} stands where {} is expected", next.epoch).into());
            }
            Some(next) if adjoins && next.record != first => self.broken(0, missing(next.record, first)),
            // Segments between may have been retired, and then nobody needs what comes before them.
            Some(next) if next.record != first => self.note(0, missing(next.record, first)),
            _ => {}
        }
        if self.next != Some(begins) {
            self.below = self.below.max(first.saturating_sub(1));
        }
        self.next = Some(begins);
        self.chain = Some(Chain::default());
    }

    /// A whole block.
    pub(super) fn block(&mut self, offset: u64, first: u64, count: u32, crc: u32) {
        if let Some(next) = self.next
            && next.record != first
        {
            self.broken(offset, missing(next.record, first));
            self.below = self.below.max(first.saturating_sub(1));
        }
        if let Some(next) = &mut self.next {
            next.record = last_of(first, count).saturating_add(1);
        }
        if let Some(chain) = &mut self.chain {
            chain.add(crc);
        }
    }

    /// Something that is neither a block nor a Commit.
    pub(super) fn bad(&mut self, offset: u64, what: &'static str) {
        self.broken(offset, what.into());
        self.next = None;
        self.chain = None;
    }

    /// A segment begins whose header cannot be read.
    pub(super) fn bad_segment(&mut self, segment: u32, what: &'static str) {
        self.segment = segment;
        self.bad(0, what);
    }

    /// A whole Commit.
    pub(super) fn commit(&mut self, found: CommitAt) {
        let CommitAt { commit, chain, end } = found;
        let behind = Next { record: commit.last.saturating_add(1), epoch: commit.epoch.0.saturating_add(1) };
        let whole = self.next == Some(Next { epoch: commit.epoch.0, ..behind }) && self.chain == Some(chain);
        if !whole {
            let what = format!("not all records of epoch {} stand before its commit", commit.epoch.0);
            self.broken(end.saturating_sub(commit.encoded_bytes()), what.into());
            // What follows has these numbers, whatever was lost before.
            self.below = self.below.max(commit.last);
        }
        let newer = self.good.as_ref().is_none_or(|good| good.commit.epoch < commit.epoch);
        if whole && newer && self.below <= commit.lowest() {
            self.good = Some(Good { commit, segment: self.segment, end });
            self.behind = None;
            self.fault = None;
        } else {
            self.note(end, "records before it that are needed are missing".into());
            self.behind = self.behind.max(Some(commit.epoch.0));
        }
        self.next = Some(behind);
        self.chain = Some(Chain::default());
    }

    /// Returns the verdict, when everything was seen.
    pub(super) fn verdict(self) -> Verdict {
        // No Commit at all comes before that of epoch 0, so that only a Commit above it proves that there was one.
        let next = self.good.as_ref().map_or(0, |good| good.commit.epoch.0.saturating_add(1));
        match (self.fault, self.good) {
            (Some(fault), _) if self.behind > Some(next) => Verdict::Damaged(fault),
            (_, Some(good)) => Verdict::Good(good),
            (_, None) => Verdict::Nothing,
        }
    }

    /// Behind the records seen so far something is broken.
    fn broken(&mut self, offset: u64, what: Cow<'static, str>) {
        self.note(offset, what);
        if let Some(next) = self.next {
            self.below = self.below.max(next.record);
        }
    }

    fn note(&mut self, offset: u64, what: Cow<'static, str>) {
        self.fault.get_or_insert(Fault { segment: self.segment, offset, what });
    }
}

fn missing(expected: u64, found: u64) -> Cow<'static, str> {
    format!("record {found} stands where {expected} is expected").into()
}

#[cfg(test)]
mod tests {
    use dragline_core::frontier::Epoch;

    use super::super::commit::SnapshotRef;
    use super::*;

    /// What a scan finds: everything stands in the segment that was begun last.
    #[derive(Clone, Copy)]
    enum Seen {
        /// Number, first record, epoch.
        Segment(u32, u64, u64),
        Block(u64, u32),
        Bad,
        /// Epoch, last number, lowest number, made of how many blocks.
        Commit(u64, u64, u64, u32),
    }
    use Seen::{Bad, Block, Segment};

    const fn commit(epoch: u64, last: u64) -> Seen {
        Seen::Commit(epoch, last, 0, 1)
    }

    /// Checks which epoch is the last good one: `Ok(None)` for none, an error for damage.
    fn check(seen: &[Seen], expected: Result<Option<u64>, &str>) {
        let mut judge = Judge::default();
        for seen in seen {
            match *seen {
                Segment(number, first, epoch) => judge.segment(number, first, epoch),
                Block(first, count) => judge.block(0, first, count, 5),
                Bad => judge.bad(0, "bad"),
                Seen::Commit(epoch, last, lowest, blocks) => {
                    let mut chain = Chain::default();
                    (0..blocks).for_each(|_| chain.add(5));
                    let snapshot = (lowest > 0).then_some(SnapshotRef { id: 1, lowest });
                    let commit = Commit { epoch: Epoch(epoch), last, snapshot, body: Vec::new() };
                    judge.commit(CommitAt { commit, chain, end: 0 });
                }
            }
        }
        let found = match judge.verdict() {
            Verdict::Good(good) => Ok(Some(good.commit.epoch.0)),
            Verdict::Nothing => Ok(None),
            Verdict::Damaged(fault) => Err(fault.what.into_owned()),
        };
        assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|what| *what));
    }

    const FIRST: [Seen; 3] = [Segment(1, 1, 0), Block(1, 3), commit(0, 3)];

    /// As [`check`], behind a first epoch of three records.
    fn check_behind(behind: &[Seen], expected: Result<Option<u64>, &str>) {
        check(&[FIRST.as_slice(), behind].concat(), expected);
    }

    #[test]
    fn the_last_commit_with_all_its_records_is_good() {
        check(&[], Ok(None));
        check(&[Segment(1, 1, 0), Seen::Commit(0, 0, 0, 0)], Ok(Some(0)));
        check_behind(&[Block(4, 1), Block(5, 2)], Ok(Some(0)));
        check_behind(&[Block(4, 1), Block(5, 2), Seen::Commit(1, 6, 0, 2)], Ok(Some(1)));
        check_behind(&[Segment(2, 4, 1), Block(4, 1), commit(1, 4)], Ok(Some(1)));
        check_behind(&[Seen::Commit(1, 3, 0, 0)], Ok(Some(1)));
    }

    #[test]
    fn only_the_next_epoch_can_be_torn() {
        check_behind(&[Bad], Ok(Some(0)));
        check_behind(&[Bad, commit(1, 9)], Ok(Some(0)));
        check_behind(&[Bad, commit(2, 9)], Err("bad"));
        check_behind(&[Bad, commit(1, 9), Bad, commit(2, 12)], Err("bad"));
        check_behind(&[Bad, commit(1, 9), Block(10, 1), commit(2, 10)], Err("bad"));
    }

    #[test]
    fn a_missing_record_is_like_a_bad_one() {
        let missing = Err("record 5 stands where 4 is expected");
        check_behind(&[Block(5, 1), commit(1, 5)], Ok(Some(0)));
        check_behind(&[Block(5, 1), commit(1, 5), Block(6, 1), commit(2, 6)], missing);
        // The end of a segment was lost.
        let missing = Err("record 6 stands where 4 is expected");
        check_behind(&[Segment(2, 6, 1), Block(6, 1), commit(1, 6)], Ok(Some(0)));
        check_behind(&[Segment(2, 6, 2), Block(6, 1), commit(2, 6)], missing);
        // All of one was.
        check_behind(&[Segment(3, 6, 2), Block(6, 1), commit(2, 6)], missing);
        // All of one, whose epochs had no records: it was not retired, for no snapshot holds what comes before it.
        let missing = Err("records before it that are needed are missing");
        check_behind(&[Segment(3, 4, 2), Block(4, 1), commit(2, 4)], missing);
        // The end of one whose last epoch had no records.
        let missing = Err("epoch 2 stands where 1 is expected");
        check_behind(&[Segment(2, 4, 2), Block(4, 1), commit(2, 4)], missing);
        // A Commit has fewer records than it says.
        let missing = Err("not all records of epoch 1 stand before its commit");
        check_behind(&[Block(4, 1), commit(1, 5)], Ok(Some(0)));
        check_behind(&[Block(4, 1), commit(1, 5), Block(6, 1), commit(2, 6)], missing);
    }

    #[test]
    fn the_first_epoch_can_be_torn_and_no_other() {
        check(&[Bad], Ok(None));
        check(&[Segment(1, 1, 0), Bad], Ok(None));
        check(&[Segment(1, 1, 0), Bad, commit(0, 3)], Ok(None));
        check(&[Segment(1, 1, 0), Bad, commit(1, 3)], Err("bad"));
        // Not even when all of it that was broken is its Commit, and it had no records.
        check(&[Segment(1, 1, 0), Bad, Segment(2, 1, 1), Block(1, 1), commit(1, 1)], Err("bad"));
        let missing = Err("records before it that are needed are missing");
        check(&[Segment(9, 9, 7), Block(9, 1), commit(7, 9)], missing);
    }

    #[test]
    fn records_that_a_snapshot_holds_may_be_gone() {
        let from = |lowest| [Block(11, 2), Seen::Commit(8, 12, lowest, 1)];
        let begins = [Segment(9, 9, 7), Block(9, 2), commit(7, 10)];
        check(&[begins.as_slice(), &from(8)].concat(), Ok(Some(8)));
        let missing = Err("records before it that are needed are missing");
        check(&[begins.as_slice(), &from(7)].concat(), missing);
        // Segments between were retired: with records, or with none.
        check_behind(&[[Segment(3, 11, 8)].as_slice(), &from(10)].concat(), Ok(Some(8)));
        check_behind(&[Segment(3, 4, 8), Block(4, 2), Seen::Commit(8, 5, 3, 1)], Ok(Some(8)));
        // What is broken is not needed any more.
        check_behind(&[[Bad, commit(7, 10)].as_slice(), &from(10)].concat(), Ok(Some(8)));
        check_behind(&[[Bad, commit(7, 10)].as_slice(), &from(9)].concat(), Err("bad"));
        check_behind(&[Bad, Seen::Commit(7, 3, 3, 0), Seen::Commit(8, 3, 3, 0)], Err("bad"));
    }

    #[test]
    fn a_block_of_an_earlier_attempt_does_not_stand_in_for_another() {
        // The Commit was made of two blocks; one with the numbers of both was there before.
        let other = [Block(4, 2), Seen::Commit(1, 5, 0, 2)];
        check_behind(&other, Ok(Some(0)));
        let damaged = Err("not all records of epoch 1 stand before its commit");
        check_behind(&[other.as_slice(), &[Block(6, 1), commit(2, 6)]].concat(), damaged);
    }

    #[test]
    fn epochs_that_do_not_follow_one_another_are_not_believed() {
        check_behind(&[Block(4, 1), commit(0, 4)], Ok(Some(0)));
        let older = [Seen::Commit(1, 3, 0, 0), Segment(5, 4, 0), Block(4, 1), Seen::Commit(0, 4, 3, 1)];
        check_behind(&older, Ok(Some(1)));
        let damaged = Err("not all records of epoch 2 stand before its commit");
        check_behind(&[Block(4, 1), commit(2, 4)], damaged);
    }
}
