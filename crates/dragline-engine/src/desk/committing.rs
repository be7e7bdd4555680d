//! Commits what is settled: asks the sinks for their marks, has them written, and tells the sinks when they are durable.

use std::sync::Arc;

use dragline_core::Time;
use dragline_core::frontier::{CommitError, CommitId, Epoch, Mark};
use dragline_core::report::Ended;
use dragline_telemetry::events::EpochCommitted;
use dragline_telemetry::labels::RunState;

use super::commits::{Entry, Written};
use super::space::Lacking;
use super::{Completion, Course, Desk, Problem};
use crate::room::Free;

impl Desk {
    /// Begins a commit when one is due, or tries one again that had no space.
    ///
    /// The frontier closes the epoch in the same turn in which the order to flush is given, behind every record that was
    /// told so far, so that a sink writes exactly the epoch's records before it answers.
    pub(super) fn commit(&mut self, now: Time) {
        if self.is_over() {
            return;
        }
        if let Some(entry) = self.commits.again(now) {
            self.write_commit(now, entry);
        }
        let bytes = self.frontier.uncommitted_bytes();
        if bytes > 0 && !self.commits.is_under_way() {
            // Of some records only the frontier knows, such as those of hosts.
            self.commits.note(now);
        }
        if !self.is_commit_due(now) || self.awaits_records() {
            return;
        }
        if self.is_closing() {
            // The last flush of a crawl is ordered here and nowhere else.
            self.commits.close();
            self.orders.seal = true;
        }
        let epoch = self.frontier.begin_commit();
        let own = self.tally.mark(now);
        match self.commits.begin(now, epoch, self.sinks.len(), own) {
            Some(entry) => self.write_commit(now, entry),
            None => self.orders.flush = Some(epoch),
        }
    }

    /// Finds out whether nothing may be settled or leased in this turn, so that a commit which is due can begin: answers
    /// are awaited that bring records, whose URLs are in this epoch already. Once it is so, it is so until it has begun;
    /// else there might always be another answer to wait for.
    pub(super) fn hold_for_commit(&mut self, now: Time) {
        self.holds_for_commit = self.is_commit_due(now) && (self.holds_for_commit || self.awaits_records());
    }

    fn is_commit_due(&self, now: Time) -> bool {
        let last = self.is_closing() && !self.commits.is_under_way() && !self.commits.is_closed();
        last || self.commits.is_due(now, self.frontier.uncommitted_bytes())
    }

    const fn is_closing(&self) -> bool {
        matches!(self.course, Course::Closing(_))
    }

    /// Whether the end was reported, so that nothing may be written any more.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.course, Course::Ended)
    }

    /// Whether answers are awaited that bring records.
    pub(super) const fn awaits_records(&self) -> bool {
        self.later > self.later_without_records
    }

    /// Takes a sink's mark; the epoch is committed when every sink has answered.
    pub(crate) fn flushed(&mut self, now: Time, sink: usize, epoch: Epoch, mark: Mark) {
        let entry = self.commits.flushed(sink, epoch, mark);
        if let Some(entry) = entry.filter(|_| !self.is_over()) {
            self.write_commit(now, entry);
        }
    }

    fn write_commit(&mut self, now: Time, (epoch, marks): Entry) {
        let ticket = self.frontier.commit(epoch, marks);
        self.submit_without_records(now, ticket, Completion::Committed);
    }

    pub(super) fn committed(&mut self, now: Time, result: Result<CommitId, CommitError>) {
        let epoch = result.as_ref().ok().map(|id| id.0);
        match self.commits.written(now, result.err()) {
            Written::Durable { settled, took } => {
                self.space.returned(Lacking::Log);
                let number = epoch.map_or(0, |epoch| epoch.0);
                let urls = u64::try_from(settled).unwrap_or(u64::MAX);
                EpochCommitted { epoch: number, urls, took }.record(&self.telemetry);
                self.unpublished += self.sinks.len();
                self.orders.publish = epoch.filter(|_| !self.sinks.is_empty());
            }
            Written::OutOfSpace(what) => self.space.ran_out(Lacking::Log, what),
            Written::Failed(what) => self.fail(Problem::Storage(what.as_ref().into())),
        }
    }

    /// Notes that a sink has published what its last commit allows.
    pub(crate) fn published(&mut self) {
        self.unpublished = self.unpublished.saturating_sub(1);
    }

    /// Whether nothing is left to commit and to publish, the last commit included.
    pub(super) fn is_committed(&self) -> bool {
        self.commits.is_closed() && !self.commits.is_under_way() && self.unpublished == 0
    }

    /// Notes that a sink has no space; it tries again by itself.
    pub(crate) fn sink_ran_out(&mut self, sink: usize, what: Arc<str>) {
        self.space.ran_out(Lacking::Sink(sink), what);
    }

    /// Notes that a sink has space again.
    pub(crate) fn sink_has_space(&mut self, sink: usize) {
        self.space.returned(Lacking::Sink(sink));
    }

    /// Takes how much is free where the crawl writes.
    pub(crate) fn measured(&mut self, found: &[Free]) {
        self.space.measured(found);
    }

    /// Tells what the crawl is doing when that has changed.
    pub(super) fn tell_state(&mut self) {
        let finished = |ended| matches!(ended, Ended::Finished);
        let state = match &self.course {
            Course::Ended => return,
            _ if self.space.lacks().is_some() => RunState::WaitingForSpace,
            Course::Draining => RunState::Draining,
            Course::Closing(end) if !finished(end.ended) => RunState::Draining,
            Course::Running if self.paused => RunState::Paused,
            Course::Running | Course::Closing(_) => RunState::Running,
        };
        if state != self.state {
            self.state = state;
            self.orders.state = Some(state);
        }
    }
}
