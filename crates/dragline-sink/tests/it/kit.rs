//! Plays the engine's part towards a sink, keeps its log, and reads what stands in the files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dragline_core::frontier::{Epoch, Mark, RunId};
use dragline_core::{CanonicalUrl, Decision, Item, SkipReason, Wall};
use dragline_disk::Disk;
use dragline_sink::{
    Compression, FileSink, Format, ItemRecord, Record, RecordKind, Sink, SinkError, SkippedRecord,
};

use crate::disk::TestDisk;

/// The run of every test, but for those of others.
pub(crate) const RUN: RunId = RunId(0x5eed);
/// Where every sink writes.
pub(crate) const PATH: &str = "out/items.rows";
/// Bytes that hold the JSON lines of any one commit, and not those of all.
pub(crate) const FILE_BYTES_MAX: usize = 300;
/// The time from one flush to the next.
pub(crate) const EPOCH: Duration = Duration::from_secs(60);
/// How many items come before each flush; with none, nothing is new.
pub(crate) const ITEMS: [u32; 6] = [3, 0, 5, 1, 0, 4];

/// How a sink is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) csv: bool,
    pub(crate) rotate_rows: u64,
    pub(crate) rotate_bytes: u64,
    pub(crate) rotate_after: Duration,
    pub(crate) compression: Option<Compression>,
}

/// One file of JSON lines.
const PLAIN: Style =
    Style { csv: false, rotate_rows: 0, rotate_bytes: 0, rotate_after: Duration::ZERO, compression: None };

/// Every way that a sink writes in.
pub(crate) const STYLES: [Style; 8] = [
    PLAIN,
    Style { csv: true, ..PLAIN },
    Style { rotate_rows: 3, ..PLAIN },
    Style { csv: true, rotate_bytes: 60, ..PLAIN },
    Style { csv: true, rotate_rows: 2, compression: Some(Compression::Gzip), ..PLAIN },
    Style { rotate_rows: 4, compression: Some(Compression::Zstd), ..PLAIN },
    Style { compression: Some(Compression::Gzip), ..PLAIN },
    Style { rotate_after: EPOCH, ..PLAIN },
];

/// Files of nobody, and of another run, that must stay as they are.
const FOREIGN: [&str; 4] = [
    "out/notes.txt",
    "out/items-000001.csv",
    "out/items-000002.rows.00000000000000ff.open",
    "out/items-000002.rows.gz.00000000000000ff.tmp",
];

/// Returns a disk with files of others.
pub(crate) fn new_disk() -> TestDisk {
    let disk = TestDisk::default();
    FOREIGN.iter().for_each(|path| disk.put(path, b"not ours"));
    disk
}

impl Style {
    pub(crate) const fn is_numbered(self) -> bool {
        self.rotate_rows > 0
            || self.rotate_bytes > 0
            || !self.rotate_after.is_zero()
            || self.compression.is_some()
    }

    pub(crate) fn sink(self, disk: Arc<dyn Disk>) -> FileSink {
        self.sink_at(disk, Path::new(PATH))
    }

    pub(crate) fn sink_at(self, disk: Arc<dyn Disk>, path: &Path) -> FileSink {
        let format = if self.csv { Format::Csv { columns: vec!["n".into()] } } else { Format::Jsonl };
        FileSink::new(disk, path, RecordKind::Item, format)
            .rotate_rows(self.rotate_rows)
            .rotate_bytes(self.rotate_bytes)
            .rotate_after(self.rotate_after)
            .compress(self.compression)
    }
}

/// What the log of the frontier knows of a sink.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// The last durable commit.
    pub(crate) commit: Option<(Epoch, Mark)>,
}

impl Log {
    /// Runs the sink from its last commit to its end; an error is where the process ends.
    pub(crate) fn run(&mut self, sink: &mut FileSink) -> Result<(), SinkError> {
        self.start(sink)?;
        self.go_on(sink)
    }

    /// Begins or rewinds.
    pub(crate) fn start(&mut self, sink: &mut FileSink) -> Result<(), SinkError> {
        match &self.commit {
            Some((_, mark)) => sink.rewind(RUN, mark),
            None => {
                let mark = again(|| sink.begin(RUN))?;
                self.commit = Some((Epoch(0), mark));
                Ok(())
            }
        }
    }

    /// Writes, flushes and commits what is left, as the engine does it: without space it tries again.
    pub(crate) fn go_on(&mut self, sink: &mut FileSink) -> Result<(), SinkError> {
        for epoch in self.epoch() + 1..=ITEMS.len() as u64 {
            sink.tell_time(at(epoch));
            let items = items_of(epoch);
            let (first, second) = items.split_at(items.len() / 2);
            for items in [first, second] {
                let written = sink.write(&items.iter().map(|item| record(*item)).collect::<Vec<_>>());
                if written.is_err_and(|error| !error.may_retry()) {
                    sink.write(&[])?;
                }
            }
            if epoch == ITEMS.len() as u64 {
                sink.seal();
            }
            let mark = again(|| sink.flush(Epoch(epoch)))?;
            self.commit = Some((Epoch(epoch), mark));
            again(|| sink.committed(Epoch(epoch)))?;
        }
        Ok(())
    }

