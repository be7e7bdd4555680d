//! Throws arbitrary challenges at a keyring: what it answers can always be sent, and only to its own origin.

use bytes::Bytes;
use dragline_core::auth::{Credentials, Keyring, Secret};
use dragline_core::chance::Chance;
use dragline_core::{CanonicalUrl, Headers};

/// Pieces of which challenges are made, good and bad.
const PIECES: [&str; 24] = [
    "Digest realm=\"a\", nonce=\"b\"",
    "Digest ",
    "Basic realm=x",
    "Negotiate abc==",
    "realm=",
    "nonce=",
    "opaque=\"",
    "qop=\"auth, auth-int\"",
    "qop=auth-int",
    "algorithm=SHA-256",
    "algorithm=MD5-sess",
    "algorithm=\"SHA-512-256\"",
    "stale=true",
    "userhash=true",
    "charset=UTF-8",
    "\\\"",
    "\\",
    "\"",
    ",",
    ", ",
    "=",
    " \t",
    "\u{fc}\u{1f577}",
    "\u{1}",
];

fn index(chance: &mut Chance, len: usize) -> usize {
    usize::try_from(chance.below(len as u64)).expect("an index")
}

fn some_field(chance: &mut Chance) -> Vec<u8> {
    let mut field = Vec::new();
    for _ in 0..chance.below(14) {
        match chance.below(12) {
            0 => {
                let octets =
                    (0..chance.below(20)).map(|_| u8::try_from(chance.below(256)).expect("an octet"));
                field.extend(octets.filter(|octet| !matches!(octet, b'\r' | b'\n')));
            }
            1 if chance.below(20) == 0 => field.extend(std::iter::repeat_n(b'v', index(chance, 6_000))),
            _ => field.extend(PIECES[index(chance, PIECES.len())].as_bytes()),
        }
    }
    field
}

/// Sends arbitrary challenges and checks every answer; returns how many challenges could be answered.
fn check(seed: u64) -> u32 {
    let mut chance = Chance::new(seed);
    let url = |text: &str| CanonicalUrl::parse(text).expect("a URL");
    let (own, other) = (url("http://a.org/?\"\\"), url("http://b.org/"));
    let (user, password) = ("me\"\\\u{fc}".to_owned(), Secret::new("open sesame"));
    let ring = Keyring::new(vec![(own.origin(), Credentials::Digest { user, password })]);
    let mut learnt = 0;
    let mut sent = None;
    for _ in 0..500 {
        let mut head = b"HTTP/1.1 401 Unauthorized\r\n".to_vec();
        for _ in 0..1 + chance.below(2) {
            head.extend(b"WWW-Authenticate: ");
            head.extend(some_field(&mut chance));
            head.extend(b"\r\n");
        }
        let headers = Headers::parse(Bytes::from(head));
        assert!(!ring.learn(&other, None, &headers), "seed {seed}");
        learnt += u32::from(ring.learn(&own, sent.as_deref(), &headers));
        assert_eq!(ring.authorization(&other, "GET", 1), None, "seed {seed}");
        sent = ring.authorization(&own, "GET", chance.fork());
        let field = sent.clone().unwrap_or_else(|| "Digest username".into());
        assert!(field.starts_with("Digest username"), "seed {seed}: {field:?}");
        assert!(
            !field.contains(|letter: char| letter.is_control() || letter == '\u{fffd}'),
            "seed {seed}: {field:?}"
        );
        assert!(!field.contains("sesame"), "seed {seed}: {field:?}");
        assert!(field.len() < 10_000, "seed {seed}: {}", field.len());
    }
    learnt
}

#[test]
fn an_answer_to_arbitrary_challenges_can_always_be_sent() {
    for seed in 0..40 {
        assert!(check(seed) > 0, "seed {seed}");
    }
}
