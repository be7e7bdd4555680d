//! Decides when parts of the crawler are in trouble: actors, credits, handlers, threads, descriptors.

use super::alerts::{Alert, Case, Severity, series};
use crate::names::{ACTOR_RESTARTS, ARBITER_LAG, BUILD_INFO, CREDITS_IN_USE, CREDITS_MAX, HANDLER_RESULTS};

/// Returns the alerts about parts of the crawler.
pub(super) fn alerts() -> Vec<Alert> {
    vec![actor_restarting(), credits_exhausted(), handler_failing(), arbiter_blocked(), descriptors_low()]
}

fn actor_restarting() -> Alert {
    Alert {
        name: "CrawlActorRestarting",
        expr: format!("sum by (job, actor) (increase({}[15m])) > 3", ACTOR_RESTARTS.name),
        hold: None,
        severity: Severity::Ticket,
        summary: "{{ $labels.actor }} restarted more than 3 times in 15 minutes",
        meaning: "An actor dies again and again. When its restart budget is used up the crawl ends with exit code 5.",
        steps: &[
            "The log says `actor restarted` with the reason, and `handler panicked` with the URL.",
            "A handler: fetch that URL with `dragline fetch` and run the handler on it.",
            "A page that kills its handler alone is a dead letter and is not charged to the budget.",
        ],
        case: Case {
            series: vec![(series(ACTOR_RESTARTS.name, r#"actor="fetcher""#), "0+1x30")],
            quiet_at: "1m",
            fires_at: "20m",
            labels: &[("job", "dragline"), ("actor", "fetcher")],
            summary: "fetcher restarted more than 3 times in 15 minutes",
        },
    }
}

fn credits_exhausted() -> Alert {
    let (used, most) = (CREDITS_IN_USE.name, CREDITS_MAX.name);
    Alert {
        name: "CrawlCreditsExhausted",
        expr: format!(
            "sum by (job, instance, edge) ({used}{{edge!=\"lane\"}})\n  \
             / (sum by (job, instance, edge) ({most}{{edge!=\"lane\"}}) > 0) > 0.9"
        ),
        hold: Some("5m"),
        severity: Severity::Ticket,
        summary: "Credits of edge {{ $labels.edge }} are {{ $value | humanizePercentage }} in use",
        meaning: "What comes after the fetchers is slower than they are, so they wait. Nothing is lost; only lanes may be used up without harm.",
        steps: &[
            "`handler`: see *Handler p95*; give the handler more workers or make it faster.",
            "`bytes`: bodies wait for handlers; raise `[fetch] bodies_bytes_max` when there is memory.",
            "`sink`: the disk is slow.",
            "`page`: follows from one of the others.",
        ],
        case: Case {
            series: vec![
                (series(used, r#"edge="handler""#), "95x30"),
                (series(most, r#"edge="handler""#), "100x30"),
                (series(used, r#"edge="lane""#), "64x30"),
                (series(most, r#"edge="lane""#), "64x30"),
            ],
            quiet_at: "4m",
            fires_at: "10m",
            labels: &[("job", "dragline"), ("instance", "a"), ("edge", "handler")],
            summary: "Credits of edge handler are 95% in use",
        },
    }
}

fn handler_failing() -> Alert {
    let results = HANDLER_RESULTS.name;
    Alert {
        name: "CrawlHandlerFailing",
        expr: format!(
            "sum by (job, handler) (rate({results}{{outcome!=\"ok\"}}[10m]))\n  \
             / (sum by (job, handler) (rate({results}[10m])) > 0) > 0.05"
        ),
        hold: Some("10m"),
        severity: Severity::Ticket,
        summary: "Handler {{ $labels.handler }} fails on {{ $value | humanizePercentage }} of pages",
        meaning: "A handler answers with errors, panics, or does not answer in time.",
        steps: &[
            "Panel *Handler results* tells errors, panics and timeouts apart.",
            "`pages.jsonl` names the pages: `kind` is `handler_error`, `handler_panic` or `handler_timeout`.",
            "After a fix, crawl these pages again: give their URLs as seeds with `--depth 0`.",
        ],
        case: Case {
            series: vec![
                (series(results, r#"handler="extract",outcome="ok""#), "0+90x40"),
                (series(results, r#"handler="extract",outcome="error""#), "0+10x40"),
            ],
            quiet_at: "5m",
            fires_at: "20m",
            labels: &[("job", "dragline"), ("handler", "extract")],
            summary: "Handler extract fails on 10% of pages",
        },
    }
}

fn arbiter_blocked() -> Alert {
    let lag = format!("{}_bucket", ARBITER_LAG.name);
    Alert {
        name: "CrawlArbiterBlocked",
        expr: format!(
            "histogram_quantile(0.99, sum by (job, instance, arbiter, le) (rate({lag}[5m]))) > 0.1"
        ),
        hold: Some("5m"),
        severity: Severity::Ticket,
        summary: "Something blocks arbiter {{ $labels.arbiter }}",
        meaning: "A timer on this thread comes more than 100 ms late: some code on it computes or blocks for too long.",
        steps: &[
            "Panel *CPU*: a machine with too few cores delays every thread.",
            "A handler that computes belongs on a CPU pool, not on an async one.",
            "Blocking calls (files, locks, `std::thread::sleep`) in an actor stop every actor on its thread.",
        ],
        case: Case {
            series: vec![
                (series(&lag, r#"arbiter="1",le="0.05""#), "0x30"),
                (series(&lag, r#"arbiter="1",le="0.5""#), "0+600x30"),
                (series(&lag, r#"arbiter="1",le="+Inf""#), "0+600x30"),
            ],
            quiet_at: "4m",
            fires_at: "15m",
            labels: &[("job", "dragline"), ("instance", "a"), ("arbiter", "1")],
            summary: "Something blocks arbiter 1",
        },
    }
}

fn descriptors_low() -> Alert {
    Alert {
        name: "CrawlFileDescriptorsLow",
        expr: format!(
            "process_open_fds / process_max_fds > 0.8\n  and on (job, instance) {}",
            BUILD_INFO.name
        ),
        hold: Some("5m"),
        severity: Severity::Page,
        summary: "{{ $value | humanizePercentage }} of file descriptors are in use",
        meaning: "Each connection takes a descriptor. Without any left, fetches fail and files cannot be written.",
        steps: &[
            "Raise the limit of the service (`LimitNOFILE=` in systemd, `ulimit -n` in a shell).",
            "Or lower `[fetch] concurrency`.",
        ],
        case: Case {
            series: vec![
                (series("process_open_fds", ""), "900x20"),
                (series("process_max_fds", ""), "1000x20"),
                (series(BUILD_INFO.name, r#"version="0.1.0",revision="unknown""#), "1x20"),
                (r#"process_open_fds{job="other",instance="b"}"#.into(), "900x20"),
                (r#"process_max_fds{job="other",instance="b"}"#.into(), "1000x20"),
            ],
            quiet_at: "4m",
            fires_at: "10m",
            labels: &[("job", "dragline"), ("instance", "a")],
            summary: "90% of file descriptors are in use",
        },
    }
}
