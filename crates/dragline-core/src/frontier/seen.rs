//! Remembers every URL that was ever offered, by fingerprint, and where it stands.

use crate::disposition::{Disposition, FailKind, SkipReason};
use crate::outcome::Outcome;
use crate::url::Fingerprint;

/// The upper bits of a fingerprint choose the shard, so that growing moves one 256th of the URLs at a time, and so does
/// writing the set down.
pub(super) const SHARD_BITS: u32 = 8;
/// Slots of a shard at the start.
const SLOTS_MIN: usize = 16;
/// A shard grows when more than this share of its slots is taken, in 16ths.
const FULL_SIXTEENTHS: usize = 14;

/// URLs whose places are touched together: as many as memory fetches side by side.
pub(super) const WINDOW: usize = 16;

/// Where a URL that was offered stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not settled. The depth is the least at which it was offered; [`DEPTH_MAX`] stands for any that is not less.
    Live {
        /// Links from the nearest seed.
        depth: u8,
    },
    /// Settled, or skipped when it was offered.
    Ended(Disposition),
}

impl Standing {
    /// Returns the standing of a URL that waits at a depth.
    pub fn live(depth: u32) -> Self {
        Self::Live { depth: u8::try_from(depth).unwrap_or(DEPTH_MAX).min(DEPTH_MAX) }
    }
}

/// The greatest depth that a standing tells apart from deeper ones.
pub const DEPTH_MAX: u8 = 127;

/// An exact set of fingerprints, each with its standing: 8 bytes a slot, 9 to 12 bytes a URL.
///
/// A shard is chosen by the upper 8 bits of a fingerprint; a slot holds the other 56 and one byte for the standing.
///
/// # Source
/// Linear probing from a fast-range position (Lemire, "Fast Random Integer Generation in an Interval", 2019). The
/// fingerprints are keyed hashes, so that nobody outside can aim at one neighbourhood.
#[derive(Debug)]
pub struct SeenSet {
    shards: Vec<Shard>,
    /// Slots of all shards.
    slots: usize,
}

/// Slots of one part of the set; a slot of 0 is free, since no standing has the code 0.
#[derive(Debug)]
struct Shard {
    slots: Box<[u64]>,
    taken: usize,
}

impl Default for SeenSet {
    fn default() -> Self {
        let shard = || Shard { slots: vec![0; SLOTS_MIN].into(), taken: 0 };
        Self { shards: (0..Self::SHARDS).map(|_| shard()).collect(), slots: Self::SHARDS * SLOTS_MIN }
    }
}

impl SeenSet {
    /// Parts of the set.
    pub const SHARDS: usize = 1 << SHARD_BITS;

    /// Returns the standing of a URL, if it was ever offered.
    pub fn get(&self, fingerprint: Fingerprint) -> Option<Standing> {
        let shard = &self.shards[Self::shard_of(fingerprint)];
        let slot = shard.slots[shard.find(key_of(fingerprint))];
        (slot != 0).then(|| decode(slot))
    }

    /// Sets the standing of a URL; adds the URL when it was not there.
    pub fn set(&mut self, fingerprint: Fingerprint, standing: Standing) {
        let shard = &mut self.shards[Self::shard_of(fingerprint)];
        self.slots += shard.put(key_of(fingerprint) | encode(standing));
    }

    /// Sets many standings, one after the other; costs less than as many calls of [`SeenSet::set`].
    pub(super) fn set_many(&mut self, standings: &[(Fingerprint, Standing)]) {
        let mut fingerprints = [Fingerprint(0); WINDOW];
        for window in standings.chunks(WINDOW) {
            for (slot, (fingerprint, _)) in fingerprints.iter_mut().zip(window) {
                *slot = *fingerprint;
            }
            std::hint::black_box(self.warm(&fingerprints[..window.len()]));
            for (fingerprint, standing) in window {
                self.set(*fingerprint, *standing);
            }
        }
    }

    /// Touches the places of some URLs, all at once, so that looking them up one after the other does not wait for
    /// memory each time; returns a number that means nothing.
    pub fn warm(&self, fingerprints: &[Fingerprint]) -> u64 {
        let place = |fingerprint: &Fingerprint| {
            let shard = &self.shards[Self::shard_of(*fingerprint)];
            shard.slots[position(key_of(*fingerprint), shard.slots.len())]
        };
        fingerprints.iter().map(place).fold(0, |sum, slot| sum ^ slot)
    }

