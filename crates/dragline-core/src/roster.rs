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
/// A page in flight at a worker that dies is a suspect: it is given to a worker alone, with nothing beside it. If
/// that worker dies too the page is guilty and a dead letter; otherwise it is cleared and answered like any other.
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
    in_flight: Vec<(Token, Time)>,
    /// Holds a suspect, beside which nothing is given.
    alone: bool,
}

/// What a worker's death leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Death {
    /// The page that proved guilty: it killed a worker that held nothing else.
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
            worker.in_flight.push((suspect, now));
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
        emptiest.in_flight.push((token, now));
        Some((emptiest.id, token))
    }

    /// Takes a worker's answer to a page; `false`: the worker is gone or does not hold it, the answer is stale.
    pub fn answered(&mut self, id: WorkerId, token: Token) -> bool {
        let Some(worker) = self.worker(id) else { return false };
        let Some(position) = worker.in_flight.iter().position(|&(held, _)| held == token) else {
            return false;
        };
        worker.in_flight.swap_remove(position);
        worker.alone = false;
        true
    }

    /// Buries a worker that died: its pages become suspects, the one that was alone is a dead letter.
    pub fn died(&mut self, id: WorkerId, now: Time) -> Option<Death> {
        let position = self.workers.iter().position(|worker| worker.id == id)?;
        let dead = self.workers.remove(position);
        let guilty = if dead.alone { dead.in_flight.first().map(|&(token, _)| token) } else { None };
        if guilty.is_none() {
            self.suspects.extend(dead.in_flight.iter().map(|&(token, _)| token));
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

    /// Gives up a worker that holds a page for longer than the timeout: the page is a dead letter, its others go back
    /// to the queue's front, and a successor is named. The thread it hangs on is lost.
    pub fn abandon_overdue(&mut self, now: Time) -> Option<(WorkerId, Token, Death)> {
        let timeout = self.rules.timeout;
        let overdue = |worker: &Worker| {
            worker.in_flight.iter().find(|&&(_, since)| now - since > timeout).map(|&(token, _)| token)
        };
        let (position, late) = self
            .workers
            .iter()
            .enumerate()
            .find_map(|(position, worker)| Some((position, overdue(worker)?)))?;
        let hung = self.workers.remove(position);
        for &(token, _) in hung.in_flight.iter().rev().filter(|&&(token, _)| token != late) {
            self.queue.push_front(token);
        }
        let successor = self.budget.charge(now).map(|at| (self.recruit(), at));
        Some((hung.id, late, Death { dead_letter: Some(late), successor }))
    }

    /// Returns when the oldest page in flight is overdue.
    pub fn next_deadline(&self) -> Option<Time> {
        let oldest =
            self.workers.iter().flat_map(|worker| &worker.in_flight).map(|&(_, since)| since).min()?;
        Some(oldest + self.rules.timeout)
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
        assert!(roster.answered(WorkerId(1), Token(2)));
        assert_eq!(given(&mut roster), [(1, 5)]);
        assert!(!roster.answered(WorkerId(1), Token(2)), "an answer counts once");
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
        let death = roster.died(WorkerId(0), Time::ZERO).unwrap();
        assert_eq!(death.dead_letter, None);
        let (second, _) = death.successor.unwrap();
        roster.ready(second);
        roster.enqueue(Token(4));
        assert_eq!(given(&mut roster), [(1, 1)], "alone: nothing beside it");
        assert!(roster.answered(second, Token(1)));
        assert_eq!(given(&mut roster), [(1, 2)]);
        let death = roster.died(second, Time::ZERO).unwrap();
        assert_eq!(death.dead_letter, Some(Token(2)));
        let (third, _) = death.successor.unwrap();
        roster.ready(third);
        assert_eq!(given(&mut roster), [(2, 3)]);
        assert!(roster.answered(third, Token(3)));
        assert_eq!(given(&mut roster), [(2, 4)]);
        assert_eq!(roster.budget.charged(), 0, "the guilty page answers for both deaths");
    }

    #[test]
    fn suspects_get_an_empty_worker_even_under_load() {
        let mut roster = pool(2, 1);
        (1..=6).for_each(|token| roster.enqueue(Token(token)));
        assert_eq!(given(&mut roster), [(0, 1), (1, 2)]);
        let (successor, _) = roster.died(WorkerId(0), Time::ZERO).unwrap().successor.unwrap();
        assert!(roster.answered(WorkerId(1), Token(2)));
        assert_eq!(given(&mut roster), [(1, 1)], "the suspect goes before the queue");
        roster.ready(successor);
        assert_eq!(given(&mut roster), [(2, 3)]);
    }

    #[test]
    fn deaths_nobody_answers_for_use_up_the_budget() {
        let mut roster = pool(1, 1);
        let mut id = WorkerId(0);
        let mut borne = 0;
        while let Some((successor, _)) = roster.died(id, Time::ZERO).unwrap().successor {
            id = successor;
            borne += 1;
        }
        assert_eq!(borne, 10);
    }

    #[test]
    fn a_hung_worker_is_given_up_with_its_page() {
        let mut roster = pool(1, 2);
        roster.enqueue(Token(1));
        assert_eq!(roster.dispatch(Time::ZERO), Some((WorkerId(0), Token(1))));
        roster.enqueue(Token(2));
        assert_eq!(roster.dispatch(Time::from_secs(30)), Some((WorkerId(0), Token(2))));
        assert_eq!(roster.next_deadline(), Some(Time::from_secs(60)));
        assert_eq!(roster.abandon_overdue(Time::from_secs(60)), None);
        let (hung, late, death) = roster.abandon_overdue(Time::from_secs(61)).unwrap();
        assert_eq!((hung, late), (WorkerId(0), Token(1)));
        let (successor, _) = death.successor.unwrap();
        assert!(!roster.answered(hung, Token(2)), "whatever it still says is stale");
        roster.ready(successor);
        assert_eq!(roster.dispatch(Time::from_secs(62)), Some((successor, Token(2))));
    }
}
