//! Decides which reading fetch may take more memory: whoever fits, and always the oldest. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// A reading fetch; older ones are smaller.
pub(super) type Reader = u64;

/// Who holds how much.
#[derive(Debug)]
pub(super) struct Ledger {
    max: u64,
    in_use: u64,
    next: Reader,
    reading: BTreeSet<Reader>,
    /// The readers that wait, and the bytes they wait for.
    waiting: BTreeMap<Reader, u64>,
}

impl Ledger {
    pub(super) const fn new(max: u64) -> Self {
        Self { max, in_use: 0, next: 0, reading: BTreeSet::new(), waiting: BTreeMap::new() }
    }

    pub(super) const fn in_use(&self) -> u64 {
        self.in_use
    }

    pub(super) const fn max(&self) -> u64 {
        self.max
    }

    /// Takes in a fetch that begins to read.
    pub(super) fn enter(&mut self) -> Reader {
        self.next += 1;
        self.reading.insert(self.next);
        self.next
    }

    /// Grants `bytes`, or notes that the reader waits for them. The oldest reader may overdraw, so that one always
    /// comes to its end; nobody overtakes an older one that waits.
    pub(super) fn ask(&mut self, reader: Reader, bytes: u64) -> bool {
        debug_assert!(self.reading.contains(&reader), "only readers ask");
        let is_oldest = self.reading.first() == Some(&reader);
        let overtakes = self.waiting.first_key_value().is_some_and(|(oldest, _)| *oldest < reader);
        let fits = self.in_use.saturating_add(bytes) <= self.max && !overtakes;
        if is_oldest || fits {
            self.waiting.remove(&reader);
            self.in_use += bytes;
            return true;
        }
        self.waiting.insert(reader, bytes);
        false
    }

    /// Grants `bytes` to whoever has read already, when they fit and nobody waits.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let granted = self.waiting.is_empty() && self.in_use.saturating_add(bytes) <= self.max;
        self.in_use += if granted { bytes } else { 0 };
        granted
    }

    /// Lets a fetch go that reads no more; what it holds stays held.
    pub(super) fn leave(&mut self, reader: Reader) {
        self.reading.remove(&reader);
        self.waiting.remove(&reader);
    }

    /// Takes bytes back.
    pub(super) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.in_use, "more comes back than was given");
        self.in_use = self.in_use.saturating_sub(bytes);
    }

    /// Returns the waiting readers that would be granted what they ask for, oldest first.
    pub(super) fn ready(&self) -> impl Iterator<Item = Reader> {
        let oldest = self.reading.first().copied();
        let mut in_use = self.in_use;
        self.waiting
            .iter()
            .take_while(move |(reader, bytes)| {
                in_use = in_use.saturating_add(**bytes);
                in_use <= self.max || Some(**reader) == oldest
            })
            .map(|(reader, _)| *reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs steps and writes what each gave: `+` granted, `-` refused, then who is ready.
    fn check(max: u64, steps: &[(&str, u64, u64)], expected: &str) {
        let mut ledger = Ledger::new(max);
        let mut seen = String::new();
        for (step, reader, bytes) in steps {
            match *step {
                "enter" => assert_eq!(ledger.enter(), *reader),
                "ask" => seen.push(if ledger.ask(*reader, *bytes) { '+' } else { '-' }),
                "leave" => ledger.leave(*reader),
                "back" => ledger.give_back(*bytes),
                "ready" => seen.push_str(&format!("{:?}", ledger.ready().collect::<Vec<_>>())),
                other => panic!("no such step: {other}"),
            }
        }
        assert_eq!(seen, expected, "{steps:?}");
    }

    #[test]
    fn credits_are_granted_while_they_last() {
        let steps = [("enter", 1, 0), ("enter", 2, 0), ("ask", 2, 60), ("ask", 2, 60), ("ready", 0, 0)];
        check(100, &steps, "+-[]");
    }

    #[test]
    fn the_oldest_reader_overdraws_and_the_next_oldest_inherits_that() {
        let begin = [("enter", 1, 0), ("enter", 2, 0), ("ask", 2, 100), ("ask", 1, 500), ("ask", 2, 100)];
        check(100, &begin, "++-");
        let rest = [("ready", 0, 0), ("leave", 1, 0), ("ready", 0, 0), ("ask", 2, 100), ("ready", 0, 0)];
        check(100, &[&begin[..], &rest[..]].concat(), "++-[][2]+[]");
    }

    #[test]
    fn nobody_overtakes_an_older_reader_that_waits() {
        let steps = [
            ("enter", 1, 0),
            ("enter", 2, 0),
            ("enter", 3, 0),
            ("ask", 1, 60),
            ("ask", 2, 50),
            ("ask", 3, 10),
            ("ready", 0, 0),
            ("back", 0, 20),
            ("ready", 0, 0),
            ("ask", 2, 50),
            ("ask", 3, 10),
        ];
        check(100, &steps, "+--[][2, 3]++");
    }
}
