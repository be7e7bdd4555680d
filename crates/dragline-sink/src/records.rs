//! Holds what is told about URLs and items, cheap to build.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use dragline_core::disposition::Disposition;
use dragline_core::fetch::{FetchError, Phases};
use dragline_core::frontier::{Lease, Skipped};
use dragline_core::handled::Item;
use dragline_core::ledger::FetchSummary;
use dragline_core::recrawl::Change;
use dragline_core::{CanonicalUrl, Decision, Outcome, SkipReason, Wall};

use crate::rows;

/// One record. Building one copies pointers and numbers; text is made on the sink's thread.
#[derive(Clone, Debug)]
pub enum Record {
    /// A URL was settled by a fetch.
    Page(Box<PageRecord>),
    /// A handler made an item.
    Item(ItemRecord),
    /// A URL was skipped.
    Skipped(Box<SkippedRecord>),
}

/// The kinds of records; each has a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// [`Record::Page`].
    Page,
    /// [`Record::Item`].
    Item,
    /// [`Record::Skipped`].
    Skipped,
}

/// How a URL was settled by a fetch: one line of `pages.jsonl`.
///
/// Written as `{url, disposition, kind, outcome, status, content_type, wire_bytes, bytes, depth, attempt, generation,
/// change, referrer,
/// redirect_target, chain, title, phases {dns_ms, connect_ms, tls_ms, ttfb_ms, body_ms, total_ms}, truncated, peer,
/// fetched_at, error {phase, message}}`; what is unknown is null, times are milliseconds, `fetched_at` is RFC 3339.
#[derive(Clone, Debug)]
pub struct PageRecord {
    /// The URL that was fetched.
    pub url: CanonicalUrl,
    /// How the URL ended; `kind` is written from it.
    pub disposition: Disposition,
    /// How its last fetch ended.
    pub outcome: Outcome,
    /// The status of the response, when one arrived.
    pub status: Option<u16>,
    /// The media type without parameters.
    pub content_type: Option<Box<str>>,
    /// Bytes of the body as received.
    pub wire_bytes: u64,
    /// Bytes of the body as decoded.
    pub bytes: u64,
    /// Links from the nearest seed.
    pub depth: u32,
    /// The last attempt, from 1.
    pub attempt: u32,
    /// Counts how often the URL began anew, from 0.
    pub generation: u32,
    /// What has changed since the visit before, as far as this one says.
    pub change: Option<Change>,
    /// The page that named the URL.
    pub referrer: Option<CanonicalUrl>,
    /// Where the server redirected to.
    pub redirect_target: Option<CanonicalUrl>,
    /// The redirects that led here, oldest first.
    pub chain: Arc<[CanonicalUrl]>,
    /// The title a handler read.
    pub title: Option<Box<str>>,
    /// How long each phase took.
    pub phases: Phases,
    /// Whether the body was cut at a cap.
    pub truncated: bool,
    /// The address that served it.
    pub peer: Option<SocketAddr>,
    /// When the fetch ended.
    pub fetched_at: Wall,
    /// What went wrong.
    pub error: Option<RecordError>,
}

/// What went wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// The phase of the fetch, or `handler`.
    pub phase: &'static str,
    /// What went wrong, for people.
    pub message: Box<str>,
}

/// One item of a handler: one line of `items.jsonl`, `{handler, url, item}`.
#[derive(Clone, Debug)]
pub struct ItemRecord {
    /// The handler's name.
    pub handler: Arc<str>,
    /// The page it was made from.
    pub url: CanonicalUrl,
    /// The item; its JSON text is written as it is.
    pub item: Item,
}

/// A URL that was not fetched: one line of `skipped.jsonl`, `{url, reason, rule, source, referrer}`.
#[derive(Clone, Debug)]
pub struct SkippedRecord {
    /// The URL.
    pub url: CanonicalUrl,
    /// The reason, the rule that gave it, and where that was written.
    pub decision: Decision<SkipReason>,
    /// File and line of the rule, where the configuration knows them; stands as `source` instead of the key.
    pub place: Option<Box<str>>,
    /// The page that named the URL.
    pub referrer: Option<CanonicalUrl>,
}

