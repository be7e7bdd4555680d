//! Checks that a history is read in order, found by fingerprint and rewound to its mark.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_core::frontier::RunId;
use dragline_disk::FileDisk;
use dragline_frontier::LogError;
use dragline_frontier::history::{History, HistoryEntry, HistoryMark, HistoryOptions};

use crate::log_kit::{DIR, RUN};
use crate::mem_disk::MemDisk;

/// Segments are sealed after about this many bytes: two flushes.
pub(crate) const OPTIONS: HistoryOptions = HistoryOptions { segment_bytes: 200 };

type Files = BTreeMap<PathBuf, Vec<u8>>;

pub(crate) fn open(disk: &MemDisk, mark: Option<HistoryMark>) -> Result<History, LogError> {
    History::open(Arc::new(disk.clone()), Path::new(DIR), RUN, mark, OPTIONS)
}

pub(crate) fn segment(number: u32) -> PathBuf {
    Path::new(DIR).join(format!("history-{number:010}"))
}

fn index(number: u32) -> PathBuf {
    Path::new(DIR).join(format!("history-{number:010}.index"))
}

/// Returns the entries of one flush: three, of which the first has a fingerprint that every flush has.
pub(crate) fn entries(flush: u64) -> Vec<(u64, Vec<u8>)> {
    let text = |entry: u64| format!("entry {entry} of flush {flush}").into_bytes();
    vec![(7, text(0)), (100 + flush, text(1)), (7, text(2))]
}

/// Returns everything that so many flushes wrote.
pub(crate) fn all(flushes: u64) -> Vec<HistoryEntry> {
    let entries = (0..flushes).flat_map(entries);
    (1..)
        .zip(entries)
        .map(|(number, (fingerprint, payload))| HistoryEntry { number, fingerprint, payload })
        .collect()
}

/// Writes so many flushes to a new disk; the mark after each stands in the list.
pub(crate) fn written(flushes: u64) -> (MemDisk, Vec<HistoryMark>) {
    let disk = MemDisk::default();
    let mut history = open(&disk, None).expect("a first start");
    let mut marks = vec![history.mark()];
    for flush in 0..flushes {
        history.append(entries(flush)).expect("they are small");
        marks.push(history.flush().expect("there is space"));
    }
    (disk, marks)
}

/// Asserts that a history holds what so many flushes wrote, in order and by fingerprint.
pub(crate) fn holds(history: &History, flushes: u64) {
    let expected = all(flushes);
    let scan = |from| history.scan(from).expect("it is whole").map(|entry| entry.expect("it is whole"));
    for from in 0..=expected.len() as u64 + 2 {
        let behind: Vec<_> = expected.iter().filter(|entry| entry.number >= from).collect();
        assert_eq!(scan(from).collect::<Vec<_>>().iter().collect::<Vec<_>>(), behind, "from {from}");
    }
    for fingerprint in (0..10).chain(95..105 + flushes) {
        let mut wanted: Vec<_> =
            expected.iter().filter(|entry| entry.fingerprint == fingerprint).cloned().collect();
        wanted.reverse();
        assert_eq!(history.find(fingerprint).expect("it is whole"), wanted);
        assert_eq!(history.view().find(fingerprint).expect("it is whole"), wanted);
    }
}

#[test]
fn entries_are_found_in_order_and_by_fingerprint_over_many_lives() {
    let disk = MemDisk::default();
    let mut mark = None;
    for flushes in 0..8 {
        let mut history = open(&disk, mark).unwrap();
        holds(&history, flushes);
        history.append(entries(flushes)).unwrap();
        assert!(history.pending_bytes() > 36);
        mark = Some(history.flush().unwrap());
        assert_eq!(history.pending_bytes(), 0);
        assert_eq!(history.flush().unwrap(), mark.unwrap(), "there is nothing new");
        holds(&history, flushes + 1);
        disk.lose_power();
    }
    assert!(mark.unwrap().segment >= 3, "segments were sealed");
    assert!(disk.contents().contains_key(&index(1)));
}

