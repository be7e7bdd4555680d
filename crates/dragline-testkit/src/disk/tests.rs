//! Checks the simulated disk against the system's, and each fault against what it promises.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_disk::{Disk, DiskFile, FileDisk, Open, write_whole};

use super::*;

/// Seeds over which every kind of outcome must come up.
const SEEDS: u64 = 200;

fn disk_with(path: &str, bytes: &[u8]) -> (SimDisk, Box<dyn DiskFile>) {
    let disk = SimDisk::new(1);
    disk.put(path, bytes);
    let file = disk.open(Path::new(path), Open::Append).expect("it was put there");
    (disk, file)
}

/// Returns bytes that tell where they belong, and are never zero.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("below 251") + 1).collect()
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// Loses power under every seed and returns what was left of the file, with what is said of it.
fn power_losses(disk: &SimDisk, path: &str) -> Vec<(Option<Vec<u8>>, SimDisk)> {
    let next = |seed| disk.crash(Crash::PowerLoss, seed);
    (0..SEEDS).map(next).map(|next| (next.contents(path), next)).collect()
}

fn survival(disk: &SimDisk) -> Survival {
    let found = disk.survived().iter().find_map(|survived| match survived {
        Survived::Bytes { survival, .. } => Some(*survival),
        Survived::OldName { .. } => None,
    });
    found.expect("there is one file")
}

#[test]
fn without_faults_it_does_what_the_systems_disk_does() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let (mut both, mut rng) = (Both::new(folder.path()), fastrand::Rng::with_seed(seed));
        for step in 0..150 {
            both.step(&mut rng, &format!("seed {seed}, step {step}"));
        }
    }
}

/// The system's disk and a simulated one, asked the same.
struct Both {
    sim: SimDisk,
    root: PathBuf,
    files: Vec<(Box<dyn DiskFile>, Box<dyn DiskFile>)>,
}

impl Both {
    fn new(root: &Path) -> Self {
        let sim = SimDisk::new(0);
        sim.create_dir(root).expect("nothing is in the way");
        Self { sim, root: root.to_owned(), files: Vec::new() }
    }

    fn path(&self, rng: &mut fastrand::Rng) -> PathBuf {
        let folder = *rng.choice(&["", "d", "d/e", "none"]).expect("not empty");
        self.root.join(folder).join(*rng.choice(&["1", "2", "3", "d"]).expect("not empty"))
    }

    fn step(&mut self, rng: &mut fastrand::Rng, what: &str) {
        let (path, other) = (self.path(rng), self.path(rng));
        let disks: [&dyn Disk; 2] = [&self.sim, &FileDisk];
        let same = |ask: &dyn Fn(&dyn Disk) -> io::Result<Vec<PathBuf>>| {
            let [sim, system] = disks.map(|disk| ask(disk).map_err(|error| error.kind()));
            assert_eq!(sim, system, "{what}: {} {}", path.display(), other.display());
        };
        match rng.u8(0..12) {
            0 => same(&|disk| disk.create_dir(&self.root.join("d/e")).map(|()| Vec::new())),
            1 => same(&|disk| disk.create_dir(&path).map(|()| Vec::new())),
            2 => same(&|disk| disk.list(path.parent().expect("in a folder"))),
            3 if !path.parent().expect("in a folder").is_file() => {
                same(&|disk| disk.sync_dir(path.parent().expect("in a folder")).map(|()| Vec::new()));
            }
            4 => same(&|disk| disk.remove(&path).map(|()| Vec::new())),
            5 if path.is_file() && !path.starts_with(&other) => {
                same(&|disk| disk.rename(&path, &other).map(|()| Vec::new()));
            }
            6 | 7 => self.open(rng, &path, what),
            _ => self.use_file(rng, what),
        }
    }

    fn open(&mut self, rng: &mut fastrand::Rng, path: &Path, what: &str) {
        let open = *rng.choice(&[Open::New, Open::New, Open::Append, Open::Read]).expect("not empty");
        match (self.sim.open(path, open), FileDisk.open(path, open)) {
            (Ok(sim), Ok(system)) => self.files.push((sim, system)),
            (sim, system) => assert_eq!(kind(sim), kind(system), "{what}: {open:?} {}", path.display()),
        }
    }

