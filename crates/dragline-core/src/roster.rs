//! Decides which worker of a handler pool gets which page, and what becomes of pages whose worker died.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frontier::Token;
use crate::restart::{RestartBudget, RestartRules};
use crate::time::Time;

/// Names one incarnation of a worker within its pool; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

/// How a pool is run.
#[derive(Clone, Debug)]
pub struct PoolRules {
    /// Workers, each on a thread of its own.
    pub workers: usize,
    /// Pages at one worker at a time.
    pub credits: usize,
    /// How long one page may take.
    pub timeout: Duration,
    /// How many unexplained restarts are borne.
    pub restarts: RestartRules,
}

impl Default for PoolRules {
    fn default() -> Self {
        Self { workers: 1, credits: 64, timeout: Duration::from_secs(60), restarts: RestartRules::default() }
    }
}

/// The workers of one handler pool and the pages that wait for them.
///
/// A page in flight at a worker that dies or hangs is a suspect: it is given to a worker alone, with nothing beside
/// it. If that worker dies or hangs too the page is guilty and a dead letter; otherwise it is cleared and answered
/// like any other.
#[derive(Debug)]
pub struct Roster {
    rules: PoolRules,
    workers: Vec<Worker>,
    next_worker: u64,
    queue: VecDeque<Token>,
    suspects: VecDeque<Token>,
    budget: RestartBudget,
}

#[derive(Debug)]
struct Worker {
    id: WorkerId,
    ready: bool,
    /// In the order given.
    in_flight: Vec<Held>,
    /// Holds a suspect, beside which nothing is given.
    alone: bool,
}

/// A page at a worker.
#[derive(Clone, Copy, Debug)]
struct Held {
    token: Token,
    /// When it is overdue: a worker may handle its pages one after the other, so each in front may take the timeout.
    due: Time,
}

/// What a worker did when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiedWhile {
    /// It had begun a page that it did not answer.
    Handling,
    /// It was found dead before its next page was begun, such as after it had stopped itself.
    Idle,
}

/// What a worker's death leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Death {
    /// The page that proved guilty: the worker held nothing else.
    pub dead_letter: Option<Token>,
    /// The worker that takes its place and when to start it; `None`: the restart budget is used up.
    pub successor: Option<(WorkerId, Time)>,
}

impl Roster {
    /// Starts a pool without workers: [`Roster::recruit`] names each.
    pub fn new(rules: PoolRules) -> Self {
        let budget = RestartBudget::new(rules.restarts.clone());
        Self {
            rules,
            workers: Vec::new(),
            next_worker: 0,
            queue: VecDeque::new(),
            suspects: VecDeque::new(),
            budget,
        }
    }

    /// Returns the rules of the pool.
    pub const fn rules(&self) -> &PoolRules {
        &self.rules
    }

    /// Names a new worker; it gets pages once it is [`Roster::ready`].
    pub fn recruit(&mut self) -> WorkerId {
        let id = WorkerId(self.next_worker);
        self.next_worker += 1;
        self.workers.push(Worker { id, ready: false, in_flight: Vec::new(), alone: false });
        id
    }

    /// Notes that a worker has started.
    pub fn ready(&mut self, id: WorkerId) {
        if let Some(worker) = self.worker(id) {
            worker.ready = true;
        }
    }

    /// Takes a page that waits for a worker.
    pub fn enqueue(&mut self, token: Token) {
        self.queue.push_back(token);
    }

    /// Gives the next page to a worker: a suspect to an empty one, else the oldest to the one with most credits free.
    pub fn dispatch(&mut self, now: Time) -> Option<(WorkerId, Token)> {
        if let Some(&suspect) = self.suspects.front()
            && let Some(worker) =
                self.workers.iter_mut().find(|worker| worker.ready && worker.in_flight.is_empty())
        {
            self.suspects.pop_front();
            worker.alone = true;
            worker.in_flight.push(Held { token: suspect, due: now + self.rules.timeout });
            return Some((worker.id, suspect));
        }
        // While suspects wait, one worker is left to run empty so that they get their turn.
        let reserved =
            usize::from(!self.suspects.is_empty() && !self.workers.iter().any(|worker| worker.alone));
        let open = self.workers.iter().filter(|worker| worker.ready && !worker.alone).count();
        if open <= reserved {
            return None;
        }
        let credits = self.rules.credits.max(1);
        let emptiest = self
            .workers
            .iter_mut()
            .filter(|worker| worker.ready && !worker.alone)
            .skip(reserved)
            .min_by_key(|worker| worker.in_flight.len())?;
        if emptiest.in_flight.len() >= credits {
            return None;
        }
        let token = self.queue.pop_front()?;
        let turns = u32::try_from(emptiest.in_flight.len() + 1).unwrap_or(u32::MAX);
        emptiest.in_flight.push(Held { token, due: now + self.rules.timeout.saturating_mul(turns) });
        Some((emptiest.id, token))
    }