impl Record {
    /// Returns the kind.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Page(_) => RecordKind::Page,
            Self::Item(_) => RecordKind::Item,
            Self::Skipped(_) => RecordKind::Skipped,
        }
    }

    /// Appends the record to `out` as one line of JSON with its line feed; on an error `out` is as it was.
    ///
    /// # Errors
    /// When a value of it cannot be written as JSON.
    pub fn write_line(&self, out: &mut Vec<u8>) -> io::Result<()> {
        rows::write_record(self, out)
    }
}

impl From<PageRecord> for Record {
    fn from(record: PageRecord) -> Self {
        Self::Page(Box::new(record))
    }
}

impl From<ItemRecord> for Record {
    fn from(record: ItemRecord) -> Self {
        Self::Item(record)
    }
}

impl From<SkippedRecord> for Record {
    fn from(record: SkippedRecord) -> Self {
        Self::Skipped(Box::new(record))
    }
}

impl From<Skipped> for Record {
    fn from(skipped: Skipped) -> Self {
        let Skipped { url, decision, referrer } = skipped;
        SkippedRecord { url, decision, place: None, referrer }.into()
    }
}

impl PageRecord {
    /// Describes a URL that was settled by a fetch; redirect target and title are the caller's to add.
    pub fn of_fetch(lease: Lease, fetch: FetchSummary, disposition: Disposition) -> Self {
        Self {
            url: lease.url,
            disposition,
            outcome: fetch.outcome,
            status: fetch.status,
            content_type: fetch.content_type,
            wire_bytes: fetch.body_wire_bytes,
            bytes: fetch.body_bytes,
            depth: lease.depth,
            attempt: lease.attempt,
            generation: lease.generation,
            change: Change::of(disposition, fetch.status, fetch.digest, lease.revisit.as_deref()),
            referrer: lease.referrer,
            redirect_target: None,
            chain: lease.chain,
            title: None,
            phases: fetch.phases,
            truncated: fetch.truncated,
            peer: fetch.peer,
            fetched_at: fetch.fetched_at,
            error: fetch.error.map(Into::into),
        }
    }
}

impl RecordError {
    /// Says what a handler did wrong.
    pub fn handler(message: impl Into<Box<str>>) -> Self {
        Self { phase: "handler", message: message.into() }
    }
}

