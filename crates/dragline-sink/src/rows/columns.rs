//! Names the columns of every kind of record, in the order in which they are written.

use std::borrow::Cow;
use std::time::Duration;

use dragline_core::CanonicalUrl;
use dragline_core::disposition::Disposition;
use dragline_core::recrawl::Change;

use crate::records::{ItemRecord, PageRecord, SkippedRecord};

/// The columns of a page.
pub(super) static PAGE: &[Column<PageRecord>] = &[
    Column::new("url", |page| Cell::text(page.url.as_str())),
    Column::new("disposition", |page| Cell::text(page.disposition.name())),
    Column::new("kind", |page| match page.disposition {
        Disposition::Failed(kind) => Cell::text(kind.name()),
        Disposition::Done | Disposition::Redirected | Disposition::Skipped(_) => Cell::Nothing,
    }),
    Column::new("outcome", |page| Cell::text(page.outcome.name())),
    Column::new("status", |page| page.status.map_or(Cell::Nothing, |status| Cell::Number(status.into()))),
    Column::new("content_type", |page| Cell::maybe(page.content_type.as_deref())),
    Column::new("wire_bytes", |page| Cell::Number(page.wire_bytes)),
    Column::new("bytes", |page| Cell::Number(page.bytes)),
    Column::new("depth", |page| Cell::Number(page.depth.into())),
    Column::new("attempt", |page| Cell::Number(page.attempt.into())),
    Column::new("generation", |page| Cell::Number(page.generation.into())),
    Column::new("change", |page| Cell::maybe(page.change.map(Change::name))),
    Column::new("referrer", |page| Cell::url(page.referrer.as_ref())),
    Column::new("redirect_target", |page| Cell::url(page.redirect_target.as_ref())),
    Column::new("chain", |page| Cell::Urls(&page.chain)),
    Column::new("title", |page| Cell::maybe(page.title.as_deref())),
    Column::within("phases", "dns_ms", "dns_ms", |page| Cell::span(page.phases.dns)),
    Column::within("phases", "connect_ms", "connect_ms", |page| Cell::span(page.phases.connect)),
    Column::within("phases", "tls_ms", "tls_ms", |page| Cell::span(page.phases.tls)),
    Column::within("phases", "ttfb_ms", "ttfb_ms", |page| Cell::span(page.phases.ttfb)),
    Column::within("phases", "body_ms", "body_ms", |page| Cell::span(page.phases.body)),
    Column::within("phases", "total_ms", "total_ms", |page| Cell::span(Some(page.phases.total))),
    Column::new("truncated", |page| Cell::Flag(page.truncated)),
    Column::new("peer", |page| page.peer.map_or(Cell::Nothing, |peer| Cell::made(peer.to_string()))),
    Column::new("fetched_at", |page| Cell::made(page.fetched_at.to_string())),
    Column::within("error", "phase", "error_phase", |page| {
        Cell::maybe(page.error.as_ref().map(|error| error.phase))
    }),
    Column::within("error", "message", "error_message", |page| {
        Cell::maybe(page.error.as_ref().map(|error| &*error.message))
    }),
];

/// The columns of an item.
pub(super) static ITEM: &[Column<ItemRecord>] = &[
    Column::new("handler", |record| Cell::text(&record.handler)),
    Column::new("url", |record| Cell::text(record.url.as_str())),
    Column::new("item", |record| Cell::Json(record.item.as_json())),
];

/// The columns of a skipped URL.
pub(super) static SKIPPED: &[Column<SkippedRecord>] = &[
    Column::new("url", |skipped| Cell::text(skipped.url.as_str())),
    Column::new("reason", |skipped| Cell::text(skipped.decision.verdict.name())),
    Column::new("rule", |skipped| Cell::text(skipped.decision.rule)),
    Column::new("source", |skipped| match &skipped.place {
        Some(place) => Cell::text(place),
        None => Cell::made(skipped.decision.source.to_string()),
    }),
    Column::new("referrer", |skipped| Cell::url(skipped.referrer.as_ref())),
];

/// One column of the rows of `R`.
pub(super) struct Column<R: 'static> {
    /// The object that a nested format puts it into, together with its neighbours of that group. It is null when all
    /// of them hold nothing.
    pub(super) group: Option<&'static str>,
    /// Its name within the group.
    pub(super) key: &'static str,
    /// Its name in a format that does not nest.
    pub(super) flat: &'static str,
    /// Reads it off a record.
    pub(super) cell: fn(&R) -> Cell<'_>,
}

/// What stands in one column of one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Nothing,
    Flag(bool),
    Number(u64),
    Millis(f64),
    Text(Cow<'a, str>),
    /// A list; texts of URLs hold no space.
    Urls(&'a [CanonicalUrl]),
    /// JSON already.
    Json(&'a str),
}

impl<R> Column<R> {
    const fn new(key: &'static str, cell: fn(&R) -> Cell<'_>) -> Self {
        Self { group: None, key, flat: key, cell }
    }

    const fn within(
        group: &'static str,
        key: &'static str,
        flat: &'static str,
        cell: fn(&R) -> Cell<'_>,
    ) -> Self {
        Self { group: Some(group), key, flat, cell }
    }
}

impl<'a> Cell<'a> {
    const fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    const fn made(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, Self::text)
    }

    fn url(url: Option<&'a CanonicalUrl>) -> Self {
        Self::maybe(url.map(CanonicalUrl::as_str))
    }

    /// Takes milliseconds, to the microsecond; a phase that did not happen is nothing.
    fn span(span: Option<Duration>) -> Self {
        span.map_or(Self::Nothing, |span| {
            let micros = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
            Self::Millis(f64::from(micros) / 1_000.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check<R>(columns: &[Column<R>]) {
        let flat: BTreeSet<_> = columns.iter().map(|column| column.flat).collect();
        assert_eq!(flat.len(), columns.len(), "each has a name of its own where nothing nests");
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        for column in columns {
            let names = [Some(column.key), Some(column.flat), column.group];
            assert!(names.into_iter().flatten().all(plain), "{} can be written as it is", column.flat);
        }
        let groups = columns.chunk_by(|one, next| one.group == next.group).filter_map(|run| run[0].group);
        let groups: Vec<_> = groups.collect();
        let distinct: BTreeSet<_> = groups.iter().collect();
        assert_eq!(distinct.len(), groups.len(), "the columns of a group stand together");
    }

    #[test]
    fn every_column_can_be_told_apart() {
        check(PAGE);
        check(ITEM);
        check(SKIPPED);
    }
}
