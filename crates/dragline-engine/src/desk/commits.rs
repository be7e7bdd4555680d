//! Decides when an epoch is committed, and keeps how far its commit has come.
//!
//! ```text
//!   records, settles --> due --> begin: Flush to every sink --> a mark of each --> written to the log --> durable
//!                                                                                  ^        | no space
//!                                                                                  +--------+ again each second
//! ```

use std::sync::Arc;
use std::time::Duration;

use dragline_core::Time;
use dragline_core::frontier::{CommitError, Epoch, Mark};

/// How long records may wait for a commit.
const COMMIT_AFTER: Duration = Duration::from_secs(1);

/// Bytes of records that may wait for a commit before one begins.
const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;

/// How long a commit without space waits before it is tried again.
const SPACE_TICK: Duration = Duration::from_secs(1);

/// What waits for a commit, and the one under way. There is never more than one.
#[derive(Debug)]
pub(super) struct Commits {
    /// Settled pages at which nothing more is leased until some are committed.
    uncommitted_max: usize,
    /// When the first record came that waits for a commit to begin.
    since: Option<Time>,
    /// Settled pages that wait for a commit to begin.
    settled: usize,
    under_way: Option<UnderWay>,
    /// The last commit of the crawl was begun.
    closed: bool,
}

/// A commit that has begun and is not durable.
#[derive(Debug)]
struct UnderWay {
    epoch: Epoch,
    began: Time,
    /// Settled pages that it covers.
    settled: usize,
    /// The marks of the sinks, in their order, as far as they have come.
    marks: Vec<Option<Mark>>,
    /// The mark that no sink made.
    own: Mark,
    step: Step,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Marks of sinks.
    Flushing,
    /// The log.
    Writing,
    /// Space for the log; it is tried again at this time.
    OutOfSpace(Time),
}

/// What is to be written into the log.
pub(super) type Entry = (Epoch, Vec<Mark>);

/// What came of writing a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is durable.
    Durable {
        /// Settled pages that it covers.
        settled: usize,
        /// How long it took.
        took: Duration,
    },
    /// There was no space; it is tried again.
    OutOfSpace(Arc<str>),
    /// It will never be durable.
    Failed(Arc<str>),
}

impl Commits {
    /// Starts with nothing that waits.
    pub(super) fn new(uncommitted_max: usize) -> Self {
        Self {
            uncommitted_max: uncommitted_max.max(1),
            since: None,
            settled: 0,
            under_way: None,
            closed: false,
        }
    }

    /// Notes that there is a record which no commit covers.
    pub(super) fn note(&mut self, now: Time) {
        self.since.get_or_insert(now);
    }

    /// Counts a page that was settled.
    pub(super) fn settled(&mut self, now: Time) {
        self.note(now);
        self.settled += 1;
    }

    /// Returns how many settled pages are in no durable commit.
    pub(super) fn uncommitted(&self) -> usize {
        self.settled + self.under_way.as_ref().map_or(0, |commit| commit.settled)
    }

    /// Whether so many are that nothing more may be leased.
    pub(super) fn is_full(&self) -> bool {
        self.uncommitted() >= self.uncommitted_max
    }

    /// Whether a commit is under way.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether nothing may be settled any more: the last commit was begun.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the next commit is to begin; `bytes` of records wait for it.
    pub(super) fn is_due(&self, now: Time, bytes: u64) -> bool {
        let waited = self.since.is_some_and(|since| now - since >= COMMIT_AFTER);
        let many = self.settled >= self.uncommitted_max.div_ceil(2);
        self.under_way.is_none() && !self.closed && (waited || many || bytes >= UNCOMMITTED_BYTES_MAX)
    }

