//! Remembers the addresses of a bounded number of names, each for as long as its answer is good.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// The addresses of a name, or the resolver's words.
pub(crate) type Answer = Result<Arc<[IpAddr]>, Arc<str>>;

/// What came of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) answer: Answer,
    /// How long it is good.
    pub(super) ttl: Duration,
}

impl Found {
    /// How long a failure of a resolver is remembered.
    const FAILURE_TTL: Duration = Duration::from_secs(2);

    /// Addresses of one name that are kept: far more than anybody dials, and few enough to remember for every name.
    const ADDRESSES_MAX: usize = 32;

    /// Holds addresses, each once, in the order given; none is a failure.
    pub(super) fn addresses(found: impl Iterator<Item = IpAddr>, ttl: Duration) -> Self {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) && addresses.len() < Self::ADDRESSES_MAX {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Self::failed("the name has no address");
        }
        Self { answer: Ok(addresses.into()), ttl }
    }

    pub(super) fn failed(words: &str) -> Self {
        Self { answer: Err(words.into()), ttl: Self::FAILURE_TTL }
    }
}

/// What is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    names_max: usize,
    known: BTreeMap<Arc<str>, (Answer, Instant)>,
    /// The same names by the moment they are forgotten.
    expiries: BTreeSet<(Instant, Arc<str>)>,
}

impl Memory {
    pub(super) const fn new(names_max: usize) -> Self {
        Self { names_max, known: BTreeMap::new(), expiries: BTreeSet::new() }
    }

    /// Returns the answer for a name that is still good.
    pub(super) fn get(&self, name: &str, now: Instant) -> Option<&Answer> {
        self.known.get(name).filter(|(_, until)| *until > now).map(|(answer, _)| answer)
    }

    /// Remembers an answer; when there is no room the name that would be forgotten first goes now.
    pub(super) fn put(&mut self, name: &str, found: &Found, now: Instant) {
        if let Some((name, (_, until))) = self.known.remove_entry(name) {
            self.expiries.remove(&(until, name));
        }
        while self.known.len() >= self.names_max
            && let Some((_, first)) = self.expiries.pop_first()
        {
            self.known.remove(&first);
        }
        let (name, until): (Arc<str>, _) = (name.into(), now + found.ttl);
        self.known.insert(Arc::clone(&name), (found.answer.clone(), until));
        self.expiries.insert((until, name));
        debug_assert_eq!(self.known.len(), self.expiries.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn found(secs: u64) -> Found {
        let address = IpAddr::from([192, 0, 2, u8::try_from(secs).unwrap()]);
        Found { answer: Ok([address].into()), ttl: Duration::from_secs(secs) }
    }

    #[test]
    fn answers_are_forgotten_when_they_are_no_longer_good_or_there_is_no_room() {
        let mut memory = Memory::new(2);
        let start = clock::now();
        let check = |memory: &Memory, name, secs, expected: Option<u64>| {
            let now = start + Duration::from_secs(secs);
            let expected = expected.map(|secs| found(secs).answer);
            assert_eq!(memory.get(name, now).cloned(), expected, "{name} after {secs} s");
        };
        memory.put("a", &found(10), start);
        check(&memory, "a", 9, Some(10));
        check(&memory, "a", 10, None);
        memory.put("b", &found(5), start);
        memory.put("a", &found(20), start);
        check(&memory, "a", 19, Some(20));
        // There is room for two: the one that would go first goes.
        memory.put("c", &found(30), start);
        check(&memory, "b", 0, None);
        check(&memory, "a", 0, Some(20));
        check(&memory, "c", 0, Some(30));
        let failed = Found::failed("no such name");
        memory.put("d", &failed, start);
        assert_eq!(memory.get("d", start), Some(&failed.answer));
        check(&memory, "d", 2, None);
        check(&memory, "a", 0, None);
        assert_eq!(memory.known.len(), 2);
    }
}
