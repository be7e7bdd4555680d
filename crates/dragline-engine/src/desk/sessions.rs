//! Keeps what sessions ask for, and finds whose turn it is: robots.txt first, then the host, in the order of asking.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dragline_core::frontier::{Admission, Frontier, RobotsView};
use dragline_core::url::{HostKey, Origin};
use dragline_core::{CanonicalUrl, SkipReason, Time};

/// Hosts asked in one turn; what is left is due at once, in the next.
const TRIES_MAX: usize = 64;

/// Names one ask of a session; never used again within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AskId(pub(crate) u64);

/// What a session wants.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// What it is to fetch.
    pub(crate) url: CanonicalUrl,
    /// Whether robots.txt is asked.
    pub(crate) ask_robots: bool,
    /// How long it waits. Who is still waiting then withdraws.
    pub(crate) deadline: Time,
}

/// What a session is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What robots.txt says; [`RobotsView::Unknown`] when it was not found out, [`RobotsView::NotObeyed`] when it was
    /// not asked.
    pub(crate) robots: RobotsView,
    /// A slot of the host is the session's until it gives it back; or why not.
    pub(crate) slot: Result<(), Hindrance>,
}

/// Why a session is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// robots.txt disallows the URL, or could not be had.
    Robots,
    /// The host was given up.
    Parked(SkipReason),
    /// The host asks to be left alone until this time, which is beyond the deadline.
    BackingOff(Time),
    /// The crawl comes to its end, and with it whatever sessions wait for.
    CrawlEnds,
}

/// Every ask of a session that waits or holds a slot; never more than the credits of sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    waiting: BTreeMap<AskId, Waiting>,
    /// Those that no turn has looked at, in the order of asking.
    fresh: Vec<AskId>,
    /// Those that wait for a robots.txt, in the order of asking.
    unread: BTreeMap<Origin, Vec<AskId>>,
    /// Something happened since robots.txt was looked at last.
    stirred: bool,
    /// Those that wait for a host; a line is never empty.
    lines: BTreeMap<HostKey, Line>,
    /// When the first of each line asks its host, again or for the first time: one entry for each line.
    due: BTreeSet<(Time, HostKey)>,
    /// Slots that sessions hold.
    held: BTreeMap<AskId, HostKey>,
    replies: Vec<(AskId, Reply)>,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    robots: RobotsView,
}

/// Who waits for one host: only the first asks the frontier.
#[derive(Debug)]
struct Line {
    asks: VecDeque<AskId>,
    /// When the first asks.
    at: Time,
}

impl Sessions {
    /// Takes an ask; it is looked at in the next turn.
    pub(super) fn ask(&mut self, id: AskId, ask: Ask) {
        let robots = if ask.ask_robots { RobotsView::Unknown } else { RobotsView::NotObeyed };
        self.waiting.insert(id, Waiting { ask, robots });
        self.fresh.push(id);
    }

    /// Takes back an ask, whatever came of it; returns the host whose slot it held.
    pub(super) fn withdraw(&mut self, id: AskId) -> Option<HostKey> {
        let Some(Waiting { ask, .. }) = self.waiting.remove(&id) else { return self.held.remove(&id) };
        self.fresh.retain(|&waiting| waiting != id);
        let origin = ask.url.origin();
        if let Some(unread) = self.unread.get_mut(&origin) {
            unread.retain(|&waiting| waiting != id);
            if unread.is_empty() {
                self.unread.remove(&origin);
            }
        }
        let host = ask.url.host_key();
        if let Some(line) = self.lines.get_mut(&host) {
            line.asks.retain(|&waiting| waiting != id);
            self.close_if_deserted(&host);
        }
        None
    }

    /// Lets go of a slot; returns the host it was of, `None` when the ask held none.
    pub(super) fn release(&mut self, id: AskId) -> Option<HostKey> {
        self.held.remove(&id)
    }

    /// Notes that a slot of a host became free: the first who waits for it asks again at once.
    pub(super) fn freed(&mut self, now: Time, host: &HostKey) {
        if self.lines.contains_key(host) {
            self.put_off(host, now);
        }
    }

    /// Notes that something happened that may let a robots.txt be known, or never be.
    pub(super) const fn stir(&mut self) {
        self.stirred = true;
    }

    /// Answers those whose turn it is, oldest first at each host. Without `errands` no robots.txt will be asked for any
    /// more, so that nobody waits for one.
    pub(super) fn turn(&mut self, now: Time, frontier: &mut dyn Frontier, errands: bool) {
        // Whoever waited for a robots.txt that is known now asked before those that ask now.
        if std::mem::take(&mut self.stirred) {
            for (origin, ids) in std::mem::take(&mut self.unread) {
                let mut ids = ids.into_iter();
                let unread = ids.find(|&id| !self.judge(now, frontier, errands, id));
                let unread: Vec<AskId> = unread.into_iter().chain(ids).collect();
                if !unread.is_empty() {
                    self.unread.insert(origin, unread);
                }
            }
        }
        for id in std::mem::take(&mut self.fresh) {
            if !self.judge(now, frontier, errands, id)
                && let Some(waiting) = self.waiting.get(&id)
            {
                self.unread.entry(waiting.ask.url.origin()).or_default().push(id);
            }
        }
        for _ in 0..TRIES_MAX {
            let due = self.due.first().filter(|(at, _)| *at <= now);
            let Some(host) = due.map(|(_, host)| host.clone()) else { return };
            self.try_host(now, frontier, &host);
        }
    }