    fn use_file(&mut self, rng: &mut fastrand::Rng, what: &str) {
        if self.files.is_empty() {
            return;
        }
        let index = rng.usize(0..self.files.len());
        let Some((sim, system)) = self.files.get_mut(index) else { return };
        let len = sim.len().expect("it is open");
        match rng.u8(0..5) {
            0 => {
                let bytes = pattern(rng.usize(0..2000));
                let [sim, system] = [sim, system].map(|file| file.append(&bytes).is_ok());
                assert_eq!(sim, system, "{what}");
            }
            1 => {
                let cut = rng.u64(0..=len);
                let [sim, system] = [sim, system].map(|file| kind(file.cut(cut)));
                assert_eq!(sim, system, "{what}");
            }
            2 => assert_eq!(kind(sim.sync()), kind(system.sync()), "{what}"),
            3 => drop(self.files.swap_remove(index)),
            _ => {
                let (at, want) = (rng.u64(0..=len + 5), rng.usize(0..3000));
                let read = |file: &dyn DiskFile| {
                    let mut bytes = vec![0; want];
                    let read = file.read_at(at, &mut bytes).expect("it is open");
                    (read, bytes, file.len().expect("it is open"))
                };
                assert_eq!(read(sim.as_ref()), read(system.as_ref()), "{what}");
            }
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_and_can_do_no_more() {
    let (disk, mut file) = disk_with("out/a", b"old");
    file.append(b" new").unwrap();
    let mut made = disk.open(Path::new("out/b"), Open::New).unwrap();
    let next = disk.crash(Crash::Kill, 1);
    assert_eq!(next.contents("out/a").unwrap(), b"old new");
    assert_eq!(next.paths(), [Path::new("out/a"), Path::new("out/b")]);
    assert_eq!(file.append(b"x").unwrap_err().to_string(), "crashed");
    assert_eq!(made.sync().unwrap_err().to_string(), "crashed");
    assert_eq!(disk.list(Path::new("out")).unwrap_err().to_string(), "crashed");
    assert_eq!(next.contents("out/a").unwrap(), b"old new", "handles of an old life write into no new one");
    // What was not synced is still not: a power loss later takes it.
    let later: BTreeSet<_> = power_losses(&next, "out/a").into_iter().map(|(bytes, _)| bytes).collect();
    assert!(later.contains(&Some(b"old".to_vec())) && later.contains(&Some(b"old new".to_vec())));
}

#[test]
fn a_power_loss_leaves_every_kind_of_rest_and_nothing_else() {
    let whole = pattern(5000);
    let (disk, mut file) = disk_with("a", &whole[..1000]);
    file.append(&whole[1000..]).unwrap();
    let (mut kinds, mut holes_before_good) = (BTreeSet::new(), 0);
    for (bytes, next) in power_losses(&disk, "a") {
        let bytes = bytes.unwrap();
        assert_eq!(bytes[..1000], whole[..1000], "what was synced is there");
        match survival(&next) {
            Survival::Whole => assert_eq!(bytes, whole),
            Survival::Old => assert_eq!(bytes.len(), 1000),
            Survival::Prefix { len } => assert_eq!(bytes, whole[..len]),
            Survival::Hole { at, end, filling, len } => {
                assert_eq!(bytes.len(), len);
                assert_eq!((&bytes[..at], &bytes[end..]), (&whole[..at], &whole[end..len]));
                assert_eq!(filling == Filling::Zeros, bytes[at..end].iter().all(|byte| *byte == 0));
                assert!(at == 1000 || at % 512 == 0);
                holes_before_good += usize::from(end < len);
            }
            other => panic!("nothing was cut or lost: {other:?}"),
        }
        kinds.insert(format!("{:?}", survival(&next)).split(' ').next().unwrap().to_owned());
    }
    assert_eq!(kinds.len(), 4, "whole, old, prefix and hole");
    assert!(holes_before_good > 5, "{holes_before_good}");
}

#[test]
fn a_cut_that_was_not_synced_may_bring_the_old_end_back() {
    let whole = pattern(6000);
    let (disk, mut file) = disk_with("a", &whole);
    file.cut(1000).unwrap();
    file.append(&[255; 100]).unwrap();
    let (mut old, mut old_tails, mut cut) = (0, 0, 0);
    for (bytes, next) in power_losses(&disk, "a") {
        let bytes = bytes.unwrap();
        assert_eq!(bytes[..1000], whole[..1000]);
        match survival(&next) {
            Survival::Old => {
                assert_eq!(bytes, whole);
                old += 1;
            }
            Survival::OldTail { at, len } => {
                assert_eq!(len, 6000);
                assert!(bytes[1000..at].iter().all(|byte| *byte == 255));
                assert!(bytes[at..4096].iter().all(|byte| *byte == 0));
                assert_eq!(bytes[4096..], whole[4096..]);
                old_tails += 1;
            }
            _ => {
                assert!(bytes.len() <= 1100);
                cut += 1;
            }
        }
    }
    assert!(old > 5 && old_tails > 5 && cut > 5, "{old} {old_tails} {cut}");
}

#[test]
fn a_name_that_was_not_synced_is_old_or_new_and_a_file_is_never_without() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let (disk, _) = disk_with("d/a", b"a");
        disk.put("d/gone", b"gone");
        disk.open(Path::new("d/b.tmp"), Open::New).unwrap();
        disk.rename(Path::new("d/b.tmp"), Path::new("d/b")).unwrap();
        disk.rename(Path::new("d/a"), Path::new("d/c")).unwrap();
        disk.remove(Path::new("d/gone")).unwrap();
        let next = disk.crash(Crash::PowerLoss, seed);
        let there = ["d/a", "d/c", "d/b.tmp", "d/b", "d/gone"].map(|path| next.contents(path).is_some());
        let [a, c, tmp, b, _] = there;
        assert!(a != c && !(tmp && b), "{there:?}");
        seen.insert(there);

        disk_synced_keeps(seed);
    }
    assert_eq!(seen.len(), 12, "each of two, three and two names");
}

fn disk_synced_keeps(seed: u64) {
    let disk = SimDisk::new(seed);
    disk.create_dir(Path::new("d")).expect("there is room");
    disk.open(Path::new("d/a"), Open::New).expect("there is room");
    disk.rename(Path::new("d/a"), Path::new("d/b")).expect("it is there");
    disk.sync_dir(Path::new("d")).expect("it is there");
    assert_eq!(disk.crash(Crash::PowerLoss, seed).paths(), [Path::new("d/b")]);
}

#[test]
fn a_file_replaced_whole_is_old_or_new_at_every_crash() {
    let mut seen = BTreeSet::new();
    for at in 0..6 {
        for seed in 0..SEEDS {
            let disk = SimDisk::new(seed);
            disk.put("d/report", b"old report");
            disk.crash_at(at);
            assert_eq!(write_whole(&disk, Path::new("d/report"), b"new").is_ok(), at == 5);
            for crash in [Crash::Kill, Crash::PowerLoss] {
                let next = disk.crash(crash, seed);
                let found = next.contents("d/report").unwrap();
                assert!(found == b"old report" || found == b"new", "{found:?}");
                seen.insert((at, found == b"new"));
                write_whole(&next, Path::new("d/report"), b"newer").unwrap();
                assert_eq!(next.contents("d/report").unwrap(), b"newer");
            }
        }
    }
    let expected =
        [(0, false), (1, false), (2, false), (3, false), (3, true), (4, false), (4, true), (5, true)];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn the_operation_at_which_a_process_dies_happens_in_part() {
    let calls = Arc::new(AtomicUsize::new(0));
    let mut lengths = BTreeSet::new();
    let mut removed = BTreeSet::new();
    for seed in 0..SEEDS {
        let disk = SimDisk::new(seed);
        disk.put("a", b"0123456789");
        let mut file = disk.open(Path::new("a"), Open::Append).unwrap();
        let counter = Arc::clone(&calls);
        disk.on_crash(move || {
            _ = counter.fetch_add(1, Ordering::Relaxed);
        });
        disk.crash_at(1);
        file.sync().unwrap();
        assert!(!disk.is_dead());
        if seed % 2 == 0 {
            assert_eq!(file.append(b"abc").unwrap_err().to_string(), "crashed");
            let left = disk.crash(Crash::Kill, seed).contents("a").unwrap();
            assert!(b"0123456789abc".starts_with(&left[..]));
            lengths.insert(left.len());
        } else {
            assert_eq!(disk.remove(Path::new("a")).unwrap_err().to_string(), "crashed");
            removed.insert(disk.crash(Crash::Kill, seed).paths().is_empty());
        }
        assert!(disk.is_dead());
        assert_eq!(file.sync().unwrap_err().kind(), ErrorKind::Other);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 200);
    assert_eq!(lengths, BTreeSet::from([10, 11, 12, 13]));
    assert_eq!(removed.len(), 2);
}

#[test]
fn a_failed_sync_leaves_any_mixture_and_a_later_one_proves_nothing() {
    let whole = pattern(4 * 512);
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let disk = SimDisk::new(seed);
        disk.put("a", b"");
        let mut file = disk.open(Path::new("a"), Open::Append).unwrap();
        disk.fail_sync_at(1, ErrorKind::Other);
        file.sync().unwrap();
        file.append(&whole).unwrap();
        assert_eq!(kind(file.sync()), Some(ErrorKind::Other));
        file.sync().unwrap();
        assert_eq!(disk.contents("a").unwrap(), whole, "readers still see it");
        let left = disk.crash(Crash::PowerLoss, seed).contents("a").unwrap();
        let sectors: Vec<_> =
            left.chunks(512).zip(whole.chunks(512)).map(|(one, other)| one == other).collect();
        seen.insert(sectors);
    }
    assert!(seen.len() > 16, "every mixture of four sectors, some shorter: {}", seen.len());
    let doubtful = |seed| {
        let disk = SimDisk::new(seed);
        disk.open(Path::new("a"), Open::New).expect("there is room");
        disk.fail_sync_at(0, ErrorKind::Other);
        assert!(disk.sync_dir(Path::new(".")).is_err());
        disk.sync_dir(Path::new(".")).expect("it fails once");
        disk.crash(Crash::PowerLoss, seed).paths().len()
    };
    assert_eq!((0..SEEDS).map(doubtful).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
}

#[test]
fn a_full_disk_takes_a_part_and_goes_on_when_there_is_room() {
    let (disk, mut file) = disk_with("a", b"");
    disk.put("b", [0; 100]);
    disk.set_free(Some(5));
    file.append(b"123").unwrap();
    assert_eq!(kind(file.append(b"456")), Some(ErrorKind::StorageFull));
    assert_eq!(disk.contents("a").unwrap(), b"12345");
    assert_eq!(kind(disk.open(Path::new("c"), Open::New)), Some(ErrorKind::StorageFull));
    file.cut(3).unwrap();
    file.append(b"xy").unwrap();
    let held = disk.open(Path::new("b"), Open::Read).unwrap();
    disk.remove(Path::new("b")).unwrap();
    assert_eq!(disk.space(Path::new(".")).unwrap().free, 0, "somebody has it open");
    drop(held);
    assert_eq!(disk.space(Path::new(".")).unwrap().free, 100);
    file.append(&[1; 100]).unwrap();
    disk.set_free(None);
    disk.set_file_bytes_max(Some(110));
    assert_eq!(kind(file.append(b"0123456789")), Some(ErrorKind::FileTooLarge));
    assert_eq!(file.len().unwrap(), 110);
}

#[test]
fn what_is_to_fail_fails_once_and_where_it_was_told() {
    let (disk, mut file) = disk_with("a", b"");
    disk.fail_at(1, ErrorKind::PermissionDenied);
    disk.tear_at(1, 2, ErrorKind::StorageFull);
    file.append(b"one").unwrap();
    assert_eq!(kind(disk.remove(Path::new("a"))), Some(ErrorKind::PermissionDenied));
    assert_eq!(kind(file.append(b"two")), Some(ErrorKind::StorageFull));
    assert_eq!(disk.contents("a").unwrap(), b"onetw");
    assert!(disk.flip("a", 8) && !disk.flip("a", 40) && !disk.flip("none", 0));
    assert_eq!(disk.contents("a").unwrap(), b"ooetw");
    disk.set_read_only(true);
    assert_eq!(kind(file.append(b"x")), Some(ErrorKind::ReadOnlyFilesystem));
    assert_eq!(kind(disk.open(Path::new("b"), Open::New)), Some(ErrorKind::ReadOnlyFilesystem));
    assert_eq!(kind(disk.open(Path::new("a"), Open::Append)), Some(ErrorKind::ReadOnlyFilesystem));
    disk.set_read_only(false);
    disk.set_unreadable("a", Some(ErrorKind::Other));
    assert_eq!(kind(file.read_at(0, &mut [0])), Some(ErrorKind::Other));
    disk.set_unreadable("a", None);
    assert_eq!(file.read_at(0, &mut [0]).unwrap(), 1);
}

#[test]
fn what_was_done_is_counted_and_told_apart() {
    let run = |bytes: &[u8]| {
        let (disk, mut file) = disk_with("a", b"");
        file.append(bytes).expect("there is room");
        file.sync().expect("it does not fail");
        let removed = disk.remove(Path::new("none"));
        assert_eq!(kind(removed), Some(ErrorKind::NotFound));
        disk
    };
    let disk = run(b"12");
    let counts = DiskCounts { operations: 2, syncs: 1, appended_bytes: 2, failed: 0 };
    assert_eq!(disk.counts(), counts);
    let op = |kind, len| DiskOp { kind, path: "a".into(), len, ok: true };
    assert_eq!(disk.trace(), [op(OpKind::Append, 2), op(OpKind::Sync, 0)]);
    assert_eq!(disk.trace_hash(), run(b"34").trace_hash());
    assert_ne!(disk.trace_hash(), run(b"345").trace_hash());
}

#[test]
fn drawn_faults_are_of_every_kind_and_the_same_for_the_same_seed() {
    let drawn: Vec<_> = (0..SEEDS).map(|seed| DiskFaults::draw(seed, 100)).collect();
    let again: Vec<_> = (0..SEEDS).map(|seed| DiskFaults::draw(seed, 100)).collect();
    assert_eq!(drawn, again);
    let count = |has: &dyn Fn(&DiskFaults) -> bool| drawn.iter().filter(|faults| has(faults)).count();
    assert!(count(&|faults| faults.crash.is_some()) > 50);
    assert!(count(&|faults| !faults.fails.is_empty()) > 50);
    assert!(count(&|faults| !faults.torn.is_empty()) > 20);
    assert!(count(&|faults| !faults.failed_syncs.is_empty()) > 20);
    assert!(count(&|faults| *faults == DiskFaults::default()) > 5);
}