    /// Returns how many distinct URLs were offered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.taken).sum()
    }

    /// Whether no URL was ever offered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes its tables take.
    pub const fn bytes(&self) -> usize {
        self.slots * size_of::<u64>()
    }

    /// Returns the part of the set that a fingerprint stands in.
    pub const fn shard_of(fingerprint: Fingerprint) -> usize {
        (fingerprint.0 >> (64 - SHARD_BITS)) as usize
    }

    /// Returns every URL of one part, as words that [`SeenSet::load`] takes.
    pub(super) fn words(&self, shard: usize) -> impl Iterator<Item = u64> {
        self.shards[shard].slots.iter().copied().filter(|&slot| slot != 0)
    }

    /// Adds URLs of one part; `false` when a word is none that [`SeenSet::words`] returns.
    pub(super) fn load(&mut self, shard: usize, words: impl ExactSizeIterator<Item = u64>) -> bool {
        let shard = &mut self.shards[shard];
        let wanted = (shard.taken + words.len()) * 16 / FULL_SIXTEENTHS + SLOTS_MIN;
        if wanted > shard.slots.len() {
            self.slots += shard.resize(wanted);
        }
        let mut sound = true;
        for word in words {
            if is_known(word) {
                self.slots += shard.put(word);
            } else {
                sound = false;
            }
        }
        sound
    }

    /// Counts the URLs by how they stand: those that live, and those that ended, by disposition.
    pub(super) fn tally(&self) -> (u64, Vec<(Disposition, u64)>) {
        let mut counts = [0_u64; 256];
        for slot in self.shards.iter().flat_map(|shard| &*shard.slots).filter(|&&slot| slot != 0) {
            counts[(slot & CODE) as usize] += 1;
        }
        let (mut live, mut ended) = (0, Vec::new());
        for (code, count) in (0..).zip(counts).filter(|(_, count)| *count > 0) {
            match decode(code) {
                Standing::Live { .. } => live += count,
                Standing::Ended(disposition) => ended.push((disposition, count)),
            }
        }
        (live, ended)
    }
}

impl Shard {
    /// Returns the slot that holds the key, or the free slot where it belongs.
    fn find(&self, key: u64) -> usize {
        let slots = &*self.slots;
        let mut at = position(key, slots.len());
        loop {
            let held = slots[at];
            if held == 0 || held & !CODE == key {
                return at;
            }
            at += 1;
            if at == slots.len() {
                at = 0;
            }
        }
    }

    /// Sets a word; returns by how many slots the shard has grown for that.
    fn put(&mut self, word: u64) -> usize {
        let (mut at, mut grown) = (self.find(word & !CODE), 0);
        if self.slots[at] == 0 {
            if (self.taken + 1) * 16 > self.slots.len() * FULL_SIXTEENTHS {
                // By three tenths: doubling would leave half of the memory free on average.
                grown = self.resize(self.slots.len() * 13 / 10 + SLOTS_MIN);
                at = self.find(word & !CODE);
            }
            self.taken += 1;
        }
        self.slots[at] = word;
        grown
    }

    /// Makes the shard larger; returns by how many slots.
    fn resize(&mut self, slots: usize) -> usize {
        let grown = slots - self.slots.len();
        let old = std::mem::replace(&mut self.slots, vec![0; slots].into());
        for slot in old {
            if slot != 0 {
                let at = self.find(slot & !CODE);
                self.slots[at] = slot;
            }
        }
        grown
    }
}

/// Returns the 56 bits that a slot holds, above the byte of the standing.
const fn key_of(fingerprint: Fingerprint) -> u64 {
    fingerprint.0 << SHARD_BITS
}

/// Spreads keys over the slots.
fn position(key: u64, slots: usize) -> usize {
    usize::try_from((u128::from(key) * slots as u128) >> 64).unwrap_or_default()
}

/// The byte of a word that says how the URL stands.
const CODE: u64 = 0xff;
/// Codes from here on are of URLs that live, with their depth.
const LIVE: u64 = 0x80;
const DONE: u64 = 1;
const REDIRECTED: u64 = 2;
const HANDLER: u64 = 4;
const FAILED: u64 = 0x10;
const SKIPPED: u64 = 0x40;
const HANDLER_KINDS: [FailKind; 3] =
    [FailKind::HandlerError, FailKind::HandlerPanic, FailKind::HandlerTimeout];

fn encode(standing: Standing) -> u64 {
    match standing {
        Standing::Live { depth } => LIVE | u64::from(depth.min(DEPTH_MAX)),
        Standing::Ended(Disposition::Done) => DONE,
        Standing::Ended(Disposition::Redirected) => REDIRECTED,
        Standing::Ended(Disposition::Failed(kind)) => match kind {
            FailKind::Fetch(outcome) => FAILED + outcome as u64,
            FailKind::HandlerError => HANDLER,
            FailKind::HandlerPanic => HANDLER + 1,
            FailKind::HandlerTimeout => HANDLER + 2,
        },
        Standing::Ended(Disposition::Skipped(reason)) => SKIPPED + reason as u64,
    }
}

fn decode(word: u64) -> Standing {
    let code = word & CODE;
    let index = |base: u64| usize::try_from(code - base).unwrap_or_default();
    match code {
        LIVE.. => Standing::Live { depth: u8::try_from(code - LIVE).unwrap_or(DEPTH_MAX) },
        SKIPPED.. => Standing::Ended(Disposition::Skipped(SkipReason::ALL[index(SKIPPED)])),
        FAILED.. => Standing::Ended(Disposition::Failed(FailKind::Fetch(Outcome::ALL[index(FAILED)]))),
        HANDLER.. => Standing::Ended(Disposition::Failed(HANDLER_KINDS[index(HANDLER)])),
        REDIRECTED => Standing::Ended(Disposition::Redirected),
        _ => Standing::Ended(Disposition::Done),
    }
}

