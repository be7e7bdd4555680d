//! Decides what the files of one sink are called, and tells them from everybody else's.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use dragline_core::frontier::RunId;

use super::compress::Compression;

/// Digits of a file's number; a larger number has more.
const NUMBER_DIGITS: usize = 6;
/// Digits of a run in a name.
const RUN_DIGITS: usize = 16;

/// What the files of one sink are called.
///
/// A sink that neither rotates nor compresses has one file, at its path. Any other has numbered files: `items.jsonl`
/// stands for `items-000001.jsonl`, `items-000002.jsonl` and so on, with `.gz` or `.zst` behind it when they are
/// compressed; sorted by name they are in order. While it is written, such a file is called
/// `items-000001.jsonl.<run>.open`, and what it is compressed into `items-000001.jsonl.gz.<run>.tmp` until it is whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileNames {
    path: PathBuf,
    numbered: bool,
}

/// Whose file it is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The sink's, finished or of fixed name.
    Sink,
    /// A run's, not finished.
    Run(RunId),
}

impl FileNames {
    /// Names the one file of a sink that neither rotates nor compresses.
    pub(crate) const fn fixed(path: PathBuf) -> Self {
        Self { path, numbered: false }
    }

    /// Names the files of a sink that rotates or compresses.
    pub(crate) const fn numbered(path: PathBuf) -> Self {
        Self { path, numbered: true }
    }

    /// Returns the path as it was set up.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a file for each number.
    pub const fn is_numbered(&self) -> bool {
        self.numbered
    }

    /// Returns the folder of the files.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Returns where a file stands while it is written.
    pub(crate) fn open(&self, number: u64, run: RunId) -> PathBuf {
        if self.numbered { self.with_ending(number, &format!(".{run}.open")) } else { self.path.clone() }
    }

    /// Returns where a numbered file stands when it is finished.
    pub(crate) fn finished(&self, number: u64, compression: Option<Compression>) -> PathBuf {
        self.with_ending(number, compression.map_or("", Compression::ending))
    }

    /// Returns where a numbered file stands while it is compressed.
    pub(crate) fn compressing(&self, number: u64, compression: Compression, run: RunId) -> PathBuf {
        self.with_ending(number, &format!("{}.{run}.tmp", compression.ending()))
    }

    /// Says whose file of the folder this is; `None`: nothing to do with this sink.
    pub(crate) fn owner(&self, path: &Path) -> Option<Owner> {
        let name = path.file_name()?;
        if !self.numbered {
            return (Some(name) == self.path.file_name()).then_some(Owner::Sink);
        }
        let (stem, extension) = self.parts();
        let rest = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes())?;
        let rest = after_number(rest.strip_prefix(b"-")?)?.strip_prefix(extension.as_encoded_bytes())?;
        owner_by_ending(std::str::from_utf8(rest).ok()?)
    }

    fn with_ending(&self, number: u64, ending: &str) -> PathBuf {
        let (stem, extension) = self.parts();
        let mut name = stem.to_owned();
        name.push(format!("-{number:0NUMBER_DIGITS$}"));
        name.push(extension);
        name.push(ending);
        self.path.with_file_name(name)
    }

    /// Returns the name without its extension, and the extension with its dot.
    fn parts(&self) -> (&OsStr, OsString) {
        let stem = self.path.file_stem().unwrap_or_default();
        let mut extension = OsString::new();
        if let Some(text) = self.path.extension() {
            extension.push(".");
            extension.push(text);
        }
        (stem, extension)
    }
}

/// Returns what follows a number as [`FileNames::with_ending`] writes it.
fn after_number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let is_ours = digits == NUMBER_DIGITS || (digits > NUMBER_DIGITS && !number.starts_with(b"0"));
    is_ours.then_some(rest)
}

