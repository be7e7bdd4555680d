//! Decides which of several finished fetches is told of first: the earliest in the order of collection.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The members of a set that have finished, by their places in the order of collection.
///
/// Asking for the first changes nothing, so that the same one is told again until an earlier one finishes (the rule of
/// App Engine's `UserRPC.wait_any`). Each call costs at most a logarithm of how many have finished.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    by_place: BinaryHeap<Reverse<u64>>,
    by_time: VecDeque<u64>,
    count: usize,
}

impl Finished {
    /// Notes that a member finished; once for each.
    pub fn note(&mut self, place: u64) {
        self.by_place.push(Reverse(place));
        self.by_time.push_back(place);
        self.count += 1;
    }

    /// Returns how many were noted, those included that are no member any more.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Returns the finished member that was collected first; forgets those that are no member any more.
    pub fn first(&mut self, is_member: impl Fn(u64) -> bool) -> Option<u64> {
        while let Some(Reverse(place)) = self.by_place.peek().copied() {
            if is_member(place) {
                return Some(place);
            }
            self.by_place.pop();
        }
        None
    }

    /// Forgets those that are no member any more, when they are most of what is kept: `members` are in the set now.
    pub fn tidy(&mut self, members: usize, is_member: impl Fn(u64) -> bool) {
        if self.by_time.len().max(self.by_place.len()) > 2 * members + 64 {
            self.by_time.retain(|place| is_member(*place));
            self.by_place.retain(|Reverse(place)| is_member(*place));
        }
    }

    /// Takes the member that finished first, for those who want each once.
    pub fn take_oldest(&mut self, is_member: impl Fn(u64) -> bool) -> Option<u64> {
        while let Some(place) = self.by_time.pop_front() {
            if is_member(place) {
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_collected_is_told_again_until_an_earlier_one_finishes() {
        let mut finished = Finished::default();
        assert_eq!(finished.first(|_| true), None);
        finished.note(5);
        assert_eq!(finished.first(|_| true), Some(5));
        finished.note(7);
        assert_eq!(finished.first(|_| true), Some(5));
        finished.note(2);
        assert_eq!((finished.first(|_| true), finished.first(|_| true)), (Some(2), Some(2)));
        assert_eq!(finished.first(|place| place != 2), Some(5));
        assert_eq!(finished.count(), 3);
    }

    #[test]
    fn what_left_the_set_is_forgotten() {
        let mut finished = Finished::default();
        for place in 0..1_000 {
            finished.note(place);
            finished.tidy(1, |member| member == place);
        }
        assert!(finished.by_time.len() <= 67 && finished.by_place.len() <= 67);
        assert_eq!(finished.take_oldest(|place| place == 999), Some(999));
    }

    #[test]
    fn members_are_taken_once_in_the_order_of_finishing() {
        let mut finished = Finished::default();
        [5, 7, 2].into_iter().for_each(|place| finished.note(place));
        let taken: Vec<u64> = std::iter::from_fn(|| finished.take_oldest(|place| place != 7)).collect();
        assert_eq!(taken, [5, 2]);
    }
}
