//! Sums up everything that happened, in order, in one number that two runs can be compared by.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The hash of a sequence of texts; the same sequence has the same hash on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TraceHash(u64);

impl TraceHash {
    /// Adds what happened next.
    pub(crate) fn note(&mut self, text: &str) {
        self.0 = xxh3_64_with_seed(text.as_bytes(), self.0);
    }

    /// Returns the hash of what has happened so far.
    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_borders_tell() {
        let hash = |texts: &[&str]| {
            let mut hash = TraceHash::default();
            texts.iter().for_each(|text| hash.note(text));
            hash.get()
        };
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["a", "b"]), hash(&["ab"]));
    }
}