impl From<FetchError> for RecordError {
    fn from(error: FetchError) -> Self {
        Self { phase: error.phase.name(), message: error.message.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dragline_core::fetch::Phase;
    use dragline_core::frontier::{Purpose, Token};
    use dragline_core::{FailKind, Source};

    use super::*;
    use crate::rows::Format;

    fn check(record: impl Into<Record>, expected: &str) {
        let mut line = Vec::new();
        record.into().write_line(&mut line).expect("a record is JSON");
        let line = String::from_utf8(line).expect("JSON is UTF-8");
        assert_eq!(line, format!("{expected}\n"));
        let value: serde_json::Value = serde_json::from_str(&line).expect("it parses");
        assert!(value.is_object());
    }

    fn url(text: &str) -> CanonicalUrl {
        CanonicalUrl::parse(text).unwrap()
    }

    fn record(disposition: Disposition, error: Option<FetchError>) -> PageRecord {
        let lease = Lease {
            token: Token(1),
            url: url("http://a/1"),
            purpose: Purpose::Page,
            depth: 2,
            attempt: 1,
            generation: 0,
            revisit: None,
            label: None,
            data: None,
            referrer: Some(url("http://a/")),
            chain: [url("http://a/0")].into(),
            queue_wait: Duration::ZERO,
            gap: Duration::ZERO,
        };
        let phases = Phases {
            ttfb: Some(Duration::from_micros(1_500)),
            total: Duration::from_millis(2),
            ..Phases::default()
        };
        let fetch = FetchSummary {
            outcome: Outcome::Ok,
            status: Some(200),
            content_type: Some("text/html".into()),
            body_wire_bytes: 4,
            body_bytes: 5,
            received_bytes: 90,
            truncated: false,
            phases,
            peer: Some(([127, 0, 0, 1], 80).into()),
            fetched_at: Wall::from_secs(1_795_194_003),
            error,
            etag: None,
            last_modified: None,
            digest: None,
        };
        PageRecord::of_fetch(lease, fetch, disposition)
    }

    #[test]
    fn a_page_has_every_field_in_a_fixed_order() {
        let mut record = record(Disposition::Done, None);
        record.title = Some("A \"title\"\n".into());
        check(
            record,
            concat!(
                r#"{"url":"http://a/1","disposition":"done","kind":null,"outcome":"ok","status":200,"#,
                r#""content_type":"text/html","wire_bytes":4,"bytes":5,"depth":2,"attempt":1,"generation":0,"change":"new","#,
                r#""referrer":"http://a/","redirect_target":null,"chain":["http://a/0"],"#,
                r#""title":"A \"title\"\n","phases":{"dns_ms":null,"connect_ms":null,"tls_ms":null,"#,
                r#""ttfb_ms":1.5,"body_ms":null,"total_ms":2.0},"truncated":false,"peer":"127.0.0.1:80","#,
                r#""fetched_at":"2026-11-20T17:00:03.000Z","error":null}"#,
            ),
        );
    }

    #[test]
    fn a_page_lies_flat_in_csv() {
        let format = Format::Csv { columns: Vec::new() };
        let error = FetchError { phase: Phase::Ttfb, message: "too \"slow\"".into() };
        let mut page = record(Disposition::Failed(FailKind::Fetch(Outcome::Timeout)), Some(error));
        page.chain = [url("http://a/0"), url("http://a/1")].into();
        page.title = Some("=1,\r\n2".into());
        let mut text = format.header(RecordKind::Page);
        format.write_row(&page.into(), &mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            concat!(
                "url,disposition,kind,outcome,status,content_type,wire_bytes,bytes,depth,attempt,generation,",
                "change,referrer,redirect_target,chain,title,dns_ms,connect_ms,tls_ms,ttfb_ms,body_ms,total_ms,truncated,peer,",
                "fetched_at,error_phase,error_message\r\n",
                "http://a/1,failed,timeout,ok,200,text/html,4,5,2,1,0,,http://a/,,http://a/0 http://a/1,",
                "\"=1,\r\n2\",,,,1.5,,2.0,false,127.0.0.1:80,2026-11-20T17:00:03.000Z,ttfb,\"too \"\"slow\"\"\"\r\n",
            )
        );
    }

    #[test]
    fn a_failure_names_its_kind_and_its_error() {
        let kind = FailKind::Fetch(Outcome::Timeout);
        let error = FetchError { phase: Phase::Ttfb, message: "too slow".into() };
        let record = record(Disposition::Failed(kind), Some(error));
        let mut line = Vec::new();
        Record::from(record).write_line(&mut line).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["disposition"], "failed");
        assert_eq!(value["kind"], "timeout");
        assert_eq!(value["error"], serde_json::json!({"phase": "ttfb", "message": "too slow"}));
    }

    #[test]
    fn an_item_is_written_as_it_is_and_on_one_line() {
        let pretty = serde_json::value::RawValue::from_string("{\n \"a\": 1.50\n}".into()).unwrap();
        for (value, expected) in [
            (Item::new(&"x\ny").unwrap(), r#"{"handler":"links","url":"http://a/1","item":"x\ny"}"#),
            (Item::new(&pretty).unwrap(), r#"{"handler":"links","url":"http://a/1","item":{  "a": 1.50 }}"#),
        ] {
            check(ItemRecord { handler: "links".into(), url: url("http://a/1"), item: value }, expected);
        }
    }

    #[test]
    fn a_skipped_url_names_rule_and_source() {
        let source = Source::Config { key: "scope.exclude", index: Some(1) };
        let decision = Decision { verdict: SkipReason::Filter, rule: "scope.exclude", source };
        for (place, expected) in
            [(None, "scope.exclude[1]"), (Some("dragline.toml:21".into()), "dragline.toml:21")]
        {
            let decision = decision.clone();
            check(
                SkippedRecord { url: url("http://a/2"), decision, place, referrer: None },
                &format!(
                    r#"{{"url":"http://a/2","reason":"filter","rule":"scope.exclude","source":"{expected}","referrer":null}}"#
                ),
            );
        }
    }
}