    /// Takes a worker's answer to a page; `false`: the worker is gone or does not hold it, the answer is stale.
    pub fn answered(&mut self, id: WorkerId, token: Token, now: Time) -> bool {
        let timeout = self.rules.timeout;
        let Some(worker) = self.worker(id) else { return false };
        let Some(position) = worker.in_flight.iter().position(|held| held.token == token) else {
            return false;
        };
        worker.in_flight.remove(position);
        worker.alone = false;
        // The next in turn has been begun by now.
        if let Some(next) = worker.in_flight.first_mut() {
            next.due = next.due.min(now + timeout);
        }
        true
    }

    /// Buries a worker that died: its pages become suspects; one that was begun alone as a suspect is a dead letter.
    pub fn died(&mut self, id: WorkerId, now: Time, during: DiedWhile) -> Option<Death> {
        let position = self.workers.iter().position(|worker| worker.id == id)?;
        let dead = self.workers.remove(position);
        let guilty = dead.in_flight.first().filter(|_| dead.alone && during == DiedWhile::Handling);
        let guilty = guilty.map(|held| held.token);
        if guilty.is_none() {
            self.suspect(&dead);
        }
        let restart_at = if guilty.is_some() {
            // This death and the one that made the page a suspect are the page's doing.
            self.budget.refund();
            Some(now + self.rules.restarts.backoff_min)
        } else {
            self.budget.charge(now)
        };
        let successor = restart_at.map(|at| (self.recruit(), at));
        Some(Death { dead_letter: guilty, successor })
    }

    /// Gives up a worker that does not answer in time, with the thread it hangs on, and names a successor. A page it
    /// held alone is a dead letter; of several none is blamed yet, since an answer may be stuck behind the one that
    /// hangs: they become suspects.
    pub fn abandon_overdue(&mut self, now: Time) -> Option<(WorkerId, Death)> {
        let overdue = |worker: &Worker| worker.in_flight.iter().any(|held| now > held.due);
        let position = self.workers.iter().position(overdue)?;
        let hung = self.workers.remove(position);
        let dead_letter = match hung.in_flight.as_slice() {
            [only] => Some(only.token),
            _ => None,
        };
        if dead_letter.is_none() {
            self.suspect(&hung);
        } else if hung.alone {
            // The death that made it a suspect is its doing; this one is charged, because a thread is lost.
            self.budget.refund();
        }
        let successor = self.budget.charge(now).map(|at| (self.recruit(), at));
        Some((hung.id, Death { dead_letter, successor }))
    }

    /// Returns when the next page in flight is overdue.
    pub fn next_deadline(&self) -> Option<Time> {
        self.workers.iter().flat_map(|worker| &worker.in_flight).map(|held| held.due).min()
    }

    /// Returns the workers that are ready or starting.
    pub fn workers(&self) -> impl Iterator<Item = WorkerId> {
        self.workers.iter().map(|worker| worker.id)
    }

    /// Returns how many pages are at workers.
    pub fn in_flight(&self) -> usize {
        self.workers.iter().map(|worker| worker.in_flight.len()).sum()
    }

    /// Returns how many pages wait for a worker.
    pub fn queued(&self) -> usize {
        self.queue.len() + self.suspects.len()
    }

    /// Has the pages of a lost worker tried alone, those that were suspects before in front.
    fn suspect(&mut self, lost: &Worker) {
        let tokens = lost.in_flight.iter().map(|held| held.token);
        if lost.alone {
            tokens.for_each(|token| self.suspects.push_front(token));
        } else {
            self.suspects.extend(tokens);
        }
    }

