//! Lets one operation after the other fail, for want of space or otherwise, and goes on as the engine does.

use std::io::ErrorKind;
use std::sync::Arc;

use dragline_core::frontier::Epoch;
use dragline_sink::{Sink, SinkError};

use crate::disk::{Fault, TestDisk};
use crate::kit::{FILE_BYTES_MAX, Log, RUN, STYLES, check_end, items_in, new_disk, record};

/// Lets operations fail wherever a sink has one, and has it end well all the same, perhaps in its next life.
fn check(count: u64, kind: ErrorKind) {
    for style in STYLES {
        for at in 0.. {
            let story = format!("{style:?}: {kind:?} at {at}, {count} times");
            let (disk, mut log) = (new_disk(), Log::default());
            disk.set_fault(Fault::Fails { at, count, kind });
            let mut sink = style.sink(Arc::new(disk.clone()));
            if let Err(error) = log.run(&mut sink) {
                let is_sync = matches!(error, SinkError::Sync { .. });
                let is_space = kind == ErrorKind::StorageFull && count == 1;
                assert!(is_sync || !is_space, "{story}: {error} although there was space again");
                if is_sync && sink.rows() > 0 {
                    let later = sink.flush(Epoch(99)).err();
                    assert!(
                        matches!(later, Some(SinkError::Sync { .. })),
                        "{story}: {later:?} after {error}"
                    );
                }
                let next = disk.copy();
                let mut sink = style.sink(Arc::new(next.clone()));
                log.run(&mut sink).unwrap_or_else(|error| panic!("{story}: {error} in the next life"));
                check_end(&next, &story);
            } else {
                check_end(&disk, &story);
            }
            if disk.operations() <= at {
                break;
            }
        }
    }
}

#[test]
fn want_of_space_anywhere_costs_no_record() {
    check(1, ErrorKind::StorageFull);
    check(2, ErrorKind::StorageFull);
    check(3, ErrorKind::QuotaExceeded);
}

#[test]
fn any_other_failure_costs_no_record_either() {
    check(1, ErrorKind::Other);
    check(2, ErrorKind::PermissionDenied);
}

#[test]
fn a_limit_of_file_sizes_begins_another_file_where_files_are_numbered() {
    for style in STYLES {
        let (disk, mut log) = (new_disk(), Log::default());
        disk.set_file_bytes_max(FILE_BYTES_MAX);
        let mut sink = style.sink(Arc::new(disk.clone()));
        match log.run(&mut sink) {
            Ok(()) => check_end(&disk, &format!("{style:?}")),
            Err(error) => {
                assert!(!style.is_numbered() && !style.csv, "{style:?}: {error}");
                assert_eq!(error.to_string(), "out/items.rows reached the file size limit");
                assert!(!error.may_retry());
                assert_eq!(items_in(&disk.contents()), log.items(), "cut to the last whole write");
            }
        }
    }
}

#[test]
fn a_row_that_no_file_may_hold_ends_the_sink() {
    for style in STYLES {
        let disk = TestDisk::default();
        disk.set_file_bytes_max(10);
        let mut sink = style.sink(Arc::new(disk));
        sink.begin(RUN).unwrap();
        sink.write(&[record(1)]).unwrap();
        assert!(matches!(sink.flush(Epoch(1)), Err(SinkError::FileTooLarge { .. })), "{style:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_what_was_taken_is_kept() {
    let kind = std::fs::write("/dev/full", "x").unwrap_err().kind();
    let disk = TestDisk::default();
    let mut sink = STYLES[0].sink(Arc::new(disk.clone()));
    sink.begin(RUN).unwrap();
    sink.write(&[record(1)]).unwrap();
    disk.set_fault(Fault::Fails { at: disk.operations(), count: 1, kind });
    let error = sink.flush(Epoch(1)).unwrap_err();
    assert_eq!(error.to_string(), "no space left to write out/items.rows");
    assert!(error.may_retry());
    assert_eq!(items_in(&disk.contents()), [0_u32; 0], "cut to the last whole row");
    sink.write(&[record(2)]).unwrap();
    sink.flush(Epoch(1)).unwrap();
    assert_eq!(items_in(&disk.contents()), [1, 2], "with room again, everything is written once");
}

#[test]
fn what_could_not_be_compressed_for_want_of_space_takes_none() {
    let disk = TestDisk::default();
    let mut sink = STYLES[4].sink(Arc::new(disk.clone()));
    sink.begin(RUN).unwrap();
    sink.write(&[1, 2].map(record)).unwrap();
    sink.flush(Epoch(1)).unwrap();
    let before = disk.contents();
    // Looking for the final name and for what an earlier try left, opening both files, reading, and then writing.
    for at in 0..6 {
        disk.set_fault(Fault::Fails { at: disk.operations() + at, count: 1, kind: ErrorKind::StorageFull });
        let failed = sink.committed(Epoch(1)).map_err(|error| error.may_retry());
        assert_eq!((failed, disk.contents() == before), (Err(true), true), "operation {at}");
    }
    sink.committed(Epoch(1)).unwrap();
    assert_eq!(items_in(&disk.contents()), [1, 2]);
}
