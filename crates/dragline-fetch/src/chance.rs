//! Draws numbers that nobody can foretell: the one place of this crate that does.

use rustls::crypto::ring;

/// Returns a number that a server cannot foretell, for what proves who we are.
pub(crate) fn unforeseen() -> u64 {
    let mut octets = [0; 8];
    // The system's generator fails on no machine that has got as far as a TLS configuration; zeros still make an answer.
    let filled = ring::default_provider().secure_random.fill(&mut octets);
    if filled.is_ok() { u64::from_be_bytes(octets) } else { 0 }
}
