//! Remembers every URL that was ever offered, by fingerprint, and where it stands.

use crate::disposition::{Disposition, FailKind, SkipReason};
use crate::outcome::Outcome;
use crate::url::Fingerprint;

/// The upper bits of a fingerprint choose the shard, so that growing moves one 256th of the URLs at a time.
const SHARD_BITS: u32 = 8;
/// Slots of a shard at the start.
const SLOTS_MIN: usize = 16;
/// A shard grows when more than this share of its slots is taken, in 16ths.
const FULL_SIXTEENTHS: usize = 14;

/// Where a URL that was offered stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not settled; the number of its record.
    Live(u32),
    /// Settled, or skipped when it was offered.
    Ended(Disposition),
}

/// An exact set of fingerprints, each with its standing: 12 bytes a slot, 14 to 18 bytes a URL.
///
/// # Source
/// Linear probing from a fast-range position (Lemire, "Fast Random Integer Generation in an Interval", 2019). The
/// fingerprints are keyed hashes, so that nobody outside can aim at one neighbourhood.
#[derive(Debug)]
pub struct SeenSet {
    shards: Vec<Shard>,
}

#[derive(Debug)]
struct Shard {
    slots: Box<[Slot]>,
    taken: usize,
}

/// Packed to 12 bytes: with padding a URL would cost a third more.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Slot {
    /// 0: free.
    fingerprint: u64,
    standing: u32,
}

const FREE: Slot = Slot { fingerprint: 0, standing: 0 };

impl Default for SeenSet {
    fn default() -> Self {
        let shard = || Shard { slots: vec![FREE; SLOTS_MIN].into(), taken: 0 };
        Self { shards: (0..1 << SHARD_BITS).map(|_| shard()).collect() }
    }
}

impl SeenSet {
    /// Returns the standing of a URL, if it was ever offered.
    pub fn get(&self, fingerprint: Fingerprint) -> Option<Standing> {
        let fingerprint = fingerprint.0.max(1);
        let shard = &self.shards[shard_of(fingerprint)];
        let slot = shard.slots[shard.find(fingerprint)];
        (slot.fingerprint == fingerprint).then(|| decode(slot.standing))
    }

    /// Sets the standing of a URL; adds the URL when it was not there.
    pub fn set(&mut self, fingerprint: Fingerprint, standing: Standing) {
        let fingerprint = fingerprint.0.max(1);
        let shard = &mut self.shards[shard_of(fingerprint)];
        let mut at = shard.find(fingerprint);
        if shard.slots[at].fingerprint == 0 {
            if (shard.taken + 1) * 16 > shard.slots.len() * FULL_SIXTEENTHS {
                shard.grow();
                at = shard.find(fingerprint);
            }
            shard.taken += 1;
        }
        shard.slots[at] = Slot { fingerprint, standing: encode(standing) };
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
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| size_of_val(&*shard.slots)).sum()
    }
}

impl Shard {
    /// Returns the slot that holds the fingerprint, or the free slot where it belongs.
    fn find(&self, fingerprint: u64) -> usize {
        let slots = &*self.slots;
        let mut at = position(fingerprint, slots.len());
        loop {
            let held = slots[at].fingerprint;
            if held == fingerprint || held == 0 {
                return at;
            }
            at += 1;
            if at == slots.len() {
                at = 0;
            }
        }
    }

    /// Grows by three tenths: doubling would leave half of the memory free on average.
    fn grow(&mut self) {
        let slots = self.slots.len() * 13 / 10 + SLOTS_MIN;
        let old = std::mem::replace(&mut self.slots, vec![FREE; slots].into());
        for slot in old {
            if slot.fingerprint != 0 {
                let at = self.find(slot.fingerprint);
                self.slots[at] = slot;
            }
        }
    }
}

const fn shard_of(fingerprint: u64) -> usize {
    (fingerprint >> (64 - SHARD_BITS)) as usize
}

/// Spreads the bits below the shard's over the slots.
fn position(fingerprint: u64, slots: usize) -> usize {
    let scaled = u128::from(fingerprint << SHARD_BITS) * slots as u128;
    usize::try_from(scaled >> 64).unwrap_or_default()
}

