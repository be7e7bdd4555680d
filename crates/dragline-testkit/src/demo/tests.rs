//! Checks the demo against itself: the same seed gives the same site, and a crawler that knows nothing of the model
//! counts what the model expects.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;

const ORIGINS: [&str; 5] = [
    "http://127.0.0.1:81",
    "http://127.0.0.2:82",
    "http://127.0.0.3:83",
    "http://127.0.0.4:84",
    "http://127.0.0.5:85",
];

fn generated(seed: u64) -> (Vec<String>, DemoExpectation) {
    let web = Web::generate(seed, &ORIGINS.map(String::from));
    let expected = DemoExpectation::of(&web);
    let paths =
        web.hosts.iter().flat_map(|host| host.paths.iter().map(|(path, fate)| format!("{path} {fate:?}")));
    (paths.collect(), expected)
}

#[test]
fn a_seed_gives_one_site_and_every_seed_the_same_counts() {
    let (first, counts) = generated(1);
    assert_eq!((first.clone(), counts.clone()), generated(1));
    let (other, other_counts) = generated(2);
    assert_ne!(first, other);
    assert_eq!(counts, other_counts);
    assert!(counts.adds_up());
    assert!((950..1_100).contains(&counts.done), "{counts:?}");
}

/// Fetches one URL over a connection of its own; the text is empty unless it is a page.
fn get(url: &CanonicalUrl) -> Option<(u16, BTreeMap<String, String>, Vec<u8>)> {
    let mut stream = TcpStream::connect(url.authority()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (path, host) = (url.path_and_query(), url.authority());
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = memchr::memmem::find(&bytes, b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().unwrap();
    let field =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<_, _> = lines.filter_map(field).collect();
    let body = bytes.split_off(end + 4);
    let whole = headers.get("content-length").is_none_or(|length| length.parse() == Ok(body.len()));
    whole.then_some((status, headers, body))
}

/// Reads a page's links the simplest way that works on this site: (base, whether nofollow, href and whether nofollow).
fn links(html: &str) -> (Option<&str>, bool, Vec<(String, bool)>) {
    let between = |text: &'static str| html.split_once(text).and_then(|(_, rest)| rest.split('"').next());
    let anchors = html.split("<a href=\"").skip(1).map(|rest| {
        let (href, tail) = rest.split_once('"').unwrap();
        (href.replace("&amp;", "&"), tail.starts_with(" rel=\"nofollow\""))
    });
    (between("<base href=\""), html.contains("content=\"nofollow\""), anchors.collect())
}

/// Counts how the URLs of the demo end, by words.
#[derive(Default)]
struct Naive {
    ends: BTreeMap<&'static str, u64>,
    known: BTreeSet<String>,
    waiting: VecDeque<(CanonicalUrl, u32, bool)>,
}

impl Naive {
    fn end(&mut self, how: &'static str) {
        *self.ends.entry(how).or_default() += 1;
    }

    fn offer(&mut self, hosts: &[String], url: CanonicalUrl, depth: u32, by_redirect: bool) {
        let key = url.dedupe_key().into_owned();
        if !self.known.insert(key.clone()) {
            return;
        }
        if !hosts.iter().any(|host| host == url.authority()) {
            self.end("scope");
        } else if key.contains("/private/file-") {
            self.end("robots");
        } else if key.contains("turn/turn/turn/turn/") || url.query().is_some_and(|query| query.len() > 1_024)
        {
            self.end("trap");
        } else {
            self.waiting.push_back((url, depth, by_redirect));
        }
    }

    fn visit(&mut self, hosts: &[String], url: &CanonicalUrl, depth: u32, by_redirect: bool) {
        let mut answer = get(url);
        if matches!(answer, Some((429 | 500, ..))) {
            answer = get(url);
        }
        match answer {
            None => self.end("damaged"),
            Some((300..400, headers, _)) => {
                let target = url.join(&headers["location"]).unwrap();
                if target.dedupe_key() == url.dedupe_key() {
                    self.visit(hosts, &target, depth, by_redirect);
                } else if by_redirect && url.path() == "/loop/b" {
                    self.end("redirect_error");
                } else {
                    self.end("redirected");
                    self.offer(hosts, target, depth, true);
                }
            }
            Some((400.., ..)) => self.end("http_error"),
            Some((_, headers, body)) => {
                let mut text = Vec::new();
                if !headers.contains_key("content-encoding") {
                    text = body;
                } else if flate2::read::GzDecoder::new(&*body).read_to_end(&mut text).is_err()
                    || text.len() > 10 << 20
                {
                    return self.end("damaged");
                }
                self.end("done");
                if headers.get("content-type").is_some_and(|value| value.starts_with("text/html")) {
                    self.follow(hosts, url, depth, &String::from_utf8(text).unwrap());
                }
            }
        }
    }

    fn follow(&mut self, hosts: &[String], url: &CanonicalUrl, depth: u32, html: &str) {
        let (base, none, anchors) = links(html);
        let base = base.map_or_else(|| url.clone(), |base| url.join(base).unwrap());
        for (href, nofollow) in anchors {
            match base.join(&href) {
                _ if none || nofollow => self.end("nofollow"),
                Err(_) => {}
                Ok(target) if target.as_str().len() > 8_192 => self.end("too_long"),
                Ok(_) if depth >= 20 => self.end("depth"),
                Ok(target) => self.offer(hosts, target, depth + 1, false),
            }
        }
    }
}

#[test]
fn a_naive_crawler_counts_what_is_expected() {
    let demo = DemoSite::start_seeded(7).unwrap();
    let hosts = demo.hosts();
    let mut naive = Naive::default();
    for seed in demo.seeds() {
        naive.offer(&hosts, seed, 0, false);
    }
    // Last in, first out: an order as unlike the model's as can be.
    while let Some((url, depth, by_redirect)) = naive.waiting.pop_back() {
        naive.visit(&hosts, &url, depth, by_redirect);
    }
    let expected = demo.expected();
    let failed =
        |name: &str| expected.failed.iter().find(|(kind, _)| kind.name() == name).map_or(0, |(_, n)| *n);
    let skipped =
        |name: &str| expected.skipped.iter().find(|(kind, _)| kind.name() == name).map_or(0, |(_, n)| *n);
    let refused =
        |name: &str| expected.refused.iter().find(|(kind, _)| kind.name() == name).map_or(0, |(_, n)| *n);
    let damaged = ["incomplete", "decode_error", "protocol_error", "too_large"].map(failed).iter().sum();
    let check =
        |name: &str, count: u64| assert_eq!(naive.ends.get(name).copied().unwrap_or(0), count, "{name}");
    check("done", expected.done);
    check("redirected", expected.redirected);
    check("http_error", failed("http_error"));
    check("redirect_error", failed("redirect_error"));
    check("damaged", damaged);
    assert_eq!(damaged, 4);
    for reason in ["scope", "robots", "trap"] {
        check(reason, skipped(reason));
        assert!(skipped(reason) > 0, "{reason}");
    }
    for refusal in ["nofollow", "too_long", "depth"] {
        check(refusal, refused(refusal));
        assert!(refused(refusal) > 0, "{refusal}");
    }
    assert_eq!(u64::try_from(naive.known.len()).unwrap(), expected.discovered);
    assert_eq!(expected.retries, 6);
}