/// Returns how many bytes on the disk an entry costs, header and all, when many are written whose contents are these.
fn cost(content: impl FnMut(u64) -> Vec<u8>) -> u64 {
    let folder = tempfile::tempdir().expect("there is space");
    let disk = Arc::new(FileDisk);
    let mut history =
        History::open(disk, folder.path(), RUN, None, HistoryOptions::default()).expect("a first start");
    let fingerprint = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let count = 20_000;
    let contents: Vec<_> = (0..count).map(content).collect();
    history.append((0..).map(fingerprint).zip(contents.iter().cloned()).collect()).expect("they are small");
    let mark = history.flush().expect("there is space");
    let found = history.find(fingerprint(5)).expect("it is whole");
    assert_eq!(
        found,
        [HistoryEntry { number: 6, fingerprint: fingerprint(5), payload: contents[5].clone() }]
    );
    let read = history.scan(1).expect("it is whole").map(|entry| entry.expect("it is whole").payload);
    assert!(read.eq(contents));
    mark.bytes.div_ceil(count)
}

#[test]
fn an_entry_costs_little_more_than_its_fingerprint_and_its_content_compressed() {
    let mut random = fastrand::Rng::with_seed(3);
    assert_eq!(cost(|_| (0..100).map(|_| random.u8(..)).collect()), 8 + 1 + 100 + 1, "not compressible");
    let alike =
        |page| format!("https://www.example.org/articles/a-page-like-others-{page}.html").into_bytes();
    assert!(cost(alike) < 8 + 10, "nearly all in common");
    let half_alike = |page| {
        let mut content = alike(page);
        content.extend((0..16).map(|_| random.u8(..)));
        content
    };
    assert!(cost(half_alike) < 8 + 16 + 12, "a digest in each");
}

#[test]
fn fingerprints_that_share_a_half_are_told_apart() {
    let disk = MemDisk::default();
    let mut history = open(&disk, None).unwrap();
    let fingerprints = [7, 7 | 1 << 32, 7 << 32, 7 | 1 << 63];
    for fingerprint in fingerprints {
        history.append(vec![(fingerprint, fingerprint.to_le_bytes().repeat(20))]).unwrap();
        history.flush().unwrap();
    }
    assert!(disk.contents().contains_key(&index(1)));
    for (number, fingerprint) in (1..).zip(fingerprints) {
        let payload = fingerprint.to_le_bytes().repeat(20);
        let expected = [HistoryEntry { number, fingerprint, payload }];
        assert_eq!(history.find(fingerprint).unwrap(), expected);
        assert_eq!(history.view().find(fingerprint).unwrap(), expected);
    }
    assert_eq!(history.find(7 | 2 << 32).unwrap(), []);
}

#[test]
fn no_flipped_bit_of_a_compressed_block_is_believed() {
    let (disk, marks) = written(1);
    let files = disk.contents();
    let block = &files[&segment(1)][64..];
    assert_eq!(block[3], 2, "it is compressed");
    for bit in 0..block.len() * 8 {
        let mut files = files.clone();
        files.get_mut(&segment(1)).unwrap()[64 + bit / 8] ^= 1 << (bit % 8);
        let disk = Arc::new(MemDisk::of(&files));
        let view = History::inspect(disk.clone(), Path::new(DIR), RUN, marks[1]);
        let errors = [
            view.scan(1).unwrap().find_map(Result::err),
            view.find(7).err(),
            view.find(1).err(),
            open(&disk, Some(marks[1])).err(),
        ];
        for error in errors {
            let error = error.unwrap_or_else(|| panic!("bit {bit} is not noticed")).to_string();
            assert!(error.starts_with("state/history-0000000001 is damaged at byte 64"), "{error}");
        }
    }
}

#[test]
fn a_history_is_rewound_to_any_mark_and_written_anew() {
    for kept in 0..=6_u64 {
        let (disk, marks) = written(6);
        let mark = marks[usize::try_from(kept).unwrap()];
        let mut history = open(&disk, Some(mark)).unwrap();
        holds(&history, kept);
        assert_eq!(history.mark(), mark);
        // An index of what was there before would now lead astray.
        let indexes: Vec<_> = disk.contents().into_keys().filter(|path| path.extension().is_some()).collect();
        assert!(indexes.iter().all(|path| *path < index(mark.segment)), "{indexes:?}");
        disk.lose_power();
        for flush in kept..7 {
            history.append(entries(flush)).unwrap();
            history.flush().unwrap();
        }
        disk.lose_power();
        holds(&history, 7);
        holds(&open(&disk, Some(history.mark())).unwrap(), 7);
    }
}

#[test]
fn without_a_mark_nothing_stays() {
    let (disk, _) = written(6);
    holds(&open(&disk, None).unwrap(), 0);
    assert!(disk.contents().is_empty());
    disk.lose_power();
    assert!(disk.contents().is_empty(), "that is durable");
}

