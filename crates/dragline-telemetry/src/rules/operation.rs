//! Decides when the crawl itself goes wrong: down, stalled, failing, refused.

use super::alerts::{Alert, Case, Severity, series};
use super::recordings::{FAILURE_RATIO, RATE};
use crate::names::{FETCHES, FRONTIER_URLS, RESPONSES, ROBOTS_DECISIONS, STATE};

/// Returns the alerts about the crawl itself.
pub(super) fn alerts() -> Vec<Alert> {
    vec![down(), stalled(), out_of_space(), failing(), rate_limited(), robots_unreachable()]
}

fn down() -> Alert {
    Alert {
        name: "CrawlDown",
        expr: r#"up{job=~"dragline.*"} == 0"#.into(),
        hold: Some("2m"),
        severity: Severity::Page,
        summary: "{{ $labels.instance }} does not answer scrapes",
        meaning: "Prometheus cannot read `/metrics`. The process ended, hangs, or its admin address is not reachable.",
        steps: &[
            "Is the process there? Its exit code tells how it ended: 0 done, 4 could not start, 5 internal, 6 storage.",
            "Read the end of its log (stderr).",
            "The frontier was in memory: `dragline run` with another `--out` begins anew; the old results stay as they are.",
            "The process is there: compare `[admin] listen` with the target in `prometheus.yml`.",
        ],
        case: Case {
            series: vec![(series("up", ""), "1x5 0x10")],
            quiet_at: "6m",
            fires_at: "10m",
            labels: &[("job", "dragline"), ("instance", "a")],
            summary: "a does not answer scrapes",
        },
    }
}

