//! Holds hash maps whose order is a function of the run's seed, so that a replay sees the same order.

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

/// The hasher of every map: seeded from the run, not from the operating system.
pub type Seeded = SeedableRandomState;

/// A hash map with a seeded hasher. Where its order could be seen, prefer `BTreeMap`.
#[expect(clippy::disallowed_types, reason = "this is the seeded form that the ban points to")]
pub type Map<K, V> = std::collections::HashMap<K, V, Seeded>;

/// A hash set with a seeded hasher. Where its order could be seen, prefer `BTreeSet`.
#[expect(clippy::disallowed_types, reason = "this is the seeded form that the ban points to")]
pub type Set<K> = std::collections::HashSet<K, Seeded>;

/// Makes the hasher of `seed`; keep the seed secret while hostile keys are inserted.
pub fn seeded(seed: u64) -> Seeded {
    SeedableRandomState::with_seed(seed, SharedSeed::global_fixed())
}

/// Makes an empty map hashed by `seed`.
pub fn map<K, V>(seed: u64) -> Map<K, V> {
    Map::with_hasher(seeded(seed))
}

/// Makes an empty set hashed by `seed`.
pub fn set<K>(seed: u64) -> Set<K> {
    Set::with_hasher(seeded(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let order = |seed| {
            let mut numbers = set(seed);
            numbers.extend(0..100);
            numbers.into_iter().collect::<Vec<i32>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