    /// Begins a commit of everything noted so far; `sinks` marks will come. Returns what to write when none will.
    pub(super) fn begin(&mut self, now: Time, epoch: Epoch, sinks: usize, own: Mark) -> Option<Entry> {
        debug_assert!(self.under_way.is_none(), "one commit at a time");
        self.since = None;
        let settled = std::mem::take(&mut self.settled);
        let (marks, step) = (vec![None; sinks], Step::Flushing);
        self.under_way = Some(UnderWay { epoch, began: now, settled, marks, own, step });
        self.entry_when_whole()
    }

    /// Notes that the commit which begins next is the last.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    /// Takes a sink's mark; returns what to write when it was the last one that was missing.
    pub(super) fn flushed(&mut self, sink: usize, epoch: Epoch, mark: Mark) -> Option<Entry> {
        let commit = self.under_way.as_mut().filter(|commit| commit.epoch == epoch)?;
        if commit.step != Step::Flushing {
            return None;
        }
        *commit.marks.get_mut(sink)? = Some(mark);
        self.entry_when_whole()
    }

    fn entry_when_whole(&mut self) -> Option<Entry> {
        let commit = self.under_way.as_mut()?;
        let mut marks: Vec<Mark> = commit.marks.iter().cloned().collect::<Option<_>>()?;
        marks.push(commit.own.clone());
        commit.step = Step::Writing;
        Some((commit.epoch, marks))
    }

    /// Takes what came of writing.
    pub(super) fn written(&mut self, now: Time, error: Option<CommitError>) -> Written {
        match (error, &mut self.under_way) {
            (None, commit) => {
                let commit = commit.take();
                debug_assert!(commit.is_some(), "what is durable was under way");
                let (settled, began) = commit.map_or((0, now), |commit| (commit.settled, commit.began));
                Written::Durable { settled, took: now - began }
            }
            (Some(CommitError::NoSpace(what)), Some(commit)) => {
                commit.step = Step::OutOfSpace(now + SPACE_TICK);
                Written::OutOfSpace(what)
            }
            (Some(error), _) => Written::Failed(error.to_string().into()),
        }
    }

    /// Returns what to write again, when there was no space for it and it is time.
    pub(super) fn again(&mut self, now: Time) -> Option<Entry> {
        let commit = self.under_way.as_mut()?;
        match commit.step {
            Step::OutOfSpace(at) if at <= now => self.entry_when_whole(),
            _ => None,
        }
    }

