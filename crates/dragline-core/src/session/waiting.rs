//! Keeps what was started and has no lane yet, in order, with the deadline of each.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// A place in the order of starting, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn(u64);

/// What waits for a lane; holds no more than callers started.
///
/// Starting, taking and leaving cost a logarithm of how many wait.
#[derive(Debug)]
pub struct Waiting<T> {
    entries: BTreeMap<Turn, (Time, T)>,
    deadlines: BTreeSet<(Time, Turn)>,
    next: Turn,
    /// Turns before this one may be taken: all, unless somebody must wait for a fetch before it runs.
    released: Turn,
    /// Whether turns are held back until they are released.
    held: bool,
}

impl<T> Waiting<T> {
    /// Starts empty; everything may be taken as soon as it comes.
    pub const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next: Turn(0),
            released: Turn(0),
            held: false,
        }
    }

    /// Starts empty; nothing may be taken before [`Waiting::release`].
    pub fn held() -> Self {
        Self { held: true, ..Self::new() }
    }

    /// Adds what must have ended at `deadline`.
    pub fn push(&mut self, deadline: Time, entry: T) -> Turn {
        let turn = self.next;
        self.next = Turn(turn.0 + 1);
        self.entries.insert(turn, (deadline, entry));
        self.deadlines.insert((deadline, turn));
        turn
    }

    /// Lets everything up to this turn be taken; returns whether that is new.
    pub fn release(&mut self, through: Turn) -> bool {
        let released = Turn(through.0 + 1);
        let is_new = released > self.released;
        self.released = self.released.max(released);
        self.held && is_new
    }

    /// Takes what was started first and may be taken.
    pub fn pop(&mut self) -> Option<(Turn, T)> {
        let (turn, _) = self.entries.first_key_value()?;
        let turn = *turn;
        if self.held && turn >= self.released {
            return None;
        }
        self.remove(turn).map(|entry| (turn, entry))
    }

    /// Takes one that no longer wants its turn.
    pub fn remove(&mut self, turn: Turn) -> Option<T> {
        let (deadline, entry) = self.entries.remove(&turn)?;
        self.deadlines.remove(&(deadline, turn));
        Some(entry)
    }

    /// Takes one whose deadline has passed; ask again until there is none.
    pub fn expired(&mut self, now: Time) -> Option<T> {
        let (_, turn) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now)?;
        self.remove(turn)
    }

    /// Takes all, in order.
    pub fn drain(&mut self) -> Vec<T> {
        self.deadlines.clear();
        std::mem::take(&mut self.entries).into_values().map(|(_, entry)| entry).collect()
    }

    /// Returns the earliest deadline.
    pub fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chance::Chance;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn turns_are_taken_in_order_and_those_that_left_are_not() {
        let mut waiting = Waiting::new();
        let turns: Vec<Turn> = (0..4).map(|number| waiting.push(at(10), number)).collect();
        assert_eq!(waiting.remove(turns[1]), Some(1));
        assert_eq!(waiting.remove(turns[1]), None);
        let taken: Vec<i32> = std::iter::from_fn(|| waiting.pop()).map(|(_, number)| number).collect();
        assert_eq!((taken, waiting.next_deadline()), (vec![0, 2, 3], None));
    }

    #[test]
    fn deadlines_pass_in_their_own_order() {
        let mut waiting = Waiting::new();
        for (number, deadline) in [(0, 30), (1, 10), (2, 20), (3, 10)] {
            waiting.push(at(deadline), number);
        }
        assert_eq!(waiting.next_deadline(), Some(at(10)));
        let passed: Vec<i32> = std::iter::from_fn(|| waiting.expired(at(20))).collect();
        assert_eq!((passed, waiting.len()), (vec![1, 3, 2], 1));
    }

    #[test]
    fn what_is_held_is_taken_when_it_is_released() {
        let mut waiting = Waiting::held();
        let turns: Vec<Turn> = (0..3).map(|number| waiting.push(at(1), number)).collect();
        assert_eq!(waiting.pop(), None);
        assert!(waiting.release(turns[1]) && !waiting.release(turns[0]));
        let taken: Vec<i32> = std::iter::from_fn(|| waiting.pop()).map(|(_, number)| number).collect();
        assert_eq!((taken, waiting.drain()), (vec![0, 1], vec![2]));
    }

    #[test]
    fn both_orders_always_hold_the_same_entries() {
        let mut chance = Chance::new(7);
        let mut waiting = Waiting::new();
        let (mut turns, mut taken) = (Vec::new(), 0);
        for step in 0..2_000_u64 {
            match chance.below(4) {
                0 | 1 => turns.push(waiting.push(at(chance.below(500)), step)),
                2 => taken += usize::from(waiting.pop().is_some()),
                _ => {
                    let place = usize::try_from(chance.below(turns.len().max(1) as u64)).unwrap();
                    let left = turns.get(place).and_then(|turn| waiting.remove(*turn));
                    taken += usize::from(left.is_some());
                }
            }
            taken += usize::from(waiting.expired(at(step / 8)).is_some());
            assert_eq!(waiting.entries.len(), waiting.deadlines.len());
            assert_eq!(waiting.len() + taken, turns.len());
        }
    }
}
