//! Feeds arbitrary, damaged and oddly split bytes to everything that reads what a server sends.

use std::io::Write;

use dragline_core::Headers;
use dragline_core::chance::Chance;
use dragline_core::fetch::{FetchLimits, Method};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::decode::{Damaged, STEP_BYTES, Setup, setup};
use crate::framing::Meter;
use crate::head::{HeadRepair, HeadStep};

/// Responses and bodies that are tried; each has a seed of its own, which a failure names.
const SEEDS: u64 = 6_000;

/// Draws what is tried.
struct Draw(Chance);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let alphabet = self.below(255) + 1;
        (0..self.below(most + 1)).map(|_| u8::try_from(self.below(alphabet)).unwrap()).collect()
    }

    /// Cuts bytes into pieces.
    fn pieces<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let most = if self.one_in(3) { 4 } else { 400 };
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at((self.below(most) + 1).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }

    /// Flips, drops or doubles some bytes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                _ => bytes.insert(at, bytes[at]),
            }
        }
    }

    /// Makes a response of a body: bytes as a correct server could send them.
    fn response(&mut self, body: &[u8]) -> Vec<u8> {
        let end = self.pick(&["\r\n", "\n"]);
        let mut sent = Vec::new();
        for _ in 0..self.below(3) {
            write!(sent, "HTTP/1.1 103 Early{end}Link: x{end}{end}").unwrap();
        }
        write!(sent, "HTTP/1.{} 200{}{end}", self.below(2), self.pick(&["", " ", " OK"])).unwrap();
        for _ in 0..self.below(4) {
            write!(sent, "X-{}:{}{}{end}", self.below(9), self.pick(&["", " a", "\t"]), self.below(99))
                .unwrap();
            if self.one_in(4) {
                write!(sent, " folded{end}").unwrap();
            }
        }
        match self.below(3) {
            0 => {
                write!(
                    sent,
                    "{}: {}{end}{end}",
                    self.pick(&["Content-Length", "content-length"]),
                    body.len()
                )
                .unwrap();
                sent.extend_from_slice(body);
            }
            1 => {
                write!(sent, "Transfer-Encoding: {}{end}{end}", self.pick(&["chunked", "Chunked"])).unwrap();
                for chunk in self.pieces(body) {
                    write!(sent, "{:x}{}{end}", chunk.len(), self.pick(&["", ";a=b", " ", ";c=\"d\""]))
                        .unwrap();
                    sent.extend_from_slice(chunk);
                    write!(sent, "{end}").unwrap();
                }
                write!(sent, "0{end}{}{end}", self.pick(&["", "T: u\r\n"])).unwrap();
            }
            _ => {
                write!(sent, "Connection: close{end}{end}").unwrap();
                sent.extend_from_slice(body);
            }
        }
        sent
    }
}

/// What the readers make of a response: its body when it is whole, or why it is none.
fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut repair = HeadRepair::new(Method::Get, &FetchLimits::default());
    let mut meter = None;
    let mut body = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        if meter.is_none() {
            match repair.push(rest).map_err(|fault| fault.to_string())? {
                HeadStep::More => continue,
                HeadStep::Final(used, head) => {
                    meter = Some(Meter::new(head.framing));
                    rest = &rest[used..];
                }
            }
        }
        let meter = meter.as_mut().unwrap();
        let used = meter.feed(rest, &mut body).map_err(|fault| fault.to_string())?;
        assert!(used == rest.len() || meter.is_whole());
    }
    match meter {
        None => Err("no head".into()),
        Some(meter) if meter.is_whole_at_close() => Ok(body),
        Some(_) => Err("cut short".into()),
    }
}

#[test]
fn a_response_is_read_as_it_was_sent_however_it_arrives() {
    for seed in 0..SEEDS {
        let mut draw = Draw(Chance::new(seed));
        let body = draw.bytes(2_000);
        let sent = draw.response(&body);
        let pieces = draw.pieces(&sent);
        assert_eq!(read(&pieces).as_deref(), Ok(body.as_slice()), "seed {seed}");
    }
}