#[test]
fn what_a_mark_needs_and_is_not_there_is_refused_by_name() {
    let (disk, marks) = written(6);
    let files = disk.contents();
    let last = marks[6];
    let check = |change: &dyn Fn(&mut Files), expected: &str| {
        let mut files = files.clone();
        change(&mut files);
        let disk = MemDisk::of(&files);
        let error = open(&disk, Some(last)).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.to_string().contains("nothing was changed"), "{error}");
        assert_eq!(disk.contents(), files);
    };
    check(&|files| drop(files.remove(&segment(1))), "state/history-0000000001 is gone");
    check(&|files| drop(files.remove(&segment(last.segment))), "state/history-0000000003 is gone");
    let (bytes, fewer) = (last.bytes, last.bytes - 1);
    check(
        &|files| files.get_mut(&segment(last.segment)).unwrap().truncate(usize::try_from(fewer).unwrap()),
        &format!("state/history-0000000003 has {fewer} bytes where {bytes} were made durable"),
    );
    check(
        &|files| files.get_mut(&segment(last.segment)).unwrap()[100] ^= 1,
        "state/history-0000000003 is damaged",
    );
    let error = open(&disk, Some(HistoryMark { next: 99, ..last })).unwrap_err();
    assert!(error.to_string().contains("its entries are not those of the mark"), "{error}");
    let other = History::open(Arc::new(disk), Path::new(DIR), RunId(1), Some(last), OPTIONS);
    assert!(matches!(other.unwrap_err(), LogError::ForeignRun { .. }));
}

#[test]
fn damage_in_a_sealed_segment_is_named_when_it_is_read() {
    let (disk, marks) = written(6);
    let mut files = disk.contents();
    files.get_mut(&segment(1)).unwrap()[100] ^= 1;
    let history = open(&MemDisk::of(&files), Some(marks[6])).unwrap();
    let mut scan = history.scan(1).unwrap();
    let error = scan.next().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("state/history-0000000001 is damaged at byte 64"), "{error}");
    assert!(scan.next().is_none());
    assert!(history.find(100).is_err());
    assert_eq!(history.scan(7).unwrap().count(), 12, "the rest is whole");
    // Blocks that were lost at the end are missed.
    let mut files = disk.contents();
    files.get_mut(&segment(1)).unwrap().truncate(usize::try_from(marks[1].bytes).unwrap());
    let history = open(&MemDisk::of(&files), Some(marks[6])).unwrap();
    let error = history.scan(1).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("entries before it are missing"), "{error}");
    let beyond = HistoryMark { next: 99, ..marks[6] };
    let view = History::inspect(Arc::new(disk), Path::new(DIR), RUN, beyond);
    let error = view.scan(1).unwrap().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("entries behind it are missing"), "{error}");
}

#[test]
fn a_missing_or_broken_index_is_made_anew() {
    let (disk, marks) = written(6);
    let files = disk.contents();
    let whole = files[&index(1)].clone();
    let broken = {
        let mut broken = whole.clone();
        broken[5000] ^= 1;
        broken
    };
    let stale = files[&index(2)].clone();
    for contents in [None, Some(broken), Some(stale), Some(Vec::new())] {
        let mut files = files.clone();
        match contents {
            Some(contents) => drop(files.insert(index(1), contents)),
            None => drop(files.remove(&index(1))),
        }
        let disk = MemDisk::of(&files);
        let history = open(&disk, Some(marks[6])).unwrap();
        // Somebody who only looks changes nothing.
        let before = (disk.contents(), disk.changes());
        let view = History::inspect(Arc::new(disk.clone()), Path::new(DIR), RUN, marks[6]);
        assert_eq!(view.find(100).unwrap(), [all(1)[1].clone()]);
        assert_eq!((disk.contents(), disk.changes()), before);
        holds(&history, 6);
        assert_eq!(disk.contents()[&index(1)], whole);
    }
}

#[test]
fn looking_at_a_history_ends_at_the_mark() {
    let (disk, marks) = written(6);
    for (flushes, mark) in (0..).zip(&marks) {
        let view = History::inspect(Arc::new(disk.clone()), Path::new(DIR), RUN, *mark);
        let entries: Vec<_> = view.scan(1).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries, all(flushes));
        assert_eq!(view.find(7).unwrap().len() as u64, flushes * 2);
        assert_eq!(view.mark(), *mark);
    }
}
