//! Tells what came of one URL: as a JSON record for programs, and in two lines for people.

use std::time::Duration;

use dragline::core::fetch::{FetchResponse, Phase, TlsInfo};
use dragline::core::report::grouped;
use dragline::core::{CanonicalUrl, FetchError, Outcome};
use dragline::engine::follow::{Followed, RobotsWord};
use dragline::telemetry::escape;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What came of one URL.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) response: FetchResponse,
    last: Option<CanonicalUrl>,
    chain: Vec<CanonicalUrl>,
    robots: RobotsWord,
    robots_line: Option<u32>,
    waited: Duration,
}

/// The record of one URL, in the order in which people read it.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a> {
    url: &'a str,
    outcome: &'static str,
    status: Option<u16>,
    content_type: Option<&'a str>,
    bytes: usize,
    wire_bytes: u64,
    sha256: String,
    final_url: Option<&'a str>,
    chain: Vec<&'a str>,
    phases: PhasesRecord,
    peer: Option<String>,
    proxy: Option<&'a str>,
    http: Option<&'static str>,
    tls: Option<TlsRecord<'a>>,
    robots: &'static str,
    error: Option<ErrorRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct PhasesRecord {
    queue_ms: f64,
    dns_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    ttfb_ms: Option<f64>,
    body_ms: Option<f64>,
    total_ms: f64,
}

#[derive(Debug, Serialize)]
struct TlsRecord<'a> {
    version: &'static str,
    cipher: &'a str,
    alpn: Option<&'a str>,
    resumed: bool,
    unverified: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ErrorRecord<'a> {
    phase: &'static str,
    message: &'a str,
}

impl From<Followed> for Fetched {
    fn from(followed: Followed) -> Self {
        let Followed { response, url, chain, robots, robots_line, waited, attempts: _ } = followed;
        Self { response, last: Some(url), chain, robots, robots_line, waited }
    }
}

impl Fetched {
    /// Tells of a URL that was not even asked for.
    pub(super) fn failed(outcome: Outcome, message: impl Into<String>) -> Self {
        let response = FetchResponse::failed(outcome, Phase::Queue, message);
        let robots = RobotsWord::NotAsked;
        let (chain, waited) = (Vec::new(), Duration::ZERO);
        Self { response, last: None, chain, robots, robots_line: None, waited }
    }

    /// Whether it ended as one may wish.
    pub(super) const fn is_well(&self) -> bool {
        matches!(self.response.outcome, Outcome::Ok | Outcome::OkTruncated | Outcome::Redirect)
    }

    /// Makes the record of a URL as it was given.
    pub(super) fn record<'a>(&'a self, url: &'a str) -> Record<'a> {
        let response = &self.response;
        let timed = |phase| response.phases.get(phase).map(millis);
        let error =
            |error: &'a FetchError| ErrorRecord { phase: error.phase.name(), message: &error.message };
        Record {
            url,
            outcome: response.outcome.name(),
            status: response.status,
            content_type: response.headers.get_str("content-type"),
            bytes: response.body.len(),
            wire_bytes: response.body_wire_bytes,
            sha256: sha256(&response.body),
            final_url: self.last.as_ref().map(CanonicalUrl::as_str),
            chain: self.chain.iter().map(CanonicalUrl::as_str).collect(),
            phases: PhasesRecord {
                queue_ms: millis(self.waited),
                dns_ms: timed(Phase::Dns),
                connect_ms: timed(Phase::Connect),
                tls_ms: timed(Phase::Tls),
                ttfb_ms: timed(Phase::Ttfb),
                body_ms: timed(Phase::Body),
                total_ms: millis(response.phases.total),
            },
            peer: response.peer.map(|peer| peer.to_string()),
            proxy: response.proxy.as_deref(),
            http: response.status.map(|_| response.version.name()),
            tls: response.tls.as_deref().map(tls),
            robots: self.robots.name(),
            error: response.error.as_ref().map(error),
        }
    }