#[test]
fn a_damaged_response_is_read_alike_however_it_arrives() {
    for seed in 0..SEEDS {
        let mut draw = Draw(Chance::new(seed));
        let body = draw.bytes(500);
        let mut sent = if draw.one_in(8) { draw.bytes(3_000) } else { draw.response(&body) };
        draw.damage(&mut sent);
        let whole = read(&[&sent]);
        let pieces = draw.pieces(&sent);
        assert_eq!(read(&pieces), whole, "seed {seed}");
    }
}

/// Encodes a body.
fn encode(coding: &str, body: &[u8]) -> Vec<u8> {
    let fast = Compression::fast();
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), fast);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), fast);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "raw" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), fast);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4_096, 3, 18);
            encoder.write_all(body).unwrap();
            encoder.into_inner()
        }
        "zstd" => {
            let mut out = vec![0; zstd_safe::compress_bound(body.len())];
            let count = zstd_safe::compress(out.as_mut_slice(), body, 1).unwrap();
            out.truncate(count);
            out
        }
        other => panic!("{other}"),
    }
}

/// What the decoders make of pieces: the body when it is whole, or why it is none.
fn decode(codings: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
    const DECODED_MAX: usize = 64 << 20;
    let headers = Headers::from_pairs([("Content-Encoding", codings)]);
    let Setup::Coded(mut pipeline) = setup(&headers, 2) else { panic!("{codings}") };
    let mut body = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            let step = pipeline.next(&mut input).map_err(|Damaged(coding)| format!("damaged {coding}"))?;
            let Some(made) = step else { break };
            assert!(!made.is_empty() && made.len() <= STEP_BYTES);
            body.extend_from_slice(made);
            if body.len() > DECODED_MAX {
                return Err("a bomb".into());
            }
        }
        assert!(input.is_empty());
    }
    if pipeline.is_whole() { Ok(body) } else { Err("cut short".into()) }
}

const CODINGS: [&str; 5] = ["gzip", "deflate", "raw", "br", "zstd"];

fn draw_coded(draw: &mut Draw, body: &[u8]) -> (String, Vec<u8>) {
    let named = |coding: &str| if coding == "raw" { "deflate".to_owned() } else { coding.to_owned() };
    let inner = draw.pick(&CODINGS);
    let coded = encode(inner, body);
    if draw.one_in(3) {
        let outer = draw.pick(&CODINGS);
        return (format!("{}, {}", named(inner), named(outer)), encode(outer, &coded));
    }
    (named(inner), coded)
}

#[test]
fn what_was_coded_is_decoded_however_it_arrives() {
    for seed in 0..SEEDS / 6 {
        let mut draw = Draw(Chance::new(seed));
        let body = if draw.one_in(9) { vec![b'z'; 300_000] } else { draw.bytes(3_000) };
        let (codings, coded) = draw_coded(&mut draw, &body);
        let pieces = draw.pieces(&coded);
        let decoded = decode(&codings, &pieces);
        assert!(decoded.as_deref() == Ok(body.as_slice()), "seed {seed}: {codings}");
    }
}

#[test]
fn damaged_codings_end_alike_however_they_arrive() {
    for seed in 0..SEEDS / 6 {
        let mut draw = Draw(Chance::new(seed));
        let body = draw.bytes(2_000);
        let (codings, mut coded) = draw_coded(&mut draw, &body);
        if draw.one_in(4) {
            coded = draw.bytes(500);
        }
        draw.damage(&mut coded);
        let whole = decode(&codings, &[&coded]);
        let pieces = draw.pieces(&coded);
        // Of two layers either may be the first to complain.
        assert!(decode(&codings, &pieces).ok() == whole.ok(), "seed {seed}: {codings}");
    }
}
