//! The keys that say how the process works: output, state, actors, admin server, log.

use super::draft::Draft;
use super::{checked, lists};
use crate::plan::{CompressPlan, LogFormat, LogLevel, LogUrls, RecrawlPolicy};
use crate::schema::Kind::{Bool, Choice, Fraction, Number, Size, Tables, Text, Time};
use crate::schema::{Field, millis, narrow};

const HOUR: u64 = 3_600;

/// Section `output`.
pub(super) static OUTPUT: &[Field<Draft>] = &[
    Field::new(
        "output.dir",
        Text(|draft, text| checked::filled(text).map(|dir| draft.plan.output.dir = dir.into())),
        "\"dragline-out\"",
        "folder of pages.jsonl, items.jsonl, skipped.jsonl and report.json",
    ),
    Field::new(
        "output.skipped_rows_max",
        Number(0..=u64::MAX, |draft, value| draft.plan.output.skipped_rows_max = value),
        "1_000_000",
        "rows of skipped.jsonl; skips beyond are only counted",
    ),
    Field::new(
        "output.rotate_bytes",
        Size(0..=u64::MAX, |draft, value| draft.plan.output.files.rotate_bytes = value),
        "0",
        "bytes at which a file of rows is finished: pages-000001.jsonl and so on; 0: never",
    ),
    Field::new(
        "output.rotate_rows",
        Number(0..=u64::MAX, |draft, value| draft.plan.output.files.rotate_rows = value),
        "0",
        "rows at which it is finished; 0: never",
    ),
    Field::new(
        "output.rotate_after",
        Time(millis(0, 24 * 366 * HOUR), |draft, value| draft.plan.output.files.rotate_after = value),
        "\"0s\"",
        "time from its first row after which it is finished, at the next commit; 0s: never",
    ),
    Field::new(
        "output.compress",
        Choice(&[
            ("none", |draft| draft.plan.output.files.compress = CompressPlan::None),
            ("gzip", |draft| draft.plan.output.files.compress = CompressPlan::Gzip),
            ("zstd", |draft| draft.plan.output.files.compress = CompressPlan::Zstd),
        ]),
        "\"none\"",
        "finished files of rows: none | gzip | zstd; a crawl's end finishes the last ones",
    ),
];

/// Section `state`.
pub(super) static STATE: &[Field<Draft>] = &[
    Field::new(
        "state.dir",
        Text(|draft, text| checked::filled(text).map(|dir| draft.plan.state.dir = dir.into())),
        "\"state\"",
        "folder that a killed crawl goes on from, inside [output] dir unless absolute",
    ),
    Field::new(
        "state.uncommitted_max",
        Number(0..=1_048_576, |draft, value| draft.uncommitted_max = narrow(value)),
        "0",
        "settled pages that a crash may have fetched again; 0: as many as fetches under way",
    ),
    Field::new(
        "state.disk_free_min",
        Size(0..=1 << 50, |draft, value| draft.plan.state.disk_free_min = value),
        "\"1GiB\"",
        "with less free where state and output are, the crawl waits; 0: off",
    ),
    Field::new(
        "state.pending_per_host_max",
        Number(0..=u64::MAX, |draft, value| draft.plan.state.pending_per_host_max = value),
        "100_000",
        "URLs of one host that may wait; 0: no limit",
    ),
    Field::new(
        "state.hosts_max",
        Number(0..=u64::MAX, |draft, value| draft.plan.state.hosts_max = value),
        "1_000_000",
        "hosts; URLs of more are skipped; 0: no limit",
    ),
    Field::new(
        "state.memory_max",
        Size(0..=1 << 50, |draft, value| draft.plan.state.memory_max = value),
        "0",
        "memory for URLs and hosts; 0: no limit",
    ),
    Field::new(
        "state.keep_skips",
        Bool(|draft, value| draft.plan.state.keep_skips = value),
        "true",
        "remember by which rule each URL was skipped",
    ),
];