    /// Returns when something falls due that no message announces.
    pub(super) fn wake_at(&self) -> Option<Time> {
        match &self.under_way {
            None => self.since.map(|since| since + COMMIT_AFTER),
            Some(UnderWay { step: Step::OutOfSpace(at), .. }) => Some(*at),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Time = Time::from_secs(1);

    fn mark(sink: &str, position: &str) -> Mark {
        Mark { sink: sink.into(), position: position.into() }
    }

    fn own() -> Mark {
        mark("totals", "{}")
    }

    #[test]
    fn a_commit_is_due_by_time_by_pages_and_by_bytes() {
        let check = |settled: usize, now: Time, bytes: u64, expected: bool| {
            let mut commits = Commits::new(5);
            (0..settled).for_each(|_| commits.settled(Time::ZERO));
            assert_eq!(commits.is_due(now, bytes), expected, "{settled} pages, {now:?}, {bytes} bytes");
        };
        check(0, Time::MAX, UNCOMMITTED_BYTES_MAX - 1, false);
        check(0, Time::ZERO, UNCOMMITTED_BYTES_MAX, true);
        check(1, Time::from_micros(999_999), 0, false);
        check(1, SECOND, 0, true);
        check(2, Time::ZERO, 0, false);
        check(3, Time::ZERO, 0, true);
        let mut skips = Commits::new(5);
        (0..9).for_each(|_| skips.note(Time::ZERO));
        assert!(!skips.is_due(Time::ZERO, 0) && !skips.is_full(), "skips are no pages");
        assert!(skips.is_due(SECOND, 0), "but are committed");
    }

    #[test]
    fn pages_count_as_uncommitted_until_their_commit_is_durable() {
        let mut commits = Commits::new(2);
        commits.settled(Time::ZERO);
        assert_eq!(commits.begin(Time::ZERO, Epoch(4), 1, own()), None);
        assert!(!commits.is_full());
        commits.settled(Time::ZERO);
        assert!(commits.is_full() && !commits.is_due(Time::MAX, u64::MAX), "one at a time");
        assert_eq!(
            commits.flushed(0, Epoch(4), mark("a", "1")),
            Some((Epoch(4), vec![mark("a", "1"), own()]))
        );
        let durable = Written::Durable { settled: 1, took: Duration::from_secs(1) };
        assert_eq!(commits.written(SECOND, None), durable);
        assert_eq!((commits.uncommitted(), commits.is_full()), (1, false));
        assert!(commits.is_due(SECOND, 0), "half of two");
    }

    #[test]
    fn marks_stand_in_the_order_of_the_sinks_and_those_of_another_epoch_are_dropped() {
        let mut commits = Commits::new(2);
        commits.note(Time::ZERO);
        assert_eq!(commits.begin(SECOND, Epoch(1), 2, own()), None);
        assert_eq!(commits.flushed(1, Epoch(0), mark("b", "old")), None);
        assert_eq!(commits.flushed(1, Epoch(1), mark("b", "new")), None);
        assert_eq!(commits.flushed(7, Epoch(1), mark("x", "1")), None);
        let (_, marks) = commits.flushed(0, Epoch(1), mark("a", "1")).unwrap();
        assert_eq!(marks, [mark("a", "1"), mark("b", "new"), own()]);
        assert_eq!(commits.flushed(0, Epoch(1), mark("a", "2")), None, "it is being written");
    }

    #[test]
    fn without_sinks_only_the_own_mark_is_written() {
        let mut commits = Commits::new(2);
        assert_eq!(commits.begin(Time::ZERO, Epoch(0), 0, own()), Some((Epoch(0), vec![own()])));
    }

    #[test]
    fn without_space_the_same_commit_is_written_again_each_second() {
        let mut commits = Commits::new(2);
        commits.settled(Time::ZERO);
        let first = commits.begin(Time::ZERO, Epoch(3), 0, own());
        commits.note(Time::ZERO);
        for secs in 0..3 {
            let now = Time::from_secs(secs);
            let written = commits.written(now, Some(CommitError::NoSpace("log-1".into())));
            assert_eq!(written, Written::OutOfSpace("log-1".into()));
            assert_eq!(commits.wake_at(), Some(now + SPACE_TICK));
            assert_eq!(commits.again(now + Duration::from_millis(999)), None);
            assert!(!commits.is_due(Time::MAX, u64::MAX) && commits.uncommitted() == 1);
            assert_eq!(commits.again(now + SPACE_TICK), first);
            assert_eq!(commits.again(now + SPACE_TICK), None, "it is being written");
        }
        assert!(matches!(commits.written(SECOND, None), Written::Durable { settled: 1, .. }));
        assert_eq!(commits.wake_at(), Some(SECOND), "what came meanwhile");
    }

    #[test]
    fn what_failed_is_not_tried_again() {
        let mut commits = Commits::new(2);
        commits.begin(Time::ZERO, Epoch(3), 0, own());
        let written = commits.written(Time::ZERO, Some(CommitError::Failed("could not sync log-1".into())));
        assert_eq!(written, Written::Failed("could not sync log-1".into()));
        assert_eq!(commits.again(Time::MAX), None);
    }

    #[test]
    fn nothing_is_due_after_the_last_commit() {
        let mut commits = Commits::new(1);
        commits.close();
        commits.begin(Time::ZERO, Epoch(0), 0, own());
        assert!(matches!(commits.written(SECOND, None), Written::Durable { .. }));
        commits.settled(SECOND);
        assert!(commits.is_closed() && !commits.is_due(Time::MAX, u64::MAX));
    }
}
