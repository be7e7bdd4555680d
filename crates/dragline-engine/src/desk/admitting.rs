//! Takes what sessions ask for and give back, and answers them as the crawl's course allows.

use dragline_core::Time;
use dragline_core::frontier::{Fetched, RobotsTally, RobotsView};
use dragline_core::url::HostKey;
use dragline_telemetry::events::RobotsDecided;

use super::sessions::{Ask, AskId};
use super::{Course, Desk};

impl Desk {
    /// Takes a session's ask; the orders bring the answer.
    pub(crate) fn session_asks(&mut self, id: AskId, ask: Ask) {
        self.sessions.ask(id, ask);
    }

    /// Takes back an ask: who asked is gone. A slot that it was given is free again.
    pub(crate) fn session_withdraws(&mut self, now: Time, id: AskId) {
        if let Some(host) = self.sessions.withdraw(id) {
            self.session_slot_freed(now, &host, &Fetched::cancelled());
        }
    }

    /// Takes back a session's slot; its host learns how the fetch ended.
    pub(crate) fn session_releases(&mut self, now: Time, id: AskId, fetched: &Fetched) {
        if let Some(host) = self.sessions.release(id) {
            self.session_slot_freed(now, &host, fetched);
        }
    }

    fn session_slot_freed(&mut self, now: Time, host: &HostKey, fetched: &Fetched) {
        let report = self.frontier.release(now, host, fetched);
        self.fetched_applied(&report);
        self.sessions.freed(now, host);
    }

    /// Answers the sessions whose turn it is. What is in flight may need what a session fetches, so that a crawl that
    /// drains admits sessions to the last; one that is paused lets them wait.
    pub(super) fn admit_sessions(&mut self, now: Time) {
        match self.course {
            Course::Running if self.paused => {}
            Course::Running => {
                let errands = !self.nothing_pends();
                self.sessions.turn(now, &mut *self.frontier, errands);
            }
            Course::Draining => self.sessions.turn(now, &mut *self.frontier, false),
            Course::Closing(_) | Course::Ended => {}
        }
        self.tell_sessions();
    }

    /// Sends sessions away once the crawl comes to its end.
    pub(super) fn dismiss_sessions(&mut self) {
        if matches!(self.course, Course::Closing(_) | Course::Ended) {
            self.sessions.dismiss();
            self.tell_sessions();
        }
    }

    fn tell_sessions(&mut self) {
        let replies = self.sessions.take_replies();
        for (_, reply) in &replies {
            RobotsDecided { tally: tally(&reply.robots) }.record(&self.telemetry);
        }
        self.orders.admit.extend(replies);
    }

    /// Returns when a session's turn may come that no message announces.
    pub(super) fn next_turn_of_sessions(&self) -> Option<Time> {
        match self.course {
            Course::Running if self.paused => None,
            Course::Running | Course::Draining => self.sessions.next_turn(),
            Course::Closing(_) | Course::Ended => None,
        }
    }
}

/// Counts one decision of robots.txt.
const fn tally(robots: &RobotsView) -> RobotsTally {
    let mut tally = RobotsTally { allowed: 0, disallowed: 0, assumed_allowed: 0, assumed_disallowed: 0 };
    match robots {
        RobotsView::Allowed { .. } => tally.allowed = 1,
        RobotsView::Disallowed { .. } => tally.disallowed = 1,
        RobotsView::AssumedAllowed => tally.assumed_allowed = 1,
        RobotsView::Unreachable { .. } => tally.assumed_disallowed = 1,
        RobotsView::NotObeyed | RobotsView::Parked(_) | RobotsView::Unknown => {}
    }
    tally
}