/// Section `recrawl`.
pub(super) static RECRAWL: &[Field<Draft>] = &[
    Field::new(
        "recrawl.policy",
        Choice(&[
            ("off", |draft| draft.plan.recrawl.policy = RecrawlPolicy::Off),
            ("fixed", |draft| draft.plan.recrawl.policy = RecrawlPolicy::Fixed),
            ("adaptive", |draft| draft.plan.recrawl.policy = RecrawlPolicy::Adaptive),
        ]),
        "\"off\"",
        "what a start visits again: off | fixed (after interval) | adaptive (sooner what changes)",
    ),
    Field::new(
        "recrawl.interval",
        Time(millis(1_000, 24 * 366 * HOUR), |draft, value| draft.plan.recrawl.interval = value),
        "\"24h\"",
        "from one visit to the next; adaptive: from the first to the second",
    ),
    Field::new(
        "recrawl.interval_min",
        Time(millis(1_000, 24 * 366 * HOUR), |draft, value| draft.plan.recrawl.interval_min = value),
        "\"1h\"",
        "adaptive: the shortest interval",
    ),
    Field::new(
        "recrawl.interval_max",
        Time(millis(1_000, 24 * 366 * HOUR), |draft, value| draft.plan.recrawl.interval_max = value),
        "\"720h\"",
        "adaptive: the longest interval",
    ),
    Field::new(
        "recrawl.shorten",
        Fraction(0.01..=1.0, |draft, value| draft.plan.recrawl.shorten = value),
        "0.6",
        "adaptive: what an interval is multiplied by when the page had changed",
    ),
    Field::new(
        "recrawl.lengthen",
        Fraction(1.0..=100.0, |draft, value| draft.plan.recrawl.lengthen = value),
        "1.6",
        "adaptive: what it is multiplied by when the page had not changed, or is gone",
    ),
];

/// Sections `handler` and `sink`.
pub(super) static LISTS: &[Field<Draft>] = &[
    Field::new(
        "handler",
        Tables(|reader, draft, elements| {
            draft.plan.handlers = reader.elements(lists::HANDLER, "handler", lists::blank_handler, elements);
        }),
        "[{ name = \"links\", kind = \"extract_links\" }]",
        "handlers that are part of Dragline; naming one replaces the list",
    ),
    Field::new(
        "sink",
        Tables(|reader, draft, elements| {
            draft.plan.sinks = reader.elements(lists::SINK, "sink", lists::blank_sink, elements);
        }),
        "[]",
        "files beside those of [output] dir",
    ),
];

/// Sections `actors`, `admin` and `log`.
pub(super) static UPKEEP: &[Field<Draft>] = &[
    Field::new(
        "actors.restarts_max",
        Number(0..=10_000, |draft, value| draft.plan.actors.restarts_max = narrow(value)),
        "10",
        "restarts within restarts_within that are borne; one more ends the run",
    ),
    Field::new(
        "actors.restarts_within",
        Time(millis(1, 24 * HOUR), |draft, value| draft.plan.actors.restarts_within = value),
        "\"60s\"",
        "the span that is looked at",
    ),
    Field::new(
        "actors.backoff_min",
        Time(millis(0, HOUR), |draft, value| draft.plan.actors.backoff_min = value),
        "\"100ms\"",
        "wait before the first restart of a burst; each doubles it",
    ),
    Field::new(
        "actors.backoff_max",
        Time(millis(0, HOUR), |draft, value| draft.plan.actors.backoff_max = value),
        "\"10s\"",
        "longest wait",
    ),
    Field::new(
        "admin.listen",
        Text(|draft, text| checked::listen(text).map(|listen| draft.plan.admin.listen = listen)),
        "\"127.0.0.1:9911\"",
        "loopback address of /metrics, /healthz and /readyz; \"\" turns it off",
    ),
    Field::new(
        "admin.linger",
        Time(millis(0, HOUR), |draft, value| draft.plan.admin.linger = value),
        "\"0s\"",
        "how long it stays up after the crawl's end, for a last scrape; ^C cuts it short",
    ),
    Field::new(
        "log.level",
        Choice(&[
            ("error", |draft| draft.plan.log.level = LogLevel::Error),
            ("warn", |draft| draft.plan.log.level = LogLevel::Warn),
            ("info", |draft| draft.plan.log.level = LogLevel::Info),
            ("debug", |draft| draft.plan.log.level = LogLevel::Debug),
            ("trace", |draft| draft.plan.log.level = LogLevel::Trace),
        ]),
        "\"info\"",
        "error | warn | info | debug | trace",
    ),
    Field::new(
        "log.format",
        Choice(&[
            ("auto", |draft| draft.plan.log.format = LogFormat::Auto),
            ("text", |draft| draft.plan.log.format = LogFormat::Text),
            ("json", |draft| draft.plan.log.format = LogFormat::Json),
        ]),
        "\"auto\"",
        "auto (text on a terminal) | text | json",
    ),
    Field::new(
        "log.file",
        Text(|draft, text| {
            draft.plan.log.file = (!text.is_empty()).then(|| text.into());
            Ok(())
        }),
        "\"\"",
        "file the log is appended to; \"\" is standard error",
    ),
    Field::new(
        "log.urls",
        Choice(&[
            ("full", |draft| draft.plan.log.urls = LogUrls::Full),
            ("no_query", |draft| draft.plan.log.urls = LogUrls::NoQuery),
        ]),
        "\"full\"",
        "full | no_query",
    ),
];