    fn worker(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(workers: usize, credits: usize) -> Roster {
        let mut roster = Roster::new(PoolRules { workers, credits, ..PoolRules::default() });
        for _ in 0..workers {
            let id = roster.recruit();
            roster.ready(id);
        }
        roster
    }

    fn given(roster: &mut Roster) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| roster.dispatch(Time::ZERO))
            .map(|(worker, token)| (worker.0, token.0))
            .collect()
    }

    #[test]
    fn pages_go_to_the_worker_with_most_credits() {
        let mut roster = pool(2, 2);
        (1..=5).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster), [(0, 1), (1, 2), (0, 3), (1, 4)]);
        assert_eq!((roster.in_flight(), roster.queued()), (4, 1));
        assert!(roster.answered(WorkerId(1), Token(2), Time::ZERO));
        assert_eq!(given(&mut roster), [(1, 5)]);
        assert!(!roster.answered(WorkerId(1), Token(2), Time::ZERO), "an answer counts once");
    }

    #[test]
    fn a_worker_that_starts_gets_nothing() {
        let mut roster = Roster::new(PoolRules::default());
        let id = roster.recruit();
        roster.enqueue(Token(1));
        assert_eq!(roster.dispatch(Time::ZERO), None);
        roster.ready(id);
        assert_eq!(roster.dispatch(Time::ZERO), Some((id, Token(1))));
    }

    #[test]
    fn suspects_are_tried_alone_and_only_the_guilty_is_a_dead_letter() {
        let mut roster = pool(1, 8);
        (1..=3).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster).len(), 3);
        let death = roster.died(WorkerId(0), Time::ZERO, DiedWhile::Handling).unwrap();
        assert_eq!(death.dead_letter, None);
        let (second, _) = death.successor.unwrap();
        roster.ready(second);
        roster.enqueue(Token(4));
        assert_eq!(given(&mut roster), [(1, 1)], "alone: nothing beside it");
        assert!(roster.answered(second, Token(1), Time::ZERO));
        assert_eq!(given(&mut roster), [(1, 2)]);
        let death = roster.died(second, Time::ZERO, DiedWhile::Handling).unwrap();
        assert_eq!(death.dead_letter, Some(Token(2)));
        let (third, _) = death.successor.unwrap();
        roster.ready(third);
        assert_eq!(given(&mut roster), [(2, 3)]);
        assert!(roster.answered(third, Token(3), Time::ZERO));
        assert_eq!(given(&mut roster), [(2, 4)]);
        assert_eq!(roster.budget.charged(), 0, "the guilty page answers for both deaths");
    }

    #[test]
    fn suspects_get_an_empty_worker_even_under_load() {
        let mut roster = pool(2, 1);
        (1..=6).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster), [(0, 1), (1, 2)]);
        let (successor, _) =
            roster.died(WorkerId(0), Time::ZERO, DiedWhile::Handling).unwrap().successor.unwrap();
        assert!(roster.answered(WorkerId(1), Token(2), Time::ZERO));
        assert_eq!(given(&mut roster), [(1, 1)], "the suspect goes before the queue");
        roster.ready(successor);
        assert_eq!(given(&mut roster), [(2, 3)]);
    }

    #[test]
    fn deaths_nobody_answers_for_use_up_the_budget() {
        let mut roster = pool(1, 1);
        let mut id = WorkerId(0);
        let mut borne = 0;
        while let Some((successor, _)) = roster.died(id, Time::ZERO, DiedWhile::Handling).unwrap().successor {
            id = successor;
            borne += 1;
        }
        assert_eq!(borne, 10);
    }

    fn secs(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn a_worker_that_stopped_itself_does_not_charge_the_page_it_never_began() {
        let mut roster = pool(1, 8);
        (1..=2).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster).len(), 2);
        let mut id = WorkerId(0);
        for _ in 0..3 {
            let death = roster.died(id, Time::ZERO, DiedWhile::Idle).unwrap();
            assert_eq!(death.dead_letter, None);
            id = death.successor.unwrap().0;
            roster.ready(id);
            assert_eq!(given(&mut roster), [(id.0, 1)], "its turn is not lost");
        }
        assert_eq!(roster.budget.charged(), 3, "nobody answers for these deaths");
    }

    #[test]
    fn a_hung_worker_is_given_up_with_its_page() {
        let mut roster = pool(1, 1);
        (1..=2).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster), [(0, 1)]);
        assert_eq!(roster.next_deadline(), Some(secs(60)));
        assert_eq!(roster.abandon_overdue(secs(60)), None);
        let (hung, death) = roster.abandon_overdue(secs(61)).unwrap();
        assert_eq!((hung, death.dead_letter), (WorkerId(0), Some(Token(1))));
        let (successor, _) = death.successor.unwrap();
        assert!(!roster.answered(hung, Token(1), secs(61)), "whatever it still says is stale");
        roster.ready(successor);
        assert_eq!(roster.dispatch(secs(62)), Some((successor, Token(2))));
    }

    #[test]
    fn of_several_pages_at_a_hung_worker_only_the_one_that_hangs_alone_is_a_dead_letter() {
        let mut roster = pool(1, 2);
        (1..=2).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster), [(0, 1), (0, 2)]);
        let (hung, death) = roster.abandon_overdue(secs(61)).unwrap();
        assert_eq!((hung, death.dead_letter), (WorkerId(0), None));
        let (second, _) = death.successor.unwrap();
        roster.ready(second);
        assert_eq!(roster.dispatch(secs(61)), Some((second, Token(1))));
        assert_eq!(roster.dispatch(secs(61)), None, "alone");
        assert!(roster.answered(second, Token(1), secs(62)));
        assert_eq!(roster.dispatch(secs(62)), Some((second, Token(2))));
        let (_, death) = roster.abandon_overdue(secs(123)).unwrap();
        assert_eq!(death.dead_letter, Some(Token(2)));
        assert_eq!(roster.budget.charged(), 1, "one page, one charge");
    }

    #[test]
    fn a_slow_worker_with_many_pages_is_not_hung_while_it_answers() {
        let mut roster = pool(1, 8);
        (0..8).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster).len(), 8);
        for token in 0..8 {
            let now = secs(59 * (token + 1));
            assert_eq!(roster.abandon_overdue(now), None, "page {token}");
            assert!(roster.answered(WorkerId(0), Token(token), now));
        }
    }

    #[test]
    fn the_page_behind_an_answer_is_overdue_a_timeout_later() {
        let mut roster = pool(1, 8);
        (1..=3).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster).len(), 3);
        assert!(roster.answered(WorkerId(0), Token(1), secs(1)));
        assert_eq!(roster.next_deadline(), Some(secs(61)));
    }
}