fn stalled() -> Alert {
    let (fetches, urls, state) = (FETCHES.name, FRONTIER_URLS.name, STATE.name);
    Alert {
        name: "CrawlStalled",
        expr: format!(
            "sum by (job, instance) (rate({fetches}[5m])) == 0\n  \
             and on (job, instance) sum by (job, instance) ({urls}{{state=\"ready\"}}) > 0\n  \
             and on (job, instance) {state}{{state=\"running\"}} == 1"
        ),
        hold: Some("5m"),
        severity: Severity::Page,
        summary: "URLs are ready but nothing is fetched",
        meaning: "The crawl runs and has URLs whose hosts are due, yet no fetch has ended for ten minutes.",
        steps: &[
            "Row *Frontier*, panel *Credits in use*: an edge at 100% is what everything waits for.",
            "Edge `handler`: see *Handler p95*; a handler that hangs is replaced after its timeout.",
            "Edge `sink`: the disk is slow. *Commit time* tells how long it takes to make pages durable; a crawl is no faster \
             than `[state] uncommitted_max` pages in that time.",
            "Panel *Arbiter lag p99*: a blocked thread stops every actor on it.",
            "Nothing helps: SIGTERM finishes what is in flight, a second one stops at once; both write the report.",
        ],
        case: Case {
            series: vec![
                (series(fetches, r#"class="2xx""#), "0+600x10 6000x20"),
                (series(urls, r#"state="ready""#), "50x30"),
                (series(state, r#"state="running""#), "1x30"),
            ],
            quiet_at: "10m",
            fires_at: "25m",
            labels: &[("job", "dragline"), ("instance", "a")],
            summary: "URLs are ready but nothing is fetched",
        },
    }
}

fn out_of_space() -> Alert {
    let state = STATE.name;
    Alert {
        name: "CrawlOutOfSpace",
        expr: format!("{state}{{state=\"waiting_for_space\"}} == 1"),
        hold: Some("2m"),
        severity: Severity::Page,
        summary: "The crawl waits for space on a disk",
        meaning: "A disk is full, or has less free than `[state] disk_free_min`. Nothing is lost and nothing is fetched.",
        steps: &[
            "The log says `the crawl stands still until there is space`, with the file or folder.",
            "Make room there, or raise the quota; the crawl goes on by itself within seconds.",
            "There is room, but less than is asked for: lower `[state] disk_free_min`, and start again.",
            "SIGTERM finishes what is in flight and then needs space for the last commit; a second one stops without it.",
        ],
        case: Case {
            series: vec![
                (series(state, r#"state="waiting_for_space""#), "0x5 1x10"),
                (series(state, r#"state="running""#), "1x5 0x10"),
            ],
            quiet_at: "6m",
            fires_at: "10m",
            labels: &[("job", "dragline"), ("instance", "a"), ("state", "waiting_for_space")],
            summary: "The crawl waits for space on a disk",
        },
    }
}

fn failing() -> Alert {
    Alert {
        name: "CrawlFailureRatioHigh",
        expr: format!("{FAILURE_RATIO} > 0.2\n  and on (job) {RATE} > 1"),
        hold: Some("10m"),
        severity: Severity::Ticket,
        summary: "{{ $value | humanizePercentage }} of fetches fail",
        meaning: "More than a fifth of all fetches end with a 5xx status or without a usable response.",
        steps: &[
            "Panel *Errors by kind*: `dns_error` and `connect_error` on many hosts point at our own network.",
            "`tls_error` or `proxy_error`: a certificate store or a proxy of ours.",
            "`pages.jsonl` names the URLs with their `kind`; one host behind most of them is that host's trouble.",
        ],
        case: Case {
            series: vec![
                (series(FETCHES.name, r#"class="2xx""#), "0+60x30"),
                (series(FETCHES.name, r#"class="error""#), "0+60x30"),
            ],
            quiet_at: "5m",
            fires_at: "20m",
            labels: &[("job", "dragline")],
            summary: "50% of fetches fail",
        },
    }
}

fn rate_limited() -> Alert {
    let responses = RESPONSES.name;
    Alert {
        name: "CrawlRateLimited",
        expr: format!(
            "sum by (job) (rate({responses}{{code=\"429\"}}[15m]))\n  \
             / (sum by (job) (rate({responses}[15m])) > 0) > 0.02"
        ),
        hold: Some("15m"),
        severity: Severity::Ticket,
        summary: "{{ $value | humanizePercentage }} of responses are 429: slow down",
        meaning: "Sites say that we ask too often. Each such host is left alone for as long as it asks.",
        steps: &[
            "`pages.jsonl` names the URLs whose `status` is 429.",
            "Raise `[politeness] delay`, or add a rule for these hosts.",
            "Lower `[politeness] concurrency` when it is above 1.",
        ],
        case: Case {
            series: vec![
                (series(responses, r#"code="200""#), "0+94x60"),
                (series(responses, r#"code="429""#), "0+6x60"),
            ],
            quiet_at: "10m",
            fires_at: "40m",
            labels: &[("job", "dragline")],
            summary: "6% of responses are 429: slow down",
        },
    }
}

fn robots_unreachable() -> Alert {
    let decisions = ROBOTS_DECISIONS.name;
    Alert {
        name: "CrawlRobotsUnreachable",
        expr: format!(
            "sum by (job) (rate({decisions}{{decision=\"assumed_disallowed\"}}[15m]))\n  \
             / (sum by (job) (rate({decisions}[15m])) > 0) > 0.1"
        ),
        hold: Some("30m"),
        severity: Severity::Info,
        summary: "{{ $value | humanizePercentage }} of URLs are refused because robots.txt cannot be read",
        meaning: "A robots.txt that answers 5xx or not at all means complete disallow (RFC 9309 2.3.1.4).",
        steps: &[
            "`dragline fetch --ignore-robots --output - https://HOST/robots.txt` shows what the host answers.",
            "Many hosts at once: look at *Errors by kind* for trouble of our own network.",
            "The report names each such host with its error.",
        ],
        case: Case {
            series: vec![
                (series(decisions, r#"decision="allowed""#), "0+80x60"),
                (series(decisions, r#"decision="assumed_disallowed""#), "0+20x60"),
            ],
            quiet_at: "20m",
            fires_at: "50m",
            labels: &[("job", "dragline")],
            summary: "20% of URLs are refused because robots.txt cannot be read",
        },
    }
}
