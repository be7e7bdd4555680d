//! Feeds arbitrary and damaged answers to what speaks with proxies.

use dragline_core::chance::Chance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Destination, Host, http_connect, rewrite, socks5};

/// Answers that are tried; each has a seed of its own, which a failure names.
const SEEDS: u64 = 3_000;
/// What stands behind a consent, which nobody may have read.
const BEHIND: &[u8] = b"behind";

fn below(chance: &mut Chance, bound: usize) -> usize {
    usize::try_from(chance.below(bound as u64)).unwrap()
}

/// Draws an answer: a good one, cut or changed in places.
fn draw(chance: &mut Chance, good: &[&[u8]]) -> Vec<u8> {
    let mut answer = good[below(chance, good.len())].to_vec();
    for _ in 0..below(chance, 3) {
        let at = below(chance, answer.len());
        answer[at] = u8::try_from(chance.below(256)).unwrap();
    }
    if below(chance, 3) == 0 {
        answer.truncate(below(chance, answer.len() + 1));
    }
    answer
}

/// Lets a client speak with a proxy that sends these bytes and closes; returns what it left unread after a consent.
async fn left(socks: bool, answer: &[u8]) -> Option<Vec<u8>> {
    let (mut ours, mut theirs) = tokio::io::duplex(4_096);
    theirs.write_all(answer).await.unwrap();
    theirs.shutdown().await.unwrap();
    let destination = Destination { host: Host::Name("a.site.test"), port: 443 };
    let consent = if socks {
        socks5(&mut ours, destination, Some(("user", "password"))).await
    } else {
        http_connect(&mut ours, destination, Some("Basic eA==")).await
    };
    consent.ok()?;
    let mut rest = Vec::new();
    ours.read_to_end(&mut rest).await.unwrap();
    Some(rest)
}

#[tokio::test]
async fn an_http_proxy_that_consents_has_sent_a_whole_head_and_no_more() {
    let good: [&[u8]; 3] = [
        b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n",
        b"HTTP/1.0 204\n\n",
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n",
    ];
    let mut consents = 0;
    for seed in 0..SEEDS {
        let mut chance = Chance::new(seed);
        let answer = draw(&mut chance, &good);
        if let Some(rest) = left(false, &answer).await {
            assert!(answer.starts_with(b"HTTP/1."), "seed {seed}");
            assert!(answer.ends_with(b"\r\n\r\n") || answer.ends_with(b"\n\n"), "seed {seed}");
            assert_eq!(rest, b"", "seed {seed}");
            consents += 1;
        }
    }
    assert!(consents > SEEDS / 10 && consents < SEEDS / 10 * 9, "{consents} consents");
}

#[tokio::test]
async fn a_socks_proxy_that_consents_leaves_the_targets_bytes_alone() {
    let good: [&[u8]; 4] = [
        &[5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 80],
        &[5, 2, 1, 0, 5, 0, 0, 3, 2, 8, 9, 0, 80],
        &[5, 0, 5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80],
        &[5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0],
    ];
    for seed in 0..SEEDS {
        let mut chance = Chance::new(seed);
        let answer = [draw(&mut chance, &good).as_slice(), BEHIND].concat();
        if let Some(rest) = left(true, &answer).await {
            assert_eq!(answer.first(), Some(&5), "seed {seed}");
            assert!(answer.ends_with(&rest), "seed {seed}");
        }
        for whole in good.into_iter().take(3) {
            assert_eq!(left(true, &[whole, BEHIND].concat()).await.as_deref(), Some(BEHIND));
        }
    }
}

#[test]
fn a_rewritten_request_holds_every_byte_of_the_first() {
    let good: [&[u8]; 2] = [b"GET /a/b?c HTTP/1.1\r\nhost: x\r\n\r\n", b"POST / HTTP/1.1\nhost: x\n\nbody"];
    for seed in 0..SEEDS {
        let first = draw(&mut Chance::new(seed), &good);
        let rewritten = rewrite(&first, "a.test", Some("Basic eA=="));
        let added = b"http://a.test".len() + b"proxy-authorization: Basic eA==\r\n".len();
        let grown = rewritten.len() - first.len();
        assert!(grown == 0 || grown == added, "seed {seed}");
        let mut rest = rewritten.iter();
        assert!(first.iter().all(|octet| rest.any(|kept| kept == octet)), "seed {seed}");
    }
}
