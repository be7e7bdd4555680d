//! The keys that say how the process works: fetching, guards, output, actors, admin server, log.

use dragline_core::fetch::AtCap;

use super::draft::Draft;
use super::{checked, lists};
use crate::plan::{LogFormat, LogLevel, LogUrls};
use crate::schema::Kind::{Choice, Number, Size, Tables, Text, Texts, Time};
use crate::schema::{Field, length, millis, narrow};

const HOUR: u64 = 3_600;

/// Sections `fetch` and `security`.
pub(super) static FETCH: &[Field<Draft>] = &[
    Field::new(
        "fetch.concurrency",
        Number(1..=65_536, |draft, value| draft.plan.fetch.concurrency = narrow(value)),
        "256",
        "fetches under way, whole process",
    ),
    Field::new(
        "fetch.fetchers",
        Number(0..=1_024, |draft, value| draft.plan.fetch.fetchers = (value > 0).then(|| narrow(value))),
        "0",
        "fetchers, each on a thread of its own; 0: one for each core",
    ),
    Field::new(
        "fetch.pages_max",
        Number(0..=1_048_576, |draft, value| draft.pages_max = narrow(value)),
        "0",
        "pages between lease and settle; 0: twice the concurrency",
    ),
    Field::new(
        "fetch.bodies_bytes_max",
        Size(64 << 10..=1 << 40, |draft, value| draft.plan.fetch.bodies_bytes_max = value),
        "\"128MiB\"",
        "bodies in memory, all fetches together",
    ),
    Field::new(
        "fetch.deadline",
        Time(millis(1, 24 * HOUR), |draft, value| draft.plan.fetch.limits.deadline = value),
        "\"60s\"",
        "whole fetch, to the last byte",
    ),
    Field::new(
        "fetch.dns_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.dns_timeout = value),
        "\"5s\"",
        "name resolution",
    ),
    Field::new(
        "fetch.connect_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.connect_timeout = value),
        "\"10s\"",
        "connecting and the TLS handshake together",
    ),
    Field::new(
        "fetch.first_byte_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.first_byte_timeout = value),
        "\"15s\"",
        "from the request to the first byte of the response",
    ),
    Field::new(
        "fetch.idle_body_timeout",
        Time(millis(1, HOUR), |draft, value| draft.plan.fetch.limits.idle_body_timeout = value),
        "\"10s\"",
        "between two reads of a body",
    ),
    Field::new(
        "fetch.body_bytes_max",
        Size(1..=64 << 30, |draft, value| draft.plan.fetch.limits.body_bytes_max = value),
        "\"10MiB\"",
        "one body, as received and as decoded, each",
    ),
    Field::new(
        "fetch.at_cap",
        Choice(&[
            ("error", |draft| draft.plan.fetch.limits.at_cap = AtCap::Fail),
            ("truncate", |draft| draft.plan.fetch.limits.at_cap = AtCap::Truncate),
        ]),
        "\"error\"",
        "a body over its cap: error (too_large) | truncate (keep what was read)",
    ),
    Field::new(
        "fetch.head_bytes_max",
        Size(1 << 10..=16 << 20, |draft, value| draft.plan.fetch.limits.head_bytes_max = length(value)),
        "\"64KiB\"",
        "response head, status line included",
    ),
    Field::new(
        "fetch.redirects_max",
        Number(0..=100, |draft, value| draft.plan.rules.redirects_max = narrow(value)),
        "10",
        "hops; in a crawl each hop is a URL of its own",
    ),
    Field::new(
        "fetch.accept",
        Text(|draft, text| checked::header(text).map(|accept| draft.plan.fetch.accept = accept)),
        "\"text/html, application/xhtml+xml;q=0.9, */*;q=0.1\"",
        "the Accept field that is sent",
    ),
    Field::new(
        "security.allow_networks",
        Texts(
            |draft| draft.plan.guard.allow_networks.clear(),
            |draft, text| checked::network(text).map(|network| draft.plan.guard.allow_networks.push(network)),
        ),
        "[]",
        "such as [\"127.0.0.0/8\"]: private, loopback and metadata addresses are refused otherwise",
    ),
    Field::new(
        "security.allow_hosts",
        Texts(
            |draft| draft.plan.guard.allow_hosts.clear(),
            |draft, text| checked::host(text).map(|host| draft.plan.guard.allow_hosts.push(host)),
        ),
        "[]",
        "hosts whose addresses may be private",
    ),
];

/// Sections `output`, `handler` and `sink`.
pub(super) static RESULTS: &[Field<Draft>] = &[
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
