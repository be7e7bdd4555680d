//! The keys of the tables that stand in lists: `[[politeness.rule]]`, `[[handler]]` and `[[sink]]`.

use std::path::PathBuf;

use dragline_core::pattern::Pattern;
use dragline_core::rules::PolitenessRule;

use super::checked;
use crate::plan::{CompressPlan, FilesPlan, HandlerKind, HandlerPlan, SinkKind, SinkPlan, SinkRecords};
use crate::schema::Kind::{Choice, Number, Size, Text, Texts, Time};
use crate::schema::{Field, Fields, millis, narrow};

/// The keys of `[[politeness.rule]]`.
pub(super) static RULE: Fields<PolitenessRule> = &[&[
    Field::required(
        "hosts",
        Texts(
            |rule| rule.hosts.clear(),
            |rule, text| {
                let text = checked::filled(text)?;
                rule.hosts.push(Pattern::new(&text.to_ascii_lowercase()));
                Ok(())
            },
        ),
        "[\"*.example.org\"]",
        "patterns of host names, * is any text",
    ),
    Field::optional(
        "delay",
        Time(millis(0, 24 * 3_600), |rule, value| rule.delay = Some(value)),
        "\"100ms\"",
        "least gap",
    ),
    Field::optional(
        "concurrency",
        Number(1..=1_024, |rule, value| rule.concurrency = Some(narrow(value))),
        "4",
        "fetches of one host at a time",
    ),
]];

/// The keys of `[[handler]]`.
pub(super) static HANDLER: Fields<HandlerPlan> = &[&[
    Field::required(
        "name",
        Text(|handler, text| checked::name(text).map(|name| handler.name = name)),
        "\"links\"",
        "label value in metrics: lower-case letters, digits, _",
    ),
    Field::required(
        "kind",
        Choice(&[
            ("extract_links", |handler| handler.kind = HandlerKind::ExtractLinks),
            ("extract_titles", |handler| handler.kind = HandlerKind::ExtractTitles),
        ]),
        "\"extract_links\"",
        "extract_links: finds the links of HTML pages | extract_titles: makes items of titles",
    ),
    Field::new(
        "workers",
        Number(1..=1_024, |handler, value| handler.workers = narrow(value)),
        "2",
        "threads it works on",
    ),
    Field::new(
        "credits",
        Number(1..=1_048_576, |handler, value| handler.credits = narrow(value)),
        "256",
        "pages given to it and not yet answered",
    ),
    Field::new(
        "timeout",
        Time(millis(1, 24 * 3_600), |handler, value| handler.timeout = value),
        "\"30s\"",
        "how long it may take over one page",
    ),
    Field::new(
        "content_types",
        Texts(
            |handler| handler.content_types.clear(),
            |handler, text| checked::content_type(text).map(|kind| handler.content_types.push(kind)),
        ),
        "[\"text/html\", \"application/xhtml+xml\"]",
        "types of its pages; empty: all",
    ),
    Field::new(
        "labels",
        Texts(
            |handler| handler.labels.clear(),
            |handler, text| checked::filled(text).map(|label| handler.labels.push(label)),
        ),
        "[]",
        "labels of its pages; empty: all",
    ),
]];

/// The keys of `[[sink]]`.
pub(super) static SINK: Fields<SinkPlan> = &[&[
    Field::required(
        "name",
        Text(|sink, text| checked::name(text).map(|name| sink.name = name)),
        "\"copy\"",
        "label value in metrics: lower-case letters, digits, _",
    ),
    Field::required(
        "kind",
        Choice(&[("jsonl", |sink| sink.kind = SinkKind::Jsonl), ("csv", |sink| sink.kind = SinkKind::Csv)]),
        "\"jsonl\"",
        "jsonl: one JSON value a line | csv: RFC 4180, with a header",
    ),
    Field::required(
        "path",
        Text(|sink, text| checked::filled(text).map(|path| sink.path = path.into())),
        "\"copy.jsonl\"",
        "inside [output] dir unless absolute",
    ),
    Field::new(
        "records",
        Choice(&[
            ("items", |sink| sink.records = SinkRecords::Items),
            ("pages", |sink| sink.records = SinkRecords::Pages),
            ("skipped", |sink| sink.records = SinkRecords::Skipped),
        ]),
        "\"items\"",
        "what is written: items | pages | skipped",
    ),
    Field::new(
        "columns",
        Texts(
            |sink| sink.columns.clear(),
            |sink, text| checked::filled(text).map(|column| sink.columns.push(column)),
        ),
        "[]",
        "csv of items: keys that become columns, in place of the whole item as JSON",
    ),
    Field::new(
        "rotate_bytes",
        Size(0..=u64::MAX, |sink, value| sink.files.rotate_bytes = value),
        "0",
        "bytes at which a file is finished: copy-000001.jsonl and so on; 0: never",
    ),
    Field::new(
        "rotate_rows",
        Number(0..=u64::MAX, |sink, value| sink.files.rotate_rows = value),
        "0",
        "rows at which it is finished; 0: never",
    ),
    Field::new(
        "rotate_after",
        Time(millis(0, 24 * 366 * 3_600), |sink, value| sink.files.rotate_after = value),
        "\"0s\"",
        "time from its first row after which it is finished, at the next commit; 0s: never",
    ),
    Field::new(
        "compress",
        Choice(&[
            ("none", |sink| sink.files.compress = CompressPlan::None),
            ("gzip", |sink| sink.files.compress = CompressPlan::Gzip),
            ("zstd", |sink| sink.files.compress = CompressPlan::Zstd),
        ]),
        "\"none\"",
        "finished files: none | gzip | zstd; a crawl's end finishes the last one",
    ),
    Field::new(
        "credits",
        Number(1..=1_048_576, |sink, value| sink.credits = narrow(value)),
        "256",
        "settles given to it and not yet written",
    ),
]];

/// A handler before its keys are read.
pub(super) fn blank_handler() -> HandlerPlan {
    HandlerPlan { name: String::new(), ..HandlerPlan::default() }
}

/// A sink before its keys are read.
pub(super) fn blank_sink() -> SinkPlan {
    SinkPlan {
        name: String::new(),
        kind: SinkKind::Jsonl,
        path: PathBuf::new(),
        records: SinkRecords::Items,
        columns: Vec::new(),
        files: FilesPlan::default(),
        credits: 256,
    }
}
