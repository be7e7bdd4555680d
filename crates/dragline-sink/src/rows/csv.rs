//! Writes a record as one record of CSV, as RFC 4180 has it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use csv::{Terminator, WriterBuilder};
use dragline_core::handled::Item;
use serde_json::value::RawValue;

use super::columns::{Cell, Column, ITEM, PAGE, SKIPPED};
use crate::records::{ItemRecord, Record, RecordKind};

/// Bytes that a writer of the library gathers; a row that is longer leaves it in pieces.
const WRITER_BYTES: usize = 1 << 10;
/// The column that the chosen keys of an item stand in place of.
const WHOLE_ITEM: &str = "item";

/// Returns the names of the columns, as the first record of a file.
pub(super) fn header(kind: RecordKind, chosen: &[Box<str>]) -> Vec<u8> {
    let mut out = Vec::new();
    // A vector takes any bytes; a header that could not be written would leave a file without one.
    let written = write_cells(names(kind, chosen).iter().map(String::as_str), &mut out);
    debug_assert!(written.is_ok(), "names can be written: {written:?}");
    out
}

/// Returns the names of the columns. A chosen key that is also the name of another column becomes `item.<key>`.
fn names(kind: RecordKind, chosen: &[Box<str>]) -> Vec<String> {
    let flat = |name: &'static str| name.to_owned();
    match kind {
        RecordKind::Page => PAGE.iter().map(|column| flat(column.flat)).collect(),
        RecordKind::Skipped => SKIPPED.iter().map(|column| flat(column.flat)).collect(),
        RecordKind::Item if chosen.is_empty() => ITEM.iter().map(|column| flat(column.flat)).collect(),
        RecordKind::Item => {
            let fixed = || about_item().map(|column| column.flat);
            let own = chosen.iter().map(|key| match fixed().any(|name| name == &**key) {
                true => format!("{WHOLE_ITEM}.{key}"),
                false => key.to_string(),
            });
            fixed().map(flat).chain(own).collect()
        }
    }
}

/// Appends the record with its line end; on an error `out` is as it was.
pub(super) fn write_record(record: &Record, chosen: &[Box<str>], out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    let written = match record {
        Record::Page(page) => write_row(PAGE, &**page, out),
        Record::Skipped(skipped) => write_row(SKIPPED, &**skipped, out),
        Record::Item(item) if chosen.is_empty() => write_row(ITEM, item, out),
        Record::Item(item) => write_item(item, chosen, out),
    };
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write_row<R>(columns: &[Column<R>], record: &R, out: &mut Vec<u8>) -> io::Result<()> {
    let cells: io::Result<Vec<_>> = columns.iter().map(|column| text_of((column.cell)(record))).collect();
    write_cells(cells?.iter().map(AsRef::as_ref), out)
}

fn write_item(record: &ItemRecord, chosen: &[Box<str>], out: &mut Vec<u8>) -> io::Result<()> {
    let fixed: io::Result<Vec<_>> = about_item().map(|column| text_of((column.cell)(record))).collect();
    let (fixed, own) = (fixed?, values_of(&record.item, chosen));
    write_cells(fixed.iter().map(AsRef::as_ref).chain(own.iter().map(String::as_str)), out)
}

/// Returns the columns of an item that say where it came from.
fn about_item() -> impl Iterator<Item = &'static Column<ItemRecord>> {
    ITEM.iter().filter(|column| column.flat != WHOLE_ITEM)
}

/// Reads the chosen keys off an item: a string as it is, any other value as its JSON text, null and what is missing empty.
fn values_of(item: &Item, chosen: &[Box<str>]) -> Vec<String> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(item.as_json()).unwrap_or_default();
    let text = |value: &&RawValue| match serde_json::from_str::<Option<String>>(value.get()) {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => value.get().into(),
    };
    chosen.iter().map(|key| fields.get(&**key).map(text).unwrap_or_default()).collect()
}

fn text_of(cell: Cell<'_>) -> io::Result<Cow<'_, str>> {
    Ok(match cell {
        Cell::Nothing => "".into(),
        Cell::Flag(flag) => flag.to_string().into(),
        Cell::Number(number) => number.to_string().into(),
        Cell::Millis(millis) => serde_json::to_string(&millis)?.into(),
        Cell::Text(text) => text,
        Cell::Urls(urls) => urls.iter().map(|url| url.as_str()).collect::<Vec<_>>().join(" ").into(),
        Cell::Json(text) => text.into(),
    })
}

/// The library quotes what must be quoted.
fn write_cells<'a>(cells: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) -> io::Result<()> {
    let mut builder = WriterBuilder::new();
    builder.terminator(Terminator::CRLF).buffer_capacity(WRITER_BYTES);
    let mut writer = builder.from_writer(out);
    writer.write_record(cells)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use dragline_core::CanonicalUrl;
    use serde_json::json;

    use super::*;

    fn check(chosen: &[&str], item: &impl serde::Serialize, expected: &str) {
        let chosen: Vec<Box<str>> = chosen.iter().map(|key| (*key).into()).collect();
        let url = CanonicalUrl::parse("http://a/").expect("the URL is right");
        let item = Item::new(item).expect("the item is JSON");
        let mut out = header(RecordKind::Item, &chosen);
        write_record(&ItemRecord { handler: "h".into(), url, item }.into(), &chosen, &mut out)
            .expect("a vector takes any bytes");
        assert_eq!(String::from_utf8(out).expect("CSV is UTF-8 here"), expected);
    }

    #[test]
    fn an_item_is_its_json_or_the_chosen_keys() {
        let item = json!({"price": 1.5, "name": "a \"b\", c", "tags": ["x"], "none": null});
        check(&[], &json!({"a": "b"}), "handler,url,item\r\nh,http://a/,\"{\"\"a\"\":\"\"b\"\"}\"\r\n");
        check(
            &["name", "price", "tags", "none", "missing"],
            &item,
            "handler,url,name,price,tags,none,missing\r\n\
             h,http://a/,\"a \"\"b\"\", c\",1.5,\"[\"\"x\"\"]\",,\r\n",
        );
        check(&["a"], &"no object", "handler,url,a\r\nh,http://a/,\r\n");
    }

    #[test]
    fn numbers_keep_their_spelling_and_line_ends_stay_in_their_cell() {
        let exact = RawValue::from_string("{\"n\": 1.50, \"text\": \"=1\\r\\nx\"}".into()).unwrap();
        check(&["n", "text"], &exact, "handler,url,n,text\r\nh,http://a/,1.50,\"=1\r\nx\"\r\n");
    }

    #[test]
    fn a_key_that_is_named_like_another_column_is_told_apart() {
        check(
            &["url", "item"],
            &json!({"url": "u", "item": "i"}),
            "handler,url,item.url,item\r\nh,http://a/,u,i\r\n",
        );
    }
}