    /// Returns the items that the last commit says are durable.
    pub(crate) fn items(&self) -> Vec<u32> {
        (1..=self.epoch()).flat_map(items_of).collect()
    }

    fn epoch(&self) -> u64 {
        self.commit.as_ref().map_or(0, |(epoch, _)| epoch.0)
    }
}

/// Calls again while there is no space.
fn again<T>(mut call: impl FnMut() -> Result<T, SinkError>) -> Result<T, SinkError> {
    match call() {
        Err(error) if error.may_retry() => call(),
        result => result,
    }
}

/// Returns when an epoch is flushed, in whatever life.
fn at(epoch: u64) -> Wall {
    Wall::from_secs(1_800_000_000) + EPOCH * u32::try_from(epoch).expect("there are few")
}

/// Returns every item, in order.
pub(crate) fn all_items() -> Vec<u32> {
    (0..ITEMS.iter().sum()).collect()
}

fn items_of(epoch: u64) -> Vec<u32> {
    let before = usize::try_from(epoch).expect("there are few") - 1;
    let start: u32 = ITEMS[..before].iter().sum();
    (start..start + ITEMS[before]).collect()
}

/// Makes the record of an item.
pub(crate) fn record(number: u32) -> Record {
    let url = CanonicalUrl::parse("http://a/").expect("the URL is right");
    let item = Item::new(&BTreeMap::from([("n", number)])).expect("a number is JSON");
    ItemRecord { handler: "h".into(), url, item }.into()
}

/// Makes a record of another kind.
pub(crate) fn skipped() -> Record {
    let url = CanonicalUrl::parse("http://a/").expect("the URL is right");
    let decision = Decision::built_in(SkipReason::Scope, "scope.mode");
    SkippedRecord { url, decision, place: None, referrer: None }.into()
}

/// Checks that all items are there, whole, once and in order, in finished files, whatever happens to the machine now.
pub(crate) fn check_end(disk: &TestDisk, story: &str) {
    let disk = disk.copy();
    disk.lose_power(&mut fastrand::Rng::with_seed(1));
    let contents = disk.contents();
    assert_eq!(items_in(&contents), all_items(), "{story}: at the end");
    for path in contents.keys().filter(|path| is_ours(path)) {
        let name = path.to_string_lossy();
        assert!(!name.ends_with(".open") && !name.ends_with(".tmp"), "{story}: {name} is left");
    }
    for path in FOREIGN {
        assert_eq!(contents.get(Path::new(path)).map(Vec::as_slice), Some(&b"not ours"[..]), "{story}");
    }
}

/// Reads the items out of all files of the sink, in order; each file must hold whole rows behind one header.
pub(crate) fn items_in(contents: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<u32> {
    let ours = |path: &&PathBuf| is_ours(path);
    contents.keys().filter(ours).flat_map(|path| items_of_file(path, &contents[path])).collect()
}

/// Whether a file is the sink's, finished or under way; names sort as numbers rise.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().expect("files have names").to_string_lossy();
    let foreign = name.contains(".000000000000") && !name.contains(&RUN.to_string());
    name.starts_with("items") && name.contains(".rows") && !foreign
}

fn items_of_file(path: &Path, bytes: &[u8]) -> Vec<u32> {
    let name = path.to_string_lossy();
    let text = if name.ends_with(".gz") {
        let mut text = String::new();
        let read = flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text);
        read.expect("a finished file is whole");
        text
    } else if name.ends_with(".zst") {
        let mut room = vec![0; 1 << 20];
        let len = zstd_safe::decompress(&mut room[..], bytes).expect("a finished file is whole");
        room.truncate(len);
        String::from_utf8(room).expect("rows are text")
    } else {
        String::from_utf8(bytes.into()).expect("rows are text")
    };
    assert!(text.is_empty() || text.ends_with('\n'), "{name}: {text:?}");
    let mut lines = text.lines();
    let number = |line: &str| -> u32 {
        let number = match serde_json::from_str::<serde_json::Value>(line) {
            Ok(row) => row["item"]["n"].to_string(),
            Err(_) => line.rsplit(',').next().unwrap_or_default().into(),
        };
        number.parse().unwrap_or_else(|_| panic!("{name}: {line:?} is no row"))
    };
    if text.starts_with("handler") {
        assert_eq!(lines.next(), Some("handler,url,n"), "{name}");
    }
    lines.map(number).collect()
}
