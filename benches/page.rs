//! Measures what is done to each page and link: the scanner, the resolver, canonical URLs, the whole extraction.
//!
//! `cargo bench --bench page [-- FILE...]`: reads the HTML files given, else a generated page of documentation.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline::core::url::Fingerprinter;
use dragline::core::{CanonicalUrl, Headers, Page, Phases, Wall};
use dragline::page::scanner::Scanner;
use dragline::page::{ExtractRules, extract};

/// How long each step is repeated.
const SPAN: Duration = Duration::from_millis(700);

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let bodies: Vec<Vec<u8>> = match files.as_slice() {
        [] => vec![generated()],
        files => files.iter().map(|file| std::fs::read(file).expect("the file is readable")).collect(),
    };
    let pages: Vec<Page> = bodies.iter().map(|body| page(body)).collect();
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    let links: usize = pages.iter().map(|page| extract(page, &rules()).outlinks.len()).sum();
    println!("{} pages, {bytes} bytes, {links} links", pages.len());
    let megabytes = bytes as f64 / 1e6;
    let scan = repeat(|| {
        bodies.iter().for_each(|body| {
            black_box(Scanner::new(body).count());
        })
    });
    println!("scan          {:>8.0} MB/s", megabytes / scan);
    let whole = repeat(|| pages.iter().for_each(|page| drop(black_box(extract(page, &rules())))));
    println!("extract       {:>8.0} MB/s  {:>6.0} ns a link", megabytes / whole, whole * 1e9 / links as f64);
    let found: Vec<String> = pages
        .iter()
        .flat_map(|page| {
            extract(page, &rules()).outlinks.iter().map(|(text, _)| text.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let parse = repeat(|| found.iter().for_each(|text| drop(black_box(CanonicalUrl::parse(text)))));
    println!("parse URL     {:>8.0} ns", parse * 1e9 / links as f64);
    let known = repeat(|| found.iter().for_each(|text| drop(black_box(CanonicalUrl::from_canonical(text)))));
    println!("take URL      {:>8.0} ns", known * 1e9 / links as f64);
    let key = Fingerprinter::new(7);
    let print = repeat(|| {
        found.iter().for_each(|text| {
            black_box(key.of_canonical(text));
        })
    });
    println!("fingerprint   {:>8.1} ns", print * 1e9 / links as f64);
}

fn rules() -> ExtractRules {
    ExtractRules { links_per_page_max: usize::MAX, ..ExtractRules::default() }
}

/// Returns the seconds of one round: the fastest of several, which noise disturbs least.
fn repeat(mut round: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut fastest = f64::MAX;
    while begun.elapsed() < SPAN {
        let start = Instant::now();
        round();
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    fastest
}

fn page(body: &[u8]) -> Page {
    Page {
        url: CanonicalUrl::parse("http://docs.example/library/index.html").expect("a URL"),
        status: 200,
        headers: Headers::from_pairs([("Content-Type", "text/html")]),
        body: body.to_vec().into(),
        truncated: false,
        depth: 1,
        label: None,
        data: None,
        referrer: None,
        chain: Arc::new([]),
        attempt: 1,
        phases: Phases::default(),
        fetched_at: Wall::default(),
        peer: None,
        body_wire_bytes: 0,
        hold: None,
    }
}

fn generated() -> Vec<u8> {
    let mut html = String::from("<!DOCTYPE html><html><head><title>Reference</title></head><body><ul>");
    for number in 0..2_000 {
        html.push_str(&format!(
            "<li class=\"toctree-l1\"><a class=\"reference internal\" href=\"../section-{}/item-{number}.html#part\">\
             Item {number}</a> explains what the item is for, how it is used and where it comes from.</li>\n",
            number % 37
        ));
    }
    html.push_str("</ul></body></html>");
    html.into_bytes()
}
