//! Looks at the files of sinks where nothing goes wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::Wall;
use dragline_core::frontier::Epoch;
use dragline_disk::FileDisk;
use dragline_sink::{Compression, FileSink, RecordKind, Sink};

use crate::disk::TestDisk;
use crate::kit::{Log, PATH, RUN, STYLES, all_items, items_in, record, skipped};

fn names_in(disk: &TestDisk) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().expect("files have names").to_string_lossy().into_owned();
    disk.contents().keys().map(name).collect()
}

fn contents_of(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.map(|path| (path.clone(), std::fs::read(path).expect("it can be read"))).collect()
}

#[test]
fn every_style_is_whole_on_a_real_disk() {
    for style in STYLES {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("made/on/the/way");
        let mut sink = style.sink_at(Arc::new(FileDisk), &dir.join("items.rows"));
        Log::default().run(&mut sink).unwrap();
        let contents = contents_of(&dir);
        assert_eq!(items_in(&contents), all_items(), "{style:?}");
        assert_eq!(sink.rows(), all_items().len() as u64);
        let open = |path: &&PathBuf| path.to_string_lossy().ends_with(".open");
        assert_eq!(contents.keys().filter(open).count(), 0, "{style:?}");
    }
}

#[test]
fn what_was_flushed_is_in_the_file_and_records_of_other_kinds_are_not() {
    let disk = TestDisk::default();
    let mut sink = STYLES[0].sink(Arc::new(disk.clone())).named("copy");
    assert_eq!(disk.operations(), 0, "setting it up touches nothing");
    assert_eq!((sink.name(), sink.path()), ("copy", Path::new(PATH)));
    assert!(sink.takes(RecordKind::Item) && !sink.takes(RecordKind::Page));
    let begun = sink.begin(RUN).unwrap();
    assert_eq!((&*begun.sink, disk.contents()), ("copy", BTreeMap::from([(PATH.into(), Vec::new())])));
    sink.write(&[record(1), skipped(), record(2)]).unwrap();
    assert_eq!(items_in(&disk.contents()), [0_u32; 0]);
    let mark = sink.flush(Epoch(1)).unwrap();
    assert_ne!(mark, begun);
    assert_eq!(items_in(&disk.contents()), [1, 2]);
    let operations = disk.operations();
    assert_eq!(sink.flush(Epoch(2)).unwrap(), mark, "nothing new gives the last mark again");
    assert_eq!(disk.operations(), operations, "without a sync");
}