/// Whether a word that was read back has a code that [`decode`] knows.
fn is_known(word: u64) -> bool {
    let code = word & CODE;
    let index = |base: u64| usize::try_from(code - base).unwrap_or(usize::MAX);
    match code {
        DONE | REDIRECTED | LIVE.. => true,
        SKIPPED.. => index(SKIPPED) < SkipReason::ALL.len(),
        FAILED.. => Outcome::ALL.get(index(FAILED)).is_some_and(|outcome| outcome.fail_kind().is_some()),
        HANDLER.. => index(HANDLER) < HANDLER_KINDS.len(),
        _ => false,
    }
}

/// Returns the byte that a disposition is kept as.
pub(super) fn code_of(disposition: Disposition) -> u8 {
    u8::try_from(encode(Standing::Ended(disposition))).unwrap_or_default()
}

/// Returns the disposition that a byte stands for.
pub(super) fn disposition_of(code: u8) -> Option<Disposition> {
    let word = u64::from(code);
    match is_known(word).then(|| decode(word)) {
        Some(Standing::Ended(disposition)) => Some(disposition),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn every_standing_is_kept_in_one_byte() {
        let failed = FailKind::all().map(Disposition::Failed);
        let skipped = SkipReason::ALL.into_iter().map(Disposition::Skipped);
        let ended = [Disposition::Done, Disposition::Redirected].into_iter().chain(failed).chain(skipped);
        let live = [0, 7, 127].into_iter().map(Standing::live);
        let mut codes = std::collections::BTreeSet::new();
        for standing in ended.map(Standing::Ended).chain(live) {
            let word = encode(standing);
            assert!(word > 0 && word <= CODE && codes.insert(word) && is_known(word), "{standing:?}");
            assert_eq!(decode(word | 0xabcd << 8), standing);
        }
        assert_eq!(Standing::live(1_000), Standing::Live { depth: DEPTH_MAX });
        for word in 0..=CODE {
            let is_ours = codes.contains(&word) || word >= LIVE;
            assert_eq!(is_known(word), is_ours, "{word:#x}");
        }
    }

    #[test]
    fn what_was_set_is_found_and_nothing_else() {
        let mut seen = SeenSet::default();
        let mut chance = Chance::new(3);
        let known: Vec<_> = (0..40_000).map(|_| Fingerprint(chance.fork())).collect();
        for (number, fingerprint) in (0..).zip(&known) {
            assert_eq!(seen.get(*fingerprint), None);
            seen.set(*fingerprint, Standing::live(number));
        }
        assert_eq!(seen.len(), known.len());
        for (number, fingerprint) in (0..).zip(&known) {
            assert_eq!(seen.get(*fingerprint), Some(Standing::live(number)));
            seen.set(*fingerprint, Standing::Ended(Disposition::Done));
        }
        assert_eq!(seen.len(), known.len(), "a standing that changes is no new URL");
        assert!((0..1_000).all(|_| seen.get(Fingerprint(chance.fork())).is_none()));
        assert!(seen.bytes() < 13 * known.len(), "{} bytes a URL", seen.bytes() / known.len());
        assert_eq!(seen.bytes(), seen.shards.iter().map(|shard| size_of_val(&*shard.slots)).sum::<usize>());
    }

    #[test]
    fn neighbours_that_wrap_around_the_end_are_found() {
        let mut seen = SeenSet::default();
        let known: Vec<_> = (0..200).map(|low| Fingerprint((1 << 56) - 1 - low)).collect();
        known.iter().for_each(|fingerprint| seen.set(*fingerprint, Standing::live(1)));
        assert!(known.iter().all(|fingerprint| seen.get(*fingerprint) == Some(Standing::live(1))));
        assert_eq!(seen.get(Fingerprint(u64::MAX)), None);
    }

    #[test]
    fn a_part_that_was_read_out_is_the_same_when_it_is_loaded() {
        let mut chance = Chance::new(5);
        let (mut seen, mut again) = (SeenSet::default(), SeenSet::default());
        let known: Vec<_> = (0..5_000).map(|_| Fingerprint(chance.fork())).collect();
        for (at, fingerprint) in (0..).zip(&known) {
            let ended = Standing::Ended(Disposition::Skipped(SkipReason::Scope));
            seen.set(*fingerprint, if at % 3 == 0 { ended } else { Standing::live(at % 7) });
        }
        for shard in 0..SeenSet::SHARDS {
            let words: Vec<_> = seen.words(shard).collect();
            assert!(again.load(shard, words.into_iter()));
        }
        assert!(known.iter().all(|fingerprint| again.get(*fingerprint) == seen.get(*fingerprint)));
        assert_eq!((again.len(), again.tally()), (known.len(), seen.tally()));
        assert_eq!(again.tally().0 + again.tally().1[0].1, 5_000);
        assert!(!again.load(3, [0xff00_u64 | 0x3f].into_iter()), "no standing has this code");
    }
}
