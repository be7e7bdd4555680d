//! Puts things in the way, takes files away, and changes the configuration: a sink refuses and changes nothing.

use std::sync::Arc;

use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_sink::{FileSink, Format, RecordKind, Sink, SinkError};

use crate::disk::TestDisk;
use crate::kit::{PATH, RUN, STYLES, Style, items_in, record};

const FIRST_OPEN: &str = "out/items-000001.rows.0000000000005eed.open";
/// What `gzip` makes of nothing.
const EMPTY_GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";

/// Checks that a call fails with words, and leaves the disk as it was.
fn check(disk: &TestDisk, call: impl FnOnce() -> Result<(), SinkError>, words: &str) {
    let before = disk.contents();
    let error = call().expect_err(words);
    assert!(error.to_string().contains(words), "{error}, expected {words}");
    assert!(!error.may_retry());
    assert_eq!(disk.contents(), before, "{error}");
}

/// Writes three items and seals; the mark is durable, nothing is published.
fn sealed(style: Style, disk: &TestDisk) -> Mark {
    let mut sink = style.sink(Arc::new(disk.clone()));
    sink.begin(RUN).expect("nothing is in the way");
    sink.write(&[1, 2, 3].map(record)).expect("there is space");
    sink.seal();
    sink.flush(Epoch(1)).expect("there is space")
}

fn rewind(style: Style, disk: &TestDisk, mark: &Mark) -> Result<(), SinkError> {
    style.sink(Arc::new(disk.clone())).rewind(RUN, mark)
}

#[test]
fn what_is_in_the_way_of_a_start_is_named() {
    for (style, path) in [
        (STYLES[0], PATH),
        (STYLES[2], "out/items-000001.rows"),
        (STYLES[2], "out/items-000007.rows.gz"),
        (STYLES[4], "out/items-1234567.rows.zst"),
    ] {
        let disk = TestDisk::default();
        disk.put(path, b"theirs\n");
        let begin = || style.sink(Arc::new(disk.clone())).begin(RUN).map(drop);
        check(&disk, begin, &format!("{path} is in the way"));
    }
}

#[test]
fn a_start_that_was_cut_short_is_begun_again() {
    for style in STYLES {
        let disk = TestDisk::default();
        let first = style.sink(Arc::new(disk.clone())).begin(RUN).unwrap();
        let again = style.sink(Arc::new(disk.clone())).begin(RunId(2)).unwrap();
        assert_eq!(first, again, "{style:?}");
    }
}

#[test]
fn a_file_that_took_a_final_name_is_not_replaced() {
    for style in [STYLES[2], STYLES[4]] {
        let disk = TestDisk::default();
        let finished = if style.csv { "out/items-000001.rows.gz" } else { "out/items-000001.rows" };
        let mut sink = style.sink(Arc::new(disk.clone()));
        sink.begin(RUN).unwrap();
        sink.write(&[1, 2, 3].map(record)).unwrap();
        let mark = sink.flush(Epoch(1)).unwrap();
        disk.put(finished, if style.csv { EMPTY_GZIP } else { b"theirs" });
        let words = format!("{finished} is in the way");
        check(&disk, || sink.committed(Epoch(1)), &words);
        check(&disk, || rewind(style, &disk, &mark), &words);
    }
}

#[test]
fn a_mark_of_another_place_or_form_is_refused() {
    let disk = TestDisk::default();
    let mark = sealed(STYLES[0], &disk);
    let elsewhere = mark.position.replace("out/", "other/");
    for position in ["", "0", "0 0 0 out/items.rows", "files/1 {}", &elsewhere] {
        let mark = Mark { sink: "items.rows".into(), position: position.into() };
        let words = format!("out/items.rows is not the file of the mark `{position}`");
        check(&disk, || rewind(STYLES[0], &disk, &mark), &words);
    }
    disk.put("./out/items.rows", &disk.contents()[std::path::Path::new(PATH)]);
    let mut dotted = FileSink::jsonl(Arc::new(disk), "./out/items.rows", RecordKind::Item);
    dotted.rewind(RUN, &mark).expect("it is the same place");
}

#[test]
fn a_sink_that_is_set_up_otherwise_is_refused() {
    let disk = TestDisk::default();
    let mark = sealed(STYLES[1], &disk);
    for (style, words) in [
        (STYLES[0], "begun as one file of CSV (handler,url,n) and cannot go on as one file of JSON lines"),
        (STYLES[3], "begun as one file of CSV (handler,url,n) and cannot go on as numbered files of CSV"),
    ] {
        check(&disk, || rewind(style, &disk, &mark), words);
    }
    let columns = vec!["m".into()];
    let other = || FileSink::new(Arc::new(disk.clone()), PATH, RecordKind::Item, Format::Csv { columns });
    check(&disk, || other().rewind(RUN, &mark), "cannot go on as one file of CSV (handler,url,m)");
    let disk = TestDisk::default();
    let mark = sealed(STYLES[2], &disk);
    rewind(STYLES[5], &disk, &mark).expect("compression may change from file to file");
    assert_eq!(items_in(&disk.contents()), [1, 2, 3]);
}

#[test]
fn what_is_missing_or_short_is_named_with_the_ways_out() {
    for (style, path) in [(STYLES[0], PATH), (STYLES[2], FIRST_OPEN), (STYLES[4], FIRST_OPEN)] {
        let disk = TestDisk::default();
        let mark = sealed(style, &disk);
        let bytes = disk.contents()[std::path::Path::new(path)].clone();
        disk.put(path, &bytes[..bytes.len() - 1]);
        let words = format!("{path} has {} bytes where {} were made durable", bytes.len() - 1, bytes.len());
        check(&disk, || rewind(style, &disk, &mark), &words);
        disk.take(path);
        check(&disk, || rewind(style, &disk, &mark), "bring it back, or start over with --fresh");
    }
}

#[test]
fn a_finished_file_that_lost_its_end_is_named() {
    for style in [STYLES[2], STYLES[4], STYLES[5]] {
        let disk = TestDisk::default();
        let mark = sealed(style, &disk);
        rewind(style, &disk, &mark).unwrap();
        let (path, bytes) = disk.contents().pop_first().unwrap();
        let path = path.to_string_lossy();
        disk.put(&path, &bytes[..bytes.len() - 9]);
        check(&disk, || rewind(style, &disk, &mark), "were made durable: bring it back");
        disk.put(&path, b"no such format at all, and no longer than that");
        let words = if style.compression.is_some() { "could not decompress" } else { "were made durable" };
        check(&disk, || rewind(style, &disk, &mark), words);
    }
}

#[test]
fn a_sink_that_was_neither_begun_nor_rewound_writes_nothing() {
    let disk = TestDisk::default();
    let mut sink = STYLES[0].sink(Arc::new(disk.clone()));
    sink.seal();
    check(&disk, || sink.write(&[record(1)]), "could not write out/items.rows");
    check(&disk, || sink.flush(Epoch(1)).map(drop), "could not write out/items.rows");
    assert_eq!(disk.operations(), 0);
}
