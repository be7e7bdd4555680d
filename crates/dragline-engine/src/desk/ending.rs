//! Ends the crawl: when nothing is left to do, when it is asked to, or when it cannot go on.

use dragline_core::Time;
use dragline_core::frontier::Drain;
use dragline_core::report::Ended;

use super::{Completion, Course, Desk, End, Problem};

impl Desk {
    /// Takes the operator's wish to end: nothing more is leased, what is in flight is finished.
    pub(crate) fn drain(&mut self, now: Time, drain: Drain) {
        if matches!(self.course, Course::Running) {
            self.course = Course::Draining;
            self.sessions.stir();
            let ticket = self.frontier.drain(now, drain);
            self.submit(now, ticket, Completion::Drained);
        }
    }

    /// Ends the crawl at once: what no sink has made durable is lost to it.
    pub(crate) fn fail(&mut self, problem: Problem) {
        if !matches!(self.course, Course::Ended) {
            self.course = Course::Ended;
            self.orders.ended = Some(End::failed(problem));
        }
    }

    /// Ends the crawl because an actor cannot be kept alive: what is settled is committed, the rest stays pending.
    pub(super) fn give_up(&mut self, what: String) {
        if matches!(self.course, Course::Running | Course::Draining) {
            self.course = Course::Closing(End::failed(Problem::Internal(what)));
        }
    }

    /// Ends the crawl where it stands: what is settled is committed, what is in flight and what waits stays pending.
    pub(crate) fn stop(&mut self) {
        if matches!(self.course, Course::Running | Course::Draining) {
            self.course = Course::Closing(End::because(Ended::Stopped));
        }
    }

    /// Moves towards the end when nothing is in flight.
    pub(super) fn end(&mut self) {
        let idle = self.ledger.is_empty() && self.ready.is_empty() && !self.awaits_records();
        match &self.course {
            Course::Running | Course::Draining if !idle => {}
            Course::Running => {
                if self.nothing_pends() {
                    self.course = Course::Closing(End::because(Ended::Finished));
                } else if !self.paused
                    && !self.sessions.holds_slots()
                    && self.frontier.next_wakeup().is_none()
                {
                    let pending = self.frontier.pending();
                    let what = format!("{pending} URLs wait for nothing that can happen");
                    self.give_up(what);
                }
            }
            Course::Draining => self.course = Course::Closing(End::because(Ended::Drained)),
            Course::Closing(end) => {
                let written = self.sinks.iter().all(|sink| sink.in_use() == 0);
                if self.is_committed() && written {
                    self.orders.ended = Some(end.clone());
                    self.course = Course::Ended;
                }
            }
            Course::Ended => {}
        }
    }

    /// Whether every URL is settled, so that errands are wanted by sessions at most. Those do not keep a crawl: what is
    /// in flight ends, nothing more is leased.
    pub(super) fn nothing_pends(&self) -> bool {
        self.frontier.pending() == 0
    }

    /// Returns when something falls due that no message announces.
    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        let leasable = matches!(self.course, Course::Running) && !self.paused && !self.nothing_pends();
        // What is due and was not granted waits for a credit, which a message brings; with credits left the frontier
        // did a bounded part of its work and goes on.
        let more = self.may_lease() && self.fetchers.iter().any(super::FetcherDesk::has_lane);
        let frontier = self.frontier.next_wakeup().filter(|&at| leasable && (at > now || more));
        let frontier = frontier.map(|at| at.max(now));
        // One that is due and has not begun waits for a message.
        let commit = self.commits.wake_at().filter(|&at| at > now);
        // What was held back goes on in the next turn.
        let held = (self.holds_for_commit && !self.awaits_records()).then_some(now);
        let overdue = self.routes.iter().filter_map(|desk| desk.roster.next_deadline()).min();
        let sessions = self.next_turn_of_sessions().map(|at| at.max(now));
        [frontier, commit, held, overdue, sessions].into_iter().flatten().min()
    }
}