    /// Tells people how it went.
    pub(super) fn lines(&self) -> String {
        let response = &self.response;
        let mut parts = Vec::new();
        match response.status {
            Some(status) => {
                parts.push(format!("{status} {}", reason(status)).trim_end().to_owned());
                parts.push(format!("HTTP/{}", response.version.name()));
            }
            None => parts.push(response.outcome.name().into()),
        }
        if let Some(kind) = response.headers.get_str("content-type") {
            parts.push(escape::text(kind).into_owned());
        }
        if response.status.is_some() {
            parts.push(size(response.body.len()));
        }
        if let Some(peer) = response.peer {
            parts.push(format!("from {}", peer.ip()));
        }
        if let Some(proxy) = &response.proxy {
            parts.push(format!("through {proxy}"));
        }
        let timed = Phase::TIMED.into_iter().filter_map(|phase| {
            response.phases.get(phase).map(|span| format!("{} {}", phase.name(), short(span)))
        });
        let queue =
            (self.waited >= Duration::from_millis(1)).then(|| format!("queue {}", short(self.waited)));
        let mut times: Vec<String> = queue.into_iter().chain(timed).collect();
        times.push(format!("total {}", short(response.phases.total)));
        let error = match &response.error {
            Some(error) => {
                let (outcome, phase) = (response.outcome, error.phase.name());
                format!("\n{outcome} in {phase}: {}", escape::text(&error.message))
            }
            None => String::new(),
        };
        let mut robots = self.robots.name().replace('_', " ");
        if let Some(line) = self.robots_line {
            robots.push_str(&format!(" (line {line})"));
        }
        format!("{}\n{}   robots: {robots}{error}", parts.join("  "), times.join("  "))
    }
}

fn tls(info: &TlsInfo) -> TlsRecord<'_> {
    TlsRecord {
        version: info.version,
        cipher: &info.cipher,
        alpn: info.alpn.as_deref(),
        resumed: info.resumed,
        unverified: info.unverified.as_deref(),
    }
}

fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

fn sha256(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Writes a duration for people: `4 ms`, `0.3 ms`, `1.2 s`.
fn short(span: Duration) -> String {
    match span.as_millis() {
        0..=9 => format!("{:.1} ms", span.as_secs_f64() * 1_000.0),
        10..=999 => format!("{} ms", span.as_millis()),
        _ => format!("{:.1} s", span.as_secs_f64()),
    }
}

/// Writes a size for people: `312 B`, `1.2 KiB`, `3.4 MiB`.
fn size(bytes: usize) -> String {
    let tenths = |unit: usize| {
        let tenths = u64::try_from(bytes.saturating_mul(10) / unit).unwrap_or(u64::MAX);
        format!("{}.{}", grouped(tenths / 10), tenths % 10)
    };
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", tenths(1 << 10)),
        _ => format!("{} MiB", tenths(1 << 20)),
    }
}

/// Returns the usual words for a status: those of the server are its own and HTTP/2 has none.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        let check = |bytes, expected: &str| assert_eq!(size(bytes), expected);
        check(0, "0 B");
        check(1_023, "1023 B");
        check(1_280, "1.2 KiB");
        check(5 << 20, "5.0 MiB");
        let check = |micros, expected: &str| assert_eq!(short(Duration::from_micros(micros)), expected);
        check(300, "0.3 ms");
        check(12_345, "12 ms");
        check(1_250_000, "1.2 s");
    }

    #[test]
    fn hostile_text_does_not_reach_the_terminal() {
        let mut fetched = Fetched::failed(Outcome::Timeout, "\u{1b}[2J");
        fetched.response.headers =
            dragline::core::Headers::from_pairs([("Content-Type", "text/\u{202e}html")]);
        assert!(!fetched.lines().contains(['\u{1b}', '\u{202e}']), "{}", fetched.lines());
    }

    #[test]
    fn a_record_has_every_field() {
        let fetched = Fetched::failed(Outcome::InvalidUrl, "no");
        let line = serde_json::to_string(&fetched.record("given")).unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let expected = format!(
            "{{\"url\":\"given\",\"outcome\":\"invalid_url\",\"status\":null,\"content_type\":null,\"bytes\":0,\
             \"wire_bytes\":0,\"sha256\":\"{empty}\",\"final_url\":null,\"chain\":[],\"phases\":{{\"queue_ms\":0.0,\
             \"dns_ms\":null,\"connect_ms\":null,\"tls_ms\":null,\"ttfb_ms\":null,\"body_ms\":null,\"total_ms\":0.0}},\
             \"peer\":null,\"proxy\":null,\"http\":null,\"tls\":null,\"robots\":\"not_asked\",\
             \"error\":{{\"phase\":\"queue\",\"message\":\"no\"}}}}"
        );
        assert_eq!(line, expected);
    }
}