/// Set in the word of a URL that ended; the rest is the code of its disposition.
const ENDED: u32 = 1 << 31;
const FAILED: u32 = 0x100;
const SKIPPED: u32 = 0x200;
const HANDLER_KINDS: [FailKind; 3] =
    [FailKind::HandlerError, FailKind::HandlerPanic, FailKind::HandlerTimeout];

fn encode(standing: Standing) -> u32 {
    match standing {
        Standing::Live(number) => {
            assert!(number < ENDED, "2 billion unsettled URLs do not fit into memory");
            number
        }
        Standing::Ended(Disposition::Done) => ENDED,
        Standing::Ended(Disposition::Redirected) => ENDED | 1,
        Standing::Ended(Disposition::Failed(kind)) => {
            let code = match kind {
                FailKind::Fetch(outcome) => outcome as u32,
                FailKind::HandlerError => 0x80,
                FailKind::HandlerPanic => 0x81,
                FailKind::HandlerTimeout => 0x82,
            };
            ENDED | FAILED | code
        }
        Standing::Ended(Disposition::Skipped(reason)) => ENDED | SKIPPED | reason as u32,
    }
}

fn decode(word: u32) -> Standing {
    if word & ENDED == 0 {
        return Standing::Live(word);
    }
    let code = (word & 0x7f) as usize;
    Standing::Ended(match word & !ENDED & !0xff {
        FAILED if word & 0x80 != 0 => Disposition::Failed(HANDLER_KINDS[code]),
        FAILED => Disposition::Failed(FailKind::Fetch(Outcome::ALL[code])),
        SKIPPED => Disposition::Skipped(SkipReason::ALL[code]),
        _ if code == 0 => Disposition::Done,
        _ => Disposition::Redirected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn every_standing_is_kept_in_four_bytes() {
        let failed = FailKind::all().map(Disposition::Failed);
        let skipped = SkipReason::ALL.into_iter().map(Disposition::Skipped);
        let ended = [Disposition::Done, Disposition::Redirected].into_iter().chain(failed).chain(skipped);
        let live = [0, 7, ENDED - 1].into_iter().map(Standing::Live);
        for standing in ended.map(Standing::Ended).chain(live) {
            assert_eq!(decode(encode(standing)), standing);
        }
        assert_eq!(size_of::<Slot>(), 12);
    }

    #[test]
    fn what_was_set_is_found_and_nothing_else() {
        let mut seen = SeenSet::default();
        let mut chance = Chance::new(3);
        let known: Vec<_> = (0..40_000).map(|_| Fingerprint(chance.fork())).collect();
        for (number, fingerprint) in (0..).zip(&known) {
            assert_eq!(seen.get(*fingerprint), None);
            seen.set(*fingerprint, Standing::Live(number));
        }
        assert_eq!(seen.len(), known.len());
        for (number, fingerprint) in (0..).zip(&known) {
            assert_eq!(seen.get(*fingerprint), Some(Standing::Live(number)));
            seen.set(*fingerprint, Standing::Ended(Disposition::Done));
        }
        assert_eq!(seen.len(), known.len(), "a standing that changes is no new URL");
        assert!((0..1_000).all(|_| seen.get(Fingerprint(chance.fork())).is_none()));
        assert!(seen.bytes() < 20 * known.len(), "{} bytes a URL", seen.bytes() / known.len());
    }

    #[test]
    fn neighbours_that_wrap_around_the_end_are_found() {
        let mut seen = SeenSet::default();
        let known: Vec<_> = (0..200).map(|low| Fingerprint((1 << 56) - 1 - low)).collect();
        known.iter().for_each(|fingerprint| seen.set(*fingerprint, Standing::Live(1)));
        assert!(known.iter().all(|fingerprint| seen.get(*fingerprint) == Some(Standing::Live(1))));
        assert_eq!(seen.get(Fingerprint(u64::MAX)), None);
        assert_eq!(seen.get(Fingerprint(0)), seen.get(Fingerprint(1)));
    }
}