/// Reads what stands behind the plain name: nothing, `.gz`, `.<run>.open` or `.gz.<run>.tmp`.
fn owner_by_ending(ending: &str) -> Option<Owner> {
    let (ending, is_open) = match ending.strip_suffix(".open") {
        Some(rest) => (rest, true),
        None => match ending.strip_suffix(".tmp") {
            Some(rest) => (rest, false),
            None => return (ending.is_empty() || is_compressed(ending)).then_some(Owner::Sink),
        },
    };
    let (before, run) = ending.rsplit_once('.')?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_run = run.len() == RUN_DIGITS && run.bytes().all(is_digit);
    let is_ours = if is_open { before.is_empty() } else { is_compressed(before) };
    let run = u64::from_str_radix(run, 16).ok().filter(|_| is_run && is_ours)?;
    Some(Owner::Run(RunId(run)))
}

fn is_compressed(ending: &str) -> bool {
    Compression::ALL.into_iter().any(|each| each.ending() == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId(0xab);

    fn check(names: &FileNames, number: u64, open: &str, finished: &str, compressing: &str) {
        let places = [
            names.open(number, RUN),
            names.finished(number, None),
            names.compressing(number, Compression::Gzip, RUN),
        ];
        assert_eq!(places, [open, finished, compressing].map(PathBuf::from));
    }

    #[test]
    fn numbers_and_runs_stand_in_names() {
        let numbered = FileNames::numbered("out/items.jsonl".into());
        check(
            &numbered,
            1,
            "out/items-000001.jsonl.00000000000000ab.open",
            "out/items-000001.jsonl",
            "out/items-000001.jsonl.gz.00000000000000ab.tmp",
        );
        check(
            &FileNames::numbered("items".into()),
            12,
            "items-000012.00000000000000ab.open",
            "items-000012",
            "items-000012.gz.00000000000000ab.tmp",
        );
        assert_eq!(
            numbered.finished(1_234_567, Some(Compression::Zstd)),
            Path::new("out/items-1234567.jsonl.zst")
        );
        assert_eq!(FileNames::fixed("out/items.jsonl".into()).open(0, RUN), Path::new("out/items.jsonl"));
    }

    #[test]
    fn every_name_is_known_again_and_no_other_is() {
        let path = || PathBuf::from("out/it.ems.jsonl");
        for names in [FileNames::numbered(path()), FileNames::numbered("x/none".into())] {
            for number in [1, 999_999, 1_000_000] {
                assert_eq!(names.owner(&names.open(number, RUN)), Some(Owner::Run(RUN)), "{number}");
                for compression in [Compression::Gzip, Compression::Zstd] {
                    assert_eq!(names.owner(&names.finished(number, Some(compression))), Some(Owner::Sink));
                    assert_eq!(
                        names.owner(&names.compressing(number, compression, RUN)),
                        Some(Owner::Run(RUN))
                    );
                }
            }
            assert_eq!(names.owner(&names.finished(1, None)), Some(Owner::Sink));
        }
        let numbered = FileNames::numbered(path());
        for foreign in [
            "it.ems.jsonl",
            "it.ems.jsonl.gz",
            "it.ems-00001.jsonl",
            "it.ems-0000001.jsonl",
            "it.ems-000001.csv",
            "it.ems-000001.jsonl.bz2",
            "it.ems-000001.jsonl.open",
            "it.ems-000001.jsonl.ab.open",
            "it.ems-000001.jsonl.00000000000000AB.open",
            "it.ems-000001.jsonl.gz.00000000000000ab.open",
            "it.ems-000001.jsonl.00000000000000ab.tmp",
            "it.ems-000001-000001.jsonl",
            "Xit.ems-000001.jsonl",
        ] {
            assert_eq!(numbered.owner(Path::new(foreign)), None, "{foreign}");
        }
        let fixed = FileNames::fixed(path());
        assert_eq!(fixed.owner(Path::new("out/it.ems.jsonl")), Some(Owner::Sink));
        assert_eq!(fixed.owner(Path::new("out/it.ems-000001.jsonl")), None);
    }
}
