//! Lets any thread learn cheaply that a URL was offered before, so that most links never reach the supervisor.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::url::Fingerprint;

const SLOT_BITS: u32 = 16;
const DEPTH_BITS: u32 = 16;

/// A small table of fingerprints that the frontier has seen, each with the smallest depth it was offered at.
///
/// One thread writes, after an offer was applied; any thread reads. An answer of "seen" is exact: the slot's number
/// stands for the upper 16 bits of the fingerprint and the slot holds the other 48. A forgotten entry costs one
/// needless offer, never a URL.
#[derive(Debug)]
pub struct SeenHints {
    slots: Box<[AtomicU64]>,
}

impl Default for SeenHints {
    fn default() -> Self {
        Self { slots: (0..1 << SLOT_BITS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl SeenHints {
    /// Whether this URL was offered at this depth or a smaller one.
    pub fn seen(&self, fingerprint: Fingerprint, depth: u32) -> bool {
        let (slot, low) = split(fingerprint);
        let held = self.slots.get(slot).map_or(0, |slot| slot.load(Ordering::Relaxed));
        held >> DEPTH_BITS == low && depth_bits(depth) >= held & ((1 << DEPTH_BITS) - 1) && held != 0
    }

    /// Notes that this URL was offered at this depth.
    pub fn note(&self, fingerprint: Fingerprint, depth: u32) {
        if self.seen(fingerprint, depth) {
            return;
        }
        let (slot, low) = split(fingerprint);
        if let Some(slot) = self.slots.get(slot) {
            slot.store(low << DEPTH_BITS | depth_bits(depth), Ordering::Relaxed);
        }
    }
}

const fn split(fingerprint: Fingerprint) -> (usize, u64) {
    let slot = (fingerprint.0 >> (64 - SLOT_BITS)) as usize;
    (slot, fingerprint.0 & (u64::MAX >> SLOT_BITS))
}

/// Depths of 65,534 and more are one: they only ever cost a needless offer.
fn depth_bits(depth: u32) -> u64 {
    u64::from(depth).min((1 << DEPTH_BITS) - 2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_noted_at_this_depth_is_seen() {
        let hints = SeenHints::default();
        let fingerprint = Fingerprint(0xabcd_0000_1234_5678);
        assert!(!hints.seen(fingerprint, 9));
        hints.note(fingerprint, 3);
        assert!(hints.seen(fingerprint, 3) && hints.seen(fingerprint, 4));
        assert!(!hints.seen(fingerprint, 2), "a smaller depth must reach the frontier");
        assert!(!hints.seen(Fingerprint(0xabcd_0000_1234_5679), 3), "the same slot, another URL");
        hints.note(fingerprint, 1);
        assert!(hints.seen(fingerprint, 2));
        hints.note(Fingerprint(0xabcd_0000_0000_0000), 0);
        assert!(!hints.seen(fingerprint, 2), "pushed out, not mistaken");
    }

    #[test]
    fn an_empty_table_has_seen_nothing() {
        let hints = SeenHints::default();
        assert!(!hints.seen(Fingerprint(0), 0) && !hints.seen(Fingerprint(1), u32::MAX));
    }
}
