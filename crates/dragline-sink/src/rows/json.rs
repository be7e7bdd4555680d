//! Writes a record as one line of JSON.

use std::io::{self, Write};

use super::columns::{Cell, Column, ITEM, PAGE, SKIPPED};
use crate::records::Record;

/// Appends the record as one line with its line feed; on an error `out` is as it was.
pub(crate) fn write_record(record: &Record, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    let written = match record {
        Record::Page(page) => write_row(PAGE, &**page, out),
        Record::Item(item) => write_row(ITEM, item, out),
        Record::Skipped(skipped) => write_row(SKIPPED, &**skipped, out),
    };
    match written {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
    written
}

fn write_row<R>(columns: &[Column<R>], record: &R, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'{');
    let same_group = |one: &Column<R>, next: &Column<R>| one.group.is_some() && one.group == next.group;
    for (index, run) in columns.chunk_by(same_group).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match run.first().and_then(|column| column.group) {
            Some(group) => write_group(group, run, record, out)?,
            None => write_fields(run, record, out)?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_group<R>(group: &str, columns: &[Column<R>], record: &R, out: &mut Vec<u8>) -> io::Result<()> {
    write_key(group, out);
    if columns.iter().all(|column| (column.cell)(record) == Cell::Nothing) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    out.push(b'{');
    write_fields(columns, record, out)?;
    out.push(b'}');
    Ok(())
}

fn write_fields<R>(columns: &[Column<R>], record: &R, out: &mut Vec<u8>) -> io::Result<()> {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_key(column.key, out);
        write_cell(&(column.cell)(record), out)?;
    }
    Ok(())
}

/// Names of columns need no escapes.
fn write_key(key: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_cell(cell: &Cell<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match cell {
        Cell::Nothing => out.extend_from_slice(b"null"),
        Cell::Flag(flag) => write!(out, "{flag}")?,
        Cell::Number(number) => write!(out, "{number}")?,
        Cell::Millis(millis) => serde_json::to_writer(out, millis)?,
        Cell::Text(text) => serde_json::to_writer(out, text)?,
        Cell::Urls(urls) => {
            out.push(b'[');
            for (index, url) in urls.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, url.as_str())?;
            }
            out.push(b']');
        }
        // It is JSON already, and a line feed in JSON text is only white space.
        Cell::Json(text) => {
            for (index, line) in text.split(['\n', '\r']).enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(line.as_bytes());
            }
        }
    }
    Ok(())
}