    /// Tells everybody who waits that the crawl ends.
    pub(super) fn dismiss(&mut self) {
        self.fresh.clear();
        self.unread.clear();
        self.lines.clear();
        self.due.clear();
        let told = |(id, waiting): (AskId, Waiting)| {
            (id, Reply { robots: waiting.robots, slot: Err(Hindrance::CrawlEnds) })
        };
        self.replies.extend(std::mem::take(&mut self.waiting).into_iter().map(told));
    }

    /// Takes the answers that were found.
    pub(super) fn take_replies(&mut self) -> Vec<(AskId, Reply)> {
        std::mem::take(&mut self.replies)
    }

    /// Returns when somebody's turn may come.
    pub(super) fn next_turn(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether somebody waits for a host.
    pub(super) fn wants_slots(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Whether somebody waits for a robots.txt.
    pub(super) fn wants_robots(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whether a slot of some host is a session's.
    pub(super) fn holds_slots(&self) -> bool {
        !self.held.is_empty()
    }

    /// Asks robots.txt about one URL; `false` when it is not known yet.
    fn judge(&mut self, now: Time, frontier: &mut dyn Frontier, errands: bool, id: AskId) -> bool {
        let Some(waiting) = self.waiting.get_mut(&id) else { return true };
        if waiting.ask.ask_robots {
            waiting.robots = frontier.robots(now, &waiting.ask.url);
        }
        let hindrance = match &waiting.robots {
            RobotsView::Unknown if errands => return false,
            RobotsView::Unknown => Hindrance::CrawlEnds,
            RobotsView::Parked(reason) => Hindrance::Parked(*reason),
            RobotsView::Disallowed { .. } | RobotsView::Unreachable { .. } => Hindrance::Robots,
            RobotsView::Allowed { .. } | RobotsView::AssumedAllowed | RobotsView::NotObeyed => {
                let host = waiting.ask.url.host_key();
                self.stand(now, host, id);
                return true;
            }
        };
        self.reply(id, Err(hindrance));
        true
    }

    /// Lets the first in the line of a host ask for a slot.
    fn try_host(&mut self, now: Time, frontier: &mut dyn Frontier, host: &HostKey) {
        let first = self.lines.get(host).and_then(|line| line.asks.front()).copied();
        let asked = first.and_then(|id| Some((id, &self.waiting.get(&id)?.ask)));
        let Some((id, ask)) = asked else {
            debug_assert!(false, "a line has somebody who waits");
            return self.close_if_deserted(host);
        };
        let slot = match frontier.admit(now, &ask.url) {
            Admission::Now => Ok(()),
            Admission::Refused(reason) => Err(Hindrance::Parked(reason)),
            Admission::BackingOff(at) if at > ask.deadline => Err(Hindrance::BackingOff(at)),
            Admission::NotBefore(at) | Admission::BackingOff(at) => return self.put_off(host, at),
        };
        if let Some(line) = self.lines.get_mut(host) {
            line.asks.pop_front();
        }
        if slot.is_ok() {
            self.held.insert(id, host.clone());
        }
        self.close_if_deserted(host);
        self.reply(id, slot);
    }

    fn reply(&mut self, id: AskId, slot: Result<(), Hindrance>) {
        let robots = self.waiting.remove(&id).map_or(RobotsView::Unknown, |waiting| waiting.robots);
        self.replies.push((id, Reply { robots, slot }));
    }

    /// Puts an ask at the end of the line of its host.
    fn stand(&mut self, now: Time, host: HostKey, id: AskId) {
        if let Some(line) = self.lines.get_mut(&host) {
            line.asks.push_back(id);
        } else {
            self.due.insert((now, host.clone()));
            self.lines.insert(host, Line { asks: [id].into(), at: now });
        }
    }

    fn put_off(&mut self, host: &HostKey, at: Time) {
        let Some(line) = self.lines.get_mut(host) else { return };
        let earlier = std::mem::replace(&mut line.at, at);
        self.due.remove(&(earlier, host.clone()));
        self.due.insert((at, host.clone()));
    }

    fn close_if_deserted(&mut self, host: &HostKey) {
        if self.lines.get(host).is_some_and(|line| line.asks.is_empty())
            && let Some(line) = self.lines.remove(host)
        {
            self.due.remove(&(line.at, host.clone()));
        }
    }
}