#[test]
fn a_file_is_sealed_at_a_flush_and_published_once_its_commit_is_durable() {
    let disk = TestDisk::default();
    let mut sink = STYLES[2].sink(Arc::new(disk.clone()));
    sink.begin(RUN).unwrap();
    assert_eq!(names_in(&disk), [""; 0], "a numbered file comes with its first row");
    sink.write(&[1, 2, 3, 4].map(record)).unwrap();
    let sealed = sink.flush(Epoch(1)).unwrap();
    sink.write(&[record(5)]).unwrap();
    sink.committed(Epoch(0)).unwrap();
    assert_eq!(names_in(&disk), ["items-000001.rows.0000000000005eed.open"], "its commit is not durable");
    sink.committed(Epoch(1)).unwrap();
    assert_eq!(names_in(&disk), ["items-000001.rows"]);
    let next = sink.flush(Epoch(2)).unwrap();
    assert!(sealed.position.contains(r#""number":1"#) && !next.position.contains(r#""number":1"#));
    assert_eq!(names_in(&disk), ["items-000001.rows", "items-000002.rows.0000000000005eed.open"]);
    sink.seal();
    let last = sink.flush(Epoch(3)).unwrap();
    sink.committed(Epoch(3)).unwrap();
    assert_eq!(names_in(&disk), ["items-000001.rows", "items-000002.rows"]);
    let operations = disk.operations();
    assert_ne!(sink.flush(Epoch(4)).unwrap(), last, "what was published is named no longer");
    assert_eq!(disk.operations(), operations, "without a sync");
    assert_eq!(items_in(&disk.contents()), [1, 2, 3, 4, 5]);
}

#[test]
fn a_file_is_sealed_when_it_is_old_counted_from_its_first_row_in_whatever_life() {
    let disk = TestDisk::default();
    let sink = || STYLES[7].sink(Arc::new(disk.clone()));
    let tell = |sink: &mut FileSink, millis: i64| sink.tell_time(Wall::from_micros(millis * 1_000));
    let open = |number: u32| format!("items-00000{number}.rows.0000000000005eed.open");
    let mut first = sink();
    first.begin(RUN).unwrap();
    tell(&mut first, 99_000);
    let empty = first.flush(Epoch(1)).unwrap();
    tell(&mut first, 500_000);
    assert_eq!(first.flush(Epoch(2)).unwrap(), empty, "what has no row has no age");
    first.write(&[record(1)]).unwrap();
    tell(&mut first, 559_000);
    first.write(&[record(2)]).unwrap();
    let mark = first.flush(Epoch(3)).unwrap();
    first.write(&[record(3)]).unwrap();
    drop(first);

    let mut second = sink();
    second.rewind(RUN, &mark).unwrap();
    tell(&mut second, 559_999);
    assert_eq!(second.flush(Epoch(4)).unwrap(), mark);
    second.committed(Epoch(4)).unwrap();
    assert_eq!(names_in(&disk), [open(1)]);
    tell(&mut second, 560_000);
    second.flush(Epoch(5)).unwrap();
    second.committed(Epoch(5)).unwrap();
    assert_eq!(names_in(&disk), ["items-000001.rows"], "a minute old, also without a new row");
    second.write(&[record(3)]).unwrap();
    tell(&mut second, 619_999);
    second.flush(Epoch(6)).unwrap();
    assert_eq!(names_in(&disk), ["items-000001.rows".to_owned(), open(2)], "the next has its own age");
    tell(&mut second, 620_000);
    second.flush(Epoch(7)).unwrap();
    second.committed(Epoch(7)).unwrap();
    assert_eq!(names_in(&disk), ["items-000001.rows", "items-000002.rows"]);
    assert_eq!(items_in(&disk.contents()), [1, 2, 3]);
}

#[test]
fn rows_beyond_the_cap_are_counted_in_every_life() {
    let disk = TestDisk::default();
    let sink = || STYLES[0].sink(Arc::new(disk.clone())).rows_max(3);
    let mut first = sink();
    first.begin(RUN).unwrap();
    first.write(&[1, 2].map(record)).unwrap();
    let mark = first.flush(Epoch(1)).unwrap();
    first.write(&[3, 4].map(record)).unwrap();
    let later = first.flush(Epoch(2)).unwrap();
    assert_eq!((items_in(&disk.contents()), first.dropped()), (vec![1, 2, 3], 1));
    drop(first);

    let mut second = sink();
    second.rewind(RUN, &mark).unwrap();
    assert_eq!((items_in(&disk.contents()), second.rows(), second.dropped()), (vec![1, 2], 2, 0));
    second.write(&[5, 6].map(record)).unwrap();
    second.flush(Epoch(2)).unwrap();
    assert_eq!((items_in(&disk.contents()), second.dropped()), (vec![1, 2, 5], 1));
    let mut third = sink();
    third.rewind(RUN, &later).unwrap();
    assert_eq!(third.dropped(), 1);
}

#[test]
fn more_than_a_buffer_is_written_in_order_and_compressed_whole() {
    for compression in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        let disk = TestDisk::default();
        let sink = || FileSink::jsonl(Arc::new(disk.clone()), PATH, RecordKind::Item).compress(compression);
        let mut first = sink();
        first.begin(RUN).unwrap();
        let records: Vec<_> = (0..5_000).map(record).collect();
        for chunk in records.chunks(7) {
            first.write(chunk).unwrap();
        }
        let written: usize = disk.contents().values().map(Vec::len).sum();
        assert!(written > 100_000, "a full buffer is written before the flush: {written}");
        first.seal();
        let mark = first.flush(Epoch(1)).unwrap();
        first.committed(Epoch(1)).unwrap();
        let expected: Vec<u32> = (0..5_000).collect();
        assert_eq!(items_in(&disk.contents()), expected);
        let finished = disk.contents();
        sink().rewind(RUN, &mark).unwrap();
        assert_eq!(disk.contents(), finished, "what is finished is known again");
    }
}

#[test]
fn a_run_that_was_sealed_goes_on_in_another_file() {
    for style in STYLES.into_iter().filter(|style| style.compression.is_some()) {
        let disk = TestDisk::default();
        let mut log = Log::default();
        log.run(&mut style.sink(Arc::new(disk.clone()))).unwrap();
        let files = disk.contents().len();
        let (_, mark) = log.commit.unwrap();
        let mut next = style.sink(Arc::new(disk.clone()));
        next.rewind(RUN, &mark).unwrap();
        next.write(&[record(99)]).unwrap();
        next.seal();
        next.flush(Epoch(50)).unwrap();
        next.committed(Epoch(50)).unwrap();
        assert_eq!(disk.contents().len(), files + 1);
        assert_eq!(items_in(&disk.contents()), [&all_items()[..], &[99]].concat());
    }
}
